/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctl/progress: what a person at a terminal sees, by a terminal of the test's own.
 */
#include "support.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>

#include "base/clock.h"
#include "ctl/progress.h"

struct terminal {
	int master;
	int saved; /* the real standard error */
	char text[65536];
	size_t len;
};

static void open_terminal(struct terminal *terminal, unsigned short columns)
{
	const struct winsize size = { .ws_row = 24, .ws_col = columns };
	memset(terminal, 0, sizeof(*terminal));
	terminal->master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(terminal->master >= 0 && grantpt(terminal->master) == 0 && unlockpt(terminal->master) == 0);
	int slave = open(ptsname(terminal->master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(slave >= 0 && ioctl(slave, TIOCSWINSZ, &size) == 0);
	terminal->saved = dup(STDERR_FILENO);
	assert_true(terminal->saved >= 0 && dup2(slave, STDERR_FILENO) >= 0);
	(void)close(slave);
}

static void close_terminal(struct terminal *terminal)
{
	assert_true(dup2(terminal->saved, STDERR_FILENO) >= 0);
	(void)close(terminal->saved);
	(void)close(terminal->master);
}

/* Reads on until the text is there; what came before it is kept. */
static bool comes(struct terminal *terminal, const char *wanted, int64_t ms)
{
	struct deadline deadline = deadline_in(ms);
	while (!strstr(terminal->text, wanted)) {
		struct pollfd fd = { .fd = terminal->master, .events = POLLIN };
		if (poll(&fd, 1, (int)deadline_left(&deadline)) != 1)
			return false;
		ssize_t n = read(terminal->master, terminal->text + terminal->len,
				 sizeof(terminal->text) - 1 - terminal->len);
		if (n <= 0)
			return false;
		terminal->len += (size_t)n;
		terminal->text[terminal->len] = 0;
	}
	return true;
}

static void forget(struct terminal *terminal)
{
	terminal->len = 0;
	terminal->text[0] = 0;
}

static void shows_a_line_after_a_second_and_takes_it_away(void **state)
{
	(void)state;
	struct terminal terminal;
	open_terminal(&terminal, 80);
	int64_t from = clock_now_ms();
	progress_start();
	progress_say("entries: %d of %d", 1, 2000);
	bool first = comes(&terminal, " s  entries: 1 of 2000\r", 20000);
	int64_t after = clock_now_ms() - from;
	progress_say("entries: %d of %d", 2, 2000);
	bool second = comes(&terminal, "entries: 2 of 2000\r", 20000);
	forget(&terminal);
	progress_stop();
	bool cleared = comes(&terminal, "\r\033[K", 20000);
	const char *last = terminal.len >= 4 ? terminal.text + terminal.len - 4 : "";
	close_terminal(&terminal);
	assert_true(first && second && cleared);
	assert_true(after >= 1000);
	assert_string_equal(last, "\r\033[K");
}

static void is_gone_while_something_is_printed(void **state)
{
	(void)state;
	struct terminal terminal;
	open_terminal(&terminal, 80);
	progress_start();
	progress_say("first");
	bool shown = comes(&terminal, " s  first\r", 20000);
	progress_clear();
	(void)!write(STDERR_FILENO, "END", 3);
	bool ended = comes(&terminal, "\r\033[KEND", 20000);
	forget(&terminal);
	bool again = comes(&terminal, " s  ", 700); /* nothing was said */
	progress_say("more");
	bool more = comes(&terminal, " s  more\r", 20000);
	progress_stop();
	close_terminal(&terminal);
	assert_true(shown && ended && more);
	assert_false(again);
}

static void does_not_wrap(void **state)
{
	(void)state;
	struct terminal terminal;
	open_terminal(&terminal, 12);
	progress_start();
	progress_say("a text that is longer than the terminal is wide");
	bool cut = comes(&terminal, " s  a t\r", 20000);
	progress_stop();
	close_terminal(&terminal);
	assert_true(cut);
}

static void writes_nothing_where_there_is_no_terminal(void **state)
{
	(void)state;
	int pipes[2];
	char text[64];
	int saved = dup(STDERR_FILENO);
	assert_true(pipe(pipes) == 0 && saved >= 0 && dup2(pipes[1], STDERR_FILENO) >= 0);
	(void)close(pipes[1]);
	progress_start();
	progress_say("x");
	(void)clock_pause(1600, &(struct deadline){ INT64_MAX });
	progress_clear();
	progress_stop();
	assert_true(dup2(saved, STDERR_FILENO) >= 0);
	(void)close(saved);
	assert_int_equal(read(pipes[0], text, sizeof(text)), 0);
	(void)close(pipes[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shows_a_line_after_a_second_and_takes_it_away),
		cmocka_unit_test(is_gone_while_something_is_printed),
		cmocka_unit_test(does_not_wrap),
		cmocka_unit_test(writes_nothing_where_there_is_no_terminal),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
