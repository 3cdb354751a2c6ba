/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of cdh-client/kbs: the meaning of an answer.
 */
#ifndef SEALPOD_CDH_CLIENT_KBS_ANSWER_H
#define SEALPOD_CDH_CLIENT_KBS_ANSWER_H

#include "base/http.h"

/* What a whole answer means for the caller's next step. */
enum kbs_verdict {
	KBS_VERDICT_OK,
	KBS_VERDICT_FINAL,	  /* the error stands */
	KBS_VERDICT_SESSION_LOST, /* TokenNotFound, TokenVerifierError */
	KBS_VERDICT_REFUSED,	  /* AttestationError */
	KBS_VERDICT_UNREADABLE,	  /* PluginInternalError */
};

/* What was asked, for messages. */
struct kbs_asked {
	const char *url;
	const char *tee;
	const char *what; /* "/auth", "/attest", or a resource's URI */
};

/* Fills err for all but KBS_VERDICT_OK. */
enum kbs_verdict kbs_judge(const struct http_response *response, const struct kbs_asked *asked, struct err *err);

/* A status that another try may heal, as ERR_SERVER; 0 for all others. */
int kbs_check_server(int status, struct err *err) WARN_UNUSED;

#endif
