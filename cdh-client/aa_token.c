/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The token document of the attestation agent, from ttrpc or from api-server-rest.
 *
 * It holds a private key, so it stays in guarded memory; cJSON's and OpenSSL's copies are
 * wiped. No message may quote any of it: JSON errors give byte offsets only, and the
 * members are named, never shown.
 */
#include <string.h>

#include "base/encode.h"
#include "cdh-client/aa.h"

void aa_token_done(struct aa_token *token)
{
	if (!token)
		return;
	buf_done(&token->jwt);
	tee_key_free(token->key);
	token->key = NULL;
}

/* The payload between the two dots of a compact JWS. */
static int jwt_payload(struct bytes jwt, struct bytes *ret_payload, struct err *err)
{
	const uint8_t *end = jwt.data + jwt.len;
	const uint8_t *first = memchr(jwt.data, '.', jwt.len);
	const uint8_t *second = first ? memchr(first + 1, '.', (size_t)(end - first - 1)) : NULL;
	if (!second || first == jwt.data || second + 1 == end || memchr(second + 1, '.', (size_t)(end - second - 1)))
		return err_set(err, ERR_PROTOCOL, "'token' is no JWT: three parts with dots between them are wanted");
	*ret_payload = bytes_of(first + 1, (size_t)(second - first - 1));
	return 0;
}

/* It goes into a header as it is. */
static int check_letters(struct bytes jwt, struct err *err)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.";
	for (size_t i = 0; i < jwt.len; i++)
		if (!jwt.data[i] || !strchr(letters, jwt.data[i]))
			return err_set(err, ERR_PROTOCOL, "'token' is no JWT: a character at byte %zu is not base64url",
				       i);
	return 0;
}

/* A NumericDate; fractions are cut, what is absent or makes no sense is 0. */
static int64_t claim_time(const struct json *claims, const char *name)
{
	uint64_t value;
	if (json_get_u64(claims, name, &value, NULL) < 0)
		return 0;
	return (int64_t)value;
}

static int read_times(struct bytes jwt, struct aa_token *token, struct err *err)
{
	struct bytes payload;
	struct buf text OWNED_BUF = BUF_INIT(AA_TOKEN_MAX);
	struct json *claims OWNED_JSON = NULL;
	if (check_letters(jwt, err) < 0 || jwt_payload(jwt, &payload, err) < 0)
		return -1;
	if (base64_decode(BASE64URL, payload, &text, err) < 0 ||
	    json_parse(buf_bytes(&text), AA_TOKEN_MAX, &claims, err) < 0)
		return err_wrap(err, "payload of 'token'");
	token->issued_at = claim_time(claims, "iat");
	token->expires_at = claim_time(claims, "exp");
	return 0;
}

int aa_token_parse(const struct secret *json, struct aa_token *ret_token, struct err *err)
{
	struct json *doc OWNED_JSON = NULL;
	struct aa_token token OWNED_AA_TOKEN = AA_TOKEN_INIT;
	const char *jwt;
	const char *pem;
	if (json_parse(secret_bytes(json), AA_TOKEN_MAX, &doc, err) < 0 ||
	    json_get_string(doc, "token", &jwt, err) < 0 || json_get_string(doc, "tee_keypair", &pem, err) < 0 ||
	    read_times(bytes_of_text(jwt), &token, err) < 0 || buf_append_text(&token.jwt, jwt, err) < 0)
		return -1;
	if (tee_key_from_pem(bytes_of_text(pem), &token.key, err) < 0)
		return err_wrap(err, "'tee_keypair'");
	aa_token_done(ret_token);
	*ret_token = token;
	token = (struct aa_token)AA_TOKEN_INIT;
	return 0;
}
