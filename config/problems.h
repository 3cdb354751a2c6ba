/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The problems of one configuration file, reported as they are found and
 * counted, so that one run names them all.
 */
#ifndef SEALPOD_CONFIG_PROBLEMS_H
#define SEALPOD_CONFIG_PROBLEMS_H

#include <stdbool.h>

#include "base/err.h"

#define PROBLEMS_TOLD_MAX 50 /* of one file; all are counted */

/* Who hears of a problem in place of the log; without `tell` it is the log. */
struct problem_sink {
	void (*tell)(void *arg, unsigned line, const char *key, const char *text);
	void *arg;
};

struct problems {
	const char *file;
	unsigned count;
	struct problem_sink sink;
	bool elsewhere; /* the file is for another machine: that nothing was sent from here says nothing */
};

/* Logs "FILE:LINE: key 'KEY': text" (without line where it is 0, without key where it is NULL). */
void problems_add(struct problems *problems, unsigned line, const char *key, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* 0 if there were none, else ERR_CONFIG with their number. */
int problems_result(const struct problems *problems, struct err *err) WARN_UNUSED;

#endif
