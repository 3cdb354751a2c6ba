/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One line of JSON on standard error for each change of the files, and for each
 * thing that somebody should know of them.
 */
#ifndef SEALPOD_AGENT_SVID_REPORT_H
#define SEALPOD_AGENT_SVID_REPORT_H

#include "agent/svid_state.h"

/* `event` "delivered": the files of the state are there; "withdrawn": the files of something that is gone
 * were taken away; "kept": something is gone, and its files stay; "expired"; "refused": an update was bad,
 * and is not delivered; "failed": the files could not be written. `cause` names the source ("x509",
 * "x509_bundles", "jwt_bundles", "jwt", the first for several); `text` says why, or is NULL. */
void svid_report(const char *event, const char *cause, const struct svid_state *state, unsigned long generation,
		 const char *text);

#endif
