/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The look at one's own evidence: what both kinds share.
 *
 * The evidence came through the host. Looking is no verification: a host that forges a
 * report makes one that looks well, and the KBS's verifier refuses it by its signature. What
 * is found here is what an honest platform says of itself. Must never drop a fatal finding.
 */
#include "attest/look.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "attest/look_parts.h"

void look_add(struct look *look, enum look_severity severity, enum err_code code, const char *name, const char *format,
	      ...)
{
	/* The last place takes what comes too late, so that it cannot go unseen. */
	size_t at = look->count < LOOK_MAX ? look->count++ : LOOK_MAX - 1;
	struct look_finding *finding = &look->findings[at];
	if (at == LOOK_MAX - 1 && finding->name && severity == LOOK_WARNING)
		return;
	finding->severity = severity;
	finding->code = code;
	finding->name = name;
	va_list args;
	va_start(args, format);
	(void)vsnprintf(finding->text, sizeof(finding->text), format, args);
	va_end(args);
}

void look_hex(struct bytes bytes, char *ret_text, size_t size)
{
	size_t len = bytes.len < (size - 1) / 2 ? bytes.len : (size - 1) / 2;
	for (size_t i = 0; i < len; i++)
		(void)snprintf(ret_text + 2 * i, 3, "%02x", bytes.data[i]);
	ret_text[2 * len] = 0;
}

void look_at_report_data(struct look *look, const struct report_data *found, const struct report_data *expected)
{
	char found_hex[2 * REPORT_DATA_LEN + 1];
	char expected_hex[2 * REPORT_DATA_LEN + 1];
	if (!expected || report_data_equal(found, expected))
		return;
	look_hex(bytes_of(found->bytes, REPORT_DATA_LEN), found_hex, sizeof(found_hex));
	look_hex(bytes_of(expected->bytes, REPORT_DATA_LEN), expected_hex, sizeof(expected_hex));
	look_add(look, LOOK_FATAL, ERR_BINDING, "report-data", "the report data is %s, but %s was asked for", found_hex,
		 expected_hex);
}

/* The digest as the platform carries it: cut, or filled up with zeros on the right. */
static void fit(const struct digest *digest, uint8_t *ret_field, size_t len)
{
	memset(ret_field, 0, len);
	memcpy(ret_field, digest->bytes, digest->len < len ? digest->len : len);
}

void look_at_init_data(struct look *look, const char *field, struct bytes found, const struct digest *expected)
{
	uint8_t wanted[DIGEST_MAX];
	char found_hex[2 * DIGEST_MAX + 1];
	char wanted_hex[2 * DIGEST_MAX + 1];
	if (!expected)
		return;
	fit(expected, wanted, found.len);
	if (memcmp(wanted, found.data, found.len) == 0)
		return;
	look_hex(found, found_hex, sizeof(found_hex));
	look_hex(bytes_of(wanted, found.len), wanted_hex, sizeof(wanted_hex));
	look_add(look, LOOK_FATAL, ERR_BINDING, "init-data",
		 "%s is %s, but the %s digest of the init-data at hand makes it %s: this VM was started with another "
		 "init-data, "
		 "or with none",
		 field, found_hex, digest_alg_name(expected->alg), wanted_hex);
}

const struct look_finding *look_find(const struct look *look, const char *name)
{
	for (size_t i = 0; i < look->count; i++)
		if (strcmp(look->findings[i].name, name) == 0)
			return &look->findings[i];
	return NULL;
}

int look_verdict(const struct look *look, struct err *err)
{
	const struct look_finding *first = NULL;
	size_t fatal = 0;
	for (size_t i = 0; i < look->count; i++) {
		if (look->findings[i].severity != LOOK_FATAL)
			continue;
		first = first ? first : &look->findings[i];
		fatal++;
	}
	if (!first)
		return 0;
	if (fatal == 1)
		return err_set(err, first->code, "the evidence is not sent: %s", first->text);
	return err_set(err, first->code, "the evidence is not sent: %s (and %zu more reasons)", first->text, fatal - 1);
}
