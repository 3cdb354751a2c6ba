/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TOML: dates and times, of RFC 3339 with the local forms.
 *
 * The text is the operator's, or the host's who poses as him. Only dates that
 * exist pass. The value is kept as text in one spelling: 'T' between, 'Z'
 * in upper case, at most nine digits of a second (more are cut, as the
 * specification says).
 */
#include <stdio.h>
#include <string.h>

#include "base/toml_parts.h"

#define FRACTION_MAX 9
#define TEXT_MAX 48

struct clock_text {
	struct toml_parser *p;
	const uint8_t *at;
	const uint8_t *end;
	char out[TEXT_MAX];
	size_t len;
};

static bool is_digit(int c)
{
	return c >= '0' && c <= '9';
}

static int peek(const struct clock_text *t)
{
	return t->at < t->end ? *t->at : -1;
}

static void emit(struct clock_text *t, char c)
{
	/* All forms are shorter than TEXT_MAX; this is for those who change them. */
	if (t->len < sizeof(t->out))
		t->out[t->len++] = c;
}

/* Exactly `count` digits, with a value in the range. */
static bool take_number(struct clock_text *t, int count, int from, int to, int *ret_value)
{
	int value = 0;
	for (int i = 0; i < count; i++, t->at++) {
		if (!is_digit(peek(t)))
			return false;
		value = value * 10 + *t->at - '0';
		emit(t, (char)*t->at);
	}
	*ret_value = value;
	return value >= from && value <= to;
}

static bool take_mark(struct clock_text *t, char mark)
{
	if (peek(t) != mark)
		return false;
	t->at++;
	emit(t, mark);
	return true;
}

static int days_in(int year, int month)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
	return days[month - 1] + (month == 2 && leap);
}

static int read_date(struct clock_text *t)
{
	int year = 0;
	int month = 0;
	int day = 0;
	bool good = take_number(t, 4, 0, 9999, &year) && take_mark(t, '-') && take_number(t, 2, 1, 12, &month) &&
		    take_mark(t, '-') && take_number(t, 2, 1, 31, &day);
	if (!good)
		return toml_fail(t->p, "not a date: write it as YYYY-MM-DD");
	if (day > days_in(year, month))
		return toml_fail(t->p, "there is no day %d in month %d of %d", day, month, year);
	return 0;
}

static bool take_fraction(struct clock_text *t)
{
	if (!take_mark(t, '.'))
		return true;
	if (!is_digit(peek(t)))
		return false;
	for (int i = 0; is_digit(peek(t)); i++, t->at++)
		if (i < FRACTION_MAX)
			emit(t, (char)*t->at);
	return true;
}

/* Second 60 is a leap second. */
static int read_time(struct clock_text *t)
{
	int ignored = 0;
	bool good = take_number(t, 2, 0, 23, &ignored) && take_mark(t, ':') && take_number(t, 2, 0, 59, &ignored) &&
		    take_mark(t, ':') && take_number(t, 2, 0, 60, &ignored) && take_fraction(t);
	return good ? 0 : toml_fail(t->p, "not a time: write it as HH:MM:SS");
}

static int read_offset(struct clock_text *t)
{
	int ignored = 0;
	if (peek(t) == 'Z' || peek(t) == 'z') {
		t->at++;
		emit(t, 'Z');
		return 0;
	}
	bool good = (take_mark(t, '+') || take_mark(t, '-')) && take_number(t, 2, 0, 23, &ignored) &&
		    take_mark(t, ':') && take_number(t, 2, 0, 59, &ignored);
	return good ? 0 : toml_fail(t->p, "not an offset from UTC: write Z, +HH:MM or -HH:MM");
}

static int read_date_and_rest(struct clock_text *t, enum toml_type *ret_type)
{
	if (read_date(t))
		return -1;
	*ret_type = TOML_DATE_LOCAL;
	if (peek(t) < 0)
		return 0;
	if (!memchr("Tt ", *t->at, 3))
		return toml_fail(t->p, "behind a date, T and a time may stand, nothing else");
	t->at++;
	emit(t, 'T');
	if (read_time(t))
		return -1;
	*ret_type = TOML_DATETIME_LOCAL;
	if (peek(t) < 0)
		return 0;
	*ret_type = TOML_DATETIME;
	return read_offset(t);
}

bool toml_is_time(struct bytes token)
{
	size_t digits = 0;
	while (digits < token.len && is_digit(token.data[digits]))
		digits++;
	return digits > 0 && digits < token.len && (token.data[digits] == '-' || token.data[digits] == ':');
}

int toml_parse_time(struct toml_parser *p, struct bytes token, struct toml_value *value)
{
	struct clock_text t = { .p = p, .at = token.data, .end = token.data + token.len };
	enum toml_type type = TOML_TIME_LOCAL;
	bool clock = token.len >= 3 && memchr(token.data, ':', 3);
	if (clock ? read_time(&t) : read_date_and_rest(&t, &type))
		return -1;
	if (t.at != t.end)
		return toml_fail(p, "the date or time goes on with '%s', which has no meaning there",
				 toml_quote(bytes_of(t.at, (size_t)(t.end - t.at))).text);
	struct bytes text = toml_copy(p->doc, bytes_of(t.out, t.len));
	if (!text.data)
		return toml_no_memory(p);
	value->type = type;
	value->text = text;
	return 0;
}
