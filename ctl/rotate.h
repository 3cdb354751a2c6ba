/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rotating the certificates of a deployment with an overlap, in which what was and what will be are both
 * good: in the SPIRE server's CA bundle, and as node aliases. So no running agent loses its identity.
 *
 *     issuer   rotate: a new issuer (or leaf) takes the old one's place, whose certificate stays beside it
 *              finish: when no agent attests by the old one any more, it goes
 *     root     rotate: a new root is made, and trusted beside the old one
 *              switch: issuers below the new root take the place of those below the old one
 *              finish: when no agent attests below the old root any more, it goes
 *
 * Between two steps stand `build`, `apply` and, for a root, giving the CA bundle to the SPIRE server. New certificates
 * have the names of old ones, so that agents keep their ids. A step that was cut off is completed by the same step.
 */
#ifndef SEALPOD_CTL_ROTATE_H
#define SEALPOD_CTL_ROTATE_H

#include <time.h>

#include "ctl/deployment.h"
#include "ctl/out.h"

int rotate_issuer(const struct deployment *deployment, struct out *out, const struct deployment_class *class,
		  time_t now, struct err *err) WARN_UNUSED;
int rotate_root(const struct deployment *deployment, struct out *out, time_t now, struct err *err) WARN_UNUSED;
int rotate_switch_root(const struct deployment *deployment, struct out *out, time_t now, struct err *err) WARN_UNUSED;

/* Selectors of agents that still attest by what is to go: of one class, or of the root and all classes for a class of
 * NULL. ERR_CONFIG where no rotation is under way. */
struct rotate_mark {
	const char *what; /* "root", or a class's name */
	char selector[512];
};

struct rotate_marks {
	struct rotate_mark *list; /* one more than there can be */
	size_t count;
};

void rotate_marks_done(struct rotate_marks *marks);
#define OWNED_MARKS CLEANUP(rotate_marks_done)
int rotate_marks(const struct deployment *deployment, const struct out *out, const struct deployment_class *class,
		 struct rotate_marks *ret_marks, struct err *err) WARN_UNUSED;

/* Removes what they are of. */
int rotate_finish(struct out *out, const struct rotate_marks *marks, struct err *err) WARN_UNUSED;

#endif
