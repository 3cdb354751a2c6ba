/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `sealpod doctor`: the table of checks, and what is printed of them.
 *
 * Runs as a worker, as a start does, so that a device that hangs and a peer that misbehaves meet the same walls. What
 * it sees comes from the host, the configuration and the network. Must never ask for evidence unasked, leave anything
 * behind, or print a byte of a secret.
 */
#include "agent/doctor.h"

#include <netdb.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "base/sheet.h"

#define DEADLINE_MS 60000
#define ATTEST_DEADLINE_MS (5 * 60 * 1000)
#define OUTPUT_MAX (256u * 1024u)

static const struct doctor_check checks[] = {
	{ "locked-memory", "memory for secrets", false, 0, 0,
	  "raise RLIMIT_MEMLOCK to 64 KiB or more ('LimitMEMLOCK=' of a unit, the runtime's default ulimits of a "
	  "container)",
	  doctor_locked_memory },
	{ "sealed-memory", "sealed memory files", false, 0, 0,
	  "let the seccomp profile allow memfd_create(2) and fcntl(2)", doctor_sealed_memory },
	{ "configuration", "configuration", false, 0, DOCTOR_CONFIG, "see sealpod.toml(5)", doctor_configuration },
	{ "agent", "SPIRE agent", false, DOCTOR_CONFIG, 0, "set 'agent.path' to the spire-agent of this image",
	  doctor_agent },
	{ "runtime-dir", "agent's directory", false, DOCTOR_CONFIG, 0,
	  "mount a tmpfs at 'agent.runtime_dir' that this user may write to", doctor_runtime_dir },
	{ "socket-dir", "agent's socket", false, DOCTOR_CONFIG, 0,
	  "set 'agent.socket_path' to a place that this user may write to", doctor_socket_dir },
	{ "tee", "TEE", false, 0, 0, "run in a confidential VM whose devices this process sees, or use '--source'",
	  doctor_tee },
	{ "source", "way to the secrets", false, 0, DOCTOR_SOURCE, "see [source] in sealpod.toml(5)", doctor_source },
	{ "init-data", "init-data", false, DOCTOR_SOURCE, 0, "start the VM with this init-data", doctor_init_data },
	{ "rest", "other containers", false, 0, 0,
	  "fetch the credential from the KBS in a baked image, release it by init-data class in the resource policy, "
	  "or switch the REST features off",
	  doctor_rest },
	{ "kbs-name", "KBS's name", true, DOCTOR_SOURCE, DOCTOR_KBS_NAME, "check 'kbs.url' and the guest's DNS",
	  doctor_kbs_name },
	{ "kbs-tcp", "KBS's port", true, DOCTOR_KBS_NAME, DOCTOR_KBS_TCP,
	  "check that the KBS runs there and that nothing filters the way to it", doctor_kbs_tcp },
	{ "kbs-tls", "KBS's certificate", true, DOCTOR_KBS_TCP, DOCTOR_KBS_TLS,
	  "pin the CA of the KBS's certificate in 'kbs.ca'", doctor_kbs_tls },
	{ "kbs-auth", "KBS's challenge", true, DOCTOR_KBS_TLS, DOCTOR_KBS_ANSWER,
	  "check 'kbs.url' and the KBS's version", doctor_kbs_auth },
	{ "clock", "clock", true, DOCTOR_KBS_TLS, 0,
	  "set this guest's clock, by NTP or from the TEE's host clock, before sealpod starts", doctor_clock },
	{ "attestation", "attestation", true, DOCTOR_SOURCE, 0,
	  "compare the KBS's policy and reference values with what 'sealpod get' reports", doctor_attestation },
	{ "spire-name", "SPIRE server's name", true, DOCTOR_CONFIG, DOCTOR_SPIRE_NAME,
	  "check 'spire.server_address' and the guest's DNS", doctor_spire_name },
	{ "spire-tcp", "SPIRE server's port", true, DOCTOR_SPIRE_NAME, 0,
	  "check that the SPIRE server runs there and that nothing filters the way to it", doctor_spire_tcp },
};

void doctor_say(struct doctor *doctor, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	(void)vsnprintf(doctor->detail, sizeof(doctor->detail), format, args);
	va_end(args);
	for (char *at = doctor->detail; *at; at++)
		if ((unsigned char)*at < 0x20 || *at == 0x7f)
			*at = '?';
}

enum doctor_result doctor_result_of(int rc)
{
	return rc < 0 ? DOCTOR_FAILED : DOCTOR_OK;
}

static const char *needed_for(unsigned missing)
{
	for (size_t i = 0; i < ARRAY_LEN(checks); i++)
		if (checks[i].gives & missing)
			return checks[i].name;
	return "nothing";
}

