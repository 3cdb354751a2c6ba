/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The calls of the SPIFFE Workload API.
 *
 * Whoever listens at the socket answers; the file system's permissions decide who
 * that is. Each call carries the metadata that keeps a browser or a proxy from
 * making it by accident. Must never take a missing identity for a failure of
 * ours: entries take seconds to get to an agent.
 */
#include "spire/workload.h"

#include <string.h>

#include "base/cleanup.h"

/* The standard names no limit; SPIRE signs all SVIDs before the first message. */
#define FIRST_MESSAGE_MS 30000

struct workload {
	struct http_client *http;
};

static const struct http_header metadata[] = { { "workload.spiffe.io", "true" } };

int workload_open(const char *socket, const int *stop_fd, struct workload **ret_workload, struct err *err)
{
	const struct http_options options = {
		.base_url = "http://localhost",
		.unix_socket = socket,
		.user_agent = "sealpod/" SEALPOD_VERSION,
		.http2_prior_knowledge = true,
		.request_timeout_ms = -1,
		.stop_fd = stop_fd,
	};
	OWNED_WORKLOAD struct workload *workload = calloc(1, sizeof(*workload));
	if (!workload)
		return err_set(err, ERR_SYSTEM, "out of memory");
	if (http_client_new(&options, &workload->http, err) < 0)
		return -1;
	*ret_workload = TAKE_PTR(workload);
	return 0;
}

void workload_close(struct workload *workload)
{
	if (!workload)
		return;
	http_client_free(workload->http);
	free(workload);
}

void workload_cleanup(struct workload **workload)
{
	workload_close(*workload);
	*workload = NULL;
}

static struct grpc_call call_of(const char *method, struct bytes message)
{
	return (struct grpc_call){
		.method = method,
		.metadata = metadata,
		.metadata_count = ARRAY_LEN(metadata),
		.message = message,
		.first_ms = FIRST_MESSAGE_MS,
	};
}

struct watch {
	workload_x509_handler *on_x509;
	workload_bundles_handler *on_bundles;
	enum workload_bundle_kind kind;
	void *arg;
	struct secret scratch;
};

static int take_x509(struct secret *message, void *arg, struct err *err)
{
	struct watch *watch = arg;
	OWNED_X509 struct workload_x509 update = { 0 };
	int rc = workload_decode_x509(secret_bytes(message), &watch->scratch, &update, err);
	secret_clear(&watch->scratch);
	if (rc < 0)
		return -1;
	return watch->on_x509(&update, watch->arg, err);
}

static int take_bundles(struct secret *message, void *arg, struct err *err)
{
	const struct watch *watch = arg;
	OWNED_BUNDLES struct workload_bundles update = { 0 };
	if (workload_decode_bundles(watch->kind, secret_bytes(message), &update, err) < 0)
		return -1;
	return watch->on_bundles(&update, watch->arg, err);
}

/* A server may end a stream well; for a watch that is an end all the same. */
static int ended(int rc, bool enough, struct grpc_status *status, struct err *err)
{
	if (rc < 0 || enough)
		return rc;
	*status = (struct grpc_status){ .code = GRPC_UNAVAILABLE, .message = "the agent ended the stream" };
	return err_set(err, ERR_SERVER, "the agent ended the stream");
}

/* The handler's "enough" is what ends a call well before its status. */
struct stopper {
	int (*take)(struct secret *message, void *arg, struct err *err);
	struct watch *watch;
	bool enough;
};

static int take_any(struct secret *message, void *arg, struct err *err)
{
	struct stopper *stopper = arg;
	int rc = stopper->take(message, stopper->watch, err);
	stopper->enough = rc > 0;
	return rc;
}

static int watch_it(struct workload *workload, const char *method, struct stopper *stopper,
		    const struct deadline *deadline, struct grpc_status *status, struct err *err)
{
	struct grpc_call call = call_of(method, bytes_of(NULL, 0));
	call.on_message = take_any;
	call.on_message_arg = stopper;
	int rc = grpc_stream(workload->http, &call, deadline, status, err);
	return ended(rc, stopper->enough, status, err);
}

int workload_watch_x509(struct workload *workload, workload_x509_handler *handler, void *arg,
			const struct deadline *deadline, struct grpc_status *ret_status, struct err *err)
{
	struct watch watch = { .on_x509 = handler, .arg = arg };
	struct stopper stopper = { .take = take_x509, .watch = &watch };
	int rc = watch_it(workload, "/SpiffeWorkloadAPI/FetchX509SVID", &stopper, deadline, ret_status, err);
	secret_done(&watch.scratch);
	return rc;
}

