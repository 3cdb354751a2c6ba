/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent/svid_files: names, digests, and the list that a later run believes.
 */
#include "support.h"

#include "agent/svid_files.h"

static struct svid_file *add(struct svid_files *files, const char *name, const char *text)
{
	struct svid_file *file;
	assert_int_equal(svid_files_add(files, name, 0600, &file, NULL), 0);
	assert_int_equal(buf_append_text(&file->text, text, NULL), 0);
	return file;
}

static void names_are_checked(void **state)
{
	(void)state;
	OWNED_SVID_FILES struct svid_files files = { .list = NULL };
	struct svid_file *file;
	char longest[257];
	memset(longest, 'a', 256);
	longest[256] = 0;
	const char *const bad[] = { "", ".", "..", "..data", ".x", "a/b", "/a", longest };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(svid_files_add(&files, bad[i], 0600, &file, NULL), -1);
	add(&files, longest + 1, "");
	struct err err = { 0 };
	assert_int_equal(svid_files_add(&files, longest + 1, 0600, &file, &err), -1);
	assert_non_null(strstr(err.message, "two files would be called 'aaa"));
	for (int i = 0; i < 40; i++) {
		char name[16];
		(void)snprintf(name, sizeof(name), "n%d", i);
		add(&files, name, name);
	}
	assert_int_equal(files.count, 41);
	assert_string_equal(buf_text(&files.list[40].text), "n39");
	svid_files_remove(&files, 0);
	svid_files_remove(&files, 39);
	assert_int_equal(files.count, 39);
	assert_null(svid_files_find(&files, "n39"));
	assert_string_equal(buf_text(&svid_files_find(&files, "n38")->text), "n38");
	svid_files_cut(&files, 1);
	assert_int_equal(files.count, 1);
	assert_string_equal(files.list[0].name, "n0");
}

/* A file of that name and content beside `other`. */
static struct digest digest_with(const char *name, const char *text, enum svid_kind kind)
{
	OWNED_SVID_FILES struct svid_files files = { .list = NULL };
	struct digest digest;
	add(&files, "other", "x");
	add(&files, name, text)->kind = kind;
	assert_int_equal(svid_files_digest(&files, &digest, NULL), 0);
	return digest;
}

static bool same(struct digest a, struct digest b)
{
	return bytes_equal(digest_bytes(&a), digest_bytes(&b));
}

static void digests_tell_what_changed(void **state)
{
	(void)state;
	assert_true(same(digest_with("a", "1", SVID_KIND_TOKEN), digest_with("a", "1", SVID_KIND_TOKEN)));
	assert_false(same(digest_with("a", "1", SVID_KIND_TOKEN), digest_with("a", "2", SVID_KIND_TOKEN)));
	assert_false(same(digest_with("a", "1", SVID_KIND_TOKEN), digest_with("b", "1", SVID_KIND_TOKEN)));
	assert_true(same(digest_with("a", "1", SVID_KIND_PKCS12), digest_with("a", "2", SVID_KIND_PKCS12)));
	assert_false(same(digest_with("a", "1", SVID_KIND_PKCS12), digest_with("b", "1", SVID_KIND_PKCS12)));
	assert_true(same(digest_with("a", "1", SVID_KIND_COMBINED), digest_with("a", "2", SVID_KIND_COMBINED)));
}

static void lists_come_back(void **state)
{
	(void)state;
	static const char text[] = "x509 chain 0 1800000000 svid.pem\nx509 key 7 - a b\njwt_bundles jwks 0 - k\n"
				   "jwt token 0 0 t\nx509_bundles federated 0 - c\nx509 combined 999999 1 d\n"
				   "x509 pkcs12 0 1 e\nx509 bundle 0 - f\n";
	OWNED_SVID_FILES struct svid_files files = { .list = NULL };
	OWNED_BUF struct buf again = BUF_INIT(4096);
	struct err err = { 0 };
	if (svid_files_parse_list(bytes_of_text(text), &files, &err) < 0)
		fail_msg("%s", err.message);
	assert_int_equal(files.count, 8);
	assert_true(files.list[0].expires == 1800000000 && files.list[1].expires == INT64_MAX);
	assert_string_equal(files.list[1].name, "a b");
	assert_ptr_equal(svid_files_find_kind(&files, SVID_KIND_KEY, 7), &files.list[1]);
	assert_null(svid_files_find_kind(&files, SVID_KIND_KEY, 0));
	assert_int_equal(files.list[3].source, SVID_TOKEN);
	assert_int_equal(svid_files_print_list(&files, &again, NULL), 0);
	assert_string_equal(buf_text(&again), text);
}

static void bad_lists_are_refused(void **state)
{
	(void)state;
	static const char *const rows[] = {
		"x509 key 0 - a",
		"x509 key 0 - a\nx509 key 0 - a\n",
		"x509 key 0 - \n",
		"x509 key 0 - .a\n",
		"x509 key 0 - ..data\n",
		"x509 key 0 - a/b\n",
		"x509 key 0 -\n",
		"x509 key 0\n",
		"x509\n",
		"\n",
		" key 0 - a\n",
		"tls key 0 - a\n",
		"x509 lock 0 - a\n",
		"x509 key x - a\n",
		"x509 key - - a\n",
		"x509 key 1000000 - a\n",
		"x509 key 0 -1 a\n",
		"x509 key 0 1x a\n",
		"x509 key 0  a\n",
		"x509 key 0 9999999999999999999 a\n",
		"a_source_with_a_very_long_name key 0 - a\n",
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct svid_files files = { .list = NULL };
		struct err err = { 0 };
		if (svid_files_parse_list(bytes_of_text(rows[i]), &files, &err) == 0)
			fail_msg("'%s' was taken", rows[i]);
		assert_int_equal(err.code, ERR_CREDENTIAL);
		assert_null(files.list);
	}
	struct svid_files files = { .list = NULL };
	assert_int_equal(svid_files_parse_list(bytes_of("x509 key 0 - a\0b\n", 17), &files, NULL), -1);
	assert_int_equal(svid_files_parse_list(bytes_of("x509\0 key 0 - a\n", 16), &files, NULL), -1);
	OWNED_BUF struct buf many = BUF_INIT(1u << 20);
	for (int i = 0; i < 1025; i++)
		assert_int_equal(buf_printf(&many, NULL, "x509 key 0 - n%d\n", i), 0);
	assert_int_equal(svid_files_parse_list(buf_bytes(&many), &files, NULL), -1);
	assert_int_equal(svid_files_parse_list(bytes_of("", 0), &files, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_checked),
		cmocka_unit_test(digests_tell_what_changed),
		cmocka_unit_test(lists_come_back),
		cmocka_unit_test(bad_lists_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
