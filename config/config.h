/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sealpod.toml: what the guest program is told to do (sealpod.toml(5)).
 *
 * Everything is checked here, before any packet is sent: types, ranges, URLs,
 * unknown keys. All problems of a file are reported in one run, each with file,
 * line and key.
 */
#ifndef SEALPOD_CONFIG_H
#define SEALPOD_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "config/problems.h"
#include "config/secret_ref.h"
#include "config/settings.h"
#include "config/svid_settings.h"
#include "base/toml.h"
#include "cdh-client/tee_key.h"

#define CONFIG_MAX_PEM (64u * 1024u)
#define CONFIG_AGENT_PATH "/opt/spire/bin/spire-agent" /* where none is configured: that of SPIRE's own image */
#define CONFIG_DEADLINE_MS (5 * 60 * 1000)	       /* of a start, where none is configured */

/* Through which component of the guest secrets come. */
enum source_kind {
	SOURCE_AUTO, /* the first of the others that can be reached */
	SOURCE_KBS,  /* the KBS itself, with evidence of our own */
	SOURCE_AA,   /* the KBS, with a token of the attestation agent (ttrpc, else REST) */
	SOURCE_CDH,  /* the confidential data hub by ttrpc */
	SOURCE_REST, /* the same by api-server-rest */
};

/* What becomes of the agent. */
enum run_mode {
	RUN_DEFAULT,   /* supervise where the credential is minted, else exec */
	RUN_EXEC,      /* sealpod becomes the agent */
	RUN_SUPERVISE, /* the agent is a child; its credential is renewed */
};

/* "auto", "kbs", …; -1 without an error for another name. */
int source_kind_by_name(struct bytes name, enum source_kind *ret_kind) WARN_UNUSED;
const char *source_kind_name(enum source_kind kind);

/* Texts are NULL where the key is absent and has no default; a URI's text is "" then. */
struct config {
	char *kbs_url;
	char *kbs_ca; /* PEM */
	char *kbs_ca_file;
	bool kbs_allow_http;
	enum tee_key_kind kbs_tee_key;

	enum source_kind source_kind;
	char *aa_socket; /* NULL: the usual places */
	char *cdh_socket;
	char *rest_url;
	struct secret_ref sealed_key;
	char *sealed_key_pem; /* PEM or JWK */

	struct secret_ref credential_pem;
	struct secret_ref credential_key;
	struct secret_ref credential_certificate;
	struct secret_ref credential_issuer; /* given: the credential is minted */
	char *credential_class;
	int64_t credential_lifetime_ms;

	char *trust_domain;
	char *server_address;
	uint16_t server_port;
	struct secret_ref trust_bundle;
	char *trust_bundle_pem;

	char *agent_path;
	char *agent_version;
	bool agent_uid_set;
	bool agent_gid_set;
	uid_t agent_uid;
	gid_t agent_gid;
	char *runtime_dir;
	bool allow_disk;
	char *socket_path;
	char *admin_socket_path;

	struct settings *settings; /* of the agent; never NULL in a configuration that was read */

	enum run_mode run_mode;
	int64_t deadline_ms;

	struct svid_settings svid;
};

/* What a verb needs: `get` has no use for an agent. */
enum config_need {
	CONFIG_KBS,
	CONFIG_ALL,
};

/* What surrounds the text. */
struct config_context {
	const char *kbs_url;	  /* taken where the text has no kbs.url; NULL: none */
	const char *kbs_ca;	  /* goes with it */
	bool kbs_optional;	  /* secrets may come through the guest's components alone */
	bool elsewhere;		  /* for another machine: neither its files nor its users are looked at */
	struct problem_sink sink; /* who hears of each problem; none: the log */
};

/* Checks the text of a file called `name`; `context` may be NULL. Each problem is logged as
 * "NAME:LINE: …", or told to the context's sink; the error then says how many there are. Nothing is owned by
 * *ret_config on failure. */
int config_parse(struct bytes text, const char *name, enum config_need need, const struct config_context *context,
		 struct config *ret_config, struct err *err) WARN_UNUSED;

/* The same for a file. */
int config_read(const char *path, enum config_need need, struct config *ret_config, struct err *err) WARN_UNUSED;
/* For `svid`: the table [svid] of the file (NULL: none) and, over it, that of `flags`, the same in
 * TOML as the command line gave it. No other table is needed. */
int config_read_svid(const char *path, struct bytes flags, struct config *ret_config, struct err *err) WARN_UNUSED;
void config_done(struct config *config);
#define OWNED_CONFIG CLEANUP(config_done)

/* "90s", "5m", "1h": milliseconds from 1 s to 24 h. ERR_CONFIG otherwise. */
int config_parse_duration(struct bytes text, int64_t *ret_ms, struct err *err) WARN_UNUSED;

#endif
