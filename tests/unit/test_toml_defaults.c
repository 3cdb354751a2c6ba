/* SPDX-License-Identifier: Apache-2.0 */
/*
 * initdata/toml_defaults: the KBS that init-data names, and from which entry.
 */
#include "support.h"

#include "base/file.h"
#include "base/http.h"
#include "initdata/toml_defaults.h"

#define HEAD "version = \"0.1.0\"\nalgorithm = \"sha256\"\n[data]\n"
#define AA(text) "\"aa.toml\" = '''\n" text "'''\n"
#define CDH(text) "\"cdh.toml\" = '''\n" text "'''\n"

static struct initdata_kbs must_read(const char *text)
{
	struct err err = { 0 };
	struct initdata *doc OWNED_INITDATA = NULL;
	struct initdata_kbs kbs = { 0 };
	assert_int_equal(initdata_parse(bytes_of_text(text), &doc, &err), 0);
	if (initdata_kbs_defaults(doc, &kbs, &err) < 0)
		fail_msg("refused: %s", err.message);
	return kbs;
}

static void aa_toml_comes_first(void **state)
{
	(void)state;
	struct buf text OWNED_BUF = BUF_INIT(65536);
	assert_int_equal(file_read(AT_FDCWD, VECTORS "/initdata/peerpods.toml", &text, NULL), 0);
	struct initdata_kbs kbs OWNED_INITDATA_KBS = must_read(buf_text(&text));
	assert_string_equal(kbs.entry, "aa.toml");
	assert_string_equal(kbs.url, "http://127.0.0.1:8080");
	assert_int_equal(http_check_ca(bytes_of_text(kbs.ca_pem), NULL), 0);
}

static void cdh_toml_serves_where_aa_toml_names_none(void **state)
{
	(void)state;
	struct initdata_kbs kbs OWNED_INITDATA_KBS =
		must_read(HEAD AA("[token_configs.coco_as]\nurl = 'http://as'\n")
				  CDH("[kbc]\nname = 'cc_kbc'\nurl = 'https://kbs.example//'\nkbs_cert = 'pem'\n"));
	assert_string_equal(kbs.entry, "cdh.toml");
	assert_string_equal(kbs.url, "https://kbs.example");
	assert_string_equal(kbs.ca_pem, "pem");
}

static void url_and_ca_are_not_mixed(void **state)
{
	(void)state;
	struct initdata_kbs kbs OWNED_INITDATA_KBS =
		must_read(HEAD AA("[token_configs.kbs]\nurl = 'https://one'\n")
				  CDH("[kbc]\nname = 'cc_kbc'\nurl = 'https://two'\nkbs_cert = 'two'\n"));
	assert_string_equal(kbs.url, "https://one");
	assert_null(kbs.ca_pem);
	struct initdata_kbs other OWNED_INITDATA_KBS = must_read(
		HEAD AA("[token_configs.kbs]\ncert = 'one'\n") CDH("[kbc]\nname = 'cc_kbc'\nurl = 'https://two'\n"));
	assert_string_equal(other.url, "https://two");
	assert_null(other.ca_pem);
}

static void none_is_none(void **state)
{
	(void)state;
	static const char *const rows[] = {
		HEAD,
		HEAD AA(""),
		HEAD AA("[token_configs.kbs]\nurl = ''\n"),
		HEAD AA("[token_configs.kbs]\ncert = 'alone'\n"),
		HEAD CDH("[kbc]\nname = 'offline_fs_kbc'\nurl = 'https://x'\n"),
		HEAD CDH("[kbc]\nurl = 'https://x'\n"),
		HEAD "\"sealpod.toml\" = '''[token_configs.kbs]\nurl = 'https://x'\n'''\n",
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct initdata_kbs kbs OWNED_INITDATA_KBS = must_read(rows[i]);
		assert_null(kbs.entry);
		assert_null(kbs.url);
		assert_null(kbs.ca_pem);
	}
}

static void mistakes_are_named(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		const char *message;
	} rows[] = {
		{ HEAD AA("[token_configs.kbs]\nurl = 7\n"),
		  "init-data, entry 'aa.toml' (from line 4): line 2: key 'url': a string is wanted, not integer" },
		{ HEAD AA("[token_configs]\nkbs = 'x'\n"),
		  "init-data, entry 'aa.toml' (from line 4): line 2: key 'kbs': a table is wanted, not string" },
		{ HEAD AA("token_configs = 1\n"), "init-data, entry 'aa.toml' (from line 4): line 1: key "
						  "'token_configs': a table is wanted, not integer" },
		{ HEAD CDH("[kbc]\nname = 'cc_kbc'\nurl = \"a\\u0000b\"\n"),
		  "init-data, entry 'cdh.toml' (from line 4): line 3: key 'url' holds a NUL" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err err = { 0 };
		struct initdata *doc OWNED_INITDATA = NULL;
		struct initdata_kbs kbs = { 0 };
		assert_int_equal(initdata_parse(bytes_of_text(rows[i].text), &doc, NULL), 0);
		assert_int_equal(initdata_kbs_defaults(doc, &kbs, &err), -1);
		assert_int_equal(err.code, ERR_CONFIG);
		assert_string_equal(err.message, rows[i].message);
		assert_null(kbs.url);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(aa_toml_comes_first),	    cmocka_unit_test(cdh_toml_serves_where_aa_toml_names_none),
		cmocka_unit_test(url_and_ca_are_not_mixed), cmocka_unit_test(none_is_none),
		cmocka_unit_test(mistakes_are_named),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
