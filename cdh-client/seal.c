/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sealing. The members and their order are those that guest-components reads
 * (confidential-data-hub/hub/src/secret).
 */
#include "cdh-client/seal.h"

#include <string.h>

#include "base/encode.h"

#define TEXT_MAX 4096

static int append_header(const char *kid, struct buf *out, struct err *err)
{
	struct json *header OWNED_JSON = NULL;
	if (json_new_object(&header, err) < 0 || json_add_string(header, "alg", "ES256", err) < 0 ||
	    json_add_string(header, "kid", kid, err) < 0)
		return -1;
	return admin_token_part(header, out, err);
}

static int append_payload(const char *resource, struct buf *out, struct err *err)
{
	struct json *payload OWNED_JSON = NULL;
	struct json *empty; /* owned by the payload */
	if (json_new_object(&payload, err) < 0 || json_add_string(payload, "version", "0.1.0", err) < 0 ||
	    json_add_string(payload, "type", "vault", err) < 0 || json_add_string(payload, "name", resource, err) < 0 ||
	    json_add_string(payload, "provider", "kbs", err) < 0 ||
	    json_add_object(payload, "provider_settings", &empty, err) < 0 ||
	    json_add_object(payload, "annotations", &empty, err) < 0)
		return -1;
	return admin_token_part(payload, out, err);
}

int seal_vault(const struct admin_key *key, const char *kid, const char *resource, struct buf *out, struct err *err)
{
	struct buf signed_text OWNED_BUF = BUF_INIT(TEXT_MAX);
	uint8_t signature[ADMIN_SIGNATURE_LEN];
	struct kbs_uri uri;
	if (strcmp(admin_key_alg(key), "ES256") != 0)
		return err_set(err, ERR_CONFIG, "sealed secrets are signed with a P-256 key, no other is taken");
	if (kbs_uri_parse(bytes_of_text(kid), &uri, err) < 0 || kbs_uri_parse(bytes_of_text(resource), &uri, err) < 0)
		return -1;
	if (append_header(kid, &signed_text, err) < 0 || buf_append_byte(&signed_text, '.', err) < 0 ||
	    append_payload(resource, &signed_text, err) < 0 ||
	    admin_key_sign(key, buf_bytes(&signed_text), signature, err) < 0 ||
	    buf_append_text(out, "sealed.", err) < 0 || buf_append(out, buf_bytes(&signed_text), err) < 0 ||
	    buf_append_byte(out, '.', err) < 0)
		return -1;
	return base64_encode(BASE64URL, bytes_of(signature, sizeof(signature)), out, err);
}
