/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The public key that may sign sealed secrets.
 *
 * Its text comes from the configuration or from the KBS, never from the sealed text.
 * Must accept no other curve than P-256: ES256 is the only algorithm.
 */
#include <limits.h>
#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <string.h>

#include "base/encode.h"
#include "base/json.h"
#include "cdh-client/sealed_parts.h"

#define KEY_TEXT_MAX 65536
#define COORDINATE_LEN 32
#define GROUP "prime256v1"

struct sealed_key {
	EVP_PKEY *pkey;
};

static void cleanup_pkey(EVP_PKEY **p)
{
	EVP_PKEY_free(*p);
}
static void cleanup_pkey_ctx(EVP_PKEY_CTX **p)
{
	EVP_PKEY_CTX_free(*p);
}
static void cleanup_md_ctx(EVP_MD_CTX **p)
{
	EVP_MD_CTX_free(*p);
}
static void cleanup_sig(ECDSA_SIG **p)
{
	ECDSA_SIG_free(*p);
}
static void cleanup_bio(BIO **p)
{
	BIO_free(*p);
}
static void cleanup_x509(X509 **p)
{
	X509_free(*p);
}
static void cleanup_openssl(unsigned char **p)
{
	OPENSSL_free(*p);
}

void sealed_key_free(struct sealed_key *key)
{
	if (!key)
		return;
	EVP_PKEY_free(key->pkey);
	free(key);
}

void sealed_key_cleanup(struct sealed_key **key)
{
	sealed_key_free(*key);
	*key = NULL;
}

static int coordinate(const struct json *jwk, const char *name, uint8_t *to, struct err *err)
{
	const char *text;
	struct buf bytes OWNED_BUF = BUF_INIT(COORDINATE_LEN);
	if (json_get_string(jwk, name, &text, err) < 0)
		return -1;
	if (base64_decode(BASE64URL, bytes_of_text(text), &bytes, err) < 0 || bytes.len != COORDINATE_LEN)
		return err_set(err, ERR_CONFIG, "member '%s' is not %d bytes of base64url", name, COORDINATE_LEN);
	memcpy(to, bytes.data, COORDINATE_LEN);
	return 0;
}

/* OpenSSL checks that the point is on the curve. */
static EVP_PKEY *key_of_point(const uint8_t *point, size_t len)
{
	CLEANUP(cleanup_pkey_ctx) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	char group[] = GROUP;
	uint8_t copy[1 + 2 * COORDINATE_LEN];
	memcpy(copy, point, sizeof(copy));
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
		OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, copy, len),
		OSSL_PARAM_construct_end(),
	};
	EVP_PKEY *pkey = NULL;
	if (!ctx || EVP_PKEY_fromdata_init(ctx) != 1 || EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) != 1)
		return NULL;
	return pkey;
}

static int read_jwk(struct bytes text, EVP_PKEY **ret_pkey, struct err *err)
{
	struct json *jwk OWNED_JSON = NULL;
	const char *kty;
	const char *crv;
	uint8_t point[1 + 2 * COORDINATE_LEN] = { 4 };
	if (json_parse(text, KEY_TEXT_MAX, &jwk, err) < 0 || json_get_string(jwk, "kty", &kty, err) < 0 ||
	    json_get_string(jwk, "crv", &crv, err) < 0)
		return -1;
	if (strcmp(kty, "EC") != 0 || strcmp(crv, "P-256") != 0)
		return err_set(err, ERR_CONFIG, "kty '%s', crv '%s': only 'EC' and 'P-256' sign sealed secrets", kty,
			       crv);
	if (coordinate(jwk, "x", point + 1, err) < 0 || coordinate(jwk, "y", point + 1 + COORDINATE_LEN, err) < 0)
		return -1;
	*ret_pkey = key_of_point(point, sizeof(point));
	return *ret_pkey ? 0 : err_set(err, ERR_CONFIG, "x and y are no point on P-256");
}

