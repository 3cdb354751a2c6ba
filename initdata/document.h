/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The init-data document: a TOML text that the host hands to the guest and that
 * the TEE measures (kata-containers: src/libs/kata-types/src/initdata.rs).
 *
 *     version = "0.1.0"
 *     algorithm = "sha256"        # or sha384, sha512
 *     [data]
 *     "aa.toml" = '''…'''         # any names, texts only
 *
 * Its digest is over the exact bytes: they are kept as they came, and nothing here
 * writes TOML anew. Until initdata_check_binding() has found the digest in the TEE,
 * all of it is the host's word. Other keys beside these three are measured and
 * otherwise ignored, as by the other readers of this format.
 */
#ifndef SEALPOD_INITDATA_DOCUMENT_H
#define SEALPOD_INITDATA_DOCUMENT_H

#include "base/digest.h"

/* Longest TOML text taken. The KBS takes 2 MiB in all, Azure 64 KiB of base64. */
#define INITDATA_MAX (512u * 1024u)
#define INITDATA_VERSION "0.1.0"

struct initdata;

/* Copies `toml`. ERR_CONFIG with line and key: too long, no UTF-8, no TOML, a key
 * missing or of a wrong type, another version, an unknown algorithm. */
int initdata_parse(struct bytes toml, struct initdata **ret_doc, struct err *err) WARN_UNUSED;
void initdata_free(struct initdata *doc);
void initdata_cleanup(struct initdata **doc);
#define OWNED_INITDATA CLEANUP(initdata_cleanup)

/* The exact bytes, to be sent to the KBS as they are. */
struct bytes initdata_text(const struct initdata *doc);

/* Over initdata_text(), by the algorithm that the document names. */
const struct digest *initdata_digest(const struct initdata *doc);

/* An entry of [data], borrowed from the document. */
struct initdata_entry {
	struct bytes name;
	struct bytes text;
	unsigned line; /* of the document, where the entry's key stands */
};

/* False if there is none of this name. */
bool initdata_find_entry(const struct initdata *doc, const char *name, struct initdata_entry *ret_entry);

size_t initdata_entry_count(const struct initdata *doc);

/* The i-th in order of the file; false past the end. */
bool initdata_entry_at(const struct initdata *doc, size_t i, struct initdata_entry *ret_entry);

#endif