static enum doctor_result look(struct doctor *doctor, const struct doctor_check *check, struct err *err)
{
	doctor->detail[0] = 0;
	if (check->online && doctor->order->options->offline) {
		doctor_say(doctor, "not looked at ('--offline')");
		return DOCTOR_SKIPPED;
	}
	unsigned missing = check->needs & ~doctor->has;
	if (missing) {
		doctor_say(doctor, "not looked at without '%s'", needed_for(missing));
		return DOCTOR_SKIPPED;
	}
	enum doctor_result result = check->run(doctor, err);
	if (result == DOCTOR_FAILED)
		doctor_say(doctor, "%s", err->message);
	else if (result != DOCTOR_SKIPPED)
		doctor->has |= check->gives;
	return result;
}

static const struct {
	const char *mark; /* UTF-8 */
	const char *name;
} results[] = {
	[DOCTOR_OK] = { "✔", "ok" },
	[DOCTOR_WARNING] = { "!", "warning" },
	[DOCTOR_SKIPPED] = { "–", "skipped" },
	[DOCTOR_FAILED] = { "✘", "failed" },
};

static const char *remedy_of(const struct doctor_check *check, enum doctor_result result)
{
	return result == DOCTOR_FAILED || result == DOCTOR_WARNING ? check->remedy : NULL;
}

/* Each line as soon as it is known: the next check may take its time. */
static int print_line(const struct doctor *doctor, const struct doctor_check *check, enum doctor_result result,
		      struct err *err)
{
	struct buf line OWNED_BUF = BUF_INIT(OUTPUT_MAX);
	const char *remedy = remedy_of(check, result);
	if (buf_printf(&line, err, "%s %-20s %s\n", results[result].mark, check->title, doctor->detail) < 0 ||
	    (remedy && buf_printf(&line, err, "  %-20s -> %s\n", "", remedy) < 0))
		return -1;
	return file_write_fd(STDOUT_FILENO, buf_bytes(&line), err) < 0 ? err_wrap(err, "standard output") : 0;
}

static void add_row(struct sheet *sheet, const struct doctor *doctor, const struct doctor_check *check,
		    enum doctor_result result, const struct err *why)
{
	sheet_begin(sheet, NULL, NULL);
	sheet_text(sheet, "name", NULL, "%s", check->name);
	sheet_text(sheet, "result", NULL, "%s", results[result].name);
	sheet_foreign(sheet, "detail", NULL, bytes_of_text(doctor->detail));
	if (remedy_of(check, result))
		sheet_text(sheet, "remedy", NULL, "%s", check->remedy);
	if (result == DOCTOR_FAILED)
		sheet_number(sheet, "exit_status", NULL, (uint64_t)err_exit_status(why));
	sheet_end(sheet);
}

/* The first failure is the error. */
static int look_at_all(struct doctor *doctor, struct sheet *sheet, struct err *err)
{
	bool json = doctor->order->options->json;
	struct err first = { 0 };
	for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
		struct err why = { 0 };
		enum doctor_result result = look(doctor, &checks[i], &why);
		if (json)
			add_row(sheet, doctor, &checks[i], result, &why);
		else if (print_line(doctor, &checks[i], result, err) < 0)
			return -1;
		if (result == DOCTOR_FAILED && first.code == ERR_NONE)
			first = why;
	}
	sheet_end(sheet);
	sheet_number(sheet, json ? "exit_status" : NULL, NULL,
		     first.code == ERR_NONE ? 0 : (uint64_t)err_exit_status(&first));
	if (json && sheet_print(sheet, err) < 0)
		return -1;
	if (first.code == ERR_NONE)
		return 0;
	*err = first;
	return -1;
}

static void doctor_done(struct doctor *doctor)
{
	source_close(&doctor->source);
	startup_done(&doctor->startup);
	if (doctor->kbs_addresses)
		freeaddrinfo(doctor->kbs_addresses);
	if (doctor->spire_addresses)
		freeaddrinfo(doctor->spire_addresses);
}

static int work(int fd, void *arg, struct err *err)
{
	struct order *order = arg;
	const struct cli_options *options = order->options;
	int64_t ms = options->deadline_ms ? options->deadline_ms : options->attest ? ATTEST_DEADLINE_MS : DEADLINE_MS;
	struct handoff_plan plan = { .deadline = { .at_ms = order->started_ms + ms } };
	struct doctor doctor CLEANUP(
		doctor_done) = { .order = order, .deadline = plan.deadline, .source = SOURCE_INIT };
	struct sheet sheet CLEANUP(sheet_done) = { 0 };
	order->look_once = true;
	if (source_setup(err) < 0 || handoff_send_plan(fd, &plan, err) < 0 || handoff_await_go(fd, err) < 0)
		return -1;
	sheet_start(&sheet, options->json);
	sheet_begin_list(&sheet, "checks", NULL);
	if (look_at_all(&doctor, &sheet, err) < 0)
		return -1;
	return handoff_send_done(fd, err);
}

int verb_doctor(const struct cli_options *options, struct err *err)
{
	if (options->attest && options->offline)
		return err_set(err, ERR_USAGE, "'--attest' and '--offline' exclude each other");
	return overseer_run(options, work, err);
}
