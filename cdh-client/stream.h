/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A unix stream socket with a deadline on each step. A deadline of NULL: none.
 */
#ifndef SEALPOD_CDH_CLIENT_STREAM_H
#define SEALPOD_CDH_CLIENT_STREAM_H

#include "base/buf.h"
#include "base/clock.h"

/* ERR_NETWORK (no socket there, nobody listens), ERR_CONFIG (the path is no absolute path of a
 * socket's length, or may not be opened), ERR_TIMEOUT. */
int stream_connect(const char *path, const struct deadline *deadline, int *ret_fd, struct err *err) WARN_UNUSED;

/* All bytes. ERR_NETWORK (closed), ERR_TIMEOUT. */
int stream_write(int fd, struct bytes data, const struct deadline *deadline, struct err *err) WARN_UNUSED;

/* Exactly `len` bytes. ERR_NETWORK (closed before), ERR_TIMEOUT. */
int stream_read(int fd, void *to, size_t len, const struct deadline *deadline, struct err *err) WARN_UNUSED;

/* Nothing to read and not closed: fit for another request. */
bool stream_is_quiet(int fd);

#endif
