/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/wipe: what reaches free() is zero, and OpenSSL and curl come this way.
 *
 * free() and malloc() of the library under test are ours (--wrap): so each
 * block is looked at in the moment before it is gone.
 */
#include "support.h"

#include <curl/curl.h>
#include <malloc.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <sys/mman.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "base/http.h"
#include "base/wipe.h"

#define PATTERN 0xa5

static bool watching;	 /* blocks that come by are judged */
static size_t freed;	 /* blocks seen */
static size_t dirty;	 /* of these with a byte that is not zero */
static const void *last; /* the last one */
static bool malloc_fails;

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void __real_free(void *p);
void __wrap_free(void *p);

void *__wrap_malloc(size_t size)
{
	return malloc_fails ? NULL : __real_malloc(size);
}

void __wrap_free(void *p)
{
	if (watching && p) {
		freed++;
		last = p;
		const uint8_t *byte = p;
		for (size_t i = 0; i < malloc_usable_size(p); i++) {
			if (byte[i] != 0) {
				dirty++;
				break;
			}
		}
	}
	__real_free(p);
}

static int watch(void **state)
{
	(void)state;
	watching = true;
	freed = dirty = 0;
	last = NULL;
	malloc_fails = false;
	return 0;
}

static int look_away(void **state)
{
	(void)state;
	watching = false;
	malloc_fails = false;
	return 0;
}

/* The whole block, and not only what was asked for, is written. */
static void *filled(size_t size)
{
	void *p = wipe_malloc(size);
	volatile uint8_t *byte = p; /* memset() would be checked against `size` */
	for (size_t i = 0; p && i < malloc_usable_size(p); i++)
		byte[i] = PATTERN;
	return p;
}

static void the_hook_sees_what_is_not_wiped(void **state)
{
	(void)state;
	volatile uint8_t *p = calloc(100, 1); /* volatile: the store must not be optimised away */
	assert_non_null(p);
	p[99] = 1;
	free((void *)(uintptr_t)p);
	assert_int_equal(freed, 1);
	assert_int_equal(dirty, 1);
}

static void free_wipes_the_whole_block(void **state)
{
	(void)state;
	for (size_t size = 1; size < 5000; size += 7) {
		freed = 0;
		void *p = filled(size);
		assert_non_null(p);
		wipe_free(p);
		assert_int_equal(freed, 1);
		assert_int_equal(dirty, 0);
	}
	freed = 0;
	wipe_free(NULL);
	assert_int_equal(freed, 0);
}

static void calloc_is_zero(void **state)
{
	(void)state;
	uint8_t *p = wipe_calloc(30, 7);
	assert_non_null(p);
	for (size_t i = 0; i < 210; i++)
		assert_int_equal(p[i], 0);
	memset(p, PATTERN, 210);
	wipe_free(p);
	assert_int_equal(dirty, 0);
}

static void realloc_moves_the_content_and_wipes_the_old(void **state)
{
	(void)state;
	static const size_t sizes[][2] = {
		{ 10, 5000 }, { 5000, 10 }, { 100, 200 },	{ 200, 100 },  { 64, 1 },
		{ 1, 64 },    { 100, 100 }, { 300000, 299000 }, { 300000, 3 }, { 3, 300000 }
	};
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		freed = 0;
		size_t from = sizes[i][0], to = sizes[i][1];
		uint8_t *p = filled(from);
		assert_non_null(p);
		for (size_t at = 0; at < from; at++)
			p[at] = (uint8_t)(at * 31 + 1);
		uint8_t *q = wipe_realloc(p, to);
		assert_non_null(q);
		assert_true(malloc_usable_size(q) >= to);
		for (size_t at = 0; at < from && at < to; at++)
			assert_int_equal(q[at], (uint8_t)(at * 31 + 1));
		assert_int_equal(freed, q == p ? 0 : 1);
		wipe_free(q);
		assert_int_equal(dirty, 0);
	}
}

static void realloc_at_its_edges(void **state)
{
	(void)state;
	void *p = wipe_realloc(NULL, 10);
	assert_non_null(p);
	memset(p, PATTERN, 10);
	assert_null(wipe_realloc(p, 0)); /* frees */
	assert_int_equal(freed, 1);
	assert_int_equal(dirty, 0);
}

static void short_memory_leaves_the_old_block(void **state)
{
	(void)state;
	uint8_t *p = filled(100);
	assert_non_null(p);
	malloc_fails = true;
	void *no_malloc = wipe_malloc(1);
	void *no_strdup = wipe_strdup("text");
	void *no_realloc = wipe_realloc(p, 100000);
	void *no_new = wipe_realloc(NULL, 1);
	malloc_fails = false;
	assert_null(no_malloc);
	assert_null(no_strdup);
	assert_null(no_realloc);
	assert_null(no_new);
	assert_int_equal(freed, 0);
	for (size_t i = 0; i < 100; i++)
		assert_int_equal(p[i], PATTERN);
	wipe_free(p);
	assert_int_equal(dirty, 0);
}

static void strdup_copies_with_the_end(void **state)
{
	(void)state;
	static const char *const texts[] = { "", "a", "a longer text, longer than the smallest block" };
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		char *copy = wipe_strdup(texts[i]);
		assert_non_null(copy);
		assert_ptr_not_equal(copy, texts[i]);
		assert_string_equal(copy, texts[i]);
		wipe_free(copy);
		assert_int_equal(dirty, 0);
	}
}

