/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/json: what is read, what is refused with which words, building and both
 * printed forms.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above */
#include <cmocka.h>

#include "base/digest.h"
#include "base/encode.h"
#include "base/json.h"

#define MAX_LEN (8u << 20)

static struct json *must_parse(struct bytes text)
{
	struct err err = { 0 };
	struct json *doc = NULL;
	if (json_parse(text, MAX_LEN, &doc, &err))
		fail_msg("refused: %s", err.message);
	return doc;
}

static struct json *must_parse_text(const char *text)
{
	return must_parse(bytes_of_text(text));
}

/* A copy without a NUL behind it, so that the sanitizers see a read past the end. */
static void assert_refused(const char *text, size_t len, const char *message)
{
	struct err err = { 0 };
	struct json *doc = NULL;
	OWNED_MEM char *exact = malloc(len ? len : 1);
	assert_non_null(exact);
	memcpy(exact, text, len);
	if (json_parse(bytes_of(exact, len), MAX_LEN, &doc, &err) == 0)
		fail_msg("accepted: %s", text);
	assert_null(doc);
	assert_int_equal(err.code, ERR_PROTOCOL);
	assert_string_equal(err.message, message);
}

static void reads_each_type(void **state)
{
	(void)state;
	OWNED_JSON struct json *doc = must_parse_text(
		" {\"n\":null, \"t\":true, \"f\":false, \"i\":9007199254740991, \"s\":\"\\u20ac\\ud83d\\ude00\\n/\", "
		"\"a\":[1,2,3], \"o\":{\"T\":1.0}}\r\n\t");
	struct err err = { 0 };
	bool truth = false;
	uint64_t number = 0;
	const char *text = NULL;
	const struct json *value = NULL;
	assert_int_equal(json_type(json_member(doc, "n")), JSON_NULL);
	assert_int_equal(json_get_bool(doc, "t", &truth, &err), 0);
	assert_true(truth);
	assert_int_equal(json_get_bool(doc, "f", &truth, &err), 0);
	assert_false(truth);
	assert_int_equal(json_get_u64(doc, "i", &number, &err), 0);
	assert_true(number == 9007199254740991u);
	assert_int_equal(json_get_string(doc, "s", &text, &err), 0);
	assert_string_equal(text, "\xe2\x82\xac\xf0\x9f\x98\x80\n/");
	assert_int_equal(json_get_array(doc, "a", &value, &err), 0);
	assert_int_equal(json_count(value), 3);
	assert_null(json_name(json_first(value)));
	assert_int_equal(json_get_object(doc, "o", &value, &err), 0);
	assert_int_equal(json_get_u64(value, "T", &number, &err), 0);
	assert_true(number == 1);
}

static void names_are_case_sensitive(void **state)
{
	(void)state;
	OWNED_JSON struct json *doc = must_parse_text("{\"Nonce\":1,\"nonce\":\"x\"}");
	assert_int_equal(json_type(json_member(doc, "nonce")), JSON_STRING);
	assert_null(json_member(doc, "NONCE"));
}

static void children_come_in_order(void **state)
{
	(void)state;
	OWNED_JSON struct json *doc = must_parse_text("{\"b\":1,\"a\":2,\"c\":3}");
	char names[4] = "";
	for (const struct json *c = json_first(doc); c; c = json_next(c))
		strcat(names, json_name(c));
	assert_string_equal(names, "bac");
	assert_null(json_first(json_first(doc)));
	assert_null(json_text(json_first(doc)));
	assert_null(json_text(NULL));
}

