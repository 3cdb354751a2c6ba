/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Evidence in brief: the values that a KBS's reference values are about (measurements, init-data, TCB, debug,
 * privilege level), so that somebody who looks at a refusal can compare. All of it is on one screen; the
 * whole is shown by attest/show.h.
 */
#ifndef SEALPOD_ATTEST_BRIEF_H
#define SEALPOD_ATTEST_BRIEF_H

#include "base/sheet.h"

#define BRIEF_EVIDENCE_MAX (8u * 1024u * 1024u)

/* `evidence` is the JSON that went to the KBS, of the TEE of that name. ERR_PROTOCOL where it is not what that TEE
 * sends; a TEE that has nothing to show (sample) is no error. */
int brief_evidence(const char *tee, struct bytes evidence, struct sheet *sheet, struct err *err) WARN_UNUSED;

#endif