static void buffers_are_wiped_when_they_grow_and_go(void **state)
{
	(void)state;
	struct buf buf = BUF_INIT(100000);
	for (int i = 0; i < 50000; i++)
		assert_int_equal(buf_append_byte(&buf, PATTERN, NULL), 0);
	assert_true(freed > 3);
	buf_done(&buf);
	assert_int_equal(dirty, 0);
	assert_true(freed > 4);
}

/* From here on in children: wipe_install() is for once in a process. */

static void expect_wiped(const void *block, void (*give_back)(void *), void *p)
{
	freed = 0;
	last = NULL;
	give_back(p);
	CHECK(freed >= 1 && dirty == 0);
	CHECK(last == block);
}

static void openssl_free_of(void *p)
{
	OPENSSL_free(p);
}

static void use_openssl(void)
{
	wipe_install();
	(void)watch(NULL);
	char *p = OPENSSL_malloc(100);
	CHECK(p != NULL);
	memset(p, PATTERN, 100);
	expect_wiped(p, openssl_free_of, p);
	p = OPENSSL_strdup("a key in the clear");
	CHECK(p != NULL);
	freed = 0;
	char *moved = OPENSSL_realloc(p, 100000);
	CHECK(moved != NULL && strcmp(moved, "a key in the clear") == 0);
	CHECK(freed == 1 && last == p && dirty == 0);
	expect_wiped(moved, openssl_free_of, moved);
	freed = 0; /* and what OpenSSL allocates for itself */
	EVP_PKEY *key = EVP_EC_gen("P-256");
	CHECK(key != NULL);
	EVP_PKEY_free(key);
	CHECK(freed > 10 && dirty == 0);
}

static void use_curl(void)
{
	wipe_install();
	CHECK(http_setup(NULL) == 0);
	(void)watch(NULL);
	CURL *curl = curl_easy_init();
	CHECK(curl != NULL);
	char *text = curl_easy_escape(curl, "a token / in the clear", 0);
	CHECK(text != NULL);
	expect_wiped(text, curl_free, text);
	freed = 0;
	CHECK(curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, 6L) == CURLE_OK);
	CHECK(curl_easy_setopt(curl, CURLOPT_COPYPOSTFIELDS, "secret") == CURLE_OK);
	struct curl_slist *list = curl_slist_append(NULL, "Authorization: Bearer x");
	CHECK(list != NULL);
	curl_slist_free_all(list);
	CHECK(freed >= 2);
	curl_easy_cleanup(curl);
	CHECK(freed > 4 && dirty == 0);
	curl_global_cleanup();
	CHECK(dirty == 0);
}

static void openssl_and_curl_use_it(void **state)
{
	(void)state;
	assert_child_well(use_openssl);
	assert_child_well(use_curl);
}

static void install_after_openssl_was_used(void)
{
	OPENSSL_free(OPENSSL_malloc(1));
	wipe_install();
}

static void install_after_curl_was_used(void)
{
	CHECK(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
	wipe_install();
}

static void install_that_comes_late_aborts(void **state)
{
	(void)state;
	assert_child_killed_by(SIGABRT, install_after_openssl_was_used);
	assert_child_killed_by(SIGABRT, install_after_curl_was_used);
}

static void write_hostile_configuration(void)
{
	static const char text[] = "openssl_conf = all\n[all]\nalg_section = algs\n[algs]\n"
				   "default_properties = nobody=has-this\n";
	int fd OWNED_FD = memfd_create("openssl.cnf", 0);
	CHECK(write(fd, text, sizeof(text) - 1) == (ssize_t)sizeof(text) - 1);
	char path[64];
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", TAKE_FD(fd));
	CHECK(setenv("OPENSSL_CONF", path, 1) == 0);
}

static void digest_under_hostile_configuration(void)
{
	struct digest digest;
	write_hostile_configuration();
	wipe_install();
	CURL *curl = curl_easy_init();
	CHECK(curl != NULL);
	curl_easy_cleanup(curl);
	CHECK(digest_of(DIGEST_SHA256, bytes_of_text("abc"), &digest, NULL) == 0);
}

static void same_without_install(void)
{
	struct digest digest;
	write_hostile_configuration();
	CHECK(OPENSSL_init_crypto(OPENSSL_INIT_LOAD_CONFIG, NULL) == 1);
	CHECK(digest_of(DIGEST_SHA256, bytes_of_text("abc"), &digest, NULL) == -1);
}

static void openssl_configuration_is_not_read(void **state)
{
	(void)state;
	assert_child_well(digest_under_hostile_configuration);
	assert_child_well(same_without_install); /* the file does have a say there */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_hook_sees_what_is_not_wiped, watch, look_away),
		cmocka_unit_test_setup_teardown(free_wipes_the_whole_block, watch, look_away),
		cmocka_unit_test_setup_teardown(calloc_is_zero, watch, look_away),
		cmocka_unit_test_setup_teardown(realloc_moves_the_content_and_wipes_the_old, watch, look_away),
		cmocka_unit_test_setup_teardown(realloc_at_its_edges, watch, look_away),
		cmocka_unit_test_setup_teardown(short_memory_leaves_the_old_block, watch, look_away),
		cmocka_unit_test_setup_teardown(strdup_copies_with_the_end, watch, look_away),
		cmocka_unit_test_setup_teardown(buffers_are_wiped_when_they_grow_and_go, watch, look_away),
		cmocka_unit_test(openssl_and_curl_use_it),
		cmocka_unit_test(install_that_comes_late_aborts),
		cmocka_unit_test(openssl_configuration_is_not_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
