/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The name of this VM's instance in a minted credential: the same over renewals, another one in each VM.
 */
#ifndef SEALPOD_AGENT_INSTANCE_H
#define SEALPOD_AGENT_INSTANCE_H

#include "base/buf.h"
#include "base/err.h"

#define INSTANCE_NAME_MAX 72
#define INSTANCE_FILE "instance" /* in runtime_dir */

/* REPORT_ID in hexadecimal for an SNP report (of the TEEs snp and az-snp-vtpm), else a random name that is kept in
 * <runtime_dir>/instance. */
int instance_name(const struct buf *report, const char *tee, const char *runtime_dir,
		  char ret_name[static INSTANCE_NAME_MAX], struct err *err) WARN_UNUSED;

#endif
