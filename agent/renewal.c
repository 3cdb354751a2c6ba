/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Renewing the credential of an agent that runs.
 *
 * What the worker says comes from a process that reads the network. It may be
 * taken over: nothing that it says may change what is executed, as whom and where,
 * nor make us start workers without a pause. Must never touch the running agent.
 */
#include "agent/renewal.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent/pipeline.h"
#include "agent/report_out.h"
#include "base/cleanup.h"
#include "base/log.h"

#define HOUR 3600
#define DAY (24 * HOUR)
#define SHORTEST 10 /* seconds */

/* The configuration is local and small, or comes through the guest's components. */
#define PLAN_LIMIT_MS 360000
/* What the worker gets on top of its own deadline to say that it passed. */
#define GRACE_MS 2000

/* After what may heal by itself, and after what somebody has to mend: each try is an attestation. */
#define TEMPORARY_BASE_MS 1000
#define TEMPORARY_CAP_MS 60000
#define FINAL_BASE_MS 60000
#define FINAL_CAP_MS 900000

/* How soon an agent in need may have another renewal, in seconds. */
#define HASTE 300

#define POLL_MS 60000 /* the wall clock may be set */

/* Many guests that started together must not come back together: up to a twentieth sooner. */
static int64_t jitter(int64_t seconds)
{
	struct backoff once = { .base_ms = seconds * 50, .cap_ms = seconds * 50 };
	return backoff_next(&once) / 1000;
}

int64_t renewal_delay(int64_t ends, int64_t now)
{
	int64_t left = ends > now ? ends - now : 0;
	int64_t delay = left / 3 * 2;
	if (delay > left - HOUR)
		delay = left - HOUR;
	if (delay > DAY)
		delay = DAY;
	if (delay > 0)
		delay -= jitter(delay);
	return delay < SHORTEST ? SHORTEST : delay;
}

static void plan_next(struct renewal *renewal)
{
	int64_t now = (int64_t)time(NULL);
	int64_t delay = renewal_delay(renewal->credential.ends, now);
	renewal->due = now + delay;
	renewal->backoff.tries = 0;
	renewal->trouble = ERR_NONE;
	log_info("the credential ends in %lld minutes; it is renewed in %lld s",
		 (long long)(renewal->credential.ends - now) / 60, (long long)delay);
}

void renewal_init(struct renewal *renewal, const struct started *started, const struct handoff_credential *credential)
{
	*renewal = (struct renewal){
		.started = started,
		.credential = *credential,
		.worker = { .fd = -1 },
	};
	plan_next(renewal);
}

int renewal_fd(const struct renewal *renewal)
{
	return renewal->runs ? renewal->worker.fd : -1;
}

static void stop(struct renewal *renewal, bool patient)
{
	(void)overseer_end_worker(&renewal->worker, &renewal->order, patient);
	cleanup_fd(&renewal->worker.fd); /* still open if it was reaped before */
	renewal->runs = false;
}

static void failed(struct renewal *renewal, const struct err *why)
{
	bool temporary = err_exit_status(why) == EXIT_TEMPORARY;
	int64_t now = (int64_t)time(NULL);
	renewal->backoff.base_ms = temporary ? TEMPORARY_BASE_MS : FINAL_BASE_MS;
	renewal->backoff.cap_ms = temporary ? TEMPORARY_CAP_MS : FINAL_CAP_MS;
	int64_t pause = 1 + backoff_next(&renewal->backoff) / 1000;
	bool known = temporary && why->code == renewal->trouble;
	renewal->due = now + pause;
	renewal->trouble = why->code;
	log_warning("the credential, which ends in %lld minutes, is not renewed; next try in %lld s: %s",
		    (long long)(renewal->credential.ends - now) / 60, (long long)pause, why->message);
	/* A KBS that is away is asked each minute; one screen of that will do. */
	report_renewal(renewal->started->options, why, !known);
}

static void start(struct renewal *renewal)
{
	struct err err = { 0 };
	renewal->order = overseer_order(renewal->started->options, pipeline_work);
	report_prepare();
	if (worker_start(overseer_work, &renewal->order, &renewal->worker, &err) < 0) {
		failed(renewal, &err);
		return;
	}
	renewal->runs = true;
	renewal->planned = false;
	renewal->limit = deadline_in(PLAN_LIMIT_MS);
	log_debug("renewing the credential");
}

static void look_at_time(struct renewal *renewal)
{
	struct err err = { 0 };
	if (deadline_left(&renewal->limit) > 0)
		return;
	(void)err_set(&err, ERR_TIMEOUT, "the worker process did not finish in time and is abandoned");
	stop(renewal, false);
	failed(renewal, &err);
}

