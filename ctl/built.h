/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OUT/built: the names of what `sealpodctl build` made, a line each, so that it can take away what it does not make
 * any more. Keys and certificates are not among them: they are never taken away.
 */
#ifndef SEALPOD_CTL_BUILT_H
#define SEALPOD_CTL_BUILT_H

#include "ctl/out.h"

#define BUILT_FILE "built"

/* Removes what stands in OUT/built and is not in `out->made`, then writes it anew. What begins with one of
 * `others` (ends with NULL) was not this run's to make, and stays. ERR_CONFIG where the file names what build never
 * makes: nothing is removed then. */
int built_sweep(struct out *out, const char *const *others, struct err *err) WARN_UNUSED;

/* Is `name` one that build makes? */
bool built_is_ours(struct bytes name);

#endif
