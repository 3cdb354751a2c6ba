/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What can be looked at without a packet that leaves the pod.
 *
 * Devices, sockets and files are the guest's or the host's. Must never make a hardware
 * report, and take away again what looking makes (the agent's directory).
 */
#include "agent/doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "agent/launch.h"
#include "agent/pipeline.h"
#include "agent/place.h"
#include "base/encode.h"
#include "base/file.h"
#include "initdata/binding.h"

/* A key with its chain has room in it; bigger resources want more. */
#define LOCKED_TRY (16u * 1024u)
#define REST_PATIENCE_MS 2000

enum doctor_result doctor_locked_memory(struct doctor *doctor, struct err *err)
{
	struct secret secret OWNED_SECRET = SECRET_INIT;
	struct rlimit limit = { 0, 0 };
	(void)getrlimit(RLIMIT_MEMLOCK, &limit);
	if (secret_alloc(&secret, LOCKED_TRY, err) < 0)
		return DOCTOR_FAILED;
	if (limit.rlim_cur == RLIM_INFINITY)
		doctor_say(doctor, "guarded and locked; RLIMIT_MEMLOCK is unlimited");
	else
		doctor_say(doctor, "guarded and locked; RLIMIT_MEMLOCK is %llu KiB",
			   (unsigned long long)limit.rlim_cur / 1024);
	return DOCTOR_OK;
}

enum doctor_result doctor_sealed_memory(struct doctor *doctor, struct err *err)
{
	int fd OWNED_FD = -1;
	if (file_sealed_memfd("sealpod-doctor", bytes_of("x", 1), &fd, err) < 0)
		return DOCTOR_FAILED;
	doctor_say(doctor, "can be made");
	return DOCTOR_OK;
}

enum doctor_result doctor_configuration(struct doctor *doctor, struct err *err)
{
	const struct order *order = doctor->order;
	if (order->options->config && !order->options->attest) {
		doctor_say(doctor,
			   "'%s' is released by the KBS after attestation only: '--attest' looks at it, for a hardware "
			   "report",
			   order->options->config);
		return DOCTOR_SKIPPED;
	}
	if (startup_read(order, CONFIG_ALL, &doctor->startup, err) < 0 ||
	    pipeline_plan(&doctor->startup, order, doctor->deadline, &doctor->plan, err) < 0)
		return DOCTOR_FAILED;
	doctor->startup.deadline = doctor->deadline;
	const char *doubt = order->options->unmeasured_config ? ": whoever can write it decides whom this VM trusts"
			    : doctor->startup.plain_rest
				    ? ", over plain http: whoever binds the port of api-server-rest first is believed"
				    : "";
	doctor_say(doctor, "valid, out of %s%s", order->report->config, doubt);
	return *doubt ? DOCTOR_WARNING : DOCTOR_OK;
}

enum doctor_result doctor_agent(struct doctor *doctor, struct err *err)
{
	doctor_say(doctor, "'%s' can be executed", doctor->plan.agent_path);
	return doctor_result_of(launch_check(&doctor->plan, err));
}

enum doctor_result doctor_runtime_dir(struct doctor *doctor, struct err *err)
{
	struct place place = PLACE_INIT;
	int rc = place_open(&doctor->plan, &place, err);
	bool memory = rc == 0 && file_is_memory(place.runtime_fd);
	bool writable = rc == 0 && faccessat(place.runtime_fd, ".", W_OK | X_OK, AT_EACCESS) == 0;
	place_undo(&doctor->plan, &place);
	if (rc == 0 && !writable)
		rc = err_set(err, ERR_SYSTEM, "uid %u may not write to agent.runtime_dir '%s'", geteuid(),
			     doctor->plan.runtime_dir);
	doctor_say(doctor, "'%s' is %s", doctor->plan.runtime_dir,
		   memory ? "in memory" : "NOT in memory; 'allow_disk' lets that pass");
	return rc < 0 ? DOCTOR_FAILED : memory ? DOCTOR_OK : DOCTOR_WARNING;
}

/* The nearest directory that is there. */
static void existing_parent(char *path)
{
	for (char *slash = strrchr(path, '/'); slash; slash = strrchr(path, '/')) {
		slash[slash == path ? 1 : 0] = 0;
		if (slash == path || access(path, F_OK) == 0)
			return;
	}
}

enum doctor_result doctor_socket_dir(struct doctor *doctor, struct err *err)
{
	char path[PATH_MAX];
	(void)snprintf(path, sizeof(path), "%s", doctor->plan.socket_path);
	existing_parent(path);
	if (faccessat(AT_FDCWD, path, W_OK | X_OK, AT_EACCESS) < 0)
		return doctor_result_of(err_set_errno(err, ERR_SYSTEM, errno, "uid %u may not make '%s' in '%s'",
						      geteuid(), doctor->plan.socket_path, path));
	doctor_say(doctor, "'%s' can be made", doctor->plan.socket_path);
	return DOCTOR_OK;
}

static bool others_will_do(const struct doctor *doctor)
{
	const struct cli_options *options = doctor->order->options;
	const bool configured = doctor->has & DOCTOR_CONFIG;
	enum source_kind kind = options->source_given ? (enum source_kind)options->source
				: configured	      ? doctor->startup.config.source_kind
						      : SOURCE_AUTO;
	return kind != SOURCE_KBS && !options->tee && !doctor->startup.initdata;
}

enum doctor_result doctor_tee(struct doctor *doctor, struct err *err)
{
	const struct order *order = doctor->order;
	if (attester_detect(order->instance, order->options->tee, &doctor->attester, err) < 0) {
		bool fatal = err->code != ERR_NO_TEE || !others_will_do(doctor);
		doctor_say(doctor, "none here (%s)", err->message);
		return fatal ? DOCTOR_FAILED : DOCTOR_SKIPPED;
	}
	doctor_say(doctor, "'%s', by %s%s%s", doctor->attester->tee, doctor->attester->looks_for,
		   doctor->attester->warning ? ": " : "", doctor->attester->warning ? doctor->attester->warning : "");
	return doctor->attester->warning ? DOCTOR_WARNING : DOCTOR_OK;
}

/* A configuration that the KBS is to release comes by this way, too: then it is looked at without one. */
enum doctor_result doctor_source(struct doctor *doctor, struct err *err)
{
	if (!(doctor->has & DOCTOR_CONFIG) && !doctor->order->options->config) {
		doctor_say(doctor, "not looked at without 'configuration'");
		return DOCTOR_SKIPPED;
	}
	doctor->startup.deadline = doctor->deadline;
	if (startup_open_source(&doctor->startup, doctor->order, &doctor->source, err) < 0)
		return DOCTOR_FAILED;
	bool asks_kbs = doctor->source.kind == SOURCE_KBS || doctor->source.kind == SOURCE_AA;
	doctor_say(doctor, "'%s'%s%s", source_kind_name(doctor->source.kind), asks_kbs ? ", KBS at " : "",
		   asks_kbs ? doctor->startup.config.kbs_url : "");
	return DOCTOR_OK;
}

/* Without a report, where that can be. One that is not to be had so is no failure: a start reads it out of its own. */
static enum doctor_result look_into_register(struct doctor *doctor, const struct digest *digest, const char *expected,
					     struct err *err)
{
	const struct attester *attester = doctor->source.attester;
	struct buf found OWNED_BUF = BUF_INIT(INITDATA_REGISTER_MAX);
	struct err why = { 0 };
	enum initdata_register where;
	if (attester->read_init_data(&found, &why) < 0 || !initdata_register_find(attester->init_data_in, &where)) {
		doctor_say(doctor, "%s must be in %s, which is seen in evidence only ('--attest'): %s", expected,
			   attester->init_data_in, why.message);
		return DOCTOR_SKIPPED;
	}
	if (initdata_check_binding(digest, where, buf_bytes(&found), err) < 0)
		return DOCTOR_FAILED;
	doctor_say(doctor, "%s is in %s", expected, attester->init_data_in);
	return DOCTOR_OK;
}

enum doctor_result doctor_init_data(struct doctor *doctor, struct err *err)
{
	const struct initdata *initdata = doctor->startup.initdata;
	const struct attester *attester = doctor->source.attester;
	struct buf expected OWNED_BUF = BUF_INIT(2 * DIGEST_MAX + 32);
	if (!initdata) {
		doctor_say(doctor, "the configuration does not come out of it");
		return DOCTOR_SKIPPED;
	}
	const struct digest *digest = initdata_digest(initdata);
	if (buf_printf(&expected, err, "%s ", digest_alg_name(digest->alg)) < 0 ||
	    hex_encode(digest_bytes(digest), &expected, err) < 0)
		return DOCTOR_FAILED;
	if (!attester || !attester->init_data_in)
		return doctor_result_of(
			err_set(err, ERR_BINDING, "TEE '%s' binds no init-data", doctor->order->report->tee));
	if (attester->read_init_data)
		return look_into_register(doctor, digest, buf_text(&expected), err);
	doctor_say(doctor, "%s must be in %s, which only a report shows: %s", buf_text(&expected),
		   attester->init_data_in,
		   doctor->order->options->attest ? "see 'attestation'" : "'--attest' asks for one");
	return DOCTOR_SKIPPED;
}

static const char *const rest_opens[] = { "", "resources", "tokens, which open resources", "resources and tokens" };

/* Tokens come with their key, so they are as good as the resources. */
enum doctor_result doctor_rest(struct doctor *doctor, struct err *err)
{
	const char *url = (doctor->has & DOCTOR_CONFIG) ? doctor->startup.config.rest_url : NULL;
	struct rest *rest OWNED_REST = NULL;
	struct rest_info info = { 0 };
	struct err why = { 0 };
	struct deadline soon = deadline_in(REST_PATIENCE_MS);
	if (rest_open(url, &rest, err) < 0)
		return DOCTOR_FAILED;
	if (rest_get_info(rest, &soon, &info, &why) < 0) {
		bool nothing = rest_is_nobody(&why);
		doctor_say(doctor,
			   nothing ? "no api-server-rest answers at %s"
				   : "something listens at %s but does not say what it serves: any container of this "
				     "pod may "
				     "be able to fetch what the KBS gives to this VM",
			   url ? url : REST_URL);
		return nothing ? DOCTOR_OK : DOCTOR_WARNING;
	}
	unsigned open = (info.resources ? 1u : 0) | (info.attestation ? 2u : 0);
	doctor_say(doctor,
		   open ? "any container of this pod can fetch what the KBS gives to this VM, the agent's credential "
			  "included, from api-server-rest at %s (%s)"
			: "api-server-rest at %s gives nothing to them%s",
		   url ? url : REST_URL, rest_opens[open]);
	return open ? DOCTOR_WARNING : DOCTOR_OK;
}