int64_t renewal_step(struct renewal *renewal)
{
	int64_t now = (int64_t)time(NULL);
	if (renewal->due > now + DAY) /* the clock was set back */
		renewal->due = now + DAY;
	if (!renewal->runs && renewal->due <= now)
		start(renewal);
	else if (renewal->runs)
		look_at_time(renewal);
	int64_t ms = renewal->runs ? deadline_left(&renewal->limit) : (renewal->due - now) * 1000;
	return ms > POLL_MS ? POLL_MS : ms < 0 ? 0 : ms;
}

/* All that decides what runs, as whom and where must be as it was. */
static int check_plan(const struct handoff_plan *was, const struct handoff_plan *is, struct err *err)
{
	if (strcmp(was->agent_path, is->agent_path) == 0 && strcmp(was->runtime_dir, is->runtime_dir) == 0 &&
	    strcmp(was->socket_path, is->socket_path) == 0 &&
	    strcmp(was->admin_socket_path, is->admin_socket_path) == 0 &&
	    strcmp(was->trust_domain, is->trust_domain) == 0 && was->supervise == is->supervise &&
	    was->uid == is->uid && was->gid == is->gid)
		return 0;
	return err_set(err, ERR_CONFIG,
		       "the configuration has changed what agent runs, as whom, where or how: start sealpod anew");
}

/* Of two sealed files. */
static bool same_content(int a, int b)
{
	uint8_t here[4096];
	uint8_t there[sizeof(here)];
	ssize_t n;
	for (off_t at = 0; (n = pread(a, here, sizeof(here), at)) > 0; at += n)
		if (pread(b, there, sizeof(there), at) != n || memcmp(here, there, (size_t)n) != 0)
			return false;
	return n == 0 && lseek(a, 0, SEEK_END) == lseek(b, 0, SEEK_END);
}

/* What the agent runs on stays as it was, also where sealpod starts it again: settings that change now would
 * come into force at a moment that nobody chose. A renewal is worth more than that they are followed. */
static int take_plan(struct renewal *renewal, const struct handoff_plan *plan, const struct handoff_files *files,
		     struct err *err)
{
	const struct started *started = renewal->started;
	if (renewal->planned || files->agent_config < 0)
		return err_set(err, ERR_SYSTEM, "the worker's records came out of order");
	if (check_plan(started->plan, plan, err) < 0)
		return -1;
	if (!same_content(started->agent_config, files->agent_config))
		log_warning("the configuration has changed the agent's settings: they come into force when sealpod "
			    "starts anew");
	renewal->planned = true;
	renewal->limit = (struct deadline){ .at_ms = plan->deadline.at_ms + GRACE_MS };
	return handoff_send_go(renewal->worker.fd, err);
}

static int take_files(struct renewal *renewal, const struct handoff_credential *credential,
		      const struct handoff_files *files, struct err *err)
{
	if (!renewal->planned)
		return err_set(err, ERR_SYSTEM, "the worker's records came out of order");
	stop(renewal, true);
	if (place_renewed(renewal->started->plan, files, renewal->started->place, err) < 0)
		return -1;
	bool same = strcmp(credential->fingerprint, renewal->credential.fingerprint) == 0;
	renewal->credential = *credential;
	renewal->count++;
	log_info(same ? "the KBS has no newer credential; the trust bundle is renewed"
		      : "the credential is renewed: the agent reads it at its next attestation");
	plan_next(renewal);
	report_renewal(renewal->started->options, NULL, false);
	return 0;
}

bool renewal_take(struct renewal *renewal)
{
	struct handoff_message message;
	struct handoff_files files OWNED_FILES = HANDOFF_FILES_INIT;
	struct err err = { 0 };
	int rc = handoff_receive(renewal->worker.fd, &message, &files, &err);
	if (rc == 0 && message.kind == HANDOFF_PLAN && take_plan(renewal, &message.plan, &files, &err) == 0)
		return false;
	if (rc == 0 && message.kind == HANDOFF_FILES && take_files(renewal, &message.credential, &files, &err) == 0)
		return true;
	if (rc == 0 && message.kind == HANDOFF_FAILURE)
		err = message.failure;
	else if (err.code == ERR_NONE)
		(void)err_set(&err, ERR_SYSTEM, "the worker's records came out of order");
	if (renewal->runs)
		stop(renewal, rc == 0 && message.kind == HANDOFF_FAILURE);
	failed(renewal, &err);
	return false;
}

void renewal_reaped(struct renewal *renewal, pid_t pid)
{
	if (pid == renewal->worker.pid)
		renewal->worker.pid = 0; /* the number may be somebody else's by now */
}

void renewal_hasten(struct renewal *renewal)
{
	int64_t now = (int64_t)time(NULL);
	int64_t earliest = renewal->hastened + HASTE;
	if (renewal->runs || renewal->trouble != ERR_NONE || now < earliest || renewal->due <= now)
		return;
	renewal->hastened = now;
	renewal->due = now;
	log_info("the agent could not attest: credential and trust bundle are fetched anew");
}

void renewal_end(struct renewal *renewal)
{
	if (renewal->runs)
		stop(renewal, false);
}
