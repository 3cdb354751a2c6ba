/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON (RFC 8259) over cJSON, which nothing else here may call.
 *
 * Reading is stricter than cJSON: the whole input is one value, names are
 * case-sensitive, duplicate names are refused (RFC 8259 section 4 leaves them
 * open; two readers that differ are an attack), depth and size are limited, text
 * must be valid UTF-8 without NUL (raw or \u0000), numbers follow the grammar,
 * and integers must be exact: within 2^53 - 1 either way, beyond which two of them share one
 * double, or wide, up to 2^64 - 1, and then they are kept as they are written. cJSON gets the wiping allocator.
 *
 * Values below a document are borrowed and live as long as the document.
 */
#ifndef SEALPOD_BASE_JSON_H
#define SEALPOD_BASE_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

struct json; /* a value: a document when owned, a part of one when borrowed */

#define JSON_MAX_DEPTH 32

enum json_type { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

/* `text.len` over max_len is refused unread. Errors are ERR_PROTOCOL with the
 * byte offset; callers wrap them with what was read. */
int json_parse(struct bytes text, size_t max_len, struct json **ret_doc, struct err *err) WARN_UNUSED;
void json_free(struct json *doc);
void json_cleanup(struct json **doc);
#define OWNED_JSON CLEANUP(json_cleanup)

enum json_type json_type(const struct json *value);

/* Member of an object; NULL if absent or if `object` is no object. */
const struct json *json_member(const struct json *object, const char *name);

/* Required members: absent or of another type is ERR_PROTOCOL naming the member.
 * Strings are NUL-terminated and contain no other NUL. A number is judged by its
 * value: 1.0 and 1e3 are whole. json_get_u64() takes no wide ones, for most readers of JSON
 * round them. */
int json_get_string(const struct json *object, const char *name, const char **ret_text, struct err *err) WARN_UNUSED;
int json_get_bool(const struct json *object, const char *name, bool *ret_value, struct err *err) WARN_UNUSED;
int json_get_u64(const struct json *object, const char *name, uint64_t *ret_value, struct err *err) WARN_UNUSED;
int json_get_wide(const struct json *object, const char *name, uint64_t *ret_value,
		  struct err *err) WARN_UNUSED; /* up to 2^64 - 1 */
int json_get_object(const struct json *object, const char *name, const struct json **ret_value,
		    struct err *err) WARN_UNUSED;
int json_get_array(const struct json *object, const char *name, const struct json **ret_value,
		   struct err *err) WARN_UNUSED;

/* The value as text, NULL if it is not a string. */
const char *json_text(const struct json *value);

/* Children of an array or object in order: `for (c = json_first(v); c; c = json_next(c))`;
 * json_name() is the member name (NULL in arrays). */
const struct json *json_first(const struct json *value);
const struct json *json_next(const struct json *value);
const char *json_name(const struct json *value);
size_t json_count(const struct json *value);

/* Building. Text must be valid UTF-8, names new to their object, numbers at most
 * 2^53 - 1 (ERR_PROTOCOL otherwise) unless they are added as wide ones, for a reader that is known to take them. The
 * add functions copy `name` and `text`; json_add() takes the value over, also when it fails. A `name` of NULL appends
 * to an array. */
int json_new_object(struct json **ret_doc, struct err *err) WARN_UNUSED;
int json_new_array(struct json **ret_doc, struct err *err) WARN_UNUSED;
int json_add(struct json *parent, const char *name, struct json *value, struct err *err) WARN_UNUSED;
int json_add_object(struct json *parent, const char *name, struct json **ret_child, struct err *err) WARN_UNUSED;
int json_add_array(struct json *parent, const char *name, struct json **ret_child, struct err *err) WARN_UNUSED;
int json_add_string(struct json *parent, const char *name, const char *text, struct err *err) WARN_UNUSED;
int json_add_bool(struct json *parent, const char *name, bool value, struct err *err) WARN_UNUSED;
int json_add_u64(struct json *parent, const char *name, uint64_t value, struct err *err) WARN_UNUSED;
int json_add_wide(struct json *parent, const char *name, uint64_t value, struct err *err) WARN_UNUSED;
int json_add_null(struct json *parent, const char *name, struct err *err) WARN_UNUSED;

/* Compact text appended to `out`, members in insertion order; '/' is not
 * escaped, non-ASCII stays raw UTF-8. `out` is as it was after a failure. */
int json_print(const struct json *value, struct buf *out, struct err *err) WARN_UNUSED;

/* RFC 8785 (JCS): as json_print() with members sorted by UTF-16 code units at each level.
 * Numbers other than integers exact in a double are refused, as RFC 8785 section 3.2.2.3 makes all of them doubles. */
int json_print_canonical(const struct json *value, struct buf *out, struct err *err) WARN_UNUSED;

#endif
