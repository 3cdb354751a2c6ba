/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The TEE's ephemeral key pair.
 *
 * `header` and `encrypted_key` come from the network. Intermediate secrets (the
 * ECDH result, the key encryption key, the content encryption key) live in
 * guarded memory only. Must never accept an ephemeral key of another curve or a
 * coordinate of the wrong length (trustee pads; stripped zeros would fail
 * once in 128 keys anyway).
 */
#include "cdh-client/tee_key.h"

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <string.h>

#include "base/encode.h"

struct tee_key_traits {
	enum tee_key_kind kind;
	const char *config_name;
	const char *alg;
	const char *crv;   /* JWK name, NULL for RSA */
	const char *group; /* OpenSSL's name */
	size_t field_len;  /* bytes of a coordinate */
};

static const struct tee_key_traits all_traits[] = {
	{ TEE_KEY_EC_P256, "ECDH-ES+A256KW-P256", "ECDH-ES+A256KW", "P-256", "prime256v1", 32 },
	{ TEE_KEY_EC_P521, "ECDH-ES+A256KW-P521", "ECDH-ES+A256KW", "P-521", "secp521r1", 66 },
	{ TEE_KEY_RSA_2048, "RSA-OAEP-256", "RSA-OAEP-256", NULL, NULL, 0 },
};

struct tee_key {
	const struct tee_key_traits *traits;
	EVP_PKEY *pkey;
};

#define CEK_LEN 32
#define WRAPPED_CEK_LEN 40

static void cleanup_pkey(EVP_PKEY **p)
{
	EVP_PKEY_free(*p);
}
static void cleanup_pkey_ctx(EVP_PKEY_CTX **p)
{
	EVP_PKEY_CTX_free(*p);
}
static void cleanup_cipher_ctx(EVP_CIPHER_CTX **p)
{
	EVP_CIPHER_CTX_free(*p);
}
static void cleanup_bn(BIGNUM **p)
{
	BN_clear_free(*p);
}
static void cleanup_bio(BIO **p)
{
	BIO_free(*p);
}

int tee_key_kind_by_name(struct bytes name, enum tee_key_kind *ret_kind)
{
	for (size_t i = 0; i < ARRAY_LEN(all_traits); i++) {
		if (bytes_equal_text(name, all_traits[i].config_name)) {
			*ret_kind = all_traits[i].kind;
			return 0;
		}
	}
	return -1;
}

static int wrap_up(EVP_PKEY *pkey, const struct tee_key_traits *traits, struct tee_key **ret_key, struct err *err)
{
	struct tee_key *key = calloc(1, sizeof(*key));
	if (!key) {
		EVP_PKEY_free(pkey);
		return err_set(err, ERR_SYSTEM, "out of memory");
	}
	*key = (struct tee_key){ .traits = traits, .pkey = pkey };
	*ret_key = key;
	return 0;
}

int tee_key_new(enum tee_key_kind kind, struct tee_key **ret_key, struct err *err)
{
	const struct tee_key_traits *traits = &all_traits[kind];
	EVP_PKEY *pkey = traits->group ? EVP_EC_gen(traits->group) : EVP_RSA_gen(2048);
	if (!pkey)
		return err_set(err, ERR_SYSTEM, "OpenSSL cannot make a %s key", traits->config_name);
	return wrap_up(pkey, traits, ret_key, err);
}

static const struct tee_key_traits *traits_of(EVP_PKEY *pkey)
{
	char group[64] = "";
	if (EVP_PKEY_is_a(pkey, "RSA"))
		return EVP_PKEY_get_bits(pkey) >= 2048 ? &all_traits[TEE_KEY_RSA_2048] : NULL;
	if (!EVP_PKEY_is_a(pkey, "EC") || EVP_PKEY_get_group_name(pkey, group, sizeof(group), NULL) != 1)
		return NULL;
	for (size_t i = 0; i < ARRAY_LEN(all_traits); i++)
		if (all_traits[i].group && strcmp(all_traits[i].group, group) == 0)
			return &all_traits[i];
	return NULL;
}

