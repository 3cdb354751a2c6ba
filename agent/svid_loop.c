/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One thread that decides: what is delivered, when, who is told.
 *
 * Its inputs are news (checked in spire/ and svid_state.c), signals and the
 * clock. Must never wait for anything but in its one poll(2), and not for a disk
 * either, so that a signal is obeyed at once.
 */
#include "agent/svid_loop.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/svid_make.h"
#include "agent/svid_report.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "base/pages.h"

/* The sources answer within some milliseconds of each other at the start: one generation for all. */
#define GATHER_MS 250
/* So long after the last update nothing is going on. */
#define QUIET_MS 500

static void want_delivery(struct svid_loop *loop, enum svid_source cause)
{
	bool gather = loop->generation == 0 && !svid_state_complete(&loop->state);
	if (!loop->dirty || !gather)
		loop->publish_at = deadline_in(gather ? GATHER_MS : 0);
	if (!loop->dirty)
		loop->cause = cause;
	loop->dirty = true;
}

static void tell_all(struct svid_loop *loop)
{
	if (loop->settings->signal)
		child_tell(&loop->child, loop->settings->signal);
	svid_tell_update(&loop->tell);
}

static void delivered(struct svid_loop *loop)
{
	loop->backoff.tries = 0;
	loop->generation++;
	loop->delivered = loop->pending;
	svid_report(loop->withdrawal ? "withdrawn" : "delivered", svid_source_name(loop->cause), &loop->state,
		    loop->generation, NULL);
	loop->withdrawal = false;
	tell_all(loop);
}

static void failed(struct svid_loop *loop, const struct err *why)
{
	loop->dirty = true;
	loop->publish_at = deadline_in(backoff_next(&loop->backoff) + 50);
	loop->last_trouble = *why;
	svid_report("failed", svid_source_name(loop->cause), &loop->state, loop->generation, why->message);
}

/* What the writer has to say, if anything. */
static void take_result(struct svid_loop *loop)
{
	struct err why = { 0 };
	int rc;
	if (!svid_writer_result(&loop->writer, &rc, &why))
		return;
	if (rc < 0)
		failed(loop, &why);
	else
		delivered(loop);
}

static void deliver(struct svid_loop *loop)
{
	OWNED_SVID_FILES struct svid_files files = { .list = NULL };
	struct err why = { 0 };
	loop->dirty = false;
	if (svid_make_files(&loop->state, time(NULL), &files, &why) < 0 ||
	    svid_files_digest(&files, &loop->pending, &why) < 0) {
		failed(loop, &why);
		return;
	}
	if (loop->generation > 0 && bytes_equal(digest_bytes(&loop->pending), digest_bytes(&loop->delivered))) {
		loop->withdrawal = false;
		loop->backoff.tries = 0;
		return;
	}
	svid_writer_publish(&loop->writer, &files);
	take_result(loop);
}

/* FNV-1a: the same words again are the same number. */
static uint64_t words_of(const char *text)
{
	uint64_t hash = 14695981039346656037u;
	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * 1099511628211u;
	return hash;
}

static void take_trouble(struct svid_loop *loop, const struct svid_news *news)
{
	struct svid_presence *presence = svid_state_presence(&loop->state, news->source, news->token);
	const char *what = svid_source_name(news->source);
	uint64_t words = words_of(news->err.message);
	bool again = presence->said == words;
	presence->said = words;
	loop->last_trouble = news->err;
	if (news->what_next == WORKLOAD_NO_IDENTITY && !presence->lost &&
	    svid_state_has(&loop->state, news->source, news->token)) {
		presence->lost = true;
		presence->until = deadline_in(loop->settings->deletion_grace_ms);
	}
	if (news->what_next == WORKLOAD_STOP && loop->once) {
		loop->done = true; /* it will never be otherwise */
		loop->status = -1;
	}
	log_line(again					   ? LOG_DEBUG
		 : news->what_next == WORKLOAD_NO_IDENTITY ? LOG_INFO
							   : LOG_WARNING,
		 "%s: %s", what, news->err.message);
}

