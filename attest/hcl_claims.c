/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The runtime claims inside an HCL report: the vTPM's attestation key, the report data that the
 * guest asked for, how the VM is set up.
 *
 * They are as good as the hardware report that carries their hash, which is looked at elsewhere.
 * Both spellings of a member are read, but never both at once.
 */
#include "attest/hcl.h"

#include <string.h>

#include "base/cursor.h"
#include "base/encode.h"

#define AK_KID "HCLAkPub"
#define HEX_USER_DATA_LEN (2 * REPORT_DATA_LEN)

void hcl_claims_done(struct hcl_claims *claims)
{
	json_free(claims->json);
	claims->json = NULL;
	claims->vm_configuration = NULL;
	claims->has_user_data = false;
	buf_done(&claims->ak_n);
	buf_done(&claims->ak_e);
}

/* The member in one of its two spellings; NULL in *ret_value if there is none. */
static int either(const struct json *object, const char *found, const char *documented, const struct json **ret_value,
		  struct err *err)
{
	const struct json *a = json_member(object, found);
	const struct json *b = json_member(object, documented);
	if (a && b)
		return err_set(err, ERR_PROTOCOL, "both '%s' and '%s' are there", found, documented);
	*ret_value = a ? a : b;
	return 0;
}

static int decode_number(const struct json *key, const char *name, struct buf *out, struct err *err)
{
	const char *text;
	if (json_get_string(key, name, &text, err) < 0)
		return -1;
	if (base64_decode(BASE64URL, bytes_of_text(text), out, err) < 0)
		return err_wrap(err, "key '" AK_KID "', member '%s'", name);
	if (out->len == 0 || out->data[0] == 0)
		return err_set(err, ERR_PROTOCOL, "key '" AK_KID "', member '%s': empty or with leading zeros", name);
	return 0;
}

static int find_ak(const struct json *json, const struct json **ret_key, struct err *err)
{
	const struct json *keys;
	const struct json *found = NULL;
	if (json_get_array(json, "keys", &keys, err) < 0)
		return -1;
	for (const struct json *key = json_first(keys); key; key = json_next(key)) {
		const char *kid = json_text(json_member(key, "kid"));
		if (!kid || strcmp(kid, AK_KID) != 0)
			continue;
		if (found)
			return err_set(err, ERR_PROTOCOL, "two keys are called '" AK_KID "'");
		found = key;
	}
	if (!found)
		return err_set(err, ERR_PROTOCOL, "no key is called '" AK_KID "'");
	*ret_key = found;
	return 0;
}

static int read_ak(const struct json *json, struct hcl_claims *claims, struct err *err)
{
	const struct json *key = NULL;
	const char *kty;
	if (find_ak(json, &key, err) < 0 || json_get_string(key, "kty", &kty, err) < 0)
		return -1;
	if (strcmp(kty, "RSA") != 0)
		return err_set(err, ERR_PROTOCOL, "key '" AK_KID "' is of type '%s'; only RSA is handled", kty);
	return decode_number(key, "n", &claims->ak_n, err) < 0 || decode_number(key, "e", &claims->ak_e, err) < 0 ? -1
														  : 0;
}

static int read_user_data(const struct json *json, struct hcl_claims *claims, struct err *err)
{
	struct buf data OWNED_BUF = BUF_INIT(REPORT_DATA_LEN);
	const struct json *value;
	if (either(json, "user-data", "user_data", &value, err) < 0)
		return -1;
	if (!value)
		return 0;
	const char *text = json_text(value);
	if (!text || strlen(text) != HEX_USER_DATA_LEN || hex_decode(bytes_of_text(text), &data, NULL) < 0)
		return err_set(err, ERR_PROTOCOL, "'user-data' is not %d hexadecimal digits", HEX_USER_DATA_LEN);
	memcpy(claims->user_data, data.data, REPORT_DATA_LEN);
	claims->has_user_data = true;
	return 0;
}

int hcl_claims_read(struct bytes text, struct hcl_claims *ret_claims, struct err *err)
{
	struct hcl_claims claims OWNED_CLAIMS = HCL_CLAIMS_INIT;
	if (json_parse(text, HCL_MAX, &claims.json, err) < 0 || read_ak(claims.json, &claims, err) < 0 ||
	    read_user_data(claims.json, &claims, err) < 0 ||
	    either(claims.json, "vm-configuration", "vm_configuration", &claims.vm_configuration, err) < 0)
		return err_wrap(err, "runtime claims of the HCL report");
	hcl_claims_done(ret_claims);
	*ret_claims = claims;
	claims = (struct hcl_claims)HCL_CLAIMS_INIT;
	return 0;
}

bool hcl_claims_carry(const struct hcl_claims *claims, struct bytes report_data)
{
	if (!claims->has_user_data || report_data.len > REPORT_DATA_LEN ||
	    memcmp(claims->user_data, report_data.data, report_data.len) != 0)
		return false;
	return bytes_are_zero(bytes_of(claims->user_data + report_data.len, REPORT_DATA_LEN - report_data.len));
}
