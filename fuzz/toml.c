/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/toml: any bytes in. What is accepted must be a tree that keeps its
 * promises (keys findable and unique, valid UTF-8, lines inside the text), and
 * written out again in another form (one inline value a key, all quoted) must be
 * read as the same tree. What is refused must say in which line.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/toml.h"
#include "base/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_LEN (1u << 14) /* what is written is larger, and must still be readable */

static void expect(bool truth, const char *what)
{
	if (truth)
		return;
	(void)fprintf(stderr, "broken: %s\n", what);
	abort();
}

static bool is_nested(const struct toml_value *value)
{
	return toml_type(value) == TOML_TABLE || toml_type(value) == TOML_ARRAY;
}

static bool has_text(const struct toml_value *value)
{
	return toml_type(value) >= TOML_DATETIME && toml_type(value) <= TOML_TIME_LOCAL;
}

static void check_tree(const struct toml_value *value, unsigned depth, unsigned lines)
{
	expect(depth <= TOML_MAX_DEPTH, "the tree is too deep");
	expect(toml_line(value) >= 1 && toml_line(value) <= lines, "a line is outside the text");
	expect(utf8_valid(toml_key(value)), "a key is not UTF-8");
	if (toml_type(value) == TOML_STRING)
		expect(utf8_valid(toml_string(value)), "a string is not UTF-8");
	for (const struct toml_value *c = toml_first(value); c; c = toml_next(c)) {
		if (toml_type(value) == TOML_TABLE)
			expect(toml_member(value, toml_key(c)) == c, "a key is not found, or stands twice");
		else
			expect(toml_key(c).len == 0, "an element has a key");
		check_tree(c, depth + 1, lines);
	}
}

static void put(struct buf *out, const char *text)
{
	struct err err = { 0 };
	expect(buf_append_text(out, text, &err) == 0, err.message);
}

static void put_string(struct buf *out, struct bytes text)
{
	struct err err = { 0 };
	put(out, "\"");
	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.data[i];
		int result = c < 0x20 || c == 0x7f || c == '"' || c == '\\' ? buf_printf(out, &err, "\\u%04x", c)
									    : buf_append_byte(out, c, &err);
		expect(result == 0, err.message);
	}
	put(out, "\"");
}

static void put_float(struct buf *out, double value)
{
	char text[64];
	(void)snprintf(text, sizeof(text), "%.17e", value);
	put(out, isnan(value) ? "nan" : isinf(value) ? (value < 0 ? "-inf" : "inf") : text);
}

static void put_value(struct buf *out, const struct toml_value *value);

static void put_children(struct buf *out, const struct toml_value *value, const char *between)
{
	for (const struct toml_value *c = toml_first(value); c; c = toml_next(c)) {
		if (toml_type(value) == TOML_TABLE) {
			put_string(out, toml_key(c));
			put(out, "=");
		}
		put_value(out, c);
		if (toml_next(c))
			put(out, between);
	}
}

static void put_value(struct buf *out, const struct toml_value *value)
{
	char text[32];
	if (is_nested(value)) {
		put(out, toml_type(value) == TOML_TABLE ? "{" : "[");
		put_children(out, value, ",");
		put(out, toml_type(value) == TOML_TABLE ? "}" : "]");
	} else if (toml_type(value) == TOML_STRING) {
		put_string(out, toml_string(value));
	} else if (toml_type(value) == TOML_FLOAT) {
		put_float(out, toml_float(value));
	} else if (toml_type(value) == TOML_BOOL) {
		put(out, toml_bool(value) ? "true" : "false");
	} else if (has_text(value)) {
		struct err err = { 0 };
		expect(buf_append(out, toml_datetime(value), &err) == 0, err.message);
	} else {
		(void)snprintf(text, sizeof(text), "%lld", (long long)toml_integer(value));
		put(out, text);
	}
}

static bool equal_floats(double a, double b)
{
	return (isnan(a) && isnan(b)) || (a == b && signbit(a) == signbit(b));
}

static void expect_equal(const struct toml_value *a, const struct toml_value *b)
{
	expect(toml_type(a) == toml_type(b), "a type has changed");
	expect(bytes_equal(toml_key(a), toml_key(b)), "a key has changed");
	if (toml_type(a) == TOML_STRING)
		expect(bytes_equal(toml_string(a), toml_string(b)), "a string has changed");
	else if (toml_type(a) == TOML_INTEGER)
		expect(toml_integer(a) == toml_integer(b), "an integer has changed");
	else if (toml_type(a) == TOML_FLOAT)
		expect(equal_floats(toml_float(a), toml_float(b)), "a float has changed");
	else if (toml_type(a) == TOML_BOOL)
		expect(toml_bool(a) == toml_bool(b), "a boolean has changed");
	else if (has_text(a))
		expect(bytes_equal(toml_datetime(a), toml_datetime(b)), "a date or time has changed");
	const struct toml_value *left = toml_first(a);
	const struct toml_value *right = toml_first(b);
	for (; left && right; left = toml_next(left), right = toml_next(right))
		expect_equal(left, right);
	expect(!left && !right, "a child came or went");
}

static void check_round_trip(const struct toml_doc *doc)
{
	struct err err = { 0 };
	OWNED_BUF struct buf text = BUF_INIT(TOML_MAX_BYTES);
	OWNED_TOML struct toml_doc *again = NULL;
	put_children(&text, toml_root(doc), "\n");
	expect(toml_parse(buf_bytes(&text), &again, &err) == 0, err.message);
	expect_equal(toml_root(doc), toml_root(again));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err err = { 0 };
	OWNED_TOML struct toml_doc *doc = NULL;
	unsigned lines = 1;
	if (size > MAX_LEN)
		return 0;
	if (toml_parse(bytes_of(data, size), &doc, &err)) {
		expect(!doc && err.code == ERR_CONFIG, err.message);
		expect(strncmp(err.message, "line ", 5) == 0, err.message);
		return 0;
	}
	for (size_t i = 0; i < size; i++)
		lines += data[i] == '\n';
	check_tree(toml_root(doc), 0, lines);
	check_round_trip(doc);
	return 0;
}
