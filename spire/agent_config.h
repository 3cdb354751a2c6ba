/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent.json: the configuration file of spire-agent, versions 1.9 to 1.15, in
 * the part of JSON that its HCL parser reads as meant: `agent` first (an object
 * of objects in front would be flattened), then `health_checks` if anything is
 * set there, then `plugins`; raw UTF-8, '/' unescaped, no "${".
 *
 * Plugins are fixed: KeyManager memory, NodeAttestor x509pop with one combined
 * PEM, WorkloadAttestor unix. rebootstrap_mode = "never" is written where the
 * version is known to have it (1.13.0); it is the default everywhere.
 */
#ifndef SEALPOD_SPIRE_AGENT_CONFIG_H
#define SEALPOD_SPIRE_AGENT_CONFIG_H

#include "base/buf.h"
#include "spire/setting.h"

/* All text is borrowed. */
struct spire_agent_config {
	const char *server_address;
	int64_t server_port;
	const char *trust_domain;
	const char *socket_path;
	const char *admin_socket_path;	      /* NULL: none */
	const char *data_dir;		      /* absolute, as all paths */
	const char *bundle_path;	      /* PEM */
	const char *credential_path;	      /* "/proc/self/fd/3": key and chain in one PEM */
	const char *version;		      /* "1.15.2"; NULL: not known */
	const struct spire_setting *settings; /* what the operator added; see setting.h */
	size_t setting_count;
};

/* Checks each value above, and each setting; the first problem is reported
 * (ERR_CONFIG, with the key as SPIRE calls it). The reader of the configuration
 * uses the checks of value.h and setting.h one by one and reports all. */
int spire_agent_config_check(const struct spire_agent_config *config, struct err *err) WARN_UNUSED;

/* Checks and appends the whole file, a line end behind it. */
int spire_agent_config_render(const struct spire_agent_config *config, struct buf *out, struct err *err) WARN_UNUSED;

#endif