static const struct {
	const char *text;
	const char *message;
} refused[] = {
	{ "", "not valid JSON: the text is empty" },
	{ "  ", "not valid JSON at byte 2: the text ends where a value is expected" },
	{ "{} {}", "not valid JSON at byte 3: more text behind the value" },
	{ "\xef\xbb\xbf{}", "not valid JSON at byte 0: a value is expected here" },
	{ "nul", "not valid JSON at byte 0: a value is expected here" },
	{ "True", "not valid JSON at byte 0: a value is expected here" },
	{ "NaN", "not valid JSON at byte 0: a value is expected here" },
	{ "[1,]", "not valid JSON at byte 3: a value is expected here" },
	{ "[1 2]", "not valid JSON at byte 3: ',' or ']' is expected here" },
	{ "[1", "not valid JSON at byte 2: ',' or ']' is expected here" },
	{ "{\"a\":1 \"b\":2}", "not valid JSON at byte 7: ',' or '}' is expected here" },
	{ "{\"a\":1,}", "not valid JSON at byte 7: a member name in quotes is expected here" },
	{ "{a:1}", "not valid JSON at byte 1: a member name in quotes is expected here" },
	{ "{\"a\" 1}", "not valid JSON at byte 5: ':' is expected here" },
	{ "{\"a\"", "not valid JSON at byte 4: ':' is expected here" },
	{ "\"abc", "not valid JSON at byte 4: the text ends inside a string" },
	{ "\"a\tb\"", "not valid JSON at byte 2: a control character in text must be escaped" },
	{ "\"\\x41\"", "not valid JSON at byte 2: unknown escape behind the backslash" },
	{ "\"\\", "not valid JSON at byte 2: unknown escape behind the backslash" },
	{ "\"\\u12g4\"", "not valid JSON at byte 5: \\u needs four hexadecimal digits" },
	{ "\"\\u12", "not valid JSON at byte 5: \\u needs four hexadecimal digits" },
	{ "\"\\u0000\"", "not valid JSON at byte 7: \\u0000 is not allowed in text" },
	{ "\"\\udc00\"", "not valid JSON at byte 7: the second half of a surrogate pair stands alone" },
	{ "\"\\ud800x\"", "not valid JSON at byte 7: the first half of a surrogate pair stands alone" },
	{ "\"\\ud800\\n\"", "not valid JSON at byte 8: the first half of a surrogate pair stands alone" },
	{ "\"\\ud800\\u0041\"", "not valid JSON at byte 13: the first half of a surrogate pair stands alone" },
	{ "\"\\ud800\\ud800\"", "not valid JSON at byte 13: the first half of a surrogate pair stands alone" },
	{ "\"\\ud800\\u00\"", "not valid JSON at byte 11: \\u needs four hexadecimal digits" },
	{ "\"\xc0\xaf\"", "not valid JSON at byte 1: text is not valid UTF-8" },
	{ "\"\xed\xa0\x80\"", "not valid JSON at byte 1: text is not valid UTF-8" },
	{ "\"\xf4\x90\x80\x80\"", "not valid JSON at byte 1: text is not valid UTF-8" },
	{ "\"\xe2\x82", "not valid JSON at byte 1: text is not valid UTF-8" },
	{ "\"\xff\"", "not valid JSON at byte 1: text is not valid UTF-8" },
	{ "01", "not valid JSON at byte 1: a number must not begin with 0" },
	{ "-", "not valid JSON at byte 1: a digit is missing" },
	{ "1.", "not valid JSON at byte 2: a digit is missing" },
	{ "1.e5", "not valid JSON at byte 2: a digit is missing" },
	{ "1e+", "not valid JSON at byte 3: a digit is missing" },
	{ "+1", "not valid JSON at byte 0: a value is expected here" },
	{ ".5", "not valid JSON at byte 0: a value is expected here" },
	{ "0x10", "not valid JSON at byte 1: more text behind the value" },
	{ "1e400", "not valid JSON at byte 5: the number is too large" },
	{ "18446744073709551616", "not valid JSON at byte 20: the integer is beyond 2^64 - 1" },
	{ "99999999999999999999", "not valid JSON at byte 20: the integer is beyond 2^64 - 1" },
	{ "[1,100000000000000000000]", "not valid JSON at byte 24: the integer is beyond 2^64 - 1" },
	{ "-9007199254740992", "not valid JSON at byte 17: the integer is below -(2^53 - 1) and would be rounded" },
	{ "0.1234567890123456789012345678901234567890123456789012345678901",
	  "not valid JSON at byte 63: the number is too long" },
	{ "{\"a\":1,\"b\":2,\"\\u0061\":3}", "not valid JSON: the member 'a' stands there twice" },
	{ "[{\"x\":{\"k\":1,\"k\":1}}]", "not valid JSON: the member 'k' stands there twice" },
	{ "{\"\":1,\"\":2}", "not valid JSON: the member '' stands there twice" },
};

