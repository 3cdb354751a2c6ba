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

/* Does the TPM say that the index ends before what was asked for? */
static bool is_too_short(TSS2_RC rc)
{
	return rc == TPM2_RC_NV_RANGE;
}

static void forget(struct tpm *tpm, struct tpm_index *index)
{
	(void)Esys_TR_Close(tpm->esys, &index->tr);
	index->number = 0;
}

static struct tpm_index *known(struct tpm *tpm, uint32_t number)
{
	for (size_t i = 0; i < TPM_INDICES; i++)
		if (tpm->indices[i].number == number)
			return &tpm->indices[i];
	return NULL;
}

static struct tpm_index *keep(struct tpm *tpm, uint32_t number, ESYS_TR tr, size_t size)
{
	struct tpm_index *place = known(tpm, 0);
	if (!place) {
		place = &tpm->indices[0];
		forget(tpm, place);
	}
	*place = (struct tpm_index){ .number = number, .tr = tr, .size = size };
	return place;
}

/* *ret_index is NULL if there is none, which is an error only for those who need one. */
static int look_up(struct tpm *tpm, uint32_t number, struct tpm_index **ret_index, struct err *err)
{
	struct tpm_handle handle = { .tpm = NULL };
	bool there = true;
	*ret_index = known(tpm, number);
	if (*ret_index)
		return 0;
	if (tpm_handle_open(tpm, number, &handle, &there, err) < 0)
		return -1;
	if (there)
		*ret_index = keep(tpm, number, handle.tr, 0);
	return 0;
}

static int need(struct tpm *tpm, uint32_t number, struct tpm_index **ret_index, struct err *err)
{
	if (look_up(tpm, number, ret_index, err) < 0)
		return -1;
	return *ret_index ? 0 : err_set(err, ERR_SYSTEM, "the TPM has no NV index 0x%08x", number);
}

static int find_size(struct tpm *tpm, struct tpm_index *index, struct err *err)
{
	TPM2B_NV_PUBLIC *public OWNED_ESYS = NULL;
	TPM2B_NAME *name OWNED_ESYS = NULL;
	if (index->size > 0)
		return 0;
	TSS2_RC rc = Esys_NV_ReadPublic(tpm->esys, index->tr, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &public, &name);
	if (rc != TSS2_RC_SUCCESS)
		return tpm_fail(rc, err, "cannot read the size of an NV index");
	index->size = public->nvPublic.dataSize;
	index->written = public->nvPublic.attributes & TPMA_NV_WRITTEN;
	return 0;
}

int tpm_nv_find(struct tpm *tpm, uint32_t number, bool *ret_there, size_t *ret_size, struct err *err)
{
	struct tpm_index *index = known(tpm, number);
	if (index)
		forget(tpm, index);
	if (look_up(tpm, number, &index, err) < 0 || (index && find_size(tpm, index, err) < 0))
		return -1;
	*ret_there = index != NULL;
	*ret_size = index ? index->size : 0;
	return 0;
}

bool tpm_nv_was_written(struct tpm *tpm, uint32_t number)
{
	const struct tpm_index *index = known(tpm, number);
	return index && index->written;
}

static int read_chunk(struct tpm *tpm, const struct tpm_index *index, size_t len, size_t offset, struct buf *out,
		      struct err *err)
{
	TPM2B_MAX_NV_BUFFER *data OWNED_ESYS = NULL;
	TSS2_RC rc = Esys_NV_Read(tpm->esys, ESYS_TR_RH_OWNER, index->tr, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE,
				  (UINT16)len, (UINT16)offset, &data);
	if (is_too_short(rc))
		return err_set(err, ERR_PROTOCOL, "it is shorter than %zu bytes", offset + len);
	if (rc != TSS2_RC_SUCCESS)
		return tpm_fail(rc, err, "cannot read an NV index");
	if (data->size != len)
		return err_set(err, ERR_SYSTEM, "the TPM gave %u bytes of an NV index, not %zu", data->size, len);
	return buf_append(out, bytes_of(data->buffer, data->size), err);
}

