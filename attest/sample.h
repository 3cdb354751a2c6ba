/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The `sample` TEE of Confidential Containers: evidence that anybody can make.
 * Compiled only with -Dsample_attester=true.
 */
#ifndef SEALPOD_ATTEST_SAMPLE_H
#define SEALPOD_ATTEST_SAMPLE_H

#include "attest/attester.h"

extern const struct attester sample_attester;

#endif
