/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NV indices of a TPM, by owner authorisation with the empty password.
 *
 * Sizes come from the TPM and are capped before anything is read. Must never take a short
 * answer for the whole.
 */
#include "attest/tpm.h"

#include <string.h>

#include "attest/tpm_parts.h"

#define CHUNK_LEAST 64u /* a TPM that names less is not believed, or a read would take for ever */

/* How much of an index one command carries (TPM_PT_NV_BUFFER_MAX). */
static int find_chunk(struct tpm *tpm, struct err *err)
{
	TPMI_YES_NO more;
	TPMS_CAPABILITY_DATA *data OWNED_ESYS = NULL;
	if (tpm->nv_chunk)
		return 0;
	TSS2_RC rc = Esys_GetCapability(tpm->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, TPM2_CAP_TPM_PROPERTIES,
					TPM2_PT_NV_BUFFER_MAX, 1, &more, &data);
	if (rc != TSS2_RC_SUCCESS)
		return tpm_fail(rc, err, "cannot read what the TPM can do");
	size_t chunk = 512; /* each TPM 2.0 of the PC profile takes this much */
	if (data->data.tpmProperties.count == 1 &&
	    data->data.tpmProperties.tpmProperty[0].property == TPM2_PT_NV_BUFFER_MAX)
		chunk = data->data.tpmProperties.tpmProperty[0].value;
	if (chunk > TPM2_MAX_NV_BUFFER_SIZE)
		chunk = TPM2_MAX_NV_BUFFER_SIZE;
	tpm->nv_chunk = chunk < CHUNK_LEAST ? CHUNK_LEAST : chunk;
	return 0;
}

static int read_public(struct tpm *tpm, const struct tpm_handle *handle, size_t *ret_size, struct err *err)
{
	TPM2B_NV_PUBLIC *public OWNED_ESYS = NULL;
	TPM2B_NAME *name OWNED_ESYS = NULL;
	TSS2_RC rc =
		Esys_NV_ReadPublic(tpm->esys, handle->tr, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &public, &name);
	if (rc != TSS2_RC_SUCCESS)
		return tpm_fail(rc, err, "cannot read the size of an NV index");
	*ret_size = public->nvPublic.dataSize;
	return 0;
}

int tpm_nv_find(struct tpm *tpm, uint32_t index, bool *ret_there, size_t *ret_size, struct err *err)
{
	struct tpm_handle handle OWNED_HANDLE = { .tpm = NULL };
	bool there = false;
	size_t size = 0;
	if (tpm_handle_open(tpm, index, &handle, &there, err) < 0 ||
	    (there && read_public(tpm, &handle, &size, err) < 0))
		return -1;
	*ret_there = there;
	*ret_size = size;
	return 0;
}

static int read_chunk(struct tpm *tpm, const struct tpm_handle *handle, size_t len, size_t offset, struct buf *out,
		      struct err *err)
{
	TPM2B_MAX_NV_BUFFER *data OWNED_ESYS = NULL;
	TSS2_RC rc = Esys_NV_Read(tpm->esys, ESYS_TR_RH_OWNER, handle->tr, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE,
				  (UINT16)len, (UINT16)offset, &data);
	if (rc != TSS2_RC_SUCCESS)
		return tpm_fail(rc, err, "cannot read an NV index");
	if (data->size != len)
		return err_set(err, ERR_SYSTEM, "the TPM gave %u bytes of an NV index, not %zu", data->size, len);
	return buf_append(out, bytes_of(data->buffer, data->size), err);
}

static int read_all(struct tpm *tpm, const struct tpm_handle *handle, size_t most, struct buf *out, struct err *err)
{
	size_t size = 0;
	if (find_chunk(tpm, err) < 0 || read_public(tpm, handle, &size, err) < 0)
		return -1;
	if (size > most)
		size = most;
	if (size > TPM_NV_MAX)
		return err_set(err, ERR_SYSTEM, "the NV index is %zu bytes long; at most %u are taken", size,
			       TPM_NV_MAX);
	while (out->len < size) {
		size_t len = size - out->len < tpm->nv_chunk ? size - out->len : tpm->nv_chunk;
		if (read_chunk(tpm, handle, len, out->len, out, err) < 0)
			return -1;
	}
	return 0;
}