static int read_exactly(struct tpm *tpm, const struct tpm_index *index, size_t size, struct buf *out, struct err *err)
{
	if (find_chunk(tpm, err) < 0)
		return -1;
	while (out->len < size) {
		size_t len = size - out->len < tpm->nv_chunk ? size - out->len : tpm->nv_chunk;
		if (read_chunk(tpm, index, len, out->len, out, err) < 0)
			return -1;
	}
	return 0;
}

static int read_all(struct tpm *tpm, struct tpm_index *index, struct buf *out, struct err *err)
{
	if (find_size(tpm, index, err) < 0)
		return -1;
	if (index->size > TPM_NV_MAX)
		return err_set(err, ERR_SYSTEM, "the NV index is %zu bytes long; at most %u are taken", index->size,
			       TPM_NV_MAX);
	return read_exactly(tpm, index, index->size, out, err);
}

int tpm_nv_read(struct tpm *tpm, uint32_t number, struct buf *out, struct err *err)
{
	struct tpm_index *index = NULL;
	struct buf content OWNED_BUF = BUF_INIT(out->max);
	if (need(tpm, number, &index, err) < 0)
		return -1;
	if (read_all(tpm, index, &content, err) < 0) {
		forget(tpm, index); /* perhaps it is another one by now */
		return err_wrap(err, "NV index 0x%08x", number);
	}
	buf_move(out, &content);
	return 0;
}

int tpm_nv_read_head(struct tpm *tpm, uint32_t number, size_t len, bool *ret_there, struct buf *out, struct err *err)
{
	struct tpm_index *index = NULL;
	struct buf content OWNED_BUF = BUF_INIT(out->max);
	if (look_up(tpm, number, &index, err) < 0)
		return -1;
	if (index && read_exactly(tpm, index, len, &content, err) < 0)
		return err_wrap(err, "NV index 0x%08x", number);
	*ret_there = index != NULL;
	buf_move(out, &content);
	return 0;
}

int tpm_nv_define(struct tpm *tpm, uint32_t index, size_t size, struct err *err)
{
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
	(void)keep(tpm, index, tr, size);
	return 0;
}

int tpm_nv_undefine(struct tpm *tpm, uint32_t number, struct err *err)
{
	struct tpm_index *index = NULL;
	if (need(tpm, number, &index, err) < 0)
		return -1;
	TSS2_RC rc = Esys_NV_UndefineSpace(tpm->esys, ESYS_TR_RH_OWNER, index->tr, ESYS_TR_PASSWORD, ESYS_TR_NONE,
					   ESYS_TR_NONE);
	if (rc != TSS2_RC_SUCCESS) {
		(void)tpm_fail(rc, err, "cannot remove it");
		return err_wrap(err, "NV index 0x%08x", number);
	}
	index->number = 0; /* the library has closed what named it */
	return 0;
}

static int write_chunk(struct tpm *tpm, const struct tpm_index *index, struct bytes data, size_t offset,
		       struct err *err)
{
	TPM2B_MAX_NV_BUFFER buffer = { .size = (UINT16)data.len };
	memcpy(buffer.buffer, data.data, data.len);
	TSS2_RC rc = Esys_NV_Write(tpm->esys, ESYS_TR_RH_OWNER, index->tr, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE,
				   &buffer, (UINT16)offset);
	return rc == TSS2_RC_SUCCESS ? 0 : tpm_fail(rc, err, "cannot write it");
}

int tpm_nv_write(struct tpm *tpm, uint32_t number, struct bytes data, struct err *err)
{
	struct tpm_index *index = NULL;
	if (data.len > TPM_NV_MAX)
		return err_set(err, ERR_USAGE, "%zu bytes for an NV index; at most %u are taken", data.len, TPM_NV_MAX);
	if (find_chunk(tpm, err) < 0 || need(tpm, number, &index, err) < 0)
		return -1;
	for (size_t at = 0; at < data.len; at += tpm->nv_chunk) {
		size_t len = data.len - at < tpm->nv_chunk ? data.len - at : tpm->nv_chunk;
		if (write_chunk(tpm, index, bytes_of(data.data + at, len), at, err) < 0)
			return err_wrap(err, "NV index 0x%08x", number);
	}
	return 0;
}
