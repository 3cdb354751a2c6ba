/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cdh-client/sealed: secrets sealed by the reference tools open, everything that a
 * forger could send does not, and what can be done with each kind.
 */
#include "support.h"

#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "base/encode.h"
#include "base/file.h"
#include "base/wipe.h"
#include "cdh-client/sealed.h"

static EVP_PKEY *own;		      /* signs what the tests seal */
static struct sealed_key *own_public; /* the configured key */

static void read_vector(const char *name, struct buf *out)
{
	char path[512];
	(void)snprintf(path, sizeof(path), "%s/%s", VECTORS, name);
	*out = (struct buf)BUF_INIT(65536);
	assert_int_equal(file_read(AT_FDCWD, path, out, NULL), 0);
}

static struct sealed_key *must_read_key(struct bytes text)
{
	struct err err = { 0 };
	struct sealed_key *key = NULL;
	if (sealed_key_read(text, &key, &err) < 0)
		fail_msg("refused: %s", err.message);
	return key;
}

/* r and s out of OpenSSL's DER. */
static void sign(EVP_PKEY *key, struct bytes text, uint8_t raw[64])
{
	uint8_t der[128];
	const uint8_t *at = der;
	size_t len = sizeof(der);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	assert_int_equal(EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key), 1);
	assert_int_equal(EVP_DigestSign(ctx, der, &len, text.data, text.len), 1);
	EVP_MD_CTX_free(ctx);
	ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &at, (long)len);
	assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_r(sig), raw, 32), 32);
	assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_s(sig), raw + 32, 32), 32);
	ECDSA_SIG_free(sig);
}

static void seal(EVP_PKEY *key, const char *header, const char *payload, struct buf *out)
{
	uint8_t raw[64];
	struct buf text OWNED_BUF = BUF_INIT(65536);
	*out = (struct buf)BUF_INIT(65536);
	assert_int_equal(base64_encode(BASE64URL, bytes_of_text(header), &text, NULL), 0);
	assert_int_equal(buf_append_text(&text, ".", NULL), 0);
	assert_int_equal(base64_encode(BASE64URL, bytes_of_text(payload), &text, NULL), 0);
	sign(key, buf_bytes(&text), raw);
	assert_int_equal(buf_printf(out, NULL, "sealed.%s.", buf_text(&text)), 0);
	assert_int_equal(base64_encode(BASE64URL, bytes_of(raw, sizeof(raw)), out, NULL), 0);
}

static void assert_refused(struct bytes text, const struct sealed_key *key, const char *part)
{
	struct err err = { 0 };
	struct sealed sealed = { .kid = "untouched" };
	OWNED_MEM uint8_t *exact = malloc(text.len ? text.len : 1);
	if (text.len)
		memcpy(exact, text.data, text.len);
	if (sealed_open(bytes_of(exact, text.len), key, &sealed, &err) == 0)
		fail_msg("accepted, where '%s' is due", part);
	if (!strstr(err.message, part))
		fail_msg("'%s' does not say '%s'", err.message, part);
	assert_int_equal(err.code, ERR_CREDENTIAL);
	assert_string_equal(sealed.kid, "untouched");
}

static void secrets_of_the_reference_tools_open(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		const char *key;
		const char *kid;
		const char *name;
	} rows[] = {
		{ "sealed/test.txt", "sealed/signing-key.public.jwk", "kbs:///default/signing-key/sealed-secret",
		  "kbs:///default/sealed-secret/test" },
		{ "ttrpc/sealed-secret.txt", "ttrpc/sealed-signing.public.jwk", "kbs:///default/sealed-signing/pub",
		  "kbs:///default/x509pop/key" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf text OWNED_BUF;
		struct buf jwk OWNED_BUF;
		struct err err = { 0 };
		struct sealed sealed;
		struct kbs_uri uri;
		read_vector(rows[i].text, &text);
		read_vector(rows[i].key, &jwk);
		struct sealed_key *key OWNED_SEALED_KEY = must_read_key(buf_bytes(&jwk));
		if (sealed_open(buf_bytes(&text), key, &sealed, &err) < 0)
			fail_msg("%s: %s", rows[i].text, err.message);
		assert_int_equal(sealed.kind, SEALED_VAULT);
		assert_string_equal(sealed.kid, rows[i].kid);
		assert_string_equal(sealed.provider, "kbs");
		assert_int_equal(sealed_resource(&sealed, &uri, NULL), 0);
		assert_string_equal(uri.text, rows[i].name);
		assert_true(sealed_is(buf_bytes(&text)));
		/* under another key it is a forgery */
		assert_refused(buf_bytes(&text), own_public, "its signature is not by the configured key");
	}
}

