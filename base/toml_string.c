/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TOML: strings in one and in three quotes, basic (") and literal (').
 *
 * The text is the operator's, or the host's who poses as him; it is valid UTF-8
 * (checked for the whole document). A string must never run on over a lost quote
 * unnoticed: the message names the line where it began. CRLF inside a string in
 * three quotes is read as LF, so that an editor's habit does not change a value.
 */
#include <string.h>

#include "base/toml_parts.h"
#include "base/utf8.h"

struct quoted {
	struct toml_parser *p;
	char quote;
	bool lines;    /* in three quotes */
	unsigned line; /* where it began */
};

static int add(struct quoted *q, struct bytes text)
{
	return buf_append(&q->p->scratch, text, q->p->err);
}

static int hex_value(int c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* \uXXXX and \UXXXXXXXX; the cursor stands behind the letter. */
static int add_unicode(struct quoted *q, int digits)
{
	uint32_t scalar = 0;
	uint8_t bytes[UTF8_MAX];
	for (int i = 0; i < digits; i++, q->p->at++) {
		int digit = hex_value(toml_peek(q->p));
		if (digit < 0)
			return toml_fail(q->p, "'\\%c' needs %d hexadecimal digits", digits == 4 ? 'u' : 'U', digits);
		scalar = scalar << 4 | (uint32_t)digit;
	}
	size_t len = utf8_encode(scalar, bytes);
	if (!len)
		return toml_fail(q->p, "U+%04X is no Unicode letter: surrogates and values above U+10FFFF are not",
				 scalar);
	return add(q, bytes_of(bytes, len));
}

/* A backslash at the end of a line: the line end and all white space behind go.
 * False if it is none; the cursor stands behind the backslash. */
static bool skip_folded(struct toml_parser *p)
{
	struct toml_parser before = *p;
	toml_skip_blanks(p);
	if (!toml_take_newline(p)) {
		*p = before;
		return false;
	}
	do
		toml_skip_blanks(p);
	while (toml_take_newline(p));
	return true;
}

static int add_escape(struct quoted *q)
{
	static const char from[] = "btnfr\"\\";
	static const char to[] = "\b\t\n\f\r\"\\";
	if (q->lines && skip_folded(q->p))
		return 0;
	int c = toml_peek(q->p);
	const char *simple = c > 0 ? strchr(from, c) : NULL;
	if (simple) {
		q->p->at++;
		return add(q, bytes_of(&to[simple - from], 1));
	}
	if (toml_take(q->p, 'u'))
		return add_unicode(q, 4);
	if (toml_take(q->p, 'U'))
		return add_unicode(q, 8);
	return toml_fail(q->p, "unknown escape in a string: write '\\\\' for a backslash, or use '...'");
}

static bool is_plain(const struct quoted *q, uint8_t c)
{
	if (c == (uint8_t)q->quote || (c == '\\' && q->quote == '"'))
		return false;
	return (c >= 0x20 && c != 0x7f) || c == '\t';
}

/* Quotes inside a string in three of them: up to two are content, also right before
 * the closing three. Sets *ret_closed behind the latter. */
static int add_quotes(struct quoted *q, bool *ret_closed)
{
	size_t count = 0;
	while (count < 5 && toml_take(q->p, q->quote))
		count++;
	*ret_closed = count >= 3;
	return add(q, bytes_of(q->p->at - count, *ret_closed ? count - 3 : count));
}

static int lost_quote(struct quoted *q)
{
	unsigned here = q->p->line;
	q->p->line = q->line;
	if (!q->lines)
		return toml_fail(q->p, "the closing %c is missing at the end of the line", q->quote);
	return toml_fail(q->p, "the closing %c%c%c is missing; the text ends in line %u", q->quote, q->quote, q->quote,
			 here);
}

/* What is neither plain nor a quote. */
static int add_special(struct quoted *q)
{
	if (q->p->at == q->p->end)
		return lost_quote(q);
	if (q->quote == '"' && toml_take(q->p, '\\'))
		return add_escape(q);
	uint8_t c = *q->p->at;
	if (toml_take_newline(q->p))
		return q->lines ? add(q, bytes_of("\n", 1)) : lost_quote(q);
	return toml_fail(q->p, "a control character (0x%02x) stands in a string: write '\\u%04X' in \"...\"", c, c);
}

static int read_quoted(struct quoted *q)
{
	struct toml_parser *p = q->p;
	for (bool closed = false; !closed;) {
		const uint8_t *from = p->at;
		while (p->at < p->end && is_plain(q, *p->at))
			p->at++;
		if (add(q, bytes_of(from, (size_t)(p->at - from))))
			return -1;
		if (toml_peek(p) != q->quote) {
			if (add_special(q))
				return -1;
		} else if (q->lines) {
			if (add_quotes(q, &closed))
				return -1;
		} else {
			p->at++;
			closed = true;
		}
	}
	return 0;
}

int toml_parse_string(struct toml_parser *p, bool lines, struct bytes *ret_text)
{
	struct quoted q = { .p = p, .quote = (char)*p->at, .line = p->line };
	const char three[] = { q.quote, q.quote, q.quote };
	q.lines = p->end - p->at >= 3 && memcmp(p->at, three, 3) == 0;
	if (q.lines && !lines)
		return toml_fail(p, "a key cannot stand in three quotes: use one");
	p->at += q.lines ? 3 : 1;
	if (q.lines)
		(void)toml_take_newline(p); /* one right behind the opening quotes does not count */
	p->scratch.len = 0;
	if (read_quoted(&q))
		return -1;
	*ret_text = toml_copy(p->doc, buf_bytes(&p->scratch));
	return ret_text->data ? 0 : toml_no_memory(p);
}
