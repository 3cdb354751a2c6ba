/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TOML: integers and floats.
 *
 * The text is the operator's, or the host's who poses as him. A number is taken
 * as written or refused: never rounded to what fits, never read up to the first
 * odd letter. strtod() depends on the locale, which is "C" in our programs.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/toml_parts.h"

static bool is_digit(int c)
{
	return c >= '0' && c <= '9';
}

static int digit_value(uint8_t c)
{
	if (is_digit(c))
		return c - '0';
	uint8_t lower = c | 0x20;
	return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : 99;
}

static int not_a_number(struct toml_parser *p, struct bytes token)
{
	return toml_fail(p, "'%s' is neither a number nor a date: put text in quotes", toml_quote(token).text);
}

/* Copies to p->scratch without the underscores, each of which must stand between two
 * digits of that base. */
static int strip(struct toml_parser *p, struct bytes token, int base)
{
	p->scratch.len = 0;
	for (size_t i = 0; i < token.len; i++) {
		bool first = i == 0;
		bool last = i + 1 == token.len;
		if (token.data[i] != '_') {
			if (buf_append_byte(&p->scratch, token.data[i], p->err))
				return -1;
		} else if (first || last || digit_value(token.data[i - 1]) >= base ||
			   digit_value(token.data[i + 1]) >= base) {
			return toml_fail(p, "an underscore in a number must stand between two digits");
		}
	}
	return 0;
}

static int out_of_range(struct toml_parser *p)
{
	return toml_fail(p, "the integer does not fit: from -9223372036854775808 to 9223372036854775807");
}

/* `digits` (valid for the base, not empty) as a 64-bit integer. */
static int set_integer(struct toml_parser *p, struct bytes digits, int base, bool negative, struct toml_value *value)
{
	int64_t sum = 0;
	for (size_t i = 0; i < digits.len; i++) {
		int64_t digit = digit_value(digits.data[i]);
		if (__builtin_mul_overflow(sum, base, &sum) ||
		    __builtin_add_overflow(sum, negative ? -digit : digit, &sum))
			return out_of_range(p);
	}
	value->type = TOML_INTEGER;
	value->integer = sum;
	return 0;
}

static int base_of(uint8_t letter)
{
	return letter == 'x' ? 16 : letter == 'o' ? 8 : 2;
}

/* 0x…, 0o…, 0b… */
static int parse_prefixed(struct toml_parser *p, struct bytes token, struct toml_value *value)
{
	int base = base_of(token.data[1]);
	if (strip(p, bytes_of(token.data + 2, token.len - 2), base))
		return -1;
	struct bytes digits = buf_bytes(&p->scratch);
	bool good = digits.len > 0;
	for (size_t i = 0; i < digits.len; i++)
		good = good && digit_value(digits.data[i]) < base;
	return good ? set_integer(p, digits, base, false, value) : not_a_number(p, token);
}

static size_t count_digits(const char *text)
{
	size_t count = 0;
	while (is_digit(text[count]))
		count++;
	return count;
}

/* Is this digits ['.' digits] [('e'|'E') ['+'|'-'] digits]? */
static bool is_decimal(const char *text, bool *ret_whole)
{
	size_t count = count_digits(text);
	*ret_whole = true;
	if (!count)
		return false;
	text += count;
	if (*text == '.') {
		*ret_whole = false;
		count = count_digits(++text);
		if (!count)
			return false;
		text += count;
	}
	if (*text == 'e' || *text == 'E') {
		*ret_whole = false;
		text++;
		text += *text == '+' || *text == '-';
		count = count_digits(text);
		if (!count)
			return false;
		text += count;
	}
	return *text == '\0';
}

static int set_float(struct toml_parser *p, const char *text, bool negative, struct toml_value *value)
{
	double real = strtod(text, NULL);
	if (isinf(real))
		return toml_fail(p, "the number is too large for a float");
	value->type = TOML_FLOAT;
	value->real = negative ? -real : real;
	return 0;
}

static int parse_decimal(struct toml_parser *p, struct bytes token, bool negative, struct toml_value *value)
{
	bool whole = true;
	if (strip(p, token, 10))
		return -1;
	const char *text = buf_text(&p->scratch);
	if (strlen(text) != p->scratch.len || !is_decimal(text, &whole))
		return not_a_number(p, token);
	if (text[0] == '0' && is_digit(text[1]))
		return toml_fail(p, "a number must not begin with 0; octal numbers begin with 0o");
	if (whole)
		return set_integer(p, buf_bytes(&p->scratch), 10, negative, value);
	return set_float(p, text, negative, value);
}

int toml_parse_number(struct toml_parser *p, struct bytes token, struct toml_value *value)
{
	bool sign = token.data[0] == '+' || token.data[0] == '-';
	bool negative = token.data[0] == '-';
	struct bytes body = bytes_of(token.data + sign, token.len - sign);
	if (bytes_equal_text(body, "inf") || bytes_equal_text(body, "nan")) {
		value->type = TOML_FLOAT;
		value->real = copysign(body.data[0] == 'i' ? HUGE_VAL : (double)NAN, negative ? -1.0 : 1.0);
		return 0;
	}
	bool prefixed = body.len >= 2 && body.data[0] == '0' && memchr("xob", body.data[1], 3);
	if (prefixed && sign)
		return toml_fail(p, "a number that begins with 0%c cannot have a sign", body.data[1]);
	return prefixed ? parse_prefixed(p, body, value) : parse_decimal(p, body, negative, value);
}
