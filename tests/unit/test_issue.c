/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spire/issue: what it makes is what spire/mint and spire/credential take, and it signs for
 * nobody who could not.
 */
#include "support.h"

#include <time.h>

#include "spire/issue.h"
#include "spire/mint.h"

struct made {
	struct secret key;
	struct buf chain;
};

static void made_done(struct made *made)
{
	secret_done(&made->key);
	buf_done(&made->chain);
}
#define MADE CLEANUP(made_done) = { .key = SECRET_INIT, .chain = BUF_INIT(65536) }

static int make(enum spire_issue_kind kind, const char *cn, const struct made *ca, struct made *made, struct err *err)
{
	const struct spire_issue issue = {
		.kind = kind, .cn = cn, .trust_domain = "example.test", .class_name = "web", .now = time(NULL)
	};
	return spire_issue(&issue, ca ? &ca->key : NULL, ca ? buf_bytes(&ca->chain) : bytes_of("", 0), &made->key,
			   &made->chain, err);
}

static void must(int rc, const struct err *err)
{
	if (rc < 0)
		fail_msg("%s", err->message);
}

static size_t certificates_in(const struct buf *pem)
{
	size_t count = 0;
	for (const char *at = buf_text(pem); (at = strstr(at, "-----BEGIN CERTIFICATE")) != NULL; at++)
		count++;
	return count;
}

static void an_issuer_can_mint(void **state)
{
	(void)state;
	struct made root MADE;
	struct made issuer MADE;
	struct err err = { 0 };
	struct spire_credential credential CLEANUP(spire_credential_done) = SPIRE_CREDENTIAL_INIT;
	must(make(SPIRE_ISSUE_ROOT, "hello-root", NULL, &root, &err), &err);
	must(make(SPIRE_ISSUE_ISSUER, "hello-web", &root, &issuer, &err), &err);
	assert_int_equal(certificates_in(&root.chain), 1);
	assert_int_equal(certificates_in(&issuer.chain), 1);
	const struct spire_mint mint = { "example.test", "web", "i-1", 86400, time(NULL) };
	must(spire_mint_credential(&issuer.key, buf_bytes(&issuer.chain), &mint, &credential, &err), &err);
}

static void a_leaf_is_a_credential(void **state)
{
	(void)state;
	struct made root MADE;
	struct made issuer MADE;
	struct made leaf MADE;
	struct err err = { 0 };
	struct spire_credential credential CLEANUP(spire_credential_done) = SPIRE_CREDENTIAL_INIT;
	must(make(SPIRE_ISSUE_ROOT, "r", NULL, &root, &err), &err);
	must(make(SPIRE_ISSUE_ISSUER, "i", &root, &issuer, &err), &err);
	must(make(SPIRE_ISSUE_LEAF, "node-1", &issuer, &leaf, &err), &err);
	assert_int_equal(certificates_in(&leaf.chain), 2);
	must(spire_credential_check(&leaf.key, buf_bytes(&leaf.chain), time(NULL), &credential, &err), &err);
}

/* `root` is NULL for a root. */
static int check_with(enum spire_issue_kind kind, const char *cn, const char *class_name, const struct made *made,
		      const struct secret *key, const struct made *root, time_t now, struct err *err)
{
	time_t until = 0;
	const struct spire_issue issue = {
		.kind = kind, .cn = cn, .trust_domain = "example.test", .class_name = class_name, .now = now
	};
	const struct spire_issued issued = { .key = key,
					     .chain = buf_bytes(&made->chain),
					     .root = root ? buf_bytes(&root->chain) : bytes_of("", 0) };
	return spire_issue_check(&issue, &issued, &until, err);
}

static void assert_refused(int rc, const struct err *err, enum err_code code, const char *part)
{
	assert_int_equal(rc, -1);
	assert_int_equal(err->code, code);
	if (!strstr(err->message, part))
		fail_msg("'%s' is not in '%s'", part, err->message);
}

