/* SPDX-License-Identifier: Apache-2.0 */
/* ctl/record: kept from run to run, of one KBS, and without a trace of what it is about. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "ctl/record.h"

static char directory[] = "/tmp/sealpod-record-XXXXXX";

static void read_record(const struct out *out, const char *kbs, struct record *record, bool other)
{
	bool is_other = !other;
	struct err err = { 0 };
	if (record_read(out, kbs, record, &is_other, &err) < 0)
		fail_msg("%s", err.message);
	assert_int_equal(is_other, other);
}

static void set(struct record *record, const char *kind, const char *name, const char *content)
{
	struct record_digest digest;
	assert_int_equal(record_digest_of(record, kind, name, bytes_of_text(content), &digest, NULL), 0);
	assert_int_equal(record_set(record, kind, name, &digest, 1800000000, NULL), 0);
}

static bool is(const struct record *record, const char *kind, const char *name, const char *content)
{
	struct record_digest digest;
	const struct record_item *item = record_find(record, kind, name);
	assert_int_equal(record_digest_of(record, kind, name, bytes_of_text(content), &digest, NULL), 0);
	return item && strcmp(item->digest.hex, digest.hex) == 0;
}

static void is_kept(void **state)
{
	(void)state;
	struct out out OWNED_OUT = OUT_INIT;
	struct record record OWNED_RECORD = RECORD_INIT, again OWNED_RECORD = RECORD_INIT,
			     other OWNED_RECORD = RECORD_INIT;
	struct buf text OWNED_BUF = BUF_INIT(65536);
	struct stat st;
	assert_int_equal(out_open(directory, &out, NULL), 0);
	read_record(&out, "https://one", &record, false);
	assert_int_equal(record.count, 0);
	set(&record, "resource", "a/b/c", "hunter2");
	set(&record, "resource", "a/b/d", "x");
	set(&record, "reference-value", "a/b/c", "y");
	set(&record, "resource", "a/b/d", "z");
	assert_int_equal(record_write(&record, &out, NULL), 0);
	assert_int_equal(fstatat(out.fd, RECORD_FILE, &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0600);

	read_record(&out, "https://one", &again, false);
	assert_int_equal(again.count, 3);
	assert_true(is(&again, "resource", "a/b/c", "hunter2"));
	assert_false(is(&again, "resource", "a/b/c", "hunter3"));
	assert_true(is(&again, "reference-value", "a/b/c", "y"));
	assert_true(is(&again, "resource", "a/b/d", "z"));
	assert_false(is(&again, "resource", "a/b", "z"));
	assert_string_equal(record_find(&again, "resource", "a/b/d")->applied, "2027-01-15T08:00:00Z");
	record_remove(&again, "resource", "a/b/c");
	record_remove(&again, "resource", "never");
	assert_int_equal(again.count, 2);
	assert_null(record_find(&again, "resource", "a/b/c"));
	assert_true(is(&again, "reference-value", "a/b/c", "y"));

	/* nothing of the content, nor a digest that others could have */
	assert_int_equal(out_read(&out, RECORD_FILE, &text, NULL), 0);
	assert_null(strstr(buf_text(&text), "hunter2"));
	assert_null(strstr(buf_text(&text), "f52fbd32b2b3b86ff88ef6c490628285f482af15ddcb29541f94bcf526a3f6c7"));

	read_record(&out, "https://two", &other, true);
	assert_int_equal(other.count, 0);
	assert_string_equal(other.kbs, "https://two");
	assert_int_equal(strlen(other.salt), 64);
	assert_string_not_equal(other.salt, record.salt);
}

static void same_content_has_a_digest_of_its_own_everywhere(void **state)
{
	(void)state;
	struct record a = { .salt = "00" }, b = { .salt = "01" };
	struct record_digest digests[4];
	struct bytes content = bytes_of_text("hunter2");
	assert_int_equal(record_digest_of(&a, "k", "n", content, &digests[0], NULL), 0);
	assert_int_equal(record_digest_of(&b, "k", "n", content, &digests[1], NULL), 0);
	assert_int_equal(record_digest_of(&a, "l", "n", content, &digests[2], NULL), 0);
	assert_int_equal(record_digest_of(&a, "k", "m", content, &digests[3], NULL), 0);
	for (size_t i = 0; i < 4; i++)
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(digests[i].hex, digests[k].hex);
}

static void others_are_refused(void **state)
{
	(void)state;
#define HEX "abababababababababababababababababababababababababababababababab"
#define HEAD "{\"version\":1,\"kbs\":\"k\",\"salt\":\"" HEX "\",\"items\":"
	static const char *const texts[] = {
		"",
		"[]",
		"{}",
		"{\"version\":2,\"kbs\":\"k\",\"salt\":\"" HEX "\",\"items\":[]}",
		"{\"version\":1,\"kbs\":\"\",\"salt\":\"" HEX "\",\"items\":[]}",
		"{\"version\":1,\"kbs\":\"k\",\"salt\":\"" HEX "0\",\"items\":[]}",
		"{\"version\":1,\"kbs\":\"k\",\"salt\":\"zz\",\"items\":[]}",
		HEAD "{}}",
		HEAD "[1]}",
		HEAD "[{\"kind\":\"resource\",\"name\":\"n\",\"digest\":\"" HEX "\"}]}",
		HEAD "[{\"kind\":\"a-kind-that-is-much-too-long\",\"name\":\"n\",\"digest\":\"" HEX
		     "\",\"applied\":\"x\"}]}",
		HEAD "[{\"kind\":\"resource\",\"name\":\"n\",\"digest\":\"00\",\"applied\":\"x\"}]}",
	};
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct record record OWNED_RECORD = RECORD_INIT;
		struct err err = { 0 };
		if (record_parse(bytes_of_text(texts[i]), &record, &err) == 0)
			fail_msg("taken: %s", texts[i]);
		assert_int_equal(err.code, ERR_CONFIG);
		assert_null(record.items);
	}
	struct record record OWNED_RECORD = RECORD_INIT;
	assert_int_equal(record_parse(bytes_of_text(HEAD "[]}"), &record, NULL), 0);
}

static int set_up(void **state)
{
	(void)state;
	return mkdtemp(directory) ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	char file[sizeof(directory) + sizeof("/" RECORD_FILE)];
	(void)snprintf(file, sizeof(file), "%s/%s", directory, RECORD_FILE);
	return unlink(file) < 0 || rmdir(directory) < 0 ? -1 : 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_kept),
		cmocka_unit_test(same_content_has_a_digest_of_its_own_everywhere),
		cmocka_unit_test(others_are_refused),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
