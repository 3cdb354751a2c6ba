/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When the certificates that somebody is going to trust end, told to who gives them out.
 */
#ifndef SEALPOD_SPIRE_AUTHORITIES_H
#define SEALPOD_SPIRE_AUTHORITIES_H

#include <stdbool.h>
#include <time.h>

#include "base/buf.h"

#define SPIRE_AUTHORITIES_SOON_DAYS 30
#define SPIRE_AUTHORITIES_TEXT 384

struct spire_authorities {
	size_t count;
	size_t ended;
};

/* Counts the CA certificates of a PEM text, or all its certificates, and tells of each that has ended at `now` or will
 * soon ("'CN=root' ends at 2026-12-01T00:00:00Z, 3 days ahead"). The text has been checked by whoever reads it: behind
 * what cannot be read here nothing is counted. `tell` may be NULL. */
struct spire_authorities spire_authorities_look(struct bytes pem, bool all, time_t now,
						void (*tell)(void *arg, const char *text), void *arg);

#endif
