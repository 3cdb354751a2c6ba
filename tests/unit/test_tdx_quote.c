/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attest/tdx_quote: genuine quotes field by field, every truncation, every length field
 * with every bad value that matters, trailing bytes.
 */
#include "vectors.h"

#include "attest/tdx_quote.h"
#include "base/cursor.h"

#define QE_VENDOR "939a7233f79c4ca9940a0db3957f0607"
#define QE_MRSIGNER "dc9e2a7c6f948f17474e34a7fc43ed030f7c1563f1babddf6340c82e0e54a8c5"
#define V4_LEN_AT 0x278u /* the length of the signature data; the inner ones follow at fixed distances */
#define V5_LEN_AT 702u
#define OUTER_TYPE 132u
#define OUTER_LEN 134u
#define AUTH_LEN 586u
#define INNER_TYPE 620u
#define INNER_LEN 622u

static const struct genuine {
	const char *file;
	uint16_t version;
	uint16_t body_type;
	uint32_t signature_data_len;
	size_t trailing;
	const char *tee_tcb_svn;
	uint64_t attributes;
	uint64_t xfam;
	const char *mrtd;
	const char *mrconfigid;
	const char *rtmr0; /* its beginning */
	const char *report_data;
} genuine[] = {
	{ "tdx/v4-cos113.dat", 4, 2, 4299, 3065, "040107", 0x10000000, 0x600e7,
	  "dae67181d3d65e073ad8f95b7907d5e927bfe9761c9ff3e9b89734a45d8954dba41394c7717cb2735396c1d04231f94a", "",
	  "3fa2f61f395b7f5feefb4ec2", "" },
	{ "tdx/v4-debug-td.dat", 4, 2, 4300, 0, "03000500", 0x10000001, 0x642e7,
	  "705ee9381b8633a9fbe532b52345e8433343d2868959f57889d84ca377c395b689cac1599ccea1b7d420483a9ce5f031", "",
	  "e940da7c2712d2790e2961e0",
	  "7c71fe2c86eff65a7cf8dbc22b3275689fd0464a267baced1bf94fc1324656aeb755da3d44d098c0c87382f3a5f85b45c8a28fee1d3b"
	  "db3834"
	  "2bf96671501429" },
	{ "tdx/v4-go-spr.dat", 4, 2, 4299, 39, "03000400", 0x40000000, 0x61ae7,
	  "6363b8043668a3ad953278e10389574d326c6749fb78aa810ecd9336923db86f22fc00b8dcd404bc10d5e119d7215cbb", "",
	  "2927da70461cd63266f43230",
	  "6c62dec1b8191749a31dab490be532a35944dea47caef1f980863993d9899545eb7406a38d1eed313b987a467dacead6f0c87a6d766c"
	  "66f6f2"
	  "9f8acb281f1113" },
	{ "tdx/v4-mrconfigid.dat", 4, 2, 4300, 70, "050302", 0x10000000, 0x602e7,
	  "21e8dead92d6c69d7cbba79816686c03a48485c7df0c11f6f04792d5e1d378f6b8c46615ba6946adccac6becffbb1e88",
	  "889abf4718f037e38d74464c11e7c91a6e9890b5546409e1e7df9de7a51ca93152bf847bd2440328e90adb18b150ed67",
	  "395aefe7bac15b24c40f1cd7",
	  "26cae1c77185617fb6a03fc29bf1f924596e52352b9b7594940b576ae126cd4a570cc3202a900c5d19a6eb0a95b32cfd" },
	{ "tdx/v4-qvl.dat", 4, 2, 4300, 70, "060103", 0x10000000, 0x602e7,
	  "91eb2b44d141d4ece09f0c75c2c53d247a3c68edd7fafe8a3520c942a604a407de03ae6dc5f87f27428b2538873118b7", "",
	  "44c0197b39157fdd7a4dcc44",
	  "9a9d48e7f6799642d3d1b34e1e5e1742d4bb02dd6ddd551862c1211d35c304f9eca3efdbb481601c163cf52493d6e44aed55d51ec39b"
	  "7e518f"
	  "adb92c2b523f20" },
	{ "tdx/v5-go.dat", 5, 3, 4300, 0, "0b010400", 0x10000000, 0x602e7,
	  "7348651a34b2d2d3462822e3a750ec6110125f36757c78480bbfc69cc0d21fb001a1ced3ee19747dda8f750c3bc8f876", "",
	  "5c8daf76063a71ac8fcef406",
	  "945eaacf5abc1f719d8666a942fda03d1edcb4490277396093dc5a5289ab9f1e094aed63060cd4a4933a4dd537ed1255c9c79ecb3ed8"
	  "2cd1b4"
	  "86233e31c25c3a" },
};

