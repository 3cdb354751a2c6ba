/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/clock: every statement here holds on a machine however slow; none is
 * about how soon something happens, except where the clock itself is ours.
 */
#include "support.h"

#include <limits.h>
#include <sys/time.h>
#include <time.h>

#include "base/clock.h"

/* The clock and the sleep as the library under test sees them (--wrap): the
 * real ones, or a clock that only stands where it is put and moves by sleeping. */
static bool clock_is_ours;
static int64_t our_ns;
static int interruptions; /* the next sleeps are broken off in the middle */
static int sleeps;

int __real_clock_gettime(clockid_t clock, struct timespec *now);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now);
int __real_clock_nanosleep(clockid_t clock, int flags, const struct timespec *want, struct timespec *rest);
int __wrap_clock_nanosleep(clockid_t clock, int flags, const struct timespec *want, struct timespec *rest);

static struct timespec to_timespec(int64_t ns)
{
	return (struct timespec){ .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 };
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *now)
{
	if (!clock_is_ours)
		return __real_clock_gettime(clock, now);
	assert_int_equal(clock, CLOCK_MONOTONIC);
	*now = to_timespec(our_ns);
	return 0;
}

int __wrap_clock_nanosleep(clockid_t clock, int flags, const struct timespec *want, struct timespec *rest)
{
	if (!clock_is_ours)
		return __real_clock_nanosleep(clock, flags, want, rest);
	assert_int_equal(clock, CLOCK_MONOTONIC);
	if (want->tv_nsec < 0 || want->tv_nsec > 999999999 || want->tv_sec < 0)
		return EINVAL;
	sleeps++;
	int64_t ns = want->tv_sec * 1000000000 + want->tv_nsec;
	if (flags & TIMER_ABSTIME)
		ns = ns > our_ns ? ns - our_ns : 0;
	int64_t slept = interruptions > 0 ? ns / 2 : ns;
	our_ns += slept;
	if (interruptions == 0)
		return 0;
	interruptions--;
	if (!(flags & TIMER_ABSTIME))
		*rest = to_timespec(ns - slept);
	return EINTR;
}

static int our_clock(void **state)
{
	(void)state;
	clock_is_ours = true;
	our_ns = (int64_t)5000 * 1000000000;
	interruptions = 0;
	sleeps = 0;
	return 0;
}

static int real_clock(void **state)
{
	(void)state;
	clock_is_ours = false;
	return 0;
}

static void now_is_in_milliseconds(void **state)
{
	(void)state;
	assert_int_equal(clock_now_ms(), 5000000);
	our_ns += 999999;
	assert_int_equal(clock_now_ms(), 5000000);
	our_ns += 1;
	assert_int_equal(clock_now_ms(), 5000001);
}

static void deadline_counts_down_to_zero_and_stays(void **state)
{
	(void)state;
	struct deadline deadline = deadline_in(1000);
	assert_int_equal(deadline_left(&deadline), 1000);
	our_ns += 400 * 1000000;
	assert_int_equal(deadline_left(&deadline), 600);
	our_ns += 600 * 1000000;
	assert_int_equal(deadline_left(&deadline), 0);
	our_ns += (int64_t)86400 * 1000000000;
	assert_int_equal(deadline_left(&deadline), 0);
}

static void deadline_in_the_past_is_over(void **state)
{
	(void)state;
	static const int64_t past[] = { 0, -1, -1000000000, INT64_MIN };
	for (size_t i = 0; i < sizeof(past) / sizeof(past[0]); i++) {
		struct deadline deadline = deadline_in(past[i]);
		assert_int_equal(deadline_left(&deadline), 0);
	}
	struct deadline first = { .at_ms = INT64_MIN };
	assert_int_equal(deadline_left(&first), 0);
}

static void endless_deadline_does_not_wrap_around(void **state)
{
	(void)state;
	static const int64_t far[] = { INT64_MAX, INT64_MAX - 1, INT64_MAX / 2 };
	for (size_t i = 0; i < sizeof(far) / sizeof(far[0]); i++) {
		struct deadline deadline = deadline_in(far[i]);
		assert_true(deadline_left(&deadline) >= INT64_MAX / 2 - 5000000);
	}
}

