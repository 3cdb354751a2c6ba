/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of cdh-client/sealed: what the two sources share.
 */
#ifndef SEALPOD_CDH_CLIENT_SEALED_PARTS_H
#define SEALPOD_CDH_CLIENT_SEALED_PARTS_H

#include "cdh-client/sealed.h"

#define SEALED_SIGNATURE_LEN 64

/* Is `raw` (r and s, 32 bytes each) this key's ES256 signature of `text`? */
bool sealed_key_verifies(const struct sealed_key *key, struct bytes text, const uint8_t raw[SEALED_SIGNATURE_LEN]);

#endif
