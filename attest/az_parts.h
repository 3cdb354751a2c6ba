/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What attest/az_common.c and attest/az_hcl.c share; nobody else includes this.
 */
#ifndef SEALPOD_ATTEST_AZ_PARTS_H
#define SEALPOD_ATTEST_AZ_PARTS_H

#include "attest/az_common.h"

/* Where another program's report data still wait for their report, gives it a turn: ours are put after it. One turn for
 * each program, whether its report comes or not, and none that takes more than half of the time that is left. */
void az_let_others_first(struct tpm *tpm, struct bytes report_data, const struct az_patience *patience,
			 const struct deadline *deadline);

/* The index is made as long as the report data: the paravisor takes all of it. */
int az_put_report_data(struct tpm *tpm, struct bytes report_data, const struct deadline *deadline,
		       struct err *err) WARN_UNUSED;

/* Waits until an HCL report carries the report data, which were put before; puts them again when it is this
 * program's turn, where another program put its own. Fills hcl, report and claims. */
int az_await_hcl(struct tpm *tpm, struct bytes report_data, const struct az_patience *patience,
		 const struct deadline *deadline, struct az_gathered *gathered, struct err *err) WARN_UNUSED;

#endif
