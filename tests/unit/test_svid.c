/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spire/svid: what is taken for an X509-SVID, and what is said of it later.
 */
#include "trial.h"

#include <openssl/err.h>
#include <openssl/pkcs12.h>

#include "spire/cert.h"
#include "spire/svid.h"

#define ID "spiffe://example.test/w"

static struct pki_profile good_profile(void)
{
	return (struct pki_profile){ .cn = "w",
				     .basic_constraints = "critical,CA:FALSE",
				     .key_usage = "critical,digitalSignature",
				     .san = "URI:" ID };
}

static void add_der(const struct pki_node *node, struct buf *out)
{
	assert_int_equal(spire_cert_der(node->cert, out, NULL), 0);
}

static void key_der(EVP_PKEY *key, struct secret *out)
{
	unsigned char *der = NULL;
	PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(key);
	int len = i2d_PKCS8_PRIV_KEY_INFO(info, &der);
	assert_true(len > 0);
	assert_int_equal(secret_alloc(out, (size_t)len, NULL), 0);
	assert_int_equal(secret_append(out, bytes_of(der, (size_t)len), NULL), 0);
	OPENSSL_free(der);
	PKCS8_PRIV_KEY_INFO_free(info);
}

/* As an agent would send it. */
static struct workload_svid sent(const struct pki_node *leaf, EVP_PKEY *key)
{
	struct workload_svid svid = {
		.id = strdup(ID), .hint = strdup(""), .chain = BUF_INIT(65536), .bundle = BUF_INIT(65536)
	};
	add_der(leaf, &svid.chain);
	add_der(&root, &svid.bundle);
	key_der(key, &svid.key);
	return svid;
}

static void sent_done(struct workload_svid *svid)
{
	free(svid->id);
	free(svid->hint);
	buf_done(&svid->chain);
	buf_done(&svid->bundle);
	secret_done(&svid->key);
}
#define OWNED_SENT CLEANUP(sent_done)

static void good_one_is_taken(void **state)
{
	(void)state;
	const struct pki_profile profile = good_profile();
	OWNED_NODE struct pki_node leaf = pki_issue(pki_ec_key("P-256"), &middle, &profile);
	OWNED_SENT struct workload_svid from = sent(&leaf, leaf.key);
	add_der(&middle, &from.chain);
	OWNED_SVID struct spire_svid svid = { .id = NULL };
	struct err err = { 0 };
	if (spire_svid_take(&from, NULL, PKI_NOW, &svid, &err) < 0)
		fail_msg("%s", err.message);
	assert_string_equal(svid.id, ID);
	assert_string_equal(svid.trust_domain, "example.test");
	assert_int_equal(svid.authorities.all, 1);
	assert_int_equal(svid.authorities.expired, 0);
	assert_null(from.id);
	assert_null(from.key.data);
	assert_non_null(strstr(buf_text(&svid.chain_pem), "-----END CERTIFICATE-----\n-----BEGIN CERTIFICATE-----\n"));
	assert_true(bytes_equal_text(bytes_of(svid.key_pem.data, 28), "-----BEGIN PRIVATE KEY-----\n"));
	time_t until = 0;
	assert_int_equal(spire_svid_verify_pem(buf_bytes(&svid.chain_pem), &svid.key_pem, buf_bytes(&svid.bundle_pem),
					       PKI_NOW, 60, &until, &err),
			 0);
	assert_int_equal(until, svid.not_after);
}

static void refuse(struct workload_svid *from, long now, enum err_code code, const char *words)
{
	struct spire_svid svid = { .id = NULL };
	struct err err = { 0 };
	assert_int_equal(spire_svid_take(from, NULL, now, &svid, &err), -1);
	if (err.code != code || !strstr(err.message, words))
		fail_msg("code %d: '%s' does not say '%s'", (int)err.code, err.message, words);
	assert_null(svid.id);
	assert_null(svid.key.data);
}

static void refuse_profile(const struct pki_profile *profile, enum err_code code, const char *words)
{
	OWNED_NODE struct pki_node leaf = pki_issue(pki_ec_key("P-256"), &root, profile);
	OWNED_SENT struct workload_svid from = sent(&leaf, leaf.key);
	refuse(&from, PKI_NOW, code, words);
}

