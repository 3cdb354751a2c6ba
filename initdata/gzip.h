/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing gzip, for init-data alone.
 */
#ifndef SEALPOD_INITDATA_GZIP_H
#define SEALPOD_INITDATA_GZIP_H

#include "base/buf.h"

/* One member without name and time, appended to `out`. */
int gzip(struct bytes data, struct buf *out, struct err *err) WARN_UNUSED;

#endif
