/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cdh-client/seal: what is sealed is opened with the public key, and with no other.
 */
#include "support.h"

#include "cdh-client/seal.h"
#include "cdh-client/sealed.h"
#include "spire/issue.h"

#define KID "kbs:///default/signing-key/sealed-secret"
#define NAME "kbs:///default/db/password"

struct pair {
	struct admin_key *private;
	struct sealed_key *public;
};

static void pair_done(struct pair *pair)
{
	admin_key_free(pair->private);
	sealed_key_free(pair->public);
}

static void make_pair(struct pair *pair)
{
	struct err err = { 0 };
	struct secret key OWNED_SECRET = SECRET_INIT;
	OWNED_BUF struct buf public = BUF_INIT(4096);
	OWNED_BUF struct buf jwk = BUF_INIT(4096);
	assert_int_equal(spire_key_generate(SPIRE_KEY_P256, &key, &public, &err), 0);
	assert_int_equal(spire_key_jwk(buf_bytes(&public), KID, &jwk, &err), 0);
	assert_int_equal(admin_key_read(secret_bytes(&key), &pair->private, &err), 0);
	assert_int_equal(sealed_key_read(buf_bytes(&jwk), &pair->public, &err), 0);
}

static void what_is_sealed_can_be_opened(void **state)
{
	(void)state;
	CLEANUP(pair_done) struct pair pair = { 0 };
	CLEANUP(pair_done) struct pair other = { 0 };
	OWNED_BUF struct buf text = BUF_INIT(4096);
	struct sealed sealed;
	struct err err = { 0 };
	make_pair(&pair);
	make_pair(&other);
	assert_int_equal(seal_vault(pair.private, KID, NAME, &text, &err), 0);
	assert_int_equal(sealed_open(buf_bytes(&text), pair.public, &sealed, &err), 0);
	assert_string_equal(sealed.name, NAME);
	assert_string_equal(sealed.kid, KID);
	assert_string_equal(sealed.provider, "kbs");
	assert_int_equal(sealed_open(buf_bytes(&text), other.public, &sealed, &err), -1);
	assert_int_equal(err.code, ERR_CREDENTIAL);
}

static void refuses_other_keys_and_names(void **state)
{
	(void)state;
	CLEANUP(pair_done) struct pair pair = { 0 };
	OWNED_BUF struct buf text = BUF_INIT(4096);
	OWNED_BUF struct buf public = BUF_INIT(4096);
	struct secret key OWNED_SECRET = SECRET_INIT;
	struct admin_key *ed CLEANUP(admin_key_cleanup) = NULL;
	struct err err = { 0 };
	make_pair(&pair);
	assert_int_equal(seal_vault(pair.private, "key", NAME, &text, &err), -1);
	assert_int_equal(seal_vault(pair.private, KID, "kbs:///a/b", &text, &err), -1);
	assert_int_equal(spire_key_generate(SPIRE_KEY_ED25519, &key, &public, &err), 0);
	assert_int_equal(admin_key_read(secret_bytes(&key), &ed, &err), 0);
	assert_int_equal(seal_vault(ed, KID, NAME, &text, &err), -1);
	assert_non_null(strstr(err.message, "P-256"));
	assert_int_equal(text.len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_sealed_can_be_opened),
		cmocka_unit_test(refuses_other_keys_and_names),
	};
	struct err err = { 0 };
	if (secret_setup(&err) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
