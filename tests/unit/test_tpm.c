/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attest/tpm against a real TPM 2.0 in software (swtpm): NV indices in chunks, PCRs, quotes with
 * their values, also while somebody extends PCRs in between.
 */
#include "soft_tpm.h"
#include "vectors.h"

#include "attest/az_common.h"
#include "attest/tpm.h"

#define INDEX 0x01500010u

static struct soft_tpm soft;
static struct buf ak_n = BUF_INIT(512);
static bool there;

static int start(void **state)
{
	(void)state;
	there = soft_tpm_start(&soft);
	if (there)
		soft_tpm_make_ak(&soft, SOFT_TPM_AK, &ak_n);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	if (there)
		soft_tpm_stop(&soft);
	buf_done(&ak_n);
	return 0;
}

static struct tpm *open_soft(void)
{
	struct tpm *tpm = NULL;
	struct err err = { 0 };
	if (!there)
		skip();
	soft.hook = NULL;
	if (tpm_open(soft_tpm_transport(&soft), &tpm, &err) < 0)
		fail_msg("%s", err.message);
	return tpm;
}

static struct err why;

#define OK(call)                                                                                                       \
	do {                                                                                                           \
		if ((call) < 0)                                                                                        \
			fail_msg("%s", why.message);                                                                   \
	} while (0)

static void absent_things(void **state)
{
	(void)state;
	struct tpm *tpm OWNED_TPM = open_soft();
	struct buf content OWNED_BUF = BUF_INIT(4096);
	struct tpm_quoted quoted OWNED_QUOTED = TPM_QUOTED_INIT;
	struct err err = { 0 };
	bool found = true;
	size_t size = 7;
	OK(tpm_nv_find(tpm, INDEX, &found, &size, &why));
	assert_false(found);
	assert_int_equal(tpm_nv_read(tpm, INDEX, &content, &err), -1);
	assert_int_equal(err.code, ERR_SYSTEM);
	assert_message_has(err, "0x01500010");
	assert_int_equal(tpm_nv_undefine(tpm, INDEX, &err), -1);
	assert_int_equal(tpm_quote_all(tpm, 0x81000099, bytes_of_text("x"), &quoted, &err), -1);
	assert_message_has(err, "0x81000099");
}

static void nv_in_one_piece(void **state)
{
	(void)state;
	struct tpm *tpm OWNED_TPM = open_soft();
	struct buf content OWNED_BUF = BUF_INIT(64);
	struct err err = { 0 };
	bool found = false;
	size_t size = 0;
	OK(tpm_nv_define(tpm, INDEX, 48, &why));
	OK(tpm_nv_find(tpm, INDEX, &found, &size, &why));
	assert_true(found);
	assert_int_equal(size, 48);
	OK(tpm_nv_write(tpm, INDEX, bytes_of_text("0123456789abcdef0123456789abcdef0123456789ABCDEF"), &why));
	OK(tpm_nv_read(tpm, INDEX, &content, &why));
	assert_string_equal(buf_text(&content), "0123456789abcdef0123456789abcdef0123456789ABCDEF");
	OK(tpm_nv_read_head(tpm, INDEX, 5, &found, &content, &why));
	assert_true(found);
	assert_string_equal(buf_text(&content), "01234");
	assert_int_equal(tpm_nv_read_head(tpm, INDEX, 49, &found, &content, &err), -1);
	assert_int_equal(err.code, ERR_PROTOCOL);
	assert_message_has(err, "shorter than 49 bytes");
	OK(tpm_nv_undefine(tpm, INDEX, &why));
	OK(tpm_nv_find(tpm, INDEX, &found, &size, &why));
	assert_false(found);
	OK(tpm_nv_read_head(tpm, INDEX, 5, &found, &content, &why));
	assert_false(found);
	assert_int_equal(content.len, 0);
}

