/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mount identity by statx(2).
 *
 * The kernel answers; the host may have laid out the mounts. Must never call
 * two mounts one. A file of its own, because the kernel's header for statx does
 * not go together with every C library's <sys/stat.h>, and musl had no statx()
 * of its own for long.
 */
#include "base/mount.h"

#include <fcntl.h>
#include <linux/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef AT_EMPTY_PATH
#define AT_EMPTY_PATH 0x1000
#endif

static bool mount_of(int fd, unsigned long long *ret_id)
{
	struct statx st = { 0 };
	if (syscall(SYS_statx, fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &st) < 0 || !(st.stx_mask & STATX_MNT_ID))
		return false;
	*ret_id = st.stx_mnt_id;
	return true;
}

bool mount_is_same(int fd_a, int fd_b)
{
	unsigned long long a, b;
	return mount_of(fd_a, &a) && mount_of(fd_b, &b) && a == b;
}