static void backoff_doubles_up_to_its_cap(void **state)
{
	(void)state;
	static const int64_t most[] = { 500, 1000, 2000, 4000, 8000, 15000, 15000, 15000 };
	static int64_t largest[8], smallest[8];
	static const int draws = 2000;
	for (size_t n = 0; n < 8; n++)
		smallest[n] = INT64_MAX;
	for (int draw = 0; draw < draws; draw++) {
		struct backoff backoff = BACKOFF_INIT;
		for (size_t n = 0; n < 8; n++) {
			int64_t pause = backoff_next(&backoff);
			assert_int_equal(backoff.tries, n + 1);
			assert_true(pause >= 0 && pause <= most[n]);
			largest[n] = pause > largest[n] ? pause : largest[n];
			smallest[n] = pause < smallest[n] ? pause : smallest[n];
		}
	}
	/* Uniform: that 2000 draws all miss one of the outer tenths has a chance of
	 * 0.9^2000, below 10^-91. */
	for (size_t n = 0; n < 8; n++) {
		assert_true(largest[n] > most[n] * 9 / 10);
		assert_true(smallest[n] < most[n] / 10);
	}
}

static void backoff_survives_many_tries_and_odd_limits(void **state)
{
	(void)state;
	struct backoff old = { .base_ms = 500, .cap_ms = 15000, .tries = 4000000000u };
	assert_true(backoff_next(&old) <= 15000);
	struct backoff none = { .base_ms = 0, .cap_ms = 0, .tries = 0 };
	assert_int_equal(backoff_next(&none), 0);
	struct backoff fixed = { .base_ms = 9000, .cap_ms = 10, .tries = 0 };
	assert_true(backoff_next(&fixed) <= 10);
	struct backoff last = { .base_ms = 1, .cap_ms = 10, .tries = UINT_MAX };
	assert_true(backoff_next(&last) <= 10);
	assert_true(last.tries > 1000); /* does not begin anew */
}

static void both_ends_of_the_range_are_drawn(void **state)
{
	(void)state;
	bool seen[3] = { false, false, false };
	for (int draw = 0; draw < 1000; draw++) { /* missing one: a chance below 10^-175 */
		struct backoff backoff = { .base_ms = 2, .cap_ms = 2, .tries = 0 };
		int64_t pause = backoff_next(&backoff);
		assert_true(pause >= 0 && pause <= 2);
		seen[pause] = true;
	}
	assert_true(seen[0] && seen[1] && seen[2]);
}

static void long_backoff_is_drawn_from_its_whole_range(void **state)
{
	(void)state;
	static const int64_t longest = (int64_t)UINT32_MAX - 1;
	static const int64_t caps[] = { 100000, longest, longest + 1, longest + 2, INT64_MAX / 2 + 2, INT64_MAX };
	for (size_t i = 0; i < sizeof(caps) / sizeof(caps[0]); i++) {
		int64_t most = caps[i] < longest ? caps[i] : longest;
		int64_t largest = 0;
		for (int draw = 0; draw < 2000; draw++) {
			struct backoff long_one = { .base_ms = 500, .cap_ms = caps[i], .tries = 100 };
			int64_t pause = backoff_next(&long_one);
			assert_true(pause >= 0 && pause <= most);
			largest = pause > largest ? pause : largest;
		}
		assert_true(largest > most / 10 * 9);
	}
}

static void pause_sleeps_whole_through_signals(void **state)
{
	(void)state;
	for (int n = 0; n < 4; n++) {
		struct deadline deadline = deadline_in(10000);
		int64_t before = our_ns;
		interruptions = n;
		sleeps = 0;
		assert_true(clock_pause(1234, &deadline));
		assert_int_equal(our_ns - before, 1234 * 1000000);
		assert_int_equal(sleeps, n + 1);
	}
}

static void pause_that_meets_the_deadline_does_not_begin(void **state)
{
	(void)state;
	struct deadline deadline = deadline_in(1000);
	int64_t before = our_ns;
	assert_false(clock_pause(1000, &deadline));
	assert_false(clock_pause(1001, &deadline));
	assert_false(clock_pause(INT64_MAX, &deadline));
	assert_int_equal(our_ns, before);
	assert_int_equal(sleeps, 0);
	assert_true(clock_pause(999, &deadline));
	assert_true(clock_pause(0, &deadline));
	assert_false(clock_pause(1, &deadline));
	our_ns += 1000000;
	assert_false(clock_pause(0, &deadline)); /* it is over */
}