static void bad_leaves_are_refused(void **state)
{
	(void)state;
	struct pki_profile profile = good_profile();
	profile.san = "URI:spiffe://example.test/other";
	refuse_profile(&profile, ERR_CREDENTIAL, "names another identity");
	profile.san = "URI:" ID ",URI:https://x";
	refuse_profile(&profile, ERR_CREDENTIAL, "has not exactly one URI");
	profile.san = "DNS:example.test";
	refuse_profile(&profile, ERR_CREDENTIAL, "has not exactly one URI");
	profile.san = NULL;
	refuse_profile(&profile, ERR_CREDENTIAL, "has not exactly one URI");
	profile = good_profile();
	profile.basic_constraints = "critical,CA:TRUE";
	refuse_profile(&profile, ERR_CREDENTIAL, "is a CA");
	profile = good_profile();
	profile.key_usage = "critical,keyAgreement";
	refuse_profile(&profile, ERR_CREDENTIAL, "lacks digitalSignature");
	profile = good_profile();
	profile.from = -PKI_DAY;
	profile.until = -1;
	refuse_profile(&profile, ERR_CLOCK, "expired at");
	profile.from = 1;
	profile.until = PKI_DAY;
	refuse_profile(&profile, ERR_CLOCK, "is not valid before");
}

static void keys_and_chains_must_fit(void **state)
{
	(void)state;
	const struct pki_profile profile = good_profile();
	OWNED_NODE struct pki_node leaf = pki_issue(pki_ec_key("P-256"), &root, &profile);
	OWNED_SENT struct workload_svid other = sent(&leaf, root.key);
	refuse(&other, PKI_NOW, ERR_CREDENTIAL, "does not match its certificate");
	OWNED_SENT struct workload_svid damaged = sent(&leaf, leaf.key);
	damaged.key.len--;
	refuse(&damaged, PKI_NOW, ERR_CREDENTIAL, "is no PKCS#8 key");
	OWNED_SENT struct workload_svid trailing = sent(&leaf, leaf.key);
	assert_int_equal(buf_append_byte(&trailing.chain, 0, NULL), 0);
	refuse(&trailing, PKI_NOW, ERR_CREDENTIAL, "certificate 2 cannot be read");
	OWNED_SENT struct workload_svid empty = sent(&leaf, leaf.key);
	buf_done(&empty.chain);
	refuse(&empty, PKI_NOW, ERR_CREDENTIAL, "is empty");
	OWNED_SENT struct workload_svid rootless = sent(&leaf, leaf.key);
	buf_done(&rootless.bundle);
	refuse(&rootless, PKI_NOW, ERR_CREDENTIAL, "no authority");
}

static void expired_authorities_are_left_out(void **state)
{
	(void)state;
	const struct pki_profile profile = {
		.cn = "old", .from = -2 * PKI_DAY, .until = -PKI_DAY, .basic_constraints = "critical,CA:TRUE"
	};
	OWNED_NODE struct pki_node old = pki_issue(pki_ec_key("P-256"), NULL, &profile);
	OWNED_BUF struct buf der = BUF_INIT(65536);
	OWNED_BUF struct buf pem = BUF_INIT(65536);
	struct spire_bundle_count count;
	struct err err = { 0 };
	add_der(&old, &der);
	assert_int_equal(spire_bundle_pem(buf_bytes(&der), PKI_NOW, &pem, &count, &err), -1);
	assert_int_equal(err.code, ERR_CLOCK);
	add_der(&root, &der);
	buf_done(&pem);
	assert_int_equal(spire_bundle_pem(buf_bytes(&der), PKI_NOW, &pem, &count, &err), 0);
	assert_int_equal(count.all, 2);
	assert_int_equal(count.expired, 1);
	OWNED_BUF struct buf only = BUF_INIT(65536);
	pki_cert_pem(&root, &only);
	assert_true(bytes_equal(buf_bytes(&pem), buf_bytes(&only)));
}

