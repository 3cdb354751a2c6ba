/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rotating what running VMs are known by, with an overlap, in which what was and what will be are both
 * good: certificates in the SPIRE server's CA bundle and as node aliases, init-data in the KBS's policies, the
 * administrator's key at the KBS. So no running agent loses its identity.
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

#include <stdbool.h>
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

/* Is the root being switched? Then only its being switched goes on. */
bool rotate_is_switching(const struct out *out);

/* What the class's VMs are measured with now is good beside what build will make. ERR_CONFIG where it is being rotated
 * already, or was never built. */
int rotate_init_data(struct out *out, const struct deployment_class *class, struct err *err) WARN_UNUSED;
/* The deployment may have the class no more. */
int rotate_finish_init_data(struct out *out, const char *class_name, struct err *err) WARN_UNUSED;

/* Another key for the KBS's administrator, beside the one that counts; then in its place. */
int rotate_admin_key(struct out *out, struct err *err) WARN_UNUSED;
int rotate_switch_admin_key(struct out *out, struct err *err) WARN_UNUSED;

#endif
