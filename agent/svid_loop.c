/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One thread that decides: what is delivered, when, who is told.
 *
 * Its inputs are news (checked in spire/ and svid_state.c), signals and the
 * clock. Must never wait for anything but in its one poll(2), so that a signal is
 * obeyed at once.
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

#include "agent/svid_report.h"
#include "base/cleanup.h"
#include "base/log.h"

/* The sources answer within some milliseconds of each other at the start: one generation for all. */
#define GATHER_MS 250

static void want_delivery(struct svid_loop *loop, enum svid_source cause)
{
	bool gather = loop->generation == 0 && !svid_state_complete(&loop->state);
	if (!loop->dirty || !gather)
		loop->publish_at = deadline_in(gather ? GATHER_MS : 0);
	if (!loop->dirty)
		loop->cause = cause;
	loop->dirty = true;
}

/* PKCS#12 holds random salts; what it is made of is among the other files. */
static bool is_random(const struct svid_loop *loop, const struct svid_file *file)
{
	const char *pattern = loop->settings->pkcs12_file;
	size_t head = pattern ? strcspn(pattern, "{") : 0;
	return pattern && file->secret.data && strncmp(file->name, pattern, head) == 0 &&
	       (pattern[head] == '{' || file->name[head] == 0);
}

static int digest_files(const struct svid_loop *loop, const struct svid_files *files, struct digest *ret_digest,
			struct err *err)
{
	OWNED_BUF struct buf all = BUF_INIT(1u << 20);
	for (size_t i = 0; i < files->count; i++) {
		const struct svid_file *file = &files->list[i];
		struct digest one;
		struct bytes content = file->secret.data ? secret_bytes(&file->secret) : buf_bytes(&file->text);
		if (is_random(loop, file))
			content = bytes_of("", 0);
		if (digest_of(DIGEST_SHA256, content, &one, err) < 0 ||
		    buf_append(&all, bytes_of(file->name, strlen(file->name) + 1), err) < 0 ||
		    buf_append(&all, digest_bytes(&one), err) < 0)
			return -1;
	}
	return digest_of(DIGEST_SHA256, buf_bytes(&all), ret_digest, err);
}

/* 1: written; 0: nothing has changed. */
static int write_files(struct svid_loop *loop, struct err *err)
{
	OWNED_SVID_FILES struct svid_files files = { .list = NULL };
	struct digest digest;
	if (svid_state_files(&loop->state, time(NULL), &files, err) < 0 || digest_files(loop, &files, &digest, err) < 0)
		return -1;
	if (loop->generation > 0 && bytes_equal(digest_bytes(&digest), digest_bytes(&loop->delivered)))
		return 0;
	if (svid_place_publish(&loop->place, &files, err) < 0)
		return -1;
	loop->delivered = digest;
	return 1;
}

static void tell_all(struct svid_loop *loop)
{
	if (loop->settings->signal)
		child_tell(&loop->child, loop->settings->signal);
	svid_tell_update(&loop->tell);
}

static void deliver(struct svid_loop *loop)
{
	struct err why = { 0 };
	const char *cause = svid_source_name(loop->cause);
	int rc = write_files(loop, &why);
	if (rc < 0) {
		loop->publish_at = deadline_in(backoff_next(&loop->backoff) + 50);
		loop->last_trouble = why;
		svid_report("failed", cause, &loop->state, loop->generation, why.message);
		return;
	}
	loop->dirty = false;
	loop->backoff.tries = 0;
	if (rc > 0) {
		loop->generation++;
		svid_report(loop->withdrawal ? "withdrawn" : "delivered", cause, &loop->state, loop->generation, NULL);
		tell_all(loop);
	}
	loop->withdrawal = false;
}

