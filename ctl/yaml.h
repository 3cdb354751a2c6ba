/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The little YAML that our manifests need. Texts are written as JSON strings, which YAML 1.2 takes
 * as they are.
 */
#ifndef SEALPOD_CTL_YAML_H
#define SEALPOD_CTL_YAML_H

#include "base/buf.h"

/* `head` as it is, the text quoted, a line end. */
int yaml_line(struct buf *out, const char *head, const char *text, struct err *err) WARN_UNUSED;

/* The start of a ConfigMap ("data" in plain text) or Secret ("data" in base64), behind "---". */
enum yaml_kind {
	YAML_CONFIG_MAP,
	YAML_SECRET,
};
int yaml_object(struct buf *out, enum yaml_kind kind, const char *name_space, const char *name, const char *notes,
		struct err *err) WARN_UNUSED;

/* One entry of it. */
int yaml_data(struct buf *out, enum yaml_kind kind, const char *key, struct bytes value, struct err *err) WARN_UNUSED;

#endif
