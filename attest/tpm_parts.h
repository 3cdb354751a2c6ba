/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What attest/tpm*.c share; nobody else includes this.
 */
#ifndef SEALPOD_ATTEST_TPM_PARTS_H
#define SEALPOD_ATTEST_TPM_PARTS_H

#include <tss2/tss2_esys.h>

#include "attest/tpm.h"

#define TPM_INDICES 4

/* An NV index that was looked up: each look-up is a command. */
struct tpm_index {
	uint32_t number; /* 0: this place is free */
	ESYS_TR tr;
	size_t size; /* 0: not asked yet */
	bool written;
};

struct tpm {
	ESYS_CONTEXT *esys;
	TSS2_TCTI_CONTEXT *device; /* NULL where the transport is the caller's */
	size_t nv_chunk;	   /* bytes of an index in one command; 0: not asked yet */
	struct tpm_index indices[TPM_INDICES];
};

static inline void tpm_esys_free(void *pp)
{
	void **p = pp;
	Esys_Free(*p);
	*p = NULL;
}
#define OWNED_ESYS CLEANUP(tpm_esys_free)

/* A handle that is closed, not flushed: what it names stays in the TPM. */
struct tpm_handle {
	struct tpm *tpm;
	ESYS_TR tr;
};
void tpm_handle_done(struct tpm_handle *handle);
#define OWNED_HANDLE CLEANUP(tpm_handle_done)

/* The object of this number. *ret_there is false if there is none, where ret_there is not NULL. */
int tpm_handle_open(struct tpm *tpm, uint32_t number, struct tpm_handle *ret_handle, bool *ret_there,
		    struct err *err) WARN_UNUSED;

/* -1 with the response code as text, "<what>: the TPM says '…'". */
int tpm_fail(TSS2_RC rc, struct err *err, const char *what);

/* Is this the answer that there is no such handle or index? */
bool tpm_is_absent(TSS2_RC rc);

#endif
