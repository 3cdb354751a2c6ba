/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files by directory descriptor.
 *
 * The host may own what lies around, so: symbolic links are not followed in the
 * last component unless said, only regular files are read, every read has a
 * limit, and a file appears whole or not at all (temporary name, rename).
 */
#ifndef SEALPOD_BASE_FILE_H
#define SEALPOD_BASE_FILE_H

#include <sys/types.h>

#include "base/buf.h"

/* Whole content of a regular file. `path` is relative to dirfd (or AT_FDCWD);
 * its last component may be a link here, as operators' files often are (a
 * ConfigMap mount is nothing else). ERR_CONFIG if absent, not regular or larger than buf->max. */
int file_read(int dirfd, const char *path, struct buf *out, struct err *err) WARN_UNUSED;

/* Writes all bytes to fd. */
int file_write_fd(int fd, struct bytes data, struct err *err) WARN_UNUSED;

struct file_owner {
	uid_t uid;
	gid_t gid;
};

/* Creates or replaces `name` (a single component, ERR_CONFIG otherwise) in dirfd:
 * temporary file with `mode` and owner from the start, rename over the old one.
 * The umask does not apply. An owner equal to
 * the process's effective ids costs no chown. Nothing is left on failure. */
int file_replace(int dirfd, const char *name, struct bytes data, mode_t mode, struct file_owner owner,
		 struct err *err) WARN_UNUSED;

/* Is this how file_replace() calls a file before it is in place? A process that was killed leaves one behind. */
bool file_is_temporary(const char *name);

/* As file_replace(), with the whole content of another file, from its beginning, which the kernel copies: it never
 * comes into this process's memory. */
int file_replace_from(int dirfd, const char *name, int from, mode_t mode, struct file_owner owner,
		      struct err *err) WARN_UNUSED;

/* Opens (creating each missing component with `mode`, ours, whatever the umask)
 * the directory `path`, which must be absolute and without "." and "..", without
 * following links on the way. */
int file_open_dir(const char *path, mode_t mode, int *ret_fd, struct err *err) WARN_UNUSED;

/* Removes `name` (a single component, ERR_CONFIG otherwise) in dirfd with all
 * below it; absent is fine. Follows no link and crosses no mount, bind mounts
 * included; what lies beside them may be gone by then. */
int file_remove_tree(int dirfd, const char *name, struct err *err) WARN_UNUSED;

/* Is the file system behind fd memory only (tmpfs, ramfs)? */
bool file_is_memory(int fd);

/* A sealed memfd (no write, grow, shrink, further seal) with this content, mode
 * 0400, offset 0. */
int file_sealed_memfd(const char *name, struct bytes data, int *ret_fd, struct err *err) WARN_UNUSED;

#endif