/* Looked up once, an index is read by one command. */
static void nv_that_is_known(void **state)
{
	(void)state;
	struct tpm *tpm OWNED_TPM = open_soft();
	struct tpm *guest OWNED_TPM = open_soft();
	struct buf content OWNED_BUF = BUF_INIT(64);
	struct err err = { 0 };
	bool found = false;
	size_t size = 0;
	for (uint32_t i = 0; i < 6; i++) { /* more than are kept */
		OK(tpm_nv_define(guest, INDEX + i, i + 1, &why));
		OK(tpm_nv_write(guest, INDEX + i, bytes_of_text(&"abcdef"[5 - i]), &why));
	}
	OK(tpm_nv_read(tpm, INDEX + 5, &content, &why));
	soft.commands = 0;
	OK(tpm_nv_read(tpm, INDEX + 5, &content, &why));
	assert_int_equal(soft.commands, 1);
	for (uint32_t i = 0; i < 6; i++) {
		OK(tpm_nv_read(tpm, INDEX + i, &content, &why));
		assert_string_equal(buf_text(&content), &"abcdef"[5 - i]);
	}
	/* Another program makes it anew, and shorter: that is seen, and then it is looked up again. */
	OK(tpm_nv_undefine(guest, INDEX + 5, &why));
	OK(tpm_nv_define(guest, INDEX + 5, 2, &why));
	OK(tpm_nv_write(guest, INDEX + 5, bytes_of_text("xy"), &why));
	assert_int_equal(tpm_nv_read(tpm, INDEX + 5, &content, &err), -1);
	OK(tpm_nv_read(tpm, INDEX + 5, &content, &why));
	assert_string_equal(buf_text(&content), "xy");
	for (uint32_t i = 0; i < 6; i++)
		OK(tpm_nv_undefine(guest, INDEX + i, &why));
	OK(tpm_nv_find(tpm, INDEX + 5, &found, &size, &why));
	assert_false(found);
}

/* As long as this TPM lets an index be, which takes two commands each way. */
static void nv_in_chunks(void **state)
{
	(void)state;
	struct tpm *tpm OWNED_TPM = open_soft();
	struct buf content OWNED_BUF = BUF_INIT(2048);
	struct buf small OWNED_BUF = BUF_INIT(2047);
	struct err err = { 0 };
	bool found = false;
	static uint8_t data[2048];
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7 + i / 256);
	OK(tpm_nv_define(tpm, INDEX, sizeof(data), &why));
	OK(tpm_nv_write(tpm, INDEX, bytes_of(data, sizeof(data)), &why));
	OK(tpm_nv_read(tpm, INDEX, &content, &why));
	assert_int_equal(content.len, sizeof(data));
	assert_memory_equal(content.data, data, sizeof(data));
	OK(tpm_nv_read_head(tpm, INDEX, 1025, &found, &content, &why));
	assert_int_equal(content.len, 1025);
	assert_memory_equal(content.data, data, 1025);
	assert_int_equal(tpm_nv_read(tpm, INDEX, &small, &err), -1);
	assert_int_equal(small.len, 0);
	OK(tpm_nv_undefine(tpm, INDEX, &why));
	assert_int_equal(tpm_nv_define(tpm, INDEX, 0, &err), -1);
	assert_int_equal(tpm_nv_define(tpm, INDEX, 2049, &err), -1);
}

static void pcrs(void **state)
{
	(void)state;
	struct tpm *tpm OWNED_TPM = open_soft();
	struct tpm_pcrs before;
	struct tpm_pcrs after;
	struct err err = { 0 };
	uint8_t both[64];
	struct digest want;
	OK(tpm_pcr_read(tpm, &before, &why));
	assert_hex_padded(before.values[0], TPM_PCR_LEN, "");
	for (size_t i = 17; i <= 22; i++)
		assert_hex_padded(before.values[i], TPM_PCR_LEN,
				  "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff");
	memcpy(both, before.values[14], 32);
	memset(both + 32, 0x42, 32);
	OK(tpm_pcr_extend(tpm, 14, bytes_of(both + 32, 32), &why));
	OK(tpm_pcr_read(tpm, &after, &why));
	assert_int_equal(digest_of(DIGEST_SHA256, bytes_of(both, 64), &want, &err), 0);
	assert_memory_equal(after.values[14], want.bytes, 32);
	memcpy(after.values[14], before.values[14], 32);
	assert_memory_equal(&before, &after, sizeof(before));
	assert_int_equal(tpm_pcr_extend(tpm, 24, bytes_of(both, 32), &err), -1);
	assert_int_equal(tpm_pcr_extend(tpm, 14, bytes_of(both, 31), &err), -1);
}

