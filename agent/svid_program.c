/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fork(2) and execve(2) for foreign programs.
 *
 * The program and its arguments are the operator's. Between fork and exec only
 * what is safe in a process with threads may be called. Must never hand a
 * descriptor, a blocked signal or our umask on.
 */
#include "agent/svid_program.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/harden.h"
#include "base/log.h"

static void close_others(void)
{
	if (syscall(SYS_close_range, 3u, ~0u, 0u) == 0)
		return;
	for (int fd = 3; fd < 1024; fd++)
		(void)close(fd);
}

static _Noreturn void become(char *const *argv, bool terminal)
{
	(void)setpgid(0, 0);
	if (terminal) {
		(void)tcsetpgrp(STDIN_FILENO, getpid()); /* signals that would stop us are still blocked */
	} else {
		int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
		if (null >= 0)
			(void)dup2(null, STDIN_FILENO);
	}
	(void)umask(harden_inherited_umask());
	close_others();
	harden_reset_signals();
	environ = (char **)(uintptr_t)harden_inherited_environment();
	(void)execvp(argv[0], argv);
	int why = errno;
	bool absent = why == ENOENT || why == ENOTDIR;
	log_error("'%s' cannot be executed: %s", argv[0], strerror(why));
	_exit(absent ? EXIT_NOT_FOUND : EXIT_CANNOT_EXEC);
}

int svid_program_start(char *const *argv, bool terminal, pid_t *ret_pid, struct err *err)
{
	pid_t pid = fork();
	if (pid < 0)
		return err_set_errno(err, ERR_SYSTEM, errno, "cannot start '%s'", argv[0]);
	if (pid == 0)
		become(argv, terminal);
	(void)setpgid(pid, pid); /* whoever of us comes first */
	*ret_pid = pid;
	return 0;
}
