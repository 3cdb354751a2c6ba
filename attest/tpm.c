/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening a TPM, and what its response codes mean.
 *
 * The TPM is part of the TEE where a paravisor emulates it, and the host's elsewhere: its
 * answers are parsed by tpm2-tss and judged by the callers. Must never load a transport by name, and never let the
 * library log: it prints what it sends.
 */
#include "attest/tpm.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>

#include <tss2/tss2_rc.h>
#include <tss2/tss2_tcti_device.h>

#include "attest/tpm_parts.h"

#define LOCK_PAUSE_MS 20
#define CODE_OF_FORMAT_1 0x3F /* TPM_RC, bit 7 set: the error; the rest says which handle or parameter */

bool tpm_is_absent(TSS2_RC rc)
{
	if ((rc & TSS2_RC_LAYER_MASK) != TSS2_TPM_RC_LAYER || !(rc & TPM2_RC_FMT1))
		return rc == TPM2_RC_REFERENCE_H0;
	return (rc & CODE_OF_FORMAT_1) == (TPM2_RC_HANDLE & CODE_OF_FORMAT_1);
}

/* Warnings are states that pass; so is a transport that broke off. */
static bool may_pass(TSS2_RC rc)
{
	switch (rc & TSS2_RC_LAYER_MASK) {
	case TSS2_TPM_RC_LAYER:
	case TSS2_RESMGR_TPM_RC_LAYER:
		return !(rc & TPM2_RC_FMT1) && (rc & TPM2_RC_WARN) == TPM2_RC_WARN;
	case TSS2_TCTI_RC_LAYER:
	case TSS2_RESMGR_RC_LAYER:
		return true;
	default:
		return false;
	}
}

int tpm_fail(TSS2_RC rc, struct err *err, const char *what)
{
	return err_set(err, may_pass(rc) ? ERR_DEVICE : ERR_SYSTEM, "%s: the TPM says '%s' (0x%08x)", what,
		       Tss2_RC_Decode(rc), rc);
}

bool tpm_present(void)
{
	return access(TPM_DEVICE, F_OK) == 0;
}

static void free_tcti(TSS2_TCTI_CONTEXT **tcti)
{
	free(*tcti);
	*tcti = NULL;
}

static int open_tcti(TSS2_TCTI_CONTEXT **ret_tcti, struct err *err)
{
	size_t size = 0;
	TSS2_RC rc = Tss2_Tcti_Device_Init(NULL, &size, NULL);
	if (rc != TSS2_RC_SUCCESS)
		return tpm_fail(rc, err, "cannot size the transport to '" TPM_DEVICE "'");
	TSS2_TCTI_CONTEXT *tcti CLEANUP(free_tcti) = calloc(1, size);
	if (!tcti)
		return err_set_errno(err, ERR_SYSTEM, errno, "cannot keep a transport to the TPM");
	errno = 0;
	rc = Tss2_Tcti_Device_Init(tcti, &size, TPM_DEVICE);
	if (rc != TSS2_RC_SUCCESS) {
		int why = errno;
		if (why == ENOENT || why == ENXIO || why == ENODEV)
			return err_set_errno(err, ERR_NO_TEE, why, "cannot open '" TPM_DEVICE "'");
		if (why == EACCES || why == EPERM)
			return err_set_errno(err, ERR_SYSTEM, why, "cannot open '" TPM_DEVICE "'");
		return tpm_fail(rc, err, "cannot open '" TPM_DEVICE "'");
	}
	*ret_tcti = TAKE_PTR(tcti);
	return 0;
}

int tpm_open(TSS2_TCTI_CONTEXT *tcti, struct tpm **ret_tpm, struct err *err)
{
	(void)setenv("TSS2_LOG", "all+NONE", 1);
	struct tpm *tpm OWNED_TPM = calloc(1, sizeof(*tpm));
	if (!tpm)
		return err_set_errno(err, ERR_SYSTEM, errno, "cannot keep a TPM");
	TSS2_RC rc = Esys_Initialize(&tpm->esys, tcti, NULL);
	if (rc != TSS2_RC_SUCCESS)
		return tpm_fail(rc, err, "cannot set up the TPM's interface");
	*ret_tpm = TAKE_PTR(tpm);
	return 0;
}

int tpm_open_device(struct tpm **ret_tpm, struct err *err)
{
	TSS2_TCTI_CONTEXT *tcti CLEANUP(free_tcti) = NULL;
	(void)setenv("TSS2_LOG", "all+NONE", 1);
	if (open_tcti(&tcti, err) < 0)
		return -1;
	if (tpm_open(tcti, ret_tpm, err) < 0) {
		Tss2_Tcti_Finalize(tcti);
		return -1;
	}
	(*ret_tpm)->device = TAKE_PTR(tcti);
	return 0;
}

int tpm_lock_device(const struct deadline *deadline, int *ret_fd, struct err *err)
{
	int fd OWNED_FD = open(TPM_DEVICE, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return err_set_errno(err,
				     errno == ENOENT || errno == ENXIO || errno == ENODEV ? ERR_NO_TEE : ERR_SYSTEM,
				     errno, "cannot open '" TPM_DEVICE "'");
	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return err_set_errno(err, ERR_SYSTEM, errno, "cannot lock '" TPM_DEVICE "'");
		if (!clock_pause(LOCK_PAUSE_MS, deadline))
			return err_set(err, ERR_DEVICE,
				       "another program holds '" TPM_DEVICE
				       "' locked, as sealpod does while it attests or measures init-data");
	}
	*ret_fd = TAKE_FD(fd);
	return 0;
}

void tpm_free(struct tpm *tpm)
{
	if (!tpm)
		return;
	Esys_Finalize(&tpm->esys); /* and all that was looked up */
	if (tpm->device)
		Tss2_Tcti_Finalize(tpm->device);
	free(tpm->device);
	free(tpm);
}

void tpm_cleanup(struct tpm **tpm)
{
	tpm_free(*tpm);
	*tpm = NULL;
}

void tpm_handle_done(struct tpm_handle *handle)
{
	if (handle->tpm)
		(void)Esys_TR_Close(handle->tpm->esys, &handle->tr);
	handle->tpm = NULL;
}

int tpm_handle_open(struct tpm *tpm, uint32_t number, struct tpm_handle *ret_handle, bool *ret_there, struct err *err)
{
	char what[64];
	ESYS_TR tr = ESYS_TR_NONE;
	TSS2_RC rc = Esys_TR_FromTPMPublic(tpm->esys, number, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &tr);
	if (ret_there && tpm_is_absent(rc)) {
		*ret_there = false;
		return 0;
	}
	if (rc != TSS2_RC_SUCCESS) {
		(void)snprintf(what, sizeof(what), "cannot find 0x%08x in the TPM", number);
		return tpm_fail(rc, err, what);
	}
	if (ret_there)
		*ret_there = true;
	*ret_handle = (struct tpm_handle){ .tpm = tpm, .tr = tr };
	return 0;
}