int tee_key_from_pem(struct bytes pem, struct tee_key **ret_key, struct err *err)
{
	CLEANUP(cleanup_bio) BIO *bio = BIO_new_mem_buf(pem.data, pem.len > INT_MAX ? 0 : (int)pem.len);
	/* An empty passphrase: OpenSSL must never prompt. */
	CLEANUP(cleanup_pkey)
	EVP_PKEY *pkey = bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, (void *)(uintptr_t) "") : NULL;
	if (!pkey)
		return err_set(err, ERR_PROTOCOL, "the TEE key is not an unencrypted private key in PEM");
	const struct tee_key_traits *traits = traits_of(pkey);
	if (!traits)
		return err_set(err, ERR_PROTOCOL,
			       "the TEE key is neither EC P-256, EC P-521 nor RSA of 2048 bits or more");
	return wrap_up(TAKE_PTR(pkey), traits, ret_key, err);
}

void tee_key_free(struct tee_key *key)
{
	if (!key)
		return;
	EVP_PKEY_free(key->pkey);
	free(key);
}

void tee_key_cleanup(struct tee_key **key)
{
	tee_key_free(*key);
	*key = NULL;
}

const char *tee_key_alg(const struct tee_key *key)
{
	return key->traits->alg;
}

/* Adds a public number of the key as unpadded base64url, left-padded to `len` bytes (0: as short as it is). */
static int add_number(const struct tee_key *key, const char *param, size_t len, struct json *jwk, const char *name,
		      struct err *err)
{
	CLEANUP(cleanup_bn) BIGNUM *number = NULL;
	uint8_t raw[512];
	if (EVP_PKEY_get_bn_param(key->pkey, param, &number) != 1)
		return err_set(err, ERR_SYSTEM, "OpenSSL does not give '%s' of the TEE key", param);
	size_t width = len ? len : (size_t)BN_num_bytes(number);
	if (width > sizeof(raw) || BN_bn2binpad(number, raw, (int)width) < 0)
		return err_set(err, ERR_SYSTEM, "'%s' of the TEE key does not fit", param);
	struct buf text OWNED_BUF = BUF_INIT(1024);
	if (base64_encode(BASE64URL, bytes_of(raw, width), &text, err) < 0)
		return -1;
	return json_add_string(jwk, name, buf_text(&text), err);
}

static int fill_jwk(const struct tee_key *key, struct json *jwk, struct err *err)
{
	const struct tee_key_traits *t = key->traits;
	if (json_add_string(jwk, "alg", t->alg, err) < 0)
		return -1;
	if (!t->crv) {
		if (add_number(key, OSSL_PKEY_PARAM_RSA_E, 0, jwk, "e", err) < 0 ||
		    json_add_string(jwk, "kty", "RSA", err) < 0)
			return -1;
		return add_number(key, OSSL_PKEY_PARAM_RSA_N, 0, jwk, "n", err);
	}
	if (json_add_string(jwk, "crv", t->crv, err) < 0 || json_add_string(jwk, "kty", "EC", err) < 0 ||
	    add_number(key, OSSL_PKEY_PARAM_EC_PUB_X, t->field_len, jwk, "x", err) < 0)
		return -1;
	return add_number(key, OSSL_PKEY_PARAM_EC_PUB_Y, t->field_len, jwk, "y", err);
}

int tee_key_jwk(const struct tee_key *key, struct json **ret_jwk, struct err *err)
{
	struct json *jwk OWNED_JSON = NULL;
	if (json_new_object(&jwk, err) < 0 || fill_jwk(key, jwk, err) < 0)
		return -1;
	*ret_jwk = TAKE_PTR(jwk);
	return 0;
}

