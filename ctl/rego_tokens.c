/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cutting a Rego text into words. The text may be anybody's: each byte is looked at once, nothing is
 * allocated, and brackets are counted, not followed.
 */
#include "ctl/rego_tokens.h"

#include <string.h>

static bool is_digit(uint8_t byte)
{
	return byte >= '0' && byte <= '9';
}

static bool begins_name(uint8_t byte)
{
	return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte == '_';
}

static uint8_t byte_at(struct bytes text, size_t i)
{
	return i < text.len ? text.data[i] : 0;
}

static void cut(struct rego_words *words, size_t len)
{
	for (size_t i = 0; i < len; i++)
		words->line += words->rest.data[i] == '\n';
	words->rest = bytes_of(words->rest.data + len, words->rest.len - len);
}

/* Blanks, line ends and comments in front of the next word. */
static size_t gap_len(struct bytes rest)
{
	size_t len = 0;
	while (len < rest.len && memchr(" \t\r\n#", rest.data[len], 5)) {
		if (rest.data[len] != '#') {
			len++;
			continue;
		}
		const uint8_t *end = memchr(rest.data + len, '\n', rest.len - len);
		len = end ? (size_t)(end - rest.data) : rest.len;
	}
	return len;
}

static size_t name_len(struct bytes rest)
{
	size_t len = 0;
	while (len < rest.len && (begins_name(rest.data[len]) || is_digit(rest.data[len])))
		len++;
	return len;
}

/* A '.' behind digits is the number's, whether or not digits follow: no name stands behind it as a field. */
static size_t number_len(struct bytes rest)
{
	size_t len = 0;
	while (is_digit(byte_at(rest, len)))
		len++;
	if (byte_at(rest, len) == '.')
		len++;
	while (is_digit(byte_at(rest, len)))
		len++;
	if ((byte_at(rest, len) | 0x20) != 'e')
		return len;
	size_t sign = byte_at(rest, len + 1) == '+' || byte_at(rest, len + 1) == '-';
	if (!is_digit(byte_at(rest, len + 1 + sign)))
		return len;
	len += 1 + sign;
	while (is_digit(byte_at(rest, len)))
		len++;
	return len;
}

/* With both quotes. One without its end goes as far as it could have: nothing is read twice. */
static enum rego_kind text_at(struct bytes rest, size_t *ret_len)
{
	uint8_t quote = rest.data[0];
	size_t i = 1;
	while (i < rest.len && rest.data[i] != quote && !(quote == '"' && rest.data[i] == '\n'))
		i += quote == '"' && rest.data[i] == '\\' && byte_at(rest, i + 1) != '\n' ? 2 : 1;
	bool ends = byte_at(rest, i) == quote;
	*ret_len = i + ends < rest.len ? i + ends : rest.len;
	return ends ? REGO_TEXT : REGO_STRANGE;
}

static size_t sign_len(struct bytes rest)
{
	uint8_t first = rest.data[0];
	return byte_at(rest, 1) == '=' && memchr(":=!<>", first, 5) ? 2 : 1;
}

static enum rego_kind kind_of(struct bytes rest, size_t *ret_len)
{
	uint8_t first = rest.data[0];
	*ret_len = 1;
	if (begins_name(first)) {
		*ret_len = name_len(rest);
		return REGO_NAME;
	}
	if (is_digit(first)) {
		*ret_len = number_len(rest);
		return REGO_NUMBER;
	}
	if (first == '"' || first == '`')
		return text_at(rest, ret_len);
	if (first != 0 && strchr("([{", first))
		return REGO_OPEN;
	if (first != 0 && strchr(")]}", first))
		return REGO_CLOSE;
	*ret_len = sign_len(rest);
	return first != 0 && strchr(":=!<>+-*/%&|.,;", first) ? REGO_SIGN : REGO_STRANGE;
}

void rego_words_next(struct rego_words *words)
{
	size_t gap = gap_len(words->rest), len;
	words->before = words->now;
	cut(words, gap);
	words->now = (struct rego_token){ .line = words->line, .depth = words->depth, .glued = gap == 0 };
	if (words->rest.len == 0)
		return;
	words->now.kind = kind_of(words->rest, &len);
	words->now.text = bytes_of(words->rest.data, len);
	if (words->now.kind == REGO_NAME && words->now.glued && rego_is(&words->before, "."))
		words->now.kind = REGO_FIELD;
	if (words->now.kind == REGO_OPEN)
		words->depth++;
	if (words->now.kind == REGO_CLOSE && words->depth > 0)
		words->now.depth = --words->depth;
	cut(words, len);
}

void rego_words_start(struct rego_words *words, struct bytes text)
{
	*words = (struct rego_words){ .rest = text, .line = 1 };
	rego_words_next(words);
}

bool rego_is(const struct rego_token *token, const char *text)
{
	return (token->kind == REGO_NAME || token->kind == REGO_OPEN || token->kind == REGO_CLOSE ||
		token->kind == REGO_SIGN) &&
	       bytes_equal_text(token->text, text);
}
