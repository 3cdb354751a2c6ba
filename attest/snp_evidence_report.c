/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SNP evidence read back: the report's bytes out of its JSON object.
 *
 * The text is anybody's. What has no member in the object becomes zero, as in the verifier;
 * what does not fit its field is refused and never cut.
 */
#include "attest/snp_evidence.h"

#include <string.h>

#include "attest/snp_members.h"

static int get_number(const struct json *object, const char *name, uint64_t max, uint64_t *ret_value, struct err *err)
{
	if (json_get_wide(object, name, ret_value, err) < 0)
		return -1;
	if (*ret_value > max)
		return err_set(err, ERR_PROTOCOL, "'%s' is %llu, at most %llu fits", name,
			       (unsigned long long)*ret_value, (unsigned long long)max);
	return 0;
}

static int get_u8(const struct json *object, const char *name, uint8_t *ret_value, struct err *err)
{
	uint64_t value;
	if (get_number(object, name, UINT8_MAX, &value, err) < 0)
		return -1;
	*ret_value = (uint8_t)value;
	return 0;
}

static int get_wide(const struct json *object, const char *name, size_t width, uint8_t *to, struct err *err)
{
	uint64_t value;
	if (get_number(object, name, width == 8 ? UINT64_MAX : (UINT64_C(1) << (8 * width)) - 1, &value, err) < 0)
		return -1;
	for (size_t i = 0; i < width; i++)
		to[i] = (uint8_t)(value >> (8 * i));
	return 0;
}

/* The value of one element of an array of bytes; an array has no names, hence through the text. */
static int get_element(const struct json *element, const char *name, uint8_t *to, struct err *err)
{
	OWNED_BUF struct buf text = BUF_INIT(8);
	char *end = NULL;
	if (json_type(element) != JSON_NUMBER || json_print(element, &text, NULL) < 0)
		return err_set(err, ERR_PROTOCOL, "'%s' holds something that is no byte", name);
	long value = strtol(buf_text(&text), &end, 10);
	if (*end || value < 0 || value > UINT8_MAX)
		return err_set(err, ERR_PROTOCOL, "'%s' holds %s, which is no byte", name, buf_text(&text));
	*to = (uint8_t)value;
	return 0;
}

static int get_bytes(const struct json *object, const char *name, size_t len, uint8_t *to, struct err *err)
{
	const struct json *array;
	if (json_get_array(object, name, &array, err) < 0)
		return -1;
	if (json_count(array) != len)
		return err_set(err, ERR_PROTOCOL, "'%s' has %zu elements, %zu are expected", name, json_count(array),
			       len);
	for (const struct json *c = json_first(array); c; c = json_next(c))
		if (get_element(c, name, to++, err) < 0)
			return -1;
	return 0;
}

static int get_tcb(const struct json *parent, const char *name, uint8_t *to, struct err *err)
{
	const struct json *object;
	if (json_get_object(parent, name, &object, err) < 0)
		return -1;
	const struct json *fmc = json_member(object, "fmc");
	bool has_fmc = fmc && json_type(fmc) != JSON_NULL;
	if ((has_fmc && get_u8(object, "fmc", to, err) < 0) ||
	    get_u8(object, "bootloader", to + (has_fmc ? 1 : 0), err) < 0 ||
	    get_u8(object, "tee", to + (has_fmc ? 2 : 1), err) < 0 ||
	    get_u8(object, "snp", to + (has_fmc ? 3 : 6), err) < 0 || get_u8(object, "microcode", to + 7, err) < 0)
		return err_wrap(err, "'%s'", name);
	return 0;
}

static int get_firmware(const struct json *parent, const char *name, uint8_t *to, struct err *err)
{
	const struct json *object;
	if (json_get_object(parent, name, &object, err) < 0)
		return -1;
	if (get_u8(object, "build", to, err) < 0 || get_u8(object, "minor", to + 1, err) < 0 ||
	    get_u8(object, "major", to + 2, err) < 0)
		return err_wrap(err, "'%s'", name);
	return 0;
}

static int get_member(const struct json *object, const struct snp_member *member, uint8_t *raw, struct err *err)
{
	const struct json *value = json_member(object, member->name);
	uint8_t *to = raw + member->offset;
	if (member->since > 2 && (!value || json_type(value) == JSON_NULL))
		return 0;
	switch (member->kind) {
	case SNP_MEMBER_U8:
		return get_u8(object, member->name, to, err);
	case SNP_MEMBER_U32:
		return get_wide(object, member->name, 4, to, err);
	case SNP_MEMBER_U64:
		return get_wide(object, member->name, 8, to, err);
	case SNP_MEMBER_BYTES:
		return get_bytes(object, member->name, member->len, to, err);
	case SNP_MEMBER_TCB:
		return get_tcb(object, member->name, to, err);
	case SNP_MEMBER_FIRMWARE:
		return get_firmware(object, member->name, to, err);
	}
	return 0;
}

static int get_report(const struct json *object, uint8_t *raw, struct err *err)
{
	const struct json *signature;
	for (size_t i = 0; i < snp_member_count; i++)
		if (get_member(object, &snp_members[i], raw, err) < 0)
			return -1;
	if (json_get_object(object, "signature", &signature, err) < 0 ||
	    get_bytes(signature, "r", 72, raw + 0x2A0, err) < 0)
		return -1;
	return get_bytes(signature, "s", 72, raw + 0x2E8, err);
}

int snp_evidence_report(const struct json *evidence, uint8_t ret_raw[static SNP_REPORT_LEN], struct err *err)
{
	uint8_t raw[SNP_REPORT_LEN] = { 0 };
	const struct json *object;
	if (json_get_object(evidence, "attestation_report", &object, err) < 0)
		return -1;
	if (get_report(object, raw, err) < 0)
		return err_wrap(err, "SNP evidence, 'attestation_report'");
	memcpy(ret_raw, raw, sizeof(raw));
	return 0;
}

int snp_evidence_cert(const struct json *cert, struct buf *out, struct err *err)
{
	struct buf data OWNED_BUF = BUF_INIT(out->max);
	const struct json *array;
	uint8_t octet;
	if (json_get_array(cert, "data", &array, err) < 0)
		return -1;
	for (const struct json *c = json_first(array); c; c = json_next(c))
		if (get_element(c, "data", &octet, err) < 0 || buf_append_byte(&data, octet, err) < 0)
			return -1;
	return buf_append(out, buf_bytes(&data), err);
}