static int read_coordinate(const struct json *epk, const char *name, size_t len, struct buf *point, struct err *err)
{
	const char *text;
	size_t before = point->len;
	if (json_get_string(epk, name, &text, err) < 0 || base64_decode(BASE64URL, bytes_of_text(text), point, err) < 0)
		return err_wrap(err, "'epk' of the JWE");
	if (point->len - before != len)
		return err_set(err, ERR_PROTOCOL, "'epk' of the JWE: '%s' is %zu bytes long, not %zu", name,
			       point->len - before, len);
	return 0;
}

static int import_point(const struct tee_key_traits *traits, struct bytes point, EVP_PKEY **ret_pkey, struct err *err)
{
	CLEANUP(cleanup_pkey_ctx) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, (char *)(uintptr_t)traits->group, 0),
		OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, (void *)(uintptr_t)point.data, point.len),
		OSSL_PARAM_construct_end(),
	};
	if (!ctx || EVP_PKEY_fromdata_init(ctx) != 1 ||
	    EVP_PKEY_fromdata(ctx, ret_pkey, EVP_PKEY_PUBLIC_KEY, params) != 1)
		return err_set(err, ERR_PROTOCOL, "'epk' of the JWE is not a point on %s", traits->crv);
	return 0;
}

static int read_epk(const struct tee_key *key, const struct json *header, EVP_PKEY **ret_peer, struct err *err)
{
	const struct json *epk;
	const char *kty, *crv;
	if (json_get_object(header, "epk", &epk, err) < 0 || json_get_string(epk, "kty", &kty, err) < 0 ||
	    json_get_string(epk, "crv", &crv, err) < 0)
		return err_wrap(err, "protected header of the JWE");
	if (strcmp(kty, "EC") != 0 || strcmp(crv, key->traits->crv) != 0)
		return err_set(err, ERR_PROTOCOL, "'epk' of the JWE is %s on '%s', not EC on '%s'", kty, crv,
			       key->traits->crv);
	struct buf point OWNED_BUF = BUF_INIT(1 + 2 * 66);
	if (buf_append_byte(&point, POINT_CONVERSION_UNCOMPRESSED, err) < 0 ||
	    read_coordinate(epk, "x", key->traits->field_len, &point, err) < 0 ||
	    read_coordinate(epk, "y", key->traits->field_len, &point, err) < 0)
		return -1;
	return import_point(key->traits, buf_bytes(&point), ret_peer, err);
}

/* Z goes into guarded memory between the counter in front and the room behind, where
 * concat_kdf() wants it. */
static int derive_z(const struct tee_key *key, EVP_PKEY *peer, struct secret *input, struct err *err)
{
	CLEANUP(cleanup_pkey_ctx) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key->pkey, NULL);
	size_t len = key->traits->field_len;
	if (!ctx || EVP_PKEY_derive_init(ctx) != 1 || EVP_PKEY_derive_set_peer(ctx, peer) != 1 ||
	    input->cap - input->len < len ||
	    EVP_PKEY_derive(ctx, (unsigned char *)input->data + input->len, &len) != 1 || len != key->traits->field_len)
		return err_set(err, ERR_PROTOCOL, "key agreement with 'epk' of the JWE failed");
	input->len += len;
	return 0;
}

/* One round of NIST SP 800-56A's Concat KDF as RFC 7518 section 4.6.2 fills it in: empty
 * PartyUInfo and PartyVInfo, 256 bits. */
static int concat_kdf(const struct tee_key *key, EVP_PKEY *peer, struct secret *kek, struct err *err)
{
	static const uint8_t counter[4] = { 0, 0, 0, 1 };
	static const uint8_t alg_len[4] = { 0, 0, 0, 14 };
	static const uint8_t parties_and_bits[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0 };
	struct secret input OWNED_SECRET = SECRET_INIT;
	if (secret_alloc(&input, 4 + 66 + 4 + 14 + 12, err) < 0 ||
	    secret_append(&input, bytes_of(counter, sizeof(counter)), err) < 0 ||
	    derive_z(key, peer, &input, err) < 0 ||
	    secret_append(&input, bytes_of(alg_len, sizeof(alg_len)), err) < 0 ||
	    secret_append(&input, bytes_of_text("ECDH-ES+A256KW"), err) < 0 ||
	    secret_append(&input, bytes_of(parties_and_bits, sizeof(parties_and_bits)), err) < 0 ||
	    secret_alloc(kek, 32, err) < 0)
		return -1;
	if (EVP_Digest(input.data, input.len, kek->data, NULL, EVP_sha256(), NULL) != 1)
		return err_set(err, ERR_SYSTEM, "OpenSSL cannot compute SHA-256");
	kek->len = 32;
	return 0;
}

