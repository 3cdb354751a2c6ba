/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where one secret is to be had: "kbs:///<repository>/<type>/<tag>", or "file:///<path>" for what
 * kata has unsealed into a mount already.
 */
#ifndef SEALPOD_CONFIG_SECRET_REF_H
#define SEALPOD_CONFIG_SECRET_REF_H

#include <stdbool.h>

#include "cdh-client/uri.h"

struct secret_ref {
	char text[KBS_URI_MAX]; /* as written; "" if none is given */
	struct kbs_uri uri;	/* its text is "" for a file */
	char file[KBS_URI_MAX]; /* the path; "" for a KBS resource */
};

/* ERR_CONFIG with what is wrong and what a good one looks like. */
int secret_ref_parse(struct bytes text, struct secret_ref *ret_ref, struct err *err) WARN_UNUSED;

bool secret_ref_given(const struct secret_ref *ref);

#endif
