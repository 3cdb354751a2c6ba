/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent/child: who is started again, when, and whose status counts. The program is one in name only.
 */
#include "support.h"

#include "agent/child.h"

#define PID 5000000 /* above what the kernel gives: kill(2) finds nobody */

static int starts;
static int refusal;

static int start(void *arg, pid_t *ret_pid, struct err *err)
{
	(void)arg;
	if (refusal)
		return err_set(err, ERR_SYSTEM, "no");
	starts++;
	*ret_pid = PID;
	return 0;
}

static bool again(void *arg, int status)
{
	(void)arg;
	return status != 0;
}

static struct child make(void)
{
	starts = refusal = 0;
	return (struct child){
		.name = "program",
		.start = start,
		.again = again,
		.well_ms = 3600000,
		.backoff = { .base_ms = 100000, .cap_ms = 100000 },
	};
}

#define EXITED(status) ((status) << 8)

static void it_is_started_when_wanted(void **state)
{
	(void)state;
	struct child child = make();
	int64_t ms;
	assert_int_equal(child_step(&child, &ms, NULL), 0);
	assert_true(starts == 0 && ms == -1);
	child_want(&child);
	assert_int_equal(child_step(&child, &ms, NULL), 0);
	assert_true(starts == 1 && ms == -1 && child.pid == PID);
	child_want(&child); /* it runs */
	assert_int_equal(child_step(&child, &ms, NULL), 0);
	assert_int_equal(starts, 1);
	struct child none = make();
	none.start = NULL;
	child_want(&none);
	assert_int_equal(child_step(&none, &ms, NULL), 0);
	assert_int_equal(starts, 0);
}

static void a_failed_one_is_started_again_after_a_pause(void **state)
{
	(void)state;
	struct child child = make();
	int64_t ms = 0;
	int status = -7;
	do { /* a pause of 0 is one of those that may be drawn */
		child_want(&child);
		assert_int_equal(child_step(&child, &ms, NULL), 0);
		assert_false(child_ended(&child, 1, EXITED(1), &status)); /* another process */
		assert_int_equal(child.pid, PID);
		assert_false(child_ended(&child, PID, EXITED(1), &status));
		assert_int_equal(child.pid, 0);
	} while (deadline_left(&child.start_at) == 0);
	int before = starts;
	assert_int_equal(child_step(&child, &ms, NULL), 0);
	assert_true(starts == before && ms > 0);
	assert_true(child.backoff.tries > 0);
	child_want(&child); /* what it was waiting for is there */
	assert_int_equal(child_step(&child, &ms, NULL), 0);
	assert_int_equal(starts, before + 1);
	assert_int_equal(status, -7);
}

static void one_that_was_well_gets_a_short_pause(void **state)
{
	(void)state;
	struct child child = make();
	int status;
	child.pid = PID;
	child.backoff.tries = 9;
	child.started_ms = clock_now_ms() - child.well_ms - 1;
	assert_false(child_ended(&child, PID, EXITED(1), &status));
	assert_int_equal(child.backoff.tries, 1);
	child.pid = PID;
	child.started_ms = clock_now_ms();
	assert_false(child_ended(&child, PID, SIGSEGV, &status));
	assert_int_equal(child.backoff.tries, 2);
}

static void ends_that_end_it_all(void **state)
{
	(void)state;
	int status = -1;
	struct child child = make();
	child.pid = PID;
	assert_true(child_ended(&child, PID, EXITED(0), &status));
	assert_int_equal(status, 0);
	static const int stopping[] = { SIGTERM, SIGINT, SIGQUIT };
	for (size_t i = 0; i < sizeof(stopping) / sizeof(stopping[0]); i++) {
		child = make();
		child.pid = PID;
		assert_true(child_signal(&child, stopping[i]));
		assert_true(child_ended(&child, PID, EXITED(3), &status));
		assert_int_equal(status, 3);
	}
	child = make();
	child.pid = PID;
	assert_true(child_signal(&child, SIGUSR1));
	child_tell(&child, SIGTERM); /* our own word for an update */
	assert_false(child_ended(&child, PID, SIGTERM, &status));
	assert_false(child_signal(&child, SIGUSR1)); /* does not run: the signal is ours */
}

static void statuses_are_those_of_a_shell(void **state)
{
	(void)state;
	assert_int_equal(child_status(EXITED(0)), 0);
	assert_int_equal(child_status(EXITED(111)), 111);
	assert_int_equal(child_status(SIGKILL), 137);
	assert_int_equal(child_status(SIGSEGV | 0x80), 139); /* with a core */
}

static void one_that_cannot_be_started_is_said(void **state)
{
	(void)state;
	struct child child = make();
	struct err err = { 0 };
	int64_t ms;
	refusal = 1;
	child_want(&child);
	assert_int_equal(child_step(&child, &ms, &err), -1);
	assert_int_equal(err.code, ERR_SYSTEM);
	assert_int_equal(child.pid, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_started_when_wanted),
		cmocka_unit_test(a_failed_one_is_started_again_after_a_pause),
		cmocka_unit_test(one_that_was_well_gets_a_short_pause),
		cmocka_unit_test(ends_that_end_it_all),
		cmocka_unit_test(statuses_are_those_of_a_shell),
		cmocka_unit_test(one_that_cannot_be_started_is_said),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
