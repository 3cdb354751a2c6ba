/* SPDX-License-Identifier: Apache-2.0 */
/*
 * swtpm as a child, a spying transport, and what the host does by a context of its own.
 */
#include "soft_tpm.h"

#include "support.h"

#include <sys/prctl.h>
#include <tss2/tss2_mu.h>
#include <tss2/tss2_tcti_swtpm.h>

#include "base/clock.h"

#define MAGIC 0x5EA1

#define MUST(call)                                                                                                     \
	do {                                                                                                           \
		TSS2_RC rc_ = (call);                                                                                  \
		if (rc_ != TSS2_RC_SUCCESS)                                                                            \
			fail_msg("%s:%d: %s: 0x%08x", __FILE__, __LINE__, #call, rc_);                                 \
	} while (0)

static struct soft_tpm *of(TSS2_TCTI_CONTEXT *context)
{
	return (struct soft_tpm *)context;
}

static TPM2_CC code_of(size_t size, const uint8_t *command)
{
	assert_true(size >= 10);
	return (TPM2_CC)command[6] << 24 | (TPM2_CC)command[7] << 16 | (TPM2_CC)command[8] << 8 | command[9];
}

static TSS2_RC spy_transmit(TSS2_TCTI_CONTEXT *context, size_t size, const uint8_t *command)
{
	struct soft_tpm *tpm = of(context);
	tpm->last = code_of(size, command);
	tpm->commands++;
	if (tpm->hook && !tpm->inside) {
		tpm->inside = true;
		tpm->hook(tpm, tpm->last, tpm->arg);
		tpm->inside = false;
	}
	if (tpm->refuse_with || tpm->canned_for == tpm->last)
		return TSS2_RC_SUCCESS;
	return Tss2_Tcti_Transmit(tpm->inner, size, command);
}

static TSS2_RC spy_receive(TSS2_TCTI_CONTEXT *context, size_t *size, uint8_t *response, int32_t timeout)
{
	struct soft_tpm *tpm = of(context);
	if (tpm->canned_for == tpm->last) {
		*size = tpm->canned.len;
		if (response) {
			memcpy(response, tpm->canned.data, tpm->canned.len);
			tpm->canned_for = 0;
		}
		return TSS2_RC_SUCCESS;
	}
	if (!tpm->refuse_with)
		return Tss2_Tcti_Receive(tpm->inner, size, response, timeout);
	const uint8_t answer[] = { 0x80,
				   0x01,
				   0,
				   0,
				   0,
				   10,
				   (uint8_t)(tpm->refuse_with >> 24),
				   (uint8_t)(tpm->refuse_with >> 16),
				   (uint8_t)(tpm->refuse_with >> 8),
				   (uint8_t)tpm->refuse_with };
	if (response) {
		memcpy(response, answer, sizeof(answer));
		tpm->refuse_with = 0;
	}
	*size = sizeof(answer);
	return TSS2_RC_SUCCESS;
}

static void spy_finalize(TSS2_TCTI_CONTEXT *context)
{
	(void)context;
}

static void run_swtpm(const char *dir)
{
	char state[300];
	char server[300];
	char control[300];
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)snprintf(state, sizeof(state), "dir=%s", dir);
	(void)snprintf(server, sizeof(server), "type=unixio,path=%s/s", dir);
	(void)snprintf(control, sizeof(control), "type=unixio,path=%s/s.ctrl", dir);
	/* It says each time that somebody disconnected. */
	int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
	(void)dup2(nowhere, STDERR_FILENO);
	(void)execlp("swtpm", "swtpm", "socket", "--tpm2", "--tpmstate", state, "--server", server, "--ctrl", control,
		     "--flags", "not-need-init,startup-clear", (char *)NULL);
	_exit(errno == ENOENT ? CHILD_CANNOT : 1);
}

/* Waits until its sockets are there; false if the program does not exist. */
static bool await_swtpm(struct soft_tpm *tpm)
{
	struct deadline deadline = deadline_in(20000);
	char path[300];
	(void)snprintf(path, sizeof(path), "%s/s.ctrl", tpm->dir);
	while (access(path, F_OK) != 0) {
		int status;
		if (waitpid(tpm->pid, &status, WNOHANG) == tpm->pid) {
			tpm->pid = 0;
			if (WIFEXITED(status) && WEXITSTATUS(status) == CHILD_CANNOT)
				return false;
			fail_msg("swtpm ended with status 0x%x", status);
		}
		if (!clock_pause(10, &deadline))
			fail_msg("swtpm makes no socket");
	}
	return true;
}

static void connect_to(struct soft_tpm *tpm)
{
	char conf[300];
	size_t size = 0;
	(void)snprintf(conf, sizeof(conf), "path=%s/s", tpm->dir);
	MUST(Tss2_Tcti_Swtpm_Init(NULL, &size, NULL));
	tpm->inner = calloc(1, size);
	assert_non_null(tpm->inner);
	/* The sockets are there a moment before it listens. */
	struct deadline deadline = deadline_in(20000);
	while (Tss2_Tcti_Swtpm_Init(tpm->inner, &size, conf) != TSS2_RC_SUCCESS)
		if (!clock_pause(10, &deadline))
			fail_msg("swtpm does not listen");
	MUST(Esys_Initialize(&tpm->host, tpm->inner, NULL));
	TSS2_TCTI_CONTEXT_COMMON_V1 *v1 = &tpm->transport.v1;
	*v1 = (TSS2_TCTI_CONTEXT_COMMON_V1){
		.magic = MAGIC, .version = 1, .transmit = spy_transmit, .receive = spy_receive, .finalize = spy_finalize
	};
}