int tpm_nv_read(struct tpm *tpm, uint32_t index, size_t most, struct buf *out, struct err *err)
{
	struct tpm_handle handle OWNED_HANDLE = { .tpm = NULL };
	struct buf content OWNED_BUF = BUF_INIT(out->max);
	if (tpm_handle_open(tpm, index, &handle, NULL, err) < 0 || read_all(tpm, &handle, most, &content, err) < 0)
		return err_wrap(err, "NV index 0x%08x", index);
	buf_move(out, &content);
	return 0;
}

int tpm_nv_define(struct tpm *tpm, uint32_t index, size_t size, struct err *err)
{
	struct tpm_handle handle OWNED_HANDLE = { .tpm = NULL };
	const TPM2B_AUTH no_password = { .size = 0 };
	TPM2B_NV_PUBLIC public = {
		.nvPublic = { .nvIndex = index,
			      .nameAlg = TPM2_ALG_SHA256,
			      .attributes = TPMA_NV_OWNERWRITE | TPMA_NV_OWNERREAD },
	};
	if (size == 0 || size > TPM2_MAX_NV_BUFFER_SIZE)
		return err_set(err, ERR_USAGE, "an NV index of %zu bytes; 1 to %d are handled", size,
			       TPM2_MAX_NV_BUFFER_SIZE);
	public.nvPublic.dataSize = (UINT16)size;
	ESYS_TR tr = ESYS_TR_NONE;
	TSS2_RC rc = Esys_NV_DefineSpace(tpm->esys, ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE,
					 &no_password, &public, &tr);
	if (rc != TSS2_RC_SUCCESS) {
		(void)tpm_fail(rc, err, "cannot define it");
		return err_wrap(err, "NV index 0x%08x", index);
	}
	handle = (struct tpm_handle){ .tpm = tpm, .tr = tr };
	return 0;
}

int tpm_nv_undefine(struct tpm *tpm, uint32_t index, struct err *err)
{
	struct tpm_handle handle OWNED_HANDLE = { .tpm = NULL };
	if (tpm_handle_open(tpm, index, &handle, NULL, err) < 0)
		return -1;
	TSS2_RC rc = Esys_NV_UndefineSpace(tpm->esys, ESYS_TR_RH_OWNER, handle.tr, ESYS_TR_PASSWORD, ESYS_TR_NONE,
					   ESYS_TR_NONE);
	if (rc != TSS2_RC_SUCCESS) {
		(void)tpm_fail(rc, err, "cannot remove it");
		return err_wrap(err, "NV index 0x%08x", index);
	}
	handle.tpm = NULL; /* closed by the library with what it named */
	return 0;
}

static int write_chunk(struct tpm *tpm, const struct tpm_handle *handle, struct bytes data, size_t offset,
		       struct err *err)
{
	TPM2B_MAX_NV_BUFFER buffer = { .size = (UINT16)data.len };
	memcpy(buffer.buffer, data.data, data.len);
	TSS2_RC rc = Esys_NV_Write(tpm->esys, ESYS_TR_RH_OWNER, handle->tr, ESYS_TR_PASSWORD, ESYS_TR_NONE,
				   ESYS_TR_NONE, &buffer, (UINT16)offset);
	return rc == TSS2_RC_SUCCESS ? 0 : tpm_fail(rc, err, "cannot write it");
}

int tpm_nv_write(struct tpm *tpm, uint32_t index, struct bytes data, struct err *err)
{
	struct tpm_handle handle OWNED_HANDLE = { .tpm = NULL };
	if (data.len > TPM_NV_MAX)
		return err_set(err, ERR_USAGE, "%zu bytes for an NV index; at most %u are taken", data.len, TPM_NV_MAX);
	if (find_chunk(tpm, err) < 0 || tpm_handle_open(tpm, index, &handle, NULL, err) < 0)
		return -1;
	for (size_t at = 0; at < data.len; at += tpm->nv_chunk) {
		size_t len = data.len - at < tpm->nv_chunk ? data.len - at : tpm->nv_chunk;
		if (write_chunk(tpm, &handle, bytes_of(data.data + at, len), at, err) < 0)
			return err_wrap(err, "NV index 0x%08x", index);
	}
	return 0;
}
