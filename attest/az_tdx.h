/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The attester of Azure's TDX VMs: vTPM quote, HCL report, TD quote from the metadata service.
 */
#ifndef SEALPOD_ATTEST_AZ_TDX_H
#define SEALPOD_ATTEST_AZ_TDX_H

#include "attest/attester.h"

extern const struct attester az_tdx_attester;

#endif
