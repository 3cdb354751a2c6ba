/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls to the attestation agent.
 *
 * The agent is a process of the same guest; what it hands out is a private key in
 * PEM, in JSON, in protobuf. Each layer is opened from guarded memory; OpenSSL, cJSON and
 * protobuf-c copy what they read into memory that is wiped. Must never print a
 * token document, nor keep one longer than it takes to read it.
 */
#include "cdh-client/aa.h"

#include <proto/attestation_agent.pb-c.h>
#include <string.h>

#include "cdh-client/pb.h"
#include "cdh-client/ttrpc.h"

#define SERVICE "attestation_agent.AttestationAgentService"
#define PEER "attestation agent"
#define HIDES "it hides why: look into its log, and for a token into the KBS's"

struct aa {
	struct ttrpc *ttrpc;
};

int aa_open(const char *path, struct aa **ret_aa, struct err *err)
{
	struct aa *aa OWNED_AA = calloc(1, sizeof(*aa));
	if (!aa)
		return err_set(err, ERR_SYSTEM, "out of memory");
	if (ttrpc_open(path ? path : AA_SOCKET, PEER, &aa->ttrpc, err) < 0)
		return -1;
	*ret_aa = TAKE_PTR(aa);
	return 0;
}

void aa_close(struct aa *aa)
{
	if (!aa)
		return;
	ttrpc_close(aa->ttrpc);
	free(aa);
}

void aa_cleanup(struct aa **aa)
{
	aa_close(*aa);
	*aa = NULL;
}

/* One call; `message` NULL for an empty request. */
static int call_agent(struct aa *aa, const char *method, const ProtobufCMessage *message,
		      const struct deadline *deadline, struct secret *ret_payload, struct err *err)
{
	struct buf request OWNED_BUF = BUF_INIT(4096);
	struct ttrpc_status status;
	if (message && pb_pack(message, &request, err) < 0)
		return -1;
	const struct ttrpc_call call = { .service = SERVICE, .method = method, .request = buf_bytes(&request) };
	if (ttrpc_call(aa->ttrpc, &call, deadline, &status, ret_payload, err) < 0)
		return -1;
	return ttrpc_check(aa->ttrpc, &call, &status, ERR_SERVER, HIDES, err);
}

static int say_unreadable(const char *method, struct err *err)
{
	return err_set(err, ERR_PROTOCOL, PEER ": the answer to '%s' is empty or no proper message", method);
}

int aa_get_tee_type(struct aa *aa, const struct deadline *deadline, char ret_tee[static 32], struct err *err)
{
	struct secret payload OWNED_SECRET = SECRET_INIT;
	struct pb_memory memory;
	if (call_agent(aa, "GetTeeType", NULL, deadline, &payload, err) < 0)
		return -1;
	pb_memory_init(&memory, payload.len);
	AttestationAgent__TeeTypeResponse *response =
		attestation_agent__tee_type_response__unpack(&memory.allocator, payload.len, payload.data);
	size_t len = response ? strlen(response->tee) : 0;
	bool good = len > 0 && len < 32;
	if (good)
		memcpy(ret_tee, response->tee, len + 1);
	attestation_agent__tee_type_response__free_unpacked(response, &memory.allocator);
	return good ? 0 : say_unreadable("GetTeeType", err);
}

int aa_get_evidence(struct aa *aa, struct bytes runtime_data, const struct deadline *deadline, struct buf *ret_json,
		    struct err *err)
{
	struct secret payload OWNED_SECRET = SECRET_INIT;
	struct pb_memory memory;
	AttestationAgent__EvidenceRequest request;
	attestation_agent__evidence_request__init(&request);
	if (runtime_data.len == 0 || runtime_data.len > AA_RUNTIME_DATA_MAX)
		return err_set(err, ERR_PROTOCOL, "runtime data of %zu bytes: 1 to %d fit into a report",
			       runtime_data.len, AA_RUNTIME_DATA_MAX);
	request.runtime_data = pb_bytes(runtime_data);
	if (call_agent(aa, "GetEvidence", &request.base, deadline, &payload, err) < 0)
		return -1;
	pb_memory_init(&memory, payload.len);
	AttestationAgent__EvidenceResponse *response =
		attestation_agent__evidence_response__unpack(&memory.allocator, payload.len, payload.data);
	struct buf json OWNED_BUF = BUF_INIT(AA_EVIDENCE_MAX);
	int rc = !response || response->evidence.len == 0
			 ? say_unreadable("GetEvidence", err)
			 : buf_append(&json, bytes_of(response->evidence.data, response->evidence.len), err);
	attestation_agent__evidence_response__free_unpacked(response, &memory.allocator);
	if (rc == 0)
		buf_move(ret_json, &json);
	return rc;
}

static int get_token_json(struct aa *aa, const struct deadline *deadline, struct secret *ret_json, struct err *err)
{
	struct secret payload OWNED_SECRET = SECRET_INIT;
	struct pb_memory memory;
	AttestationAgent__TokenRequest request;
	attestation_agent__token_request__init(&request);
	request.token_type = pb_text("kbs");
	if (call_agent(aa, "GetToken", &request.base, deadline, &payload, err) < 0)
		return -1;
	pb_memory_init(&memory, payload.len);
	AttestationAgent__TokenResponse *response =
		attestation_agent__token_response__unpack(&memory.allocator, payload.len, payload.data);
	int rc = response ? pb_secret(response->token, ret_json, err) : say_unreadable("GetToken", err);
	attestation_agent__token_response__free_unpacked(response, &memory.allocator);
	return rc;
}

int aa_get_token(struct aa *aa, const struct deadline *deadline, struct aa_token *ret_token, struct err *err)
{
	struct secret json OWNED_SECRET = SECRET_INIT;
	if (get_token_json(aa, deadline, &json, err) < 0)
		return -1;
	if (aa_token_parse(&json, ret_token, err) < 0)
		return err_wrap(err, PEER ": answer to 'GetToken'");
	return 0;
}
