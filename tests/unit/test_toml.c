/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/toml: each kind of value, the rules on tables, each message of a refusal
 * once, limits. (The official suite runs in tests/toml-test.)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above */
#include <cmocka.h>
#include <math.h>

#include "base/toml.h"

static struct toml_doc *must_parse(struct bytes text)
{
	struct err err = { 0 };
	struct toml_doc *doc = NULL;
	if (toml_parse(text, &doc, &err))
		fail_msg("refused: %s", err.message);
	return doc;
}

static struct toml_doc *must_parse_text(const char *text)
{
	return must_parse(bytes_of_text(text));
}

/* A copy without a NUL behind it, so that the sanitizers see a read past the end. */
static void assert_refused(struct bytes text, const char *message)
{
	struct err err = { 0 };
	struct toml_doc *doc = NULL;
	OWNED_MEM uint8_t *exact = malloc(text.len ? text.len : 1);
	assert_non_null(exact);
	if (text.len)
		memcpy(exact, text.data, text.len);
	if (toml_parse(bytes_of(exact, text.len), &doc, &err) == 0)
		fail_msg("accepted, but want: %s", message);
	assert_null(doc);
	assert_int_equal(err.code, ERR_CONFIG);
	assert_string_equal(err.message, message);
}

/* "a.b.c" below the root; every part must be there. */
static const struct toml_value *get(const struct toml_doc *doc, const char *path)
{
	const struct toml_value *value = toml_root(doc);
	while (*path) {
		size_t len = strcspn(path, ".");
		value = toml_member(value, bytes_of(path, len));
		if (!value)
			fail_msg("no key at '%s'", path);
		path += len + (path[len] == '.');
	}
	return value;
}

static void assert_text(const struct toml_value *value, const char *text, size_t len)
{
	struct bytes got = toml_type(value) == TOML_STRING ? toml_string(value) : toml_datetime(value);
	assert_int_equal(got.len, len);
	assert_memory_equal(got.data, text, len);
}

#define ASSERT_TEXT(doc, path, literal) assert_text(get(doc, path), literal, sizeof(literal) - 1)

static void reads_strings(void **state)
{
	(void)state;
	OWNED_TOML struct toml_doc *doc =
		must_parse_text("a = \"x\\b\\t\\n\\f\\r\\\"\\\\\\u20ac\\U0001F600\\u0000y\" # comment\n"
				"b = 'C:\\n'\n"
				"c = \"\"\"\r\none\r\n two \\  \n\n\t three\"\"\"\"\"\n"
				"d = '''\n''q''''\n"
				"e = ''\n"
				"f = \"\"\"a\"b\"\"c\"\"\"\n");
	ASSERT_TEXT(doc, "a", "x\b\t\n\f\r\"\\\xe2\x82\xac\xf0\x9f\x98\x80\0y");
	ASSERT_TEXT(doc, "b", "C:\\n");
	ASSERT_TEXT(doc, "c", "one\n two three\"\"");
	ASSERT_TEXT(doc, "d", "''q'");
	ASSERT_TEXT(doc, "e", "");
	ASSERT_TEXT(doc, "f", "a\"b\"\"c");
}

static void reads_integers(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int64_t value;
	} cases[] = {
		{ "0", 0 },
		{ "-0", 0 },
		{ "+99", 99 },
		{ "1_000_0", 10000 },
		{ "0xDEAD_beef", 0xdeadbeef },
		{ "0o0755", 0755 },
		{ "0b0_1", 1 },
		{ "9223372036854775807", INT64_MAX },
		{ "-9223372036854775808", INT64_MIN },
		{ "0x7fffffffffffffff", INT64_MAX },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char text[64];
		(void)snprintf(text, sizeof(text), "k=%s", cases[i].text);
		OWNED_TOML struct toml_doc *doc = must_parse_text(text);
		assert_true(toml_integer(get(doc, "k")) == cases[i].value);
	}
}

