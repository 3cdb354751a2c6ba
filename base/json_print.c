/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing JSON: compact text, and the canonical form of RFC 8785 (JCS).
 *
 * The values are ours or came through json_parse(). Digests are taken over the
 * canonical form, so it must have one spelling only; what cannot be spelled
 * surely (fractions, integers that a double rounds) is refused, never guessed.
 * cJSON's own printer is not used: it writes 1e+15 where others want an integer.
 */
#include <math.h>
#include <string.h>

#include "base/json_parts.h"

struct printer {
	struct buf *out;
	bool canonical;
	unsigned depth;
	struct err *err;
};

static int print_value(struct printer *p, const struct json *value);

static int put(struct printer *p, const char *text)
{
	return buf_append_text(p->out, text, p->err);
}

/* The letter behind the backslash, 0 where there is no short form. */
static char short_escape(uint8_t c)
{
	static const char from[] = "\"\\\b\f\n\r\t";
	static const char to[] = "\"\\bfnrt";
	const char *found = c ? strchr(from, c) : NULL;
	return found ? to[found - from] : 0;
}

static int print_escaped(struct printer *p, uint8_t c)
{
	char letter = short_escape(c);
	if (letter)
		return buf_printf(p->out, p->err, "\\%c", letter);
	return buf_printf(p->out, p->err, "\\u%04x", c);
}

static bool is_plain(uint8_t c)
{
	return c >= 0x20 && c != '"' && c != '\\';
}

static int print_string(struct printer *p, const char *text)
{
	const uint8_t *at = (const uint8_t *)text;
	if (put(p, "\""))
		return -1;
	while (*at) {
		size_t run = 0;
		while (at[run] && is_plain(at[run]))
			run++;
		if (buf_append(p->out, (struct bytes){ at, run }, p->err))
			return -1;
		at += run;
		if (*at && print_escaped(p, *at++))
			return -1;
	}
	return put(p, "\"");
}

/* The shortest of 15 to 17 digits that reads back as the same double. Large values
 * keep an exponent: without it they would be wide integers, or refused by json_scan(). */
static int print_inexact(struct printer *p, double value)
{
	char text[40];
	for (int digits = 15; digits <= 17; digits++) {
		if (fabs(value) > JSON_MAX_INTEGER)
			(void)snprintf(text, sizeof(text), "%.*e", digits - 1, value);
		else
			(void)snprintf(text, sizeof(text), "%.*g", digits, value);
		if (strtod(text, NULL) == value)
			break;
	}
	return put(p, text);
}

/* By its digits: it has one spelling, too, but a reader of canonical JSON may take it for a double. */
static int print_wide(struct printer *p, const char *digits)
{
	if (p->canonical)
		return err_set(p->err, ERR_PROTOCOL,
			       "the number %s cannot be in canonical JSON: only whole numbers up to 2^53 - 1 can",
			       digits);
	return put(p, digits);
}

static int print_number(struct printer *p, const struct json *number)
{
	double value = json_number_of(number);
	if (json_wide_of(number))
		return print_wide(p, json_wide_of(number));
	if (value == 0)
		return put(p, signbit(value) && !p->canonical ? "-0" : "0");
	if (trunc(value) == value && fabs(value) <= JSON_MAX_INTEGER)
		return buf_printf(p->out, p->err, "%.0f", value);
	if (p->canonical)
		return err_set(p->err, ERR_PROTOCOL,
			       "the number %.17g cannot be in canonical JSON: only whole numbers up to 2^53 - 1 can",
			       value);
	return print_inexact(p, value);
}

static int print_member(struct printer *p, const struct json *member, bool first)
{
	if (!first && put(p, ","))
		return -1;
	if (json_name(member) && (print_string(p, json_name(member)) || put(p, ":")))
		return -1;
	return print_value(p, member);
}

static int print_in_order(struct printer *p, const struct json *parent)
{
	const struct json *first = json_first(parent);
	for (const struct json *child = first; child; child = json_next(child))
		if (print_member(p, child, child == first))
			return -1;
	return 0;
}

static int print_sorted(struct printer *p, const struct json *object)
{
	OWNED_MEM const struct json **members = NULL;
	if (json_sort_members(object, &members, p->err))
		return -1;
	size_t count = json_count(object);
	for (size_t i = 0; i < count; i++)
		if (print_member(p, members[i], i == 0))
			return -1;
	return 0;
}

static int print_nested(struct printer *p, const struct json *value)
{
	bool object = json_type(value) == JSON_OBJECT;
	if (p->depth == JSON_MAX_DEPTH)
		return err_set(p->err, ERR_PROTOCOL, "JSON nested deeper than %d levels cannot be written",
			       JSON_MAX_DEPTH);
	p->depth++;
	if (put(p, object ? "{" : "["))
		return -1;
	if (object && p->canonical ? print_sorted(p, value) : print_in_order(p, value))
		return -1;
	p->depth--;
	return put(p, object ? "}" : "]");
}

static int print_value(struct printer *p, const struct json *value)
{
	switch (json_type(value)) {
	case JSON_BOOL:
		return put(p, json_bool_of(value) ? "true" : "false");
	case JSON_NUMBER:
		return print_number(p, value);
	case JSON_STRING:
		return print_string(p, json_text(value));
	case JSON_ARRAY:
	case JSON_OBJECT:
		return print_nested(p, value);
	case JSON_NULL:
	default:
		return put(p, "null");
	}
}

/* What was appended before a failure must not stay behind: half a text is no text. */
static void cut_back(struct buf *out, size_t len)
{
	if (out->len > len)
		explicit_bzero(out->data + len, out->len - len);
	out->len = len;
}

static int print(const struct json *value, bool canonical, struct buf *out, struct err *err)
{
	struct printer p = { .out = out, .canonical = canonical, .err = err };
	size_t before = out->len;
	if (print_value(&p, value) == 0)
		return 0;
	cut_back(out, before);
	return -1;
}

int json_print(const struct json *value, struct buf *out, struct err *err)
{
	return print(value, false, out, err);
}

int json_print_canonical(const struct json *value, struct buf *out, struct err *err)
{
	return print(value, true, out, err);
}
