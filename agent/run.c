/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `sealpod run`, the parent's side: start the worker, look whether its plan can
 * be carried out, wait for what it hands over, put it in place, become the agent.
 *
 * This process never parses foreign bytes and never holds a secret in its memory:
 * the key passes through it as a descriptor. On every failure it takes away what it made.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "agent/cli.h"
#include "agent/launch.h"
#include "agent/pipeline.h"
#include "agent/place.h"
#include "agent/worker.h"
#include "base/cleanup.h"
#include "base/log.h"

/* The configuration is local and small. */
#define PLAN_LIMIT_MS 60000
/* What the worker gets on top of its own deadline to say that it passed. */
#define GRACE_MS 2000

struct start {
	struct worker worker;
	struct place place;
	struct handoff_plan plan;
	struct handoff_files files;
	bool worker_done; /* it has sent its last record and is leaving */
	int signal_fd;
	int signal; /* the one that ended us, 0 for none */
};

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

/* The next record, which must be of this kind; a failure record becomes our error. */
static int receive(struct start *start, enum handoff_kind kind, const struct deadline *deadline,
		   struct handoff_message *message, struct err *err)
{
	if (worker_wait(&start->worker, start->signal_fd, deadline, message, &start->files, &start->signal, err) < 0)
		return -1;
	start->worker_done = message->kind != HANDOFF_PLAN;
	if (message->kind == HANDOFF_FAILURE) {
		*err = message->failure;
		return -1;
	}
	if (message->kind != kind)
		return err_set(err, ERR_SYSTEM, "the worker's records came out of order");
	return 0;
}

static int receive_plan(struct start *start, struct err *err)
{
	struct handoff_message message;
	struct deadline limit = deadline_in(PLAN_LIMIT_MS);
	if (receive(start, HANDOFF_PLAN, &limit, &message, err) < 0)
		return -1;
	start->plan = message.plan;
	if (launch_check(&start->plan, err) < 0 || place_open(&start->plan, &start->place, err) < 0)
		return -1;
	return handoff_send_go(start->worker.fd, err);
}

static int receive_files(struct start *start, struct err *err)
{
	struct handoff_message message;
	struct deadline limit = start->plan.deadline;
	limit.at_ms += GRACE_MS;
	if (receive(start, HANDOFF_FILES, &limit, &message, err) < 0)
		return -1;
	worker_end(&start->worker, true);
	return 0;
}

/* A signal that came while the files were put in place. */
static bool interrupted(struct start *start)
{
	struct signalfd_siginfo info;
	if (read(start->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		start->signal = (int)info.ssi_signo;
	return start->signal != 0;
}

static int become_agent(struct start *start, struct err *err)
{
	if (receive_plan(start, err) < 0 || receive_files(start, err) < 0 ||
	    place_files(&start->plan, &start->files, &start->place, err) < 0)
		return -1;
	if (interrupted(start))
		return -1;
	log_info("starting '%s'", start->plan.agent_path);
	return launch_agent(&start->plan, start->files.credential, err);
}

/* Ends as the signal would have ended us; as process 1, whom signals do not end, by its status. */
static _Noreturn void end_by_signal(int number)
{
	sigset_t none;
	log_info("ended by signal %d (%s); nothing is left behind", number, strsignal(number));
	(void)signal(number, SIG_DFL);
	(void)raise(number);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	_exit(128 + number);
}

int verb_run(const struct cli_options *options, struct err *err)
{
	struct start start = { .place = PLACE_INIT, .files = HANDOFF_FILES_INIT, .signal_fd = -1 };
	struct pipeline_order order = { .options = options, .started_ms = clock_now_ms() };
	if (catch_signals(&start.signal_fd, err) < 0 ||
	    worker_start(pipeline_work, &order, &start.worker, err) < 0)
		return -1;
	(void)become_agent(&start, err); /* returns on failure only */
	worker_end(&start.worker, start.worker_done);
	place_undo(&start.plan, &start.place);
	handoff_files_done(&start.files);
	cleanup_fd(&start.signal_fd);
	if (start.signal)
		end_by_signal(start.signal);
	return -1;
}
