/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/json: any bytes in. What is accepted must be printed, read again and
 * printed the same; each member must be found under its name; the strict scan
 * and cJSON must agree (cJSON fails for want of memory only).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_LEN (1u << 16)

static void expect(bool truth, const char *what)
{
	if (truth)
		return;
	(void)fprintf(stderr, "broken: %s\n", what);
	abort();
}

static void check_members(const struct json *value)
{
	for (const struct json *c = json_first(value); c; c = json_next(c)) {
		if (json_type(value) == JSON_OBJECT)
			expect(json_member(value, json_name(c)) == c, "a member is not found under its name");
		check_members(c);
	}
}

typedef int print_fn(const struct json *value, struct buf *out, struct err *err);

static void check_round_trip(const struct json *doc, print_fn *print, bool may_refuse)
{
	struct err err = { 0 };
	OWNED_BUF struct buf first = BUF_INIT(8 * MAX_LEN);
	OWNED_BUF struct buf second = BUF_INIT(8 * MAX_LEN);
	OWNED_JSON struct json *again = NULL;
	if (print(doc, &first, &err)) {
		expect(may_refuse && first.len == 0, "a document that was read cannot be printed");
		return;
	}
	expect(json_parse(buf_bytes(&first), SIZE_MAX, &again, &err) == 0, "what was printed is refused");
	expect(print(again, &second, &err) == 0, "the second print fails");
	expect(bytes_equal(buf_bytes(&first), buf_bytes(&second)), "the second print differs");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err err = { 0 };
	OWNED_JSON struct json *doc = NULL;
	if (json_parse(bytes_of(data, size), MAX_LEN, &doc, &err)) {
		expect(!doc && err.message[0], "a failure without message, or with a document");
		expect(err.code == ERR_PROTOCOL, err.message);
		return 0;
	}
	check_members(doc);
	check_round_trip(doc, json_print, false);
	check_round_trip(doc, json_print_canonical, true);
	return 0;
}
