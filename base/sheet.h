/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a verb shows: named values in sections, written for people (an aligned table) or for
 * machines (one JSON object) by the same calls.
 *
 * The calls return nothing: the first failure is kept, what follows does nothing, and
 * sheet_print() reports it. Text from outside is shown with '.' for each byte that is no
 * printable ASCII, and no control byte of any text stands in the table: it cannot drive a terminal.
 */
#ifndef SEALPOD_BASE_SHEET_H
#define SEALPOD_BASE_SHEET_H

#include "base/json.h"

#define SHEET_DEPTH 8
#define SHEET_MAX (64u << 20) /* bytes of output */

struct sheet {
	bool for_machines;
	struct json *document;		 /* for machines */
	struct json *stack[SHEET_DEPTH]; /* the objects and arrays that are open in it */
	struct buf text;		 /* for people */
	unsigned indent[SHEET_DEPTH];	 /* of its rows; a section without a heading is no deeper */
	unsigned depth;
	bool failed;
	struct err err;
};

void sheet_start(struct sheet *sheet, bool for_machines);
void sheet_done(struct sheet *sheet);

/* A section: an object in JSON, a heading and deeper rows in the table. */
void sheet_begin(struct sheet *sheet, const char *key, const char *heading);
/* An array of objects; each of its elements is opened by sheet_begin() with a `key` of NULL. */
void sheet_begin_list(struct sheet *sheet, const char *key, const char *heading);
void sheet_end(struct sheet *sheet);

/* Rows. `key` is the member's name, `label` stands in the table; either is NULL where the row is
 * not for that reader. */
void sheet_text(struct sheet *sheet, const char *key, const char *label, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
void sheet_number(struct sheet *sheet, const char *key, const char *label, uint64_t value);
void sheet_bool(struct sheet *sheet, const char *key, const char *label, bool value);
void sheet_hex(struct sheet *sheet, const char *key, const char *label, struct bytes bytes);
void sheet_foreign(struct sheet *sheet, const char *key, const char *label, struct bytes text);
/* Foreign texts: a list in JSON, one row in the table; nothing where there is none. */
void sheet_texts(struct sheet *sheet, const char *key, const char *label, char *const *texts, size_t count);
/* A value as it is in JSON, its JSON text in the table. NULL: nothing. */
void sheet_json(struct sheet *sheet, const char *key, const char *label, const struct json *value);

/* Bits with names: all of them in JSON; in the table the raw value and the words that hold. */
struct sheet_bit {
	const char *key;
	bool value;
	const char *words_set;	 /* NULL: not worth a word */
	const char *words_clear; /* likewise */
};

void sheet_bits(struct sheet *sheet, const char *key, const char *label, uint64_t raw, const struct sheet_bit *bits,
		size_t count, uint64_t unknown);

/* Appends the whole to `out`, or says the first failure. */
int sheet_write(struct sheet *sheet, struct buf *out, struct err *err) WARN_UNUSED;

/* The same to standard output. */
int sheet_print(struct sheet *sheet, struct err *err) WARN_UNUSED;

#endif
