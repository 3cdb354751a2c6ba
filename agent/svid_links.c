/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A directory of links into the current generation.
 *
 * Names that somebody else has taken are replaced, directories are not. Must never
 * take the old files away before the new ones are whole.
 */
#include <errno.h>
#include <limits.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/svid_place_parts.h"
#include "base/cleanup.h"

/* How long a reader may take from opening the directory to opening the last file in it. */
#define PREVIOUS_MS 5000

/* A link under its final name, in place of whatever is there. */
static int put_link(const struct svid_place *place, const char *target, const char *name, struct err *err)
{
	char temporary[SVID_NAME_SIZE];
	svid_generation_name(temporary);
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
	(void)snprintf(target, NAME_MAX + 8, SVID_DATA "/%s", name);
}

bool svid_links_is_ours(int dir, const char *name)
{
	char wanted[NAME_MAX + 8];
	char found[NAME_MAX + 8];
	target_of(name, wanted);
	ssize_t len = readlinkat(dir, name, found, sizeof(found) - 1);
	found[len > 0 ? len : 0] = 0;
	return strcmp(wanted, found) == 0;
}

/* Before the switch, so that all files of a first generation appear with it; what another program left under such a
 * name is replaced only after it: *others says whether it is, and then whether there is any. A directory cannot be
 * replaced, which must be known before the switch. */
static int put_links(const struct svid_place *place, const struct svid_files *files, bool *others, struct err *err)
{
	bool later = !*others;
	*others = false;
	for (size_t i = 0; i < files->count; i++) {
		const char *name = files->list[i].name;
		char target[NAME_MAX + 8];
		struct stat st;
		if (svid_links_is_ours(place->fd, name))
			continue;
		if (later && fstatat(place->fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
			if (S_ISDIR(st.st_mode))
				return err_set_errno(err, ERR_SYSTEM, EISDIR, "cannot put '%s' in place", name);
			*others = true;
			continue;
		}
		target_of(name, target);
		if (put_link(place, target, name, err) < 0)
			return -1;
	}
	return 0;
}

void svid_links_clear(const struct svid_place *place, const struct svid_files *files)
{
	CLEANUP(svid_place_list_close) DIR *dir = svid_place_list(place);
	for (struct dirent *entry; dir && (entry = readdir(dir)) != NULL;)
		if (svid_links_is_ours(place->fd, entry->d_name) && !svid_files_find(files, entry->d_name))
			(void)unlinkat(place->fd, entry->d_name, 0);
}

/* What is no link to one of these files any more, and plain files of an earlier run. */
static int clear_others(struct svid_place *place, const struct svid_files *files, struct err *err)
{
	if (svid_files_same_names(&place->linked, files))
		return 0;
	svid_links_clear(place, files);
	svid_plain_clear(place, files);
	svid_files_done(&place->linked);
	return svid_files_add_names(&place->linked, files, err);
}

int svid_links_publish(struct svid_place *place, const struct svid_files *files, struct err *err)
{
	char name[SVID_NAME_SIZE];
	char old[SVID_NAME_SIZE];
	bool others = false;
	svid_generation_current(place, old);
	if (svid_generation_make(place, files, 0755, name, err) < 0)
		return -1;
	if (put_links(place, files, &others, err) < 0 || put_link(place, name, SVID_DATA, err) < 0) {
		svid_generation_remove(place, name);
		return -1;
	}
	svid_place_tidy(place, true);
	(void)snprintf(place->previous, sizeof(place->previous), "%s", old);
	place->tidy_at = deadline_in(PREVIOUS_MS);
	if ((others && put_links(place, files, &others, err) < 0) || clear_others(place, files, err) < 0)
		return -1;
	return svid_place_sync(place, place->fd, err);
}

/* The one link goes first: with it all files are gone. */
int svid_links_withdraw(struct svid_place *place, struct err *err)
{
	const struct svid_files none = { .list = NULL };
	char current[SVID_NAME_SIZE];
	svid_generation_current(place, current);
	if (current[0] && unlinkat(place->fd, SVID_DATA, 0) < 0)
		return err_set_errno(err, ERR_SYSTEM, errno, "cannot remove '%s'", SVID_DATA);
	svid_links_clear(place, &none);
	svid_files_done(&place->linked);
	svid_place_tidy(place, true);
	if (current[0])
		svid_generation_remove(place, current);
	return 0;
}
