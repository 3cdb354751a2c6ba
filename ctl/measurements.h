/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The PCR values of a peer-pod image, as published beside it:
 *
 *     {"measurements":{"sha256":{"pcr03":"0x…","pcr09":"…",…}}}
 *
 * with or without "0x", one text or a list of texts for each register. Computing them from an
 * image is another tool's work.
 */
#ifndef SEALPOD_CTL_MEASUREMENTS_H
#define SEALPOD_CTL_MEASUREMENTS_H

#include "base/json.h"

#define MEASUREMENTS_MAX 65536
#define MEASUREMENTS_PCRS 24

/* *ret_pcrs becomes an object: "pcr03" to a list of lower-case hexadecimal texts of 32 bytes. Other
 * banks and members are passed over. ERR_CONFIG with what is wrong. */
int measurements_parse(struct bytes text, struct json **ret_pcrs, struct err *err) WARN_UNUSED;

#endif