static void take_update(struct svid_loop *loop, struct svid_news *news)
{
	struct err why = { 0 };
	loop->busy = true;
	loop->quiet_at = deadline_in(QUIET_MS);
	if (svid_state_take(&loop->state, news, time(NULL), &why) == 0) {
		want_delivery(loop, news->source);
		return;
	}
	loop->last_trouble = why;
	svid_report("refused", svid_source_name(news->source), &loop->state, loop->generation, why.message);
}

static void take_news(struct svid_loop *loop)
{
	for (;;) {
		OWNED_NEWS struct svid_news *news = svid_watch_next(loop->watch);
		if (!news)
			return;
		if (loop->once && loop->was_complete)
			continue; /* only the command of the one delivery is still waited for */
		if (news->trouble)
			take_trouble(loop, news);
		else
			take_update(loop, news);
	}
}

static void reap(struct svid_loop *loop)
{
	int wait_status;
	/* All of them: as process 1 we are everybody's parent. */
	for (pid_t pid; (pid = waitpid(-1, &wait_status, WNOHANG)) > 0;) {
		if (svid_tell_ended(&loop->tell, pid, wait_status))
			continue;
		if (child_ended(&loop->child, pid, wait_status, &loop->status))
			loop->done = true;
	}
}

static bool ends_us(int number)
{
	return number == SIGTERM || number == SIGINT || number == SIGQUIT || number == SIGHUP;
}

