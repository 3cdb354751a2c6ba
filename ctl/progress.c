/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Drawing the progress line. The thread that does it touches nothing but the state below and standard
 * error.
 */
#include "ctl/progress.h"

#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

#define QUIET_MS 1000
#define TICK_MS 250
#define TEXT_SIZE 64
#define CLEAR_LINE "\r\033[K"

static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	pthread_t thread;
	int64_t started_ms;
	char text[TEXT_SIZE];
	bool running, stopping;
	bool hidden; /* until something is said */
	bool drawn;
} state = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void write_out(const char *text, size_t len)
{
	ssize_t ignored = write(STDERR_FILENO, text, len);
	(void)ignored;
}

static void wipe_line(void)
{
	if (state.drawn)
		write_out(CLEAR_LINE, sizeof(CLEAR_LINE) - 1);
	state.drawn = false;
}

static void draw_line(int64_t since_ms)
{
	char line[TEXT_SIZE + 40];
	struct winsize size = { 0 };
	int len = snprintf(line, sizeof(line), CLEAR_LINE "%4lld s  %s", (long long)since_ms / 1000, state.text);
	size_t begin = sizeof(CLEAR_LINE) - 1;
	size_t shown = (size_t)len - begin;
	/* a line that wraps could not be taken away */
	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 && shown >= size.ws_col)
		shown = size.ws_col - 1u;
	line[begin + shown] = '\r';
	write_out(line, begin + shown + 1);
	state.drawn = true;
}

static void wait_a_tick(void)
{
	struct timespec until;
	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += (long)TICK_MS * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_nsec -= 1000000000;
		until.tv_sec++;
	}
	(void)pthread_cond_timedwait(&state.changed, &state.lock, &until);
}

static void *draw(void *unused)
{
	(void)unused;
	(void)pthread_mutex_lock(&state.lock);
	while (!state.stopping) {
		int64_t since_ms = clock_now_ms() - state.started_ms;
		if (since_ms >= QUIET_MS && !state.hidden)
			draw_line(since_ms);
		wait_a_tick();
	}
	wipe_line();
	(void)pthread_mutex_unlock(&state.lock);
	return NULL;
}

/* Signals are the main thread's. */
static bool start_thread(void)
{
	sigset_t all, before;
	(void)sigfillset(&all);
	if (pthread_sigmask(SIG_SETMASK, &all, &before) != 0)
		return false;
	bool good = pthread_create(&state.thread, NULL, draw, NULL) == 0;
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	return good;
}

void progress_start(void)
{
	pthread_condattr_t attributes;
	if (state.running || !isatty(STDERR_FILENO) || pthread_condattr_init(&attributes) != 0)
		return;
	state.stopping = false;
	state.hidden = true;
	state.started_ms = clock_now_ms();
	state.running = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0 &&
			pthread_cond_init(&state.changed, &attributes) == 0 && start_thread();
	(void)pthread_condattr_destroy(&attributes);
}

void progress_say(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	(void)pthread_mutex_lock(&state.lock);
	(void)vsnprintf(state.text, sizeof(state.text), format, args);
	state.hidden = false;
	(void)pthread_mutex_unlock(&state.lock);
	va_end(args);
}

void progress_clear(void)
{
	(void)pthread_mutex_lock(&state.lock);
	state.hidden = true;
	wipe_line();
	(void)pthread_mutex_unlock(&state.lock);
}

void progress_stop(void)
{
	if (!state.running)
		return;
	(void)pthread_mutex_lock(&state.lock);
	state.stopping = true;
	(void)pthread_cond_signal(&state.changed);
	(void)pthread_mutex_unlock(&state.lock);
	(void)pthread_join(state.thread, NULL);
	(void)pthread_cond_destroy(&state.changed);
	state.running = false;
}