static void refuses_what_is_not_json(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(refused); i++)
		assert_refused(refused[i].text, strlen(refused[i].text), refused[i].message);
	assert_refused("\"a\0b\"", 5, "not valid JSON at byte 2: a control character in text must be escaped");
	assert_refused("1\0", 2, "not valid JSON at byte 1: more text behind the value");
	assert_refused("\0", 1, "not valid JSON at byte 0: a value is expected here");
	assert_refused("\"\\\0\"", 4, "not valid JSON at byte 2: unknown escape behind the backslash");
}

static void limits_depth_and_size(void **state)
{
	(void)state;
	char deep[2 * (JSON_MAX_DEPTH + 1)];
	memset(deep, '[', JSON_MAX_DEPTH);
	memset(deep + JSON_MAX_DEPTH, ']', JSON_MAX_DEPTH);
	OWNED_JSON struct json *doc = must_parse(bytes_of(deep, 2 * JSON_MAX_DEPTH));
	assert_int_equal(json_type(doc), JSON_ARRAY);
	memset(deep, '[', sizeof(deep));
	assert_refused(deep, sizeof(deep), "not valid JSON at byte 32: arrays and objects are nested too deep");

	struct err err = { 0 };
	struct json *none = NULL;
	assert_int_equal(json_parse(bytes_of_text("[1,2]"), 4, &none, &err), -1);
	assert_int_equal(err.code, ERR_PROTOCOL);
	assert_string_equal(err.message, "the JSON text has 5 bytes, more than the 4 that are allowed");
	assert_null(none);
}

/* Pairwise comparison would take minutes, and the test's time limit is one. */
static void many_members_are_no_burden(void **state)
{
	(void)state;
	struct err err = { 0 };
	OWNED_BUF struct buf text = BUF_INIT(MAX_LEN);
	for (unsigned i = 0; i < 300000; i++)
		assert_int_equal(buf_printf(&text, &err, "%c\"member-%06u\":%u", i ? ',' : '{', i * 7919 % 300007, i),
				 0);
	assert_int_equal(buf_append_text(&text, "}", &err), 0);
	OWNED_JSON struct json *doc = must_parse(buf_bytes(&text));
	assert_int_equal(json_count(doc), 300000);
	text.len--;
	assert_int_equal(buf_append_text(&text, ",\"member-000000\":1}", &err), 0);
	assert_refused(buf_text(&text), text.len, "not valid JSON: the member 'member-000000' stands there twice");
}

static void getters_name_the_member(void **state)
{
	(void)state;
	OWNED_JSON struct json *doc = must_parse_text(
		"{\"s\":\"x\",\"n\":null,\"b\":true,\"i\":-1,\"f\":1.5,\"a\":[],\"o\":{},\"big\":1e300}");
	struct err err = { 0 };
	const char *text = "untouched";
	const struct json *value = doc;
	bool truth = true;
	uint64_t number = 7;
	assert_int_equal(json_get_string(doc, "S", &text, &err), -1);
	assert_string_equal(err.message, "the member 'S' is missing");
	assert_int_equal(err.code, ERR_PROTOCOL);
	assert_int_equal(json_get_string(json_member(doc, "a"), "s", &text, &err), -1);
	assert_string_equal(err.message, "the member 's' is missing");
	assert_int_equal(json_get_string(doc, "n", &text, &err), -1);
	assert_string_equal(err.message, "the member 'n' is null, but must be a string");
	assert_int_equal(json_get_bool(doc, "s", &truth, &err), -1);
	assert_string_equal(err.message, "the member 's' is a string, but must be a boolean");
	assert_int_equal(json_get_u64(doc, "b", &number, &err), -1);
	assert_string_equal(err.message, "the member 'b' is a boolean, but must be a number");
	assert_int_equal(json_get_object(doc, "a", &value, &err), -1);
	assert_string_equal(err.message, "the member 'a' is an array, but must be an object");
	assert_int_equal(json_get_array(doc, "o", &value, &err), -1);
	assert_string_equal(err.message, "the member 'o' is an object, but must be an array");
	assert_int_equal(json_get_array(doc, "i", &value, &err), -1);
	assert_string_equal(err.message, "the member 'i' is a number, but must be an array");
	static const char *const bad_numbers[] = { "i", "f", "big" };
	for (size_t i = 0; i < ARRAY_LEN(bad_numbers); i++) {
		assert_int_equal(json_get_u64(doc, bad_numbers[i], &number, &err), -1);
		assert_non_null(strstr(err.message, "must be a whole number from 0 to 2^53 - 1"));
	}
	assert_string_equal(text, "untouched");
	assert_ptr_equal(value, doc);
	assert_true(truth && number == 7);
	assert_null(json_member(NULL, "x"));
}