int workload_watch_bundles(struct workload *workload, enum workload_bundle_kind kind, workload_bundles_handler *handler,
			   void *arg, const struct deadline *deadline, struct grpc_status *ret_status, struct err *err)
{
	struct watch watch = { .on_bundles = handler, .kind = kind, .arg = arg };
	struct stopper stopper = { .take = take_bundles, .watch = &watch };
	return watch_it(workload,
			kind == WORKLOAD_JWT_BUNDLES ? "/SpiffeWorkloadAPI/FetchJWTBundles"
						     : "/SpiffeWorkloadAPI/FetchX509Bundles",
			&stopper, deadline, ret_status, err);
}

int workload_fetch_jwts(struct workload *workload, const char *const *audiences, size_t count, const char *id,
			const struct deadline *deadline, struct workload_jwts *ret_jwts, struct grpc_status *ret_status,
			struct err *err)
{
	OWNED_BUF struct buf message = BUF_INIT(SECRET_MAX);
	OWNED_SECRET struct secret reply = SECRET_INIT;
	*ret_status = (struct grpc_status){ .code = GRPC_INVALID_ARGUMENT };
	if (workload_encode_jwt_request(audiences, count, id, &message, err) < 0)
		return -1;
	struct grpc_call call = call_of("/SpiffeWorkloadAPI/FetchJWTSVID", buf_bytes(&message));
	if (grpc_unary(workload->http, &call, deadline, &reply, ret_status, err) < 0)
		return -1;
	return workload_decode_jwts(secret_bytes(&reply), ret_jwts, err);
}

int workload_validate_jwt(struct workload *workload, const char *audience, const struct secret *token,
			  const struct deadline *deadline, struct buf *ret_id, struct grpc_status *ret_status,
			  struct err *err)
{
	OWNED_SECRET struct secret message = SECRET_INIT;
	OWNED_SECRET struct secret reply = SECRET_INIT;
	*ret_status = (struct grpc_status){ .code = GRPC_INVALID_ARGUMENT };
	if (workload_encode_validation(audience, token, &message, err) < 0)
		return -1;
	struct grpc_call call = call_of("/SpiffeWorkloadAPI/ValidateJWTSVID", secret_bytes(&message));
	if (grpc_unary(workload->http, &call, deadline, &reply, ret_status, err) < 0)
		return -1;
	return workload_decode_validation(secret_bytes(&reply), ret_id, err);
}

enum workload_next workload_next(const struct grpc_status *status, const struct err *err)
{
	if (!status->from_server)
		return err->code == ERR_NETWORK && err->sys_errno != 0 ? WORKLOAD_ABSENT : WORKLOAD_RETRY;
	switch (status->code) {
	case GRPC_PERMISSION_DENIED:
		return WORKLOAD_NO_IDENTITY;
	case GRPC_INVALID_ARGUMENT:
	case GRPC_UNIMPLEMENTED:
		return WORKLOAD_STOP;
	case GRPC_OK:
	case GRPC_CANCELLED:
	case GRPC_UNKNOWN:
	case GRPC_DEADLINE_EXCEEDED:
	case GRPC_NOT_FOUND:
	case GRPC_ALREADY_EXISTS:
	case GRPC_RESOURCE_EXHAUSTED:
	case GRPC_FAILED_PRECONDITION:
	case GRPC_ABORTED:
	case GRPC_OUT_OF_RANGE:
	case GRPC_INTERNAL:
	case GRPC_UNAVAILABLE:
	case GRPC_DATA_LOSS:
	case GRPC_UNAUTHENTICATED:
		break;
	}
	return WORKLOAD_RETRY;
}

int64_t workload_pause_ms(struct workload_pace *pace, enum workload_next next)
{
	static const struct backoff paces[] = {
		[WORKLOAD_RETRY] = { .base_ms = 250, .cap_ms = 30000 },
		[WORKLOAD_ABSENT] = { .base_ms = 20, .cap_ms = 500 },
		[WORKLOAD_NO_IDENTITY] = { .base_ms = 50, .cap_ms = 5000 },
		[WORKLOAD_STOP] = { .base_ms = 60000, .cap_ms = 60000 },
	};
	struct backoff backoff = paces[next];
	backoff.tries = pace->tries++;
	/* Full jitter may draw nothing at all; somebody who refuses at once would be run over. */
	return backoff_next(&backoff) + 1 + backoff.base_ms / 10;
}
