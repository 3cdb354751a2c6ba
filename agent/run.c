/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `sealpod run`, the parent's side: start the worker, look whether its plan can
 * be carried out, wait for what it hands over, put it in place, become the agent or
 * supervise it.
 *
 * This process never parses foreign bytes and never holds a secret in its memory:
 * the key passes through it as a descriptor. On every failure it takes away what it made.
 */
#include <stdlib.h>

#include "agent/cli.h"
#include "agent/launch.h"
#include "agent/overseer.h"
#include "agent/pipeline.h"
#include "agent/place.h"
#include "agent/report_out.h"
#include "agent/supervisor.h"
#include "base/cleanup.h"
#include "base/log.h"

static int receive_plan(struct overseer *overseer, struct handoff_plan *plan, struct place *place, struct err *err)
{
	struct handoff_message message;
	if (overseer_receive(overseer, HANDOFF_PLAN, NULL, &message, err) < 0)
		return -1;
	*plan = message.plan;
	if (overseer->files.agent_config < 0)
		return err_set(err, ERR_SYSTEM, "the worker sent a malformed record");
	if (launch_check(plan, err) < 0 || place_open(plan, place, err) < 0 || place_lock(plan, place, err) < 0)
		return -1;
	return handoff_send_go(overseer->worker.fd, err);
}

/* Returns on failure only, or with the status of an agent that was supervised. */
static int run_agent(struct overseer *overseer, struct handoff_plan *plan, struct place *place, int *ret_status,
		     struct err *err)
{
	struct handoff_message message;
	if (receive_plan(overseer, plan, place, err) < 0 ||
	    overseer_receive(overseer, HANDOFF_FILES, &plan->deadline, &message, err) < 0 ||
	    place_files(plan, &overseer->files, place, err) < 0 || overseer_interrupted(overseer))
		return -1;
	report_finish(cli_find_verb("run"), overseer->order.options, NULL);
	log_info("starting '%s'", plan->agent_path);
	if (!plan->supervise)
		return launch_agent(plan, overseer->files.credential, err);
	cleanup_fd(&overseer->files.credential);
	const struct started started = { overseer->order.options, plan, place, overseer->files.agent_config };
	return supervisor_run(&started, &message.credential, ret_status, err);
}

int verb_run(const struct cli_options *options, struct err *err)
{
	struct overseer overseer = OVERSEER_INIT;
	struct handoff_plan plan = { 0 };
	struct place place = PLACE_INIT;
	int status = 0;
	int rc = overseer_start(&overseer, options, pipeline_work, err);
	if (rc == 0)
		rc = run_agent(&overseer, &plan, &place, &status, err);
	place_undo(&plan, &place);
	overseer_end(&overseer);
	if (rc < 0)
		return -1;
	exit(status);
}
