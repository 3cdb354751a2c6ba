/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spire/credential: what SPIRE takes passes, and each thing that it refuses is
 * refused by name.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above */
#include <cmocka.h>
#include <openssl/pem.h>

#include "base/wipe.h"
#include "pki.h"
#include "spire/credential.h"

static struct pki_node root;
static struct pki_node middle; /* issued by root */

/* The texts of a trial, and what came of it. */
struct trial {
	struct buf key;
	struct buf chain;
	struct spire_credential got;
	struct err err;
	int rc;
};

#define TRIAL_INIT { .key = BUF_INIT(1 << 20), .chain = BUF_INIT(1 << 20), .rc = 1 }

static void trial_done(struct trial *trial)
{
	buf_done(&trial->key);
	buf_done(&trial->chain);
	spire_credential_done(&trial->got);
}
#define OWNED_TRIAL CLEANUP(trial_done)

static void run_at(struct trial *trial, time_t now)
{
	struct secret key OWNED_SECRET = SECRET_INIT;
	pki_secret(&trial->key, &key);
	trial->rc = spire_credential_check(&key, buf_bytes(&trial->chain), now, &trial->got, &trial->err);
}

static void run(struct trial *trial)
{
	run_at(trial, PKI_NOW);
}

static void expect_good(const struct trial *trial)
{
	if (trial->rc != 0)
		fail_msg("refused: %s", trial->err.message);
}

static void expect_refused(const struct trial *trial, enum err_code code, const char *part)
{
	assert_int_equal(trial->rc, -1);
	if (!strstr(trial->err.message, part))
		fail_msg("'%s' does not say '%s'", trial->err.message, part);
	assert_int_equal(trial->err.code, code);
	assert_null(trial->got.pem.data);
}

/* A leaf of this profile below `issuer`, with its own key, refused or taken. */
static void fill(struct trial *trial, const struct pki_node *leaf, const struct pki_node *issuer)
{
	pki_key_pem(leaf->key, PKI_PKCS8, &trial->key);
	pki_cert_pem(leaf, &trial->chain);
	if (issuer)
		pki_cert_pem(issuer, &trial->chain);
}

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

