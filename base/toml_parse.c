/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TOML: the text as a whole, line by line: headers, keys, and the rules on who
 * may define which table.
 *
 * The text is the operator's, or the host's who poses as him. What a key or table
 * means must never depend on which of two definitions a reader took; so each is
 * defined once, and the rules are those of the specification, sections "Keys",
 * "Table", "Inline Table" and "Array of Tables". Values: toml_value.c.
 */
#include "base/toml.h"

#include <string.h>

#include "base/toml_parts.h"
#include "base/utf8.h"

/* ---- the cursor ---- */

int toml_peek(const struct toml_parser *p)
{
	return p->at < p->end ? *p->at : -1;
}

bool toml_take(struct toml_parser *p, char wanted)
{
	if (toml_peek(p) != wanted)
		return false;
	p->at++;
	return true;
}

void toml_skip_blanks(struct toml_parser *p)
{
	while (toml_peek(p) == ' ' || toml_peek(p) == '\t')
		p->at++;
}

bool toml_take_newline(struct toml_parser *p)
{
	bool crlf = p->end - p->at >= 2 && p->at[0] == '\r' && p->at[1] == '\n';
	if (!crlf && toml_peek(p) != '\n')
		return false;
	p->at += crlf ? 2 : 1;
	p->line++;
	return true;
}

static bool at_line_end(const struct toml_parser *p)
{
	int c = toml_peek(p);
	return c < 0 || c == '\n' || (c == '\r' && p->end - p->at >= 2 && p->at[1] == '\n');
}

static int skip_comment(struct toml_parser *p)
{
	if (toml_peek(p) != '#')
		return 0;
	for (; !at_line_end(p); p->at++)
		if ((*p->at < 0x20 && *p->at != '\t') || *p->at == 0x7f)
			return toml_fail(p, "a control character (0x%02x) stands in a comment: remove it", *p->at);
	return 0;
}

int toml_skip_lines(struct toml_parser *p)
{
	do {
		toml_skip_blanks(p);
		if (skip_comment(p))
			return -1;
	} while (toml_take_newline(p));
	return 0;
}

/* ---- keys ---- */

