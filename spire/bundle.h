/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The trust bundle that the agent starts with, as PEM.
 *
 * As SPIRE reads it: CERTIFICATE blocks only, text outside of them skipped. At
 * least one must be a CA certificate valid at `now`. Certificates beside that
 * one may have expired or lie in the future, for a bundle carries retired and
 * prepared roots while they rotate; they are counted.
 *
 * ERR_CREDENTIAL: no CA certificate in it, another kind of block, not parseable,
 * none that has not expired. ERR_CLOCK: none is valid yet.
 */
#ifndef SEALPOD_SPIRE_BUNDLE_H
#define SEALPOD_SPIRE_BUNDLE_H

#include <time.h>

#include "base/buf.h"

#define SPIRE_BUNDLE_MAX (256u * 1024u)

struct spire_bundle {
	struct buf pem; /* canonical: the blocks alone, 64 letters a line */
	size_t count;	/* certificates in it */
	size_t usable;	/* CA certificates valid at `now` */
};

#define SPIRE_BUNDLE_INIT                                                                                              \
	{                                                                                                              \
		.pem = BUF_INIT(2 * SPIRE_BUNDLE_MAX)                                                                  \
	}
#define OWNED_SPIRE_BUNDLE CLEANUP(spire_bundle_done)

void spire_bundle_done(struct spire_bundle *bundle);

int spire_bundle_check(struct bytes pem, time_t now, struct spire_bundle *ret_bundle, struct err *err) WARN_UNUSED;

#endif
