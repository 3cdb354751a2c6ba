/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a run that was killed left half written beside the outputs, secrets among it. Must never remove a file that was
 * finished: none of ours begins with a dot.
 */
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "ctl/out.h"

#define DEPTH_MAX 8

static void close_directory(DIR **directory)
{
	if (*directory)
		(void)closedir(*directory);
}

static void sweep(int dir, unsigned depth);

static void look_at(int dir, const char *name, unsigned depth)
{
	struct stat status;
	if (fstatat(dir, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	if (S_ISREG(status.st_mode) && file_is_temporary(name)) {
		if (unlinkat(dir, name, 0) == 0)
			log_info("'%s', which a run that was cut off left behind, is removed", name);
		return;
	}
	if (!S_ISDIR(status.st_mode) || strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || depth == DEPTH_MAX)
		return;
	int below = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (below >= 0)
		sweep(below, depth + 1);
}

/* Takes the descriptor over. */
static void sweep(int dir, unsigned depth)
{
	DIR *directory CLEANUP(close_directory) = fdopendir(dir);
	struct dirent *entry;
	if (!directory) {
		(void)close(dir);
		return;
	}
	while ((entry = readdir(directory)) != NULL)
		look_at(dir, entry->d_name, depth);
}

void out_sweep(const struct out *out)
{
	int fd = openat(out->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0)
		sweep(fd, 0);
}