static void reads_floats_and_booleans(void **state)
{
	(void)state;
	OWNED_TOML struct toml_doc *doc =
		must_parse_text("a=[1.5,-0.0,1e06,6.6_2e-3_4,+inf,-inf,1E+2]\nb=-nan\nc=true\nd=false");
	static const double want[] = { 1.5, -0.0, 1e6, 6.62e-34, HUGE_VAL, -HUGE_VAL, 100 };
	size_t i = 0;
	for (const struct toml_value *v = toml_first(get(doc, "a")); v; v = toml_next(v), i++) {
		assert_true(toml_float(v) == want[i]);
		assert_true(!signbit(toml_float(v)) == !signbit(want[i]));
	}
	assert_int_equal(i, ARRAY_LEN(want));
	assert_true(isnan(toml_float(get(doc, "b"))));
	assert_true(toml_bool(get(doc, "c")));
	assert_false(toml_bool(get(doc, "d")));
}

static void reads_dates_and_times(void **state)
{
	(void)state;
	OWNED_TOML struct toml_doc *doc = must_parse_text(
		"a=1979-05-27t07:32:00.1234567899z\nb=2000-02-29 23:59:60-07:30 # c\nc=2024-02-29T00:00:00\n"
		"d=1900-02-28 \ne=07:32:59.5\n");
	assert_int_equal(toml_type(get(doc, "a")), TOML_DATETIME);
	ASSERT_TEXT(doc, "a", "1979-05-27T07:32:00.123456789Z");
	ASSERT_TEXT(doc, "b", "2000-02-29T23:59:60-07:30");
	assert_int_equal(toml_type(get(doc, "c")), TOML_DATETIME_LOCAL);
	ASSERT_TEXT(doc, "c", "2024-02-29T00:00:00");
	assert_int_equal(toml_type(get(doc, "d")), TOML_DATE_LOCAL);
	ASSERT_TEXT(doc, "d", "1900-02-28");
	assert_int_equal(toml_type(get(doc, "e")), TOML_TIME_LOCAL);
	ASSERT_TEXT(doc, "e", "07:32:59.5");
}

static void tables_come_from_headers_dots_and_braces(void **state)
{
	(void)state;
	OWNED_TOML struct toml_doc *doc =
		must_parse_text("\xef\xbb\xbfroot.x = 1\n"
				"[a.b.c] # implies a, a.b\n"
				"x = 2\n"
				"[ a . \"b\" ]\n"
				"y.z = 3\n"
				"[a]\n"
				"w = { p.q = 4, p.r = { } , s = [ # lines may break here\n 5\n , ] }\n"
				"[root.sub]\n"
				"[[list]]\n"
				"n = 6\n"
				"[list.of]\n"
				"[[list]]\n"
				"[list.of]\n"
				"m = 7\n");
	assert_int_equal(toml_integer(get(doc, "root.x")), 1);
	assert_int_equal(toml_integer(get(doc, "a.b.c.x")), 2);
	assert_int_equal(toml_integer(get(doc, "a.b.y.z")), 3);
	assert_int_equal(toml_integer(get(doc, "a.w.p.q")), 4);
	assert_int_equal(toml_integer(toml_first(get(doc, "a.w.s"))), 5);
	assert_int_equal(toml_type(get(doc, "root.sub")), TOML_TABLE);
	const struct toml_value *list = get(doc, "list");
	assert_int_equal(toml_type(list), TOML_ARRAY);
	const struct toml_value *second = toml_next(toml_first(list));
	const struct toml_value *of = toml_member(second, bytes_of_text("of"));
	assert_non_null(of);
	assert_int_equal(toml_integer(toml_member(of, bytes_of_text("m"))), 7);
	assert_null(toml_next(second));
	assert_int_equal(toml_key(second).len, 0);
}

static void lines_and_order_are_kept(void **state)
{
	(void)state;
	OWNED_TOML struct toml_doc *doc =
		must_parse_text("b=1\r\na=[\n1,\n\n2]\n\n[t]\nc='''\n\n'''\nd=1\n[x.y]\n[x]\n");
	static const struct {
		const char *path;
		unsigned line;
	} cases[] = { { "b", 1 }, { "a", 2 }, { "t", 7 }, { "t.c", 8 }, { "t.d", 11 }, { "x.y", 12 }, { "x", 13 } };
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(toml_line(get(doc, cases[i].path)), cases[i].line);
	assert_int_equal(toml_line(toml_first(get(doc, "a"))), 3);
	assert_int_equal(toml_line(toml_next(toml_first(get(doc, "a")))), 5);
	const struct toml_value *first = toml_first(toml_root(doc));
	assert_true(bytes_equal_text(toml_key(first), "b"));
	assert_true(bytes_equal_text(toml_key(toml_next(first)), "a"));
	assert_null(toml_first(first));
	assert_null(toml_member(first, bytes_of_text("b")));
	assert_null(toml_member(toml_root(doc), bytes_of_text("B")));
}