static void same_bundles_are_read_once_until_they_age(void **state)
{
	(void)state;
	const struct pki_profile profile = good_profile();
	OWNED_NODE struct pki_node leaf = pki_issue(pki_ec_key("P-256"), &root, &profile);
	OWNED_SENT struct workload_svid one = sent(&leaf, leaf.key);
	OWNED_SENT struct workload_svid two = sent(&leaf, leaf.key);
	OWNED_SENT struct workload_svid three = sent(&leaf, leaf.key);
	OWNED_SVID struct spire_svid first = { .id = NULL };
	OWNED_SVID struct spire_svid second = { .id = NULL };
	OWNED_SVID struct spire_svid third = { .id = NULL };
	assert_int_equal(spire_svid_take(&one, NULL, PKI_NOW, &first, NULL), 0);
	first.bundle_pem.data[0] = 'x'; /* shows where it came from */
	assert_int_equal(spire_svid_take(&two, &first, PKI_NOW, &second, NULL), 0);
	assert_int_equal(second.bundle_pem.data[0], 'x');
	assert_int_equal(second.authorities.all, 1);
	first.authorities.good_until = PKI_NOW - 1;
	assert_int_equal(spire_svid_take(&three, &first, PKI_NOW, &third, NULL), 0);
	assert_int_equal(third.bundle_pem.data[0], '-');
}

static void pkcs12_holds_all(void **state)
{
	(void)state;
	const struct pki_profile profile = good_profile();
	OWNED_NODE struct pki_node leaf = pki_issue(pki_ec_key("P-256"), &middle, &profile);
	OWNED_SENT struct workload_svid from = sent(&leaf, leaf.key);
	add_der(&middle, &from.chain);
	OWNED_SVID struct spire_svid svid = { .id = NULL };
	struct secret file OWNED_SECRET = SECRET_INIT;
	assert_int_equal(spire_svid_take(&from, NULL, PKI_NOW, &svid, NULL), 0);
	assert_int_equal(spire_svid_pkcs12(&svid, "secret", &file, NULL), 0);
	const unsigned char *at = file.data;
	PKCS12 *read = d2i_PKCS12(NULL, &at, (long)file.len);
	EVP_PKEY *key = NULL;
	X509 *cert = NULL;
	STACK_OF(X509) *others = NULL;
	assert_int_equal(PKCS12_parse(read, "wrong", &key, &cert, &others), 0);
	assert_int_equal(PKCS12_parse(read, "secret", &key, &cert, &others), 1);
	assert_int_equal(EVP_PKEY_eq(key, leaf.key), 1);
	assert_int_equal(X509_cmp(cert, leaf.cert), 0);
	assert_int_equal(sk_X509_num(others), 2);
	ERR_clear_error();
	sk_X509_pop_free(others, X509_free);
	X509_free(cert);
	EVP_PKEY_free(key);
	PKCS12_free(read);
}

static void refuse_pkcs12(const struct secret *file, const char *password, struct bytes bundle, long now,
			  enum err_code code, const char *words)
{
	struct err err = { 0 };
	assert_int_equal(spire_svid_verify_pkcs12(file, password, bundle, now, PKI_HOUR, &err), -1);
	if (err.code != code || !strstr(err.message, words))
		fail_msg("code %d: '%s' does not say '%s'", (int)err.code, err.message, words);
}

static void pkcs12_files_are_judged(void **state)
{
	(void)state;
	const struct pki_profile profile = good_profile();
	OWNED_NODE struct pki_node leaf = pki_issue(pki_ec_key("P-256"), &middle, &profile);
	OWNED_SENT struct workload_svid from = sent(&leaf, leaf.key);
	add_der(&middle, &from.chain);
	OWNED_SVID struct spire_svid svid = { .id = NULL };
	struct secret file OWNED_SECRET = SECRET_INIT;
	struct secret cut OWNED_SECRET = SECRET_INIT;
	struct secret keyless OWNED_SECRET = SECRET_INIT;
	struct err err = { 0 };
	assert_int_equal(spire_svid_take(&from, NULL, PKI_NOW, &svid, NULL), 0);
	assert_int_equal(spire_svid_pkcs12(&svid, "secret", &file, NULL), 0);
	const struct bytes bundle = buf_bytes(&svid.bundle_pem);
	if (spire_svid_verify_pkcs12(&file, "secret", bundle, PKI_NOW, PKI_HOUR, &err) < 0)
		fail_msg("%s", err.message);
	refuse_pkcs12(&file, "other", bundle, PKI_NOW, ERR_CREDENTIAL, "the password does not open it");
	refuse_pkcs12(&file, "secret", bundle, svid.not_after - 60, ERR_CLOCK, "within the margin");
	refuse_pkcs12(&file, "secret", bundle, svid.not_after + 1, ERR_CLOCK, "expired at");
	OWNED_NODE struct pki_node other = pki_ca("other", NULL);
	OWNED_BUF struct buf stranger = BUF_INIT(65536);
	pki_cert_pem(&other, &stranger);
	refuse_pkcs12(&file, "secret", buf_bytes(&stranger), PKI_NOW, ERR_CREDENTIAL, "does not verify");
	assert_int_equal(secret_alloc(&cut, file.len, NULL), 0);
	assert_int_equal(secret_append(&cut, bytes_of(file.data, file.len / 2), NULL), 0);
	refuse_pkcs12(&cut, "secret", bundle, PKI_NOW, ERR_CREDENTIAL, "no PKCS#12 file");
	const struct secret none = SECRET_INIT;
	refuse_pkcs12(&none, "secret", bundle, PKI_NOW, ERR_CREDENTIAL, "no PKCS#12 file");
	PKCS12 *without = PKCS12_create("secret", NULL, NULL, leaf.cert, NULL, 0, 0, 0, 0, 0);
	unsigned char *der = NULL;
	int len = i2d_PKCS12(without, &der);
	assert_true(len > 0);
	assert_int_equal(secret_alloc(&keyless, (size_t)len, NULL), 0);
	assert_int_equal(secret_append(&keyless, bytes_of(der, (size_t)len), NULL), 0);
	OPENSSL_free(der);
	PKCS12_free(without);
	refuse_pkcs12(&keyless, "secret", bundle, PKI_NOW, ERR_CREDENTIAL, "no certificate with its key");
}