static void must_read(struct bytes raw, struct tdx_quote *quote)
{
	struct err err = { 0 };
	if (tdx_quote_read(raw, quote, &err) < 0)
		fail_msg("refused: %s", err.message);
}

static void assert_refused(struct bytes raw, const char *part)
{
	struct err err = { 0 };
	struct tdx_quote quote = { .version = 77 };
	assert_int_equal(tdx_quote_read(raw, &quote, &err), -1);
	assert_int_equal(err.code, ERR_PROTOCOL);
	assert_int_equal(quote.version, 77);
	assert_message_has(err, part);
}

static void assert_body(const struct genuine *want, const struct tdx_body *body)
{
	assert_hex_padded(body->tee_tcb_svn, sizeof(body->tee_tcb_svn), want->tee_tcb_svn);
	assert_hex_padded(body->mrsignerseam, TD_MR_LEN, "");
	assert_true(body->td.attributes.raw == want->attributes);
	assert_int_equal(body->td.attributes.debug, want->attributes & 1);
	assert_int_equal(body->td.attributes.sept_ve_disable, want->attributes >> 28 & 1);
	assert_int_equal(body->td.attributes.pks, want->attributes >> 30 & 1);
	assert_true(body->td.attributes.unknown == 0);
	assert_true(body->td.xfam == want->xfam);
	assert_hex_prefix(body->td.mrtd, TD_MR_LEN, want->mrtd);
	assert_hex_padded(body->td.mrconfigid, TD_MR_LEN, want->mrconfigid);
	assert_hex_prefix(body->td.rtmr[0], TD_MR_LEN, want->rtmr0);
	assert_hex_padded(body->td.rtmr[3], TD_MR_LEN, "");
	assert_hex_padded(&body->report_data, REPORT_DATA_LEN, want->report_data);
	assert_int_equal(body->is_1_5, want->body_type == 3);
	assert_hex_padded(body->mrservicetd, TD_MR_LEN, "");
}

/* Binds the attestation key, so it also shows that both were found in the right place. */
static void assert_qe_report_data(const struct tdx_quote *quote)
{
	OWNED_BUF struct buf bound = BUF_INIT(1024);
	struct digest digest;
	struct err err = { 0 };
	assert_int_equal(buf_append(&bound, bytes_of(quote->attestation_key, 64), &err), 0);
	assert_int_equal(buf_append(&bound, quote->qe_auth, &err), 0);
	assert_int_equal(digest_of(DIGEST_SHA256, buf_bytes(&bound), &digest, &err), 0);
	assert_memory_equal(quote->qe_report.report_data, digest.bytes, 32);
	assert_true(bytes_are_zero(bytes_of(quote->qe_report.report_data + 32, 32)));
}

static void assert_signature_data(const struct tdx_quote *quote)
{
	assert_int_equal(quote->qe_auth.len, 32);
	assert_int_equal(quote->cert_type, TDX_CERT_PCK_CHAIN);
	assert_true(quote->cert_data.len > 3000);
	assert_memory_equal(quote->cert_data.data, "-----BEGIN CERTIFICATE-----\n", 28);
	assert_hex_padded(quote->qe_report.mrsigner, 32, QE_MRSIGNER);
	assert_int_equal(quote->qe_report.isv_prod_id, 2);
	assert_int_equal(quote->qe_report.raw.len, 384);
	assert_qe_report_data(quote);
}

static void assert_genuine(const struct genuine *want)
{
	OWNED_BUF struct buf raw = vector_read(want->file);
	struct tdx_quote quote;
	must_read(buf_bytes(&raw), &quote);
	assert_int_equal(quote.version, want->version);
	assert_int_equal(quote.key_type, TDX_KEY_ECDSA_P256);
	assert_int_equal(quote.body_type, want->body_type);
	assert_hex_padded(quote.header_reserved, 4, "");
	assert_hex_padded(quote.qe_vendor_id, 16, QE_VENDOR);
	assert_int_equal(quote.signature_data_len, want->signature_data_len);
	assert_int_equal(quote.trailing.len, want->trailing);
	assert_int_equal(quote.signed_part.len, want->version == 4 ? V4_LEN_AT : V5_LEN_AT);
	assert_ptr_equal(quote.signed_part.data, raw.data);
	assert_body(want, &quote.body);
	assert_signature_data(&quote);
}

static void reads_genuine_quotes(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(genuine); i++)
		assert_genuine(&genuine[i]);
}