static void signs_for_nobody_who_cannot(void **state)
{
	(void)state;
	struct made root MADE;
	struct made other MADE;
	struct made issuer MADE;
	struct made leaf MADE;
	struct made none MADE;
	struct err err = { 0 };
	must(make(SPIRE_ISSUE_ROOT, "r", NULL, &root, &err), &err);
	must(make(SPIRE_ISSUE_ROOT, "o", NULL, &other, &err), &err);
	must(make(SPIRE_ISSUE_ISSUER, "i", &root, &issuer, &err), &err);
	must(make(SPIRE_ISSUE_LEAF, "l", &issuer, &leaf, &err), &err);
	assert_refused(make(SPIRE_ISSUE_ISSUER, "j", &issuer, &none, &err), &err, ERR_CREDENTIAL, "pathlen is 0");
	assert_refused(make(SPIRE_ISSUE_LEAF, "m", &leaf, &none, &err), &err, ERR_CREDENTIAL, "is no CA");
	buf_move(&root.chain, &other.chain);
	assert_refused(make(SPIRE_ISSUE_LEAF, "m", &root, &none, &err), &err, ERR_CREDENTIAL, "does not match");
	assert_refused(make(SPIRE_ISSUE_ROOT, "a b", NULL, &none, &err), &err, ERR_CONFIG, "'a b'");
	struct spire_issue wish = { .kind = SPIRE_ISSUE_ROOT, .cn = "r", .days = 99999, .now = time(NULL) };
	assert_refused(spire_issue(&wish, NULL, bytes_of("", 0), &none.key, &none.chain, &err), &err, ERR_CONFIG,
		       "99999");
}

static void keys_come_with_their_public_half(void **state)
{
	(void)state;
	struct secret key CLEANUP(secret_done) = SECRET_INIT;
	OWNED_BUF struct buf public = BUF_INIT(4096);
	OWNED_BUF struct buf again = BUF_INIT(4096);
	OWNED_BUF struct buf jwk = BUF_INIT(4096);
	struct err err = { 0 };
	must(spire_key_generate(SPIRE_KEY_P256, &key, &public, &err), &err);
	must(spire_key_public(&key, &again, &err), &err);
	assert_string_equal(buf_text(&public), buf_text(&again));
	must(spire_key_jwk(buf_bytes(&public), "kbs:///default/signing-key/sealed", &jwk, &err), &err);
	assert_non_null(strstr(buf_text(&jwk), "\"kid\":\"kbs:///default/signing-key/sealed\",\"x\":\""));
	OWNED_BUF struct buf ed = BUF_INIT(4096);
	struct secret ed_key CLEANUP(secret_done) = SECRET_INIT;
	must(spire_key_generate(SPIRE_KEY_ED25519, &ed_key, &ed, &err), &err);
	assert_refused(spire_key_jwk(buf_bytes(&ed), "k", &jwk, &err), &err, ERR_CREDENTIAL, "P-256");
	const struct secret junk = { 0 };
	assert_refused(spire_key_public(&junk, &again, &err), &err, ERR_CREDENTIAL, "no private key");
}

static void fingerprints_are_of_the_first_certificate(void **state)
{
	(void)state;
	struct made root MADE;
	char hex[41] = "";
	struct err err = { 0 };
	must(make(SPIRE_ISSUE_ROOT, "r", NULL, &root, &err), &err);
	must(spire_issue_fingerprint(buf_bytes(&root.chain), hex, &err), &err);
	assert_int_equal(strspn(hex, "0123456789abcdef"), 40);
	assert_refused(spire_issue_fingerprint(bytes_of_text("x"), hex, &err), &err, ERR_CREDENTIAL, "no certificate");
}

