/* SPDX-License-Identifier: Apache-2.0 */
/*
 * initdata/find: the order of the places, no fall-back from a broken one, nothing
 * of the host's own files.
 */
#include "support.h"

#include "base/file.h"
#include "initdata/find.h"

#define DOCUMENT(name) "version = \"0.1.0\"\nalgorithm = \"sha256\"\n[data]\n\"" name "\" = 'x'\n"
#define KATA "/run/confidential-containers/initdata"
#define PEERPOD "/run/peerpod"

static char root[256];

static int set_up(void **state)
{
	(void)state;
	make_directory(root);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	char *slash = strrchr(root, '/');
	*slash = 0;
	int fd OWNED_FD = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return file_remove_tree(fd, slash + 1, NULL);
}

static void put(const char *dir, const char *name, const char *text)
{
	char path[512];
	int fd OWNED_FD = -1;
	(void)snprintf(path, sizeof(path), "%s%s", root, dir);
	assert_int_equal(file_open_dir(path, 0755, &fd, NULL), 0);
	assert_int_equal(
		file_replace(fd, name, bytes_of_text(text), 0644, (struct file_owner){ geteuid(), getegid() }, NULL),
		0);
}

static void nowhere_is_no_failure(void **state)
{
	(void)state;
	struct err err = { 0 };
	const struct initdata_place *place = initdata_places;
	struct initdata *doc = NULL;
	put(PEERPOD, "aa.toml", "x = 1\n");
	put(PEERPOD, "cdh.toml", "x = 1\n");
	put(PEERPOD, "initdata.digest", "00");
	put(PEERPOD, "sealpod.toml", DOCUMENT("host"));
	assert_int_equal(initdata_find(root, &place, &doc, &err), 0);
	assert_null(place);
	assert_null(doc);
}

static void katas_place_comes_first(void **state)
{
	(void)state;
	const struct initdata_place *place = NULL;
	struct initdata *doc OWNED_INITDATA = NULL;
	struct initdata_entry entry;
	put(KATA, "initdata.toml", DOCUMENT("kata"));
	put(PEERPOD, "initdata", DOCUMENT("peerpod"));
	assert_int_equal(initdata_find(root, &place, &doc, NULL), 0);
	assert_string_equal(place->path, KATA "/initdata.toml");
	assert_true(initdata_find_entry(doc, "kata", &entry));
}

static void peer_pods_place_is_read_in_base64(void **state)
{
	(void)state;
	struct err err = { 0 };
	const struct initdata_place *place = NULL;
	struct initdata *doc OWNED_INITDATA = NULL;
	struct initdata_entry entry;
	/* printf of DOCUMENT("sealpod.toml") through gzip -9n and base64 */
	put(PEERPOD, "initdata",
	    "H4sIAAAAAAACAytLLSrOzM9TsFVQMtAz1DNQ4krMSc8vyizJyAWJFWckGpmaKXFFpySWJMZyKRWnJuYU5Kfo"
	    "leTn5igBFahXqHMBAKgj1z5DAAAA\n");
	if (initdata_find(root, &place, &doc, &err) < 0)
		fail_msg("refused: %s", err.message);
	assert_string_equal(place->path, PEERPOD "/initdata");
	assert_true(initdata_find_entry(doc, "sealpod.toml", &entry));
	assert_true(bytes_equal_text(initdata_text(doc), DOCUMENT("sealpod.toml")));
}

static void a_broken_place_is_not_passed_by(void **state)
{
	(void)state;
	struct err err = { 0 };
	const struct initdata_place *place = NULL;
	struct initdata *doc = NULL;
	put(KATA, "initdata.toml", "version = \n");
	put(PEERPOD, "initdata", DOCUMENT("peerpod"));
	assert_int_equal(initdata_find(root, &place, &doc, &err), -1);
	assert_null(place);
	assert_null(doc);
	assert_int_equal(err.code, ERR_CONFIG);
	assert_non_null(strstr(err.message, "'" KATA "/initdata.toml', left there by kata's agent: init-data: line 1"));
}

static void a_directory_in_its_place_is_an_error(void **state)
{
	(void)state;
	struct err err = { 0 };
	const struct initdata_place *place = NULL;
	struct initdata *doc = NULL;
	put(KATA "/initdata.toml", "x", "");
	assert_int_equal(initdata_find(root, &place, &doc, &err), -1);
	assert_int_equal(err.code, ERR_CONFIG);
}

static void a_named_file_must_be_there(void **state)
{
	(void)state;
	struct err err = { 0 };
	struct initdata *doc = NULL;
	assert_int_equal(initdata_read_file("/nonexistent/initdata", &doc, &err), -1);
	assert_int_equal(err.code, ERR_CONFIG);
	assert_string_equal(err.message, "cannot open '/nonexistent/initdata': No such file or directory");
	err = (struct err){ 0 };
	assert_int_equal(initdata_read_file(VECTORS "/initdata/kata-initdata.img", &doc, &err), -1);
	assert_non_null(strstr(err.message, "kata-initdata.img': init-data: line 1"));
	assert_int_equal(initdata_read_file(VECTORS "/initdata/peerpods.toml", &doc, &err), 0);
	initdata_free(doc);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nowhere_is_no_failure),
		TEST(katas_place_comes_first),
		TEST(peer_pods_place_is_read_in_base64),
		TEST(a_broken_place_is_not_passed_by),
		TEST(a_directory_in_its_place_is_an_error),
		TEST(a_named_file_must_be_there),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
