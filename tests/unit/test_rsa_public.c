/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attest/rsa_public: a genuine key and its signature, another message, keys of other kinds, bytes that are no key.
 */
#include "vectors.h"

#include "attest/az_evidence.h"
#include "attest/hcl.h"

/* The plain TPM's evidence: SPKI, message, signature. */
struct signed_quote {
	struct tpm_quoted quoted;
	struct buf spki;
};

static struct signed_quote genuine(void)
{
	struct signed_quote genuine = { .quoted = TPM_QUOTED_INIT, .spki = BUF_INIT(RSA_SPKI_MAX) };
	struct buf text OWNED_BUF = vector_read("azure/tpm-evidence.json");
	struct json *json OWNED_JSON = NULL;
	struct err err = { 0 };
	if (json_parse(buf_bytes(&text), VECTOR_MAX, &json, &err) < 0 ||
	    tpm_evidence_open(json, &genuine.quoted, &genuine.spki, &err) < 0)
		fail_msg("%s", err.message);
	return genuine;
}

static void done(struct signed_quote *genuine)
{
	tpm_quoted_done(&genuine->quoted);
	buf_done(&genuine->spki);
}

static enum rsa_verdict check(const struct signed_quote *of)
{
	return rsa_public_check(buf_bytes(&of->spki), buf_bytes(&of->quoted.message), buf_bytes(&of->quoted.signature));
}

static void a_genuine_signature(void **state)
{
	(void)state;
	struct signed_quote one CLEANUP(done) = genuine();
	assert_int_equal(check(&one), RSA_SIGNED);
	one.quoted.message.data[20] ^= 1;
	assert_int_equal(check(&one), RSA_NOT_SIGNED);
	one.quoted.message.data[20] ^= 1;
	one.quoted.signature.len--;
	assert_int_equal(check(&one), RSA_NOT_SIGNED);
	one.quoted.signature.len = 0;
	assert_int_equal(check(&one), RSA_NOT_SIGNED);
}

/* Modulus and exponent of an HCL report's key, as SPKI and back. */
static void a_key_of_numbers(void **state)
{
	(void)state;
	struct buf raw OWNED_BUF = vector_read("azure/hcl-snp-2600.bin");
	struct hcl_claims claims OWNED_CLAIMS = HCL_CLAIMS_INIT;
	struct hcl_report report;
	struct buf spki OWNED_BUF = BUF_INIT(RSA_SPKI_MAX);
	struct buf text OWNED_BUF = vector_read("azure/tpm-quote-snp.json");
	struct buf message OWNED_BUF = BUF_INIT(TPM_QUOTE_MAX);
	struct buf signature OWNED_BUF = BUF_INIT(TPM_SIGNATURE_MAX);
	struct json *json OWNED_JSON = NULL;
	const char *hex;
	struct err err = { 0 };
	if (hcl_read(buf_bytes(&raw), &report, &err) < 0 || hcl_claims_read(report.claims, &claims, &err) < 0 ||
	    rsa_public_spki(buf_bytes(&claims.ak_n), buf_bytes(&claims.ak_e), &spki, &err) < 0 ||
	    json_parse(buf_bytes(&text), VECTOR_MAX, &json, &err) < 0 ||
	    json_get_string(json, "message", &hex, &err) < 0 || hex_decode(bytes_of_text(hex), &message, &err) < 0 ||
	    json_get_string(json, "signature", &hex, &err) < 0 || hex_decode(bytes_of_text(hex), &signature, &err) < 0)
		fail_msg("%s", err.message);
	assert_int_equal(spki.len, 294);
	assert_int_equal(rsa_public_check(buf_bytes(&spki), buf_bytes(&message), buf_bytes(&signature)), RSA_SIGNED);
	/* The bare files are of another key. */
	struct buf foreign_message OWNED_BUF = vector_read("azure/tpm-quote.msg");
	struct buf foreign_signature OWNED_BUF = vector_read("azure/tpm-quote.sig");
	assert_int_equal(foreign_signature.len, 256);
	assert_int_equal(rsa_public_check(buf_bytes(&spki), buf_bytes(&foreign_message), buf_bytes(&foreign_signature)),
			 RSA_NOT_SIGNED);
	spki.len = 0;
	assert_int_equal(rsa_public_spki(bytes_of(NULL, 0), buf_bytes(&claims.ak_e), &spki, &err), -1);
	assert_int_equal(err.code, ERR_PROTOCOL);
}

static void bytes_that_are_no_key(void **state)
{
	(void)state;
	struct signed_quote one CLEANUP(done) = genuine();
	struct err err = { 0 };
	const size_t len = one.spki.len;
	assert_int_equal(buf_append_byte(&one.spki, 0, &err), 0);
	assert_int_equal(check(&one), RSA_NO_KEY); /* something behind it */
	for (one.spki.len = 0; one.spki.len < len; one.spki.len++)
		assert_int_equal(check(&one), RSA_NO_KEY);
	/* id-ecPublicKey, P-256 */
	static const char ec[] = "3059301306072a8648ce3d020106082a8648ce3d03010703420004"
				 "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
				 "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5";
	one.spki.len = 0;
	assert_int_equal(hex_decode(bytes_of_text(ec), &one.spki, &err), 0);
	assert_int_equal(check(&one), RSA_NO_KEY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_genuine_signature),
		cmocka_unit_test(a_key_of_numbers),
		cmocka_unit_test(bytes_that_are_no_key),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