static void assert_printed(const struct json *value, const char *plain, const char *canonical)
{
	struct err err = { 0 };
	OWNED_BUF struct buf out = BUF_INIT(4096);
	assert_int_equal(buf_append_text(&out, "> ", &err), 0);
	assert_int_equal(json_print(value, &out, &err), 0);
	assert_string_equal(buf_text(&out) + 2, plain);
	buf_done(&out);
	assert_int_equal(json_print_canonical(value, &out, &err), 0);
	assert_string_equal(buf_text(&out), canonical);
}

static void builds_and_prints(void **state)
{
	(void)state;
	struct err err = { 0 };
	OWNED_JSON struct json *doc = NULL;
	struct json *list = NULL;
	struct json *inner = NULL;
	assert_int_equal(json_new_object(&doc, &err), 0);
	assert_int_equal(json_add_string(doc, "z", "a/\"\\\x01\x7f\n\xe2\x82\xac", &err), 0);
	assert_int_equal(json_add_array(doc, "list", &list, &err), 0);
	assert_int_equal(json_add_u64(list, NULL, 1000000000000000, &err), 0);
	assert_int_equal(json_add_u64(list, NULL, 9007199254740991, &err), 0);
	assert_int_equal(json_add_bool(list, NULL, true, &err), 0);
	assert_int_equal(json_add_bool(list, NULL, false, &err), 0);
	assert_int_equal(json_add_null(list, NULL, &err), 0);
	assert_int_equal(json_add_object(doc, "a", &inner, &err), 0);
	assert_int_equal(json_add_string(inner, "", "", &err), 0);
	struct json *more = NULL;
	assert_int_equal(json_new_array(&more, &err), 0);
	assert_int_equal(json_add(doc, "b", more, &err), 0);
	assert_printed(
		doc,
		"{\"z\":\"a/\\\"\\\\\\u0001\x7f\\n\xe2\x82\xac\",\"list\":[1000000000000000,9007199254740991,true,"
		"false,null],\"a\":{\"\":\"\"},\"b\":[]}",
		"{\"a\":{\"\":\"\"},\"b\":[],\"list\":[1000000000000000,9007199254740991,true,false,null],"
		"\"z\":\"a/\\\"\\\\\\u0001\x7f\\n\xe2\x82\xac\"}");
}

static void building_refuses(void **state)
{
	(void)state;
	struct err err = { 0 };
	OWNED_JSON struct json *doc = NULL;
	struct json *list = NULL;
	assert_int_equal(json_new_object(&doc, &err), 0);
	assert_int_equal(json_add_array(doc, "list", &list, &err), 0);
	assert_int_equal(json_add_null(doc, NULL, &err), -1);
	assert_string_equal(err.message, "cannot append an element: the parent is an object, not an array");
	assert_int_equal(json_add_null(list, "x", &err), -1);
	assert_string_equal(err.message, "cannot add the member 'x': the parent is an array, not an object");
	assert_int_equal(json_add_null(doc, "list", &err), -1);
	assert_string_equal(err.message, "cannot add the member 'list': it is there already");
	assert_int_equal(json_add_null(doc, "\xff", &err), -1);
	assert_string_equal(err.message, "cannot add the member '\xff': its name is not valid UTF-8");
	assert_int_equal(json_add_string(doc, "s", "\xc0\xaf", &err), -1);
	assert_string_equal(err.message, "the text for the member 's' is not valid UTF-8");
	assert_int_equal(json_add_string(list, NULL, "\xc0\xaf", &err), -1);
	assert_string_equal(err.message, "the text for the member '[]' is not valid UTF-8");
	assert_int_equal(json_add_u64(doc, "n", 9007199254740992, &err), -1);
	assert_string_equal(err.message, "the number for the member 'n' is beyond 2^53 - 1");
	struct json *lost = NULL;
	assert_int_equal(json_new_array(&lost, &err), 0);
	assert_int_equal(json_add(doc, "list", lost, &err), -1); /* freed: the leak checker watches */
	assert_printed(doc, "{\"list\":[]}", "{\"list\":[]}");
}

