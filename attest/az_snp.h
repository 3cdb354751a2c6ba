/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The attester of Azure's SEV-SNP VMs: vTPM quote, HCL report, VCEK from the metadata service.
 */
#ifndef SEALPOD_ATTEST_AZ_SNP_H
#define SEALPOD_ATTEST_AZ_SNP_H

#include "attest/attester.h"

extern const struct attester az_snp_attester;

#endif
