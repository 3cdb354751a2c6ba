/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/secret: guarded memory is guarded, locked and left out of cores, or
 * there is no secret at all.
 */
#include "support.h"

#include <sys/mman.h>

#include "base/secret.h"

/* libsodium's allocator as the library under test sees it (--wrap). A limit on the
 * address space would do the same, but neither valgrind nor AddressSanitizer lives through one. */
static bool memory_is_short;

void *__real_sodium_malloc(size_t size);
void *__wrap_sodium_malloc(size_t size);
void *__wrap_sodium_malloc(size_t size)
{
	if (!memory_is_short)
		return __real_sodium_malloc(size);
	errno = ENOMEM;
	return NULL;
}

static void assert_empty(const struct secret *secret)
{
	assert_null(secret->data);
	assert_int_equal(secret->len, 0);
	assert_int_equal(secret->cap, 0);
}

static void sizes_out_of_range_are_refused(void **state)
{
	(void)state;
	static const size_t sizes[] = { 0, SECRET_MAX + 1, SIZE_MAX / 2, SIZE_MAX };
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct err err = { 0 };
		struct secret secret = SECRET_INIT;
		assert_int_equal(secret_alloc(&secret, sizes[i], &err), -1);
		assert_int_equal(err.code, ERR_PROTOCOL);
		assert_empty(&secret);
	}
}

static void append_stops_at_the_capacity(void **state)
{
	(void)state;
	struct err err = { 0 };
	struct secret secret OWNED_SECRET = SECRET_INIT;
	assert_int_equal(secret_append(&secret, bytes_of("x", 1), &err), -1); /* no memory yet */
	assert_int_equal(secret_append(&secret, bytes_of(NULL, 0), &err), 0);
	assert_int_equal(secret_alloc(&secret, 5, &err), 0);
	assert_int_equal(secret_append(&secret, bytes_of_text("abc"), &err), 0);
	assert_int_equal(secret_append(&secret, bytes_of_text("def"), &err), -1);
	assert_int_equal(err.code, ERR_PROTOCOL);
	assert_string_equal(err.message, "larger than the limit of 5 bytes");
	assert_true(bytes_equal_text(secret_bytes(&secret), "abc"));
	assert_int_equal(secret_append(&secret, bytes_of_text("de"), &err), 0);
	assert_int_equal(secret_append(&secret, bytes_of("", SIZE_MAX), &err), -1);
	assert_true(bytes_equal_text(secret_bytes(&secret), "abcde"));
}

static void move_empties_the_source(void **state)
{
	(void)state;
	struct err err = { 0 };
	struct secret from OWNED_SECRET = SECRET_INIT;
	struct secret to OWNED_SECRET = SECRET_INIT;
	assert_int_equal(secret_alloc(&from, 3, &err), 0);
	assert_int_equal(secret_alloc(&to, 9, &err), 0);
	assert_int_equal(secret_append(&from, bytes_of_text("new"), &err), 0);
	const void *data = from.data;
	secret_move(&to, &from);
	assert_ptr_equal(to.data, data);
	assert_true(bytes_equal_text(secret_bytes(&to), "new"));
	assert_int_equal(to.cap, 3);
	assert_empty(&from);
}

static void memory_is_used_again_but_wiped(void **state)
{
	(void)state;
	static const char none[64] = { 0 };
	struct secret secret OWNED_SECRET = SECRET_INIT;
	secret_clear(&secret);
	assert_null(secret.data);
	assert_int_equal(secret_reuse(&secret, 64, NULL), 0);
	void *first = secret.data;
	assert_int_equal(secret_append(&secret, bytes_of_text("key"), NULL), 0);
	secret_clear(&secret);
	assert_int_equal(secret.len, 0);
	assert_memory_equal(secret.data, none, 64);
	assert_int_equal(secret_append(&secret, bytes_of_text("another key"), NULL), 0);
	assert_int_equal(secret_reuse(&secret, 10, NULL), 0);
	assert_ptr_equal(secret.data, first);
	assert_memory_equal(secret.data, none, 64);
	assert_int_equal(secret_reuse(&secret, 65, NULL), 0);
	assert_true(secret.cap == 65 && secret.len == 0);
	assert_int_equal(secret_reuse(&secret, SECRET_MAX + 1, NULL), -1);
	assert_null(secret.data);
	assert_int_equal(secret_reuse(&secret, SECRET_KEEP_MAX + 1, NULL), 0);
	secret_clear(&secret);
	assert_null(secret.data);
}

static void done_takes_null_and_empty(void **state)
{
	(void)state;
	struct secret secret = SECRET_INIT;
	secret_done(NULL);
	secret_done(&secret);
	assert_empty(&secret);
}

static struct secret made(size_t cap)
{
	struct err err = { 0 };
	struct secret secret = SECRET_INIT;
	CHECK(secret_alloc(&secret, cap, &err) == 0);
	return secret;
}

