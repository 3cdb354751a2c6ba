/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a builder of evidence left out, and why: for the log. Empty text: nothing.
 */
#ifndef SEALPOD_ATTEST_EVIDENCE_NOTE_H
#define SEALPOD_ATTEST_EVIDENCE_NOTE_H

struct evidence_note {
	char text[512];
};

#endif
