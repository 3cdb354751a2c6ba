/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The forms in which init-data travels, and how the TOML text comes out of them:
 *
 *     plain       the TOML text (what kata's agent leaves in the guest)
 *     annotation  base64 of gzip of the text (the pod annotation
 *                 io.katacontainers.config.hypervisor.cc_init_data, and what
 *                 cloud-api-adaptor writes into a peer pod); old releases left the gzip out
 *     gzip        the gzip alone
 *     image       the block device of local Kata: "initdata", the gzip's length in
 *                 8 bytes little-endian, the gzip, padding
 *
 * The form is told from the first bytes: no TOML text of ours begins as the others do.
 * Nothing is lost by believing them, as the digest is over the text alone. One gzip
 * member, whose checksum must be right; nothing may follow it but an image's padding.
 */
#ifndef SEALPOD_INITDATA_ENVELOPE_H
#define SEALPOD_INITDATA_ENVELOPE_H

#include "initdata/document.h"

/* Longest input in any form. */
#define INITDATA_ENVELOPE_MAX (1024u * 1024u)

enum initdata_form {
	INITDATA_PLAIN,
	INITDATA_ANNOTATION,
	INITDATA_GZIP,
	INITDATA_IMAGE,
};

enum initdata_form initdata_form_of(struct bytes raw);
const char *initdata_form_name(enum initdata_form form);

/* `ret_toml` is replaced: at most INITDATA_MAX bytes, whatever the gzip would become.
 * ERR_CONFIG with what is wrong and where. Line ends in the base64 are skipped, as
 * cloud-api-adaptor does. */
int initdata_unwrap(struct bytes raw, struct buf *ret_toml, struct err *err) WARN_UNUSED;

#endif
