/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RSA public keys, as a TPM or the claims of an HCL report give them, and signatures by them (RSASSA with SHA-256).
 */
#ifndef SEALPOD_ATTEST_RSA_PUBLIC_H
#define SEALPOD_ATTEST_RSA_PUBLIC_H

#include "base/buf.h"

#define RSA_SPKI_MAX 1024u

/* SubjectPublicKeyInfo in DER of modulus and exponent, both big-endian; appended. ERR_PROTOCOL if they make no key. */
int rsa_public_spki(struct bytes n, struct bytes e, struct buf *ret_spki, struct err *err) WARN_UNUSED;

enum rsa_verdict { RSA_SIGNED, RSA_NOT_SIGNED, RSA_NO_KEY };

/* Is this the key's signature? RSA_NO_KEY where the bytes are not exactly one RSA key in DER. */
enum rsa_verdict rsa_public_check(struct bytes spki, struct bytes message, struct bytes signature);

#endif
