/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The messages of RCAR 0.4.0.
 *
 * Answers come from the network. The nonce is opaque: it must go into the hash
 * and back to the KBS as it came, never decoded and encoded again.
 */
#include "cdh-client/rcar.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define BODY_MAX (2u * 1024u * 1024u) /* the KBS's own limit on request bodies */
#define ANSWER_MAX (64u * 1024u)
#define PROBLEM_PREFIX "https://github.com/confidential-containers/kbs/errors/"

static const char *const hashes[] = { "sha256", "sha384", "sha512" };

int rcar_auth_body(const char *tee, struct buf *out, struct err *err)
{
	struct json *doc OWNED_JSON = NULL;
	struct json *extra, *list;
	if (json_new_object(&doc, err) < 0 || json_add_string(doc, "version", RCAR_VERSION, err) < 0 ||
	    json_add_string(doc, "tee", tee, err) < 0 || json_add_object(doc, "extra-params", &extra, err) < 0 ||
	    json_add_array(extra, "supported-hash-algorithms", &list, err) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(hashes); i++)
		if (json_add_string(list, NULL, hashes[i], err) < 0)
			return -1;
	return json_print(doc, out, err);
}

/* extra-params may be an object with the selected hash, or anything else ("" as a rule). The
 * name is matched without case, as the reference client does. */
static int read_selected_hash(const struct json *extra, enum digest_alg *hash, struct err *err)
{
	*hash = DIGEST_SHA384;
	if (!extra || json_type(extra) != JSON_OBJECT)
		return 0;
	for (const struct json *m = json_first(extra); m; m = json_next(m)) {
		if (strcasecmp(json_name(m), "selected-hash-algorithm") != 0)
			continue;
		const char *name = json_text(m);
		if (!name || digest_alg_by_name(bytes_of_text(name), hash) < 0 || *hash == DIGEST_SHA1)
			return err_set(err, ERR_PROTOCOL,
				       "the selected hash algorithm '%s' is not one that was offered",
				       name ? name : "(not a string)");
	}
	return 0;
}

int rcar_parse_challenge(struct bytes body, struct rcar_challenge *ret_challenge, struct err *err)
{
	struct json *doc OWNED_JSON = NULL;
	struct rcar_challenge challenge = { 0 };
	const char *nonce;
	if (json_parse(body, ANSWER_MAX, &doc, err) < 0 || json_get_string(doc, "nonce", &nonce, err) < 0)
		return err_wrap(err, "challenge");
	size_t len = strlen(nonce);
	if (len == 0 || len >= sizeof(challenge.nonce))
		return err_set(err, ERR_PROTOCOL, "challenge: a nonce of %zu bytes", len);
	memcpy(challenge.nonce, nonce, len);
	if (read_selected_hash(json_member(doc, "extra-params"), &challenge.hash, err) < 0)
		return err_wrap(err, "challenge");
	*ret_challenge = challenge;
	return 0;
}

/* A copy of the public JWK as a member of `parent`; it holds strings only. */
static int add_pubkey(struct json *parent, const struct json *tee_pubkey, struct err *err)
{
	struct json *copy;
	if (json_add_object(parent, "tee-pubkey", &copy, err) < 0)
		return -1;
	for (const struct json *m = json_first(tee_pubkey); m; m = json_next(m))
		if (json_add_string(copy, json_name(m), json_text(m), err) < 0)
			return -1;
	return 0;
}

int rcar_runtime_digest(const struct rcar_challenge *challenge, const struct json *tee_pubkey,
			struct digest *ret_digest, struct err *err)
{
	struct json *doc OWNED_JSON = NULL;
	struct buf text OWNED_BUF = BUF_INIT(BODY_MAX);
	if (json_new_object(&doc, err) < 0 || json_add_string(doc, "additional-evidence", "", err) < 0 ||
	    json_add_string(doc, "nonce", challenge->nonce, err) < 0 || add_pubkey(doc, tee_pubkey, err) < 0 ||
	    json_print_canonical(doc, &text, err) < 0)
		return -1;
	return digest_of(challenge->hash, buf_bytes(&text), ret_digest, err);
}

