/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attest/plain_tpm against a software TPM: what its evidence carries, and what is refused before it is sent.
 */
#include "soft_tpm.h"
#include "vectors.h"

#include "attest/az_evidence.h"
#include "attest/look_tpm.h"
#include "attest/plain_tpm.h"

static struct soft_tpm soft;
static struct buf ak_n = BUF_INIT(512);
static bool there;

static int start(void **state)
{
	(void)state;
	there = soft_tpm_start(&soft);
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
	if (tpm_open(soft_tpm_transport(&soft), &tpm, &err) < 0)
		fail_msg("%s", err.message);
	return tpm;
}

static void assert_refused(struct tpm *tpm, const struct digest *init_data, enum err_code code, const char *part)
{
	struct attester_evidence evidence OWNED_EVIDENCE = ATTESTER_EVIDENCE_INIT;
	const struct attester_request request = { .report_data = bytes_of_text("x"), .init_data = init_data };
	struct err err = { 0 };
	assert_int_equal(plain_tpm_gather(tpm, &request, &evidence, &err), -1);
	assert_int_equal(err.code, code);
	assert_message_has(err, part);
	assert_null(evidence.json);
}

static void without_a_key(void **state)
{
	(void)state;
	struct tpm *tpm OWNED_TPM = open_soft();
	assert_refused(tpm, NULL, ERR_NO_TEE, "no attestation key at 0x81010002");
	soft_tpm_make_ak(&soft, PLAIN_TPM_AK, &ak_n);
}

/* Report data of any length become 32 bytes. */
static void assert_gathers(struct tpm *tpm, struct bytes asked, const struct digest *init_data)
{
	struct attester_evidence evidence OWNED_EVIDENCE = ATTESTER_EVIDENCE_INIT;
	const struct attester_request request = { .report_data = asked, .init_data = init_data };
	struct tpm_quoted quoted OWNED_QUOTED = TPM_QUOTED_INIT;
	struct buf spki OWNED_BUF = BUF_INIT(RSA_SPKI_MAX);
	struct tpm_quote quote;
	uint8_t want[32] = { 0 };
	struct err err = { 0 };
	if (asked.len > 0)
		memcpy(want, asked.data, asked.len < 32 ? asked.len : 32);
	if (plain_tpm_gather(tpm, &request, &evidence, &err) < 0 ||
	    tpm_evidence_open(evidence.json, &quoted, &spki, &err) < 0 ||
	    tpm_quote_read(buf_bytes(&quoted.message), &quote, &err) < 0)
		fail_msg("%s", err.message);
	assert_true(bytes_equal(quote.extra_data, bytes_of(want, sizeof(want))));
	assert_true(tpm_quote_covers_all(&quote));
	assert_true(bytes_equal(buf_bytes(&evidence.raw), buf_bytes(&quoted.message)));
	assert_int_equal(rsa_public_check(buf_bytes(&spki), buf_bytes(&quoted.message), buf_bytes(&quoted.signature)),
			 RSA_SIGNED);
	/* The key is the TPM's own. */
	struct buf own OWNED_BUF = BUF_INIT(RSA_SPKI_MAX);
	assert_int_equal(rsa_public_spki(buf_bytes(&ak_n), bytes_of("\x01\x00\x01", 3), &own, &err), 0);
	assert_true(bytes_equal(buf_bytes(&own), buf_bytes(&spki)));
}

static void evidence_of_a_tpm(void **state)
{
	(void)state;
	struct tpm *tpm OWNED_TPM = open_soft();
	static const uint8_t data[64] = { 1, 2, 3, [31] = 31, [32] = 32, [63] = 63 };
	const size_t lens[] = { 0, 1, 31, 32, 33, 48, 64 };
	for (size_t i = 0; i < ARRAY_LEN(lens); i++)
		assert_gathers(tpm, bytes_of(data, lens[i]), NULL);
}

static void init_data(void **state)
{
	(void)state;
	struct tpm *tpm OWNED_TPM = open_soft();
	struct digest digest;
	struct err err = { 0 };
	assert_int_equal(digest_of(DIGEST_SHA256, bytes_of_text("init-data"), &digest, &err), 0);
	assert_refused(tpm, &digest, ERR_BINDING, "nothing measured it");
	assert_int_equal(tpm_pcr_extend(tpm, TPM_INIT_DATA_PCR, digest_bytes(&digest), &err), 0);
	assert_gathers(tpm, bytes_of_text("x"), &digest);
	assert_int_equal(tpm_pcr_extend(tpm, TPM_INIT_DATA_PCR, digest_bytes(&digest), &err), 0);
	assert_refused(tpm, &digest, ERR_BINDING, "something else was measured");
	assert_int_equal(digest_of(DIGEST_SHA384, bytes_of_text("init-data"), &digest, &err), 0);
	assert_refused(tpm, &digest, ERR_CONFIG, "must be sha256");
}

static void extend_always(struct soft_tpm *tpm, TPM2_CC code, void *arg)
{
	(void)arg;
	if (code == TPM2_CC_PCR_Read)
		soft_tpm_extend(tpm, 15, 1);
}

static void a_tpm_that_fails(void **state)
{
	(void)state;
	struct tpm *tpm OWNED_TPM = open_soft();
	soft.hook = extend_always;
	assert_refused(tpm, NULL, ERR_DEVICE, "something extends them");
	soft.hook = NULL;
	soft.refuse_with = TPM2_RC_FAILURE;
	assert_refused(tpm, NULL, ERR_SYSTEM, "the TPM says");
}

/* What it is called, and that it is nobody's default. */
static void asked_for_by_name_only(void **state)
{
	(void)state;
	const struct attester_signs signs = { .sev_guest = false };
	assert_string_equal(plain_tpm_attester.tee, "tpm");
	assert_true(plain_tpm_attester.by_name_only);
	assert_non_null(strstr(plain_tpm_attester.warning, "no TEE"));
	assert_int_equal(plain_tpm_attester.probe(&signs), tpm_present());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_key),
		cmocka_unit_test(evidence_of_a_tpm),
		cmocka_unit_test(init_data),
		cmocka_unit_test(a_tpm_that_fails),
		cmocka_unit_test(asked_for_by_name_only),
	};
	return cmocka_run_group_tests(tests, start, stop);
}
