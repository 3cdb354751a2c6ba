/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spire/mint: leaves that SPIRE takes, and issuers that cannot issue.
 */
#include "trial.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "spire/mint.h"

static struct spire_mint good_mint(void)
{
	return (struct spire_mint){ .trust_domain = "example.test",
				    .class_name = "alpha",
				    .instance = "i-1",
				    .lifetime = SPIRE_MINT_LIFETIME,
				    .now = PKI_NOW };
}

/* trial.key: the issuer's text, trial.chain: its chain or nothing. */
static void mint(struct trial *trial, const struct spire_mint *order)
{
	struct secret issuer OWNED_SECRET = SECRET_INIT;
	pki_secret(&trial->key, &issuer);
	trial->rc = spire_mint_credential(&issuer, buf_bytes(&trial->chain), order, &trial->got, &trial->err);
}

static void fill_issuer(struct trial *trial, const struct pki_node *issuer)
{
	pki_key_pem(issuer->key, PKI_PKCS8, &trial->key);
	pki_cert_pem(issuer, &trial->key);
}

static X509 *leaf_of(const struct trial *trial)
{
	struct bytes pem = secret_bytes(&trial->got.pem);
	BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.len);
	X509 *leaf = PEM_read_bio_X509(bio, NULL, NULL, NULL); /* skips the key */
	BIO_free(bio);
	assert_non_null(leaf);
	return leaf;
}

static void leaf_is_what_spire_takes(void **state)
{
	(void)state;
	struct trial t OWNED_TRIAL = TRIAL_INIT;
	struct spire_mint order = good_mint();
	fill_issuer(&t, &middle);
	mint(&t, &order);
	expect_good(&t);
	assert_string_equal(t.got.key_type, "EC P-256");
	assert_string_equal(t.got.subject, "CN=i-1");
	assert_string_equal(t.got.sans,
			    "URI:x509pop://example.test/class/alpha, URI:x509pop://example.test/instance/i-1");
	assert_int_equal(t.got.not_before, PKI_NOW - SPIRE_MINT_SKEW);
	assert_int_equal(t.got.not_after, PKI_NOW + SPIRE_MINT_LIFETIME);
	assert_int_equal(t.got.intermediates, 1);
	X509 *leaf = leaf_of(&t);
	assert_int_equal(X509_get_key_usage(leaf), KU_DIGITAL_SIGNATURE);
	assert_int_equal(X509_check_ca(leaf), 0);
	assert_int_equal(X509_verify(leaf, middle.key), 1);
	assert_false(ASN1_STRING_get0_data(X509_get0_serialNumber(leaf))[0] & 0x80);
	X509_free(leaf);
}

static void each_leaf_is_another_one(void **state)
{
	(void)state;
	struct trial a OWNED_TRIAL = TRIAL_INIT;
	struct trial b OWNED_TRIAL = TRIAL_INIT;
	struct spire_mint order = good_mint();
	fill_issuer(&a, &middle);
	fill_issuer(&b, &middle);
	mint(&a, &order);
	mint(&b, &order);
	X509 *one = leaf_of(&a);
	X509 *two = leaf_of(&b);
	assert_int_not_equal(EVP_PKEY_eq(X509_get0_pubkey(one), X509_get0_pubkey(two)), 1);
	assert_int_not_equal(ASN1_INTEGER_cmp(X509_get0_serialNumber(one), X509_get0_serialNumber(two)), 0);
	assert_string_not_equal(a.got.fingerprint, b.got.fingerprint);
	X509_free(one);
	X509_free(two);
}

static void issuers_key_does_not_come_along(void **state)
{
	(void)state;
	struct trial t OWNED_TRIAL = TRIAL_INIT;
	struct spire_mint order = good_mint();
	fill_issuer(&t, &middle);
	mint(&t, &order);
	struct bytes pem = secret_bytes(&t.got.pem);
	/* the issuer's key holds its private scalar across its first two lines of base64: no second line, no key */
	char piece[48];
	assert_true(t.key.len > 28 + 65 + 48);
	memcpy(piece, t.key.data + 28 + 65, sizeof(piece));
	assert_null(memmem(pem.data, pem.len, piece, sizeof(piece)));
}

static void issuers_of_all_kinds_sign(void **state)
{
	(void)state;
	EVP_PKEY *const keys[] = { pki_ec_key("P-384"), pki_rsa_key(2048), pki_ed25519_key() };
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		static const struct pki_profile ca = { .cn = "issuer",
						       .basic_constraints = "critical,CA:TRUE,pathlen:0",
						       .key_usage = "critical,keyCertSign,cRLSign" };
		struct trial t OWNED_TRIAL = TRIAL_INIT;
		struct pki_node issuer OWNED_NODE = pki_issue(keys[i], &root, &ca);
		struct spire_mint order = good_mint();
		fill_issuer(&t, &issuer);
		mint(&t, &order);
		expect_good(&t);
	}
}

