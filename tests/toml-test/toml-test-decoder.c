/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The decoder that toml-test drives: TOML on standard input, its tagged JSON on
 * standard output; invalid TOML is status 1 with the error on standard error.
 *
 * The JSON is written by hand: strings may hold NULs, which base/json refuses.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "base/toml.h"

static void print_text(struct bytes text)
{
	(void)putchar('"');
	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.data[i];
		if (c < 0x20 || c == '"' || c == '\\')
			(void)printf("\\u%04x", c);
		else
			(void)putchar(c);
	}
	(void)putchar('"');
}

static void print_float(double value)
{
	if (isnan(value))
		(void)printf("\"nan\"");
	else if (isinf(value))
		(void)printf("\"%sinf\"", value < 0 ? "-" : "");
	else
		(void)printf("\"%.17g\"", value);
}

static const char *tag(enum toml_type type)
{
	static const char *const tags[] = {
		[TOML_STRING] = "string",	  [TOML_INTEGER] = "integer",
		[TOML_FLOAT] = "float",		  [TOML_BOOL] = "bool",
		[TOML_DATETIME] = "datetime",	  [TOML_DATETIME_LOCAL] = "datetime-local",
		[TOML_DATE_LOCAL] = "date-local", [TOML_TIME_LOCAL] = "time-local",
		[TOML_ARRAY] = "array",		  [TOML_TABLE] = "table",
	};
	return tags[type];
}

static void print_scalar(const struct toml_value *value)
{
	enum toml_type type = toml_type(value);
	(void)printf("{\"type\":\"%s\",\"value\":", tag(type));
	if (type == TOML_STRING)
		print_text(toml_string(value));
	else if (type == TOML_INTEGER)
		(void)printf("\"%" PRId64 "\"", toml_integer(value));
	else if (type == TOML_FLOAT)
		print_float(toml_float(value));
	else if (type == TOML_BOOL)
		(void)printf("\"%s\"", toml_bool(value) ? "true" : "false");
	else
		print_text(toml_datetime(value));
	(void)putchar('}');
}

static void print_value(const struct toml_value *value)
{
	bool table = toml_type(value) == TOML_TABLE;
	if (!table && toml_type(value) != TOML_ARRAY) {
		print_scalar(value);
		return;
	}
	(void)putchar(table ? '{' : '[');
	for (const struct toml_value *child = toml_first(value); child; child = toml_next(child)) {
		if (child != toml_first(value))
			(void)putchar(',');
		if (table) {
			print_text(toml_key(child));
			(void)putchar(':');
		}
		print_value(child);
	}
	(void)putchar(table ? '}' : ']');
}

int main(void)
{
	static uint8_t text[TOML_MAX_BYTES + 1]; /* one more, so that too much is seen */
	size_t len = fread(text, 1, sizeof(text), stdin);
	struct err err = { 0 };
	OWNED_TOML struct toml_doc *doc = NULL;
	if (toml_parse(bytes_of(text, len), &doc, &err)) {
		(void)fprintf(stderr, "%s\n", err.message);
		return 1;
	}
	print_value(toml_root(doc));
	(void)putchar('\n');
	return fflush(stdout) == 0 ? 0 : 2;
}
