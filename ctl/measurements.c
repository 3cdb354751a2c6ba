/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads an image's measurements. Whoever publishes the image wrote them; that they are that image's is
 * the operator's to have checked. Must not take half a value for a value.
 */
#include "ctl/measurements.h"

#include <stdio.h>
#include <string.h>

#define PCR_DIGITS 64

static bool is_pcr_name(const char *name)
{
	return strlen(name) == 5 && strncmp(name, "pcr", 3) == 0 && strspn(name + 3, "0123456789") == 2 &&
	       (name[3] - '0') * 10 + (name[4] - '0') < MEASUREMENTS_PCRS;
}

static int add_value(const struct json *value, struct json *list, struct err *err)
{
	const char *text = json_text(value);
	char digits[PCR_DIGITS + 1];
	if (!text)
		return err_set(err, ERR_CONFIG, "is no text");
	if (strncmp(text, "0x", 2) == 0 || strncmp(text, "0X", 2) == 0)
		text += 2;
	if (strlen(text) != PCR_DIGITS || strspn(text, "0123456789abcdefABCDEF") != PCR_DIGITS)
		return err_set(err, ERR_CONFIG, "'%.80s' is not %d hexadecimal digits", text, PCR_DIGITS);
	for (size_t i = 0; i <= PCR_DIGITS; i++)
		digits[i] = (char)(text[i] >= 'A' && text[i] <= 'F' ? text[i] - 'A' + 'a' : text[i]);
	return json_add_string(list, NULL, digits, err);
}

static int add_register(const struct json *value, struct json *pcrs, struct err *err)
{
	struct json *list;
	if (json_add_array(pcrs, json_name(value), &list, err) < 0)
		return -1;
	if (json_type(value) != JSON_ARRAY)
		return add_value(value, list, err);
	if (json_count(value) == 0)
		return err_set(err, ERR_CONFIG, "is an empty list");
	for (const struct json *item = json_first(value); item; item = json_next(item))
		if (add_value(item, list, err) < 0)
			return -1;
	return 0;
}

static int read_bank(const struct json *doc, struct json *pcrs, struct err *err)
{
	const struct json *bank = json_member(json_member(doc, "measurements"), "sha256");
	if (!bank || json_type(bank) != JSON_OBJECT)
		return err_set(err, ERR_CONFIG, "there is no object 'measurements.sha256'");
	for (const struct json *value = json_first(bank); value; value = json_next(value)) {
		if (!is_pcr_name(json_name(value)))
			continue;
		if (add_register(value, pcrs, err) < 0)
			return err_wrap(err, "'measurements.sha256.%s'", json_name(value));
	}
	if (json_count(pcrs) == 0)
		return err_set(err, ERR_CONFIG, "'measurements.sha256' has no 'pcr00' to 'pcr%d'",
			       MEASUREMENTS_PCRS - 1);
	return 0;
}

int measurements_parse(struct bytes text, struct json **ret_pcrs, struct err *err)
{
	struct json *doc OWNED_JSON = NULL, *pcrs OWNED_JSON = NULL;
	if (json_parse(text, MEASUREMENTS_MAX, &doc, err) < 0) {
		if (err)
			err->code = ERR_CONFIG;
		return -1;
	}
	if (json_new_object(&pcrs, err) < 0 || read_bank(doc, pcrs, err) < 0)
		return -1;
	*ret_pcrs = TAKE_PTR(pcrs);
	return 0;
}
