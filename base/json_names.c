/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The names of an object's members: their order and the check for duplicates.
 *
 * Hostile names in hostile numbers: an object of 100 000 names must not cost
 * their square, so duplicates are found by sorting. The order is that of
 * RFC 8785, since the canonical form needs one and any serves for duplicates.
 * Names are decoded here: "a" and "\u0061" are the same name.
 */
#include "base/json_parts.h"

/* UTF-8 and UTF-16 sort alike, but for one thing: U+E000 to U+FFFF come behind the
 * surrogates, hence behind everything above them. */
static unsigned weight(unsigned char c)
{
	return c == 0xee || c == 0xef ? c + 0x10u : c;
}

int json_compare_names(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	unsigned left = weight((unsigned char)*a);
	unsigned right = weight((unsigned char)*b);
	return (left > right) - (left < right);
}

static int compare_members(const void *a, const void *b)
{
	const struct json *const *left = a;
	const struct json *const *right = b;
	return json_compare_names(json_name(*left), json_name(*right));
}

int json_sort_members(const struct json *object, const struct json ***ret_members, struct err *err)
{
	size_t count = json_count(object);
	const struct json **members = calloc(count + 1, sizeof(*members));
	if (!members)
		return err_set(err, ERR_SYSTEM, "out of memory for the names of a JSON object");
	size_t i = 0;
	for (const struct json *m = json_first(object); m; m = json_next(m))
		members[i++] = m;
	qsort(members, count, sizeof(*members), compare_members);
	*ret_members = members;
	return 0;
}

static int check_object(const struct json *object, struct err *err)
{
	OWNED_MEM const struct json **members = NULL;
	if (json_sort_members(object, &members, err))
		return -1;
	size_t count = json_count(object);
	for (size_t i = 1; i < count; i++)
		if (compare_members(&members[i - 1], &members[i]) == 0)
			return err_set(err, ERR_PROTOCOL, "not valid JSON: the member '%.100s' stands there twice",
				       json_name(members[i]));
	return 0;
}

int json_check_duplicates(const struct json *value, struct err *err)
{
	if (json_type(value) == JSON_OBJECT && check_object(value, err))
		return -1;
	for (const struct json *child = json_first(value); child; child = json_next(child))
		if (json_check_duplicates(child, err))
			return -1;
	return 0;
}
