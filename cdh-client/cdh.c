/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls to the confidential data hub.
 *
 * The hub is a process of the same guest; its answers are secrets and stay in guarded
 * memory, apart from copies that are wiped. Must never pass sealed text on as a
 * secret, nor make more of an error than the hub said.
 */
#include "cdh-client/cdh.h"

#include <proto/confidential_data_hub.pb-c.h>

#include "cdh-client/pb.h"
#include "cdh-client/sealed.h"
#include "cdh-client/ttrpc.h"

#define PEER "data hub"
#define HIDES                                                                                                          \
	"it attests anew for each resource and hides the cause: a policy's refusal, a missing resource, a KBS out of " \
	"reach and a wrong clock look the same; look into its log and the KBS's"

struct cdh {
	struct ttrpc *ttrpc;
};

int cdh_open(const char *path, struct cdh **ret_cdh, struct err *err)
{
	struct cdh *cdh OWNED_CDH = calloc(1, sizeof(*cdh));
	if (!cdh)
		return err_set(err, ERR_SYSTEM, "out of memory");
	if (ttrpc_open(path ? path : CDH_SOCKET, PEER, &cdh->ttrpc, err) < 0)
		return -1;
	*ret_cdh = TAKE_PTR(cdh);
	return 0;
}

void cdh_close(struct cdh *cdh)
{
	if (!cdh)
		return;
	ttrpc_close(cdh->ttrpc);
	free(cdh);
}

void cdh_cleanup(struct cdh **cdh)
{
	cdh_close(*cdh);
	*cdh = NULL;
}

static int call_hub(struct cdh *cdh, const char *service, const char *method, const ProtobufCMessage *message,
		    const struct deadline *deadline, struct secret *ret_payload, struct err *err)
{
	struct buf request OWNED_BUF = BUF_INIT(SEALED_MAX + 64);
	struct ttrpc_status status;
	if (pb_pack(message, &request, err) < 0)
		return -1;
	const struct ttrpc_call call = { .service = service, .method = method, .request = buf_bytes(&request) };
	if (ttrpc_call(cdh->ttrpc, &call, deadline, &status, ret_payload, err) < 0)
		return -1;
	return ttrpc_check(cdh->ttrpc, &call, &status, ERR_MISSING, HIDES, err);
}

static int say_unreadable(const char *method, struct err *err)
{
	return err_set(err, ERR_PROTOCOL, PEER ": the answer to '%s' is no proper message", method);
}

static int get(struct cdh *cdh, const struct kbs_uri *uri, const struct deadline *deadline, struct secret *ret_secret,
	       struct err *err)
{
	struct secret payload OWNED_SECRET = SECRET_INIT;
	struct pb_memory memory;
	ConfidentialDataHub__ResourceRequest request;
	confidential_data_hub__resource_request__init(&request);
	request.uri = pb_text(uri->text);
	if (call_hub(cdh, "api.GetResourceService", "GetResource", &request.base, deadline, &payload, err) < 0)
		return -1;
	pb_memory_init(&memory, payload.len);
	ConfidentialDataHub__ResourceResponse *response =
		confidential_data_hub__resource_response__unpack(&memory.allocator, payload.len, payload.data);
	int rc = response ? pb_secret(response->resource, ret_secret, err) : say_unreadable("GetResource", err);
	confidential_data_hub__resource_response__free_unpacked(response, &memory.allocator);
	return rc;
}

int cdh_get(struct cdh *cdh, const struct kbs_uri *uri, const struct deadline *deadline, struct secret *ret_secret,
	    struct err *err)
{
	struct secret secret OWNED_SECRET = SECRET_INIT;
	if (get(cdh, uri, deadline, &secret, err) < 0)
		return err_wrap(err, "resource '%s'", uri->text);
	if (secret.len == 0)
		return err_set(err, ERR_CREDENTIAL, "resource '%s': the answer of the data hub is empty", uri->text);
	secret_move(ret_secret, &secret);
	return 0;
}

static int unseal(struct cdh *cdh, struct bytes sealed, const struct deadline *deadline, struct secret *ret_secret,
		  struct err *err)
{
	struct secret payload OWNED_SECRET = SECRET_INIT;
	struct pb_memory memory;
	ConfidentialDataHub__UnsealRequest request;
	confidential_data_hub__unseal_request__init(&request);
	request.sealed = pb_bytes(sealed);
	if (call_hub(cdh, "api.SealedSecretService", "UnsealSecret", &request.base, deadline, &payload, err) < 0)
		return -1;
	pb_memory_init(&memory, payload.len);
	ConfidentialDataHub__UnsealResponse *response =
		confidential_data_hub__unseal_response__unpack(&memory.allocator, payload.len, payload.data);
	int rc = response ? pb_secret(response->secret, ret_secret, err) : say_unreadable("UnsealSecret", err);
	confidential_data_hub__unseal_response__free_unpacked(response, &memory.allocator);
	return rc;
}

int cdh_unseal(struct cdh *cdh, struct bytes sealed, const struct deadline *deadline, struct secret *ret_secret,
	       struct err *err)
{
	struct secret secret OWNED_SECRET = SECRET_INIT;
	if (sealed.len > SEALED_MAX)
		return err_set(err, ERR_CREDENTIAL, "a sealed secret of %zu bytes: at most %u are taken", sealed.len,
			       SEALED_MAX);
	if (unseal(cdh, sealed, deadline, &secret, err) < 0)
		return -1;
	if (sealed_check_plain(secret_bytes(&secret), "the data hub's answer to 'UnsealSecret'", err) < 0)
		return -1;
	secret_move(ret_secret, &secret);
	return 0;
}
