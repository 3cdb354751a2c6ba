/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Becoming the SPIRE agent, or starting it as a child.
 *
 * The plan comes from the configuration. Must never pass the agent a descriptor,
 * an environment variable or a privilege that it was not meant to have.
 */
#include "agent/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/harden.h"
#include "agent/place.h"
#include "base/log.h"

static int not_executable(const char *path, int why, struct err *err)
{
	bool there = access(path, F_OK) == 0;
	if (why == ENOENT && there)
		return err_set(err, ERR_EXEC,
			       "the SPIRE agent '%s' cannot be executed (agent.path): the interpreter or loader that "
			       "it names is missing; use a static agent, or install it",
			       path);
	if ((why == ENOENT || why == ENOTDIR) && !there)
		return err_set_errno(err, ERR_NOT_FOUND, why, "no SPIRE agent at '%s' (agent.path)", path);
	return err_set_errno(err, ERR_EXEC, why, "the SPIRE agent '%s' cannot be executed (agent.path)", path);
}

/* May this user execute it, as its mode says? The directories above are left to execve(2). */
static bool executable_by(const struct stat *st, uid_t uid, gid_t gid)
{
	if (uid == 0)
		return (st->st_mode & (S_IXUSR | S_IXGRP | S_IXOTH)) != 0;
	if (st->st_uid == uid)
		return (st->st_mode & S_IXUSR) != 0;
	return (st->st_mode & (st->st_gid == gid ? S_IXGRP : S_IXOTH)) != 0;
}

int launch_check(const struct handoff_plan *plan, struct err *err)
{
	struct stat st;
	if (stat(plan->agent_path, &st) < 0)
		return not_executable(plan->agent_path, errno, err);
	if (!S_ISREG(st.st_mode))
		return not_executable(plan->agent_path, S_ISDIR(st.st_mode) ? EISDIR : EACCES, err);
	if (faccessat(AT_FDCWD, plan->agent_path, X_OK, AT_EACCESS) < 0)
		return not_executable(plan->agent_path, errno, err);
	if (plan->uid != geteuid() && !executable_by(&st, plan->uid, plan->gid))
		return err_set(
			err, ERR_EXEC,
			"the SPIRE agent '%s' (agent.path) cannot be executed by uid %u (agent.uid): its mode is %04o",
			plan->agent_path, plan->uid, st.st_mode & 07777);
	return 0;
}

static int pass_credential(const struct handoff_plan *plan, int fd, struct err *err)
{
	/* The agent opens it anew by /proc, which checks owner and mode of the memory file. */
	if (plan->uid != geteuid() && fchown(fd, plan->uid, plan->gid) < 0)
		return err_set_errno(err, ERR_SYSTEM, errno, "cannot give the credential to uid %u", plan->uid);
	if (fd == LAUNCH_CREDENTIAL_FD ? fcntl(fd, F_SETFD, 0) < 0 : dup2(fd, LAUNCH_CREDENTIAL_FD) < 0)
		return err_set_errno(err, ERR_SYSTEM, errno, "cannot pass the credential on");
	return 0;
}

/* The saved user id stays as it is until execve(2), which sets it to the effective one (and
 * takes all capabilities of a non-root user): so a failed exec can still clean up. */
static int drop_privileges(const struct handoff_plan *plan, struct err *err)
{
	bool same = plan->uid == geteuid() && plan->gid == getegid();
	if (geteuid() == 0 && setgroups(0, NULL) < 0)
		return err_set_errno(err, ERR_SYSTEM, errno, "cannot drop the supplementary groups");
	if (same)
		return 0;
	if (setresgid(plan->gid, plan->gid, plan->gid) < 0 || setresuid(plan->uid, plan->uid, (uid_t)-1) < 0)
		return err_set_errno(err, ERR_SYSTEM, errno, "cannot become uid %u, gid %u", plan->uid, plan->gid);
	return 0;
}

/* Returns on failure only. */
static int execute(const struct handoff_plan *plan, struct err *err)
{
	char config[PATH_MAX + sizeof("/" PLACE_DIR "/" PLACE_CONFIG)];
	(void)snprintf(config, sizeof(config), "%s/%s/%s", plan->runtime_dir, PLACE_DIR, PLACE_CONFIG);
	char *const argv[] = { (char *)(uintptr_t) "spire-agent", (char *)(uintptr_t) "run",
			       (char *)(uintptr_t) "-config", config, NULL };
	(void)umask(022);
	harden_reset_signals();
	(void)execv(plan->agent_path, argv);
	return not_executable(plan->agent_path, errno, err);
}

int launch_agent(const struct handoff_plan *plan, int credential_fd, struct err *err)
{
	uid_t before = geteuid();
	if (pass_credential(plan, credential_fd, err) < 0 || drop_privileges(plan, err) < 0)
		return -1;
	(void)execute(plan, err);
	if (geteuid() != before && seteuid(before) < 0)
		log_warning("cannot get the privileges back to clean up");
	return -1;
}

static _Noreturn void be_child(const struct handoff_plan *plan, pid_t parent)
{
	struct err err = { 0 };
	(void)setpgid(0, 0); /* a terminal's signals reach it by us, once */
	/* After the change of user, which would forget it. */
	if (drop_privileges(plan, &err) < 0)
		(void)err_wrap(&err, "the agent");
	else if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
		(void)err_set(&err, ERR_SYSTEM, "the agent's parent is gone");
	else
		(void)execute(plan, &err);
	log_error("%s", err.message);
	_exit(err_exit_status(&err));
}

int launch_child(const struct handoff_plan *plan, pid_t *ret_pid, struct err *err)
{
	pid_t self = getpid();
	pid_t pid = fork();
	if (pid < 0)
		return err_set_errno(err, ERR_SYSTEM, errno, "cannot start the agent");
	if (pid == 0)
		be_child(plan, self);
	(void)setpgid(pid, pid); /* whoever of us comes first */
	*ret_pid = pid;
	return 0;
}
