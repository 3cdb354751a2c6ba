/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens for a KBS session (cdh-client/kbs.h) from the guest's attestation agent, by
 * ttrpc or by api-server-rest. What the agent attests, and to which KBS, is its own
 * configuration's doing: that KBS must be the one that the session asks.
 */
#ifndef SEALPOD_CDH_CLIENT_KBS_TOKEN_H
#define SEALPOD_CDH_CLIENT_KBS_TOKEN_H

#include "cdh-client/aa.h"
#include "cdh-client/kbs.h"
#include "cdh-client/rest.h"

/* `aa` and `rest` must outlive the session. */
struct kbs_token_source kbs_token_from_aa(struct aa *aa);
struct kbs_token_source kbs_token_from_rest(struct rest *rest);

#endif