static void write_past_the_end(void)
{
	struct secret secret = made(40);
	((volatile uint8_t *)secret.data)[40] = 1;
}

static void read_past_the_end(void)
{
	struct secret secret = made(40);
	(void)((volatile uint8_t *)secret.data)[40];
}

static void write_a_page_before(void)
{
	struct secret secret = made(40);
	*((volatile uint8_t *)secret.data - 4096) = 1;
}

/* The canary stands in front; it is looked at when the secret is freed. */
static void write_just_before(void)
{
	struct secret secret = made(40);
	*((volatile uint8_t *)secret.data - 1) ^= 1;
	secret_done(&secret);
}

static void use_after_done(void)
{
	struct secret secret = made(40);
	volatile uint8_t *data = secret.data;
	secret_done(&secret);
	(void)*data;
}

static void misuse_kills(void **state)
{
	(void)state;
	assert_child_killed_by(SIGSEGV, write_past_the_end);
	assert_child_killed_by(SIGSEGV, read_past_the_end);
	assert_child_killed_by(SIGSEGV, write_a_page_before);
	int status = run_child(write_just_before); /* libsodium chooses the signal */
	assert_true(WIFSIGNALED(status) && (WTERMSIG(status) == SIGSEGV || WTERMSIG(status) == SIGABRT));
	assert_child_killed_by(SIGSEGV, use_after_done);
}

/* The kernel's flags of the mapping that holds `address`, as in /proc/self/smaps. */
static void flags_of_mapping(const void *address, char ret_flags[static 256])
{
	FILE *maps CLEANUP(cleanup_file) = fopen("/proc/self/smaps", "r");
	assert_non_null(maps);
	char line[512];
	bool inside = false;
	ret_flags[0] = 0;
	while (fgets(line, sizeof(line), maps)) {
		unsigned long from, to;
		if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
			inside = (uintptr_t)address >= from && (uintptr_t)address < to;
		else if (inside && strncmp(line, "VmFlags:", 8) == 0)
			(void)snprintf(ret_flags, 256, "%.255s", line + 8);
	}
}

static void memory_is_locked_and_left_out_of_cores(void **state)
{
	(void)state;
	static const size_t sizes[] = { 1, 40, 4096, 10000 };
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct err err = { 0 };
		struct secret secret OWNED_SECRET = SECRET_INIT;
		assert_int_equal(secret_alloc(&secret, sizes[i], &err), 0);
		for (size_t at = 0; at < sizes[i]; at++) {
			if (at % 1024 != 0 && at != sizes[i] - 1)
				continue;
			char flags[256];
			flags_of_mapping((uint8_t *)secret.data + at, flags);
			assert_non_null(strstr(flags, " dd")); /* MADV_DONTDUMP */
			assert_non_null(strstr(flags, " lo")); /* locked */
		}
	}
	char flags[256];
	flags_of_mapping(&flags, flags);
	assert_non_null(strstr(flags, " wr")); /* the reader of flags works, */
	assert_null(strstr(flags, " dd"));     /* and ordinary memory has not got them */
	assert_null(strstr(flags, " lo"));
}

static void ask_without_lockable_memory(void)
{
	struct err err = { 0 };
	struct secret secret = SECRET_INIT;
	child_drop_capabilities();
	child_limit(RLIMIT_MEMLOCK, 0);
	CHECK(secret_alloc(&secret, 40, &err) == -1);
	CHECK(err.code == ERR_SYSTEM);
	CHECK(strstr(err.message, "RLIMIT_MEMLOCK") != NULL);
	CHECK(secret.data == NULL && secret.cap == 0);
}

static void ask_for_more_than_is_lockable(void)
{
	struct err err = { 0 };
	struct secret little = SECRET_INIT;
	struct secret much = SECRET_INIT;
	child_drop_capabilities();
	child_limit(RLIMIT_MEMLOCK, 65536);
	CHECK(secret_alloc(&little, 40, &err) == 0);
	CHECK(secret_alloc(&much, 100000, &err) == -1);
	CHECK(err.code == ERR_SYSTEM && much.data == NULL);
	CHECK(secret_append(&little, bytes_of_text("still works"), &err) == 0);
	secret_done(&little);
	for (int i = 0; i < 100; i++) { /* what failed has given its memory back */
		CHECK(secret_alloc(&much, 100000, &err) == -1);
		CHECK(secret_alloc(&little, 40, &err) == 0);
		secret_done(&little);
	}
}

static void short_lockable_memory_is_an_error(void **state)
{
	(void)state;
	assert_child_well(ask_without_lockable_memory);
	assert_child_well(ask_for_more_than_is_lockable);
}