/* What was made for one wish and is found by another. */
static void what_was_made_is_what_is_wished(void **state)
{
	(void)state;
	struct made root MADE;
	struct made issuer MADE;
	struct made leaf MADE;
	struct made none MADE;
	struct err err = { 0 };
	must(make(SPIRE_ISSUE_ROOT, "r", NULL, &root, &err), &err);
	must(make(SPIRE_ISSUE_ISSUER, "h.web", &root, &issuer, &err), &err);
	must(make(SPIRE_ISSUE_LEAF, "h.web", &issuer, &leaf, &err), &err);
	time_t now = time(NULL); /* behind the beginning of all of them */
	must(check_with(SPIRE_ISSUE_ROOT, "r", NULL, &root, &root.key, NULL, now, &err), &err);
	must(check_with(SPIRE_ISSUE_ROOT, "r", NULL, &root, NULL, NULL, now, &err), &err);
	must(check_with(SPIRE_ISSUE_ISSUER, "h.web", NULL, &issuer, &issuer.key, &root, now, &err), &err);
	must(check_with(SPIRE_ISSUE_LEAF, "h.web", "web", &leaf, &leaf.key, &root, now, &err), &err);
	const struct {
		enum spire_issue_kind kind;
		const char *cn, *class_name;
		const struct made *made;
		int64_t later;
		enum err_code code;
		const char *says;
	} rows[] = {
		{ SPIRE_ISSUE_LEAF, "h.web", "web", &issuer, 0, ERR_CONFIG, "is a CA" },
		{ SPIRE_ISSUE_ISSUER, "h.web", NULL, &leaf, 0, ERR_CONFIG, "is a leaf" },
		{ SPIRE_ISSUE_ISSUER, "h.we", NULL, &issuer, 0, ERR_CONFIG, "'CN=h.web'" },
		{ SPIRE_ISSUE_LEAF, "h.web", "we", &leaf, 0, ERR_CONFIG, "not for class" },
		{ SPIRE_ISSUE_LEAF, "h.web", "web", &leaf, 90 * 86400, ERR_CREDENTIAL, "ended at" },
		{ SPIRE_ISSUE_ROOT, "r", NULL, &none, 0, ERR_CREDENTIAL, "no certificate" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_refused(check_with(rows[i].kind, rows[i].cn, rows[i].class_name, rows[i].made, NULL, &root,
					  now + rows[i].later, &err),
			       &err, rows[i].code, rows[i].says);
}

/* Two that have the same names. */
static void what_belongs_together_is_told_by_keys(void **state)
{
	(void)state;
	struct made root MADE;
	struct made issuer MADE;
	struct made leaf MADE;
	struct made foreign_root MADE;
	struct made foreign_issuer MADE;
	struct made none MADE;
	struct err err = { 0 };
	time_t now = time(NULL);
	must(make(SPIRE_ISSUE_ROOT, "r", NULL, &root, &err), &err);
	must(make(SPIRE_ISSUE_ISSUER, "i", &root, &issuer, &err), &err);
	must(make(SPIRE_ISSUE_LEAF, "l", &issuer, &leaf, &err), &err);
	must(make(SPIRE_ISSUE_ROOT, "r", NULL, &foreign_root, &err), &err);
	must(make(SPIRE_ISSUE_ISSUER, "i", &foreign_root, &foreign_issuer, &err), &err);
	const struct {
		enum spire_issue_kind kind;
		const char *cn;
		const struct made *made;
		const struct secret *key;
		const struct made *root;
		const char *says;
	} rows[] = {
		{ SPIRE_ISSUE_ISSUER, "i", &issuer, &foreign_issuer.key, &root, "of the key beside it" },
		{ SPIRE_ISSUE_ISSUER, "i", &issuer, &issuer.key, &foreign_root, "'CN=i' is not signed" },
		{ SPIRE_ISSUE_ISSUER, "i", &issuer, NULL, &leaf, "'CN=i' is not signed" },
		{ SPIRE_ISSUE_LEAF, "l", &leaf, NULL, &foreign_root, "'CN=i' is not signed" },
		{ SPIRE_ISSUE_ROOT, "r", &root, &foreign_root.key, NULL, "of the key beside it" },
		{ SPIRE_ISSUE_ISSUER, "i", &issuer, NULL, &none, "no root" },
		{ SPIRE_ISSUE_ROOT, "r", &root, &none.key, NULL, "none that can be read" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_refused(
			check_with(rows[i].kind, rows[i].cn, "web", rows[i].made, rows[i].key, rows[i].root, now, &err),
			&err, ERR_CREDENTIAL, rows[i].says);
	/* An issuer where a root should be: named as one, signed by another. */
	struct made named_root MADE;
	must(make(SPIRE_ISSUE_ISSUER, "r", &root, &named_root, &err), &err);
	assert_refused(check_with(SPIRE_ISSUE_ROOT, "r", NULL, &named_root, NULL, NULL, now, &err), &err,
		       ERR_CREDENTIAL, "'CN=r' is not signed");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_issuer_can_mint),
		cmocka_unit_test(a_leaf_is_a_credential),
		cmocka_unit_test(what_was_made_is_what_is_wished),
		cmocka_unit_test(what_belongs_together_is_told_by_keys),
		cmocka_unit_test(signs_for_nobody_who_cannot),
		cmocka_unit_test(keys_come_with_their_public_half),
		cmocka_unit_test(fingerprints_are_of_the_first_certificate),
	};
	struct err err = { 0 };
	if (secret_setup(&err) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
