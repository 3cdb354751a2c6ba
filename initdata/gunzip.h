/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gzip (RFC 1952) over zlib, which nothing else here may call.
 */
#ifndef SEALPOD_INITDATA_GUNZIP_H
#define SEALPOD_INITDATA_GUNZIP_H

#include "base/buf.h"

/* Does it begin as gzip does? */
bool gunzip_is(struct bytes data);

/* Exactly one member, its checksum and length right, nothing behind it. Appends to `out`, never past
 * its maximum: a bomb ends there. ERR_CONFIG otherwise. */
int gunzip(struct bytes data, struct buf *out, struct err *err) WARN_UNUSED;

#endif
