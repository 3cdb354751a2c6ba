/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TOML: what stands right of a '=': arrays, inline tables, and the choice among
 * the scalars, each of which has a file of its own.
 *
 * The text is the operator's, or the host's who poses as him. Recursion is
 * bounded by TOML_MAX_DEPTH, which toml_new() checks. The commonest mistake is
 * text without quotes; it must be met with advice.
 */
#include <string.h>
#include <strings.h>

#include "base/toml_parts.h"

static int parse_element(struct toml_parser *p, struct toml_value *array)
{
	struct toml_value *element = NULL;
	if (toml_new(p, array, bytes_of(NULL, 0), TOML_STRING, TOML_BY_VALUE, &element))
		return -1;
	p->where = element;
	if (toml_parse_value(p, element))
		return -1;
	p->where = array;
	return 0;
}

/* The cursor stands behind the bracket. */
static int parse_array(struct toml_parser *p, struct toml_value *array)
{
	array->type = TOML_ARRAY;
	for (;;) {
		if (toml_skip_lines(p))
			return -1;
		if (toml_take(p, ']'))
			return 0;
		if (parse_element(p, array) || toml_skip_lines(p))
			return -1;
		if (toml_take(p, ']'))
			return 0;
		if (!toml_take(p, ','))
			return toml_fail(p, "',' or ']' is expected in the array");
	}
}

/* The cursor stands behind the brace. TOML 1.0 wants all of it in one line, and no
 * comma behind the last pair. */
static int parse_inline_table(struct toml_parser *p, struct toml_value *table)
{
	table->type = TOML_TABLE;
	toml_skip_blanks(p);
	if (toml_take(p, '}'))
		return 0;
	for (;;) {
		if (toml_parse_pair(p, table))
			return -1;
		p->where = table;
		toml_skip_blanks(p);
		if (toml_take(p, '}'))
			return 0;
		if (!toml_take(p, ','))
			return toml_fail(p, "',' or '}' is expected in the inline table, which must stand in one line");
		toml_skip_blanks(p);
		if (toml_peek(p) == '}')
			return toml_fail(p, "remove the ',' before the '}'");
	}
}

static struct bytes token_at(const struct toml_parser *p)
{
	static const char ends[] = { ' ', '\t', '\r', '\n', ',', ']', '}', '#' };
	const uint8_t *to = p->at;
	while (to < p->end && !memchr(ends, *to, sizeof(ends)))
		to++;
	return bytes_of(p->at, (size_t)(to - p->at));
}

/* A date may have its time behind a space. */
static struct bytes join_date_and_time(const struct toml_parser *p, struct bytes token)
{
	const uint8_t *behind = token.data + token.len;
	bool date = token.len == 10 && token.data[4] == '-' && token.data[7] == '-';
	if (!date || p->end - behind < 2 || behind[0] != ' ' || behind[1] < '0' || behind[1] > '9')
		return token;
	struct toml_parser rest = { .at = behind + 1, .end = p->end };
	return bytes_of(token.data, token.len + 1 + token_at(&rest).len);
}

static bool is_word(struct bytes token, const char *word)
{
	return token.len == strlen(word) && strncasecmp((const char *)token.data, word, token.len) == 0;
}

static int parse_bool(struct toml_parser *p, struct bytes token, struct toml_value *value)
{
	bool truth = is_word(token, "true");
	if (!bytes_equal_text(token, truth ? "true" : "false"))
		return toml_fail(p, "write '%s' in lower case", truth ? "true" : "false");
	value->type = TOML_BOOL;
	value->truth = truth;
	return 0;
}

static bool is_number(struct bytes token)
{
	uint8_t first = token.data[0];
	bool sign = first == '+' || first == '-';
	struct bytes body = bytes_of(token.data + sign, token.len - sign);
	if (bytes_equal_text(body, "inf") || bytes_equal_text(body, "nan"))
		return true;
	return body.len > 0 && ((body.data[0] >= '0' && body.data[0] <= '9') || body.data[0] == '.');
}

static int parse_bare(struct toml_parser *p, struct toml_value *value)
{
	struct bytes token = token_at(p);
	int result = -1;
	if (!token.len)
		return toml_fail(p, "a value is expected here");
	token = join_date_and_time(p, token);
	if (is_word(token, "true") || is_word(token, "false"))
		result = parse_bool(p, token, value);
	else if (toml_is_time(token))
		result = toml_parse_time(p, token, value);
	else if (is_number(token))
		result = toml_parse_number(p, token, value);
	else
		(void)toml_fail(p, "'%s' is no value: put text in quotes", toml_quote(token).text);
	p->at += token.len;
	return result;
}

int toml_parse_value(struct toml_parser *p, struct toml_value *value)
{
	int c = toml_peek(p);
	if (c == '"' || c == '\'') {
		value->type = TOML_STRING;
		return toml_parse_string(p, true, &value->text);
	}
	if (toml_take(p, '['))
		return parse_array(p, value);
	if (toml_take(p, '{'))
		return parse_inline_table(p, value);
	return parse_bare(p, value);
}
