/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OUT/record.json: what was applied to a KBS, and when. An administrator can read back neither resources nor policies
 * from a KBS, so this is all that plan can compare them with.
 *
 * It holds digests with a salt of its own, never content. A record of another KBS is no record.
 */
#ifndef SEALPOD_CTL_RECORD_H
#define SEALPOD_CTL_RECORD_H

#include <time.h>

#include "base/json.h"
#include "ctl/out.h"

#define RECORD_FILE "record.json"
#define RECORD_MAX (8u << 20)
#define RECORD_ITEMS_MAX 16384
#define RECORD_KIND_MAX 24
#define RECORD_NAME_MAX 512

struct record_digest {
	char hex[65];
};

struct record_item {
	char kind[RECORD_KIND_MAX];
	char name[RECORD_NAME_MAX];
	struct record_digest digest;
	char applied[24]; /* "2026-11-28T13:00:00Z" */
};

struct record {
	char kbs[1024]; /* its URL */
	char salt[65];
	struct record_item *items;
	size_t count;
};

#define RECORD_INIT                                                                                                    \
	{                                                                                                              \
		.items = NULL, .count = 0                                                                              \
	}
#define OWNED_RECORD CLEANUP(record_done)
void record_done(struct record *record);

/* ERR_CONFIG if it is not what record_write() writes. */
int record_parse(struct bytes text, struct record *ret_record, struct err *err) WARN_UNUSED;

/* Empty, with a new salt, where there is none or it is of another KBS; *ret_other is then true in the latter
 * case. */
int record_read(const struct out *out, const char *kbs, struct record *ret_record, bool *ret_other,
		struct err *err) WARN_UNUSED;

/* Replaces the file, 0600, at once. */
int record_write(const struct record *record, struct out *out, struct err *err) WARN_UNUSED;

/* NULL if it was never applied. Valid until the record is changed. */
const struct record_item *record_find(const struct record *record, const char *kind, const char *name);
int record_set(struct record *record, const char *kind, const char *name, const struct record_digest *digest,
	       time_t now, struct err *err) WARN_UNUSED;
void record_remove(struct record *record, const char *kind, const char *name);

/* Over the content, salted, and bound to kind and name. */
int record_digest_of(const struct record *record, const char *kind, const char *name, struct bytes content,
		     struct record_digest *ret_digest, struct err *err) WARN_UNUSED;

#endif