static void each_altered_letter_is_refused(void **state)
{
	(void)state;
	struct buf text OWNED_BUF;
	struct buf jwk OWNED_BUF;
	read_vector("sealed/test.txt", &text);
	read_vector("sealed/signing-key.public.jwk", &jwk);
	struct sealed_key *key OWNED_SEALED_KEY = must_read_key(buf_bytes(&jwk));
	for (size_t i = 0; i < text.len; i++) {
		uint8_t was = text.data[i];
		text.data[i] = was == 'B' ? 'C' : 'B';
		assert_refused(buf_bytes(&text), key, "sealed secret: ");
		text.data[i] = was;
		assert_refused(bytes_of(text.data, i), key, "sealed secret: ");
	}
	assert_int_equal(buf_append_text(&text, "\n", NULL), 0);
	assert_refused(buf_bytes(&text), key, "white space at its end");
}

#define HEADER "{\"alg\":\"ES256\",\"kid\":\"kbs:///a/b/c\"}"
#define VAULT                                                                                                          \
	"{\"version\":\"0.1.0\",\"type\":\"vault\",\"name\":\"kbs:///a/b/c\",\"provider\":\"kbs\","                    \
	"\"provider_settings\":{},\"annotations\":{}}"
#define VAULT_OF(provider, name)                                                                                       \
	"{\"version\":\"0.1.0\",\"type\":\"vault\",\"name\":\"" name "\",\"provider\":\"" provider "\","               \
	"\"provider_settings\":{},\"annotations\":{}}"
#define ENVELOPE                                                                                                       \
	"{\"version\":\"0.1.0\",\"type\":\"envelope\",\"key_id\":\"k-1\",\"encrypted_key\":\"eA==\","                  \
	"\"encrypted_data\":\"eA==\",\"wrap_type\":\"A256GCM\",\"iv\":\"eA==\",\"provider\":\"aliyun\","               \
	"\"provider_settings\":{},\"annotations\":{}}"

/* The payloads of the reference's own tests. Only what lies in the KBS can be fetched without the hub. */
static void payloads_of_the_reference_are_read(void **state)
{
	(void)state;
	static const struct {
		const char *file;
		enum sealed_kind kind;
		const char *provider, *name, *key_id, *uri;
	} rows[] = {
		{ "sealed/payload-vault-1.json", SEALED_VAULT, "aliyun", "xxx", "", NULL },
		{ "sealed/payload-vault-2.json", SEALED_VAULT, "kbs", "kbs:///one/2/trois", "", "kbs:///one/2/trois" },
		{ "sealed/payload-envelope-1.json", SEALED_ENVELOPE, "aliyun", "", "xxx", NULL },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf payload OWNED_BUF;
		struct buf text OWNED_BUF;
		struct sealed sealed;
		struct kbs_uri uri;
		struct err err = { 0 };
		read_vector(rows[i].file, &payload);
		seal(own, HEADER, buf_text(&payload), &text);
		if (sealed_open(buf_bytes(&text), own_public, &sealed, &err) < 0)
			fail_msg("%s: %s", rows[i].file, err.message);
		assert_int_equal(sealed.kind, rows[i].kind);
		assert_string_equal(sealed.provider, rows[i].provider);
		assert_string_equal(sealed.name, rows[i].name);
		assert_string_equal(sealed.key_id, rows[i].key_id);
		assert_int_equal(sealed_resource(&sealed, &uri, &err), rows[i].uri ? 0 : -1);
		if (rows[i].uri)
			assert_string_equal(uri.text, rows[i].uri);
		else
			assert_int_equal(err.code, ERR_CONFIG);
	}
}

