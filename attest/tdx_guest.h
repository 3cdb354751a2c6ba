/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the TDX module says of this TD without a quote: no host is asked, and nothing is
 * proven to others.
 */
#ifndef SEALPOD_ATTEST_TDX_GUEST_H
#define SEALPOD_ATTEST_TDX_GUEST_H

#include "base/buf.h"

#define TDX_MEASUREMENTS "/sys/devices/virtual/misc/tdx_guest/measurements"
#define TDX_DEVICE "/dev/tdx_guest"

/* MRCONFIGID, TD_MR_LEN bytes, appended: out of sysfs (Linux 6.16 and later), else out of a TDREPORT of the device.
 * ERR_DEVICE if neither gives it, with both reasons. */
int tdx_guest_mrconfigid(struct buf *ret_register, struct err *err) WARN_UNUSED;

#endif
