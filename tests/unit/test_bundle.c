/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spire/bundle: what is taken, what is refused and why.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above */
#include <cmocka.h>

#include "base/wipe.h"
#include "pki.h"
#include "spire/bundle.h"

static struct pki_node root;	/* valid */
static struct pki_node retired; /* a CA, expired two days ago */
static struct pki_node coming;	/* a CA, valid in three hours */
static struct pki_node leaf;

struct trial {
	struct buf text;
	struct spire_bundle got;
	struct err err;
	int rc;
};

#define TRIAL_INIT                                                                                                     \
	{                                                                                                              \
		.text = BUF_INIT(1 << 20), .got = SPIRE_BUNDLE_INIT, .rc = 1                                           \
	}

static void trial_done(struct trial *trial)
{
	buf_done(&trial->text);
	spire_bundle_done(&trial->got);
}
#define OWNED_TRIAL CLEANUP(trial_done)

static void run(struct trial *trial)
{
	trial->rc = spire_bundle_check(buf_bytes(&trial->text), PKI_NOW, &trial->got, &trial->err);
}

static void expect_good(const struct trial *trial, size_t count, size_t usable)
{
	if (trial->rc != 0)
		fail_msg("refused: %s", trial->err.message);
	assert_int_equal(trial->got.count, count);
	assert_int_equal(trial->got.usable, usable);
}

static void expect_refused(const struct trial *trial, enum err_code code, const char *part)
{
	assert_int_equal(trial->rc, -1);
	if (!strstr(trial->err.message, part))
		fail_msg("'%s' does not say '%s'", trial->err.message, part);
	assert_int_equal(trial->err.code, code);
	assert_int_equal(trial->got.pem.len, 0);
}

static void writing_is_canonical(void **state)
{
	(void)state;
	struct trial t OWNED_TRIAL = TRIAL_INIT;
	OWNED_BUF struct buf want = BUF_INIT(1 << 20);
	pki_cert_pem(&root, &want);
	pki_text("# the roots of example.test\r\n\n", &t.text);
	/* the same block with other line ends and blanks behind them */
	for (size_t i = 0; i < want.len; i++)
		assert_int_equal(buf_append_text(&t.text,
						 want.data[i] == '\n' ? " \r\n" : (char[]){ (char)want.data[i], 0 },
						 NULL),
				 0);
	pki_text("a word at the end", &t.text);
	run(&t);
	expect_good(&t, 1, 1);
	assert_true(bytes_equal(buf_bytes(&t.got.pem), buf_bytes(&want)));
}

static void retired_and_coming_roots_may_stand_beside(void **state)
{
	(void)state;
	struct trial t OWNED_TRIAL = TRIAL_INIT;
	pki_cert_pem(&retired, &t.text);
	pki_cert_pem(&root, &t.text);
	pki_cert_pem(&coming, &t.text);
	run(&t);
	expect_good(&t, 3, 1);
	assert_true(bytes_equal(buf_bytes(&t.got.pem), buf_bytes(&t.text)));
}

static void none_valid_now_is_a_matter_of_the_clock(void **state)
{
	(void)state;
	struct trial past OWNED_TRIAL = TRIAL_INIT;
	pki_cert_pem(&leaf, &past.text);
	pki_cert_pem(&retired, &past.text);
	run(&past);
	expect_refused(&past, ERR_CREDENTIAL,
		       "expired at 2027-01-13T08:00:00Z, 2 days ago (the clock says 2027-01-15T08:00:00Z)");
	struct trial future OWNED_TRIAL = TRIAL_INIT;
	pki_cert_pem(&coming, &future.text);
	run(&future);
	expect_refused(&future, ERR_CLOCK, "begins at 2027-01-15T11:00:00Z, 3 hours ahead");
}

static void needs_a_ca(void **state)
{
	(void)state;
	struct trial t OWNED_TRIAL = TRIAL_INIT;
	pki_cert_pem(&leaf, &t.text);
	run(&t);
	expect_refused(&t, ERR_CREDENTIAL, "no CA certificate");
}

static void other_blocks_are_refused(void **state)
{
	(void)state;
	struct trial key OWNED_TRIAL = TRIAL_INIT;
	pki_cert_pem(&root, &key.text);
	pki_key_pem(root.key, PKI_PKCS8, &key.text);
	run(&key);
	expect_refused(&key, ERR_CREDENTIAL, "keep keys out of it");
	struct trial crl OWNED_TRIAL = TRIAL_INIT;
	pki_cert_pem(&root, &crl.text);
	pki_text("-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n", &crl.text);
	run(&crl);
	expect_refused(&crl, ERR_CREDENTIAL, "is a 'X509 CRL'; SPIRE takes CERTIFICATE blocks only");
}

