/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parent's side of a verb that attests.
 *
 * The worker may hang in a device or be taken over by what it reads; this process
 * never parses foreign bytes nor holds a secret. Must never outlive the deadline by
 * more than the grace below, nor leave behind what the worker made.
 */
#include "agent/overseer.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/report_out.h"
#include "config/config.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "base/random.h"

/* The configuration is local and small, unless the KBS has to release it first. */
#define PLAN_LIMIT_MS 60000
/* What the worker gets on top of its own deadline to say that it passed. */
#define GRACE_MS 2000

static int catch_signals(int *ret_fd, struct err *err)
{
	sigset_t set;
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGHUP);
	(void)sigaddset(&set, SIGQUIT);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return err_set_errno(err, ERR_SYSTEM, errno, "cannot block signals");
	int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return err_set_errno(err, ERR_SYSTEM, errno, "cannot watch for signals");
	*ret_fd = fd;
	return 0;
}

/* One a process: each worker fills a copy of its own. */
static struct report nothing_yet = REPORT_INIT;

struct order overseer_order(const struct cli_options *options, int (*work)(int fd, void *order, struct err *err))
{
	char token[17];
	struct order order = { .options = options, .started_ms = clock_now_ms(), .work = work, .report = &nothing_yet };
	random_name(token, sizeof(token));
	(void)snprintf(order.instance, sizeof(order.instance), "sealpod-%s", token);
	return order;
}

int overseer_work(int fd, void *arg, struct err *err)
{
	struct order *order = arg;
	int rc = order->work(fd, order, err);
	if (rc < 0)
		report_explain_clock(order->report, err);
	report_hand_over(order->report, order->options, rc < 0 ? err : NULL);
	report_done(order->report);
	return rc;
}

int overseer_start(struct overseer *overseer, const struct cli_options *options,
		   int (*work)(int fd, void *order, struct err *err), struct err *err)
{
	overseer->order = overseer_order(options, work);
	if (catch_signals(&overseer->signal_fd, err) < 0)
		return -1;
	report_prepare();
	return worker_start(overseer_work, &overseer->order, &overseer->worker, err);
}

/* The first record comes soon, the others by the deadline that it names. */
static struct deadline limit_of(const struct overseer *overseer, const struct deadline *deadline)
{
	const struct cli_options *options = overseer->order.options;
	int64_t first =
		options->config ? options->deadline_ms ? options->deadline_ms : CONFIG_DEADLINE_MS : PLAN_LIMIT_MS;
	int64_t at = deadline ? deadline->at_ms : overseer->order.started_ms + first;
	return (struct deadline){ .at_ms = at + GRACE_MS };
}

int overseer_receive(struct overseer *overseer, enum handoff_kind kind, const struct deadline *deadline,
		     struct handoff_message *ret_message, struct err *err)
{
	struct deadline limit = limit_of(overseer, deadline);
	if (worker_wait(&overseer->worker, overseer->signal_fd, &limit, ret_message, &overseer->files,
			&overseer->signal, err) < 0)
		return -1;
	overseer->worker_done = ret_message->kind != HANDOFF_PLAN;
	if (ret_message->kind == HANDOFF_FAILURE) {
		*err = ret_message->failure;
		return -1;
	}
	if (ret_message->kind != kind)
		return err_set(err, ERR_SYSTEM, "the worker's records came out of order");
	if (overseer->worker_done)
		(void)worker_end(&overseer->worker, true);
	return 0;
}

bool overseer_interrupted(struct overseer *overseer)
{
	struct signalfd_siginfo info;
	if (read(overseer->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		overseer->signal = (int)info.ssi_signo;
	return overseer->signal != 0;
}

/* Ends as the signal would have ended us; as process 1, whom signals do not end, by its status. */
static _Noreturn void end_by_signal(int number, bool gone)
{
	sigset_t none;
	log_info("ended by signal %d (%s)%s", number, strsignal(number), gone ? "; nothing is left behind" : "");
	(void)signal(number, SIG_DFL);
	(void)raise(number);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	_exit(128 + number);
}

/* The kernel lets rmdir(2) wait for whoever still reads from the instance. So does a process of its own, which is
 * nobody's child. */
static void remove_later(const char *instance)
{
	pid_t pid = fork();
	if (pid == 0) {
		if (fork() == 0) {
			(void)syscall(SYS_close_range, 0u, ~0u, 0u);
			(void)tsm_remove(instance);
		}
		_exit(0);
	}
	if (pid > 0)
		(void)waitpid(pid, NULL, 0);
}

bool overseer_end_worker(struct worker *worker, const struct order *order, bool done)
{
	bool gone = worker_end(worker, done);
	if (!gone)
		remove_later(order->instance);
	else if (!done)
		gone = tsm_remove(order->instance);
	return gone;
}

void overseer_end(struct overseer *overseer)
{
	bool gone = overseer_end_worker(&overseer->worker, &overseer->order, overseer->worker_done);
	handoff_files_done(&overseer->files);
	cleanup_fd(&overseer->signal_fd);
	if (overseer->signal)
		end_by_signal(overseer->signal, gone);
}

static int oversee(struct overseer *overseer, struct err *err)
{
	struct handoff_message message;
	if (overseer_receive(overseer, HANDOFF_PLAN, NULL, &message, err) < 0)
		return -1;
	struct deadline deadline = message.plan.deadline;
	if (handoff_send_go(overseer->worker.fd, err) < 0)
		return -1;
	return overseer_receive(overseer, HANDOFF_DONE, &deadline, &message, err);
}

int overseer_run(const struct cli_options *options, int (*work)(int fd, void *order, struct err *err), struct err *err)
{
	struct overseer overseer = OVERSEER_INIT;
	int rc = overseer_start(&overseer, options, work, err);
	if (rc == 0)
		rc = oversee(&overseer, err);
	overseer_end(&overseer);
	return rc;
}
