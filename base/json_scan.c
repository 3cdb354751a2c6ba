/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The strict scan in front of cJSON: RFC 8259's grammar, to the letter.
 *
 * The text comes from servers, the host or whoever sits between: hostile. cJSON
 * takes lone surrogates, raw control bytes, "01", ".5" and trailing bytes,
 * and cuts strings at \u0000; two readers that see different values in one text
 * are an attack. So nothing passes here that is not exactly JSON. Reads no byte
 * outside the text, recurses no deeper than JSON_MAX_DEPTH, allocates nothing.
 */
#include <math.h>
#include <string.h>

#include "base/json_parts.h"
#include "base/utf8.h"

struct scan {
	const uint8_t *start;
	const uint8_t *at;
	const uint8_t *end;
	unsigned depth;
	bool wide;
	struct err *err;
};

static int fail(const struct scan *s, const char *what)
{
	return err_set(s->err, ERR_PROTOCOL, "not valid JSON at byte %zu: %s", (size_t)(s->at - s->start), what);
}

/* The byte at the cursor, -1 at the end. */
static int peek(const struct scan *s)
{
	return s->at < s->end ? *s->at : -1;
}

static bool take(struct scan *s, char wanted)
{
	if (peek(s) != wanted)
		return false;
	s->at++;
	return true;
}

static void skip_space(struct scan *s)
{
	while (s->at < s->end && (*s->at == ' ' || *s->at == '\t' || *s->at == '\n' || *s->at == '\r'))
		s->at++;
}

static bool is_digit(int c)
{
	return c >= '0' && c <= '9';
}

