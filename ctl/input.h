/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an operator hands to a verb: a file, or standard input for "-".
 */
#ifndef SEALPOD_CTL_INPUT_H
#define SEALPOD_CTL_INPUT_H

#include "base/buf.h"
#include "base/secret.h"

/* Errors are ERR_CONFIG (absent, too large) and ERR_SYSTEM, with the name. */
int input_read(const char *path, struct buf *out, struct err *err) WARN_UNUSED;

/* Straight into guarded memory. At most `max` bytes; may be empty. */
int input_read_secret(const char *path, size_t max, struct secret *ret_secret, struct err *err) WARN_UNUSED;

#endif
