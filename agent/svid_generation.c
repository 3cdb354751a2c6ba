/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Generations: directories that are filled once.
 *
 * They lie in a directory that others may be able to write to. Must never leave a
 * private key readable for an instant by more than its mode says, and never follow a
 * link that is not our own.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/svid_place_parts.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "base/random.h"

#define OURS_ALONE 0700

void svid_generation_name(char ret_name[SVID_NAME_SIZE])
{
	char random[17];
	random_name(random, sizeof(random));
	(void)snprintf(ret_name, SVID_NAME_SIZE, SVID_PREFIX "%s", random);
}

void svid_generation_remove(const struct svid_place *place, const char *name)
{
	struct err why = { 0 };
	if (file_remove_tree(place->fd, name, &why) < 0)
		log_warning("'%s': an old generation stays: %s", place->directory, why.message);
}

void svid_generation_current(const struct svid_place *place, char ret_name[SVID_NAME_SIZE])
{
	ssize_t len = readlinkat(place->fd, SVID_DATA, ret_name, SVID_NAME_SIZE - 1);
	ret_name[len > 0 ? len : 0] = 0;
	if (strncmp(ret_name, SVID_PREFIX, sizeof(SVID_PREFIX) - 1) != 0 || strchr(ret_name, '/'))
		ret_name[0] = 0;
}

int svid_generation_open(const struct svid_place *place, const char *name, int *ret_fd, struct err *err)
{
	int fd = openat(place->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_set_errno(err, ERR_SYSTEM, errno, "cannot open '%s'", name);
	*ret_fd = fd;
	return 0;
}

int svid_place_sync(const struct svid_place *place, int fd, struct err *err)
{
	if (place->in_memory || fsync(fd) == 0)
		return 0;
	return err_set_errno(err, ERR_SYSTEM, errno, "cannot write to the disk");
}

static int give(const struct svid_place *place, int fd, mode_t mode, struct err *err)
{
	const struct file_owner *owner = &place->owner;
	if (place->foreign && fchown(fd, owner->uid, owner->gid) < 0)
		return err_set_errno(err, ERR_SYSTEM, errno, "cannot give it to uid %u, gid %u", owner->uid,
				     owner->gid);
	if (fchmod(fd, mode) < 0) /* the umask does not apply here */
		return err_set_errno(err, ERR_SYSTEM, errno, "cannot set mode %04o", (unsigned)mode);
	return svid_place_sync(place, fd, err);
}

int svid_generation_add(const struct svid_place *place, int dirfd, const char *name, mode_t mode,
			const struct svid_content *content, struct err *err)
{
	int fd OWNED_FD = openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_set_errno(err, ERR_SYSTEM, errno, "cannot create '%s'", name);
	if (file_write_fd(fd, content->pieces[0], err) < 0 || file_write_fd(fd, content->pieces[1], err) < 0 ||
	    give(place, fd, mode, err) < 0)
		return err_wrap(err, "'%s'", name);
	return 0;
}

int svid_generation_add_list(const struct svid_place *place, int dirfd, const char *name,
			     const struct svid_files *files, struct err *err)
{
	OWNED_BUF struct buf list = BUF_INIT(SECRET_MAX);
	if (svid_files_print_list(files, &list, err) < 0)
		return -1;
	const struct svid_content content = { .pieces = { buf_bytes(&list) } };
	return svid_generation_add(place, dirfd, name, 0644, &content, err);
}

static int fill(const struct svid_place *place, const char *name, const struct svid_files *files, mode_t mode,
		struct err *err)
{
	int fd OWNED_FD = -1;
	if (svid_generation_open(place, name, &fd, err) < 0)
		return -1;
	for (size_t i = 0; i < files->count; i++) {
		const struct svid_file *file = &files->list[i];
		const struct svid_content content = svid_file_content(file);
		if (svid_generation_add(place, fd, file->name, file->mode, &content, err) < 0)
			return -1;
	}
	if (svid_generation_add_list(place, fd, SVID_LIST, files, err) < 0)
		return -1;
	/* Last, so that nobody looks into a half-made one. */
	return mode == OURS_ALONE ? svid_place_sync(place, fd, err) : give(place, fd, mode, err);
}

int svid_generation_make(const struct svid_place *place, const struct svid_files *files, mode_t mode,
			 char ret_name[SVID_NAME_SIZE], struct err *err)
{
	svid_generation_name(ret_name);
	if (mkdirat(place->fd, ret_name, OURS_ALONE) < 0)
		return err_set_errno(err, ERR_SYSTEM, errno, "cannot make a new directory");
	if (fill(place, ret_name, files, mode, err) == 0)
		return 0;
	svid_generation_remove(place, ret_name);
	return -1;
}
