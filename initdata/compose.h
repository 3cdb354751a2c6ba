/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing init-data, at the operator's: the document out of its entries, and the forms in which
 * it travels (initdata/envelope.h reads them). The same entries give the same bytes.
 */
#ifndef SEALPOD_INITDATA_COMPOSE_H
#define SEALPOD_INITDATA_COMPOSE_H

#include "initdata/envelope.h"

struct initdata_part {
	const char *name; /* "aa.toml" */
	struct bytes text;
};

/* Version 0.1.0, sha256, the entries in this order; no newline at the end. What was written is
 * read again and must say the same. ERR_CONFIG for text that TOML cannot hold. `ret_toml` is replaced. */
int initdata_compose(const struct initdata_part *parts, size_t count, struct buf *ret_toml,
		     struct err *err) WARN_UNUSED;

/* The TOML text in another form. The gzip holds neither a name nor a time. An image is padded to whole
 * sectors of 512 bytes. `ret` is replaced. */
int initdata_wrap(enum initdata_form form, struct bytes toml, struct buf *ret, struct err *err) WARN_UNUSED;

#endif