static void printing_refuses_and_leaves_nothing(void **state)
{
	(void)state;
	struct err err = { 0 };
	OWNED_BUF struct buf out = BUF_INIT(10);
	OWNED_JSON struct json *doc = must_parse_text("[1,1.5]");
	assert_int_equal(buf_append_text(&out, "ab", &err), 0);
	assert_int_equal(json_print_canonical(doc, &out, &err), -1);
	assert_string_equal(err.message,
			    "the number 1.5 cannot be in canonical JSON: only whole numbers up to 2^53 - 1 can");
	assert_string_equal(buf_text(&out), "ab");
	OWNED_JSON struct json *large = must_parse_text("[\"0123456789\"]");
	assert_int_equal(json_print(large, &out, &err), -1);
	assert_string_equal(err.message, "larger than the limit of 10 bytes");
	assert_string_equal(buf_text(&out), "ab");

	OWNED_JSON struct json *deep = NULL;
	assert_int_equal(json_new_array(&deep, &err), 0);
	struct json *at = deep;
	for (int i = 0; i < JSON_MAX_DEPTH; i++)
		assert_int_equal(json_add_array(at, NULL, &at, &err), 0);
	OWNED_BUF struct buf room = BUF_INIT(4096);
	assert_int_equal(json_print(deep, &room, &err), -1);
	assert_string_equal(err.message, "JSON nested deeper than 32 levels cannot be written");
}

static void numbers_keep_their_value(void **state)
{
	(void)state;
	OWNED_JSON struct json *doc = must_parse_text("[0,-0,-0.0,1.0,1e3,0.1,1e22,-1.5e-7,123456789.125,1e15]");
	struct err err = { 0 };
	OWNED_BUF struct buf out = BUF_INIT(4096);
	assert_int_equal(json_print(doc, &out, &err), 0);
	assert_string_equal(buf_text(&out), "[0,-0,-0,1,1000,0.1,1.00000000000000e+22,-1.5e-07,123456789.125,"
					    "1000000000000000]");
	OWNED_JSON struct json *whole = must_parse_text("[-0,-12,1e3]");
	buf_done(&out);
	assert_int_equal(json_print_canonical(whole, &out, &err), 0);
	assert_string_equal(buf_text(&out), "[0,-12,1000]");
}

static void assert_wide(const struct json *object, const char *name, uint64_t want)
{
	struct err err = { 0 };
	uint64_t number = 0;
	assert_int_equal(json_type(json_member(object, name)), JSON_NUMBER);
	assert_null(json_text(json_member(object, name)));
	assert_int_equal(json_get_wide(object, name, &number, &err), 0);
	assert_true(number == want);
}

/* Two neighbours that share one double; literals inside of strings and of names are none. */
static const char wide_text[] =
	"{\"18446744073709551613\":\"18446744073709551612 \\\" 1\",\"a\":9007199254740992,\"b\":9007199254740993,"
	"\"c\":[1,18446744073709551614,{\"d\":18446744073709551615}],\"e\":9007199254740991,\"f\":1e3,"
	"\"g\":18446744073709551615.0,\"h\":-1}";

static void keeps_wide_integers(void **state)
{
	(void)state;
	struct err err = { 0 };
	uint64_t number = 7;
	OWNED_JSON struct json *doc = must_parse_text(wide_text);
	OWNED_BUF struct buf out = BUF_INIT(4096);
	assert_wide(doc, "a", 9007199254740992u);
	assert_wide(doc, "b", 9007199254740993u);
	assert_wide(doc, "e", 9007199254740991u);
	assert_wide(doc, "f", 1000);
	const struct json *c = json_member(doc, "c");
	assert_wide(json_next(json_next(json_first(c))), "d", UINT64_MAX);
	assert_int_equal(json_print(c, &out, &err), 0);
	assert_string_equal(buf_text(&out), "[1,18446744073709551614,{\"d\":18446744073709551615}]");
	assert_int_equal(json_get_wide(doc, "g", &number, &err), -1); /* a double, whatever it says */
	assert_int_equal(json_get_wide(doc, "h", &number, &err), -1);
	assert_int_equal(json_get_wide(doc, "x", &number, &err), -1);
	assert_int_equal(json_get_u64(doc, "a", &number, &err), -1); /* who wants those says so */
	assert_string_equal(err.message, "the member 'a' must be a whole number from 0 to 2^53 - 1");
	assert_true(number == 7);
	OWNED_JSON struct json *alone = must_parse_text(" 18446744073709551615 ");
	buf_done(&out);
	assert_int_equal(json_print(alone, &out, &err), 0);
	assert_string_equal(buf_text(&out), "18446744073709551615");
}

