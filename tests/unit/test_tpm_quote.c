/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attest/tpm_quote: genuine quotes field by field, every truncation, trailing bytes,
 * selections that are not the whole bank, marshalled signatures.
 */
#include "vectors.h"

#include "attest/tpm_quote.h"

#define NAME_LEN_AT 6
#define EXTRA_LEN_AT 42

static void must_read(struct bytes raw, struct tpm_quote *quote)
{
	struct err err = { 0 };
	if (tpm_quote_read(raw, quote, &err) < 0)
		fail_msg("refused: %s", err.message);
}

static void assert_refused(struct bytes raw, const char *part)
{
	struct err err = { 0 };
	struct tpm_quote quote = { .selection_count = 77 };
	assert_int_equal(tpm_quote_read(raw, &quote, &err), -1);
	assert_int_equal(err.code, ERR_PROTOCOL);
	assert_int_equal(quote.selection_count, 77);
	assert_message_has(err, part);
}

static void genuine(void **state)
{
	(void)state;
	struct buf raw OWNED_BUF = vector_read("azure/tpm-quote.msg");
	struct tpm_quote quote;
	assert_int_equal(raw.len, 122);
	must_read(buf_bytes(&raw), &quote);
	assert_int_equal(quote.signer.len, 34);
	assert_hex_prefix(quote.signer.data, quote.signer.len, "000b");
	assert_true(bytes_equal_text(quote.extra_data, "challenge"));
	assert_true(quote.clock != 0);
	assert_int_equal(quote.selection_count, 1);
	assert_int_equal(quote.selections[0].alg, TPM_ALG_SHA256_ID);
	assert_int_equal(quote.selections[0].size, 3);
	assert_int_equal(quote.selections[0].pcrs, 0x40FF);
	assert_false(tpm_quote_covers_all(&quote));
	assert_int_equal(quote.pcr_digest.len, 32);
	assert_ptr_equal(quote.pcr_digest.data, raw.data + raw.len - 32);
}

/* The fixed part as it stands in the bytes: clock, counts, flag, firmware version. */
static void fixed_fields(void **state)
{
	(void)state;
	struct buf raw OWNED_BUF = vector_read("azure/tpm-quote.msg");
	struct tpm_quote quote;
	uint8_t *at = raw.data + EXTRA_LEN_AT + 2 + 9;
	for (size_t i = 0; i < 25; i++)
		at[i] = (uint8_t)(i + 1);
	at[16] = 1;
	must_read(buf_bytes(&raw), &quote);
	assert_true(quote.clock == 0x0102030405060708);
	assert_int_equal(quote.reset_count, 0x090a0b0c);
	assert_int_equal(quote.restart_count, 0x0d0e0f10);
	assert_true(quote.safe);
	assert_true(quote.firmware_version == 0x1213141516171819);
	at[16] = 0;
	must_read(buf_bytes(&raw), &quote);
	assert_false(quote.safe);
	at[16] = 2;
	assert_refused(buf_bytes(&raw), "the flag 'safe'");
}

static void truncations_and_more(void **state)
{
	(void)state;
	struct buf raw OWNED_BUF = vector_read("azure/tpm-quote.msg");
	struct err err = { 0 };
	for (size_t len = 0; len < raw.len; len++) {
		OWNED_MEM uint8_t *cut = exact_copy(buf_bytes(&raw), len);
		assert_refused(bytes_of(cut, len), "TPM quote");
	}
	assert_int_equal(buf_append_byte(&raw, 0, &err), 0);
	assert_refused(buf_bytes(&raw), "1 bytes lie behind it at offset 122");
}

static void bad_heads(void **state)
{
	(void)state;
	static const struct {
		size_t at;
		uint8_t value;
		const char *part;
	} bad[] = {
		{ 0, 0xFE, "no TPM made this" },       { 5, 0x17, "no quote" },
		{ NAME_LEN_AT + 1, 69, "at most 68" }, { EXTRA_LEN_AT + 1, 67, "at most 66" },
		{ EXTRA_LEN_AT, 1, "at most 66" },
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct buf raw OWNED_BUF = vector_read("azure/tpm-quote.msg");
		raw.data[bad[i].at] = bad[i].value;
		assert_refused(buf_bytes(&raw), bad[i].part);
	}
}

/* Behind the 78 bytes up to the firmware version of the genuine quote, selections of our own. */
static void with_selections(const char *hex, struct buf *out)
{
	struct buf raw OWNED_BUF = vector_read("azure/tpm-quote.msg");
	struct err err = { 0 };
	assert_int_equal(buf_append(out, bytes_of(raw.data, EXTRA_LEN_AT + 2 + 9 + 25), &err), 0);
	assert_int_equal(hex_decode(bytes_of_text(hex), out, &err), 0);
	assert_int_equal(buf_append(out, bytes_of(raw.data + raw.len - 34, 34), &err), 0);
}

