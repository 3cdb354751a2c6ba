/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The x509pop settings in a SPIRE server's configuration, of JSON: a server.conf, or the ConfigMap that
 * carries one. What does not belong to that plugin stays byte by byte.
 */
#ifndef SEALPOD_CTL_SERVER_CONF_H
#define SEALPOD_CTL_SERVER_CONF_H

#include <stdbool.h>

#include "base/buf.h"

#define SERVER_CONF_MAX (1u << 20) /* what a ConfigMap may hold */

/* Where Kubernetes mounts the CA bundle for the server (a ConfigMap of the key ca-bundle.pem). */
#define SERVER_CONF_CA_BUNDLE "/run/spire/x509pop-ca/ca-bundle.pem"

struct server_conf_note {
	bool changed;
	bool replaced_template; /* agents of other deployments get other ids */
};

/* Appends `text` with the plugin set to trust the bundle and to name agents as ours. CAs that it trusts already stay,
 * and settings that we know nothing of. A configuration that says all this is appended as it is. ERR_CONFIG for what
 * cannot be merged: no JSON (HCL), another mode, settings in another file. */
int server_conf_merge(struct bytes text, const char *ca_bundle_path, struct buf *ret_text,
		      struct server_conf_note *ret_note, struct err *err) WARN_UNUSED;

#endif
