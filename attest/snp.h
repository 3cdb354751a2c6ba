/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The attester of AMD SEV-SNP: configfs-tsm, or /dev/sev-guest where that is missing.
 */
#ifndef SEALPOD_ATTEST_SNP_H
#define SEALPOD_ATTEST_SNP_H

#include "attest/attester.h"

extern const struct attester snp_attester;

#endif
