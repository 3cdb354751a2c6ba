/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The supervisor of the agent: one loop over signals, the agent's life, its socket
 * and the renewal of its credential.
 *
 * It never parses foreign bytes nor holds a secret; workers do. Must never wait but
 * in its one poll(2), so that a signal is obeyed at once, and never end while the
 * agent runs.
 */
#include "agent/supervisor.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/child.h"
#include "agent/launch.h"
#include "agent/status.h"
#include "base/cleanup.h"
#include "base/log.h"

/* An agent gives up by itself after about a minute without its server. */
#define WELL_MS 90000

#define PROBE_FIRST_MS 50
#define PROBE_LAST_MS 1000

struct supervisor {
	const struct handoff_plan *plan;
	const struct place *place;
	int signal_fd;
	struct child agent;
	struct renewal renewal;
	bool used;  /* the data directory is an earlier agent's */
	bool ready; /* the agent that runs has accepted a connection */
	bool announced;
	int64_t probe_ms;
	struct deadline probe_at;
	unsigned long restarts;
	bool changed; /* the status file is out of date */
	bool done;
	int status;
};

static int start_agent(void *arg, pid_t *ret_pid, struct err *err)
{
	struct supervisor *s = arg;
	if (s->used && place_fresh_data(s->plan, s->place, err) < 0)
		return -1;
	if (launch_child(s->plan, ret_pid, err) < 0)
		return -1;
	log_info("'%s' runs as process %d", s->plan->agent_path, (int)*ret_pid);
	s->used = true;
	s->ready = false;
	s->changed = true;
	s->probe_ms = PROBE_FIRST_MS;
	s->probe_at = deadline_in(s->probe_ms);
	return 0;
}

/* Status 0 is an agent that somebody asked to end; one that cannot be executed will never be. */
static bool is_again(void *arg, int status)
{
	(void)arg;
	return status != 0 && status != EXIT_CANNOT_EXEC && status != EXIT_NOT_FOUND;
}

static void agent_ended(struct supervisor *s)
{
	char text[128];
	s->changed = true;
	s->restarts++;
	(void)snprintf(text, sizeof(text), "STATUS=the agent ended and is started again, for the %lu. time",
		       s->restarts);
	status_notify(text);
	if (!s->ready)
		renewal_hasten(&s->renewal); /* its server may have another CA by now */
	s->ready = false;
}

static void reap(struct supervisor *s)
{
	int wait_status;
	/* All of them: as process 1 we are everybody's parent. */
	for (pid_t pid; (pid = waitpid(-1, &wait_status, WNOHANG)) > 0;) {
		bool is_agent = pid == s->agent.pid;
		renewal_reaped(&s->renewal, pid);
		if (child_ended(&s->agent, pid, wait_status, &s->status))
			s->done = true;
		else if (is_agent)
			agent_ended(s);
	}
}

static bool ends_us(int number)
{
	return number == SIGTERM || number == SIGINT || number == SIGQUIT || number == SIGHUP;
}

static void end_by_signal(struct supervisor *s, int number)
{
	log_info("signal %d (%s): ending with the agent", number, strsignal(number));
	status_notify("STOPPING=1\nSTATUS=ending");
	renewal_end(&s->renewal);
	s->agent.stopping = true;
	if (s->agent.pid > 0)
		return;
	s->done = true;
	s->status = 128 + number;
}