static void leaf_never_outlives_its_issuer(void **state)
{
	(void)state;
	static const struct pki_profile ca = { .cn = "issuer",
					       .from = -60,
					       .until = 2 * PKI_HOUR,
					       .basic_constraints = "critical,CA:TRUE",
					       .key_usage = "critical,keyCertSign" };
	struct trial t OWNED_TRIAL = TRIAL_INIT;
	struct pki_node issuer OWNED_NODE = pki_issue(pki_ec_key("P-256"), &root, &ca);
	struct spire_mint order = good_mint();
	fill_issuer(&t, &issuer);
	mint(&t, &order);
	expect_good(&t);
	assert_int_equal(t.got.not_before, PKI_NOW - 60);
	assert_int_equal(t.got.not_after, PKI_NOW + 2 * PKI_HOUR);
	assert_string_not_equal(t.got.warning, "");
}

static void expect_refusal(struct trial *t, enum err_code code, const char *part)
{
	struct spire_mint order = good_mint();
	mint(t, &order);
	expect_refused(t, code, part);
}

static void issuers_that_cannot_issue_are_named(void **state)
{
	(void)state;
	static const struct {
		struct pki_profile profile;
		enum err_code code;
		const char *part;
	} rows[] = {
		{ { .cn = "x", .basic_constraints = "CA:FALSE", .key_usage = "digitalSignature" },
		  ERR_CREDENTIAL,
		  "was a leaf stored in its place?" },
		{ { .cn = "x", .basic_constraints = "CA:TRUE", .key_usage = "digitalSignature" },
		  ERR_CREDENTIAL,
		  "is no CA" },
		{ { .cn = "x",
		    .from = -PKI_DAY,
		    .until = 1800,
		    .basic_constraints = "CA:TRUE",
		    .key_usage = "keyCertSign" },
		  ERR_CREDENTIAL,
		  "less than an hour is left" },
		{ { .cn = "x",
		    .from = -2 * PKI_DAY,
		    .until = -PKI_DAY,
		    .basic_constraints = "CA:TRUE",
		    .key_usage = "keyCertSign" },
		  ERR_CREDENTIAL,
		  "expired" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct trial t OWNED_TRIAL = TRIAL_INIT;
		struct pki_node issuer OWNED_NODE = pki_issue(pki_ec_key("P-256"), &root, &rows[i].profile);
		fill_issuer(&t, &issuer);
		expect_refusal(&t, rows[i].code, rows[i].part);
	}
}

static void issuers_text_is_checked(void **state)
{
	(void)state;
	struct trial none OWNED_TRIAL = TRIAL_INIT;
	struct trial no_key OWNED_TRIAL = TRIAL_INIT;
	struct trial foreign OWNED_TRIAL = TRIAL_INIT;
	struct pki_node other OWNED_NODE = pki_ca("other", NULL);
	pki_text("nothing", &none.key);
	expect_refusal(&none, ERR_CREDENTIAL, "the issuer: 2 problems: no private key");
	pki_cert_pem(&middle, &no_key.key);
	expect_refusal(&no_key, ERR_CREDENTIAL, "no private key");
	pki_key_pem(other.key, PKI_PKCS8, &foreign.key);
	pki_cert_pem(&middle, &foreign.key);
	expect_refusal(&foreign, ERR_CREDENTIAL, "the issuer's key does not match its certificate");
}

static void chain_may_come_apart_from_the_key(void **state)
{
	(void)state;
	struct trial t OWNED_TRIAL = TRIAL_INIT;
	struct spire_mint order = good_mint();
	pki_key_pem(middle.key, PKI_PKCS8, &t.key);
	pki_cert_pem(&middle, &t.chain);
	mint(&t, &order);
	expect_good(&t);
}

static void names_cannot_be_more_than_names(void **state)
{
	(void)state;
	static const char *const bad[] = { "",	  ".",	 "..",	     "a/b", "a,URI:x509pop://example.test/class/beta",
					   "a b", "a:b", "\xc3\xa4", "a\n" };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct trial t OWNED_TRIAL = TRIAL_INIT;
		struct spire_mint order = good_mint();
		fill_issuer(&t, &middle);
		order.instance = bad[i];
		mint(&t, &order);
		expect_refused(&t, ERR_CONFIG, "cannot be part of a SPIFFE ID");
		order = good_mint();
		order.class_name = bad[i];
		mint(&t, &order);
		expect_refused(&t, ERR_CONFIG, "cannot be part of a SPIFFE ID");
	}
	char name[130];
	memset(name, 'a', 129);
	name[129] = 0;
	assert_int_equal(spire_mint_name_check(name, NULL), -1);
	assert_int_equal(spire_mint_name_check(name + 1, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(leaf_is_what_spire_takes),
		cmocka_unit_test(each_leaf_is_another_one),
		cmocka_unit_test(issuers_key_does_not_come_along),
		cmocka_unit_test(issuers_of_all_kinds_sign),
		cmocka_unit_test(leaf_never_outlives_its_issuer),
		cmocka_unit_test(issuers_that_cannot_issue_are_named),
		cmocka_unit_test(issuers_text_is_checked),
		cmocka_unit_test(chain_may_come_apart_from_the_key),
		cmocka_unit_test(names_cannot_be_more_than_names),
	};
	wipe_install();
	return cmocka_run_group_tests(tests, make_cas, drop_cas);
}