static void types_have_names(void **state)
{
	(void)state;
	OWNED_TOML struct toml_doc *doc =
		must_parse_text("v=['',1,1.0,true,1979-05-27T07:32:00Z,1979-05-27T07:32:00,1979-05-27,07:32:00,[],{}]");
	static const char *const names[] = { "string",	   "integer",	       "float",
					     "boolean",	   "offset date-time", "local date-time",
					     "local date", "local time",       "array",
					     "table" };
	size_t i = 0;
	for (const struct toml_value *v = toml_first(get(doc, "v")); v; v = toml_next(v), i++)
		assert_string_equal(toml_type_name(toml_type(v)), names[i]);
	assert_int_equal(i, ARRAY_LEN(names));
}

static const struct {
	const char *text;
	const char *message;
} refused[] = {
	/* lines, keys, headers */
	{ "a=1\n# x\x7f", "line 2: a control character (0x7f) stands in a comment: remove it" },
	{ "a=1\r# x\n", "line 1: key 'a': a carriage return stands without a line feed: end lines in LF or CRLF" },
	{ "a=1 b=2", "line 1: key 'a': the line must end here; begin a new line for what follows" },
	{ "[a] b=2", "line 1: table 'a': the line must end here; begin a new line for what follows" },
	{ "\n\na=\"\xc0\xaf\"", "line 3: not valid UTF-8 (byte 0xc0): save the file as UTF-8" },
	{ "=1", "line 1: a key is expected here: letters, digits, '_' and '-'; anything else in quotes" },
	{ "[t]\nk\xc3\xb6=1", "line 2: key 't.k': '=' is expected behind the key" },
	{ "[t]\n\xc3\xb6=1",
	  "line 2: table 't': a key is expected here: letters, digits, '_' and '-'; anything else in quotes" },
	{ "a.=1", "line 1: a key is expected here: letters, digits, '_' and '-'; anything else in quotes" },
	{ "[]", "line 1: a key is expected here: letters, digits, '_' and '-'; anything else in quotes" },
	{ "\"\"\"a\"\"\"=1", "line 1: a key cannot stand in three quotes: use one" },
	{ "a.b c=1", "line 1: key 'a.b': '=' is expected behind the key" },
	{ "[a\nb=1", "line 1: the header must end in ']'" },
	{ "[[a]\nb=1", "line 1: the header must end in ']]'" },
	/* who may define what */
	{ "a=1\n'a'=2", "line 2: key 'a': it is defined in line 1 already as an integer; define it once" },
	{ "[t.u]\n[t.u]", "line 2: key 't.u': it is defined in line 1 already as a table; define it once" },
	{ "[t]\na.b=1\n[t.a]", "line 3: key 't.a': it is defined in line 2 already as a table; define it once" },
	{ "[t.a.c]\n[t]\na.b=1\n[t.a]",
	  "line 4: key 't.a': it is defined in line 1 already as a table; define it once" },
	{ "a='x'\n[a]", "line 2: key 'a': it is defined in line 1 already as a string; define it once" },
	{ "a={}\n[a.b]",
	  "line 2: key 'a': it is defined in line 1 already as an inline table; a header cannot add to it" },
	{ "a=[{}]\n[a.b]", "line 2: key 'a': it is defined in line 1 already as an array; a header cannot add to it" },
	{ "[[a]]\n[a]", "line 2: key 'a': it is defined in line 1 already as an array; write [[...]] to append to it" },
	{ "a=[]\n[[a]]", "line 2: key 'a': it is defined in line 1 already as an array; [[...]] cannot append to it" },
	{ "[a.b]\n[[a]]", "line 2: key 'a': it is defined in line 1 already as a table; [[...]] cannot append to it" },
	{ "[a.b.c]\n[a]\nb.c.t=1",
	  "line 3: key 'a.b.c': it is defined in line 1 already as a table; a dotted key cannot add to it" },
	{ "a={b=1}\na.c=2",
	  "line 2: key 'a': it is defined in line 1 already as an inline table; a dotted key cannot add to it" },
	{ "a={b={c=1},b.d=2}",
	  "line 1: key 'a.b': it is defined in line 1 already as an inline table; a dotted key cannot add to it" },
	{ "[[x.l]]\n[x]\nl.a=1",
	  "line 3: key 'x.l': it is defined in line 1 already as an array; a dotted key cannot add to it" },
	{ "a=2020-01-01T00:00:00Z\na.b=1",
	  "line 2: key 'a': it is defined in line 1 already as an offset date-time; a dotted key cannot add to it" },
	/* values */
	{ "a=\nb=1", "line 1: key 'a': a value is expected here" },
	{ "[t]\na=hello", "line 2: key 't.a': 'hello' is no value: put text in quotes" },
	{ "a=True", "line 1: key 'a': write 'true' in lower case" },
	{ "a=FALSE", "line 1: key 'a': write 'false' in lower case" },
	{ "a=[1 2]", "line 1: key 'a': ',' or ']' is expected in the array" },
	{ "a=[1,\n2,\nx]", "line 3: key 'a[2]': 'x' is no value: put text in quotes" },
	{ "[[l]]\n[[l]]\na=[[1],[x]]", "line 3: key 'l[1].a[1][0]': 'x' is no value: put text in quotes" },
	{ "a=[\n1,", "line 2: key 'a[1]': a value is expected here" },
	{ "a={b=1\n}", "line 1: key 'a': ',' or '}' is expected in the inline table, which must stand in one line" },
	{ "a={b=1,}", "line 1: key 'a': remove the ',' before the '}'" },
	{ "a={b=}", "line 1: key 'a.b': a value is expected here" },
	{ "a={,}", "line 1: key 'a': a key is expected here: letters, digits, '_' and '-'; anything else in quotes" },
	/* strings */
	{ "\na=\"x\nb=1", "line 2: key 'a': the closing \" is missing at the end of the line" },
	{ "a='x", "line 1: key 'a': the closing ' is missing at the end of the line" },
	{ "a=\"\"\"x\nb=1\n", "line 1: key 'a': the closing \"\"\" is missing; the text ends in line 3" },
	{ "a='''x\n''", "line 1: key 'a': the closing ''' is missing; the text ends in line 2" },
	{ "a=\"x\x01\"", "line 1: key 'a': a control character (0x01) stands in a string: write '\\u0001' in \"...\"" },
	{ "a='''x\r'''", "line 1: key 'a': a control character (0x0d) stands in a string: write '\\u000D' in \"...\"" },
	{ "a=\"C:\\dir\"", "line 1: key 'a': unknown escape in a string: write '\\\\' for a backslash, or use '...'" },
	{ "a=\"\\ \nx\"", "line 1: key 'a': unknown escape in a string: write '\\\\' for a backslash, or use '...'" },
	{ "a=\"\\u12g4\"", "line 1: key 'a': '\\u' needs 4 hexadecimal digits" },
	{ "a=\"\\U0000004\"", "line 1: key 'a': '\\U' needs 8 hexadecimal digits" },
	{ "a=\"\\ud800\"",
	  "line 1: key 'a': U+D800 is no Unicode letter: surrogates and values above U+10FFFF are not" },
	{ "a=\"\\U00110000\"",
	  "line 1: key 'a': U+110000 is no Unicode letter: surrogates and values above U+10FFFF are not" },
	{ "\"a\xc3\xb6.b\".c=x", "line 1: key '\"a\xc3\xb6.b\".c': 'x' is no value: put text in quotes" },
	{ "\"\\u0000\\n\"=x", "line 1: key '\"??\"': 'x' is no value: put text in quotes" },
	{ "a=0123456789012345678901234567890123456789012345678x",
	  "line 1: key 'a': '012345678901234567890123456789012345678901234567...' is neither a number nor a date: put "
	  "text in quotes" },
	/* numbers */
	{ "a=1x", "line 1: key 'a': '1x' is neither a number nor a date: put text in quotes" },
	{ "a=10.0.0.1", "line 1: key 'a': '10.0.0.1' is neither a number nor a date: put text in quotes" },
	{ "a=.5", "line 1: key 'a': '.5' is neither a number nor a date: put text in quotes" },
	{ "a=5.", "line 1: key 'a': '5.' is neither a number nor a date: put text in quotes" },
	{ "a=1.e2", "line 1: key 'a': '1.e2' is neither a number nor a date: put text in quotes" },
	{ "a=1e", "line 1: key 'a': '1e' is neither a number nor a date: put text in quotes" },
	{ "a=0x", "line 1: key 'a': '0x' is neither a number nor a date: put text in quotes" },
	{ "a=0b12", "line 1: key 'a': '0b12' is neither a number nor a date: put text in quotes" },
	{ "a=+", "line 1: key 'a': '+' is no value: put text in quotes" },
	{ "a=Inf", "line 1: key 'a': 'Inf' is no value: put text in quotes" },
	{ "a=1__0", "line 1: key 'a': an underscore in a number must stand between two digits" },
	{ "a=1_", "line 1: key 'a': an underscore in a number must stand between two digits" },
	{ "a=1_.5", "line 1: key 'a': an underscore in a number must stand between two digits" },
	{ "a=0x_1", "line 1: key 'a': an underscore in a number must stand between two digits" },
	{ "a=0755", "line 1: key 'a': a number must not begin with 0; octal numbers begin with 0o" },
	{ "a=-01.5", "line 1: key 'a': a number must not begin with 0; octal numbers begin with 0o" },
	{ "a=-0x1", "line 1: key 'a': a number that begins with 0x cannot have a sign" },
	{ "a=9223372036854775808",
	  "line 1: key 'a': the integer does not fit: from -9223372036854775808 to 9223372036854775807" },
	{ "a=-9223372036854775809",
	  "line 1: key 'a': the integer does not fit: from -9223372036854775808 to 9223372036854775807" },
	{ "a=0xffffffffffffffff",
	  "line 1: key 'a': the integer does not fit: from -9223372036854775808 to 9223372036854775807" },
	{ "a=1e400", "line 1: key 'a': the number is too large for a float" },
	/* dates and times */
	{ "a=1979-5-27", "line 1: key 'a': not a date: write it as YYYY-MM-DD" },
	{ "a=2020-13-01", "line 1: key 'a': not a date: write it as YYYY-MM-DD" },
	{ "a=2020-00-01", "line 1: key 'a': not a date: write it as YYYY-MM-DD" },
	{ "a=2020-01-00", "line 1: key 'a': not a date: write it as YYYY-MM-DD" },
	{ "a=2021-02-29", "line 1: key 'a': there is no day 29 in month 2 of 2021" },
	{ "a=1900-02-29", "line 1: key 'a': there is no day 29 in month 2 of 1900" },
	{ "a=2021-04-31", "line 1: key 'a': there is no day 31 in month 4 of 2021" },
	{ "a=24:00:00", "line 1: key 'a': not a time: write it as HH:MM:SS" },
	{ "a=23:60:00", "line 1: key 'a': not a time: write it as HH:MM:SS" },
	{ "a=23:59:61", "line 1: key 'a': not a time: write it as HH:MM:SS" },
	{ "a=07:32", "line 1: key 'a': not a time: write it as HH:MM:SS" },
	{ "a=07:32:00.", "line 1: key 'a': not a time: write it as HH:MM:SS" },
	{ "a=2020-01-01T", "line 1: key 'a': not a time: write it as HH:MM:SS" },
	{ "a=2020-01-01x", "line 1: key 'a': behind a date, T and a time may stand, nothing else" },
	{ "a=2020-01-01T00:00:00+24:00", "line 1: key 'a': not an offset from UTC: write Z, +HH:MM or -HH:MM" },
	{ "a=2020-01-01T00:00:00-0700", "line 1: key 'a': not an offset from UTC: write Z, +HH:MM or -HH:MM" },
	{ "a=07:32:00Z", "line 1: key 'a': the date or time goes on with 'Z', which has no meaning there" },
	{ "a=2020-01-01 00:00:00Zx", "line 1: key 'a': the date or time goes on with 'x', which has no meaning there" },
};

