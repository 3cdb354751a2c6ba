/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signs the administrator's token.
 *
 * The key is the operator's own file, on a machine that the operator trusts. Must accept no key whose
 * algorithm the KBS does not take, and never put key or token into a message.
 */
#include "cdh-client/admin_token.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <string.h>

#include "base/encode.h"
#include "base/json.h"

#define KEY_TEXT_MAX 65536

struct admin_key {
	EVP_PKEY *pkey;
	bool is_ec;
};

static void cleanup_bio(BIO **p)
{
	BIO_free(*p);
}
static void cleanup_pkey(EVP_PKEY **p)
{
	EVP_PKEY_free(*p);
}
static void cleanup_md_ctx(EVP_MD_CTX **p)
{
	EVP_MD_CTX_free(*p);
}
static void cleanup_sig(ECDSA_SIG **p)
{
	ECDSA_SIG_free(*p);
}

static int no_password(char *buf, int size, int writing, void *arg)
{
	(void)buf;
	(void)size;
	(void)writing;
	(void)arg;
	return -1;
}

static bool is_p256(EVP_PKEY *pkey)
{
	char group[64] = "";
	return EVP_PKEY_is_a(pkey, "EC") && EVP_PKEY_get_group_name(pkey, group, sizeof(group), NULL) == 1 &&
	       strcmp(group, "prime256v1") == 0;
}

int admin_key_read(struct bytes pem, struct admin_key **ret_key, struct err *err)
{
	if (pem.len > KEY_TEXT_MAX)
		return err_set(err, ERR_CREDENTIAL, "the admin key is larger than %d bytes", KEY_TEXT_MAX);
	CLEANUP(cleanup_bio) BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.len);
	CLEANUP(cleanup_pkey)
	EVP_PKEY *pkey = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL) : NULL;
	ERR_clear_error();
	if (!pkey)
		return err_set(err, ERR_CREDENTIAL, "the admin key is not an unencrypted private key in PEM");
	if (!EVP_PKEY_is_a(pkey, "ED25519") && !is_p256(pkey))
		return err_set(err, ERR_CREDENTIAL, "the admin key is neither an Ed25519 key nor an EC key on P-256");
	struct admin_key *key = calloc(1, sizeof(*key));
	if (!key)
		return err_set(err, ERR_SYSTEM, "out of memory");
	key->is_ec = EVP_PKEY_is_a(pkey, "EC");
	key->pkey = TAKE_PTR(pkey);
	*ret_key = key;
	return 0;
}

void admin_key_free(struct admin_key *key)
{
	if (!key)
		return;
	EVP_PKEY_free(key->pkey);
	free(key);
}

void admin_key_cleanup(struct admin_key **key)
{
	admin_key_free(*key);
	*key = NULL;
}

const char *admin_key_alg(const struct admin_key *key)
{
	return key->is_ec ? "ES256" : "EdDSA";
}

/* OpenSSL writes r and s in DER, JOSE wants them one behind the other. */
static int raw_of(const uint8_t *der, size_t len, uint8_t raw[ADMIN_SIGNATURE_LEN])
{
	const unsigned char *at = der;
	CLEANUP(cleanup_sig) ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &at, (long)len);
	if (!sig || BN_bn2binpad(ECDSA_SIG_get0_r(sig), raw, ADMIN_SIGNATURE_LEN / 2) < 0 ||
	    BN_bn2binpad(ECDSA_SIG_get0_s(sig), raw + ADMIN_SIGNATURE_LEN / 2, ADMIN_SIGNATURE_LEN / 2) < 0)
		return -1;
	return 0;
}

int admin_key_sign(const struct admin_key *key, struct bytes text, uint8_t raw[ADMIN_SIGNATURE_LEN], struct err *err)
{
	uint8_t signature[128];
	size_t len = sizeof(signature);
	CLEANUP(cleanup_md_ctx) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	const EVP_MD *digest = key->is_ec ? EVP_sha256() : NULL;
	if (!ctx || EVP_DigestSignInit(ctx, NULL, digest, NULL, key->pkey) != 1 ||
	    EVP_DigestSign(ctx, signature, &len, text.data, text.len) != 1)
		return err_set(err, ERR_SYSTEM, "OpenSSL cannot sign");
	if (!key->is_ec && len == ADMIN_SIGNATURE_LEN) {
		memcpy(raw, signature, ADMIN_SIGNATURE_LEN);
		return 0;
	}
	if (!key->is_ec || raw_of(signature, len, raw) < 0)
		return err_set(err, ERR_SYSTEM, "OpenSSL made no signature of %d bytes", ADMIN_SIGNATURE_LEN);
	return 0;
}

int admin_token_part(const struct json *part, struct buf *out, struct err *err)
{
	struct buf text OWNED_BUF = BUF_INIT(ADMIN_PART_MAX);
	if (json_print(part, &text, err) < 0)
		return -1;
	return base64_encode(BASE64URL, buf_bytes(&text), out, err);
}

static int append_header(const struct admin_key *key, struct buf *out, struct err *err)
{
	struct json *header OWNED_JSON = NULL;
	if (json_new_object(&header, err) < 0 || json_add_string(header, "alg", admin_key_alg(key), err) < 0 ||
	    json_add_string(header, "typ", "JWT", err) < 0)
		return -1;
	return admin_token_part(header, out, err);
}

static int append_claims(const char *role, time_t now, struct buf *out, struct err *err)
{
	struct json *claims OWNED_JSON = NULL;
	uint64_t at = (uint64_t)now;
	if (json_new_object(&claims, err) < 0 || json_add_string(claims, "role", role, err) < 0 ||
	    json_add_u64(claims, "iat", at, err) < 0 || json_add_u64(claims, "exp", at + ADMIN_TOKEN_SECONDS, err) < 0)
		return -1;
	return admin_token_part(claims, out, err);
}

int admin_token_make(const struct admin_key *key, const char *role, time_t now, struct buf *out, struct err *err)
{
	struct buf token OWNED_BUF = BUF_INIT(ADMIN_TOKEN_MAX);
	uint8_t signature[ADMIN_SIGNATURE_LEN];
	if (append_header(key, &token, err) < 0 || buf_append_byte(&token, '.', err) < 0 ||
	    append_claims(role, now, &token, err) < 0 || admin_key_sign(key, buf_bytes(&token), signature, err) < 0 ||
	    buf_append_byte(&token, '.', err) < 0 ||
	    base64_encode(BASE64URL, bytes_of(signature, sizeof(signature)), &token, err) < 0)
		return err_wrap(err, "admin token");
	return buf_append(out, buf_bytes(&token), err);
}