static void selections(void **state)
{
	(void)state;
	static const struct {
		const char *hex;
		size_t count;
		bool all;
	} taken[] = {
		{ "00000001"
		  "000b"
		  "03"
		  "ffffff",
		  1, true },
		{ "00000001"
		  "000b"
		  "03"
		  "fffeff",
		  1, false },
		{ "00000001"
		  "0004"
		  "03"
		  "ffffff",
		  1, false },
		{ "00000001"
		  "000b"
		  "04"
		  "ffffff00",
		  1, false },
		{ "00000001"
		  "000b"
		  "04"
		  "ffffff01",
		  1, false },
		{ "00000002"
		  "000b"
		  "03"
		  "ffffff"
		  "0004"
		  "03"
		  "ffffff",
		  2, false },
		{ "00000002"
		  "000b"
		  "03"
		  "ffffff"
		  "000b"
		  "03"
		  "000000",
		  2, false },
		{ "00000000", 0, false },
	};
	for (size_t i = 0; i < ARRAY_LEN(taken); i++) {
		struct buf raw OWNED_BUF = BUF_INIT(TPM_QUOTE_MAX);
		struct tpm_quote quote;
		with_selections(taken[i].hex, &raw);
		must_read(buf_bytes(&raw), &quote);
		assert_int_equal(quote.selection_count, taken[i].count);
		assert_int_equal(tpm_quote_covers_all(&quote), taken[i].all);
	}
	static const struct {
		const char *hex;
		const char *part;
	} refused[] = {
		{ "00000001"
		  "000b"
		  "00",
		  "the size of a selection" },
		{ "00000001"
		  "000b"
		  "05"
		  "ffffffffff",
		  "the size of a selection" },
		{ "00000011", "17 selections" },
		{ "ffffffff", "selections" },
	};
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		struct buf raw OWNED_BUF = BUF_INIT(TPM_QUOTE_MAX);
		with_selections(refused[i].hex, &raw);
		assert_refused(buf_bytes(&raw), refused[i].part);
	}
}

static void digest_of_pcrs(void **state)
{
	(void)state;
	struct tpm_pcrs pcrs;
	struct digest digest;
	struct err err = { 0 };
	memset(&pcrs, 0, sizeof(pcrs));
	assert_int_equal(tpm_pcrs_digest(&pcrs, &digest, &err), 0);
	/* SHA-256 of 768 zero bytes */
	assert_hex_padded(digest.bytes, digest.len, "ef115a0e0c15cdc41958ca46b5b14b456115f4baec5e3ca68599d2a8f435e3b8");
}

static void signatures(void **state)
{
	(void)state;
	static const struct {
		const char *hex;
		const char *part; /* NULL: taken */
	} cases[] = {
		{ "0014"
		  "000b"
		  "0003"
		  "aabbcc",
		  NULL },
		{ "0014"
		  "000b"
		  "0003"
		  "aabb",
		  "the signature" },
		{ "0014"
		  "000b"
		  "0003"
		  "aabbccdd",
		  "1 bytes lie behind it" },
		{ "0016"
		  "000b"
		  "0003"
		  "aabbcc",
		  "scheme 0x0016" },
		{ "0014"
		  "000c"
		  "0003"
		  "aabbcc",
		  "hash 0x000c" },
		{ "0014"
		  "000b"
		  "0401",
		  "at most 1024" },
		{ "0014"
		  "000b"
		  "0000",
		  "it is empty" },
		{ "0014"
		  "00",
		  "the hash" },
		{ "", "the scheme" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf raw OWNED_BUF = BUF_INIT(TPM_SIGNATURE_MAX);
		struct bytes bare = { NULL, 0 };
		struct err err = { 0 };
		assert_int_equal(hex_decode(bytes_of_text(cases[i].hex), &raw, &err), 0);
		assert_int_equal(tpm_signature_read(buf_bytes(&raw), &bare, &err), cases[i].part ? -1 : 0);
		if (cases[i].part) {
			assert_message_has(err, cases[i].part);
			assert_null(bare.data);
		} else {
			assert_hex_padded(bare.data, bare.len, "aabbcc");
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(genuine),    cmocka_unit_test(fixed_fields), cmocka_unit_test(truncations_and_more),
		cmocka_unit_test(bad_heads),  cmocka_unit_test(selections),   cmocka_unit_test(digest_of_pcrs),
		cmocka_unit_test(signatures),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
