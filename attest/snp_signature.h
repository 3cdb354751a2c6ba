/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is an SNP report signed by the key of this VCEK or VLEK? The certificate itself is not verified:
 * that is the verifier's part. A guest asks in order to tell a stale certificate from a denial.
 */
#ifndef SEALPOD_ATTEST_SNP_SIGNATURE_H
#define SEALPOD_ATTEST_SNP_SIGNATURE_H

#include "base/buf.h"

/* The first certificate of a PEM, as DER. ERR_PROTOCOL if there is none. Replaces the content. */
int snp_cert_of_pem(const char *pem, struct buf *ret_der, struct err *err) WARN_UNUSED;

/* `report` is SNP_REPORT_LEN bytes, `cert` DER. ERR_PROTOCOL if the certificate cannot be read or its key is
 * no P-384 key; ERR_SERVER if the signature is another's: hosts update firmware, and then the certificate. */
int snp_signature_check(struct bytes report, struct bytes cert, struct err *err) WARN_UNUSED;

#endif
