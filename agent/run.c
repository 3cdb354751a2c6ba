/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `sealpod run`, the parent's side: start the worker, look whether its plan can
 * be carried out, wait for what it hands over, put it in place, become the agent.
 *
 * This process never parses foreign bytes and never holds a secret in its memory:
 * the key passes through it as a descriptor. On every failure it takes away what it made.
 */
#include "agent/cli.h"
#include "agent/launch.h"
#include "agent/overseer.h"
#include "agent/pipeline.h"
#include "agent/place.h"
#include "base/log.h"

static int receive_plan(struct overseer *overseer, struct handoff_plan *plan, struct place *place, struct err *err)
{
	struct handoff_message message;
	if (overseer_receive(overseer, HANDOFF_PLAN, NULL, &message, err) < 0)
		return -1;
	*plan = message.plan;
	if (launch_check(plan, err) < 0 || place_open(plan, place, err) < 0)
		return -1;
	return handoff_send_go(overseer->worker.fd, err);
}

/* Returns on failure only. */
static void become_agent(struct overseer *overseer, struct handoff_plan *plan, struct place *place, struct err *err)
{
	struct handoff_message message;
	if (receive_plan(overseer, plan, place, err) < 0 ||
	    overseer_receive(overseer, HANDOFF_FILES, &plan->deadline, &message, err) < 0 ||
	    place_files(plan, &overseer->files, place, err) < 0 || overseer_interrupted(overseer))
		return;
	log_info("starting '%s'", plan->agent_path);
	(void)launch_agent(plan, overseer->files.credential, err);
}

int verb_run(const struct cli_options *options, struct err *err)
{
	struct overseer overseer = OVERSEER_INIT;
	struct handoff_plan plan = { 0 };
	struct place place = PLACE_INIT;
	if (overseer_start(&overseer, options, pipeline_work, err) == 0)
		become_agent(&overseer, &plan, &place, err);
	place_undo(&plan, &place);
	overseer_end(&overseer);
	return -1;
}
