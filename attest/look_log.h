/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Findings in the log, one line each; fatal ones are left to the error.
 */
#ifndef SEALPOD_ATTEST_LOOK_LOG_H
#define SEALPOD_ATTEST_LOOK_LOG_H

#include "attest/look.h"

void look_log(const struct look *look);

#endif