static void builds_wide_integers(void **state)
{
	(void)state;
	struct err err = { 0 };
	OWNED_JSON struct json *doc = NULL;
	OWNED_BUF struct buf out = BUF_INIT(4096);
	assert_int_equal(json_new_object(&doc, &err), 0);
	assert_int_equal(json_add_wide(doc, "small", 5, &err), 0);
	assert_printed(doc, "{\"small\":5}", "{\"small\":5}");
	assert_int_equal(json_add_wide(doc, "first", 9007199254740992u, &err), 0);
	assert_int_equal(json_add_wide(doc, "last", UINT64_MAX, &err), 0);
	assert_int_equal(json_add_wide(doc, "last", UINT64_MAX, &err), -1);
	assert_string_equal(err.message, "cannot add the member 'last': it is there already");
	assert_wide(doc, "first", 9007199254740992u);
	assert_wide(doc, "last", UINT64_MAX);
	assert_int_equal(json_print(doc, &out, &err), 0);
	assert_string_equal(buf_text(&out), "{\"small\":5,\"first\":9007199254740992,\"last\":18446744073709551615}");
	buf_done(&out);
	assert_int_equal(json_print_canonical(doc, &out, &err), -1);
	assert_string_equal(err.message, "the number 9007199254740992 cannot be in canonical JSON: only whole numbers "
					 "up to 2^53 - 1 can");
}

/* RFC 8785 section 3.2.3 */
static void canonical_order_is_utf16(void **state)
{
	(void)state;
	OWNED_JSON struct json *doc = must_parse_text(
		"{\"\\u20ac\":1,\"\\r\":2,\"\\ufb33\":3,\"1\":4,\"\\ud83d\\ude00\":5,\"\\u0080\":6,\"\\u00f6\":7,"
		"\"10\":8,\"\":9}");
	struct err err = { 0 };
	OWNED_BUF struct buf out = BUF_INIT(4096);
	assert_int_equal(json_print_canonical(doc, &out, &err), 0);
	assert_string_equal(buf_text(&out), "{\"\":9,\"\\r\":2,\"1\":4,\"10\":8,\"\xc2\x80\":6,\"\xc3\xb6\":7,"
					    "\"\xe2\x82\xac\":1,\"\xf0\x9f\x98\x80\":5,\"\xef\xac\xb3\":3}");
}

/* The vector of Trustee's own unit test. */
static void canonical_digest_is_trustees(void **state)
{
	(void)state;
	struct err err = { 0 };
	OWNED_JSON struct json *doc = must_parse_text("{\"b\":1,\"a\":\"test\",\"c\":{\"d\":\"e\"}}");
	OWNED_BUF struct buf out = BUF_INIT(4096);
	OWNED_BUF struct buf hex = BUF_INIT(2 * DIGEST_MAX);
	struct digest digest = { 0 };
	assert_int_equal(json_print_canonical(doc, &out, &err), 0);
	assert_string_equal(buf_text(&out), "{\"a\":\"test\",\"b\":1,\"c\":{\"d\":\"e\"}}");
	assert_int_equal(digest_of(DIGEST_SHA384, buf_bytes(&out), &digest, &err), 0);
	assert_int_equal(hex_encode(digest_bytes(&digest), &hex, &err), 0);
	assert_memory_equal(hex.data, "e71ce8e70d814ba6", 16);
	assert_string_equal(buf_text(&hex) + 88, "a78870c3");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_each_type),
		cmocka_unit_test(names_are_case_sensitive),
		cmocka_unit_test(children_come_in_order),
		cmocka_unit_test(refuses_what_is_not_json),
		cmocka_unit_test(limits_depth_and_size),
		cmocka_unit_test(many_members_are_no_burden),
		cmocka_unit_test(getters_name_the_member),
		cmocka_unit_test(builds_and_prints),
		cmocka_unit_test(building_refuses),
		cmocka_unit_test(printing_refuses_and_leaves_nothing),
		cmocka_unit_test(numbers_keep_their_value),
		cmocka_unit_test(keeps_wide_integers),
		cmocka_unit_test(builds_wide_integers),
		cmocka_unit_test(canonical_order_is_utf16),
		cmocka_unit_test(canonical_digest_is_trustees),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