static void take_trouble(struct svid_loop *loop, const struct svid_news *news)
{
	struct svid_presence *presence = svid_state_presence(&loop->state, news->source, news->token);
	const char *what = svid_source_name(news->source);
	bool again = strcmp(loop->last_trouble.message, news->err.message) == 0;
	loop->last_trouble = news->err;
	if (news->what_next == WORKLOAD_NO_IDENTITY && presence->there && !presence->lost) {
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

static void lose(struct svid_loop *loop, enum svid_source source, size_t token, const char *event, const char *text)
{
	struct svid_presence *presence = svid_state_presence(&loop->state, source, token);
	if (loop->settings->on_deletion == SVID_KEEP) {
		svid_report(strcmp(event, "withdrawn") == 0 ? "kept" : event, svid_source_name(source), &loop->state,
			    loop->generation, text);
		presence->lost = false;
		return;
	}
	if (strcmp(event, "withdrawn") != 0)
		svid_report(event, svid_source_name(source), &loop->state, loop->generation, text);
	svid_state_drop(&loop->state, source, token);
	loop->withdrawal = true;
	want_delivery(loop, source);
}

static void earlier(int64_t *next, int64_t ms)
{
	if (ms >= 0 && (*next < 0 || ms < *next))
		*next = ms;
}

/* Has this source lost what it had, or has that expired? */
static void look_at_source(struct svid_loop *loop, enum svid_source source, size_t token, int64_t *next)
{
	struct svid_presence *presence = svid_state_presence(&loop->state, source, token);
	int64_t expires = svid_state_expires(&loop->state, source, token);
	int64_t now = (int64_t)time(NULL);
	if (!presence->there)
		return;
	if (!presence->expired && expires <= now) {
		presence->expired = true;
		lose(loop, source, token, "expired", "the agent gave no later one in time");
	} else if (!presence->expired && expires != INT64_MAX) {
		earlier(next, expires - now > 3600 ? 3600000 : (expires - now) * 1000);
	}
	if (!presence->there || !presence->lost)
		return;
	int64_t left = deadline_left(&presence->until);
	if (left == 0)
		lose(loop, source, token, "withdrawn", "the agent says that there is no identity any more");
	else
		earlier(next, left);
}

static void look_at_sources(struct svid_loop *loop, int64_t *next)
{
	look_at_source(loop, SVID_X509, 0, next);
	look_at_source(loop, SVID_JWKS, 0, next);
	for (size_t i = 0; i < loop->state.token_count; i++)
		look_at_source(loop, SVID_TOKEN, i, next);
}

static void deliver_if_due(struct svid_loop *loop, int64_t *next)
{
	if (loop->dirty && (deadline_left(&loop->publish_at) == 0 ||
			    (loop->generation == 0 && loop->backoff.tries == 0 && svid_state_complete(&loop->state))))
		deliver(loop);
	if (loop->dirty)
		earlier(next, deadline_left(&loop->publish_at));
	svid_place_tidy(&loop->place, false);
	if (loop->place.previous[0])
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

/* Everything that has become due. *ret_ms: how long nothing else will. */
static int step(struct svid_loop *loop, int64_t *ret_ms, struct err *err)
{
	int64_t next = -1;
	int64_t ms = -1;
	look_at_sources(loop, &next);
	deliver_if_due(loop, &next);
	look_whether_complete(loop);
	if (child_step(&loop->child, &ms, err) < 0)
		return -1;
	earlier(&next, ms);
	earlier(&next, svid_tell_step(&loop->tell));
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
	struct pollfd fds[] = {
		{ .fd = loop->signal_fd, .events = POLLIN },
		{ .fd = svid_watch_fd(loop->watch), .events = POLLIN },
	};
	/* One more, because milliseconds are rounded down. */
	int limit = ms < 0 ? -1 : ms > 3600000 ? 3600000 : (int)ms + 1;
	if (poll(fds, ARRAY_LEN(fds), limit) < 0 && errno != EINTR)
		return err_set_errno(err, ERR_SYSTEM, errno, "cannot wait");
	if (fds[0].revents)
		take_signals(loop);
	if (fds[1].revents)
		take_news(loop);
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
