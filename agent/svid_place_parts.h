/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of agent/svid_place: generations, links to one, plain files out of one.
 */
#ifndef SEALPOD_AGENT_SVID_PLACE_PARTS_H
#define SEALPOD_AGENT_SVID_PLACE_PARTS_H

#include <dirent.h>

#include "agent/svid_place.h"

#define SVID_DATA "..data"
#define SVID_PREFIX "..svid-"
#define SVID_LIST "..list"

/* Of a generation's directory or of a link on its way, with its end. */
#define SVID_NAME_SIZE 32

/* A new name that begins with SVID_PREFIX. */
void svid_generation_name(char ret_name[SVID_NAME_SIZE]);

/* A new directory with these files and the list of them. Its mode is set when all are there: until then, and with 0700,
 * it is ours alone. */
int svid_generation_make(const struct svid_place *place, const struct svid_files *files, mode_t mode,
			 char ret_name[SVID_NAME_SIZE], struct err *err) WARN_UNUSED;

/* A file in one, with the owner and mode that it is to have. */
int svid_generation_add(const struct svid_place *place, int dirfd, const char *name, mode_t mode,
			const struct svid_content *content, struct err *err) WARN_UNUSED;
int svid_generation_add_list(const struct svid_place *place, int dirfd, const char *name,
			     const struct svid_files *files, struct err *err) WARN_UNUSED;

void svid_generation_remove(const struct svid_place *place, const char *name);

/* The one that SVID_DATA points to, "" if there is none. */
void svid_generation_current(const struct svid_place *place, char ret_name[SVID_NAME_SIZE]);

int svid_generation_open(const struct svid_place *place, const char *name, int *ret_fd, struct err *err) WARN_UNUSED;

/* Only a disk can lose what was written. */
int svid_place_sync(const struct svid_place *place, int fd, struct err *err) WARN_UNUSED;

/* What stands in the directory; NULL if it cannot be listed. */
DIR *svid_place_list(const struct svid_place *place);
void svid_place_list_close(DIR **dir);

/* SVID_REPLACE_DIRECTORY. */
/* Is it the link to the file of this name in the current generation? */
bool svid_links_is_ours(int dir, const char *name);
int svid_links_publish(struct svid_place *place, const struct svid_files *files, struct err *err) WARN_UNUSED;

/* Takes away the links that are not to one of `files`. */
void svid_links_clear(const struct svid_place *place, const struct svid_files *files);

/* Takes away all links, and the generation behind them. */
int svid_links_withdraw(struct svid_place *place, struct err *err) WARN_UNUSED;

/* SVID_REPLACE_FILES. */
int svid_plain_publish(struct svid_place *place, const struct svid_files *files, struct err *err) WARN_UNUSED;

/* Takes away the plain files that are not among `files`. */
void svid_plain_clear(struct svid_place *place, const struct svid_files *files);

#endif
