/* SPDX-License-Identifier: Apache-2.0 */
/*
 * initdata/document: which texts are init-data, with which digest, and what is said
 * of the others.
 */
#include "support.h"

#include "base/encode.h"
#include "base/file.h"
#include "initdata/document.h"

#define HEAD "version = \"0.1.0\"\nalgorithm = \"sha256\"\n"

static struct initdata *must_parse(struct bytes text)
{
	struct err err = { 0 };
	struct initdata *doc = NULL;
	if (initdata_parse(text, &doc, &err) < 0)
		fail_msg("refused: %s", err.message);
	return doc;
}

static void assert_digest(const struct initdata *doc, enum digest_alg alg, const char *hex)
{
	struct buf text OWNED_BUF = BUF_INIT(256);
	assert_int_equal(initdata_digest(doc)->alg, alg);
	assert_int_equal(hex_encode(digest_bytes(initdata_digest(doc)), &text, NULL), 0);
	assert_string_equal(buf_text(&text), hex);
}

static void digest_of_peerpods_is_as_published(void **state)
{
	(void)state;
	struct buf text OWNED_BUF = BUF_INIT(65536);
	struct initdata_entry entry;
	assert_int_equal(file_read(AT_FDCWD, VECTORS "/initdata/peerpods.toml", &text, NULL), 0);
	struct initdata *doc OWNED_INITDATA = must_parse(buf_bytes(&text));
	assert_digest(
		doc, DIGEST_SHA384,
		"52af3178dd7ad4bf551e629b84b45bfd1fbe1434b980120267181ae3575ea20ca9013b8eadf31d27eed7ff2552d500ef");
	assert_true(bytes_equal(initdata_text(doc), buf_bytes(&text)));
	assert_int_equal(initdata_entry_count(doc), 3);
	assert_true(initdata_entry_at(doc, 0, &entry));
	assert_true(bytes_equal_text(entry.name, "aa.toml"));
	assert_int_equal(entry.line, 5);
	assert_true(initdata_find_entry(doc, "policy.rego", &entry));
	assert_false(initdata_find_entry(doc, "sealpod.toml", &entry));
	assert_false(initdata_entry_at(doc, 3, &entry));
}

static void one_line_end_more_is_another_document(void **state)
{
	(void)state;
	struct buf text OWNED_BUF = BUF_INIT(65536);
	assert_int_equal(file_read(AT_FDCWD, VECTORS "/initdata/peerpods.toml", &text, NULL), 0);
	assert_int_equal(buf_append_text(&text, "\n", NULL), 0);
	struct initdata *doc OWNED_INITDATA = must_parse(buf_bytes(&text));
	assert_int_equal(initdata_digest(doc)->bytes[0], 0x4b);
	assert_int_equal(initdata_digest(doc)->bytes[1], 0xeb);
}

static void line_ends_count_as_they_are(void **state)
{
	(void)state;
	struct initdata *unix_ends OWNED_INITDATA = must_parse(bytes_of_text(HEAD "[data]\na = '''x\ny'''\n"));
	struct initdata *dos_ends OWNED_INITDATA = must_parse(
		bytes_of_text("version = \"0.1.0\"\r\nalgorithm = \"sha256\"\r\n[data]\r\na = '''x\r\ny'''\r\n"));
	assert_memory_not_equal(initdata_digest(unix_ends)->bytes, initdata_digest(dos_ends)->bytes, 32);
}

static void each_algorithm_and_empty_data(void **state)
{
	(void)state;
	struct initdata *doc OWNED_INITDATA =
		must_parse(bytes_of_text("version = '0.1.0'\nalgorithm = 'sha512'\nmore = 1\n[data]\n[other]\n"));
	assert_int_equal(initdata_digest(doc)->len, 64);
	assert_int_equal(initdata_entry_count(doc), 0);
}

