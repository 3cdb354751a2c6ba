/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an OCI image's manifest says of its measurements: annotations
 * "io.github.confidential-containers.measurements.algorithm" ("sha256") and "….pcr03" and the like, which the
 * publishers of peer-pod images write. Parsers only; ctl/registry.h fetches.
 */
#ifndef SEALPOD_CTL_IMAGE_H
#define SEALPOD_CTL_IMAGE_H

#include <stdbool.h>

#include "base/json.h"

#define IMAGE_TEXT 256
#define IMAGE_MANIFEST_MAX (4u << 20) /* what registries take at most (OCI distribution spec) */

/* "registry.example.org[:port]/some/name[:tag][@sha256:…]"; the tag is "latest" where neither is given, and without
 * meaning where a digest is. */
struct image_name {
	char host[IMAGE_TEXT];
	char name[IMAGE_TEXT];
	char reference[IMAGE_TEXT]; /* a tag, or "sha256:…" */
	bool by_digest;
};
int image_name_parse(const char *text, struct image_name *ret_name, struct err *err) WARN_UNUSED;

/* A manifest or an index of them. */
struct image_manifest {
	struct json *pcrs;		  /* "pcr03" to lower-case hexadecimal; NULL: it has no measurements */
	char platform_digest[IMAGE_TEXT]; /* of an index: the manifest for linux/amd64; else "" */
};
#define OWNED_MANIFEST CLEANUP(image_manifest_done)
void image_manifest_done(struct image_manifest *manifest);

/* ERR_PROTOCOL for what is no manifest, or has measurements that cannot be. */
int image_manifest_parse(struct bytes text, struct image_manifest *ret_manifest, struct err *err) WARN_UNUSED;

/* A WWW-Authenticate header of the kind "Bearer realm=\"https://…\",service=\"…\",scope=\"…\"". */
struct image_challenge {
	char host[IMAGE_TEXT]; /* "https://host[:port]" */
	char path[2 * IMAGE_TEXT];
	char service[IMAGE_TEXT];
	char scope[IMAGE_TEXT];
};
int image_challenge_parse(const char *text, struct image_challenge *ret_challenge, struct err *err) WARN_UNUSED;

/* The "auth" (base64 of user:password) of a host in a pull secret ({"auths":{"HOST":{"auth":"…"}}}); "" if there is
 * none. ERR_CONFIG for what is no pull secret. */
int image_pull_secret(struct bytes text, const char *host, struct buf *ret_auth, struct err *err) WARN_UNUSED;

#endif
