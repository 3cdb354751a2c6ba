/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sealed secrets.
 *
 * The text is the host's as much as the operator's: a Kubernetes secret, an
 * environment variable, a mounted file. Must never act upon a payload before the
 * signature was verified by the configured key, never take that key from the text,
 * and never let text that is still sealed pass as a secret.
 */
#include "cdh-client/sealed.h"

#include <string.h>
#include <strings.h>

#include "base/encode.h"
#include "base/json.h"
#include "cdh-client/sealed_parts.h"

static const char prefix[] = "sealed.";

/* The parts of the JWS, borrowed. */
struct parts {
	struct bytes header;
	struct bytes payload;
	struct bytes signature;
	struct bytes signed_text; /* header, dot, payload */
};

static bool begins_sealed(struct bytes text)
{
	size_t len = strlen(prefix);
	return text.len >= len && memcmp(text.data, prefix, len) == 0;
}

static bool is_blank(uint8_t c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

bool sealed_is(struct bytes text)
{
	while (text.len > 0 && is_blank(text.data[0]))
		text = bytes_of(text.data + 1, text.len - 1);
	return begins_sealed(text);
}

int sealed_check_plain(struct bytes secret, const char *what, struct err *err)
{
	if (secret.len == 0)
		return err_set(err, ERR_CREDENTIAL, "%s is empty", what);
	if (sealed_is(secret))
		return err_set(err, ERR_CREDENTIAL,
			       "%s is a sealed secret that nobody has unsealed (it begins with 'sealed.'): did "
			       "unsealing fail? Look into the logs of kata's agent and of the data hub",
			       what);
	return 0;
}

/* Cuts at the next dot; false if there is none. */
static bool cut(struct bytes *rest, struct bytes *ret_part)
{
	const uint8_t *dot = rest->len ? memchr(rest->data, '.', rest->len) : NULL;
	if (!dot)
		return false;
	*ret_part = bytes_of(rest->data, (size_t)(dot - rest->data));
	*rest = bytes_of(dot + 1, rest->len - ret_part->len - 1);
	return true;
}

static int split(struct bytes text, struct parts *ret_parts, struct err *err)
{
	if (text.len > SEALED_MAX)
		return err_set(err, ERR_CREDENTIAL, "larger than the limit of %u bytes", SEALED_MAX);
	if (!begins_sealed(text))
		return err_set(err, ERR_CREDENTIAL, "it does not begin with 'sealed.'");
	if (is_blank(text.data[text.len - 1]))
		return err_set(
			err, ERR_CREDENTIAL,
			"white space at its end, which the data hub does not take either: store it without a line end");
	struct bytes rest = bytes_of(text.data + strlen(prefix), text.len - strlen(prefix));
	const uint8_t *start = rest.data;
	struct parts parts;
	if (!cut(&rest, &parts.header) || !cut(&rest, &parts.payload) || memchr(rest.data, '.', rest.len))
		return err_set(err, ERR_CREDENTIAL, "it has not four parts with dots between them");
	parts.signature = rest;
	parts.signed_text = bytes_of(start, parts.header.len + 1 + parts.payload.len);
	*ret_parts = parts;
	return 0;
}

static int decode_json(struct bytes part, const char *what, struct json **ret_doc, struct err *err)
{
	struct buf text OWNED_BUF = BUF_INIT(SEALED_MAX);
	if (base64_decode(BASE64URL, part, &text, err) < 0 ||
	    json_parse(buf_bytes(&text), SEALED_MAX, ret_doc, err) < 0)
		return err_wrap(err, "%s", what);
	if (json_type(*ret_doc) != JSON_OBJECT)
		return err_set(err, ERR_CREDENTIAL, "%s: a JSON object is wanted", what);
	return 0;
}

/* A required string that fits. */
static int copy_string(const struct json *doc, const char *name, char *to, size_t size, struct err *err)
{
	const char *text;
	if (json_get_string(doc, name, &text, err) < 0)
		return -1;
	if (strlen(text) >= size)
		return err_set(err, ERR_CREDENTIAL, "member '%s' is longer than %zu bytes", name, size - 1);
	memcpy(to, text, strlen(text) + 1);
	return 0;
}

static int check_header(const struct json *header, struct sealed *sealed, struct err *err)
{
	const char *alg;
	const struct json *b64 = json_member(header, "b64");
	bool encoded = true;
	if (json_get_string(header, "alg", &alg, err) < 0 || (b64 && json_get_bool(header, "b64", &encoded, err) < 0))
		return -1;
	if (strcmp(alg, "ES256") != 0)
		return err_set(err, ERR_CREDENTIAL, "alg '%s': only 'ES256' is taken", alg);
	if (!encoded || json_member(header, "crit"))
		return err_set(err, ERR_CREDENTIAL,
			       "it has a critical extension ('b64' false or 'crit'), none of which is known here");
	return copy_string(header, "kid", sealed->kid, sizeof(sealed->kid), err);
}

static int check_signature(const struct parts *parts, const struct sealed_key *key, struct err *err)
{
	struct buf raw OWNED_BUF = BUF_INIT(SEALED_SIGNATURE_LEN);
	if (base64_decode(BASE64URL, parts->signature, &raw, err) < 0 || raw.len != SEALED_SIGNATURE_LEN)
		return err_set(err, ERR_CREDENTIAL,
			       "its signature is not %d bytes of base64url: a placeholder is not taken",
			       SEALED_SIGNATURE_LEN);
	if (!sealed_key_verifies(key, parts->signed_text, raw.data))
		return err_set(err, ERR_CREDENTIAL,
			       "its signature is not by the configured key: it was sealed with another one, or "
			       "somebody changed it");
	return 0;
}

/* Members whose content is the provider's, but which the data hub insists on. */
static int check_maps(const struct json *payload, struct err *err)
{
	const struct json *map;
	if (json_get_object(payload, "provider_settings", &map, err) < 0)
		return -1;
	return json_get_object(payload, "annotations", &map, err);
}

static int read_envelope(const struct json *payload, struct sealed *sealed, struct err *err)
{
	static const char *const members[] = { "encrypted_key", "encrypted_data", "wrap_type", "iv" };
	const char *text;
	for (size_t i = 0; i < ARRAY_LEN(members); i++)
		if (json_get_string(payload, members[i], &text, err) < 0)
			return -1;
	return copy_string(payload, "key_id", sealed->key_id, sizeof(sealed->key_id), err);
}

static int read_payload(const struct json *payload, struct sealed *sealed, struct err *err)
{
	const char *version;
	const char *type;
	if (json_get_string(payload, "version", &version, err) < 0 || json_get_string(payload, "type", &type, err) < 0)
		return -1;
	if (strcmp(version, "0.1.0") != 0)
		return err_set(err, ERR_CREDENTIAL, "version '%s': only '0.1.0' is known", version);
	if (copy_string(payload, "provider", sealed->provider, sizeof(sealed->provider), err) < 0 ||
	    check_maps(payload, err) < 0)
		return -1;
	if (strcmp(type, "vault") == 0) {
		sealed->kind = SEALED_VAULT;
		return copy_string(payload, "name", sealed->name, sizeof(sealed->name), err);
	}
	if (strcmp(type, "envelope") == 0) {
		sealed->kind = SEALED_ENVELOPE;
		return read_envelope(payload, sealed, err);
	}
	return err_set(err, ERR_CREDENTIAL, "type '%s': only 'vault' and 'envelope' are known", type);
}

/* The signature comes before the payload: nothing unsigned is even parsed. */
static int open_parts(const struct parts *parts, const struct sealed_key *key, struct sealed *sealed, struct err *err)
{
	struct json *header OWNED_JSON = NULL;
	struct json *payload OWNED_JSON = NULL;
	if (decode_json(parts->header, "header", &header, err) < 0)
		return -1;
	if (check_header(header, sealed, err) < 0)
		return err_wrap(err, "header");
	if (check_signature(parts, key, err) < 0 || decode_json(parts->payload, "payload", &payload, err) < 0)
		return -1;
	if (read_payload(payload, sealed, err) < 0)
		return err_wrap(err, "payload");
	return 0;
}

int sealed_open(struct bytes text, const struct sealed_key *key, struct sealed *ret_sealed, struct err *err)
{
	struct sealed sealed = { 0 };
	struct parts parts;
	if (split(text, &parts, err) < 0 || open_parts(&parts, key, &sealed, err) < 0) {
		/* whatever reader found it: it is the text that is unusable */
		if (err && err->code != ERR_SYSTEM)
			err->code = ERR_CREDENTIAL;
		return err_wrap(err, "sealed secret");
	}
	*ret_sealed = sealed;
	return 0;
}

int sealed_resource(const struct sealed *sealed, struct kbs_uri *ret_uri, struct err *err)
{
	if (sealed->kind == SEALED_ENVELOPE)
		return err_set(
			err, ERR_CONFIG,
			"the sealed secret is an envelope, encrypted by key '%s' of the service '%s': only the "
			"confidential data hub by ttrpc can open it; let 'source' be 'cdh', or seal it as a vault "
			"secret",
			sealed->key_id, sealed->provider);
	if (strcasecmp(sealed->provider, "kbs") != 0)
		return err_set(
			err, ERR_CONFIG,
			"the sealed secret lies at the provider '%s': only the confidential data hub by ttrpc speaks "
			"to it; let 'source' be 'cdh', or keep the secret in the KBS",
			sealed->provider);
	if (kbs_uri_parse(bytes_of_text(sealed->name), ret_uri, err) < 0)
		return err_wrap(err, "sealed secret: payload: 'name'");
	return 0;
}
