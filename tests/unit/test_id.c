/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spire/id: SPIFFE IDs by the standard, addresses of the Workload API.
 */
#include "support.h"

#include "base/cleanup.h"
#include "spire/id.h"

static void ids_are_taken_apart(void **state)
{
	(void)state;
	static const struct {
		const char *id, *domain, *path;
	} rows[] = {
		{ "spiffe://example.test/a/b", "example.test", "/a/b" },
		{ "spiffe://example.test", "example.test", "" },
		{ "spiffe://a_b-c.9/X.y-_Z", "a_b-c.9", "/X.y-_Z" },
		{ "spiffe://t/...", "t", "/..." },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct bytes domain;
		struct bytes path;
		assert_int_equal(spire_id_parse(rows[i].id, &domain, &path, NULL), 0);
		assert_true(bytes_equal_text(domain, rows[i].domain) && bytes_equal_text(path, rows[i].path));
	}
}

static void bad_ids_are_refused(void **state)
{
	(void)state;
	static const char *const rows[] = {
		"",
		"spiffe://",
		"spiffe:///a",
		"SPIFFE://t/a",
		"https://t/a",
		"spiffe://T/a",
		"spiffe://t/",
		"spiffe://t/a/",
		"spiffe://t//a",
		"spiffe://t/.",
		"spiffe://t/a/../b",
		"spiffe://t/a b",
		"spiffe://t/a?b",
		"spiffe://t/a#b",
		"spiffe://u@t/a",
		"spiffe://t:80/a",
		"spiffe://t/%41",
		"spiffe://t/\xc3\xa4",
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err err = { 0 };
		if (spire_id_parse(rows[i], NULL, NULL, &err) == 0)
			fail_msg("'%s' was taken", rows[i]);
		assert_int_equal(err.code, ERR_PROTOCOL);
	}
}

static void long_ids_are_refused(void **state)
{
	(void)state;
	char id[SPIRE_ID_MAX + 2] = "spiffe://t/";
	memset(id + 11, 'a', SPIRE_ID_MAX - 11);
	assert_int_equal(spire_id_parse(id, NULL, NULL, NULL), 0);
	id[SPIRE_ID_MAX] = 'a';
	assert_int_equal(spire_id_parse(id, NULL, NULL, NULL), -1);
	char domain[SPIRE_TRUST_DOMAIN_MAX + 12] = "spiffe://";
	memset(domain + 9, 'a', SPIRE_TRUST_DOMAIN_MAX);
	assert_int_equal(spire_id_parse(domain, NULL, NULL, NULL), 0);
	domain[9 + SPIRE_TRUST_DOMAIN_MAX] = 'a';
	assert_int_equal(spire_id_parse(domain, NULL, NULL, NULL), -1);
}

static void addresses_are_read_in_their_spellings(void **state)
{
	(void)state;
	static const struct {
		const char *address, *path; /* NULL: refused */
	} rows[] = {
		{ "unix:///run/a.sock", "/run/a.sock" },
		{ "unix:/run/a.sock", "/run/a.sock" },
		{ "/run/a.sock", "/run/a.sock" },
		{ "unix://run/a.sock", NULL },
		{ "unix:run/a.sock", NULL },
		{ "run/a.sock", NULL },
		{ "", NULL },
		{ "unix:", NULL },
		{ "unix://", NULL },
		{ "tcp://127.0.0.1:1", NULL },
		{ "http://x", NULL },
		{ "unix:////run/a.sock", NULL },
		{ "unix:///run/../a.sock", NULL },
		{ "/0123456789/0123456789/0123456789/0123456789/0123456789/0123456789/0123456789/0123456789/0123456789/"
		  "0123456789",
		  NULL },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *path = "untouched";
		struct err err = { 0 };
		int rc = spire_endpoint_parse(rows[i].address, &path, &err);
		assert_int_equal(rc, rows[i].path ? 0 : -1);
		assert_string_equal(path, rows[i].path ? rows[i].path : "untouched");
		assert_int_equal(err.code, rows[i].path ? ERR_NONE : ERR_CONFIG);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ids_are_taken_apart),
		cmocka_unit_test(bad_ids_are_refused),
		cmocka_unit_test(long_ids_are_refused),
		cmocka_unit_test(addresses_are_read_in_their_spellings),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
