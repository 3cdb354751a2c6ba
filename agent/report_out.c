/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The report's way out of the worker.
 *
 * Two memory files that the parent made, the worker fills and seals. The worker may have been taken over by what
 * it read, so the parent takes a sealed file of bounded size only, and copies it without looking into it: the
 * worker shares standard error with it anyway, and a reader of the file must expect the worker's words
 * under "facts" alone; status, error and exit status are the parent's. The termination log is shown by Kubernetes to
 * whoever may see the pod: nothing goes there but texts of ERR_TABLE.
 */
#include "agent/report_out.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "base/sheet.h"

#define SEALS (F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL)
#define ENVELOPE_MAX 8192

enum { TEXT, FACTS, FILES };

static int files[FILES] = { -1, -1 };

static void forget(void)
{
	for (size_t i = 0; i < FILES; i++)
		cleanup_fd(&files[i]);
}

void report_prepare(void)
{
	forget();
	for (size_t i = 0; i < FILES; i++)
		files[i] = memfd_create("sealpod-report", MFD_CLOEXEC | MFD_ALLOW_SEALING);
}

static void fill(int fd, const struct report *report, bool for_machines)
{
	struct buf out OWNED_BUF = BUF_INIT(for_machines ? REPORT_JSON_MAX : REPORT_TEXT_MAX);
	struct err why = { 0 };
	if (fd < 0)
		return;
	if (report_write(report, for_machines, &out, &why) < 0 || file_write_fd(fd, buf_bytes(&out), &why) < 0 ||
	    fcntl(fd, F_ADD_SEALS, SEALS) < 0)
		log_debug("the report is not complete: %s", why.message);
}

void report_hand_over(const struct report *report, const struct cli_options *options, const struct err *failure)
{
	if (failure && report_has_facts(report))
		fill(files[TEXT], report, false);
	if (options->report)
		fill(files[FACTS], report, true);
}

/* Empty if there is none, or if it could still change. */
static void take(int fd, size_t max, struct buf *out)
{
	struct stat st;
	int seals = fd < 0 ? -1 : fcntl(fd, F_GET_SEALS);
	if (seals < 0 || (seals & SEALS) != SEALS || fstat(fd, &st) < 0 || st.st_size <= 0 || (size_t)st.st_size > max)
		return;
	void *content = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (content == MAP_FAILED)
		return;
	int ignored = buf_append(out, bytes_of(content, (size_t)st.st_size), NULL);
	(void)ignored; /* it fits */
	(void)munmap(content, (size_t)st.st_size);
}

static void print_screen(void)
{
	struct buf text OWNED_BUF = BUF_INIT(REPORT_TEXT_MAX);
	take(files[TEXT], REPORT_TEXT_MAX, &text);
	int ignored = file_write_fd(STDERR_FILENO, buf_bytes(&text), NULL);
	(void)ignored; /* there is nowhere left to say so */
}

/* What there is to tell. */
struct outcome {
	const struct cli_verb *verb;
	const struct err *failure; /* NULL: success */
	bool renewal;		   /* of a credential, by a process that goes on whatever came of it */
};

static int write_envelope(const struct outcome *outcome, struct buf *out, struct err *err)
{
	const struct err *failure = outcome->failure;
	const struct err_info *info = failure ? err_info(failure->code) : NULL;
	struct sheet sheet CLEANUP(sheet_done) = { 0 };
	sheet_start(&sheet, true);
	sheet_text(&sheet, "program", NULL, "sealpod " SEALPOD_VERSION);
	sheet_text(&sheet, "verb", NULL, "%s", outcome->verb->name);
	sheet_bool(&sheet, "renewal", NULL, outcome->renewal);
	sheet_text(&sheet, "status", NULL, "%s", failure ? "failed" : "ok");
	sheet_number(&sheet, "exit_status", NULL, info ? (uint64_t)info->exit_status : 0);
	if (info) {
		sheet_text(&sheet, "error", NULL, "%s", info->name);
		sheet_bool(&sheet, "retry", NULL, info->retry);
		sheet_foreign(&sheet, "message", NULL, bytes_of_text(failure->message));
	}
	return sheet_write(&sheet, out, err);
}

