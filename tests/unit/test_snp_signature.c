/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attest/snp_signature: each genuine report with its own certificate and with each other one, every byte that
 * the signature covers, and certificates that are none.
 */
#include "vectors.h"

#include <openssl/pem.h>
#include <openssl/x509.h>

#include "attest/look.h"
#include "attest/snp_report.h"
#include "attest/snp_signature.h"

static const struct pair {
	const char *report;
	const char *cert;
} pairs[] = {
	{ "snp/milan-v2-debug-report.bin", "snp/milan-v2-debug-vcek.der" },
	{ "snp/milan-v2-report.bin", "snp/milan-v2-vcek.der" },
	{ "snp/milan-v3-report.bin", "snp/milan-v3-vcek.der" },
	{ "snp/milan-v3-vlek-report.bin", "snp/milan-vlek.der" },
	{ "snp/genoa-v5-report.bin", "snp/genoa-v5-vcek.der" },
	{ "snp/turin-v5-report.bin", "snp/turin-v5-vcek.der" },
};

static void assert_signed(struct bytes report, struct bytes cert)
{
	struct err err = { 0 };
	if (snp_signature_check(report, cert, &err) < 0)
		fail_msg("refused: %s", err.message);
}

static void assert_refused(struct bytes report, struct bytes cert, enum err_code code, const char *part)
{
	struct err err = { 0 };
	assert_int_equal(snp_signature_check(report, cert, &err), -1);
	assert_int_equal(err.code, code);
	assert_message_has(err, part);
}

static void each_genuine_report_is_signed_by_its_own_key(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		OWNED_BUF struct buf report = vector_read(pairs[i].report);
		for (size_t j = 0; j < ARRAY_LEN(pairs); j++) {
			OWNED_BUF struct buf cert = vector_read(pairs[j].cert);
			if (i == j)
				assert_signed(buf_bytes(&report), buf_bytes(&cert));
			else
				assert_refused(buf_bytes(&report), buf_bytes(&cert), ERR_SERVER,
					       "is not signed by the key in the certificate");
		}
	}
}

static void a_certificate_with_the_shape_of_a_vcek_is_none(void **state)
{
	(void)state;
	OWNED_BUF struct buf report = vector_read("snp/milan-v3-report.bin");
	OWNED_BUF struct buf cert = vector_read("snp/vcek-hwid-raw.der");
	assert_refused(buf_bytes(&report), buf_bytes(&cert), ERR_SERVER, "is not signed by the key");
}

/* AMD's certificates all have the serial number 0, which RFC 5280 section 4.1.2.2 does not allow. */
static void a_certificate_of_serial_0_is_taken(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		OWNED_BUF struct buf report = vector_read(pairs[i].report);
		OWNED_BUF struct buf cert = vector_read(pairs[i].cert);
		const unsigned char *at = cert.data;
		X509 *read = d2i_X509(NULL, &at, (long)cert.len);
		assert_non_null(read);
		assert_int_equal(ASN1_INTEGER_get(X509_get0_serialNumber(read)), 0);
		X509_free(read);
		assert_signed(buf_bytes(&report), buf_bytes(&cert));
	}
}

/* What is genuine may still be what nobody should accept. */
static void a_valid_signature_does_not_make_up_for_debug(void **state)
{
	(void)state;
	const struct look_expected nothing = { 0 };
	struct look look;
	struct snp_report read;
	struct err err = { 0 };
	OWNED_BUF struct buf report = vector_read("snp/milan-v2-debug-report.bin");
	OWNED_BUF struct buf cert = vector_read("snp/milan-v2-debug-vcek.der");
	assert_signed(buf_bytes(&report), buf_bytes(&cert));
	assert_int_equal(snp_report_read(buf_bytes(&report), &read, &err), 0);
	look_at_snp(&read, &nothing, &look);
	assert_int_equal(look_find(&look, "debug")->severity, LOOK_FATAL);
	assert_int_equal(look_verdict(&look, &err), -1);
	assert_int_equal(err.code, ERR_NO_TEE);
}