static void assert_cuts_refused(const char *file, size_t trailing)
{
	OWNED_BUF struct buf raw = vector_read(file);
	struct tdx_quote quote;
	for (size_t len = 1; len < raw.len - trailing; len++) {
		uint8_t *cut = exact_copy(buf_bytes(&raw), len);
		assert_refused(bytes_of(cut, len), "TDX quote: ");
		free(cut);
	}
	for (size_t more = 0; more <= trailing; more++) {
		must_read(bytes_of(raw.data, raw.len - trailing + more), &quote);
		assert_int_equal(quote.trailing.len, more);
	}
}

static void refuses_every_truncation(void **state)
{
	(void)state;
	assert_cuts_refused("tdx/v4-qvl.dat", 70);
	assert_cuts_refused("tdx/v5-go.dat", 0);
}

static void refuses_what_it_does_not_handle(void **state)
{
	(void)state;
	OWNED_BUF struct buf raw = vector_read("tdx/v5-go.dat");
	static const struct {
		size_t at;
		uint8_t value;
		const char *part;
	} cases[] = {
		{ 0, 3, "the version at offset 0 is 3, but only TDX quotes of versions 4 and 5 are handled" },
		{ 0, 6, "the version at offset 0 is 6" },
		{ 1, 1, "the version at offset 0 is 261" },
		{ 2, 3, "the attestation key type at offset 2 is 3, but only 2 (ECDSA P-256) is handled" },
		{ 4, 0, "the TEE type at offset 4 is 0, but only 129 (TDX) is handled" },
		{ 7, 1, "the TEE type at offset 4 is 16777345" },
		{ 48, 1, "the body type at offset 48 is 1, but only 2 (TD 1.0) and 3 (TD 1.5) are handled" },
		{ 48, 4, "the body type at offset 48 is 4" },
		{ 48, 2, "the body size at offset 50 is 648, but a body of type 2 is 584 bytes long" },
		{ 50, 0, "the body size at offset 50 is 512" },
		{ V5_LEN_AT + OUTER_TYPE, 5,
		  "the certification data type at offset 834 is 5, but only 6 (QE report) is handled" },
		{ V5_LEN_AT + INNER_TYPE, 6, "the inner certification data type at offset 1322 is 6" },
		{ V5_LEN_AT + INNER_TYPE, 0, "the inner certification data type at offset 1322 is 0" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		uint8_t before = raw.data[cases[i].at];
		raw.data[cases[i].at] = cases[i].value;
		assert_refused(buf_bytes(&raw), cases[i].part);
		raw.data[cases[i].at] = before;
	}
	assert_refused(bytes_of("", 0), "the TDX quote is empty: the host's quoting service gave none");
}

/* Each of the nested lengths, one too small, one too large, and as large as can be. */
static void assert_length_matters(struct buf *raw, size_t at, size_t width)
{
	uint8_t before[4];
	memcpy(before, raw->data + at, width);
	for (int change = -1; change <= 2; change++) {
		if (change == 0)
			continue;
		if (change == 2)
			memset(raw->data + at, 0xFF, width);
		else
			raw->data[at] = (uint8_t)(before[0] + change);
		assert_refused(buf_bytes(raw), "TDX quote: ");
		memcpy(raw->data + at, before, width);
	}
	memset(raw->data + at, 0, width);
	assert_refused(buf_bytes(raw), "TDX quote: ");
	memcpy(raw->data + at, before, width);
}

static void checks_each_nested_length(void **state)
{
	(void)state;
	OWNED_BUF struct buf v4 = vector_read("tdx/v4-qvl.dat");
	OWNED_BUF struct buf v5 = vector_read("tdx/v5-go.dat");
	assert_length_matters(&v4, V4_LEN_AT, 4);
	assert_length_matters(&v4, V4_LEN_AT + OUTER_LEN, 4);
	assert_length_matters(&v4, V4_LEN_AT + AUTH_LEN, 2);
	assert_length_matters(&v4, V4_LEN_AT + INNER_LEN, 4);
	assert_length_matters(&v5, 50, 4);
	assert_length_matters(&v5, V5_LEN_AT, 4);
	assert_length_matters(&v5, V5_LEN_AT + INNER_LEN, 4);
}

static void reads_certification_data_without_a_chain(void **state)
{
	(void)state;
	OWNED_BUF struct buf raw = vector_read("tdx/v4-qvl.dat");
	struct tdx_quote quote;
	raw.data[V4_LEN_AT + INNER_TYPE] = 3;
	must_read(buf_bytes(&raw), &quote);
	assert_int_equal(quote.cert_type, 3);
}

/* The version 5 form of a TD 1.0: the body of a version 4 quote behind type and size. */
static void reads_version_5_with_the_older_body(void **state)
{
	(void)state;
	OWNED_BUF struct buf v4 = vector_read("tdx/v4-mrconfigid.dat");
	OWNED_BUF struct buf raw = BUF_INIT(8192);
	struct err err = { 0 };
	struct tdx_quote quote;
	const uint8_t kind[6] = { 2, 0, 0x48, 0x02, 0, 0 };
	assert_int_equal(buf_append(&raw, bytes_of(v4.data, 48), &err), 0);
	assert_int_equal(buf_append(&raw, bytes_of(kind, 6), &err), 0);
	assert_int_equal(buf_append(&raw, bytes_of(v4.data + 48, v4.len - 48), &err), 0);
	raw.data[0] = 5;
	must_read(buf_bytes(&raw), &quote);
	assert_int_equal(quote.body_type, TDX_BODY_1_0);
	assert_false(quote.body.is_1_5);
	assert_int_equal(quote.signed_part.len, 638);
	assert_body(&genuine[3], &quote.body);
	assert_signature_data(&quote);
}

/* Version 4 signs head and body; version 5 what stands between them as well. */
static void signs_type_and_size_in_version_5(void **state)
{
	(void)state;
	OWNED_BUF struct buf v4 = vector_read("tdx/v4-qvl.dat");
	OWNED_BUF struct buf v5 = vector_read("tdx/v5-go.dat");
	struct tdx_quote quote;
	must_read(buf_bytes(&v4), &quote);
	assert_ptr_equal(quote.signed_part.data, v4.data);
	assert_int_equal(quote.signed_part.len, 48 + 584);
	must_read(buf_bytes(&v5), &quote);
	assert_ptr_equal(quote.signed_part.data, v5.data);
	assert_int_equal(quote.signed_part.len, 48 + 2 + 4 + 648);
}

static void ignores_bytes_behind_the_quote(void **state)
{
	(void)state;
	static const char *const files[] = { "tdx/v4-debug-td.dat", "tdx/v5-go.dat" };
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		OWNED_BUF struct buf raw = vector_read(files[i]);
		struct tdx_quote quote;
		struct err err = { 0 };
		size_t len = raw.len;
		for (size_t more = 1; more <= 100; more++) {
			assert_int_equal(buf_append_byte(&raw, (uint8_t)(more & 1 ? 0xEE : 0), &err), 0);
			must_read(buf_bytes(&raw), &quote);
			assert_int_equal(quote.signature_data_len + quote.signed_part.len + 4, len);
		}
	}
}

