/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spire/chain, through spire/credential: each thing for which the SPIRE server
 * refuses a chain is found and named.
 */
#include "trial.h"

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
		{ { .key_usage = "digitalSignature", .san = "DNS:a.test", .repeat_san = true },
		  "malformed or repeated extension" },
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
		{ { .cn = "ca", .basic_constraints = "CA:TRUE", .key_usage = "cRLSign" },
		  "KeyUsage lacks keyCertSign" },
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
		expect_refused(&t, ERR_CREDENTIAL, rows[i].says);
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
		{ 30 * PKI_DAY + 1, ERR_CREDENTIAL, "expired at 2027-02-14T08:00:00Z, 1 second ago" },
		{ 33 * PKI_DAY, ERR_CREDENTIAL, "3 days ago (the clock says 2027-02-17T08:00:00Z): issue it anew" },
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

static void a_root_may_be_signed_with_sha1_by_itself(void **state)
{
	(void)state;
	const struct pki_profile old = { .cn = "old", .basic_constraints = "CA:TRUE", .sha1 = true };
	struct trial t OWNED_TRIAL = TRIAL_INIT;
	struct pki_node issuer OWNED_NODE = pki_issue(pki_ec_key("P-256"), NULL, &old);
	struct pki_node leaf OWNED_NODE = pki_leaf("node-1", &issuer);
	fill(&t, &leaf, &issuer);
	run(&t);
	expect_good(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ed25519_and_rsa_issuers_are_fine),
		cmocka_unit_test(keys_that_spire_refuses_are_named),
		cmocka_unit_test(leaf_needs_digital_signature),
		cmocka_unit_test(odd_leaves_are_named),
		cmocka_unit_test(issuers_that_may_not_issue_are_named),
		cmocka_unit_test(pathlen_is_counted_as_go_counts),
		cmocka_unit_test(same_name_with_another_key_is_no_issuer),
		cmocka_unit_test(four_intermediates_are_the_most),
		cmocka_unit_test(clock_and_life_time),
		cmocka_unit_test(a_root_may_be_signed_with_sha1_by_itself),
	};
	return cmocka_run_group_tests(tests, make_cas, drop_cas);
}
