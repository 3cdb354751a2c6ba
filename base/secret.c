/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Secrets in libsodium's guarded memory.
 *
 * The content comes from the KBS (keys, issuer keys, configuration). Must never
 * copy a secret into ordinary memory, grow one in place, or show it.
 */
#include "base/secret.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int secret_setup(struct err *err)
{
	if (sodium_init() < 0)
		return err_set(err, ERR_SYSTEM, "libsodium cannot start (no source of randomness?)");
	return 0;
}

/* sodium_malloc() tries to lock the memory and hides it when that fails: so it is
 * asked for again here (locks do not add up), where the failure counts. mlock2(),
 * because AddressSanitizer makes mlock() do nothing. */
static void *locked_memory(size_t cap)
{
	void *data = sodium_malloc(cap);
	if (data && mlock2(data, cap, 0) < 0) {
		int saved = errno;
		sodium_free(data);
		errno = saved;
		return NULL;
	}
	return data;
}

static int alloc_any(struct secret *secret, size_t cap, struct err *err)
{
	errno = 0;
	void *data = locked_memory(cap);
	if (!data)
		return err_set_errno(err, ERR_SYSTEM, errno ? errno : ENOMEM,
				     "no guarded memory for a secret of %zu bytes (raise RLIMIT_MEMLOCK?)", cap);
	*secret = (struct secret){ .data = data, .len = 0, .cap = cap };
	return 0;
}

int secret_alloc(struct secret *secret, size_t cap, struct err *err)
{
	if (cap == 0 || cap > SECRET_MAX)
		return err_set(err, ERR_PROTOCOL, "a secret of %zu bytes (1 to %u are taken)", cap, SECRET_MAX);
	return alloc_any(secret, cap, err);
}

int secret_reuse(struct secret *secret, size_t cap, struct err *err)
{
	secret_clear(secret);
	if (secret->data && secret->cap >= cap)
		return 0;
	secret_done(secret);
	return secret_alloc(secret, cap, err);
}

void secret_clear(struct secret *secret)
{
	if (secret->cap > SECRET_KEEP_MAX)
		secret_done(secret);
	if (secret->data)
		sodium_memzero(secret->data, secret->cap);
	secret->len = 0;
}

int secret_append(struct secret *secret, struct bytes more, struct err *err)
{
	if (more.len > secret->cap - secret->len)
		return err_set(err, ERR_PROTOCOL, "larger than the limit of %zu bytes", secret->cap);
	if (more.len > 0)
		memcpy((uint8_t *)secret->data + secret->len, more.data, more.len);
	secret->len += more.len;
	return 0;
}

void secret_done(struct secret *secret)
{
	if (!secret)
		return;
	sodium_free(secret->data);
	*secret = (struct secret)SECRET_INIT;
}

void secret_move(struct secret *to, struct secret *from)
{
	secret_done(to);
	*to = *from;
	*from = (struct secret)SECRET_INIT;
}

struct bytes secret_bytes(const struct secret *secret)
{
	return bytes_of(secret->data, secret->len);
}

/* One byte more than `max` is asked for, to tell "exactly max" from "more". */
static int read_all(struct secret *into, int fd, struct err *err)
{
	while (into->len < into->cap) {
		ssize_t n = read(fd, (uint8_t *)into->data + into->len, into->cap - into->len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set_errno(err, ERR_SYSTEM, errno, "cannot read");
		if (n == 0)
			return 0;
		into->len += (size_t)n;
	}
	return err_set(err, ERR_PROTOCOL, "larger than the limit of %zu bytes", into->cap - 1);
}

int secret_read_fd(struct secret *secret, int fd, size_t max, struct err *err)
{
	struct secret content OWNED_SECRET = SECRET_INIT;
	if (max > SECRET_MAX)
		return err_set(err, ERR_PROTOCOL, "a secret of %zu bytes (at most %u are taken)", max, SECRET_MAX);
	if (alloc_any(&content, max + 1, err) < 0 || read_all(&content, fd, err) < 0)
		return -1;
	secret_move(secret, &content);
	return 0;
}