static void empty_and_broken_texts_are_refused(void **state)
{
	(void)state;
	struct trial none OWNED_TRIAL = TRIAL_INIT;
	run(&none);
	expect_refused(&none, ERR_CREDENTIAL, "no PEM block");
	static const struct {
		const char *text;
		const char *says;
	} rows[] = {
		{ "{\"keys\":[]}", "no PEM block" },
		{ "-----BEGIN CERTIFICATE-----\nAAAA\n", "begins in line 1 is not closed" },
		{ "\n-----BEGIN CERTIFICATE-----\nAAAA\n-----END PRIVATE KEY-----\n",
		  "begins in line 2 is not closed" },
		{ "-----BEGIN CERTIFICATE-----\n-----BEGIN CERTIFICATE-----\n", "not closed" },
		{ "-----BEGIN CERTIFICATE-----\nAAAA\n-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
		  "begins in line 1 is not closed" },
		{ "-----BEGIN CERTIFICATE\nAAAA\n-----END CERTIFICATE-----\n", "no proper PEM BEGIN line" },
		{ "-----BEGIN -----\nAAAA\n-----END -----\n", "no proper PEM BEGIN line" },
		{ "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n", "is empty" },
		{ "-----BEGIN CERTIFICATE-----\nAAA\n-----END CERTIFICATE-----\n", "not proper base64" },
		{ "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "is not an X.509 certificate" },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct trial t OWNED_TRIAL = TRIAL_INIT;
		pki_text(rows[i].text, &t.text);
		run(&t);
		expect_refused(&t, ERR_CREDENTIAL, rows[i].says);
	}
}

static void bytes_behind_a_certificate_are_refused(void **state)
{
	(void)state;
	unsigned char *der = NULL;
	int len = i2d_X509(root.cert, &der);
	assert_true(len > 0);
	OWNED_BUF struct buf longer = BUF_INIT(1 << 20);
	assert_int_equal(buf_append(&longer, bytes_of(der, (size_t)len), NULL), 0);
	assert_int_equal(buf_append_byte(&longer, 0, NULL), 0);
	OPENSSL_free(der);
	struct trial t OWNED_TRIAL = TRIAL_INIT;
	pki_cert_pem(&root, &t.text);
	EVP_ENCODE_CTX *ctx = EVP_ENCODE_CTX_new();
	assert_non_null(ctx);
	unsigned char text[4096];
	int first = 0;
	int last = 0;
	EVP_EncodeInit(ctx);
	assert_int_equal(EVP_EncodeUpdate(ctx, text, &first, longer.data, (int)longer.len), 1);
	EVP_EncodeFinal(ctx, text + first, &last);
	EVP_ENCODE_CTX_free(ctx);
	pki_text("-----BEGIN CERTIFICATE-----\n", &t.text);
	assert_int_equal(buf_append(&t.text, bytes_of(text, (size_t)(first + last)), NULL), 0);
	pki_text("-----END CERTIFICATE-----\n", &t.text);
	run(&t);
	expect_refused(&t, ERR_CREDENTIAL, "is not an X.509 certificate");
}

static void limits_are_kept(void **state)
{
	(void)state;
	struct trial many OWNED_TRIAL = TRIAL_INIT;
	for (int i = 0; i <= 256; i++)
		pki_cert_pem(&root, &many.text);
	run(&many);
	expect_refused(&many, ERR_CREDENTIAL, "more than 256 certificates");
	struct trial large OWNED_TRIAL = TRIAL_INIT;
	for (int i = 0; i < 8192; i++)
		pki_text("a line of forty letters, which says nil\n", &large.text);
	run(&large);
	expect_refused(&large, ERR_CREDENTIAL, "larger than 262144 bytes");
}

static int make_cas(void **state)
{
	(void)state;
	const struct pki_profile past = {
		.cn = "past", .basic_constraints = "CA:TRUE", .from = -9 * PKI_DAY, .until = -2 * PKI_DAY
	};
	const struct pki_profile future = {
		.cn = "future", .basic_constraints = "CA:TRUE", .from = 3 * PKI_HOUR, .until = 9 * PKI_DAY
	};
	struct err err = { 0 };
	wipe_install();
	assert_int_equal(secret_setup(&err), 0);
	root = pki_ca("root", NULL);
	leaf = pki_leaf("leaf", &root);
	retired = pki_issue(pki_ec_key("P-256"), NULL, &past);
	coming = pki_issue(pki_ec_key("P-256"), NULL, &future);
	return 0;
}

static int drop_cas(void **state)
{
	(void)state;
	pki_node_done(&root);
	pki_node_done(&leaf);
	pki_node_done(&retired);
	pki_node_done(&coming);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writing_is_canonical),
		cmocka_unit_test(retired_and_coming_roots_may_stand_beside),
		cmocka_unit_test(none_valid_now_is_a_matter_of_the_clock),
		cmocka_unit_test(needs_a_ca),
		cmocka_unit_test(other_blocks_are_refused),
		cmocka_unit_test(empty_and_broken_texts_are_refused),
		cmocka_unit_test(bytes_behind_a_certificate_are_refused),
		cmocka_unit_test(limits_are_kept),
	};
	return cmocka_run_group_tests(tests, make_cas, drop_cas);
}
