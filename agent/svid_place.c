/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing generations of files.
 *
 * The directory is the operator's, but others may write to it (a volume shared by
 * the containers of a pod): nothing in it is followed or believed but our own
 * links. Must never leave a private key readable for an instant by more than its
 * mode says, never write one to a disk unless that was allowed, and never take the
 * old files away before the new ones are whole.
 */
#include "agent/svid_place.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/random.h"

#define DATA "..data"
#define PREFIX "..svid-"
/* How long a reader may take from opening the directory to opening the last file in it. */
#define PREVIOUS_MS 5000

void svid_files_done(struct svid_files *files)
{
	for (size_t i = 0; i < files->count; i++) {
		free(files->list[i].name);
		buf_done(&files->list[i].text);
		secret_done(&files->list[i].secret);
	}
	free(files->list);
	*files = (struct svid_files){ .list = NULL };
}

static bool has(const struct svid_files *files, const char *name)
{
	for (size_t i = 0; i < files->count; i++)
		if (strcmp(files->list[i].name, name) == 0)
			return true;
	return false;
}

int svid_files_add(struct svid_files *files, const char *name, mode_t mode, struct svid_file **ret_file,
		   struct err *err)
{
	if (name[0] == 0 || name[0] == '.' || strchr(name, '/') || strlen(name) > NAME_MAX - 20)
		return err_set(err, ERR_CONFIG, "'%.250s' is not the name of a file", name);
	if (has(files, name))
		return err_set(err, ERR_CONFIG, "two files would be called '%s'", name);
	if (files->count == files->room) {
		struct svid_file *more = reallocarray(files->list, files->room + 8, sizeof(*more));
		if (!more)
			return err_set(err, ERR_SYSTEM, "out of memory");
		files->list = more;
		files->room += 8;
	}
	char *copy = strdup(name);
	if (!copy)
		return err_set(err, ERR_SYSTEM, "out of memory");
	struct svid_file *file = &files->list[files->count++];
	*file = (struct svid_file){ .name = copy, .mode = mode, .text = BUF_INIT(4u * SECRET_MAX) };
	*ret_file = file;
	return 0;
}

static void forget_names(struct svid_place *place)
{
	for (size_t i = 0; i < place->name_count; i++)
		free(place->names[i]);
	free(place->names);
	place->names = NULL;
	place->name_count = 0;
}

void svid_place_close(struct svid_place *place)
{
	forget_names(place);
	cleanup_fd(&place->fd);
}

static void remove_generation(const struct svid_place *place, const char *name)
{
	struct err why = { 0 };
	if (file_remove_tree(place->fd, name, &why) < 0)
		log_warning("'%s': an old generation stays: %s", place->directory, why.message);
}

static void current_generation(const struct svid_place *place, char name[32])
{
	ssize_t len = readlinkat(place->fd, DATA, name, 31);
	name[len > 0 ? len : 0] = 0;
	if (strncmp(name, PREFIX, sizeof(PREFIX) - 1) != 0)
		name[0] = 0;
}

static void close_dir(DIR **dir)
{
	if (*dir)
		(void)closedir(*dir);
}