/* The look at Azure's evidence checks signatures: let it check these. */
static void assert_signed(const struct tpm_quoted *quoted, struct bytes extra_data)
{
	struct az_gathered gathered = { .quoted = *quoted, .claims = { .ak_n = ak_n, .ak_e = BUF_INIT(8) } };
	struct err err = { 0 };
	struct look findings = { .count = 0 };
	static uint8_t hardware[1184];
	gathered.report.hardware = bytes_of(hardware, sizeof(hardware));
	assert_int_equal(buf_append(&gathered.claims.ak_e, bytes_of("\x01\x00\x01", 3), &err), 0);
	look_at_az(&gathered, extra_data, NULL, &findings);
	static const char *const names[] = { "ak",	   "quote",	    "quote-signature",
					     "extra-data", "pcr-selection", "pcr-digest" };
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (look_find(&findings, names[i]))
			fail_msg("%s", look_find(&findings, names[i])->text);
	buf_done(&gathered.claims.ak_e);
}

static void quotes(void **state)
{
	(void)state;
	struct tpm *tpm OWNED_TPM = open_soft();
	struct tpm_quoted quoted OWNED_QUOTED = TPM_QUOTED_INIT;
	struct err err = { 0 };
	static const uint8_t long_data[65] = { 1 };
	const size_t lens[] = { 0, 1, 48, 64 };
	for (size_t i = 0; i < ARRAY_LEN(lens); i++) {
		OK(tpm_quote_all(tpm, SOFT_TPM_AK, bytes_of(long_data, lens[i]), &quoted, &why));
		assert_int_equal(quoted.signature.len, 256);
		assert_int_equal(quoted.message.len, 113 + lens[i]);
		assert_signed(&quoted, bytes_of(long_data, lens[i]));
	}
	assert_int_equal(tpm_quote_all(tpm, SOFT_TPM_AK, bytes_of(long_data, 65), &quoted, &err), -1);
	assert_int_equal(err.code, ERR_USAGE);
}

static void public_part(void **state)
{
	(void)state;
	struct tpm *tpm OWNED_TPM = open_soft();
	struct buf n OWNED_BUF = BUF_INIT(512);
	struct buf e OWNED_BUF = BUF_INIT(8);
	bool found = true;
	OK(tpm_rsa_public(tpm, SOFT_TPM_AK + 1, &found, &n, &e, &why));
	assert_false(found);
	assert_int_equal(n.len, 0);
	OK(tpm_rsa_public(tpm, SOFT_TPM_AK, &found, &n, &e, &why));
	assert_true(found);
	assert_true(bytes_equal(buf_bytes(&n), buf_bytes(&ak_n)));
	assert_int_equal(e.len, 3);
	assert_hex_padded(e.data, 3, "010001");
}

struct racer {
	unsigned left; /* extends still to be made */
	unsigned quotes;
};

static void extend_before_reading(struct soft_tpm *tpm, TPM2_CC code, void *arg)
{
	struct racer *racer = arg;
	racer->quotes += code == TPM2_CC_Quote;
	if (code != TPM2_CC_PCR_Read || racer->left == 0)
		return;
	racer->left--;
	soft_tpm_extend(tpm, 15, (uint8_t)racer->left);
}

static void race_that_settles(void **state)
{
	(void)state;
	struct tpm *tpm OWNED_TPM = open_soft();
	struct tpm_quoted quoted OWNED_QUOTED = TPM_QUOTED_INIT;
	struct racer racer = { .left = 4 };
	soft.arg = &racer;
	soft.hook = extend_before_reading;
	OK(tpm_quote_all(tpm, SOFT_TPM_AK, bytes_of_text("race"), &quoted, &why));
	assert_in_range(racer.quotes, 3, 4); /* three commands read all PCRs */
	assert_signed(&quoted, bytes_of_text("race"));
	soft.hook = NULL;
}

