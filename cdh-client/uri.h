/* SPDX-License-Identifier: Apache-2.0 */
/*
 * KBS resource URIs: `kbs:///<repository>/<type>/<tag>`.
 *
 * Each segment is [A-Za-z0-9_-][A-Za-z0-9_.-]*, as the KBS demands. A host
 * ("kbs://host/…") is refused: the reference clients parse it and then ignore
 * it, which would let a reader believe in a KBS that is never asked.
 */
#ifndef SEALPOD_CDH_CLIENT_URI_H
#define SEALPOD_CDH_CLIENT_URI_H

#include "base/buf.h"
#include "base/err.h"

#define KBS_URI_MAX 512

struct kbs_uri {
	char text[KBS_URI_MAX]; /* as written */
	char path[KBS_URI_MAX]; /* "/kbs/v0/resource/<repository>/<type>/<tag>" */
};

/* ERR_CONFIG with what is wrong and what a good one looks like. */
int kbs_uri_parse(struct bytes text, struct kbs_uri *ret_uri, struct err *err) WARN_UNUSED;

#endif
