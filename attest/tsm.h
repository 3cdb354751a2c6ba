/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reports through configfs-tsm, /sys/kernel/config/tsm/report (Linux 6.7 and later;
 * Documentation/ABI/testing/configfs-tsm-report).
 *
 * Each request has an instance (a directory) of its own, which is removed on every path; a removal that fails for now
 * is tried again, here and before the next instance of that name. The kernel applies a binary attribute when it is
 * closed and hides a refusal; so what was written is confirmed by the instance's generation before and after the report
 * is read.
 */
#ifndef SEALPOD_ATTEST_TSM_H
#define SEALPOD_ATTEST_TSM_H

#include "attest/report_data.h"
#include "base/buf.h"

#define TSM_PROVIDER_MAX 32
#define TSM_INSTANCE_MAX 64
#define TSM_BLOB_MAX (1024u * 1024u)

/* Does this kernel offer reports here, and whose? 0 with the provider's name ("sev_guest",
 * "tdx_guest", …); -1 with ERR_NO_TEE where there is no configfs-tsm or nobody behind it, with ERR_DEVICE (worth
 * another try) or ERR_SYSTEM where there is one that fails. `instance` names the directory that is made for the
 * question; it must be known to nobody else, for one of that name is taken for our own and removed. */
int tsm_probe(const char *instance, char ret_provider[static TSM_PROVIDER_MAX], struct err *err) WARN_UNUSED;

/* One report over `data`, from the least privilege level that the kernel allows. `ret_outblob` is the
 * report or quote, `ret_auxblob` what the provider has beside it (the certificate table; empty where there is none):
 * set their maxima before. May block for minutes: the host answers when it likes.
 *
 * Worth another try (ERR_DEVICE): the host was busy, did not answer or gave nothing, or somebody changed the
 * instance. Not worth one (ERR_SYSTEM, ERR_NO_TEE): all else. */
int tsm_report(const char *instance, const char *provider, const struct report_data *data, struct buf *ret_outblob,
	       struct buf *ret_auxblob, struct err *err) WARN_UNUSED;

/* Removes an instance that its maker left behind because it was killed; false, and it says so, if that fails. Absent is
 * fine. May take seconds: what is in use now is tried again. */
bool tsm_remove(const char *instance);

#endif