static void reads_each_attribute_bit(void **state)
{
	(void)state;
	OWNED_BUF struct buf raw = vector_read("tdx/v4-qvl.dat");
	const size_t at = 48 + 120;
	for (unsigned number = 0; number < 64; number++) {
		struct tdx_quote quote;
		memset(raw.data + at, 0, 8);
		raw.data[at + number / 8] = (uint8_t)(1u << number % 8);
		must_read(buf_bytes(&raw), &quote);
		const struct td_attributes *a = &quote.body.td.attributes;
		assert_int_equal(a->debug, number == 0);
		assert_int_equal(a->untrusted, number < 8 ? 1 << number : 0);
		assert_int_equal(a->lass, number == 27);
		assert_int_equal(a->sept_ve_disable, number == 28);
		assert_int_equal(a->migratable, number == 29);
		assert_int_equal(a->pks, number == 30);
		assert_int_equal(a->key_locker, number == 31);
		assert_int_equal(a->perfmon, number == 63);
		bool named = number < 8 || (number >= 27 && number <= 31) || number == 63;
		assert_true(a->unknown == (named ? 0 : UINT64_C(1) << number));
	}
}

static void limits_the_size(void **state)
{
	(void)state;
	uint8_t *large = calloc(1, TDX_QUOTE_MAX + 1);
	assert_non_null(large);
	assert_refused(bytes_of(large, TDX_QUOTE_MAX + 1), "over the limit of 1048576");
	free(large);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_genuine_quotes),
		cmocka_unit_test(refuses_every_truncation),
		cmocka_unit_test(refuses_what_it_does_not_handle),
		cmocka_unit_test(checks_each_nested_length),
		cmocka_unit_test(reads_certification_data_without_a_chain),
		cmocka_unit_test(reads_version_5_with_the_older_body),
		cmocka_unit_test(signs_type_and_size_in_version_5),
		cmocka_unit_test(ignores_bytes_behind_the_quote),
		cmocka_unit_test(reads_each_attribute_bit),
		cmocka_unit_test(limits_the_size),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
