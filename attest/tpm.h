/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A TPM 2.0 over tpm2-tss (ESYS), which nothing else here may call.
 *
 * The transport is passed in and never loaded at run time: the release knows /dev/tpmrm0 alone, tests pass what
 * they like. Objects that this opens in the TPM are its own; persistent ones stay as they are.
 * Nothing that is read here is secret. Hierarchies are used with the empty password, as
 * clouds leave them.
 *
 * Errors: ERR_DEVICE where the TPM was busy or the transport broke, and another try may help;
 * ERR_SYSTEM with the TPM's own words for all else.
 */
#ifndef SEALPOD_ATTEST_TPM_H
#define SEALPOD_ATTEST_TPM_H

#include "attest/tpm_quote.h"
#include "base/clock.h"

#define TPM_DEVICE "/dev/tpmrm0"
#define TPM_NV_MAX 16384u /* bytes of an index that are read; larger ones are refused */

struct tpm;
struct TSS2_TCTI_OPAQUE_CONTEXT_BLOB; /* TSS2_TCTI_CONTEXT */

/* Is the device there? Opens nothing. */
bool tpm_present(void);

/* The device. Sets TSS2_LOG in the environment, so that the library is silent. */
int tpm_open_device(struct tpm **ret_tpm, struct err *err) WARN_UNUSED;

/* An advisory lock on the device, of this machine's programs that ask for it too; closing the descriptor ends it.
 * ERR_DEVICE if another holds it until the deadline. */
int tpm_lock_device(const struct deadline *deadline, int *ret_fd, struct err *err) WARN_UNUSED;

/* Any transport; it stays the caller's and must live longer than the TPM. */
int tpm_open(struct TSS2_TCTI_OPAQUE_CONTEXT_BLOB *tcti, struct tpm **ret_tpm, struct err *err) WARN_UNUSED;
void tpm_free(struct tpm *tpm);
void tpm_cleanup(struct tpm **tpm);
#define OWNED_TPM CLEANUP(tpm_cleanup)

/* PCR 0 to 23 of the SHA-256 bank, in several commands: an extend may come between. */
int tpm_pcr_read(struct tpm *tpm, struct tpm_pcrs *ret_pcrs, struct err *err) WARN_UNUSED;

/* The one that init-data are measured into, of the device; appended. */
int tpm_init_data_pcr(struct buf *ret_pcr, struct err *err) WARN_UNUSED;

/* PCR = SHA-256(PCR || digest), in the SHA-256 bank alone. The digest is 32 bytes. */
int tpm_pcr_extend(struct tpm *tpm, unsigned pcr, struct bytes digest, struct err *err) WARN_UNUSED;

/* A quote by the persistent RSA key, RSASSA with SHA-256, over PCR 0 to 23 of the SHA-256 bank, and their
 * values: the quote's digest is theirs, it carries `extra_data`, and covers exactly these. Where PCRs were extended
 * between quote and reading it is made again, a few times; then ERR_DEVICE. */
int tpm_quote_all(struct tpm *tpm, uint32_t key_handle, struct bytes extra_data, struct tpm_quoted *ret_quoted,
		  struct err *err) WARN_UNUSED;

/* Modulus and exponent of a persistent RSA key, big-endian, appended; nothing where there is no such key. */
int tpm_rsa_public(struct tpm *tpm, uint32_t key_handle, bool *ret_there, struct buf *ret_n, struct buf *ret_e,
		   struct err *err) WARN_UNUSED;

/* NV indices, by owner authorisation. What was looked up of an index is kept until the TPM is closed or an access
 * fails: each look-up is a command. */

/* Looks it up anew. */
int tpm_nv_find(struct tpm *tpm, uint32_t index, bool *ret_there, size_t *ret_size, struct err *err) WARN_UNUSED;

/* Held it anything when it was found last? One that was only defined has nothing to be read. */
bool tpm_nv_was_written(struct tpm *tpm, uint32_t index);

/* All of an index, in as many chunks as the TPM wants; replaces the content of `out`. */
int tpm_nv_read(struct tpm *tpm, uint32_t index, struct buf *out, struct err *err) WARN_UNUSED;

/* The first `len` bytes, or nothing where there is no such index. ERR_PROTOCOL if it is shorter. */
int tpm_nv_read_head(struct tpm *tpm, uint32_t index, size_t len, bool *ret_there, struct buf *out,
		     struct err *err) WARN_UNUSED;
int tpm_nv_define(struct tpm *tpm, uint32_t index, size_t size, struct err *err) WARN_UNUSED;
int tpm_nv_undefine(struct tpm *tpm, uint32_t index, struct err *err) WARN_UNUSED;

/* In one command where the TPM takes it so: who watches the index sees all at once. */
int tpm_nv_write(struct tpm *tpm, uint32_t index, struct bytes data, struct err *err) WARN_UNUSED;

#endif