static void the_signature_covers_all_that_stands_before_it(void **state)
{
	(void)state;
	OWNED_BUF struct buf report = vector_read("snp/turin-v5-report.bin");
	OWNED_BUF struct buf cert = vector_read("snp/turin-v5-vcek.der");
	for (size_t at = 0; at < SNP_SIGNED_LEN; at += at < 0x210 ? 1 : 16) {
		report.data[at] ^= 0x10;
		assert_refused(buf_bytes(&report), buf_bytes(&cert), ERR_SERVER, "is not signed by the key");
		report.data[at] ^= 0x10;
	}
	assert_signed(buf_bytes(&report), buf_bytes(&cert));
}

/* R and S are numbers of 72 bytes: what is above the 48 of the curve counts. */
static void each_byte_of_the_signature_counts(void **state)
{
	(void)state;
	OWNED_BUF struct buf report = vector_read("snp/genoa-v5-report.bin");
	OWNED_BUF struct buf cert = vector_read("snp/genoa-v5-vcek.der");
	for (size_t at = 0x2A0; at < 0x330; at++) {
		report.data[at] ^= 0x80;
		assert_refused(buf_bytes(&report), buf_bytes(&cert), ERR_SERVER, "is not signed by the key");
		report.data[at] ^= 0x80;
	}
	memset(report.data + 0x2A0, 0, 144); /* as MASK_CHIP_KEY leaves it */
	assert_refused(buf_bytes(&report), buf_bytes(&cert), ERR_SERVER, "is not signed by the key");
	memset(report.data + 0x2A0, 0xFF, 144);
	assert_refused(buf_bytes(&report), buf_bytes(&cert), ERR_SERVER, "is not signed by the key");
}

static void a_report_has_one_length(void **state)
{
	(void)state;
	OWNED_BUF struct buf report = vector_read("snp/genoa-v5-report.bin");
	OWNED_BUF struct buf cert = vector_read("snp/genoa-v5-vcek.der");
	for (size_t len = 0; len < SNP_REPORT_LEN; len += 37) {
		uint8_t *cut = exact_copy(buf_bytes(&report), len);
		assert_refused(bytes_of(cut, len), buf_bytes(&cert), ERR_PROTOCOL, "is 1184 bytes long");
		free(cut);
	}
	struct err err = { 0 };
	assert_int_equal(buf_append_byte(&report, 0, &err), 0);
	assert_refused(buf_bytes(&report), buf_bytes(&cert), ERR_PROTOCOL, "this is 1185");
}

static void a_certificate_that_is_cut_or_longer_is_refused(void **state)
{
	(void)state;
	OWNED_BUF struct buf report = vector_read("snp/genoa-v5-report.bin");
	OWNED_BUF struct buf cert = vector_read("snp/genoa-v5-vcek.der");
	for (size_t len = 0; len < cert.len; len++) {
		uint8_t *cut = exact_copy(buf_bytes(&cert), len);
		assert_refused(buf_bytes(&report), bytes_of(cut, len), ERR_PROTOCOL, "cannot be read");
		free(cut);
	}
	struct err err = { 0 };
	assert_int_equal(buf_append_byte(&cert, 0, &err), 0);
	assert_refused(buf_bytes(&report), buf_bytes(&cert), ERR_PROTOCOL, "cannot be read");
}

/* The ASK's certificate: genuine, and RSA. */
static void another_kind_of_key_is_refused(void **state)
{
	(void)state;
	OWNED_BUF struct buf report = vector_read("snp/genoa-v5-report.bin");
	OWNED_BUF struct buf pem = vector_read("snp/genoa-ask-ark-asvk.pem");
	BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.len);
	X509 *ask = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	unsigned char *der = NULL;
	assert_non_null(ask);
	int len = i2d_X509(ask, &der);
	assert_true(len > 0);
	assert_refused(buf_bytes(&report), bytes_of(der, (size_t)len), ERR_PROTOCOL, "has no P-384 key");
	OPENSSL_free(der);
	X509_free(ask);
	BIO_free(bio);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_genuine_report_is_signed_by_its_own_key),
		cmocka_unit_test(a_certificate_with_the_shape_of_a_vcek_is_none),
		cmocka_unit_test(a_certificate_of_serial_0_is_taken),
		cmocka_unit_test(a_valid_signature_does_not_make_up_for_debug),
		cmocka_unit_test(the_signature_covers_all_that_stands_before_it),
		cmocka_unit_test(each_byte_of_the_signature_counts),
		cmocka_unit_test(a_report_has_one_length),
		cmocka_unit_test(a_certificate_that_is_cut_or_longer_is_refused),
		cmocka_unit_test(another_kind_of_key_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