static bool is_bare(int c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

static int parse_bare_part(struct toml_parser *p, struct bytes *ret_part)
{
	const uint8_t *from = p->at;
	while (is_bare(toml_peek(p)))
		p->at++;
	if (p->at == from)
		return toml_fail(p, "a key is expected here: letters, digits, '_' and '-'; anything else in quotes");
	*ret_part = toml_copy(p->doc, bytes_of(from, (size_t)(p->at - from)));
	return ret_part->data ? 0 : toml_no_memory(p);
}

static int parse_part(struct toml_parser *p, struct bytes *ret_part)
{
	if (toml_peek(p) == '"' || toml_peek(p) == '\'')
		return toml_parse_string(p, false, ret_part);
	return parse_bare_part(p, ret_part);
}

/* With the blanks around it. */
static int parse_key(struct toml_parser *p, struct toml_key *key)
{
	key->count = 0;
	do {
		if (key->count == TOML_MAX_DEPTH)
			return toml_fail(p, "the key has more than %d parts", TOML_MAX_DEPTH);
		toml_skip_blanks(p);
		if (parse_part(p, &key->parts[key->count]))
			return -1;
		key->count++;
		toml_skip_blanks(p);
	} while (toml_take(p, '.'));
	return 0;
}

/* ---- tables ---- */

int toml_new(struct toml_parser *p, struct toml_value *parent, struct bytes key, enum toml_type type,
	     enum toml_made made, struct toml_value **ret_value)
{
	if (parent->depth == TOML_MAX_DEPTH) {
		(void)toml_fail(p, "tables and arrays are nested deeper than %d levels", TOML_MAX_DEPTH);
		return -1;
	}
	struct toml_value *value = toml_append(p->doc, parent, key);
	if (!value) {
		(void)toml_no_memory(p);
		return -1;
	}
	value->type = type;
	value->made = made;
	value->line = p->line;
	*ret_value = value;
	return 0;
}

/* What `value`, which was found where a table is wanted, is called in a message. */
static const char *describe(const struct toml_value *value)
{
	if (value->type == TOML_TABLE && value->made == TOML_BY_VALUE)
		return "inline table";
	return toml_type_name(value->type);
}

static int refuse(struct toml_parser *p, const struct toml_value *found, const char *advice)
{
	p->where = found;
	return toml_fail(p, "it is defined in line %u already as %s %s; %s", found->line,
			 strchr("aio", *describe(found)) ? "an" : "a", describe(found), advice);
}

/* One step along a [header]'s path: into a table that is there or is made now. */
static int enter_by_header(struct toml_parser *p, struct bytes part, struct toml_value **table)
{
	struct toml_value *found = toml_find(p->doc, *table, part);
	if (!found)
		return toml_new(p, *table, part, TOML_TABLE, TOML_BY_PATH, table);
	if (found->made == TOML_BY_VALUE)
		return refuse(p, found, "a header cannot add to it");
	/* Of an array of tables, the newest is meant. */
	*table = found->type == TOML_ARRAY ? found->children.last : found;
	return 0;
}

static int define_table(struct toml_parser *p, struct toml_value *parent, struct bytes name)
{
	struct toml_value *found = toml_find(p->doc, parent, name);
	if (!found)
		return toml_new(p, parent, name, TOML_TABLE, TOML_BY_HEADER, &p->table);
	if (found->type == TOML_ARRAY && found->made == TOML_BY_HEADER)
		return refuse(p, found, "write [[...]] to append to it");
	if (found->type != TOML_TABLE || found->made != TOML_BY_PATH)
		return refuse(p, found, "define it once");
	found->made = TOML_BY_HEADER;
	found->line = p->line;
	p->table = found;
	return 0;
}

static int define_array(struct toml_parser *p, struct toml_value *parent, struct bytes name)
{
	struct toml_value *array = toml_find(p->doc, parent, name);
	if (!array) {
		if (toml_new(p, parent, name, TOML_ARRAY, TOML_BY_HEADER, &array))
			return -1;
	} else if (array->type != TOML_ARRAY || array->made != TOML_BY_HEADER) {
		return refuse(p, array, "[[...]] cannot append to it");
	}
	return toml_new(p, array, bytes_of(NULL, 0), TOML_TABLE, TOML_BY_HEADER, &p->table);
}

/* [a.b] and [[a.b]] */
static int parse_header(struct toml_parser *p)
{
	struct toml_key key;
	struct toml_value *parent = toml_own_root(p->doc);
	p->table = parent;
	p->at++;
	bool array = toml_take(p, '[');
	if (parse_key(p, &key))
		return -1;
	if (!toml_take(p, ']') || (array && !toml_take(p, ']')))
		return toml_fail(p, "the header must end in '%s'", array ? "]]" : "]");
	for (size_t i = 0; i + 1 < key.count; i++)
		if (enter_by_header(p, key.parts[i], &parent))
			return -1;
	struct bytes name = key.parts[key.count - 1];
	if (array ? define_array(p, parent, name) : define_table(p, parent, name))
		return -1;
	return 0;
}

/* ---- pairs ---- */

/* One step along a dotted key. A table that a [header] defined is closed to dotted
 * keys; one that a header only implied becomes ours. */
static int enter_by_dots(struct toml_parser *p, struct bytes part, struct toml_value **table)
{
	struct toml_value *found = toml_find(p->doc, *table, part);
	if (!found)
		return toml_new(p, *table, part, TOML_TABLE, TOML_BY_DOTS, table);
	if (found->type != TOML_TABLE || found->made == TOML_BY_VALUE || found->made == TOML_BY_HEADER)
		return refuse(p, found, "a dotted key cannot add to it");
	found->made = TOML_BY_DOTS;
	*table = found;
	return 0;
}

int toml_parse_pair(struct toml_parser *p, struct toml_value *table)
{
	struct toml_key key;
	struct toml_value *value = NULL;
	if (parse_key(p, &key))
		return -1;
	for (size_t i = 0; i + 1 < key.count; i++)
		if (enter_by_dots(p, key.parts[i], &table))
			return -1;
	struct bytes name = key.parts[key.count - 1];
	struct toml_value *found = toml_find(p->doc, table, name);
	if (found)
		return refuse(p, found, "define it once");
	if (toml_new(p, table, name, TOML_STRING, TOML_BY_VALUE, &value))
		return -1;
	p->where = value;
	if (!toml_take(p, '='))
		return toml_fail(p, "'=' is expected behind the key");
	toml_skip_blanks(p);
	return toml_parse_value(p, value);
}

/* ---- the whole ---- */

static int parse_line(struct toml_parser *p)
{
	p->where = NULL;
	toml_skip_blanks(p);
	int c = toml_peek(p);
	if (c == '[' && parse_header(p))
		return -1;
	if (c != '[' && c != '#' && !at_line_end(p) && toml_parse_pair(p, p->table))
		return -1;
	toml_skip_blanks(p);
	if (skip_comment(p))
		return -1;
	if (toml_peek(p) == '\r' && !at_line_end(p))
		return toml_fail(p, "a carriage return stands without a line feed: end lines in LF or CRLF");
	if (!at_line_end(p))
		return toml_fail(p, "the line must end here; begin a new line for what follows");
	(void)toml_take_newline(p);
	return 0;
}

static int check_utf8(struct toml_parser *p)
{
	const uint8_t *bad = p->at + utf8_valid_len(bytes_of(p->at, (size_t)(p->end - p->at)));
	if (bad == p->end)
		return 0;
	for (const uint8_t *c = p->at; c < bad; c++)
		p->line += *c == '\n';
	return toml_fail(p, "not valid UTF-8 (byte 0x%02x): save the file as UTF-8", *bad);
}

static int parse_document(struct toml_parser *p)
{
	if (check_utf8(p))
		return -1;
	/* Editors put a byte order mark in front; it means nothing in UTF-8. */
	if (p->end - p->at >= 3 && memcmp(p->at, "\xef\xbb\xbf", 3) == 0)
		p->at += 3;
	while (p->at < p->end)
		if (parse_line(p))
			return -1;
	return 0;
}

int toml_parse(struct bytes text, struct toml_doc **ret_doc, struct err *err)
{
	if (text.len > TOML_MAX_BYTES)
		return err_set(err, ERR_CONFIG, "the TOML text has %zu bytes, more than the %u that are allowed",
			       text.len, TOML_MAX_BYTES);
	OWNED_TOML struct toml_doc *doc = toml_new_doc();
	if (!doc)
		return err_set(err, ERR_SYSTEM, "out of memory for the TOML document");
	const uint8_t *start = text.len ? text.data : (const uint8_t *)"";
	struct toml_parser p = { .doc = doc, .at = start, .end = start + text.len, .line = 1, .err = err };
	p.scratch = (struct buf)BUF_INIT(TOML_MAX_BYTES);
	p.table = toml_own_root(doc);
	int result = parse_document(&p);
	buf_done(&p.scratch);
	if (result)
		return -1;
	toml_drop_index(doc);
	*ret_doc = TAKE_PTR(doc);
	return 0;
}