static void short_memory_is_an_error(void **state)
{
	(void)state;
	struct err err = { 0 };
	struct secret secret = SECRET_INIT;
	memory_is_short = true;
	int rc = secret_alloc(&secret, SECRET_MAX, &err);
	memory_is_short = false;
	assert_int_equal(rc, -1);
	assert_int_equal(err.code, ERR_SYSTEM);
	assert_int_equal(err.sys_errno, ENOMEM);
	assert_empty(&secret);
}

/* A pipe with this content, its end closed; the reading end is returned. */
static int pipe_holding(const void *data, size_t len)
{
	int ends[2];
	assert_int_equal(pipe(ends), 0);
	assert_true(fcntl(ends[1], F_SETPIPE_SZ, 65536) >= 65536);
	assert_int_equal(write(ends[1], data, len), len);
	(void)close(ends[1]);
	return ends[0];
}

static void descriptor_is_read_to_its_end(void **state)
{
	(void)state;
	static const char data[5001] = "begin";
	static const size_t lengths[] = { 0, 1, 4999, 5000 };
	for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
		struct err err = { 0 };
		struct secret secret OWNED_SECRET = SECRET_INIT;
		int fd OWNED_FD = pipe_holding(data, lengths[i]);
		assert_int_equal(secret_read_fd(&secret, fd, 5000, &err), 0);
		assert_true(bytes_equal(secret_bytes(&secret), bytes_of(data, lengths[i])));
	}
	struct err err = { 0 };
	struct secret secret OWNED_SECRET = SECRET_INIT;
	int fd OWNED_FD = pipe_holding(data, 5001);
	assert_int_equal(secret_read_fd(&secret, fd, 5000, &err), -1);
	assert_int_equal(err.code, ERR_PROTOCOL);
	assert_string_equal(err.message, "larger than the limit of 5000 bytes");
	assert_empty(&secret);
}

static void largest_secret_is_read_whole(void **state)
{
	(void)state;
	struct err err = { 0 };
	struct secret secret OWNED_SECRET = SECRET_INIT;
	int fd OWNED_FD = memfd_create("secret", MFD_CLOEXEC);
	assert_int_equal(ftruncate(fd, SECRET_MAX), 0);
	assert_int_equal(secret_read_fd(&secret, fd, SECRET_MAX, &err), 0);
	assert_int_equal(secret.len, SECRET_MAX);
	struct secret more OWNED_SECRET = SECRET_INIT;
	assert_int_equal(secret_read_fd(&more, fd, SECRET_MAX + 1, &err), -1);
	assert_int_equal(secret_read_fd(&more, fd, SIZE_MAX, &err), -1);
	assert_empty(&more);
}

static void unreadable_descriptor_is_an_error(void **state)
{
	(void)state;
	struct err err = { 0 };
	struct secret secret OWNED_SECRET = SECRET_INIT;
	int fd OWNED_FD = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(secret_read_fd(&secret, fd, 100, &err), -1);
	assert_int_equal(err.code, ERR_SYSTEM);
	assert_int_equal(err.sys_errno, EISDIR);
	assert_empty(&secret);
}

static void failed_read_keeps_the_old_secret(void **state)
{
	(void)state;
	struct err err = { 0 };
	struct secret secret OWNED_SECRET = SECRET_INIT;
	assert_int_equal(secret_alloc(&secret, 3, &err), 0);
	assert_int_equal(secret_append(&secret, bytes_of_text("old"), &err), 0);
	int long_one OWNED_FD = pipe_holding("four", 4);
	assert_int_equal(secret_read_fd(&secret, long_one, 3, &err), -1);
	assert_true(bytes_equal_text(secret_bytes(&secret), "old"));
	int short_one OWNED_FD = pipe_holding("new", 3);
	assert_int_equal(secret_read_fd(&secret, short_one, 3, &err), 0);
	assert_true(bytes_equal_text(secret_bytes(&secret), "new"));
}

static int setup(void **state)
{
	(void)state;
	struct err err = { 0 };
	return secret_setup(&err) == 0 && secret_setup(&err) == 0 ? 0 : -1; /* twice does no harm */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_out_of_range_are_refused),
		cmocka_unit_test(append_stops_at_the_capacity),
		cmocka_unit_test(move_empties_the_source),
		cmocka_unit_test(memory_is_used_again_but_wiped),
		cmocka_unit_test(done_takes_null_and_empty),
		cmocka_unit_test(misuse_kills),
		cmocka_unit_test(memory_is_locked_and_left_out_of_cores),
		cmocka_unit_test(short_lockable_memory_is_an_error),
		cmocka_unit_test(short_memory_is_an_error),
		cmocka_unit_test(descriptor_is_read_to_its_end),
		cmocka_unit_test(largest_secret_is_read_whole),
		cmocka_unit_test(unreadable_descriptor_is_an_error),
		cmocka_unit_test(failed_read_keeps_the_old_secret),
	};
	return cmocka_run_group_tests(tests, setup, NULL);
}
