/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PEM (RFC 7468): finding the blocks of a text, decoding and writing them.
 *
 * Blocks are found where SPIRE's Go loader finds them: text outside of blocks is
 * skipped, headers are read past, white space inside the base64 is ignored. A
 * block that is broken (no END line, another label at its end, bad base64) is an
 * error here, while Go silently skips it and fails later for another reason.
 */
#ifndef SEALPOD_SPIRE_PEM_H
#define SEALPOD_SPIRE_PEM_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/secret.h"

/* A walk over a text; start with SPIRE_PEM_WALK(text). */
struct spire_pem {
	struct bytes text;
	size_t at;
	unsigned line; /* lines read so far */
};

#define SPIRE_PEM_WALK(bytes)                                                                                          \
	{                                                                                                              \
		.text = (bytes), .at = 0, .line = 0                                                                    \
	}

/* One block, borrowed from the text. */
struct spire_pem_block {
	struct bytes label;  /* "CERTIFICATE", "EC PRIVATE KEY", … */
	struct bytes base64; /* the lines between, without headers */
	unsigned line;	     /* where it begins, from 1 */
	bool encrypted;	     /* has the header "Proc-Type: 4,ENCRYPTED" */
};

/* The next block. At the end of the text *ret_found is false. ERR_CREDENTIAL
 * with the line when a block is broken. */
int spire_pem_next(struct spire_pem *walk, struct spire_pem_block *ret_block, bool *ret_found,
		   struct err *err) WARN_UNUSED;

bool spire_pem_is(const struct spire_pem_block *block, const char *label);

/* Does the label end in "PRIVATE KEY"? That is what Go's loader takes for a key. */
bool spire_pem_is_key(const struct spire_pem_block *block);

/* The block's bytes into a fresh secret, whatever the label: no copy of a key
 * leaves guarded memory. An empty block is ERR_CREDENTIAL. */
int spire_pem_decode(const struct spire_pem_block *block, struct secret *ret_der, struct err *err) WARN_UNUSED;

/* How many bytes writing takes. */
size_t spire_pem_size(struct bytes label, size_t der_len);

/* Appends one block in the canonical form: 64 letters a line. */
int spire_pem_write(struct buf *out, struct bytes label, struct bytes der, struct err *err) WARN_UNUSED;
int spire_pem_write_secret(struct secret *out, struct bytes label, struct bytes der, struct err *err) WARN_UNUSED;

#endif