static void refuses_with_line_key_and_advice(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(refused); i++)
		assert_refused(bytes_of_text(refused[i].text), refused[i].message);
	assert_refused(bytes_of("a=1\0", 4),
		       "line 1: key 'a': '1?' is neither a number nor a date: put text in quotes");
	assert_refused(bytes_of("a='\0'", 5),
		       "line 1: key 'a': a control character (0x00) stands in a string: write '\\u0000' in \"...\"");
}

static void long_keys_are_cut_in_messages(void **state)
{
	(void)state;
	struct err err = { 0 };
	OWNED_BUF struct buf text = BUF_INIT(1000);
	for (int i = 0; i < 6; i++)
		assert_int_equal(buf_printf(&text, &err, "%s\"%046d\xf0\x9f\x98\x80x\"", i ? "." : "", i), 0);
	assert_int_equal(buf_append_text(&text, "=x", &err), 0);
	struct toml_doc *none = NULL;
	assert_int_equal(toml_parse(buf_bytes(&text), &none, &err), -1);
	assert_memory_equal(err.message, "line 1: key '\"0000000000000000000000000000000000000000000000...\".\"00", 64);
	assert_true(strlen(err.message) < 400);
}

static void limits_size_and_depth(void **state)
{
	(void)state;
	struct err err = { 0 };
	char text[256];
	OWNED_BUF struct buf big = BUF_INIT(TOML_MAX_BYTES + 1);
	for (unsigned i = 0; i < TOML_MAX_BYTES; i++)
		assert_int_equal(buf_append_byte(&big, '\n', &err), 0);
	OWNED_TOML struct toml_doc *fits = must_parse(buf_bytes(&big));
	assert_null(toml_first(toml_root(fits)));
	assert_int_equal(buf_append_byte(&big, '\n', &err), 0);
	assert_refused(buf_bytes(&big), "the TOML text has 1048577 bytes, more than the 1048576 that are allowed");

	memcpy(text, "a=", 2);
	memset(text + 2, '[', TOML_MAX_DEPTH);
	memset(text + 2 + TOML_MAX_DEPTH, ']', TOML_MAX_DEPTH);
	OWNED_TOML struct toml_doc *deep = must_parse(bytes_of(text, 2 + 2 * TOML_MAX_DEPTH));
	assert_int_equal(toml_type(get(deep, "a")), TOML_ARRAY);
	memset(text + 2, '[', TOML_MAX_DEPTH + 1);
	struct toml_doc *none = NULL;
	assert_int_equal(toml_parse(bytes_of(text, 2 + TOML_MAX_DEPTH + 1), &none, &err), -1);
	assert_non_null(strstr(err.message, "[0]': tables and arrays are nested deeper than 32 levels"));
	for (size_t i = 0; i <= TOML_MAX_DEPTH; i++)
		memcpy(text + 2 * i, "k.", 2);
	assert_refused(bytes_of(text, 2 * TOML_MAX_DEPTH + 2), "line 1: the key has more than 32 parts");
	OWNED_TOML struct toml_doc *empty = must_parse(bytes_of(NULL, 0));
	assert_null(toml_first(toml_root(empty)));
}

