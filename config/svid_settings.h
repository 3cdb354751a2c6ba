/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `sealpod svid` is told to do: the table [svid] of sealpod.toml, whose keys
 * are options on the command line too.
 */
#ifndef SEALPOD_CONFIG_SVID_SETTINGS_H
#define SEALPOD_CONFIG_SVID_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "config/problems.h"
#include "base/file.h"
#include "base/toml.h"
#include "spire/workload_proto.h"

#define SVID_TOKENS_MAX 16

enum svid_replace { SVID_REPLACE_DIRECTORY, SVID_REPLACE_FILES };
enum svid_deletion { SVID_WITHDRAW, SVID_KEEP };
enum svid_restart { SVID_RESTART_NEVER, SVID_RESTART_ON_FAILURE, SVID_RESTART_ALWAYS };

/* Lists are texts with '\n' between their members. Texts are NULL where they are not set. */
struct svid_settings {
	char *socket; /* as it was given; svid_settings_socket() is the path */
	char *directory;
	enum svid_replace replace;
	bool allow_disk;

	bool no_x509;
	bool bundles_only;  /* X.509 authorities without any SVID */
	char *trust_domain; /* the own one, where no SVID says it */
	char *svid_file;
	char *key_file;
	char *bundle_file;
	char *combined_file;
	char *pkcs12_file;
	char *pkcs12_password_file;
	char *federated_file;
	bool include_federated;
	char *hint;

	char *jwt; /* list of "FILE=AUDIENCE AUDIENCE…" */
	char *jwt_bundle_file;

	mode_t cert_mode;
	mode_t key_mode;
	bool uid_set, gid_set;
	uid_t uid;
	gid_t gid;

	enum svid_deletion on_deletion;
	int64_t deletion_grace_ms;

	int signal; /* 0: none */
	char *pid_file;
	char *command; /* list */
	enum svid_restart restart;
	int64_t margin_ms;
};

void svid_settings_defaults(struct svid_settings *settings);

/* Setters of the table of configuration keys (config_fields.h). */
int svid_set_replace(const struct toml_value *value, void *place, struct err *err) WARN_UNUSED;
int svid_set_deletion(const struct toml_value *value, void *place, struct err *err) WARN_UNUSED;
int svid_set_restart(const struct toml_value *value, void *place, struct err *err) WARN_UNUSED;
int svid_set_signal(const struct toml_value *value, void *place, struct err *err) WARN_UNUSED;
int svid_set_mode(const struct toml_value *value, void *place, struct err *err) WARN_UNUSED;
int svid_set_list(const struct toml_value *value, void *place, struct err *err) WARN_UNUSED;
int svid_set_uid(const struct toml_value *value, void *settings, struct err *err) WARN_UNUSED;
int svid_set_gid(const struct toml_value *value, void *settings, struct err *err) WARN_UNUSED;

/* What the keys mean together. */
void svid_settings_check(const struct svid_settings *settings, struct problems *problems);

/* The socket: the setting, else the variable (which may be NULL), else SPIRE's own default. Borrowed. */
int svid_settings_socket(const struct svid_settings *settings, const char *variable, const char **ret_path,
			 struct err *err) WARN_UNUSED;

struct file_owner svid_settings_owner(const struct svid_settings *settings);

/* Are all SVIDs wanted, each with file names of its own? */
bool svid_settings_all(const struct svid_settings *settings);

/* The next member of a list; false at its end. `at` starts as the list. */
bool svid_list_next(const char **at, struct bytes *ret_member);

/* "FILE=AUDIENCE AUDIENCE": pieces of a copy of the member. */
struct svid_token {
	char *text;
	const char *file;
	const char *audiences[WORKLOAD_AUDIENCES_MAX];
	size_t audience_count;
};
int svid_token_parse(struct bytes member, struct svid_token *ret_token, struct err *err) WARN_UNUSED;
void svid_token_done(struct svid_token *token);

#endif