static int aes_unwrap(const struct secret *kek, struct bytes wrapped, struct secret *cek, struct err *err)
{
	if (wrapped.len != WRAPPED_CEK_LEN)
		return err_set(err, ERR_PROTOCOL, "'encrypted_key' of the JWE is %zu bytes long, not %d", wrapped.len,
			       WRAPPED_CEK_LEN);
	CLEANUP(cleanup_cipher_ctx) EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	if (!ctx)
		return err_set(err, ERR_SYSTEM, "out of memory");
	EVP_CIPHER_CTX_set_flags(ctx, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
	int len = 0;
	/* OpenSSL may write the wrapped length while it works. */
	if (secret_alloc(cek, WRAPPED_CEK_LEN, err) < 0)
		return -1;
	if (EVP_DecryptInit_ex2(ctx, EVP_aes_256_wrap(), kek->data, NULL, NULL) != 1 ||
	    EVP_DecryptUpdate(ctx, cek->data, &len, wrapped.data, (int)wrapped.len) != 1 || len != CEK_LEN)
		return err_set(err, ERR_PROTOCOL,
			       "'encrypted_key' of the JWE does not unwrap: it is not for this TEE key");
	cek->len = CEK_LEN;
	return 0;
}

static int unwrap_ec(const struct tee_key *key, const struct json *header, struct bytes wrapped, struct secret *cek,
		     struct err *err)
{
	CLEANUP(cleanup_pkey) EVP_PKEY *peer = NULL;
	struct secret kek OWNED_SECRET = SECRET_INIT;
	if (read_epk(key, header, &peer, err) < 0 || concat_kdf(key, peer, &kek, err) < 0)
		return -1;
	return aes_unwrap(&kek, wrapped, cek, err);
}

static int unwrap_rsa(const struct tee_key *key, struct bytes wrapped, struct secret *cek, struct err *err)
{
	CLEANUP(cleanup_pkey_ctx) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key->pkey, NULL);
	size_t len = (size_t)EVP_PKEY_get_size(key->pkey);
	if (secret_alloc(cek, len, err) < 0)
		return -1;
	/* Both digests: OpenSSL's default for either is SHA-1, which the KBS does not use. */
	if (!ctx || EVP_PKEY_decrypt_init(ctx) != 1 || EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING) != 1 ||
	    EVP_PKEY_CTX_set_rsa_oaep_md(ctx, EVP_sha256()) != 1 ||
	    EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, EVP_sha256()) != 1 ||
	    EVP_PKEY_decrypt(ctx, cek->data, &len, wrapped.data, wrapped.len) != 1 || len != CEK_LEN)
		return err_set(err, ERR_PROTOCOL,
			       "'encrypted_key' of the JWE does not decrypt: it is not for this TEE key");
	cek->len = CEK_LEN;
	return 0;
}

int tee_key_unwrap(const struct tee_key *key, const struct json *header, struct bytes encrypted_key,
		   struct secret *ret_cek, struct err *err)
{
	struct secret cek OWNED_SECRET = SECRET_INIT;
	int rc = key->traits->crv ? unwrap_ec(key, header, encrypted_key, &cek, err)
				  : unwrap_rsa(key, encrypted_key, &cek, err);
	if (rc < 0)
		return -1;
	secret_move(ret_cek, &cek);
	return 0;
}
