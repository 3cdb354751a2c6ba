/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A directory whose files change all at once.
 *
 *   svid.pem -> ..data/svid.pem          one link a file, made once
 *   ..data -> ..svid-5f0c…               replaced by one rename(2) a generation
 *   ..svid-5f0c…/svid.pem                the files, never written to again
 *
 * A reader that opens ..data once and the files in it, or that reads the combined file, never
 * sees two generations; nobody ever sees half a file. The generation before stays for some
 * seconds, for readers that are in it. Where links will not do, the files are replaced one by one
 * (SVID_REPLACE_FILES): each is whole, but not all are of one generation for a moment.
 */
#ifndef SEALPOD_AGENT_SVID_PLACE_H
#define SEALPOD_AGENT_SVID_PLACE_H

#include "config/svid_settings.h"
#include "base/clock.h"

struct svid_file {
	char *name;
	mode_t mode;
	struct buf text;      /* public content; or … */
	struct secret secret; /* … this, if it holds anything */
};

struct svid_files {
	struct svid_file *list;
	size_t count;
	size_t room;
};

void svid_files_done(struct svid_files *files);
#define OWNED_SVID_FILES CLEANUP(svid_files_done)

/* Adds an empty file. ERR_CONFIG if there is one of that name. */
int svid_files_add(struct svid_files *files, const char *name, mode_t mode, struct svid_file **ret_file,
		   struct err *err) WARN_UNUSED;

struct svid_place {
	int fd;
	const char *directory; /* borrowed */
	enum svid_replace replace;
	bool in_memory;
	struct file_owner owner;
	char previous[32]; /* a generation to be removed, "" for none */
	struct deadline tidy_at;
	char **names; /* what the last generation consisted of, for SVID_REPLACE_FILES */
	size_t name_count;
};

#define SVID_PLACE_INIT                                                                                                \
	{                                                                                                              \
		.fd = -1                                                                                               \
	}

/* Opens or makes the directory. ERR_CONFIG if it is not on a memory file system and that was not
 * allowed. Removes what a run that was cut off left of a generation in the making. */
int svid_place_open(const struct svid_settings *settings, struct svid_place *ret_place, struct err *err) WARN_UNUSED;
void svid_place_close(struct svid_place *place);
#define OWNED_SVID_PLACE CLEANUP(svid_place_close)

/* Makes `files` what the directory holds. After a failure it holds what it held before (with
 * SVID_REPLACE_FILES perhaps some of the new ones). No files at all: everything is taken away. */
int svid_place_publish(struct svid_place *place, const struct svid_files *files, struct err *err) WARN_UNUSED;

/* Removes the previous generation if its time has come, or at once. */
void svid_place_tidy(struct svid_place *place, bool at_once);

#endif