/* The envelope with the worker's object as its last member. */
static int write_document(const struct outcome *outcome, struct buf *out, struct err *err)
{
	struct buf facts OWNED_BUF = BUF_INIT(REPORT_JSON_MAX);
	struct buf envelope OWNED_BUF = BUF_INIT(ENVELOPE_MAX);
	take(files[FACTS], REPORT_JSON_MAX, &facts);
	if (write_envelope(outcome, &envelope, err) < 0)
		return -1;
	struct bytes head = bytes_of(envelope.data, envelope.len - strlen("}\n"));
	if (buf_append(out, head, err) < 0 || buf_append_text(out, ",\"facts\":", err) < 0 ||
	    (facts.len ? buf_append(out, buf_bytes(&facts), err) : buf_append_text(out, "null\n", err)) < 0)
		return -1;
	return buf_append_text(out, "}\n", err);
}

static int write_file(const char *path, const struct outcome *outcome, struct err *err)
{
	struct buf document OWNED_BUF = BUF_INIT(REPORT_JSON_MAX + ENVELOPE_MAX + 64);
	struct file_owner self = { .uid = geteuid(), .gid = getegid() };
	const char *slash = strrchr(path, '/');
	OWNED_MEM char *parent = slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");
	if (!parent)
		return err_set(err, ERR_SYSTEM, "out of memory");
	int dir OWNED_FD = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_set_errno(err, ERR_CONFIG, errno, "cannot open directory '%s'", parent);
	if (write_document(outcome, &document, err) < 0)
		return -1;
	return file_replace(dir, slash ? slash + 1 : path, buf_bytes(&document), 0600, self, err);
}

/* Written in place, as the kubelet mounts the file alone. One that does not exist is not made: outside of a pod there
 * is none. */
static int write_log(const char *path, const char *line, struct err *err)
{
	struct stat st;
	int fd OWNED_FD = open(path, O_WRONLY | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_set_errno(err, ERR_SYSTEM, errno, "cannot open '%s'", path);
	if (!S_ISREG(st.st_mode) || ftruncate(fd, 0) < 0)
		return err_set(err, ERR_SYSTEM, "'%s' is no file to write to", path);
	return file_write_fd(fd, bytes_of_text(line), err);
}

static void tell_kubelet(const struct cli_options *options, const char *line)
{
	struct err why = { 0 };
	const char *path = options->termination_log ? options->termination_log : REPORT_TERMINATION_LOG;
	if (write_log(path, line, &why) < 0 && options->termination_log)
		log_warning("the termination log: %s", why.message);
}

static void put_file(const struct cli_options *options, const struct outcome *outcome)
{
	struct err why = { 0 };
	if (options->report && write_file(options->report, outcome, &why) < 0)
		log_warning("the report '%s' could not be written: %s", options->report, why.message);
}

void report_finish(const struct cli_verb *verb, const struct cli_options *options, const struct err *failure)
{
	char line[256];
	if (!verb || !(verb->options & CLI_REPORT))
		return;
	if (failure)
		print_screen();
	put_file(options, &(const struct outcome){ .verb = verb, .failure = failure });
	if (!failure)
		return;
	const struct err_info *info = err_info(failure->code);
	(void)snprintf(line, sizeof(line), "sealpod %s: exit status %d, %s: %s\n", verb->name, info->exit_status,
		       info->name, info->text);
	tell_kubelet(options, line);
}

void report_renewal(const struct cli_options *options, const struct err *failure, bool screen)
{
	static bool told;
	char line[256] = "";
	if (failure && screen)
		print_screen();
	put_file(options, &(const struct outcome){ cli_find_verb("run"), failure, true });
	if (failure)
		(void)snprintf(line, sizeof(line), "sealpod run: the credential is not renewed, %s: %s\n",
			       err_info(failure->code)->name, err_info(failure->code)->text);
	if (failure || told) /* what was said of a failure is not true any more after a success */
		tell_kubelet(options, line);
	told = failure != NULL;
	forget();
}
