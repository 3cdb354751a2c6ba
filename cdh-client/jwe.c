/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening the KBS's JWE.
 *
 * Every byte comes from the network. The protected header is authenticated by
 * the tag as it was received, never as we would write it. Must never hand out
 * plaintext whose tag did not match.
 */
#include "cdh-client/jwe.h"

#include <openssl/evp.h>
#include <string.h>

#include "base/encode.h"

#define HEADER_MAX 4096
#define IV_LEN 12
#define TAG_LEN 16

struct parts {
	const char *protected_text; /* borrowed from the document */
	struct json *header;
	struct buf encrypted_key;
	struct buf iv;
	struct buf ciphertext;
	struct buf tag;
};

static void parts_done(struct parts *parts)
{
	json_free(parts->header);
	buf_done(&parts->encrypted_key);
	buf_done(&parts->iv);
	buf_done(&parts->ciphertext);
	buf_done(&parts->tag);
}

static int read_part(const struct json *doc, const char *name, struct buf *out, struct err *err)
{
	const char *text;
	if (json_get_string(doc, name, &text, err) < 0)
		return -1;
	if (base64_decode(BASE64URL, bytes_of_text(text), out, err) < 0)
		return err_wrap(err, "'%s'", name);
	return 0;
}

static int want(const struct json *header, const char *name, const char *wanted, struct err *err)
{
	const char *text;
	if (json_get_string(header, name, &text, err) < 0)
		return -1;
	if (strcmp(text, wanted) != 0)
		return err_set(err, ERR_PROTOCOL, "'%s' is '%s', not '%s'", name, text, wanted);
	return 0;
}

static int check_header(const struct json *header, const struct tee_key *key, struct err *err)
{
	static const char *const refused[] = { "crit", "zip", "apu", "apv" };
	if (json_type(header) != JSON_OBJECT)
		return err_set(err, ERR_PROTOCOL, "not an object");
	for (size_t i = 0; i < ARRAY_LEN(refused); i++)
		if (json_member(header, refused[i]))
			return err_set(err, ERR_PROTOCOL, "'%s' is not supported", refused[i]);
	if (want(header, "alg", tee_key_alg(key), err) < 0)
		return -1;
	return want(header, "enc", "A256GCM", err);
}

static int read_header(const struct json *doc, const struct tee_key *key, struct parts *parts, struct err *err)
{
	struct buf text OWNED_BUF = BUF_INIT(HEADER_MAX);
	if (json_get_string(doc, "protected", &parts->protected_text, err) < 0)
		return -1;
	if (read_part(doc, "protected", &text, err) < 0)
		return -1;
	if (json_parse(buf_bytes(&text), HEADER_MAX, &parts->header, err) < 0 ||
	    check_header(parts->header, key, err) < 0)
		return err_wrap(err, "protected header");
	return 0;
}

static int check_len(const char *name, const struct buf *part, size_t len, struct err *err)
{
	if (part->len != len)
		return err_set(err, ERR_PROTOCOL, "'%s' is %zu bytes long, not %zu", name, part->len, len);
	return 0;
}

static int read_parts(const struct json *doc, const struct tee_key *key, struct parts *parts, struct err *err)
{
	if (json_type(doc) != JSON_OBJECT)
		return err_set(err, ERR_PROTOCOL, "not an object");
	if (json_member(doc, "aad"))
		return err_set(err, ERR_PROTOCOL, "'aad' is not supported");
	if (read_header(doc, key, parts, err) < 0 || read_part(doc, "encrypted_key", &parts->encrypted_key, err) < 0 ||
	    read_part(doc, "iv", &parts->iv, err) < 0 || read_part(doc, "ciphertext", &parts->ciphertext, err) < 0 ||
	    read_part(doc, "tag", &parts->tag, err) < 0)
		return -1;
	if (check_len("iv", &parts->iv, IV_LEN, err) < 0)
		return -1;
	return check_len("tag", &parts->tag, TAG_LEN, err);
}

static void cleanup_cipher_ctx(EVP_CIPHER_CTX **p)
{
	EVP_CIPHER_CTX_free(*p);
}

static int open_gcm(struct parts *parts, const struct secret *cek, struct secret *plain, struct err *err)
{
	CLEANUP(cleanup_cipher_ctx) EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	const unsigned char *aad = (const unsigned char *)parts->protected_text;
	int len = 0;
	int last = 0;
	if (!ctx || EVP_DecryptInit_ex2(ctx, EVP_aes_256_gcm(), cek->data, parts->iv.data, NULL) != 1 ||
	    EVP_DecryptUpdate(ctx, NULL, &len, aad, (int)strlen(parts->protected_text)) != 1 ||
	    EVP_DecryptUpdate(ctx, plain->data, &len, parts->ciphertext.data, (int)parts->ciphertext.len) != 1 ||
	    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, TAG_LEN, parts->tag.data) != 1)
		return err_set(err, ERR_SYSTEM, "OpenSSL cannot set up AES-256-GCM");
	if (EVP_DecryptFinal_ex(ctx, (unsigned char *)plain->data + len, &last) != 1)
		return err_set(err, ERR_PROTOCOL, "the tag does not match: truncated, altered, or for another key");
	plain->len = (size_t)len;
	return 0;
}

static int decrypt(struct bytes jwe, const struct tee_key *key, size_t max, struct secret *plain, struct err *err)
{
	struct parts parts CLEANUP(parts_done) = {
		.encrypted_key = BUF_INIT(1024),
		.iv = BUF_INIT(64),
		.ciphertext = BUF_INIT(max),
		.tag = BUF_INIT(64),
	};
	struct json *doc OWNED_JSON = NULL;
	struct secret cek OWNED_SECRET = SECRET_INIT;
	if (json_parse(jwe, 2 * max + 16384, &doc, err) < 0 || read_parts(doc, key, &parts, err) < 0)
		return -1;
	if (parts.ciphertext.len == 0)
		return err_set(err, ERR_PROTOCOL, "the resource is empty");
	if (tee_key_unwrap(key, parts.header, buf_bytes(&parts.encrypted_key), &cek, err) < 0 ||
	    secret_alloc(plain, parts.ciphertext.len, err) < 0)
		return -1;
	return open_gcm(&parts, &cek, plain, err);
}

int jwe_decrypt(struct bytes jwe, const struct tee_key *key, size_t max, struct secret *ret_plaintext, struct err *err)
{
	struct secret plain OWNED_SECRET = SECRET_INIT;
	if (decrypt(jwe, key, max, &plain, err) < 0)
		return err_wrap(err, "JWE");
	secret_move(ret_plaintext, &plain);
	return 0;
}