bool soft_tpm_start(struct soft_tpm *tpm)
{
	memset(tpm, 0, sizeof(*tpm));
	(void)setenv("TSS2_LOG", "all+NONE", 1);
	make_directory(tpm->dir);
	(void)fflush(NULL);
	tpm->pid = fork();
	assert_true(tpm->pid >= 0);
	if (tpm->pid == 0)
		run_swtpm(tpm->dir);
	if (!await_swtpm(tpm)) {
		(void)rmdir(tpm->dir);
		return false;
	}
	connect_to(tpm);
	return true;
}

void soft_tpm_stop(struct soft_tpm *tpm)
{
	static const char *const leftovers[] = { "s", "s.ctrl", "tpm2-00.permall", ".lock", "tpm2-00.volatilestate" };
	char path[300];
	if (tpm->pid == 0)
		return;
	Esys_Finalize(&tpm->host);
	Tss2_Tcti_Finalize(tpm->inner);
	free(tpm->inner);
	(void)kill(tpm->pid, SIGKILL);
	(void)waitpid(tpm->pid, NULL, 0);
	for (size_t i = 0; i < ARRAY_LEN(leftovers); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", tpm->dir, leftovers[i]);
		(void)unlink(path);
	}
	assert_int_equal(rmdir(tpm->dir), 0);
	tpm->pid = 0;
}

TSS2_TCTI_CONTEXT *soft_tpm_transport(struct soft_tpm *tpm)
{
	return (TSS2_TCTI_CONTEXT *)&tpm->transport;
}

void soft_tpm_make_ak(struct soft_tpm *tpm, uint32_t handle, struct buf *ret_n)
{
	const TPM2B_SENSITIVE_CREATE sensitive = { .size = 0 };
	const TPM2B_DATA outside = { .size = 0 };
	const TPML_PCR_SELECTION none = { .count = 0 };
	const TPM2B_PUBLIC template = {
		.publicArea = {
			.type = TPM2_ALG_RSA,
			.nameAlg = TPM2_ALG_SHA256,
			.objectAttributes = TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
					    TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_SIGN_ENCRYPT |
					    TPMA_OBJECT_NODA,
			.parameters.rsaDetail = {
				.symmetric.algorithm = TPM2_ALG_NULL,
				.scheme = { .scheme = TPM2_ALG_RSASSA, .details.rsassa.hashAlg = TPM2_ALG_SHA256 },
				.keyBits = 2048,
			},
		},
	};
	ESYS_TR key;
	ESYS_TR kept;
	TPM2B_PUBLIC *public = NULL;
	struct err err = { 0 };
	MUST(Esys_CreatePrimary(tpm->host, ESYS_TR_RH_ENDORSEMENT, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE,
				&sensitive, &template, &outside, &none, &key, &public, NULL, NULL, NULL));
	MUST(Esys_EvictControl(tpm->host, ESYS_TR_RH_OWNER, key, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, handle,
			       &kept));
	MUST(Esys_FlushContext(tpm->host, key));
	MUST(Esys_TR_Close(tpm->host, &kept));
	assert_int_equal(buf_append(ret_n,
				    bytes_of(public->publicArea.unique.rsa.buffer, public->publicArea.unique.rsa.size),
				    &err),
			 0);
	Esys_Free(public);
}

void soft_tpm_extend(struct soft_tpm *tpm, unsigned pcr, uint8_t fill)
{
	TPML_DIGEST_VALUES values = { .count = 1, .digests = { { .hashAlg = TPM2_ALG_SHA256 } } };
	memset(values.digests[0].digest.sha256, fill, 32);
	MUST(Esys_PCR_Extend(tpm->host, ESYS_TR_PCR0 + pcr, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &values));
}

static ESYS_TR define_index(struct soft_tpm *tpm, uint32_t index, size_t size)
{
	const TPM2B_AUTH no_password = { .size = 0 };
	const TPM2B_NV_PUBLIC public = {
		.nvPublic = { .nvIndex = index,
			      .nameAlg = TPM2_ALG_SHA256,
			      .dataSize = (UINT16)size,
			      .attributes = TPMA_NV_OWNERWRITE | TPMA_NV_OWNERREAD },
	};
	ESYS_TR handle;
	MUST(Esys_NV_DefineSpace(tpm->host, ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE,
				 &no_password, &public, &handle));
	return handle;
}

void soft_tpm_define(struct soft_tpm *tpm, uint32_t index, size_t size)
{
	ESYS_TR handle = define_index(tpm, index, size);
	MUST(Esys_TR_Close(tpm->host, &handle));
}

void soft_tpm_put(struct soft_tpm *tpm, uint32_t index, struct bytes data, bool whole)
{
	ESYS_TR handle;
	if (Esys_TR_FromTPMPublic(tpm->host, index, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &handle) !=
	    TSS2_RC_SUCCESS)
		handle = define_index(tpm, index, whole ? 2048 : data.len);
	for (size_t at = 0; at < data.len; at += 1024) {
		TPM2B_MAX_NV_BUFFER piece = { .size = (UINT16)(data.len - at < 1024 ? data.len - at : 1024) };
		memcpy(piece.buffer, data.data + at, piece.size);
		MUST(Esys_NV_Write(tpm->host, ESYS_TR_RH_OWNER, handle, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE,
				   &piece, (UINT16)at));
	}
	MUST(Esys_TR_Close(tpm->host, &handle));
}

void soft_tpm_remove(struct soft_tpm *tpm, uint32_t index)
{
	ESYS_TR handle;
	MUST(Esys_TR_FromTPMPublic(tpm->host, index, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &handle));
	MUST(Esys_NV_UndefineSpace(tpm->host, ESYS_TR_RH_OWNER, handle, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE));
}
