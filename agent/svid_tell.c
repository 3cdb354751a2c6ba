/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signals and commands after an update.
 *
 * The pid file is the workload's and may be missing, old or wrong at any time.
 * Must never signal process 0, 1, ourselves or a group, never run a command twice
 * at a time, and never let a command that hangs hold up the updates.
 */
#include "agent/svid_tell.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/child.h"
#include "agent/svid_program.h"
#include "base/cleanup.h"
#include "base/log.h"

#define COMMAND_LIMIT_MS 60000
#define SIGNAL_TRIES 8
#define SIGNAL_PAUSE_MS 100

static int split_command(struct svid_tell *tell, struct err *err)
{
	size_t count = 1;
	char *rest = NULL;
	tell->command_text = strdup(tell->settings->command);
	for (const char *c = tell->settings->command; *c; c++)
		count += *c == '\n';
	tell->command = calloc(count + 1, sizeof(*tell->command));
	if (!tell->command_text || !tell->command)
		return err_set(err, ERR_SYSTEM, "out of memory");
	size_t i = 0;
	for (char *word = strtok_r(tell->command_text, "\n", &rest); word; word = strtok_r(NULL, "\n", &rest))
		tell->command[i++] = word;
	return 0;
}

int svid_tell_open(const struct svid_settings *settings, struct svid_tell *ret_tell, struct err *err)
{
	struct svid_tell tell = { .settings = settings };
	if (settings->command && split_command(&tell, err) < 0) {
		svid_tell_close(&tell);
		return -1;
	}
	*ret_tell = tell;
	return 0;
}

void svid_tell_close(struct svid_tell *tell)
{
	if (tell->command_pid > 0)
		(void)kill(-tell->command_pid, SIGTERM); /* nobody would see to its end any more */
	tell->command_pid = 0;
	free(tell->command);
	free(tell->command_text);
	tell->command = NULL;
	tell->command_text = NULL;
}

static int read_pid(const char *path, pid_t *ret_pid, struct err *err)
{
	struct buf text OWNED_BUF = BUF_INIT(32);
	char *end = NULL;
	if (file_read(AT_FDCWD, path, &text, err) < 0)
		return -1;
	errno = 0;
	long pid = strtol(buf_text(&text), &end, 10);
	bool digit = text.len > 0 && text.data[0] >= '0' && text.data[0] <= '9';
	if (!digit || errno != 0 || end[strspn(end, " \r\n")] != 0 || pid > INT32_MAX)
		return err_set(err, ERR_CONFIG, "'%s' does not hold the number of a process", path);
	if (pid <= 1 || pid == getpid())
		return err_set(err, ERR_CONFIG, "'%s' holds %ld: %s is never signalled", path, pid,
			       pid == getpid() ? "this process"
			       : pid == 1      ? "process 1"
					       : "no process of its own");
	*ret_pid = (pid_t)pid;
	return 0;
}

int svid_tell_by_pid_file(const char *path, int number, struct err *err)
{
	pid_t pid;
	pid_t again;
	if (read_pid(path, &pid, err) < 0)
		return -1;
	int fd OWNED_FD = (int)syscall(SYS_pidfd_open, pid, 0u);
	bool by_number = fd < 0 && errno == ENOSYS; /* before Linux 5.3, and under valgrind */
	if (fd < 0 && !by_number)
		return err_set_errno(err, ERR_SYSTEM, errno, "process %d of '%s'", (int)pid, path);
	if (read_pid(path, &again, err) < 0)
		return -1;
	if (again != pid)
		return err_set(err, ERR_SYSTEM, "'%s' changes just now", path);
	if ((by_number ? kill(pid, number) : syscall(SYS_pidfd_send_signal, fd, number, NULL, 0u)) < 0)
		return err_set_errno(err, ERR_SYSTEM, errno, "cannot signal process %d of '%s'", (int)pid, path);
	log_debug("signal %d (%s) to process %d", number, strsignal(number), (int)pid);
	return 0;
}

static void try_signal(struct svid_tell *tell)
{
	struct err why = { 0 };
	if (svid_tell_by_pid_file(tell->settings->pid_file, tell->settings->signal, &why) == 0) {
		tell->signal_due = false;
		return;
	}
	if (++tell->signal_tries >= SIGNAL_TRIES) {
		log_warning("nobody is told of the update: %s", why.message);
		tell->signal_due = false;
		return;
	}
	tell->signal_at = deadline_in((int64_t)SIGNAL_PAUSE_MS << tell->signal_tries);
}

static void start_command(struct svid_tell *tell)
{
	struct err why = { 0 };
	tell->command_again = false;
	if (svid_program_start(tell->command, false, &tell->command_pid, &why) < 0)
		log_warning("%s", why.message);
	else
		tell->command_limit = deadline_in(COMMAND_LIMIT_MS);
}

void svid_tell_update(struct svid_tell *tell)
{
	if (tell->settings->pid_file) {
		tell->signal_due = true;
		tell->signal_tries = 0;
		try_signal(tell);
	}
	if (!tell->command)
		return;
	if (tell->command_pid > 0)
		tell->command_again = true;
	else
		start_command(tell);
}

int64_t svid_tell_step(struct svid_tell *tell)
{
	int64_t next = -1;
	if (tell->signal_due && deadline_left(&tell->signal_at) == 0)
		try_signal(tell);
	if (tell->signal_due)
		next = deadline_left(&tell->signal_at);
	if (tell->command_pid <= 0)
		return next;
	int64_t left = deadline_left(&tell->command_limit);
	if (left == 0) {
		log_warning("'%s' still runs after %d s and is killed", tell->command[0], COMMAND_LIMIT_MS / 1000);
		(void)kill(-tell->command_pid, SIGKILL);
		tell->command_limit = deadline_in(COMMAND_LIMIT_MS);
		left = COMMAND_LIMIT_MS;
	}
	return next < 0 || left < next ? left : next;
}

bool svid_tell_ended(struct svid_tell *tell, pid_t pid, int wait_status)
{
	if (pid != tell->command_pid)
		return false;
	tell->command_pid = 0;
	int status = child_status(wait_status);
	if (status != 0)
		log_warning("'%s' ended with status %d", tell->command[0], status);
	if (tell->command_again)
		start_command(tell);
	return true;
}

bool svid_tell_idle(const struct svid_tell *tell)
{
	return tell->command_pid <= 0 && !tell->signal_due;
}
