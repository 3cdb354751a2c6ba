/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The manifest of a class's pod: sealpod copied into a memory volume by an init container, the stock
 * SPIRE agent started through it, `sealpod svid` delivering files, the workload beside them.
 * The first two as the agent's user, the others as the workload's (ctl/users.h), without capabilities, on read-only
 * roots.
 */
#ifndef SEALPOD_CTL_POD_H
#define SEALPOD_CTL_POD_H

#include "ctl/deployment.h"

/* `annotation`: the init-data, as the pod's annotation carries it. Appends YAML. */
int pod_manifest(const struct deployment *deployment, const struct deployment_class *class, struct bytes annotation,
		 struct buf *out, struct err *err) WARN_UNUSED;

#endif