static int add_initdata(struct json *doc, struct bytes initdata, struct err *err)
{
	struct buf text OWNED_BUF = BUF_INIT(BODY_MAX);
	struct json *member;
	if (initdata.len == 0)
		return 0;
	if (buf_append(&text, initdata, err) < 0)
		return err_wrap(err, "init-data");
	if (strlen(buf_text(&text)) != initdata.len)
		return err_set(err, ERR_CONFIG, "init-data holds a NUL byte");
	if (json_add_object(doc, "init-data", &member, err) < 0 || json_add_string(member, "format", "toml", err) < 0)
		return -1;
	return json_add_string(member, "body", buf_text(&text), err);
}

static int add_evidence(struct json *doc, struct json *evidence, struct err *err)
{
	struct json *owned OWNED_JSON = evidence;
	struct json *both;
	if (json_add_object(doc, "tee-evidence", &both, err) < 0 ||
	    json_add(both, "primary_evidence", TAKE_PTR(owned), err) < 0)
		return -1;
	return json_add_string(both, "additional_evidence", "", err);
}

int rcar_attest_body(const struct rcar_challenge *challenge, const struct json *tee_pubkey, struct json *evidence,
		     struct bytes initdata, struct buf *out, struct err *err)
{
	struct json *owned OWNED_JSON = evidence;
	struct json *doc OWNED_JSON = NULL;
	struct json *runtime;
	if (json_new_object(&doc, err) < 0 || add_initdata(doc, initdata, err) < 0 ||
	    json_add_object(doc, "runtime-data", &runtime, err) < 0 ||
	    json_add_string(runtime, "nonce", challenge->nonce, err) < 0 || add_pubkey(runtime, tee_pubkey, err) < 0 ||
	    add_evidence(doc, TAKE_PTR(owned), err) < 0)
		return -1;
	return json_print(doc, out, err);
}

static bool is_cookie_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

int rcar_parse_cookie(const char *set_cookie, char ret_value[static RCAR_COOKIE_MAX], struct err *err)
{
	const size_t name_len = strlen(RCAR_COOKIE_NAME "=");
	if (strncmp(set_cookie, RCAR_COOKIE_NAME "=", name_len) != 0)
		return err_set(err, ERR_PROTOCOL, "the KBS set a cookie that is not '" RCAR_COOKIE_NAME "'");
	const char *value = set_cookie + name_len;
	size_t len = 0;
	while (is_cookie_char(value[len]))
		len++;
	if (len == 0 || len >= RCAR_COOKIE_MAX || (value[len] != 0 && value[len] != ';'))
		return err_set(err, ERR_PROTOCOL,
			       "the value of the KBS's session cookie is empty, too long or malformed");
	memcpy(ret_value, value, len);
	ret_value[len] = 0;
	return 0;
}

int rcar_parse_problem(struct bytes body, struct rcar_problem *ret_problem, struct err *err)
{
	struct json *doc OWNED_JSON = NULL;
	const char *type, *detail;
	if (json_parse(body, ANSWER_MAX, &doc, err) < 0 || json_get_string(doc, "type", &type, err) < 0 ||
	    json_get_string(doc, "detail", &detail, err) < 0)
		return err_wrap(err, "problem document");
	if (strncmp(type, PROBLEM_PREFIX, strlen(PROBLEM_PREFIX)) != 0)
		return err_set(err, ERR_PROTOCOL, "problem document of type '%.128s', which is not a KBS's", type);
	(void)snprintf(ret_problem->type, sizeof(ret_problem->type), "%s", type + strlen(PROBLEM_PREFIX));
	(void)snprintf(ret_problem->detail, sizeof(ret_problem->detail), "%s", detail);
	return 0;
}

bool rcar_wanted_version(const struct rcar_problem *problem, char ret_version[static 32])
{
	static const char marker[] = "expect =";
	const char *at = strstr(problem->detail, marker);
	if (!at || !strstr(problem->detail, "Version Mismatch"))
		return false;
	at += sizeof(marker) - 1;
	size_t len = strcspn(at, " ");
	if (len == 0 || len >= 32)
		return false;
	memcpy(ret_version, at, len);
	ret_version[len] = 0;
	return true;
}
