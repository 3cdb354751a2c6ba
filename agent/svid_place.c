/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing generations of files.
 *
 * The directory is the operator's, but others may write to it (a volume shared by
 * the containers of a pod): nothing in it is followed or believed but our own
 * links and list. Must never write a private key to a disk unless that was allowed,
 * nor take the contents of an earlier run's files for more than they are.
 */
#include "agent/svid_place.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/svid_place_parts.h"
#include "base/cleanup.h"
#include "base/log.h"

void svid_place_close(struct svid_place *place)
{
	svid_files_done(&place->plain);
	svid_files_done(&place->linked);
	cleanup_fd(&place->fd);
}

DIR *svid_place_list(const struct svid_place *place)
{
	int fd = openat(place->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	if (fd >= 0 && !dir)
		(void)close(fd);
	return dir;
}

void svid_place_list_close(DIR **dir)
{
	if (*dir)
		(void)closedir(*dir);
}

/* Generations that are not the current one, and links that were not renamed. */
static void remove_leftovers(const struct svid_place *place)
{
	char current[SVID_NAME_SIZE];
	CLEANUP(svid_place_list_close) DIR *dir = svid_place_list(place);
	svid_generation_current(place, current);
	for (struct dirent *entry; dir && (entry = readdir(dir)) != NULL;)
		if (strncmp(entry->d_name, SVID_PREFIX, sizeof(SVID_PREFIX) - 1) == 0 &&
		    strcmp(entry->d_name, current) != 0)
			svid_generation_remove(place, entry->d_name);
}

/* The list of a directory; an empty one if there is none or it is none of ours. */
static void read_list(const struct svid_place *place, int dirfd, struct svid_files *ret_files)
{
	OWNED_BUF struct buf text = BUF_INIT(SECRET_MAX);
	struct err why = { 0 };
	if (faccessat(dirfd, SVID_LIST, F_OK, AT_SYMLINK_NOFOLLOW) < 0 ||
	    (file_read(dirfd, SVID_LIST, &text, &why) == 0 &&
	     svid_files_parse_list(buf_bytes(&text), ret_files, &why) == 0))
		return;
	log_warning("'%s': what an earlier run left is not known: %s", place->directory, why.message);
}

static int read_held(int dirfd, struct svid_file *file, struct err *err)
{
	struct stat st;
	int fd OWNED_FD = openat(dirfd, file->name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return err_set_errno(err, ERR_SYSTEM, errno, "cannot open '%s'", file->name);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size >= (off_t)SECRET_MAX)
		return err_set(err, ERR_SYSTEM, "'%s' is none of our files", file->name);
	/* Guarded memory is taken in advance, so no more than there is to read. */
	return secret_read_fd(&file->secret, fd, (size_t)st.st_size, err);
}

/* Part of a source's files is worse than none: where one cannot be read, the others of its source go too. */
static void read_contents(const struct svid_place *place, int dirfd, struct svid_files *files)
{
	bool bad[SVID_TOKEN + 1] = { false };
	for (size_t i = 0; i < files->count; i++) {
		struct err why = { 0 };
		if (read_held(dirfd, &files->list[i], &why) == 0)
			continue;
		log_warning("'%s': what an earlier run left is not kept up: %s", place->directory, why.message);
		bad[files->list[i].source] = true;
	}
	for (size_t i = files->count; i-- > 0;)
		if (bad[files->list[i].source])
			svid_files_remove(files, i);
}

/* What an earlier run left, perhaps in the other way of replacing. */
static void read_earlier(struct svid_place *place, struct svid_files *ret_held)
{
	OWNED_SVID_FILES struct svid_files held = { .list = NULL };
	char current[SVID_NAME_SIZE];
	int fd OWNED_FD = -1;
	svid_generation_current(place, current);
	read_list(place, place->fd, &place->plain);
	if (current[0] && svid_generation_open(place, current, &fd, NULL) == 0) {
		read_list(place, fd, &held);
		read_contents(place, fd, &held);
	} else {
		read_list(place, place->fd, &held);
		read_contents(place, place->fd, &held);
	}
	*ret_held = held;
	held = (struct svid_files){ .list = NULL };
}

static int open_directory(const char *path, int *ret_fd, struct err *err)
{
	/* Links on the way are the operator's ("/var/run"). */
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return file_open_dir(path, 0755, ret_fd, err);
	if (fd < 0)
		return err_set_errno(err, ERR_CONFIG, errno, "cannot open directory '%s'", path);
	*ret_fd = fd;
	return 0;
}

int svid_place_open(const struct svid_settings *settings, struct svid_place *ret_place, struct svid_files *ret_held,
		    struct err *err)
{
	OWNED_SVID_PLACE struct svid_place place = {
		.fd = -1,
		.directory = settings->directory,
		.replace = settings->replace,
		.owner = svid_settings_owner(settings),
	};
	/* A set-group-ID directory gives its group to what is made in it. */
	place.foreign = settings->uid_set || settings->gid_set;
	if (open_directory(settings->directory, &place.fd, err) < 0)
		return err_wrap(err, "svid.directory");
	/* Each would take away what is not among its own files. */
	if (flock(place.fd, LOCK_EX | LOCK_NB) < 0)
		return err_set(err, ERR_SYSTEM,
			       "another 'sealpod svid' keeps svid.directory '%s': give each a directory of its own",
			       settings->directory);
	place.in_memory = file_is_memory(place.fd);
	if (!place.in_memory && !settings->allow_disk)
		return err_set(
			err, ERR_CONFIG,
			"svid.directory '%s' is not on a memory file system (tmpfs, ramfs), and private keys would "
			"reach a disk: mount one there, or set 'allow_disk = true' and know why",
			settings->directory);
	remove_leftovers(&place);
	read_earlier(&place, ret_held);
	*ret_place = place;
	place = (struct svid_place)SVID_PLACE_INIT;
	return 0;
}

void svid_place_tidy(struct svid_place *place, bool at_once)
{
	if (!place->previous[0] || (!at_once && deadline_left(&place->tidy_at) > 0))
		return;
	svid_generation_remove(place, place->previous);
	place->previous[0] = 0;
}

static int withdraw(struct svid_place *place, struct err *err)
{
	const struct svid_files none = { .list = NULL };
	if (svid_links_withdraw(place, err) < 0)
		return -1;
	svid_plain_clear(place, &none);
	return svid_place_sync(place, place->fd, err);
}

static int publish(struct svid_place *place, const struct svid_files *files, struct err *err)
{
	if (files->count == 0)
		return withdraw(place, err);
	return place->replace == SVID_REPLACE_FILES ? svid_plain_publish(place, files, err)
						    : svid_links_publish(place, files, err);
}

int svid_place_publish(struct svid_place *place, const struct svid_files *files, struct err *err)
{
	struct err why = { 0 };
	int rc = publish(place, files, &why);
	if (rc < 0 && why.sys_errno == ENOSPC && place->previous[0]) {
		svid_place_tidy(place, true); /* the old generation's space may be what is missing */
		rc = publish(place, files, &why);
	}
	if (rc == 0)
		return 0;
	if (err)
		*err = why;
	return err_wrap(err, "'%s'", place->directory);
}
