/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SEV-SNP reports through /dev/sev-guest (include/uapi/linux/sev-guest.h), where
 * configfs-tsm is missing.
 */
#ifndef SEALPOD_ATTEST_SEV_GUEST_H
#define SEALPOD_ATTEST_SEV_GUEST_H

#include "attest/report_data.h"
#include "base/buf.h"

#define SEV_GUEST_DEVICE "/dev/sev-guest"

/* Is the device there? Opens nothing. */
bool sev_guest_present(void);

/* One report over `data`, asked for at this VMPL, with the host's certificate table (empty where the host
 * gives none, or more than the kernel takes; `ret_note` says so then, else it is ""). May block for minutes.
 *
 * Worth another try, 2 s later or more (ERR_DEVICE): the host is busy. Not worth one (ERR_SYSTEM, ERR_NO_TEE):
 * all else; after most failures the kernel has disabled its key for good. */
int sev_guest_report(const struct report_data *data, uint32_t vmpl, struct buf *ret_report, struct buf *ret_certs,
		     const char **ret_note, struct err *err) WARN_UNUSED;

#endif
