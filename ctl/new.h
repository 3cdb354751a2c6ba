/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The examples of a new deployment.toml.
 */
#ifndef SEALPOD_CTL_NEW_H
#define SEALPOD_CTL_NEW_H

#include "ctl/deployment.h"

/* Warns of each value that must be changed and is still as `sealpodctl new` wrote it. */
void new_tell_of_examples(const struct deployment *deployment);

#endif