/* A list would need 10^10 comparisons, far beyond the test's time limit. */
static void many_keys_are_no_burden(void **state)
{
	(void)state;
	struct err err = { 0 };
	OWNED_BUF struct buf text = BUF_INIT(TOML_MAX_BYTES);
	unsigned count = 0;
	while (text.len + 16 < TOML_MAX_BYTES)
		assert_int_equal(buf_printf(&text, &err, "k%x=1\n", count++), 0);
	OWNED_TOML struct toml_doc *doc = must_parse(buf_bytes(&text));
	unsigned found = 0;
	for (const struct toml_value *v = toml_first(toml_root(doc)); v; v = toml_next(v))
		found++;
	assert_int_equal(found, count);
	assert_int_equal(buf_append_text(&text, "k1=1", &err), 0);
	char message[100];
	(void)snprintf(message, sizeof(message),
		       "line %u: key 'k1': it is defined in line 2 already as an integer; define it once", count + 1);
	assert_refused(buf_bytes(&text), message);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_strings),
		cmocka_unit_test(reads_integers),
		cmocka_unit_test(reads_floats_and_booleans),
		cmocka_unit_test(reads_dates_and_times),
		cmocka_unit_test(tables_come_from_headers_dots_and_braces),
		cmocka_unit_test(lines_and_order_are_kept),
		cmocka_unit_test(types_have_names),
		cmocka_unit_test(refuses_with_line_key_and_advice),
		cmocka_unit_test(long_keys_are_cut_in_messages),
		cmocka_unit_test(limits_size_and_depth),
		cmocka_unit_test(many_keys_are_no_burden),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
