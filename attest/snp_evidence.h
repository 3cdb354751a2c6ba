/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Evidence of the TEE `snp`, as the KBS's verifier takes it.
 */
#ifndef SEALPOD_ATTEST_SNP_EVIDENCE_H
#define SEALPOD_ATTEST_SNP_EVIDENCE_H

#include "attest/evidence_note.h"
#include "attest/snp_certs.h"
#include "attest/snp_report.h"
#include "base/json.h"

/* {"attestation_report":{…},"cert_chain":[…] or null}. `certs` is NULL or the host's table: its
 * certificates are sent if there is a VCEK or VLEK among them; otherwise cert_chain is null
 * (the verifier then fetches the VCEK) and the note says so. A report of an unknown version is
 * refused. */
int snp_evidence_build(const struct snp_report *report, const struct snp_certs *certs, struct json **ret_evidence,
		       struct evidence_note *ret_note, struct err *err) WARN_UNUSED;

/* The way back, for looking at evidence: the 1184 bytes of the report. ERR_PROTOCOL naming the
 * member that is absent or out of range. */
int snp_evidence_report(const struct json *evidence, uint8_t ret_raw[static SNP_REPORT_LEN],
			struct err *err) WARN_UNUSED;

/* A certificate of cert_chain: its bytes, appended to `out`. ERR_PROTOCOL if 'data' is no array of bytes. */
int snp_evidence_cert(const struct json *cert, struct buf *out, struct err *err) WARN_UNUSED;

#endif
