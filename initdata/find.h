/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where init-data lies inside a guest.
 *
 * Two places, in this order:
 *   /run/confidential-containers/initdata/initdata.toml   kata's agent, out of the block device
 *   /run/peerpod/initdata                                 cloud-api-adaptor, out of the user data
 * The block device itself is not looked for: where kata's agent runs it has read it
 * before anything else starts, and looking needs root and a read of each disk that
 * the host attaches. The files that cloud-api-adaptor makes out of init-data
 * (/run/peerpod/aa.toml, cdh.toml, initdata.digest) are never read: the host may write
 * them through the user data, and entries of other names (sealpod.toml) are not
 * among them.
 */
#ifndef SEALPOD_INITDATA_FIND_H
#define SEALPOD_INITDATA_FIND_H

#include "initdata/document.h"

struct initdata_place {
	const char *path;
	const char *writer; /* who leaves it there, for messages */
};

/* The table above; ends with a row whose path is NULL. */
extern const struct initdata_place initdata_places[];

/* Reads the first place that exists, once, and parses it. Nowhere: 0, with *ret_place
 * NULL and *ret_doc untouched. ERR_CONFIG (with the path) if what exists cannot be
 * read or is no init-data: a later place is then not tried. `root` is "/" but for tests. */
int initdata_find(const char *root, const struct initdata_place **ret_place, struct initdata **ret_doc,
		  struct err *err) WARN_UNUSED;

/* The same from a file of any form, named by the caller. */
int initdata_read_file(const char *path, struct initdata **ret_doc, struct err *err) WARN_UNUSED;

#endif