static void race_that_never_settles(void **state)
{
	(void)state;
	struct tpm *tpm OWNED_TPM = open_soft();
	struct tpm_quoted quoted OWNED_QUOTED = TPM_QUOTED_INIT;
	struct racer racer = { .left = 1000 };
	struct err err = { 0 };
	soft.arg = &racer;
	soft.hook = extend_before_reading;
	assert_int_equal(tpm_quote_all(tpm, SOFT_TPM_AK, bytes_of_text("race"), &quoted, &err), -1);
	assert_int_equal(err.code, ERR_DEVICE);
	assert_int_equal(racer.quotes, 5);
	assert_int_equal(quoted.message.len, 0);
	soft.hook = NULL;
}

static void answers_and_what_they_mean(void **state)
{
	(void)state;
	struct tpm *tpm OWNED_TPM = open_soft();
	struct tpm_pcrs ignored;
	struct err err = { 0 };
	soft.refuse_with = TPM2_RC_LOCKOUT;
	assert_int_equal(tpm_pcr_read(tpm, &ignored, &err), -1);
	assert_int_equal(err.code, ERR_DEVICE);
	assert_true(err_may_retry(&err));
	soft.refuse_with = TPM2_RC_FAILURE;
	assert_int_equal(tpm_pcr_read(tpm, &ignored, &err), -1);
	assert_int_equal(err.code, ERR_SYSTEM);
	assert_message_has(err, "the TPM says");
	assert_false(err_may_retry(&err));
	OK(tpm_pcr_read(tpm, &ignored, &why));
}

/* A TPM that gives less of an index than it was asked for. */
static void a_short_answer(void **state)
{
	(void)state;
	struct tpm *tpm OWNED_TPM = open_soft();
	struct buf content OWNED_BUF = BUF_INIT(64);
	struct err err = { 0 };
	/* tag, size, success; parameters: 3 bytes, one byte of content; an empty answer of the session */
	static const uint8_t answer[] = { 0x80, 0x02, 0, 0, 0, 22, 0, 0, 0, 0, 0, 0, 0, 3, 0, 1, 'x', 0, 0, 1, 0, 0 };
	OK(tpm_nv_define(tpm, INDEX, 2, &why));
	OK(tpm_nv_write(tpm, INDEX, bytes_of_text("xy"), &why));
	soft.canned = bytes_of(answer, sizeof(answer));
	soft.canned_for = TPM2_CC_NV_Read;
	assert_int_equal(tpm_nv_read(tpm, INDEX, &content, &err), -1);
	assert_message_has(err, "gave 1 bytes");
	assert_int_equal(soft.canned_for, 0);
	OK(tpm_nv_read(tpm, INDEX, &content, &why));
	assert_string_equal(buf_text(&content), "xy");
	OK(tpm_nv_undefine(tpm, INDEX, &why));
}

static void no_device(void **state)
{
	(void)state;
	struct tpm *tpm OWNED_TPM = NULL;
	struct err err = { 0 };
	if (tpm_present())
		skip();
	assert_int_equal(tpm_open_device(&tpm, &err), -1);
	assert_int_equal(err.code, ERR_NO_TEE);
	assert_null(tpm);
	assert_message_has(err, TPM_DEVICE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(absent_things),
		cmocka_unit_test(nv_in_one_piece),
		cmocka_unit_test(nv_that_is_known),
		cmocka_unit_test(nv_in_chunks),
		cmocka_unit_test(pcrs),
		cmocka_unit_test(quotes),
		cmocka_unit_test(public_part),
		cmocka_unit_test(race_that_settles),
		cmocka_unit_test(race_that_never_settles),
		cmocka_unit_test(answers_and_what_they_mean),
		cmocka_unit_test(a_short_answer),
		cmocka_unit_test(no_device),
	};
	return cmocka_run_group_tests(tests, start, stop);
}
