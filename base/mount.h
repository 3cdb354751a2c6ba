/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which mount a descriptor lies on. A device number does not tell: a bind mount
 * shows another part of the same file system.
 */
#ifndef SEALPOD_BASE_MOUNT_H
#define SEALPOD_BASE_MOUNT_H

#include <stdbool.h>

/* False also when the kernel cannot say (before Linux 5.8). */
bool mount_is_same(int fd_a, int fd_b);

#endif
