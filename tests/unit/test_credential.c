/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spire/credential: what SPIRE loads passes and is written as one PEM, and what
 * it does not load is refused by name.
 */
#include <openssl/pem.h>

#include "spire/pem.h"
#include "trial.h"

static void good_pair_gives_one_pem_with_the_key_first(void **state)
{
	(void)state;
	struct trial t OWNED_TRIAL = TRIAL_INIT;
	struct pki_node leaf OWNED_NODE = pki_leaf("node-1", &middle);
	fill(&t, &leaf, &middle);
	run(&t);
	expect_good(&t);
	OWNED_BUF struct buf want = BUF_INIT(1 << 20);
	pki_key_pem(leaf.key, PKI_PKCS8, &want);
	assert_true(buf_append(&want, buf_bytes(&t.chain), NULL) == 0);
	assert_true(bytes_equal(secret_bytes(&t.got.pem), buf_bytes(&want)));
	assert_int_equal(t.got.intermediates, 1);
	assert_string_equal(t.got.subject, "CN=node-1");
	assert_string_equal(t.got.sans, "URI:x509pop://example.test/class/alpha");
	assert_string_equal(t.got.key_type, "EC P-256");
	assert_int_equal(t.got.not_before, PKI_NOW - PKI_DAY);
	assert_int_equal(t.got.not_after, PKI_NOW + 30 * PKI_DAY);
	assert_int_equal(t.got.ends, PKI_NOW + 30 * PKI_DAY);
	assert_string_equal(t.got.warning, "");
}

static void fingerprint_is_sha1_of_the_leaf(void **state)
{
	(void)state;
	struct trial t OWNED_TRIAL = TRIAL_INIT;
	struct pki_node leaf OWNED_NODE = pki_leaf("node-1", &middle);
	fill(&t, &leaf, &middle);
	run(&t);
	expect_good(&t);
	unsigned char sha1[20];
	char hex[41] = "";
	assert_int_equal(X509_digest(leaf.cert, EVP_sha1(), sha1, NULL), 1);
	for (size_t i = 0; i < sizeof(sha1); i++)
		(void)snprintf(hex + 2 * i, 3, "%02x", sha1[i]);
	assert_string_equal(t.got.fingerprint, hex);
	OWNED_BUF struct buf id = BUF_INIT(512);
	assert_int_equal(spire_credential_agent_id(&t.got, "example.test", &id, &t.err), 0);
	assert_memory_equal(buf_text(&id), "spiffe://example.test/spire/agent/x509pop/", 42);
	assert_string_equal(buf_text(&id) + 42, hex);
}

static void one_combined_text_in_any_order(void **state)
{
	(void)state;
	struct pki_node leaf OWNED_NODE = pki_leaf("node-1", &middle);
	for (int order = 0; order < 3; order++) {
		struct trial t OWNED_TRIAL = TRIAL_INIT;
		pki_text("a note in front\r\n", &t.key);
		for (int part = 0; part < 3; part++) {
			if (part == order)
				pki_key_pem(leaf.key, PKI_TRADITIONAL, &t.key);
			if (part == 1)
				pki_cert_pem(&leaf, &t.key);
			if (part == 2)
				pki_cert_pem(&middle, &t.key);
		}
		run(&t);
		expect_good(&t);
		assert_memory_equal(t.got.pem.data, "-----BEGIN EC PRIVATE KEY-----\n", 31);
		assert_int_equal(t.got.intermediates, 1);
	}
}

static void key_kinds_and_forms_that_spire_takes(void **state)
{
	(void)state;
	static const char *const kinds[] = { "P-224", "P-256", "P-384", "P-521", "RSA" };
	const struct pki_profile profile = { .cn = "n", .key_usage = "digitalSignature" };
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		EVP_PKEY *key = i == 4 ? pki_rsa_key(2048) : pki_ec_key(kinds[i]);
		struct pki_node leaf OWNED_NODE = pki_issue(key, &root, &profile);
		for (int form = PKI_PKCS8; form <= PKI_TRADITIONAL; form++) {
			struct trial t OWNED_TRIAL = TRIAL_INIT;
			pki_key_pem(leaf.key, (enum pki_form)form, &t.key);
			pki_cert_pem(&leaf, &t.chain);
			run(&t);
			expect_good(&t);
			assert_non_null(strstr(t.got.key_type, i == 4 ? "RSA 2048" : kinds[i]));
		}
	}
}

static void other_blocks_are_skipped(void **state)
{
	(void)state;
	struct trial t OWNED_TRIAL = TRIAL_INIT;
	struct pki_node leaf OWNED_NODE = pki_leaf("node-1", &root);
	pki_text("-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n", &t.key);
	pki_key_pem(leaf.key, PKI_TRADITIONAL, &t.key);
	/* only the first key counts */
	pki_key_pem(root.key, PKI_PKCS8, &t.key);
	pki_text("-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n", &t.chain);
	pki_cert_pem(&leaf, &t.chain);
	run(&t);
	expect_good(&t);
	assert_null(memmem(t.got.pem.data, t.got.pem.len, "PARAMETERS", 10));
	assert_null(memmem(t.got.pem.data, t.got.pem.len, "CRL", 3));
	assert_null(memmem(t.got.pem.data, t.got.pem.len, "BEGIN PRIVATE KEY", 17));
}

