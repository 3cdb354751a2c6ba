/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A directory of outputs: mode 0700, locked while it is open. Private files are 0600 and written
 * once, never over another; public files are 0644 and replaced whole, and only if they change.
 *
 * Names are relative; directories in them ("kbs/resource-policy.rego") are made when a file in
 * them is written.
 */
#ifndef SEALPOD_CTL_OUT_H
#define SEALPOD_CTL_OUT_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/secret.h"

#define OUT_FILE_MAX (8u << 20)
#define OUT_NAMES_MAX (8u << 20)

struct out {
	const char *path;
	int fd;
	unsigned written;   /* files that are new or changed */
	unsigned unchanged; /* files that were there, the same */
	bool look_only;	    /* writing changes nothing: ERR_CONFIG where it would */
	struct buf made;    /* names of all that can be made again, each with "\n" behind it */
};

#define OUT_INIT                                                                                                       \
	{                                                                                                              \
		.fd = -1, .made = BUF_INIT(OUT_NAMES_MAX)                                                              \
	}

/* Makes the directory where it is missing. ERR_CONFIG where it is open to others, or locked by
 * another process. `path` is borrowed. */
int out_open(const char *path, struct out *ret_out, struct err *err) WARN_UNUSED;
void out_close(struct out *out);
#define OWNED_OUT CLEANUP(out_close)

/* Removes what writing a file left behind where the process was killed, in all directories. */
void out_sweep(const struct out *out);

int out_write(struct out *out, const char *name, struct bytes content, struct err *err) WARN_UNUSED;

/* Refuses (ERR_CONFIG) to replace a file. */
int out_write_private(struct out *out, const char *name, struct bytes content, struct err *err) WARN_UNUSED;

/* A private file may have changed content that is not a key: replaced, 0600. */
int out_replace_private(struct out *out, const char *name, struct bytes content, struct err *err) WARN_UNUSED;

/* A file that is there, and would not be the same if it were made again, is one of `made` too. */
int out_keep(struct out *out, const char *name, struct err *err) WARN_UNUSED;

/* Moves a file over another, or away; that it is not there is no failure of the latter. */
int out_move(struct out *out, const char *from, const char *to, struct err *err) WARN_UNUSED;
int out_remove(struct out *out, const char *name, struct err *err) WARN_UNUSED;

bool out_has(const struct out *out, const char *name);

/* ERR_CONFIG where it is not there. */
int out_read(const struct out *out, const char *name, struct buf *ret, struct err *err) WARN_UNUSED;

/* Into guarded memory; refuses a file that others may read. `ret` must be empty. */
int out_read_private(const struct out *out, const char *name, struct secret *ret, struct err *err) WARN_UNUSED;

/* A secret from anywhere, as the operator names it. */
int out_read_secret_file(const char *path, struct secret *ret, struct err *err) WARN_UNUSED;

#endif
