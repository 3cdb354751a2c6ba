/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ownership by scope: CLEANUP(fn) calls fn(&variable) at the end of the scope,
 * TAKE_PTR/TAKE_FD hand the value over and disarm it.
 */
#ifndef SEALPOD_BASE_CLEANUP_H
#define SEALPOD_BASE_CLEANUP_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CLEANUP(fn) __attribute__((cleanup(fn)))

#define TAKE_PTR(p)                                                                                                    \
	({                                                                                                             \
		__typeof__(p) taken_ = (p);                                                                            \
		(p) = NULL;                                                                                            \
		taken_;                                                                                                \
	})

#define TAKE_FD(fd)                                                                                                    \
	({                                                                                                             \
		int taken_ = (fd);                                                                                     \
		(fd) = -1;                                                                                             \
		taken_;                                                                                                \
	})

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

static inline void cleanup_fd(int *fd)
{
	if (*fd < 0)
		return;
	int saved = errno;
	(void)close(*fd);
	errno = saved;
	*fd = -1;
}

static inline void cleanup_free(void *pp)
{
	void **p = pp;
	free(*p);
	*p = NULL;
}

static inline void cleanup_file(FILE **f)
{
	if (*f)
		(void)fclose(*f);
	*f = NULL;
}

#define OWNED_FD CLEANUP(cleanup_fd)
#define OWNED_MEM CLEANUP(cleanup_free)

#endif