static const struct {
	const char *text;
	const char *message;
} refused[] = {
	{ "", "init-data: the key 'version' is missing at the top: write 'version = \"0.1.0\"' above [data]" },
	{ "version = '0.1.0'\n[data]\n",
	  "init-data: the key 'algorithm' is missing at the top: write 'algorithm = \"sha256\"' above [data]" },
	{ "[data]\n" HEAD,
	  "init-data: the key 'version' is missing at the top: write 'version = \"0.1.0\"' above [data]" },
	{ HEAD, "init-data: the table [data] is missing" },
	{ HEAD "data = 1\n", "init-data: line 3: key 'data': a table is wanted, not integer" },
	{ "version = 1\nalgorithm = 'sha256'\n[data]\n",
	  "init-data: line 1: key 'version': a string is wanted ('version = \"0.1.0\"'), not integer" },
	{ "version = '0.2.0'\nalgorithm = 'sha256'\n[data]\n",
	  "init-data: line 1: key 'version': '0.2.0' is not known here; write '0.1.0'" },
	{ "version = '0.1.0'\nalgorithm = 'sha-256'\n[data]\n",
	  "init-data: line 2: key 'algorithm': 'sha-256' is not known here; write 'sha256', 'sha384' or 'sha512'" },
	{ "version = '0.1.0'\nalgorithm = 'SHA256'\n[data]\n",
	  "init-data: line 2: key 'algorithm': 'SHA256' is not known here; write 'sha256', 'sha384' or 'sha512'" },
	{ "version = '0.1.0'\nalgorithm = 'sha1'\n[data]\n",
	  "init-data: line 2: key 'algorithm': 'sha1' is not known here; write 'sha256', 'sha384' or 'sha512'" },
	{ HEAD "[data]\naa.toml = 'x'\n",
	  "init-data: line 4: key 'data.aa': a string is wanted, not a table (a name with a dot must be quoted: "
	  "\"aa.toml\")" },
	{ HEAD "[data]\nx = 'y'\nz = 7\n", "init-data: line 5: key 'data.z': a string is wanted, not integer" },
	{ HEAD "[data]\nx = 'y'\nx = 'z'\n", NULL },
	{ HEAD "[data]\nx = '\xff'\n", NULL },
	{ HEAD "[data]\nx = 'y\n", NULL },
};

static void what_is_no_initdata_is_said(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		struct err err = { 0 };
		struct initdata *doc = NULL;
		if (initdata_parse(bytes_of_text(refused[i].text), &doc, &err) == 0)
			fail_msg("accepted: %s", refused[i].text);
		assert_null(doc);
		assert_int_equal(err.code, ERR_CONFIG);
		if (refused[i].message)
			assert_string_equal(err.message, refused[i].message);
		else if (!strstr(err.message, "init-data: line "))
			fail_msg("no place in '%s'", err.message);
	}
}

static void length_is_limited(void **state)
{
	(void)state;
	struct err err = { 0 };
	struct initdata *doc = NULL;
	OWNED_MEM char *text = malloc(INITDATA_MAX + 1);
	memset(text, '#', INITDATA_MAX + 1);
	memcpy(text, HEAD "[data]\n", sizeof(HEAD "[data]\n") - 1);
	assert_int_equal(initdata_parse(bytes_of(text, INITDATA_MAX + 1), &doc, &err), -1);
	assert_string_equal(err.message, "init-data of 524289 bytes: at most 524288 are taken");
	assert_int_equal(initdata_parse(bytes_of(text, INITDATA_MAX), &doc, &err), 0);
	initdata_free(doc);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(digest_of_peerpods_is_as_published),
		cmocka_unit_test(one_line_end_more_is_another_document),
		cmocka_unit_test(line_ends_count_as_they_are),
		cmocka_unit_test(each_algorithm_and_empty_data),
		cmocka_unit_test(what_is_no_initdata_is_said),
		cmocka_unit_test(length_is_limited),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
