/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Self-hardening, first thing in main().
 *
 * The environment is input: curl reads proxy variables and SSLKEYLOGFILE, OpenSSL
 * its configuration file's name, the agent's Go runtime GODEBUG. So it is cleared before any
 * library starts, and nothing that is not written here reaches the agent.
 */
#include "agent/harden.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static char **inherited_environment;
static mode_t inherited_umask = 022;

#define SAFE_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* A program that opens a file and gets descriptor 2 would write its log into it. */
static int open_standard_fds(void)
{
	int fd;
	do {
		/* For reading only: what is written to a standard output that was closed must fail, not vanish. */
		fd = open("/dev/null", O_RDONLY | O_NOCTTY);
		if (fd < 0)
			return -1;
	} while (fd <= 2);
	return close(fd);
}

static int close_stray_fds(void)
{
	if (syscall(SYS_close_range, 3u, ~0u, 0u) == 0)
		return 0;
	if (errno != ENOSYS)
		return -1;
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return -1;
	for (rlim_t fd = 3; fd < limit.rlim_cur; fd++)
		(void)close((int)fd);
	return 0;
}

/* What a non-root agent would inherit over its exec. Only a reduction, which needs no privilege. EINVAL: a kernel that
 * has no ambient ones. */
static int drop_inheritable_capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 && errno != EINVAL)
		return -1;
	if (syscall(SYS_capget, &header, data) < 0)
		return -1;
	data[0].inheritable = 0;
	data[1].inheritable = 0;
	return (int)syscall(SYS_capset, &header, data);
}

int harden_process(struct err *err)
{
	const struct rlimit none = { 0, 0 };
	inherited_umask = umask(077);
	inherited_environment = environ; /* the kernel's array, which clearenv() forgets and leaves alone */
	if (setrlimit(RLIMIT_CORE, &none) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return err_set_errno(err, ERR_SYSTEM, errno, "cannot switch core dumps off");
	if (drop_inheritable_capabilities() < 0)
		return err_set_errno(err, ERR_SYSTEM, errno, "cannot drop the inheritable capabilities");
	if (clearenv() != 0 || setenv("PATH", SAFE_PATH, 1) < 0)
		return err_set(err, ERR_SYSTEM, "cannot clear the environment");
	if (open_standard_fds() < 0 || close_stray_fds() < 0)
		return err_set_errno(err, ERR_SYSTEM, errno, "cannot put the descriptors in order");
	return 0;
}

char *const *harden_inherited_environment(void)
{
	static char *const none[] = { NULL };
	return inherited_environment ? inherited_environment : none;
}

mode_t harden_inherited_umask(void)
{
	return inherited_umask;
}

const char *harden_inherited_variable(const char *name)
{
	size_t len = strlen(name);
	for (char *const *at = harden_inherited_environment(); *at; at++)
		if (strncmp(*at, name, len) == 0 && (*at)[len] == '=')
			return *at + len + 1;
	return NULL;
}

void harden_reset_signals(void)
{
	/* The kernel's struct sigaction, all zero: SIG_DFL, no flags, an empty mask. */
	static const uint64_t fresh[4];
	sigset_t none;
	for (int i = 1; i <= 64; i++)
		(void)syscall(SYS_rt_sigaction, i, fresh, NULL, sizeof(uint64_t)); /* refused for SIGKILL and SIGSTOP */
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}
