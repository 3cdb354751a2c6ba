/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client of the SPIFFE Workload API: the calls, and what to do when one ends.
 *
 * Each message of a stream is the complete state and replaces the one before; what
 * is absent in it is gone. A client is for one thread; several may talk at once.
 */
#ifndef SEALPOD_SPIRE_WORKLOAD_H
#define SEALPOD_SPIRE_WORKLOAD_H

#include "base/clock.h"
#include "base/grpc.h"
#include "spire/workload_proto.h"

struct workload;

/* `socket` is an absolute path; nothing is sent yet. http_setup() must have been called. `stop_fd` as in
 * struct http_options. */
int workload_open(const char *socket, const int *stop_fd, struct workload **ret_workload, struct err *err) WARN_UNUSED;
void workload_close(struct workload *workload);
void workload_cleanup(struct workload **workload);
#define OWNED_WORKLOAD CLEANUP(workload_cleanup)

/* Stream until it ends (always -1 with the reason) or the handler says enough. The handler's
 * update is its own to move from; what it leaves is freed. 0: go on; positive: enough; -1 with
 * err: the stream is ended. A message that cannot be decoded ends the stream. */
typedef int workload_x509_handler(struct workload_x509 *update, void *arg, struct err *err);
typedef int workload_bundles_handler(struct workload_bundles *update, void *arg, struct err *err);
int workload_watch_x509(struct workload *workload, workload_x509_handler *handler, void *arg,
			const struct deadline *deadline, struct grpc_status *ret_status, struct err *err) WARN_UNUSED;
int workload_watch_bundles(struct workload *workload, enum workload_bundle_kind kind, workload_bundles_handler *handler,
			   void *arg, const struct deadline *deadline, struct grpc_status *ret_status,
			   struct err *err) WARN_UNUSED;

/* One token for each identity (`id` NULL) or for one. *ret_status is how the call ended: well, also where the reply
 * cannot be decoded. */
int workload_fetch_jwts(struct workload *workload, const char *const *audiences, size_t count, const char *id,
			const struct deadline *deadline, struct workload_jwts *ret_jwts, struct grpc_status *ret_status,
			struct err *err) WARN_UNUSED;

/* The SPIFFE ID of a token that the agent finds valid for `audience`; *ret_status as above. */
int workload_validate_jwt(struct workload *workload, const char *audience, const struct secret *token,
			  const struct deadline *deadline, struct buf *ret_id, struct grpc_status *ret_status,
			  struct err *err) WARN_UNUSED;

enum workload_next {
	WORKLOAD_RETRY,	      /* the agent is in trouble */
	WORKLOAD_ABSENT,      /* nobody listens at the socket */
	WORKLOAD_NO_IDENTITY, /* no entry matches: yet, or any more */
	WORKLOAD_STOP,	      /* the agent will never take such a call */
};

/* What the end of a call means. */
enum workload_next workload_next(const struct grpc_status *status, const struct err *err);

/* How long to wait before the next try: grows from try to try, with full jitter; knocking at
 * a socket where nobody listens is cheap, so that pause stays short. */
struct workload_pace {
	unsigned tries;
};
int64_t workload_pause_ms(struct workload_pace *pace, enum workload_next next);

#endif
