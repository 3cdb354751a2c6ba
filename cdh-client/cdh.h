/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The confidential data hub of the guest, by ttrpc (services
 * api.GetResourceService and api.SealedSecretService). It attests anew for each
 * resource, up to three times where the KBS says no, and answers "Get Resource
 * failed" to everything: denied, missing, KBS away, clock wrong.
 */
#ifndef SEALPOD_CDH_CLIENT_CDH_H
#define SEALPOD_CDH_CLIENT_CDH_H

#include "base/clock.h"
#include "base/secret.h"
#include "cdh-client/uri.h"

#define CDH_SOCKET "/run/confidential-containers/cdh.sock"

struct cdh;

/* Connects at the first call. A `path` of NULL: CDH_SOCKET. */
int cdh_open(const char *path, struct cdh **ret_cdh, struct err *err) WARN_UNUSED;
void cdh_close(struct cdh *cdh);
void cdh_cleanup(struct cdh **cdh);
#define OWNED_CDH CLEANUP(cdh_cleanup)

/* Errors: those of ttrpc_call(), ERR_TIMEOUT (the hub's own), ERR_MISSING (the hub failed; the message
 * says that it hides why and where to look), ERR_PROTOCOL (no such call), ERR_CREDENTIAL (what
 * came is empty; of cdh_unseal() also what is still sealed). What cdh_get() gives may be sealed
 * text, which is no secret yet: ask sealed_is(). ERR_MISSING may heal, but each try costs the host's
 * TEE several reports: try again rarely. */
int cdh_get(struct cdh *cdh, const struct kbs_uri *uri, const struct deadline *deadline, struct secret *ret_secret,
	    struct err *err) WARN_UNUSED;

/* `sealed` is the whole text "sealed.…"; the hub checks its signature with the key that the
 * text itself names, so check it with the configured one first (cdh-client/sealed.h). */
int cdh_unseal(struct cdh *cdh, struct bytes sealed, const struct deadline *deadline, struct secret *ret_secret,
	       struct err *err) WARN_UNUSED;

#endif
