/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two ends of a measurement. `probe launch PROGRAM ARGUMENT...` says when it
 * starts the program, from a process that has no memory of its own to speak of:
 * the kernel counts the peak of a process over its execs. Anything else makes it
 * the program that sealpod becomes: it says when it began and what the process
 * that it was, and the children of that, had used until then.
 * It reads nothing but the kernel's clocks and counters.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double seconds_now(void)
{
	struct timespec now;
	if (clock_gettime(CLOCK_MONOTONIC, &now) < 0)
		exit(1);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double seconds(struct timeval time)
{
	return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

static void print_usage(const char *name, int who)
{
	struct rusage usage;
	if (getrusage(who, &usage) < 0)
		exit(1);
	(void)printf(", \"%s\": {\"user\": %.6f, \"system\": %.6f, \"peak_kib\": %ld}", name, seconds(usage.ru_utime),
		     seconds(usage.ru_stime), usage.ru_maxrss);
}

static int launch(char **program)
{
	pid_t child = fork();
	if (child < 0)
		return 1;
	if (child == 0) {
		(void)printf("{\"start\": %.6f}\n", seconds_now());
		(void)fflush(stdout);
		(void)execv(program[0], program);
		_exit(127);
	}
	int status;
	if (waitpid(child, &status, 0) < 0)
		return 1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

int main(int argc, char **argv)
{
	if (argc > 2 && strcmp(argv[1], "launch") == 0)
		return launch(argv + 2);
	(void)printf("{\"end\": %.6f", seconds_now());
	print_usage("parent", RUSAGE_SELF);
	print_usage("worker", RUSAGE_CHILDREN);
	(void)printf("}\n");
	return 0;
}