/* A public key, else the public key of a certificate. */
static EVP_PKEY *read_pem(struct bytes text)
{
	CLEANUP(cleanup_bio) BIO *bio = BIO_new_mem_buf(text.data, (int)text.len);
	EVP_PKEY *pkey = bio ? PEM_read_bio_PUBKEY(bio, NULL, NULL, (void *)(uintptr_t) "") : NULL;
	if (pkey || !bio || BIO_reset(bio) != 1)
		return pkey;
	CLEANUP(cleanup_x509) X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, (void *)(uintptr_t) "");
	return cert ? X509_get_pubkey(cert) : NULL;
}

static bool is_p256(EVP_PKEY *pkey)
{
	char group[64] = "";
	return EVP_PKEY_is_a(pkey, "EC") && EVP_PKEY_get_group_name(pkey, group, sizeof(group), NULL) == 1 &&
	       strcmp(group, GROUP) == 0;
}

static bool looks_like_json(struct bytes text)
{
	size_t i = 0;
	while (i < text.len &&
	       (text.data[i] == ' ' || text.data[i] == '\t' || text.data[i] == '\r' || text.data[i] == '\n'))
		i++;
	return i < text.len && text.data[i] == '{';
}

static int read_key(struct bytes text, EVP_PKEY **ret_pkey, struct err *err)
{
	if (text.len > KEY_TEXT_MAX)
		return err_set(err, ERR_CONFIG, "larger than the limit of %d bytes", KEY_TEXT_MAX);
	if (looks_like_json(text))
		return read_jwk(text, ret_pkey, err);
	CLEANUP(cleanup_pkey) EVP_PKEY *pkey = read_pem(text);
	ERR_clear_error();
	if (!pkey)
		return err_set(err, ERR_CONFIG, "neither a JWK nor a public key or certificate in PEM");
	if (!is_p256(pkey))
		return err_set(err, ERR_CONFIG, "not an EC key on P-256");
	*ret_pkey = TAKE_PTR(pkey);
	return 0;
}

int sealed_key_read(struct bytes text, struct sealed_key **ret_key, struct err *err)
{
	CLEANUP(cleanup_pkey) EVP_PKEY *pkey = NULL;
	if (read_key(text, &pkey, err) < 0) {
		if (err && err->code == ERR_PROTOCOL)
			err->code = ERR_CONFIG;
		return err_wrap(err, "the key that signs sealed secrets");
	}
	struct sealed_key *key = calloc(1, sizeof(*key));
	if (!key)
		return err_set(err, ERR_SYSTEM, "out of memory");
	key->pkey = TAKE_PTR(pkey);
	*ret_key = key;
	return 0;
}

/* JOSE writes r and s one behind the other, OpenSSL wants them in DER. */
static int der_of(const uint8_t raw[SEALED_SIGNATURE_LEN], unsigned char **ret_der)
{
	CLEANUP(cleanup_sig) ECDSA_SIG *sig = ECDSA_SIG_new();
	BIGNUM *r = BN_bin2bn(raw, SEALED_SIGNATURE_LEN / 2, NULL);
	BIGNUM *s = BN_bin2bn(raw + SEALED_SIGNATURE_LEN / 2, SEALED_SIGNATURE_LEN / 2, NULL);
	if (!sig || !r || !s || ECDSA_SIG_set0(sig, r, s) != 1) {
		BN_free(r);
		BN_free(s);
		return -1;
	}
	return i2d_ECDSA_SIG(sig, ret_der);
}

bool sealed_key_verifies(const struct sealed_key *key, struct bytes text, const uint8_t raw[SEALED_SIGNATURE_LEN])
{
	CLEANUP(cleanup_openssl) unsigned char *der = NULL;
	int len = der_of(raw, &der);
	CLEANUP(cleanup_md_ctx) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool good = len > 0 && ctx && EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, key->pkey) == 1 &&
		    EVP_DigestVerify(ctx, der, (size_t)len, text.data, text.len) == 1;
	ERR_clear_error();
	return good;
}
