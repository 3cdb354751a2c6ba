/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A directory whose files change all at once.
 *
 *   svid.pem -> ..data/svid.pem          one link a file, made once
 *   ..data -> ..svid-5f0c…               replaced by one rename(2) a generation
 *   ..svid-5f0c…/svid.pem                the files, never written to again
 *   ..svid-5f0c…/..list                  which of them is of what, and when that expires
 *
 * A reader that opens ..data once and the files in it, or that reads the combined file, never
 * sees two generations; nobody ever sees half a file. The generation before stays for some
 * seconds, for readers that are in it. Where links will not do, the files are replaced one by one
 * (SVID_REPLACE_FILES): each is whole, but not all are of one generation for a moment.
 */
#ifndef SEALPOD_AGENT_SVID_PLACE_H
#define SEALPOD_AGENT_SVID_PLACE_H

#include "agent/svid_files.h"
#include "base/clock.h"
#include "config/svid_settings.h"

struct svid_place {
	int fd;
	const char *directory; /* borrowed */
	enum svid_replace replace;
	bool in_memory;
	struct file_owner owner;
	bool foreign; /* … which was asked for */
	struct svid_files
		linked;	   /* of SVID_REPLACE_DIRECTORY: the names of the last generation, once others are gone */
	char previous[32]; /* a generation to be removed, "" for none */
	struct deadline tidy_at;
	struct svid_files plain; /* of SVID_REPLACE_FILES: which files of the directory itself are ours */
};

#define SVID_PLACE_INIT                                                                                                \
	{                                                                                                              \
		.fd = -1                                                                                               \
	}

/* Opens or makes the directory, and keeps it locked; ERR_SYSTEM if another does. ERR_CONFIG if it is not on a memory
 * file system and that was not allowed. Removes what a run that was cut off left of a generation in the making.
 * *ret_held are the files that an earlier run left there, with their contents; those that cannot be read are not among
 * them. */
int svid_place_open(const struct svid_settings *settings, struct svid_place *ret_place, struct svid_files *ret_held,
		    struct err *err) WARN_UNUSED;
void svid_place_close(struct svid_place *place);
#define OWNED_SVID_PLACE CLEANUP(svid_place_close)

/* Makes `files` what the directory holds, and takes away what else is ours, in the other way of replacing too. After a
 * failure it holds what it held before; with SVID_REPLACE_FILES on a file system that cannot exchange two files perhaps
 * some of the new ones, which is said. No files at all: everything is taken away. */
int svid_place_publish(struct svid_place *place, const struct svid_files *files, struct err *err) WARN_UNUSED;

/* Removes the previous generation if its time has come, or at once. */
void svid_place_tidy(struct svid_place *place, bool at_once);

#endif
