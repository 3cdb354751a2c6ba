/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The appraisal in a token.
 *
 * The KBS wrote it, or whoever stood in for the KBS; it came by TLS or from the guest's own
 * agent. It holds all claims of the evidence beside the few that are read here. Must
 * never keep the token, nor decide anything by it.
 */
#include "cdh-client/appraisal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"

static int open_payload(struct bytes jwt, struct json **ret_claims, struct err *err)
{
	struct buf text OWNED_BUF = BUF_INIT(APPRAISAL_TOKEN_MAX);
	const uint8_t *end = jwt.data + jwt.len;
	const uint8_t *first = jwt.len ? memchr(jwt.data, '.', jwt.len) : NULL;
	const uint8_t *second = first ? memchr(first + 1, '.', (size_t)(end - first - 1)) : NULL;
	if (!second || jwt.len > APPRAISAL_TOKEN_MAX)
		return err_set(err, ERR_PROTOCOL, "the token is no JWT, or longer than %u bytes", APPRAISAL_TOKEN_MAX);
	if (base64_decode(BASE64URL, bytes_of(first + 1, (size_t)(second - first - 1)), &text, err) < 0 ||
	    json_parse(buf_bytes(&text), APPRAISAL_TOKEN_MAX, ret_claims, err) < 0)
		return err_wrap(err, "the token's payload");
	return 0;
}

static int64_t read_time(const struct json *claims, const char *name)
{
	uint64_t value;
	return json_get_u64(claims, name, &value, NULL) < 0 ? 0 : (int64_t)value;
}

/* Negative ones too, which json_get_u64() would refuse. */
static bool read_small(const struct json *value, int *ret_value)
{
	struct buf text OWNED_BUF = BUF_INIT(32);
	char *end;
	if (json_type(value) != JSON_NUMBER || json_print(value, &text, NULL) < 0)
		return false;
	long number = strtol(buf_text(&text), &end, 10);
	if (*end || number < -128 || number > 127)
		return false;
	*ret_value = (int)number;
	return true;
}

static void copy_text(char *to, size_t size, const char *text)
{
	(void)snprintf(to, size, "%s", text ? text : "");
}

static void read_vector(const struct json *vector, struct appraisal_submod *submod)
{
	for (const struct json *m = json_first(vector); m && submod->claim_count < APPRAISAL_CLAIMS_MAX;
	     m = json_next(m)) {
		struct appraisal_claim *claim = &submod->claims[submod->claim_count];
		if (!read_small(m, &claim->value))
			continue;
		copy_text(claim->name, sizeof(claim->name), json_name(m));
		submod->claim_count++;
	}
}

static void read_submod(const struct json *from, struct appraisal_submod *submod)
{
	const struct json *vector = json_member(from, "ear.trustworthiness-vector");
	copy_text(submod->name, sizeof(submod->name), json_name(from));
	copy_text(submod->status, sizeof(submod->status), json_text(json_member(from, "ear.status")));
	copy_text(submod->policy, sizeof(submod->policy), json_text(json_member(from, "ear.appraisal-policy-id")));
	if (vector && json_type(vector) == JSON_OBJECT)
		read_vector(vector, submod);
}

int appraisal_read(struct bytes jwt, struct appraisal *ret_appraisal, struct err *err)
{
	struct json *claims OWNED_JSON = NULL;
	struct appraisal appraisal = { 0 };
	const struct json *submods;
	if (open_payload(jwt, &claims, err) < 0 || json_get_object(claims, "submods", &submods, err) < 0)
		return -1;
	appraisal.issued_at = read_time(claims, "iat");
	appraisal.expires_at = read_time(claims, "exp");
	for (const struct json *m = json_first(submods); m && appraisal.submod_count < APPRAISAL_SUBMODS_MAX;
	     m = json_next(m))
		if (json_type(m) == JSON_OBJECT)
			read_submod(m, &appraisal.submods[appraisal.submod_count++]);
	*ret_appraisal = appraisal;
	return 0;
}

/* draft-ietf-rats-ar4si, "Trustworthiness Tiers". */
const char *appraisal_tier(int value)
{
	if (value >= -1 && value <= 1)
		return "none";
	if (value >= -32 && value <= 31)
		return "affirming";
	return value >= -96 && value <= 95 ? "warning" : "contraindicated";
}