static void what_is_signed_but_wrong_is_named(void **state)
{
	(void)state;
	static const struct {
		const char *header;
		const char *payload;
		const char *message;
	} rows[] = {
		{ "{\"alg\":\"none\",\"kid\":\"x\"}", VAULT, "header: alg 'none': only 'ES256' is taken" },
		{ "{\"alg\":\"HS256\",\"kid\":\"x\"}", VAULT, "header: alg 'HS256'" },
		{ "{\"alg\":\"ES256\"}", VAULT, "header: " },
		{ "{\"kid\":\"x\"}", VAULT, "header: " },
		{ "{\"alg\":\"ES256\",\"kid\":\"x\",\"b64\":false}", VAULT, "it has a critical extension" },
		{ "{\"alg\":\"ES256\",\"kid\":\"x\",\"crit\":[\"b64\"],\"b64\":true}", VAULT,
		  "it has a critical extension" },
		{ "{\"alg\":\"none\",\"alg\":\"ES256\",\"kid\":\"x\"}", VAULT, "header: " },
		{ "fakejwsheader", VAULT, "header: " },
		{ "[]", VAULT, "header: a JSON object is wanted" },
		{ HEADER, "[]", "payload: a JSON object is wanted" },
		{ HEADER, "{}", "payload: " },
		{ HEADER, "{\"version\":\"0.2.0\",\"type\":\"vault\"}",
		  "payload: version '0.2.0': only '0.1.0' is known" },
		{ HEADER,
		  "{\"version\":\"0.1.0\",\"type\":\"vault\",\"name\":\"n\",\"provider\":\"kbs\",\"annotations\":{}}",
		  "'provider_settings'" },
		{ HEADER,
		  "{\"version\":\"0.1.0\",\"type\":\"other\",\"provider\":\"kbs\",\"provider_settings\":{},"
		  "\"annotations\":{}}",
		  "type 'other': only 'vault' and 'envelope' are known" },
		{ HEADER,
		  "{\"version\":\"0.1.0\",\"type\":\"envelope\",\"key_id\":\"k\",\"provider\":\"x\",\"provider_"
		  "settings\":{},"
		  "\"annotations\":{}}",
		  "'encrypted_key'" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf text OWNED_BUF;
		seal(own, rows[i].header, rows[i].payload, &text);
		assert_refused(buf_bytes(&text), own_public, rows[i].message);
	}
}

static void fakes_are_refused(void **state)
{
	(void)state;
	struct buf good OWNED_BUF;
	struct buf fake OWNED_BUF = BUF_INIT(65536);
	seal(own, HEADER, VAULT, &good);
	size_t upto = (size_t)(strrchr(buf_text(&good), '.') - buf_text(&good)) + 1;
	assert_refused(bytes_of(good.data, upto), own_public,
		       "its signature is not 64 bytes of base64url: a placeholder");
	assert_refused(bytes_of(good.data, upto - 1), own_public, "it has not four parts");
	assert_int_equal(buf_append(&fake, bytes_of(good.data, upto), NULL), 0);
	assert_int_equal(buf_append_text(&fake, "fakesignature", NULL), 0);
	assert_refused(buf_bytes(&fake), own_public, "its signature is not 64 bytes");
	fake.len = upto;
	for (unsigned i = 0; i < 86; i++) /* 64 zero bytes */
		assert_int_equal(buf_append_text(&fake, "A", NULL), 0);
	assert_refused(buf_bytes(&fake), own_public, "its signature is not by the configured key");
	assert_refused(bytes_of_text("sealed.fakejwsheader.eyJ9.fakesignature"), own_public, "header: ");
	assert_refused(bytes_of_text(""), own_public, "it does not begin with 'sealed.'");
	assert_refused(bytes_of_text("sealed."), own_public, "it has not four parts");
	assert_refused(bytes_of_text("sealed.a.b.c.d"), own_public, "it has not four parts");
}

static void each_kind_says_what_it_needs(void **state)
{
	(void)state;
	struct buf text OWNED_BUF;
	struct buf vault OWNED_BUF;
	struct buf bare OWNED_BUF;
	struct sealed sealed;
	struct kbs_uri uri;
	struct err err = { 0 };
	seal(own, HEADER, ENVELOPE, &text);
	assert_int_equal(sealed_open(buf_bytes(&text), own_public, &sealed, NULL), 0);
	assert_int_equal(sealed.kind, SEALED_ENVELOPE);
	assert_string_equal(sealed.key_id, "k-1");
	assert_int_equal(sealed_resource(&sealed, &uri, &err), -1);
	assert_int_equal(err.code, ERR_CONFIG);
	assert_non_null(strstr(err.message, "is an envelope, encrypted by key 'k-1' of the service 'aliyun': only the "
					    "confidential data hub"));
	seal(own, HEADER, VAULT_OF("aws", "x"), &vault);
	assert_int_equal(sealed_open(buf_bytes(&vault), own_public, &sealed, NULL), 0);
	assert_int_equal(sealed_resource(&sealed, &uri, &err), -1);
	assert_non_null(strstr(err.message, "lies at the provider 'aws'"));
	/* the data hub compares providers without case, and names must be whole URIs */
	seal(own, HEADER, VAULT_OF("KBS", "default/key/1"), &bare);
	assert_int_equal(sealed_open(buf_bytes(&bare), own_public, &sealed, NULL), 0);
	assert_int_equal(sealed_resource(&sealed, &uri, &err), -1);
	assert_non_null(
		strstr(err.message, "sealed secret: payload: 'name': 'default/key/1' is not a KBS resource URI"));
}

static void keys_are_read_strictly(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		const char *message;
	} rows[] = {
		{ "", "neither a JWK nor a public key or certificate in PEM" },
		{ "{}", "'kty'" },
		{ "{\"kty\":\"RSA\",\"crv\":\"x\"}", "kty 'RSA', crv 'x': only 'EC' and 'P-256'" },
		{ "{\"kty\":\"EC\",\"crv\":\"P-384\"}", "crv 'P-384'" },
		{ "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AA\",\"y\":\"AA\"}",
		  "member 'x' is not 32 bytes of base64url" },
		{ "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\",\"y\":"
		  "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}",
		  "x and y are no point on P-256" },
		{ "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "neither a JWK nor" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err err = { 0 };
		struct sealed_key *key = NULL;
		assert_int_equal(sealed_key_read(bytes_of_text(rows[i].text), &key, &err), -1);
		assert_int_equal(err.code, ERR_CONFIG);
		if (!strstr(err.message, rows[i].message))
			fail_msg("'%s' does not say '%s'", err.message, rows[i].message);
		assert_null(key);
	}
}

static void pem_of(EVP_PKEY *key, struct buf *out)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *data = NULL;
	*out = (struct buf)BUF_INIT(65536);
	assert_int_equal(PEM_write_bio_PUBKEY(bio, key), 1);
	long len = BIO_get_mem_data(bio, &data);
	assert_int_equal(buf_append(out, bytes_of(data, (size_t)len), NULL), 0);
	BIO_free(bio);
}