static void ed25519_and_rsa_issuers_are_fine(void **state)
{
	(void)state;
	const struct pki_profile ca = { .cn = "ca", .basic_constraints = "CA:TRUE", .key_usage = "keyCertSign" };
	for (int i = 0; i < 2; i++) {
		struct trial t OWNED_TRIAL = TRIAL_INIT;
		struct pki_node issuer OWNED_NODE = pki_issue(i ? pki_rsa_key(2048) : pki_ed25519_key(), NULL, &ca);
		struct pki_node leaf OWNED_NODE = pki_leaf("node-1", &issuer);
		fill(&t, &leaf, &issuer);
		run(&t);
		expect_good(&t);
	}
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

static void keys_that_spire_refuses_are_named(void **state)
{
	(void)state;
	const struct pki_profile profile = { .cn = "n", .key_usage = "digitalSignature" };
	struct {
		EVP_PKEY *key;
		const char *says;
	} rows[] = {
		{ pki_ed25519_key(), "is an Ed25519 key" },
		{ pki_ec_key("secp256k1"), "curve that SPIRE does not know" },
		{ pki_ec_key_explicit(), "with its curve spelled out" },
		{ pki_rsa_key(1024), "less than 2048 bits" },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct trial t OWNED_TRIAL = TRIAL_INIT;
		struct pki_node leaf OWNED_NODE = pki_issue(rows[i].key, &root, &profile);
		fill(&t, &leaf, NULL);
		run(&t);
		expect_refused(&t, ERR_CREDENTIAL, rows[i].says);
	}
	struct trial t OWNED_TRIAL = TRIAL_INIT;
	struct pki_node leaf OWNED_NODE = pki_issue(pki_rsa_public(8200), &root, &profile);
	pki_key_pem(root.key, PKI_PKCS8, &t.key);
	pki_cert_pem(&leaf, &t.chain);
	run(&t);
	expect_refused(&t, ERR_CREDENTIAL, "more than 8192 bits");
}

static void leaf_needs_digital_signature(void **state)
{
	(void)state;
	const struct pki_profile without = { .cn = "n" };
	const struct pki_profile wrong = { .cn = "n", .key_usage = "keyAgreement" };
	struct trial a OWNED_TRIAL = TRIAL_INIT;
	struct pki_node leaf_a OWNED_NODE = pki_issue(pki_ec_key("P-256"), &root, &without);
	fill(&a, &leaf_a, NULL);
	run(&a);
	expect_refused(&a, ERR_CREDENTIAL, "has no KeyUsage");
	struct trial b OWNED_TRIAL = TRIAL_INIT;
	struct pki_node leaf_b OWNED_NODE = pki_issue(pki_ec_key("P-256"), &root, &wrong);
	fill(&b, &leaf_b, NULL);
	run(&b);
	expect_refused(&b, ERR_CREDENTIAL, "lacks digitalSignature");
}

static void odd_leaves_are_named(void **state)
{
	(void)state;
	static const struct {
		struct pki_profile profile;
		const char *says;
	} rows[] = {
		{ { .key_usage = "digitalSignature", .critical_oid = "1.2.3.4.5" }, "critical extension '1.2.3.4.5'" },
		{ { .key_usage = "digitalSignature", .sha1 = true }, "is signed with SHA-1" },
		{ { .key_usage = "digitalSignature", .negative_serial = true }, "negative serial number" },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct trial t OWNED_TRIAL = TRIAL_INIT;
		struct pki_node leaf OWNED_NODE = pki_issue(pki_ec_key("P-256"), &middle, &rows[i].profile);
		fill(&t, &leaf, &middle);
		run(&t);
		expect_refused(&t, ERR_CREDENTIAL, rows[i].says);
	}
}

static void issuers_that_may_not_issue_are_named(void **state)
{
	(void)state;
	static const struct {
		struct pki_profile profile;
		const char *says;
	} rows[] = {
		{ { .cn = "ca", .key_usage = "keyCertSign" }, "is no CA certificate" },
		{ { .cn = "ca", .basic_constraints = "CA:FALSE" }, "is no CA certificate" },
		{ { .cn = "ca", .basic_constraints = "CA:TRUE", .key_usage = "cRLSign" }, "KeyUsage lacks keyCertSign" },
		{ { .cn = "ca",
		    .basic_constraints = "CA:TRUE",
		    .name_constraints = "critical,permitted;URI:other.test" },
		  "does not allow the leaf's names" },
		{ { .cn = "ca", .basic_constraints = "CA:TRUE", .from = -2 * PKI_DAY, .until = -PKI_DAY - 1 },
		  "issuer 1 of 1 ('CN=ca') expired at" },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct trial t OWNED_TRIAL = TRIAL_INIT;
		struct pki_node issuer OWNED_NODE = pki_issue(pki_ec_key("P-256"), &root, &rows[i].profile);
		struct pki_node leaf OWNED_NODE = pki_leaf("node-1", &issuer);
		fill(&t, &leaf, &issuer);
		run(&t);
		expect_refused(&t, i == 4 ? ERR_CLOCK : ERR_CREDENTIAL, rows[i].says);
	}
}

static void pathlen_is_counted_as_go_counts(void **state)
{
	(void)state;
	const struct pki_profile zero = { .cn = "ca0", .basic_constraints = "CA:TRUE,pathlen:0" };
	struct pki_node top OWNED_NODE = pki_issue(pki_ec_key("P-256"), &root, &zero);
	struct pki_node below OWNED_NODE = pki_ca("ca1", &top);
	struct trial direct OWNED_TRIAL = TRIAL_INIT;
	struct pki_node leaf_direct OWNED_NODE = pki_leaf("n", &top);
	fill(&direct, &leaf_direct, &top);
	run(&direct);
	expect_good(&direct);
	struct trial deep OWNED_TRIAL = TRIAL_INIT;
	struct pki_node leaf_deep OWNED_NODE = pki_leaf("n", &below);
	fill(&deep, &leaf_deep, &below);
	pki_cert_pem(&top, &deep.chain);
	run(&deep);
	expect_refused(&deep, ERR_CREDENTIAL, "allows 0 CA certificates below it (pathlen), but has 1");
}

static void same_name_with_another_key_is_no_issuer(void **state)
{
	(void)state;
	struct trial t OWNED_TRIAL = TRIAL_INIT;
	struct pki_node impostor OWNED_NODE = pki_ca("middle", &root);
	struct pki_node leaf OWNED_NODE = pki_leaf("node-1", &middle);
	fill(&t, &leaf, &impostor);
	run(&t);
	expect_refused(&t, ERR_CREDENTIAL, "is not signed by issuer 1 of 1 ('CN=middle')");
}

/* Builds a chain with `count` certificates behind the leaf. */
static void fill_long(struct trial *t, size_t count)
{
	struct pki_node cas[6] = { 0 };
	cas[0] = pki_ca("ca-0", NULL);
	for (size_t i = 1; i < count; i++)
		cas[i] = pki_ca("ca-x", &cas[i - 1]);
	struct pki_node leaf OWNED_NODE = pki_leaf("node-1", &cas[count - 1]);
	fill(t, &leaf, NULL);
	for (size_t i = count; i > 0; i--) {
		pki_cert_pem(&cas[i - 1], &t->chain);
		pki_node_done(&cas[i - 1]);
	}
}

static void four_intermediates_are_the_most(void **state)
{
	(void)state;
	struct trial four OWNED_TRIAL = TRIAL_INIT;
	fill_long(&four, 4);
	run(&four);
	expect_good(&four);
	assert_int_equal(four.got.intermediates, 4);
	struct trial five OWNED_TRIAL = TRIAL_INIT;
	fill_long(&five, 5);
	run(&five);
	expect_refused(&five, ERR_CREDENTIAL, "5 certificates follow the leaf; SPIRE takes 4");
}

static void clock_and_life_time(void **state)
{
	(void)state;
	struct pki_node leaf OWNED_NODE = pki_leaf("node-1", &root); /* a day ago to 30 days ahead */
	static const struct {
		long at;
		enum err_code code; /* ERR_NONE: good */
		const char *says;
	} rows[] = {
		{ -PKI_DAY, ERR_NONE, "" },
		{ -PKI_DAY - 1, ERR_CLOCK, "not valid before 2027-01-14T08:00:00Z, in 1 second" },
		{ -11 * PKI_DAY, ERR_CLOCK, "in 10 days (the clock says 2027-01-04T08:00:00Z): set the clock" },
		{ 29 * PKI_DAY, ERR_NONE, "" },
		{ 29 * PKI_DAY + 1, ERR_NONE, "the leaf certificate ('CN=node-1') ends in 23 hours" },
		{ 30 * PKI_DAY - PKI_HOUR, ERR_NONE, "ends in 60 minutes" },
		{ 30 * PKI_DAY - PKI_HOUR + 1, ERR_CREDENTIAL, "less than an hour is left" },
		{ 30 * PKI_DAY, ERR_CREDENTIAL, "less than an hour is left" },
		{ 30 * PKI_DAY + 1, ERR_CLOCK, "expired at 2027-02-14T08:00:00Z, 1 second ago" },
		{ 33 * PKI_DAY, ERR_CLOCK, "3 days ago (the clock says 2027-02-17T08:00:00Z): issue it anew" },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct trial t OWNED_TRIAL = TRIAL_INIT;
		fill(&t, &leaf, NULL);
		run_at(&t, PKI_NOW + rows[i].at);
		if (rows[i].code != ERR_NONE) {
			expect_refused(&t, rows[i].code, rows[i].says);
			continue;
		}
		expect_good(&t);
		assert_true(rows[i].says[0] ? strstr(t.got.warning, rows[i].says) != NULL : !t.got.warning[0]);
	}
}

static void all_violations_in_one_message(void **state)
{
	(void)state;
	const struct pki_profile bad = { .cn = "n", .from = -9 * PKI_DAY, .until = -8 * PKI_DAY, .critical_oid = "1.2.3" };
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
	const struct pki_profile bad = { .cn = cn, .from = -9 * PKI_DAY, .until = -8 * PKI_DAY, .critical_oid = "1.2.3" };
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
}

static int make_cas(void **state)
{
	(void)state;
	struct err err = { 0 };
	wipe_install();
	assert_int_equal(secret_setup(&err), 0);
	root = pki_ca("root", NULL);
	middle = pki_ca("middle", &root);
	return 0;
}

static int drop_cas(void **state)
{
	(void)state;
	pki_node_done(&root);
	pki_node_done(&middle);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_pair_gives_one_pem_with_the_key_first),
		cmocka_unit_test(fingerprint_is_sha1_of_the_leaf),
		cmocka_unit_test(one_combined_text_in_any_order),
		cmocka_unit_test(key_kinds_and_forms_that_spire_takes),
		cmocka_unit_test(other_blocks_are_skipped),
		cmocka_unit_test(ed25519_and_rsa_issuers_are_fine),
		cmocka_unit_test(encrypted_keys_are_refused),
		cmocka_unit_test(missing_and_broken_parts_are_named),
		cmocka_unit_test(key_that_does_not_match_is_refused),
		cmocka_unit_test(leaf_that_is_not_first_is_recognised),
		cmocka_unit_test(damaged_private_half_is_found),
		cmocka_unit_test(keys_that_spire_refuses_are_named),
		cmocka_unit_test(leaf_needs_digital_signature),
		cmocka_unit_test(odd_leaves_are_named),
		cmocka_unit_test(issuers_that_may_not_issue_are_named),
		cmocka_unit_test(pathlen_is_counted_as_go_counts),
		cmocka_unit_test(same_name_with_another_key_is_no_issuer),
		cmocka_unit_test(four_intermediates_are_the_most),
		cmocka_unit_test(clock_and_life_time),
		cmocka_unit_test(all_violations_in_one_message),
		cmocka_unit_test(message_never_overflows),
		cmocka_unit_test(too_large_is_refused_unread),
	};
	return cmocka_run_group_tests(tests, make_cas, drop_cas);
}
