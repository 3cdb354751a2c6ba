/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the JSON reader and writer share; for nobody else.
 * cJSON itself stays inside json.c.
 */
#ifndef SEALPOD_BASE_JSON_PARTS_H
#define SEALPOD_BASE_JSON_PARTS_H

#include "base/json.h"

/* Largest integer that no other integer is rounded to in a double, 2^53 - 1. */
#define JSON_MAX_INTEGER 9007199254740991.0

/* Longest number literal: cJSON reads 63 bytes of one and then stops quietly. */
#define JSON_MAX_NUMBER_LEN 60

/* Checks everything that cJSON would let pass, and all that it would not, duplicate
 * names apart: after this, cJSON can fail for want of memory only. *ret_wide: is there an
 * integer beyond JSON_MAX_INTEGER, which a double rounds? */
int json_scan(struct bytes text, bool *ret_wide, struct err *err) WARN_UNUSED;

/* Takes the next number literal off the front of a text that passed json_scan(); empty at its end. */
struct bytes json_take_number(struct bytes *text);

/* Is this number literal an integer beyond JSON_MAX_INTEGER? */
bool json_is_wide(struct bytes literal);

/* For values of those types only. */
double json_number_of(const struct json *value);
const char *json_wide_of(const struct json *value); /* the digits of a wide integer, NULL for other numbers */
bool json_bool_of(const struct json *value);

/* Order by UTF-16 code units, as RFC 8785 section 3.2.3 wants it; 0 for equal names only. */
int json_compare_names(const char *a, const char *b);

/* Members of an object in that order, as an array of json_count(object) pointers
 * which the caller frees. */
int json_sort_members(const struct json *object, const struct json ***ret_members, struct err *err) WARN_UNUSED;

/* Refuses a name that stands twice in one object, anywhere below `value`. */
int json_check_duplicates(const struct json *value, struct err *err) WARN_UNUSED;

#endif
