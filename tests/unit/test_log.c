/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/log: one line, one write, nothing in it that steers a terminal.
 */
#include "support.h"

#include <sys/socket.h>
#include <wchar.h>

#include "base/cleanup.h"
#include "base/log.h"

#define LINE_MAX_BYTES 2047 /* with the newline */

/* Standard error is a socket that keeps each write apart, so that two writes
 * would be two messages. */
static int saved_stderr = -1;
static int messages = -1;

static int capture(void **state)
{
	(void)state;
	int ends[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0)
		return -1;
	saved_stderr = dup(STDERR_FILENO);
	messages = ends[0];
	if (saved_stderr < 0 || dup2(ends[1], STDERR_FILENO) < 0)
		return -1;
	(void)close(ends[1]);
	return 0;
}

static int capture_all(void **state)
{
	log_setup("test", LOG_DEBUG);
	return capture(state);
}

static int release(void **state)
{
	(void)state;
	if (dup2(saved_stderr, STDERR_FILENO) < 0)
		return -1;
	cleanup_fd(&saved_stderr);
	cleanup_fd(&messages);
	return 0;
}

/* The next message, as text. */
static const char *logged(void)
{
	static char text[8192];
	ssize_t n = recv(messages, text, sizeof(text) - 1, 0);
	assert_true(n > 0);
	text[n] = 0;
	assert_int_equal(strlen(text), n);
	return text;
}

static void assert_silence(void)
{
	char byte;
	assert_int_equal(recv(messages, &byte, 1, 0), -1);
	assert_int_equal(errno, EAGAIN);
}

static void line_names_program_and_level(void **state)
{
	(void)state;
	log_error("cannot open '%s': %d", "x", 2);
	assert_string_equal(logged(), "test: error: cannot open 'x': 2\n");
	log_warning("w");
	assert_string_equal(logged(), "test: warning: w\n");
	log_info("i");
	assert_string_equal(logged(), "test: info: i\n");
	log_debug("d");
	assert_string_equal(logged(), "test: debug: d\n");
	assert_silence();
}

static void level_is_a_limit(void **state)
{
	(void)state;
	static const char *const names[] = { "error", "warning", "info", "debug" };
	for (int most = LOG_ERROR; most <= LOG_DEBUG; most++) {
		log_setup("test", (enum log_level)most);
		for (int level = LOG_ERROR; level <= LOG_DEBUG; level++) {
			log_line((enum log_level)level, "x");
			char wanted[64];
			(void)snprintf(wanted, sizeof(wanted), "test: %s: x\n", names[level]);
			if (level <= most)
				assert_string_equal(logged(), wanted);
			assert_silence();
		}
	}
}

static void control_bytes_become_question_marks(void **state)
{
	(void)state;
	for (int c = 1; c < 256; c++) {
		char wanted[64];
		log_info("a%cb", c);
		(void)snprintf(wanted, sizeof(wanted), "test: info: a%cb\n", c < 0x20 || c == 0x7f ? '?' : c);
		assert_string_equal(logged(), wanted);
	}
	log_info("a%cb", 0);
	assert_string_equal(logged(), "test: info: a?b\n");
	log_info("one\ntest: error: forged\r\n\x1b[2J");
	assert_string_equal(logged(), "test: info: one?test: error: forged???[2J\n");
	assert_silence();
}

static void long_line_is_cut_and_is_still_one_write(void **state)
{
	(void)state;
	static char text[6000];
	for (size_t len = 2000; len < 2100; len++) {
		memset(text, 'x', len);
		text[len] = 0;
		log_info("%s", text);
		size_t whole = strlen("test: info: ") + len + 1;
		const char *line = logged();
		assert_int_equal(strlen(line), whole < LINE_MAX_BYTES ? whole : LINE_MAX_BYTES);
		assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
		assert_int_equal(line[strlen(line) - 2], 'x');
		assert_silence();
	}
	log_info("%5999d", 1);
	assert_int_equal(strlen(logged()), LINE_MAX_BYTES);
	assert_silence();
}

static void long_program_name_is_cut(void **state)
{
	(void)state;
	static char name[6000];
	for (size_t len = 2020; len < sizeof(name); len += len < 2060 ? 1 : 1000) {
		memset(name, 'p', len);
		name[len] = 0;
		log_setup(name, LOG_DEBUG);
		log_info("text");
		const char *line = logged();
		assert_true(strlen(line) <= LINE_MAX_BYTES);
		assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
		assert_silence();
	}
}

static void unprintable_text_leaves_a_line(void **state)
{
	(void)state;
	log_info("%ls", L"\u20ac"); /* the C locale cannot say it */
	assert_string_equal(logged(), "test: info: \n");
	assert_silence();
}

static void log_to_nowhere(void)
{
	CHECK(close(STDERR_FILENO) == 0);
	log_error("nobody hears");
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	CHECK(full >= 0);
	(void)dup2(full, STDERR_FILENO);
	log_error("nobody hears");
}

static void log_by_default(void)
{
	log_debug("too much");
	log_info("enough");
}

static void lost_standard_error_does_no_harm(void **state)
{
	(void)state;
	assert_child_well(log_to_nowhere);
	assert_silence();
}

static void default_is_info(void **state)
{
	(void)state; /* first of all tests, before any log_setup() */
	assert_child_well(log_by_default);
	assert_string_equal(logged(), "sealpod: info: enough\n");
	assert_silence();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(default_is_info, capture, release),
		cmocka_unit_test_setup_teardown(line_names_program_and_level, capture_all, release),
		cmocka_unit_test_setup_teardown(level_is_a_limit, capture_all, release),
		cmocka_unit_test_setup_teardown(control_bytes_become_question_marks, capture_all, release),
		cmocka_unit_test_setup_teardown(long_line_is_cut_and_is_still_one_write, capture_all, release),
		cmocka_unit_test_setup_teardown(long_program_name_is_cut, capture_all, release),
		cmocka_unit_test_setup_teardown(unprintable_text_leaves_a_line, capture_all, release),
		cmocka_unit_test_setup_teardown(lost_standard_error_does_no_harm, capture_all, release),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
