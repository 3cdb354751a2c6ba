/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TOML 1.0 reader (toml.io/en/v1.0.0), complete, with the line and key of every
 * error.
 *
 * Input is at most TOML_MAX_BYTES, nesting at most TOML_MAX_DEPTH. Unlike JSON,
 * everything here may be a mistake of the operator's own: messages say
 * "line N: key 'a.b': …" and what to write instead. Errors are ERR_CONFIG (and
 * ERR_SYSTEM when memory is short). CRLF inside strings is read as LF.
 */
#ifndef SEALPOD_BASE_TOML_H
#define SEALPOD_BASE_TOML_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

#define TOML_MAX_BYTES (1024u * 1024u)
#define TOML_MAX_DEPTH 32

enum toml_type {
	TOML_STRING,
	TOML_INTEGER,
	TOML_FLOAT,
	TOML_BOOL,
	TOML_DATETIME, /* offset date-time */
	TOML_DATETIME_LOCAL,
	TOML_DATE_LOCAL,
	TOML_TIME_LOCAL,
	TOML_ARRAY,
	TOML_TABLE,
};

struct toml_value; /* borrowed: lives as long as the document */
struct toml_doc;

int toml_parse(struct bytes text, struct toml_doc **ret_doc, struct err *err) WARN_UNUSED;
void toml_free(struct toml_doc *doc);
void toml_cleanup(struct toml_doc **doc);
#define OWNED_TOML CLEANUP(toml_cleanup)

const struct toml_value *toml_root(const struct toml_doc *doc);

enum toml_type toml_type(const struct toml_value *value);
const char *toml_type_name(enum toml_type type);    /* "string", "integer", … */
unsigned toml_line(const struct toml_value *value); /* where its key, header or element stands, from 1 */

/* Each must be called for a value of its type. Strings may hold NULs (\u0000). */
struct bytes toml_string(const struct toml_value *value);
int64_t toml_integer(const struct toml_value *value);
double toml_float(const struct toml_value *value);
bool toml_bool(const struct toml_value *value);
struct bytes toml_datetime(const struct toml_value *value); /* any of the four, as RFC 3339 text, checked */

/* Tables and arrays: children in order of the file; none in other values.
 * toml_member() walks through them: to check all keys of a table, walk yourself. */
const struct toml_value *toml_member(const struct toml_value *table, struct bytes key);
const struct toml_value *toml_first(const struct toml_value *value);
const struct toml_value *toml_next(const struct toml_value *value);
struct bytes toml_key(const struct toml_value *value); /* empty for elements of arrays */

/* The writing half: a basic string on one line, with its quotation marks and escapes, appended to `out`. The text must be
 * UTF-8, as all of a document must. */
int toml_write_string(struct bytes text, struct buf *out, struct err *err) WARN_UNUSED;

#endif
