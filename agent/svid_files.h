/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files of a generation, and the list of them that lies beside them in the
 * directory: which source each is of and when that expires. By it a later run knows
 * what is its own to renew, to withdraw and to flag.
 */
#ifndef SEALPOD_AGENT_SVID_FILES_H
#define SEALPOD_AGENT_SVID_FILES_H

#include <sys/types.h>

#include "base/buf.h"
#include "base/digest.h"
#include "base/secret.h"

enum svid_source { SVID_X509, SVID_BUNDLES, SVID_JWKS, SVID_TOKEN };

/* What a file holds. */
enum svid_kind {
	SVID_KIND_CHAIN,
	SVID_KIND_KEY,
	SVID_KIND_COMBINED,
	SVID_KIND_PKCS12, /* holds random salts beside what the others hold: differs each time that it is made */
	SVID_KIND_BUNDLE,
	SVID_KIND_FEDERATED,
	SVID_KIND_JWKS,
	SVID_KIND_TOKEN,
};

/* "x509", "x509_bundles", "jwt_bundles", "jwt" */
const char *svid_source_name(enum svid_source source);

struct svid_file {
	char *name;
	mode_t mode;
	enum svid_source source;
	enum svid_kind kind;
	unsigned index;	      /* those of one SVID have the same */
	int64_t expires;      /* of the SVID that it belongs to; INT64_MAX: does not */
	bool expired;	      /* and that was said: of files of an earlier run */
	struct bytes lent[2]; /* content that is the state's, in up to two pieces; or … */
	struct buf text;      /* … public content of its own; or … */
	struct secret secret; /* … this, if it holds anything */
};

struct svid_files {
	struct svid_file *list;
	size_t count;
	size_t room;
};

void svid_files_done(struct svid_files *files);
#define OWNED_SVID_FILES CLEANUP(svid_files_done)

/* Adds an empty public file that does not expire. ERR_CONFIG if there is one of that name, or if it is not the name of
 * a file that readers see: those with a '.' in front are ours. */
int svid_files_add(struct svid_files *files, const char *name, mode_t mode, struct svid_file **ret_file,
		   struct err *err) WARN_UNUSED;

/* Gives it another's source, kind, index and expiry. */
void svid_file_tell(struct svid_file *file, const struct svid_file *as);

/* The content in two pieces, either of which may be empty. */
struct svid_content {
	struct bytes pieces[2];
};
struct svid_content svid_file_content(const struct svid_file *file);

/* The first of that kind and index; NULL if there is none. */
const struct svid_file *svid_files_find_kind(const struct svid_files *files, enum svid_kind kind, unsigned index);

struct svid_file *svid_files_find(const struct svid_files *files, const char *name);

/* Adds what is not there yet of another's, without contents. */
int svid_files_add_names(struct svid_files *files, const struct svid_files *more, struct err *err) WARN_UNUSED;

/* Do both hold files of the same names? */
bool svid_files_same_names(const struct svid_files *a, const struct svid_files *b);

/* Takes all files from this one on out. */
void svid_files_cut(struct svid_files *files, size_t first);

/* Takes one out; those behind it move up. */
void svid_files_remove(struct svid_files *files, size_t i);

/* Of names and contents; files made of what others hold (combined, PKCS#12) count by their names alone. */
int svid_files_digest(const struct svid_files *files, struct digest *ret_digest, struct err *err) WARN_UNUSED;

/* The list as text, one line a file: "x509 chain 0 1790000000 svid.pem"; '-' stands for one that does not expire. */
int svid_files_print_list(const struct svid_files *files, struct buf *out, struct err *err) WARN_UNUSED;

/* Files without contents. ERR_CREDENTIAL if the text is none of ours. */
int svid_files_parse_list(struct bytes text, struct svid_files *ret_files, struct err *err) WARN_UNUSED;

#endif