static void take_signals(struct svid_loop *loop)
{
	struct signalfd_siginfo info;
	while (read(loop->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		int number = (int)info.ssi_signo;
		if (number == SIGCHLD) {
			reap(loop);
		} else if (!child_signal(&loop->child, number) && ends_us(number)) {
			log_info("ended by signal %d (%s); the files stay", number, strsignal(number));
			loop->done = true;
			loop->status = loop->once || loop->command ? 128 + number : 0;
		}
	}
}

static void earlier(int64_t *next, int64_t ms)
{
	if (ms >= 0 && (*next < 0 || ms < *next))
		*next = ms;
}

/* The agent has said for long enough that there is nothing any more. */
static void lose(struct svid_loop *loop, enum svid_source source, size_t token)
{
	struct svid_presence *presence = svid_state_presence(&loop->state, source, token);
	if (loop->settings->on_deletion == SVID_WITHDRAW) {
		svid_state_drop(&loop->state, source, token);
		loop->withdrawal = true;
		want_delivery(loop, source);
		return;
	}
	presence->kept = true;
	svid_report("kept", svid_source_name(source), &loop->state, loop->generation,
		    "the agent says that there is no identity any more");
}

static void look_at_source(struct svid_loop *loop, enum svid_source source, size_t token, int64_t *next)
{
	const struct svid_presence *presence = svid_state_presence(&loop->state, source, token);
	if (!presence->lost || presence->kept)
		return;
	int64_t left = deadline_left(&presence->until);
	if (left == 0)
		lose(loop, source, token);
	else
		earlier(next, left);
}

/* What has expired is said once, and taken away or left as it was asked for; what has not stays. */
static void look_at_expiry(struct svid_loop *loop, int64_t *next)
{
	time_t now = time(NULL);
	struct svid_expired expired;
	while (svid_state_expired(&loop->state, now, &expired)) {
		svid_report("expired", svid_source_name(expired.source), &loop->state, loop->generation, expired.text);
		if (loop->settings->on_deletion == SVID_KEEP)
			continue;
		loop->withdrawal = true;
		want_delivery(loop, expired.source);
	}
	if (loop->settings->on_deletion == SVID_WITHDRAW)
		svid_state_drop_expired(&loop->state, now);
	int64_t first = svid_state_next_expiry(&loop->state);
	if (first != INT64_MAX)
		earlier(next, first - now > 3600 ? 3600000 : (first - now) * 1000);
}

static void look_at_sources(struct svid_loop *loop, int64_t *next)
{
	look_at_source(loop, SVID_X509, 0, next);
	look_at_source(loop, SVID_BUNDLES, 0, next);
	look_at_source(loop, SVID_JWKS, 0, next);
	for (size_t i = 0; i < loop->state.token_count; i++)
		look_at_source(loop, SVID_TOKEN, i, next);
	look_at_expiry(loop, next);
}

static void deliver_if_due(struct svid_loop *loop, int64_t *next)
{
	if (loop->dirty && (deadline_left(&loop->publish_at) == 0 ||
			    (loop->generation == 0 && loop->backoff.tries == 0 && svid_state_complete(&loop->state))))
		deliver(loop);
	if (loop->dirty)
		earlier(next, deadline_left(&loop->publish_at));
	if (!svid_writer_busy(&loop->writer))
		svid_writer_tidy(&loop->writer);
	if (!svid_writer_busy(&loop->writer) && loop->place.previous[0])
		earlier(next, deadline_left(&loop->place.tidy_at));
}

/* The first time that all is there. */
static void look_whether_complete(struct svid_loop *loop)
{
	if (loop->dirty || loop->was_complete || !svid_state_complete(&loop->state))
		return;
	loop->was_complete = true;
	child_want(&loop->child);
}

/* The next update is half an hour away as a rule; what only updates need does not stay in memory for that long. */
static void shrink_when_quiet(struct svid_loop *loop, int64_t *next)
{
	if (!loop->busy || loop->once)
		return;
	int64_t left = deadline_left(&loop->quiet_at);
	if (left > 0) {
		earlier(next, left);
		return;
	}
	loop->busy = false;
	pages_give_back();
}

/* Everything that has become due. *ret_ms: how long nothing else will. */
static int step(struct svid_loop *loop, int64_t *ret_ms, struct err *err)
{
	int64_t next = -1;
	int64_t ms = -1;
	/* The state stays what is being written, until it is. */
	if (!svid_writer_busy(&loop->writer)) {
		look_at_sources(loop, &next);
		deliver_if_due(loop, &next);
	}
	if (!svid_writer_busy(&loop->writer))
		look_whether_complete(loop);
	if (child_step(&loop->child, &ms, err) < 0)
		return -1;
	earlier(&next, ms);
	earlier(&next, svid_tell_step(&loop->tell));
	shrink_when_quiet(loop, &next);
	if (loop->once && loop->was_complete && svid_tell_idle(&loop->tell))
		loop->done = true;
	if (loop->once)
		earlier(&next, deadline_left(&loop->deadline));
	*ret_ms = next;
	return 0;
}

static int too_late(const struct svid_loop *loop, struct err *err)
{
	const char *why = loop->last_trouble.message;
	return err_set(err, ERR_TIMEOUT, "not all is delivered in time%s%s", *why ? "; last: " : "", why);
}

static int wait_for_something(struct svid_loop *loop, int64_t ms, struct err *err)
{
	bool busy = svid_writer_busy(&loop->writer);
	struct pollfd fds[] = {
		{ .fd = loop->signal_fd, .events = POLLIN },
		{ .fd = busy ? -1 : svid_watch_fd(loop->watch), .events = POLLIN },
		{ .fd = busy ? loop->writer.fd : -1, .events = POLLIN },
	};
	/* One more, because milliseconds are rounded down. */
	int limit = ms < 0 ? -1 : ms > 3600000 ? 3600000 : (int)ms + 1;
	if (poll(fds, ARRAY_LEN(fds), limit) < 0 && errno != EINTR)
		return err_set_errno(err, ERR_SYSTEM, errno, "cannot wait");
	if (fds[0].revents)
		take_signals(loop);
	if (fds[1].revents)
		take_news(loop);
	if (fds[2].revents)
		take_result(loop);
	return 0;
}

int svid_loop_run(struct svid_loop *loop, struct err *err)
{
	for (;;) {
		int64_t ms;
		if (step(loop, &ms, err) < 0)
			return -1;
		if (loop->done)
			break;
		if (loop->once && deadline_left(&loop->deadline) == 0)
			return too_late(loop, err);
		if (wait_for_something(loop, ms, err) < 0)
			return -1;
		if (loop->done)
			break;
	}
	if (loop->status >= 0)
		return 0;
	*err = loop->last_trouble;
	return -1;
}