static void encrypted_keys_are_refused(void **state)
{
	(void)state;
	struct pki_node leaf OWNED_NODE = pki_leaf("node-1", &root);
	for (int form = PKI_ENCRYPTED; form <= PKI_TRADITIONAL_ENCRYPTED; form++) {
		struct trial t OWNED_TRIAL = TRIAL_INIT;
		pki_key_pem(leaf.key, (enum pki_form)form, &t.key);
		pki_cert_pem(&leaf, &t.chain);
		run(&t);
		expect_refused(&t, ERR_CREDENTIAL, "the private key is encrypted");
	}
}

static void missing_and_broken_parts_are_named(void **state)
{
	(void)state;
	struct pki_node leaf OWNED_NODE = pki_leaf("node-1", &root);
	struct trial none OWNED_TRIAL = TRIAL_INIT;
	run(&none);
	expect_refused(&none, ERR_CREDENTIAL, "no private key");
	expect_refused(&none, ERR_CREDENTIAL, "no certificate");

	struct trial open OWNED_TRIAL = TRIAL_INIT;
	fill(&open, &leaf, NULL);
	open.chain.len -= 30;
	run(&open);
	expect_refused(&open, ERR_CREDENTIAL, "block that begins in line 1 is not closed");

	struct trial letters OWNED_TRIAL = TRIAL_INIT;
	fill(&letters, &leaf, NULL);
	letters.chain.data[100] = '*';
	run(&letters);
	expect_refused(&letters, ERR_CREDENTIAL, "not proper base64");

	struct trial garbage OWNED_TRIAL = TRIAL_INIT;
	pki_text("-----BEGIN PRIVATE KEY-----\nMAMCAQA=\n-----END PRIVATE KEY-----\n", &garbage.key);
	pki_text("\n\n-----BEGIN CERTIFICATE-----\nMAMCAQA=\n-----END CERTIFICATE-----\n", &garbage.chain);
	run(&garbage);
	expect_refused(&garbage, ERR_CREDENTIAL, "no PKCS#8, PKCS#1 or SEC1 key");
	expect_refused(&garbage, ERR_CREDENTIAL, "in line 3 is not an X.509 certificate");
}

static void key_that_does_not_match_is_refused(void **state)
{
	(void)state;
	struct trial t OWNED_TRIAL = TRIAL_INIT;
	struct pki_node leaf OWNED_NODE = pki_leaf("node-1", &root);
	struct pki_node other OWNED_NODE = pki_leaf("node-2", &root);
	pki_key_pem(other.key, PKI_PKCS8, &t.key);
	pki_cert_pem(&leaf, &t.chain);
	run(&t);
	expect_refused(&t, ERR_CREDENTIAL, "the private key does not match the leaf certificate");
}

static void leaf_that_is_not_first_is_recognised(void **state)
{
	(void)state;
	struct trial t OWNED_TRIAL = TRIAL_INIT;
	struct pki_node leaf OWNED_NODE = pki_leaf("node-1", &middle);
	pki_key_pem(leaf.key, PKI_PKCS8, &t.key);
	pki_cert_pem(&middle, &t.chain);
	pki_cert_pem(&leaf, &t.chain);
	run(&t);
	expect_refused(&t, ERR_CREDENTIAL, "belongs to certificate 2 of 2: the leaf must come first");
	expect_refused(&t, ERR_CREDENTIAL, "names another issuer");
}

/* A SEC1 key whose public half is the leaf's and whose private half is not:
 * comparing public keys alone would take it. */
static void damaged_private_half_is_found(void **state)
{
	(void)state;
	struct trial t OWNED_TRIAL = TRIAL_INIT;
	struct pki_node leaf OWNED_NODE = pki_leaf("node-1", &root);
	unsigned char *der = NULL;
	int len = i2d_PrivateKey(leaf.key, &der);
	assert_true(len > 40);
	der[20] ^= 1; /* inside the private scalar: SEQUENCE, version, OCTET STRING of 32 */
	BIO *bio = BIO_new(BIO_s_mem());
	assert_true(PEM_write_bio(bio, "EC PRIVATE KEY", "", der, len) > 0);
	char *text = NULL;
	long text_len = BIO_get_mem_data(bio, &text);
	assert_int_equal(buf_append(&t.key, bytes_of(text, (size_t)text_len), NULL), 0);
	BIO_free(bio);
	OPENSSL_free(der);
	pki_cert_pem(&leaf, &t.chain);
	run(&t);
	expect_refused(&t, ERR_CREDENTIAL, "the private key is damaged");
}

