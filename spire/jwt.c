/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stands in JWT-SVIDs and in key sets.
 *
 * They come from the Workload API's socket, or out of files that others may have
 * written. Must never let a token's signature out of guarded memory.
 */
#include "spire/jwt.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/encode.h"
#include "base/json.h"

/* The middle one of the three parts, which is no secret without the signature. */
static struct bytes payload_of(const struct secret *token)
{
	struct bytes all = secret_bytes(token);
	const uint8_t *first = all.len > 0 ? memchr(all.data, '.', all.len) : NULL;
	if (!first)
		return bytes_of(NULL, 0);
	size_t left = all.len - (size_t)(first + 1 - all.data);
	const uint8_t *second = memchr(first + 1, '.', left);
	return second ? bytes_of(first + 1, (size_t)(second - first - 1)) : bytes_of(NULL, 0);
}

/* What is none of JSON's is none of a credential either. */
static int unreadable(const char *what, struct err *err)
{
	if (err && err->code == ERR_PROTOCOL)
		err->code = ERR_CREDENTIAL;
	return err_wrap(err, "%s", what);
}

static int read_claims(const struct secret *token, struct json **ret_claims, struct err *err)
{
	OWNED_BUF struct buf text = BUF_INIT(SECRET_MAX);
	if (base64_decode(BASE64URL, payload_of(token), &text, err) < 0 ||
	    json_parse(buf_bytes(&text), SECRET_MAX, ret_claims, err) < 0)
		return unreadable("the token's claims", err);
	return 0;
}

int spire_jwt_expiry(const struct secret *token, int64_t *ret_expires, struct err *err)
{
	OWNED_JSON struct json *claims = NULL;
	uint64_t expires = 0;
	if (read_claims(token, &claims, err) < 0)
		return -1;
	if (json_get_u64(claims, "exp", &expires, err) < 0)
		return unreadable("the token's claims", err);
	*ret_expires = (int64_t)expires;
	return 0;
}

/* "aud" is one text or a list of them (RFC 7519, 4.1.3). */
static bool names_audience(const struct json *claim, const char *audience)
{
	const char *text = claim ? json_text(claim) : NULL;
	if (text)
		return strcmp(text, audience) == 0;
	for (const struct json *each = claim ? json_first(claim) : NULL; each; each = json_next(each))
		if (json_text(each) && strcmp(json_text(each), audience) == 0)
			return true;
	return false;
}

int spire_jwt_check_audiences(const struct secret *token, const char *const *audiences, size_t count, struct err *err)
{
	OWNED_JSON struct json *claims = NULL;
	if (read_claims(token, &claims, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		if (!names_audience(json_member(claims, "aud"), audiences[i]))
			return err_set(err, ERR_CREDENTIAL, "the token is not for the audience '%.200s'", audiences[i]);
	return 0;
}

static int check_keys(const struct json *doc, size_t *ret_count, struct err *err)
{
	const struct json *keys;
	const char *type;
	if (json_get_array(doc, "keys", &keys, err) < 0)
		return -1;
	for (const struct json *key = json_first(keys); key; key = json_next(key))
		if (json_get_string(key, "kty", &type, err) < 0)
			return -1;
	*ret_count = json_count(keys);
	return 0;
}

int spire_jwks_check(struct bytes text, size_t *ret_count, struct err *err)
{
	OWNED_JSON struct json *doc = NULL;
	if (json_parse(text, SECRET_MAX, &doc, err) < 0 || check_keys(doc, ret_count, err) < 0)
		return unreadable("no JWKS", err);
	return 0;
}