static int hex_value(uint8_t c)
{
	if (is_digit(c))
		return c - '0';
	uint8_t lower = c | 0x20;
	return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* The four digits of \uXXXX; the cursor stands behind the 'u'. */
static int scan_hex4(struct scan *s, unsigned *ret_unit)
{
	unsigned unit = 0;
	for (int i = 0; i < 4; i++, s->at++) {
		int digit = s->at < s->end ? hex_value(*s->at) : -1;
		if (digit < 0)
			return fail(s, "\\u needs four hexadecimal digits");
		unit = unit << 4 | (unsigned)digit;
	}
	*ret_unit = unit;
	return 0;
}

static int scan_unicode_escape(struct scan *s)
{
	unsigned unit = 0;
	if (scan_hex4(s, &unit))
		return -1;
	if (unit == 0)
		return fail(s, "\\u0000 is not allowed in text");
	if (unit >= 0xdc00 && unit <= 0xdfff)
		return fail(s, "the second half of a surrogate pair stands alone");
	if (unit < 0xd800 || unit > 0xdbff)
		return 0;
	unsigned low = 0;
	if (!take(s, '\\') || !take(s, 'u'))
		return fail(s, "the first half of a surrogate pair stands alone");
	if (scan_hex4(s, &low))
		return -1;
	if (low < 0xdc00 || low > 0xdfff)
		return fail(s, "the first half of a surrogate pair stands alone");
	return 0;
}

static int scan_escape(struct scan *s)
{
	int c = peek(s);
	if (c == 'u') {
		s->at++;
		return scan_unicode_escape(s);
	}
	if (c <= 0 || !strchr("\"\\/bfnrt", c))
		return fail(s, "unknown escape behind the backslash");
	s->at++;
	return 0;
}

/* The cursor stands behind the opening quote. */
static int scan_string(struct scan *s)
{
	while (s->at < s->end) {
		if (take(s, '"'))
			return 0;
		if (take(s, '\\')) {
			if (scan_escape(s))
				return -1;
			continue;
		}
		if (*s->at < 0x20)
			return fail(s, "a control character in text must be escaped");
		size_t len = utf8_sequence((struct bytes){ s->at, (size_t)(s->end - s->at) });
		if (!len)
			return fail(s, "text is not valid UTF-8");
		s->at += len;
	}
	return fail(s, "the text ends inside a string");
}

static int scan_digits(struct scan *s)
{
	if (!is_digit(peek(s)))
		return fail(s, "a digit is missing");
	while (is_digit(peek(s)))
		s->at++;
	return 0;
}

bool json_is_wide(struct bytes literal)
{
	char text[JSON_MAX_NUMBER_LEN + 1] = "";
	memcpy(text, literal.data, literal.len < JSON_MAX_NUMBER_LEN ? literal.len : JSON_MAX_NUMBER_LEN);
	return !strpbrk(text, ".eE") && fabs(strtod(text, NULL)) > JSON_MAX_INTEGER;
}

/* An integer that a double rounds is kept as its digits, if 64 bits hold it. */
static int check_wide(struct scan *s, const char *text)
{
	static const char largest[] = "18446744073709551615";
	size_t len = strlen(text);
	if (text[0] == '-')
		return fail(s, "the integer is below -(2^53 - 1) and would be rounded");
	if (len > sizeof(largest) - 1 || (len == sizeof(largest) - 1 && strcmp(text, largest) > 0))
		return fail(s, "the integer is beyond 2^64 - 1");
	s->wide = true;
	return 0;
}

/* Would the number survive? The cursor stands behind it. */
static int check_number(struct scan *s, const uint8_t *from)
{
	char text[JSON_MAX_NUMBER_LEN + 1];
	size_t len = (size_t)(s->at - from);
	if (len > JSON_MAX_NUMBER_LEN)
		return fail(s, "the number is too long");
	memcpy(text, from, len);
	text[len] = '\0';
	double value = strtod(text, NULL);
	if (!isfinite(value))
		return fail(s, "the number is too large");
	return json_is_wide(bytes_of(from, len)) ? check_wide(s, text) : 0;
}

static int scan_number(struct scan *s)
{
	const uint8_t *from = s->at;
	(void)take(s, '-');
	if (take(s, '0')) {
		if (is_digit(peek(s)))
			return fail(s, "a number must not begin with 0");
	} else if (scan_digits(s)) {
		return -1;
	}
	if (take(s, '.') && scan_digits(s))
		return -1;
	if (peek(s) == 'e' || peek(s) == 'E') {
		s->at++;
		if (!take(s, '+'))
			(void)take(s, '-');
		if (scan_digits(s))
			return -1;
	}
	return check_number(s, from);
}

static int scan_word(struct scan *s, const char *word)
{
	size_t len = strlen(word);
	if ((size_t)(s->end - s->at) < len || memcmp(s->at, word, len) != 0)
		return fail(s, "a value is expected here");
	s->at += len;
	return 0;
}

static int scan_value(struct scan *s);

static int scan_array(struct scan *s)
{
	skip_space(s);
	if (take(s, ']'))
		return 0;
	for (;;) {
		if (scan_value(s))
			return -1;
		if (take(s, ']'))
			return 0;
		if (!take(s, ','))
			return fail(s, "',' or ']' is expected here");
	}
}

static int scan_member(struct scan *s)
{
	skip_space(s);
	if (!take(s, '"'))
		return fail(s, "a member name in quotes is expected here");
	if (scan_string(s))
		return -1;
	skip_space(s);
	if (!take(s, ':'))
		return fail(s, "':' is expected here");
	return scan_value(s);
}

static int scan_object(struct scan *s)
{
	skip_space(s);
	if (take(s, '}'))
		return 0;
	for (;;) {
		if (scan_member(s))
			return -1;
		if (take(s, '}'))
			return 0;
		if (!take(s, ','))
			return fail(s, "',' or '}' is expected here");
	}
}

static int scan_nested(struct scan *s)
{
	if (s->depth == JSON_MAX_DEPTH)
		return fail(s, "arrays and objects are nested too deep");
	s->depth++;
	int result = *s->at++ == '[' ? scan_array(s) : scan_object(s);
	s->depth--;
	return result;
}

static int scan_scalar(struct scan *s)
{
	switch (peek(s)) {
	case '"':
		s->at++;
		return scan_string(s);
	case 't':
		return scan_word(s, "true");
	case 'f':
		return scan_word(s, "false");
	case 'n':
		return scan_word(s, "null");
	default:
		if (peek(s) == '-' || is_digit(peek(s)))
			return scan_number(s);
		return fail(s, s->at < s->end ? "a value is expected here" : "the text ends where a value is expected");
	}
}

/* A value with the white space around it. */
static int scan_value(struct scan *s)
{
	skip_space(s);
	int c = peek(s);
	if (c == '[' || c == '{' ? scan_nested(s) : scan_scalar(s))
		return -1;
	skip_space(s);
	return 0;
}

int json_scan(struct bytes text, bool *ret_wide, struct err *err)
{
	if (!text.len)
		return err_set(err, ERR_PROTOCOL, "not valid JSON: the text is empty");
	struct scan s = { .start = text.data, .at = text.data, .end = text.data + text.len, .err = err };
	if (scan_value(&s))
		return -1;
	if (s.at != s.end)
		return fail(&s, "more text behind the value");
	*ret_wide = s.wide;
	return 0;
}

static bool in_number(uint8_t c)
{
	return is_digit(c) || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E';
}

/* Behind the string that begins at `at`. */
static size_t skip_string(struct bytes text, size_t at)
{
	for (at++; text.data[at] != '"'; at++)
		if (text.data[at] == '\\')
			at++;
	return at + 1;
}

struct bytes json_take_number(struct bytes *text)
{
	size_t from = 0;
	while (from < text->len && text->data[from] != '-' && !is_digit(text->data[from]))
		from = text->data[from] == '"' ? skip_string(*text, from) : from + 1;
	size_t to = from;
	while (to < text->len && in_number(text->data[to]))
		to++;
	struct bytes literal = bytes_of(text->data + from, to - from);
	*text = bytes_of(text->data + to, text->len - to);
	return literal;
}