static void take_signals(struct supervisor *s)
{
	struct signalfd_siginfo info;
	while (read(s->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		int number = (int)info.ssi_signo;
		if (number == SIGCHLD) {
			reap(s);
			continue;
		}
		(void)child_signal(&s->agent, number);
		if (ends_us(number))
			end_by_signal(s, number);
	}
}

static int64_t probe(struct supervisor *s)
{
	if (s->ready || s->agent.pid <= 0)
		return -1;
	int64_t left = deadline_left(&s->probe_at);
	if (left > 0)
		return left;
	if (status_connect(s->plan->socket_path, NULL) < 0) {
		s->probe_ms = s->probe_ms * 2 > PROBE_LAST_MS ? PROBE_LAST_MS : s->probe_ms * 2;
		s->probe_at = deadline_in(s->probe_ms);
		return s->probe_ms;
	}
	s->ready = true;
	s->changed = true;
	log_info("the agent serves at '%s' after %lld ms", s->plan->socket_path,
		 (long long)(clock_now_ms() - s->agent.started_ms));
	status_notify(s->announced ? "STATUS=the agent serves" : "READY=1\nSTATUS=the agent serves");
	s->announced = true;
	return -1;
}

static void write_status(struct supervisor *s)
{
	struct err err = { 0 };
	struct status status = {
		.socket = s->plan->socket_path,
		.trouble = s->renewal.trouble == ERR_NONE ? "" : err_info(s->renewal.trouble)->name,
		.credential_ends = s->renewal.credential.ends,
		.renewal_due = s->renewal.due,
		.renewals = s->renewal.count,
		.restarts = s->restarts,
		.agent_pid = s->agent.pid > 0 ? (uint64_t)s->agent.pid : 0,
		.ready = s->ready,
	};
	if (status_write(s->place->runtime_fd, &status, &err) < 0)
		log_warning("%s", err.message);
	s->changed = false;
}

static void take_renewal(struct supervisor *s)
{
	s->changed = true;
	if (!renewal_take(&s->renewal))
		return;
	/* A pause is for what may heal meanwhile. It has, if it was credential or bundle; renewals are rarer than
	 * pauses. */
	if (s->agent.due)
		log_info("the agent is started at once, without the rest of its pause: what it attests with is fresh");
	child_want(&s->agent); /* does nothing to one that runs */
}

static int64_t earlier(int64_t a, int64_t b)
{
	return a < 0 || (b >= 0 && b < a) ? b : a;
}

/* Everything that has become due. *ret_ms: how long nothing else will. */
static int step(struct supervisor *s, int64_t *ret_ms, struct err *err)
{
	int64_t next;
	if (child_step(&s->agent, &next, err) < 0)
		return -1;
	next = earlier(next, probe(s));
	if (!s->agent.stopping)
		next = earlier(next, renewal_step(&s->renewal));
	if (s->changed)
		write_status(s);
	*ret_ms = next;
	return 0;
}

static int wait_for_something(struct supervisor *s, int64_t ms, struct err *err)
{
	struct pollfd fds[] = {
		{ .fd = s->signal_fd, .events = POLLIN },
		{ .fd = renewal_fd(&s->renewal), .events = POLLIN },
	};
	if (poll(fds, ARRAY_LEN(fds), ms < 0 ? -1 : (int)ms + 1) < 0 && errno != EINTR)
		return err_set_errno(err, ERR_SYSTEM, errno, "cannot wait");
	if (fds[1].revents)
		take_renewal(s);
	if (fds[0].revents)
		take_signals(s);
	return 0;
}

static int loop(struct supervisor *s, struct err *err)
{
	while (!s->done) {
		int64_t ms;
		if (step(s, &ms, err) < 0 || wait_for_something(s, ms, err) < 0)
			return -1;
	}
	return 0;
}

/* Nothing of ours may run or lie about when we are gone. */
static void end(struct supervisor *s)
{
	renewal_end(&s->renewal);
	if (s->agent.pid > 0) { /* only if the loop itself failed */
		(void)kill(s->agent.pid, SIGKILL);
		(void)waitpid(s->agent.pid, NULL, 0);
	}
	(void)unlinkat(s->place->runtime_fd, STATUS_FILE, 0);
	cleanup_fd(&s->signal_fd);
}

int supervisor_run(const struct started *started, const struct handoff_credential *credential, int *ret_status,
		   struct err *err)
{
	struct supervisor s = { .plan = started->plan, .place = started->place, .signal_fd = -1, .changed = true };
	s.agent = (struct child){
		.name = started->plan->agent_path,
		.start = start_agent,
		.again = is_again,
		.arg = &s,
		.well_ms = WELL_MS,
		.backoff = BACKOFF_INIT,
	};
	if (child_catch_signals(&s.signal_fd, err) < 0)
		return -1;
	renewal_init(&s.renewal, started, credential);
	child_want(&s.agent);
	int rc = loop(&s, err);
	end(&s);
	if (rc == 0)
		*ret_status = s.status;
	return rc;
}
