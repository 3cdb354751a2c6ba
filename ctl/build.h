/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `sealpodctl build` makes, for the verbs that work with it.
 */
#ifndef SEALPOD_CTL_BUILD_H
#define SEALPOD_CTL_BUILD_H

#include "ctl/deployment.h"
#include "ctl/out.h"

/* Would build change nothing? Writes nothing; ERR_CONFIG where deployment, a file that it names, or an output was
 * changed since. Layouts are not looked at. */
int build_look(const struct deployment *deployment, struct out *out, struct err *err) WARN_UNUSED;

#endif
