/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the TOML reader share; for nobody else.
 */
#ifndef SEALPOD_BASE_TOML_PARTS_H
#define SEALPOD_BASE_TOML_PARTS_H

#include "base/toml.h"

/* How a table or array came to be: it decides who may still add to it. */
enum toml_made {
	TOML_BY_VALUE,	/* right of a '=': closed, nobody may add */
	TOML_BY_PATH,	/* a parent that a [header] implies: may still be defined */
	TOML_BY_HEADER, /* [table] and [[array]] */
	TOML_BY_DOTS,	/* a parent that a dotted key implies */
};

struct toml_value {
	enum toml_type type : 8;
	enum toml_made made : 8;
	unsigned depth : 16; /* of the root: 0 */
	unsigned line;
	struct bytes key;
	struct toml_value *parent;
	struct toml_value *next;
	union {
		struct {
			struct toml_value *first;
			struct toml_value *last;
		} children;	   /* array, table */
		struct bytes text; /* string, dates and times */
		int64_t integer;
		double real;
		bool truth;
	};
};

/* A key as written: the parts between the dots. */
struct toml_key {
	struct bytes parts[TOML_MAX_DEPTH];
	size_t count;
};

struct toml_parser {
	struct toml_doc *doc;
	const uint8_t *at;
	const uint8_t *end;
	unsigned line;
	struct toml_value *table;	/* of the current [section] */
	const struct toml_value *where; /* the key being read, for messages; NULL when not known */
	struct buf scratch;		/* text of the string or number being read */
	struct err *err;
};

/* ---- toml.c: the tree ---- */

struct toml_doc *toml_new_doc(void); /* NULL when memory is short */
struct toml_value *toml_own_root(struct toml_doc *doc);
void toml_drop_index(struct toml_doc *doc);

/* A copy in the document's memory; data is NULL when memory is short. */
struct bytes toml_copy(struct toml_doc *doc, struct bytes text);

/* A new last child of a table or array; key.data is NULL for an array's. The key must
 * be new to its table. NULL when memory is short. */
struct toml_value *toml_append(struct toml_doc *doc, struct toml_value *parent, struct bytes key);

/* As toml_member(), but by the index, hence before toml_drop_index() only. */
struct toml_value *toml_find(const struct toml_doc *doc, const struct toml_value *table, struct bytes key);

/* ---- toml_fail.c ---- */

/* "line N: key 'a.b': …", ERR_CONFIG. Returns -1. */
int toml_fail(struct toml_parser *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
int toml_no_memory(struct toml_parser *p);

/* A piece of the text for a message: cut where too long, without NULs. */
#define TOML_QUOTE_MAX 48
struct toml_quote {
	char text[TOML_QUOTE_MAX + 4];
};
struct toml_quote toml_quote(struct bytes text);

/* ---- toml_parse.c: cursor, keys, tables ---- */

int toml_peek(const struct toml_parser *p); /* the byte at the cursor, -1 at the end */
bool toml_take(struct toml_parser *p, char wanted);
void toml_skip_blanks(struct toml_parser *p); /* spaces and tabs */

/* A line end, if there is one here. */
bool toml_take_newline(struct toml_parser *p);

/* Blanks, line ends and comments. */
int toml_skip_lines(struct toml_parser *p) WARN_UNUSED;

/* `key = value` into `table`. */
int toml_parse_pair(struct toml_parser *p, struct toml_value *table) WARN_UNUSED;

/* A new child, with the depth checked. `made` is of interest for tables and arrays. */
int toml_new(struct toml_parser *p, struct toml_value *parent, struct bytes key, enum toml_type type,
	     enum toml_made made, struct toml_value **ret_value) WARN_UNUSED;

/* ---- toml_value.c, toml_string.c, toml_number.c, toml_time.c: right of the '=' ---- */

/* Fills `value` (with its type) from the text at the cursor. */
int toml_parse_value(struct toml_parser *p, struct toml_value *value) WARN_UNUSED;

/* A string at the cursor, which stands on a quote. `lines`: may it be one in three quotes? */
int toml_parse_string(struct toml_parser *p, bool lines, struct bytes *ret_text) WARN_UNUSED;

/* `token` is a bare word, not empty. */
int toml_parse_number(struct toml_parser *p, struct bytes token, struct toml_value *value) WARN_UNUSED;
bool toml_is_time(struct bytes token);
int toml_parse_time(struct toml_parser *p, struct bytes token, struct toml_value *value) WARN_UNUSED;

#endif