static void pem_keys_serve_and_other_curves_do_not(void **state)
{
	(void)state;
	struct buf pem OWNED_BUF;
	struct buf other OWNED_BUF;
	struct err err = { 0 };
	struct sealed_key *key = NULL;
	EVP_PKEY *p384 = EVP_EC_gen("P-384");
	pem_of(p384, &pem);
	EVP_PKEY_free(p384);
	assert_int_equal(sealed_key_read(buf_bytes(&pem), &key, &err), -1);
	assert_non_null(strstr(err.message, "not an EC key on P-256"));
	pem_of(own, &other);
	key = must_read_key(buf_bytes(&other));
	struct buf text OWNED_BUF;
	struct sealed sealed;
	seal(own, HEADER, VAULT, &text);
	assert_int_equal(sealed_open(buf_bytes(&text), key, &sealed, NULL), 0);
	sealed_key_free(key);
}

static void sealed_text_is_recognised(void **state)
{
	(void)state;
	assert_true(sealed_is(bytes_of_text("sealed.")));
	assert_true(sealed_is(bytes_of_text(" \r\n\t\v\fsealed.x")));
	assert_false(sealed_is(bytes_of_text("sealed")));
	assert_false(sealed_is(bytes_of_text("-----BEGIN")));
	assert_false(sealed_is(bytes_of_text("")));
	assert_false(sealed_is(bytes_of_text("  ")));
	assert_int_equal(sealed_check_plain(bytes_of_text("x"), "it", NULL), 0);
	struct err err = { 0 };
	assert_int_equal(sealed_check_plain(bytes_of_text(""), "it", &err), -1);
	assert_string_equal(err.message, "it is empty");
}

static int set_up(void **state)
{
	(void)state;
	struct buf pem OWNED_BUF = BUF_INIT(1);
	wipe_install();
	own = EVP_EC_gen("P-256");
	pem_of(own, &pem);
	own_public = must_read_key(buf_bytes(&pem));
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	EVP_PKEY_free(own);
	sealed_key_free(own_public);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(secrets_of_the_reference_tools_open),
		cmocka_unit_test(each_altered_letter_is_refused),
		cmocka_unit_test(payloads_of_the_reference_are_read),
		cmocka_unit_test(what_is_signed_but_wrong_is_named),
		cmocka_unit_test(fakes_are_refused),
		cmocka_unit_test(each_kind_says_what_it_needs),
		cmocka_unit_test(keys_are_read_strictly),
		cmocka_unit_test(pem_keys_serve_and_other_curves_do_not),
		cmocka_unit_test(sealed_text_is_recognised),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