static void open_list(const struct svid_place *place, DIR **ret_dir)
{
	int fd = openat(place->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*ret_dir = fd < 0 ? NULL : fdopendir(fd);
	if (fd >= 0 && !*ret_dir)
		(void)close(fd);
}

/* Generations that are neither the current one nor about to be removed, and links that were not renamed. */
static void remove_leftovers(const struct svid_place *place)
{
	char current[32];
	CLEANUP(close_dir) DIR *dir = NULL;
	current_generation(place, current);
	open_list(place, &dir);
	for (struct dirent *entry; dir && (entry = readdir(dir)) != NULL;)
		if (strncmp(entry->d_name, PREFIX, sizeof(PREFIX) - 1) == 0 && strcmp(entry->d_name, current) != 0)
			remove_generation(place, entry->d_name);
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

int svid_place_open(const struct svid_settings *settings, struct svid_place *ret_place, struct err *err)
{
	OWNED_SVID_PLACE struct svid_place place = {
		.fd = -1,
		.directory = settings->directory,
		.replace = settings->replace,
		.owner = svid_settings_owner(settings),
	};
	if (open_directory(settings->directory, &place.fd, err) < 0)
		return err_wrap(err, "svid.directory");
	place.in_memory = file_is_memory(place.fd);
	if (!place.in_memory && !settings->allow_disk)
		return err_set(
			err, ERR_CONFIG,
			"svid.directory '%s' is not on a memory file system (tmpfs, ramfs), and private keys would "
			"reach a disk: mount one there, or set 'allow_disk = true' and know why",
			settings->directory);
	remove_leftovers(&place);
	*ret_place = place;
	place = (struct svid_place)SVID_PLACE_INIT;
	return 0;
}

/* Only a disk can lose what was written. */
static int to_disk(const struct svid_place *place, int fd, struct err *err)
{
	if (place->in_memory || fsync(fd) == 0)
		return 0;
	return err_set_errno(err, ERR_SYSTEM, errno, "cannot write to the disk");
}

static int give(const struct svid_place *place, int fd, mode_t mode, struct err *err)
{
	const struct file_owner *owner = &place->owner;
	if ((owner->uid != geteuid() || owner->gid != getegid()) && fchown(fd, owner->uid, owner->gid) < 0)
		return err_set_errno(err, ERR_SYSTEM, errno, "cannot give it to uid %u, gid %u", owner->uid,
				     owner->gid);
	if (fchmod(fd, mode) < 0) /* the umask does not apply here */
		return err_set_errno(err, ERR_SYSTEM, errno, "cannot set mode %04o", (unsigned)mode);
	return 0;
}

static int write_file(const struct svid_place *place, int dirfd, const char *name, const struct svid_file *file,
		      struct err *err)
{
	int fd OWNED_FD = openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	struct bytes content = file->secret.data ? secret_bytes(&file->secret) : buf_bytes(&file->text);
	if (fd < 0)
		return err_set_errno(err, ERR_SYSTEM, errno, "cannot create '%s'", file->name);
	if (file_write_fd(fd, content, err) < 0 || give(place, fd, file->mode, err) < 0 || to_disk(place, fd, err) < 0)
		return err_wrap(err, "'%s'", file->name);
	return 0;
}

static int fill_generation(const struct svid_place *place, const char *name, const struct svid_files *files,
			   struct err *err)
{
	int fd OWNED_FD = openat(place->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_set_errno(err, ERR_SYSTEM, errno, "cannot open a new directory");
	for (size_t i = 0; i < files->count; i++)
		if (write_file(place, fd, files->list[i].name, &files->list[i], err) < 0)
			return -1;
	/* Last, so that nobody looks into a half-made one. */
	return give(place, fd, 0755, err) < 0 ? -1 : to_disk(place, fd, err);
}

static int make_generation(const struct svid_place *place, const struct svid_files *files, char name[32],
			   struct err *err)
{
	char random[17];
	random_name(random, sizeof(random));
	(void)snprintf(name, 32, PREFIX "%s", random);
	if (mkdirat(place->fd, name, 0700) < 0)
		return err_set_errno(err, ERR_SYSTEM, errno, "cannot make a new directory");
	if (fill_generation(place, name, files, err) == 0)
		return 0;
	remove_generation(place, name);
	return -1;
}

/* A link under its final name, in place of whatever is there. */
static int put_link(const struct svid_place *place, const char *target, const char *name, struct err *err)
{
	char temporary[32];
	char random[17];
	random_name(random, sizeof(random));
	(void)snprintf(temporary, sizeof(temporary), PREFIX "%s", random);
	if (symlinkat(target, place->fd, temporary) < 0)
		return err_set_errno(err, ERR_SYSTEM, errno, "cannot make a link");
	if (renameat(place->fd, temporary, place->fd, name) == 0)
		return 0;
	int saved = errno;
	(void)unlinkat(place->fd, temporary, 0);
	return err_set_errno(err, ERR_SYSTEM, saved, "cannot put '%s' in place", name);
}

static void target_of(const char *name, char target[NAME_MAX + 8])
{
	(void)snprintf(target, NAME_MAX + 8, DATA "/%s", name);
}

static bool is_our_link(const struct svid_place *place, const char *name)
{
	char wanted[NAME_MAX + 8];
	char found[NAME_MAX + 8];
	target_of(name, wanted);
	ssize_t len = readlinkat(place->fd, name, found, sizeof(found) - 1);
	found[len > 0 ? len : 0] = 0;
	return strcmp(wanted, found) == 0;
}

/* Before the switch, so that all files of a first generation appear with it; what another
 * program left under such a name is replaced only after it. */
static int put_links(const struct svid_place *place, const struct svid_files *files, bool others, struct err *err)
{
	for (size_t i = 0; i < files->count; i++) {
		const char *name = files->list[i].name;
		char target[NAME_MAX + 8];
		if (is_our_link(place, name) || (!others && faccessat(place->fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0))
			continue;
		target_of(name, target);
		if (put_link(place, target, name, err) < 0)
			return -1;
	}
	return 0;
}

static void remove_stale_links(const struct svid_place *place, const struct svid_files *files)
{
	CLEANUP(close_dir) DIR *dir = NULL;
	open_list(place, &dir);
	for (struct dirent *entry; dir && (entry = readdir(dir)) != NULL;)
		if (is_our_link(place, entry->d_name) && !has(files, entry->d_name))
			(void)unlinkat(place->fd, entry->d_name, 0);
}

void svid_place_tidy(struct svid_place *place, bool at_once)
{
	if (!place->previous[0] || (!at_once && deadline_left(&place->tidy_at) > 0))
		return;
	remove_generation(place, place->previous);
	place->previous[0] = 0;
}

static int switch_generation(struct svid_place *place, const struct svid_files *files, struct err *err)
{
	char name[32];
	char old[32];
	current_generation(place, old);
	if (make_generation(place, files, name, err) < 0)
		return -1;
	if (put_links(place, files, false, err) < 0 || put_link(place, name, DATA, err) < 0) {
		remove_generation(place, name);
		return -1;
	}
	svid_place_tidy(place, true);
	(void)snprintf(place->previous, sizeof(place->previous), "%s", old);
	place->tidy_at = deadline_in(PREVIOUS_MS);
	if (put_links(place, files, true, err) < 0)
		return -1;
	remove_stale_links(place, files);
	return to_disk(place, place->fd, err);
}

static void temporary_of(const char *name, const char *random, char out[NAME_MAX + 1])
{
	(void)snprintf(out, NAME_MAX + 1, ".%.200s.%s", name, random);
}

static int write_temporaries(const struct svid_place *place, const struct svid_files *files, const char *random,
			     struct err *err)
{
	char temporary[NAME_MAX + 1];
	for (size_t i = 0; i < files->count; i++) {
		temporary_of(files->list[i].name, random, temporary);
		if (write_file(place, place->fd, temporary, &files->list[i], err) < 0)
			return -1;
	}
	return 0;
}

static int rename_temporaries(const struct svid_place *place, const struct svid_files *files, const char *random,
			      struct err *err)
{
	char temporary[NAME_MAX + 1];
	for (size_t i = 0; i < files->count; i++) {
		temporary_of(files->list[i].name, random, temporary);
		if (renameat(place->fd, temporary, place->fd, files->list[i].name) < 0)
			return err_set_errno(err, ERR_SYSTEM, errno, "cannot put '%s' in place", files->list[i].name);
	}
	return 0;
}

static int remember_names(struct svid_place *place, const struct svid_files *files, struct err *err)
{
	forget_names(place);
	place->names = calloc(files->count + 1, sizeof(*place->names));
	for (size_t i = 0; place->names && i < files->count; i++) {
		place->names[i] = strdup(files->list[i].name);
		if (!place->names[i])
			return err_set(err, ERR_SYSTEM, "out of memory");
		place->name_count++;
	}
	return place->names ? 0 : err_set(err, ERR_SYSTEM, "out of memory");
}

static int replace_files(struct svid_place *place, const struct svid_files *files, struct err *err)
{
	char random[17];
	char temporary[NAME_MAX + 1];
	random_name(random, sizeof(random));
	if (write_temporaries(place, files, random, err) < 0 || rename_temporaries(place, files, random, err) < 0) {
		for (size_t i = 0; i < files->count; i++) {
			temporary_of(files->list[i].name, random, temporary);
			(void)unlinkat(place->fd, temporary, 0);
		}
		return -1;
	}
	for (size_t i = 0; i < place->name_count; i++)
		if (!has(files, place->names[i]))
			(void)unlinkat(place->fd, place->names[i], 0);
	return remember_names(place, files, err) < 0 ? -1 : to_disk(place, place->fd, err);
}

/* The one link goes first: with it all files are gone. */
static int withdraw(struct svid_place *place, struct err *err)
{
	const struct svid_files none = { .list = NULL };
	char current[32];
	current_generation(place, current);
	if (current[0] && unlinkat(place->fd, DATA, 0) < 0)
		return err_set_errno(err, ERR_SYSTEM, errno, "cannot remove '%s'", DATA);
	remove_stale_links(place, &none);
	svid_place_tidy(place, true);
	if (current[0])
		remove_generation(place, current);
	return to_disk(place, place->fd, err);
}

static int publish(struct svid_place *place, const struct svid_files *files, struct err *err)
{
	if (place->replace == SVID_REPLACE_FILES)
		return replace_files(place, files, err);
	return files->count > 0 ? switch_generation(place, files, err) : withdraw(place, err);
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
