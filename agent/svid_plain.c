/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plain files, each put in place by a rename of its own.
 *
 * They are made in a generation's directory first, so that what a run that was cut
 * off leaves is found, and exchanged with what lies there, so that a failure can be
 * undone. Must never take away a file that it has not put there, nor a directory.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/svid_place_parts.h"
#include "base/cleanup.h"
#include "base/log.h"

/* The list on its way to be the directory's. */
#define NEXT_LIST "..next"

static int put_list(const struct svid_place *place, int from, const struct svid_files *files, struct err *err)
{
	if (svid_generation_add_list(place, from, NEXT_LIST, files, err) < 0)
		return -1;
	if (renameat(from, NEXT_LIST, place->fd, SVID_LIST) < 0)
		return err_set_errno(err, ERR_SYSTEM, errno, "cannot put '%s' in place", SVID_LIST);
	return 0;
}

/* Before anything is put in place it is said to be ours: a run that is killed in between leaves nothing unclaimed. */
static int claim(struct svid_place *place, int from, const struct svid_files *files, struct err *err)
{
	OWNED_SVID_FILES struct svid_files all = { .list = NULL };
	if (svid_files_add_names(&all, files, err) < 0 || svid_files_add_names(&all, &place->plain, err) < 0 ||
	    put_list(place, from, &all, err) < 0)
		return -1;
	svid_files_done(&place->plain);
	place->plain = all;
	all = (struct svid_files){ .list = NULL };
	return 0;
}

/* How a file came to its place, and so how it leaves it again. */
enum put { PUT_NEW, PUT_EXCHANGED, PUT_OVER };

static int put_file(const struct svid_place *place, int from, const char *name, enum put *ret_put, struct err *err)
{
	struct stat st;
	bool there = fstatat(place->fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
	if (there && S_ISDIR(st.st_mode))
		return err_set_errno(err, ERR_SYSTEM, EISDIR, "cannot put '%s' in place", name);
	if (there && syscall(SYS_renameat2, from, name, place->fd, name, RENAME_EXCHANGE) == 0) {
		*ret_put = PUT_EXCHANGED;
		return 0;
	}
	if (renameat(from, name, place->fd, name) < 0)
		return err_set_errno(err, ERR_SYSTEM, errno, "cannot put '%s' in place", name);
	*ret_put = there ? PUT_OVER : PUT_NEW;
	return 0;
}

static void take_back(const struct svid_place *place, int from, const struct svid_files *files, const enum put *puts,
		      size_t count)
{
	size_t stay = 0;
	while (count-- > 0) {
		const char *name = files->list[count].name;
		if (puts[count] == PUT_OVER || (puts[count] == PUT_EXCHANGED ? renameat(from, name, place->fd, name)
									     : unlinkat(place->fd, name, 0)) < 0)
			stay++;
	}
	if (stay > 0)
		log_warning("'%s': %zu of %zu files are new already and cannot be taken back: until the next delivery "
			    "they do not belong together",
			    place->directory, stay, files->count);
}

static int put_files(const struct svid_place *place, int from, const struct svid_files *files, struct err *err)
{
	OWNED_MEM enum put *puts = calloc(files->count + 1, sizeof(*puts));
	if (!puts)
		return err_set(err, ERR_SYSTEM, "out of memory");
	for (size_t i = 0; i < files->count; i++)
		if (put_file(place, from, files->list[i].name, &puts[i], err) < 0) {
			take_back(place, from, files, puts, i);
			return -1;
		}
	return 0;
}

static bool is_plain(const struct svid_place *place, const char *name)
{
	struct stat st;
	return fstatat(place->fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode);
}

static void remove_others(const struct svid_place *place, const struct svid_files *files)
{
	for (size_t i = 0; i < place->plain.count; i++) {
		const char *name = place->plain.list[i].name;
		if (!svid_files_find(files, name) && is_plain(place, name))
			(void)unlinkat(place->fd, name, 0);
	}
}

void svid_plain_clear(struct svid_place *place, const struct svid_files *files)
{
	if (place->plain.count == 0)
		return;
	remove_others(place, files);
	(void)unlinkat(place->fd, SVID_LIST, 0);
	svid_files_done(&place->plain);
}

static int replace(struct svid_place *place, const char *generation, const struct svid_files *files, struct err *err)
{
	OWNED_SVID_FILES struct svid_files names = { .list = NULL };
	int from OWNED_FD = -1;
	if (svid_generation_open(place, generation, &from, err) < 0 || claim(place, from, files, err) < 0 ||
	    put_files(place, from, files, err) < 0)
		return -1;
	remove_others(place, files);
	if (svid_files_add_names(&names, files, err) < 0 || put_list(place, from, &names, err) < 0)
		return -1;
	svid_files_done(&place->plain);
	place->plain = names;
	names = (struct svid_files){ .list = NULL };
	return svid_place_sync(place, place->fd, err);
}

int svid_plain_publish(struct svid_place *place, const struct svid_files *files, struct err *err)
{
	char generation[SVID_NAME_SIZE];
	if (svid_generation_make(place, files, 0700, generation, err) < 0)
		return -1;
	int rc = replace(place, generation, files, err);
	svid_generation_remove(place, generation); /* and in it what was exchanged */
	return rc < 0 ? -1 : svid_links_withdraw(place, err);
}