static void all_violations_in_one_message(void **state)
{
	(void)state;
	const struct pki_profile bad = {
		.cn = "n", .from = -9 * PKI_DAY, .until = -8 * PKI_DAY, .critical_oid = "1.2.3"
	};
	struct trial t OWNED_TRIAL = TRIAL_INIT;
	struct pki_node leaf OWNED_NODE = pki_issue(pki_ec_key("P-256"), &middle, &bad);
	pki_key_pem(root.key, PKI_PKCS8, &t.key);
	pki_cert_pem(&leaf, &t.chain);
	pki_cert_pem(&root, &t.chain);
	run(&t);
	expect_refused(&t, ERR_CREDENTIAL, "5 problems: ");
	expect_refused(&t, ERR_CREDENTIAL, "has no KeyUsage");
	expect_refused(&t, ERR_CREDENTIAL, "8 days ago");
	expect_refused(&t, ERR_CREDENTIAL, "'1.2.3'");
	expect_refused(&t, ERR_CREDENTIAL, "names another issuer");
	expect_refused(&t, ERR_CREDENTIAL, "belongs to certificate 2 of 2");
}

static void message_never_overflows(void **state)
{
	(void)state;
	char cn[65];
	memset(cn, 'x', 64);
	cn[64] = 0;
	const struct pki_profile bad = {
		.cn = cn, .from = -9 * PKI_DAY, .until = -8 * PKI_DAY, .critical_oid = "1.2.3"
	};
	struct trial t OWNED_TRIAL = TRIAL_INIT;
	for (int i = 0; i < 12; i++) {
		struct pki_node leaf OWNED_NODE = pki_issue(pki_ec_key("P-256"), &root, &bad);
		pki_cert_pem(&leaf, &t.chain);
	}
	run(&t);
	expect_refused(&t, ERR_CREDENTIAL, " more");
	assert_true(strlen(t.err.message) < ERR_MESSAGE_MAX);
}

static void too_large_is_refused_unread(void **state)
{
	(void)state;
	struct trial t OWNED_TRIAL = TRIAL_INIT;
	for (int i = 0; i < 4096; i++)
		pki_text("a line of forty letters, which says nil\n", &t.chain);
	run(&t);
	expect_refused(&t, ERR_CREDENTIAL, "larger than 131072 bytes");
	buf_move(&t.key, &t.chain);
	run(&t);
	expect_refused(&t, ERR_CREDENTIAL, "larger than 131072 bytes");
}

static void a_key_with_bytes_behind_it_is_refused(void **state)
{
	(void)state;
	struct trial t OWNED_TRIAL = TRIAL_INIT;
	struct pki_node leaf OWNED_NODE = pki_leaf("node-1", &root);
	unsigned char *der = NULL;
	int len = i2d_PrivateKey(leaf.key, &der);
	assert_true(len > 0);
	OWNED_BUF struct buf longer = BUF_INIT(1 << 16);
	assert_int_equal(buf_append(&longer, bytes_of(der, (size_t)len), NULL), 0);
	assert_int_equal(buf_append_byte(&longer, 0, NULL), 0);
	OPENSSL_free(der);
	assert_int_equal(spire_pem_write(&t.key, bytes_of_text("EC PRIVATE KEY"), buf_bytes(&longer), NULL), 0);
	pki_cert_pem(&leaf, &t.chain);
	run(&t);
	expect_refused(&t, ERR_CREDENTIAL, "no PKCS#8, PKCS#1 or SEC1 key");
}

/* A clock that is set right would not make it good. */
static void a_clock_problem_beside_others_is_not_one_of_the_clock(void **state)
{
	(void)state;
	struct trial t OWNED_TRIAL = TRIAL_INIT;
	struct pki_node leaf OWNED_NODE = pki_leaf("node-1", &root);
	pki_key_pem(root.key, PKI_PKCS8, &t.key);
	pki_cert_pem(&leaf, &t.chain);
	run_at(&t, PKI_NOW + 31 * PKI_DAY);
	expect_refused(&t, ERR_CREDENTIAL, "2 problems: the leaf certificate ('CN=node-1') expired");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_pair_gives_one_pem_with_the_key_first),
		cmocka_unit_test(fingerprint_is_sha1_of_the_leaf),
		cmocka_unit_test(one_combined_text_in_any_order),
		cmocka_unit_test(key_kinds_and_forms_that_spire_takes),
		cmocka_unit_test(other_blocks_are_skipped),
		cmocka_unit_test(encrypted_keys_are_refused),
		cmocka_unit_test(missing_and_broken_parts_are_named),
		cmocka_unit_test(key_that_does_not_match_is_refused),
		cmocka_unit_test(leaf_that_is_not_first_is_recognised),
		cmocka_unit_test(damaged_private_half_is_found),
		cmocka_unit_test(all_violations_in_one_message),
		cmocka_unit_test(message_never_overflows),
		cmocka_unit_test(too_large_is_refused_unread),
		cmocka_unit_test(a_key_with_bytes_behind_it_is_refused),
		cmocka_unit_test(a_clock_problem_beside_others_is_not_one_of_the_clock),
	};
	return cmocka_run_group_tests(tests, make_cas, drop_cas);
}
