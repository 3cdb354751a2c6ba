/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What several unit tests need: cmocka with the headers that it wants in front
 * of it, children that may die, private directories, namespaces.
 *
 * A failed assert of cmocka jumps back into the test runner, which a child must
 * never do: in a child use CHECK(), which says where and ends the child.
 */
#ifndef SEALPOD_TESTS_SUPPORT_H
#define SEALPOD_TESTS_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the five above */
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"

#define CHECK(condition)                                                                                               \
	do {                                                                                                           \
		if (!(condition)) {                                                                                    \
			(void)fprintf(stderr, "%s:%d: in the child: not so: %s (errno %d)\n", __FILE__, __LINE__,      \
				      #condition, errno);                                                              \
			_exit(1);                                                                                      \
		}                                                                                                      \
	} while (0)

/* tests/valgrind.sh says so: then no test can tell a stall from the program's own slowness. */
static inline bool runs_slowly(void)
{
	return getenv("SEALPOD_TEST_SLOW") != NULL;
}

/* Exit status by which a child says that the machine cannot do the test. */
#define CHILD_CANNOT 77

/* Runs `deed` in a child and returns its wait status. Faults kill the child at
 * once: neither cmocka's nor a sanitizer's handler stands in between, and no
 * core is written. */
static inline int run_child(void (*deed)(void))
{
	(void)fflush(NULL);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		const struct rlimit none = { 0, 0 };
		(void)setrlimit(RLIMIT_CORE, &none);
		(void)signal(SIGSEGV, SIG_DFL);
		(void)signal(SIGABRT, SIG_DFL);
		(void)signal(SIGBUS, SIG_DFL);
		deed();
		_exit(0);
	}
	int status = 0;
	while (waitpid(pid, &status, 0) < 0)
		assert_int_equal(errno, EINTR);
	return status;
}

static inline void assert_child_well(void (*deed)(void))
{
	int status = run_child(deed);
	if (WIFEXITED(status) && WEXITSTATUS(status) == CHILD_CANNOT)
		skip();
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static inline void assert_child_killed_by(int signal_number, void (*deed)(void))
{
	int status = run_child(deed);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), signal_number);
}

static inline void child_limit(__rlimit_resource_t resource, rlim_t most)
{
	struct rlimit limit;
	CHECK(getrlimit(resource, &limit) == 0);
	limit.rlim_cur = most; /* the hard one stays: valgrind refuses to lower it */
	CHECK(setrlimit(resource, &limit) == 0);
}

/* Root passes many limits by; without its capabilities it is like anybody. */
static inline void child_drop_capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3, .pid = 0 };
	const struct __user_cap_data_struct none[2] = { { 0, 0, 0 }, { 0, 0, 0 } };
	CHECK(syscall(SYS_capset, &header, none) == 0);
}

static inline void child_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	(void)close(fd);
}

/* A mount namespace of the child's own; with a user namespace around it where
 * that is the only way. */
static inline void child_own_mounts(void)
{
	const uid_t uid = geteuid();
	const gid_t gid = getegid();
	if (unshare(CLONE_NEWNS) < 0) {
		if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
			_exit(CHILD_CANNOT);
		char map[64]; /* without a map of ids nothing can be created */
		child_write("/proc/self/setgroups", "deny");
		(void)snprintf(map, sizeof(map), "%u %u 1", uid, uid);
		child_write("/proc/self/uid_map", map);
		(void)snprintf(map, sizeof(map), "%u %u 1", gid, gid);
		child_write("/proc/self/gid_map", map);
	}
	CHECK(mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) == 0);
}

static inline void child_mount_tmpfs(const char *where, const char *options)
{
	CHECK(mount("tmpfs", where, "tmpfs", MS_NOSUID | MS_NODEV, options) == 0);
}

/* A new directory in $TMPDIR or /tmp, mode 0700. The caller removes it. */
static inline void make_directory(char ret_path[static 256])
{
	const char *base = getenv("TMPDIR");
	(void)snprintf(ret_path, 256, "%s/sealpod-test-XXXXXX", base ? base : "/tmp");
	assert_non_null(mkdtemp(ret_path));
}

#endif