static void delivered_files_are_judged(void **state)
{
	(void)state;
	const struct pki_profile profile = good_profile();
	OWNED_NODE struct pki_node leaf = pki_issue(pki_ec_key("P-256"), &root, &profile);
	OWNED_BUF struct buf chain = BUF_INIT(65536);
	OWNED_BUF struct buf bundle = BUF_INIT(65536);
	OWNED_BUF struct buf foreign = BUF_INIT(65536);
	OWNED_BUF struct buf key_text = BUF_INIT(65536);
	OWNED_BUF struct buf other_text = BUF_INIT(65536);
	struct secret key OWNED_SECRET = SECRET_INIT;
	struct secret other OWNED_SECRET = SECRET_INIT;
	struct err err = { 0 };
	pki_cert_pem(&leaf, &chain);
	pki_cert_pem(&root, &bundle);
	pki_cert_pem(&middle, &foreign);
	pki_key_pem(leaf.key, PKI_PKCS8, &key_text);
	pki_key_pem(root.key, PKI_PKCS8, &other_text);
	pki_secret(&key_text, &key);
	pki_secret(&other_text, &other);
	const struct {
		struct buf *bundle;
		struct secret *key;
		long now;
		long margin;
		enum err_code code;
	} rows[] = {
		{ &bundle, &key, PKI_NOW, 0, ERR_NONE },
		{ &bundle, NULL, PKI_NOW, 0, ERR_NONE },
		{ &bundle, &key, PKI_NOW, 29 * PKI_DAY, ERR_NONE },
		{ &bundle, &key, PKI_NOW, 31 * PKI_DAY, ERR_CLOCK },
		{ &bundle, &key, PKI_NOW + 31 * PKI_DAY, 0, ERR_CLOCK },
		{ &bundle, &key, PKI_NOW - 2 * PKI_DAY, 0, ERR_CLOCK },
		{ &foreign, &key, PKI_NOW, 0, ERR_CREDENTIAL },
		{ &bundle, &other, PKI_NOW, 0, ERR_CREDENTIAL },
		{ &key_text, &key, PKI_NOW, 0, ERR_CREDENTIAL },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		time_t until = 0;
		err.code = ERR_NONE;
		int rc = spire_svid_verify_pem(buf_bytes(&chain), rows[i].key, buf_bytes(rows[i].bundle), rows[i].now,
					       rows[i].margin, &until, &err);
		if (err.code != rows[i].code || (rc == 0) != (rows[i].code == ERR_NONE))
			fail_msg("%zu: %d, code %d: %s", i, rc, (int)err.code, err.message);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_one_is_taken),
		cmocka_unit_test(bad_leaves_are_refused),
		cmocka_unit_test(keys_and_chains_must_fit),
		cmocka_unit_test(expired_authorities_are_left_out),
		cmocka_unit_test(same_bundles_are_read_once_until_they_age),
		cmocka_unit_test(pkcs12_holds_all),
		cmocka_unit_test(pkcs12_files_are_judged),
		cmocka_unit_test(delivered_files_are_judged),
	};
	return cmocka_run_group_tests(tests, make_cas, drop_cas);
}
