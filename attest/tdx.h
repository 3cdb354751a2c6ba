/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The attester of Intel TDX: configfs-tsm, with the firmware's event log beside the quote.
 */
#ifndef SEALPOD_ATTEST_TDX_H
#define SEALPOD_ATTEST_TDX_H

#include "attest/attester.h"

extern const struct attester tdx_attester;

#endif
