/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Secrets in guarded memory (libsodium: guard pages, canary, mlock, wiped on
 * free, left out of core dumps). Fixed capacity, moved and never copied, and no
 * function here or elsewhere prints one.
 *
 * Handing bytes to a library that copies them (OpenSSL, cJSON) is the caller's
 * deed and takes secret_bytes(); those libraries get the wiping allocator.
 */
#ifndef SEALPOD_BASE_SECRET_H
#define SEALPOD_BASE_SECRET_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct secret {
	void *data; /* void, so that printf cannot take it; sodium_malloc'ed, NULL when empty */
	size_t len;
	size_t cap;
};

#define SECRET_INIT                                                                                                    \
	{                                                                                                              \
		.data = NULL, .len = 0, .cap = 0                                                                       \
	}
#define OWNED_SECRET CLEANUP(secret_done)

/* Largest secret taken anywhere: keys, chains and configuration are far below. */
#define SECRET_MAX (1024u * 1024u)

/* Once per process before any secret is made. Fails when libsodium cannot
 * start. */
int secret_setup(struct err *err) WARN_UNUSED;

/* Allocates room for `cap` bytes (1 to SECRET_MAX); content empty. The secret
 * must be empty before. Fails (ERR_SYSTEM) when memory or lockable memory
 * (RLIMIT_MEMLOCK) is short: never falls back to ordinary memory. */
int secret_alloc(struct secret *secret, size_t cap, struct err *err) WARN_UNUSED;

/* Empties it, wiped, and sees to room for `cap` bytes: in the memory that it has, if that is enough. For what is filled
 * again and again. Fails as secret_alloc() does, and then it holds no memory. */
int secret_reuse(struct secret *secret, size_t cap, struct err *err) WARN_UNUSED;

/* Empties it, wiped. The memory stays for secret_reuse(), unless it is more than SECRET_KEEP_MAX. */
#define SECRET_KEEP_MAX (64u * 1024u)
void secret_clear(struct secret *secret);

/* Appends within the capacity; past it fails and leaves the secret as it was. */
int secret_append(struct secret *secret, struct bytes more, struct err *err) WARN_UNUSED;

/* Wipes and frees; NULL and empty are fine. */
void secret_done(struct secret *secret);

/* *to must be empty or is wiped first; *from is empty afterwards. */
void secret_move(struct secret *to, struct secret *from);

struct bytes secret_bytes(const struct secret *secret);

/* Reads fd to its end (at most `max` bytes) straight into guarded memory. */
int secret_read_fd(struct secret *secret, int fd, size_t max, struct err *err) WARN_UNUSED;

#endif