static void pause_of_less_than_nothing_is_none(void **state)
{
	(void)state;
	struct deadline deadline = deadline_in(1000);
	int64_t before = our_ns;
	assert_true(clock_pause(-1, &deadline));
	assert_true(clock_pause(INT64_MIN, &deadline));
	assert_int_equal(our_ns, before);
	struct deadline over = deadline_in(0);
	assert_false(clock_pause(-1, &over));
}

static volatile sig_atomic_t alarms;

static void count_alarm(int signal_number)
{
	(void)signal_number;
	alarms++;
}

static void real_pause_is_not_cut_by_real_signals(void **state)
{
	(void)state;
	const struct sigaction action = { .sa_handler = count_alarm };
	const struct itimerval often = { { 0, 5000 }, { 0, 5000 } };
	const struct itimerval never = { { 0, 0 }, { 0, 0 } };
	struct deadline deadline = deadline_in(INT64_MAX / 4);
	assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
	assert_int_equal(setitimer(ITIMER_REAL, &often, NULL), 0);
	int64_t before = clock_now_ms();
	assert_true(clock_pause(60, &deadline));
	int64_t after = clock_now_ms();
	assert_int_equal(setitimer(ITIMER_REAL, &never, NULL), 0);
	assert_true(after - before >= 60);
	assert_true(alarms > 0);
}

static void pauses_between_tries_leave_room_for_a_last_one(void **state)
{
	(void)state;
	struct deadline limit = deadline_in(10000);
	int64_t began = clock_now_ms();
	assert_true(clock_pause_for_try(3000, &limit));
	assert_int_equal(clock_now_ms() - began, 3000);
	assert_true(clock_pause_for_try(60000, &limit)); /* cut */
	assert_int_equal(deadline_left(&limit), CLOCK_LAST_TRY_MS);
	assert_false(clock_pause_for_try(0, &limit)); /* the last try was made */
	assert_int_equal(deadline_left(&limit), CLOCK_LAST_TRY_MS);
}

static void real_clock_never_runs_back(void **state)
{
	(void)state;
	int64_t last = clock_now_ms();
	struct timespec first;
	assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &first), 0);
	for (int i = 0; i < 10000; i++) {
		int64_t now = clock_now_ms();
		assert_true(now >= last);
		last = now;
	}
	assert_true(last >= (int64_t)first.tv_sec * 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(pauses_between_tries_leave_room_for_a_last_one, our_clock, real_clock),
		cmocka_unit_test_setup_teardown(now_is_in_milliseconds, our_clock, real_clock),
		cmocka_unit_test_setup_teardown(deadline_counts_down_to_zero_and_stays, our_clock, real_clock),
		cmocka_unit_test_setup_teardown(deadline_in_the_past_is_over, our_clock, real_clock),
		cmocka_unit_test_setup_teardown(endless_deadline_does_not_wrap_around, our_clock, real_clock),
		cmocka_unit_test_setup_teardown(backoff_doubles_up_to_its_cap, our_clock, real_clock),
		cmocka_unit_test_setup_teardown(backoff_survives_many_tries_and_odd_limits, our_clock, real_clock),
		cmocka_unit_test_setup_teardown(both_ends_of_the_range_are_drawn, our_clock, real_clock),
		cmocka_unit_test_setup_teardown(long_backoff_is_drawn_from_its_whole_range, our_clock, real_clock),
		cmocka_unit_test_setup_teardown(pause_sleeps_whole_through_signals, our_clock, real_clock),
		cmocka_unit_test_setup_teardown(pause_that_meets_the_deadline_does_not_begin, our_clock, real_clock),
		cmocka_unit_test_setup_teardown(pause_of_less_than_nothing_is_none, our_clock, real_clock),
		cmocka_unit_test(real_pause_is_not_cut_by_real_signals),
		cmocka_unit_test(real_clock_never_runs_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
