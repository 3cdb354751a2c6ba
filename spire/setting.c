/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of the agent's keys.
 *
 * Names and values come from the operator's configuration. Must never let a key
 * pass that undoes what sealpod is for: another way to bootstrap or to attest,
 * another server, another place for the agent's state.
 *
 * `since` is the first version known to have the key; where that was not to be
 * found out it is the first one in which the key was seen, which errs on the
 * safe side.
 */
#include "spire/setting.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/utf8.h"
#include "spire/value.h"

#define STRING_MAX 1024
#define STRINGS_MAX 64
#define INTEGER_MAX 2147483647
#define SECOND 1000000000LL
#define DAY (24 * 3600 * SECOND)

struct key {
	const char *section;
	const char *name;
	unsigned types;	     /* of enum spire_setting_type, or-ed */
	unsigned since;	     /* SPIRE_VERSION(); 0: all supported versions have it */
	const char *refusal; /* why it cannot be set; NULL: it can */
	const char *opens;   /* of a table: the section below */
	const char *choices; /* of a string: "a|b", in any case; NULL: anything */
	int64_t least;	     /* of an integer; the most is INTEGER_MAX unless said */
	int64_t most;
	int (*check)(const char *text, struct err *err); /* of each string */
};

static int duration_between(const char *text, int64_t least, int64_t below, const char *range, struct err *err)
{
	int64_t ns = 0;
	if (spire_duration_parse(text, &ns, err) < 0)
		return -1;
	if (ns < least || ns >= below)
		return err_set(err, ERR_CONFIG, "'%s' is out of range: %s", text, range);
	return 0;
}

static int any_duration(const char *text, struct err *err)
{
	return duration_between(text, 0, INT64_MAX, "", err);
}

static int day_or_more(const char *text, struct err *err)
{
	return duration_between(text, DAY, INT64_MAX, "24h or more", err);
}

static int cache_timeout(const char *text, struct err *err)
{
	return duration_between(text, 5 * SECOND, 30 * SECOND, "5s or more, below 30s", err);
}

static int delegate(const char *text, struct err *err)
{
	const char *path = strncmp(text, "spiffe://", 9) == 0 ? strchr(text + 9, '/') : NULL;
	if (!path || path == text + 9 || !path[1])
		return err_set(err, ERR_CONFIG, "'%s' is no SPIFFE ID ('spiffe://<trust domain>/<path>')", text);
	return 0;
}

static int port_text(const char *text, struct err *err)
{
	char *end = NULL;
	long port = text[0] >= '0' && text[0] <= '9' ? strtol(text, &end, 10) : 0;
	return spire_port_check(end && *end == 0 ? port : 0, err);
}

#define A "agent"
#define S "agent.sds"
#define E "agent.experimental"
#define R "agent.experimental.ratelimit"
#define H "health_checks"
#define U "unix"

#define SINCE(minor, patch) .since = SPIRE_VERSION(minor, patch)
#define STRING(...) .types = SPIRE_STRING, __VA_ARGS__
#define REFUSED(why) .refusal = (why)

#define BUNDLE "the trust bundle must come from attested or measured data: set spire.trust_bundle"

static const struct key keys[] = {
	{ A, "data_dir", REFUSED("sealpod makes a fresh one in agent.runtime_dir at each start") },
	{ A, "server_address", REFUSED("set spire.server_address") },
	{ A, "server_port", REFUSED("set spire.server_port") },
	{ A, "trust_domain", REFUSED("set spire.trust_domain") },
	{ A, "socket_path", REFUSED("set agent.socket_path") },
	{ A, "admin_socket_path", REFUSED("set agent.admin_socket_path") },
	{ A, "trust_bundle_path", REFUSED("set spire.trust_bundle or spire.trust_bundle_pem") },
	{ A, "trust_bundle_format", REFUSED("sealpod writes the trust bundle as PEM") },
	{ A, "trust_bundle_url", REFUSED(BUNDLE) },
	{ A, "trust_bundle_unix_socket", REFUSED(BUNDLE) },
	{ A, "trust_bundle_spiffe_workload_api", REFUSED(BUNDLE) },
	{ A, "insecure_bootstrap", REFUSED("the agent would believe the first server that answers") },
	{ A, "rebootstrap_mode", SINCE(13, 0), REFUSED("it is 'never': the data directory is fresh at each start") },
	{ A, "rebootstrap_delay", REFUSED("it has no effect, for rebootstrap_mode is 'never'") },
	{ A, "retry_bootstrap", REFUSED("SPIRE 1.14.0 removed it; whoever supervises the agent starts it again") },
	{ A, "join_token", REFUSED("it would replace the attestation by x509pop") },
	{ A, "join_token_file", REFUSED("it would replace the attestation by x509pop") },
	{ A, "disable_lru_cache", REFUSED("SPIRE 1.11.0 removed it") },
	{ A, "disable_reattest_to_renew", REFUSED("SPIRE 1.10.0 removed it") },

	{ A, "log_file", STRING(.check = spire_path_check) },
	{ A, "log_level", STRING(.choices = "panic|fatal|error|warn|warning|info|debug|trace") },
	{ A, "log_format", STRING(.choices = "text|json") },
	{ A, "log_source_location", .types = SPIRE_BOOL },
	{ A, "log_selectors", .types = SPIRE_STRINGS, SINCE(15, 2) },
	{ A, "workload_x509_svid_key_type", STRING(.choices = "ec-p256|rsa-2048|ec-p384") },
	{ A, "availability_target", STRING(.check = day_or_more) },
	{ A, "x509_svid_cache_max_size", .types = SPIRE_INTEGER },
	{ A, "jwt_svid_cache_max_size", .types = SPIRE_INTEGER, SINCE(11, 1) },
	{ A, "allow_unauthenticated_verifiers", .types = SPIRE_BOOL },
	{ A, "allowed_foreign_jwt_claims", .types = SPIRE_STRINGS },
	{ A, "authorized_delegates", .types = SPIRE_STRINGS, .check = delegate },
	{ A, "disable_workload_api", .types = SPIRE_BOOL, SINCE(15, 3) },
	{ A, "disable_sds_api", .types = SPIRE_BOOL, SINCE(15, 3) },
	{ A, "profiling_enabled", .types = SPIRE_BOOL },
	{ A, "profiling_port", .types = SPIRE_INTEGER, .most = 65535 },
	{ A, "profiling_freq", .types = SPIRE_INTEGER },
	{ A, "profiling_names", .types = SPIRE_STRINGS },
	{ A, "sds", .types = SPIRE_TABLE, .opens = S },
	{ A, "experimental", .types = SPIRE_TABLE, .opens = E },

	{ S, "default_svid_name", .types = SPIRE_STRING },
	{ S, "default_bundle_name", .types = SPIRE_STRING },
	{ S, "default_all_bundles_name", .types = SPIRE_STRING },
	{ S, "disable_spiffe_cert_validation", .types = SPIRE_BOOL },

	{ E, "sync_interval", STRING(.check = any_duration) },
	{ E, "jwt_svid_cache_hit_timeout", STRING(SINCE(15, 2), .check = cache_timeout) },
	{ E, "use_sync_authorized_entries", .types = SPIRE_BOOL },
	{ E, "require_pq_kem", .types = SPIRE_BOOL, SINCE(12, 0) },
	{ E, "feature_flags", .types = SPIRE_STRINGS },
	{ E, "ratelimit", .types = SPIRE_TABLE, SINCE(15, 2), .opens = R },
	{ E, "broker", REFUSED("sealpod does not open SPIRE's broker endpoint") },
	{ E, "named_pipe_name", REFUSED("it exists on Windows only") },
	{ E, "admin_named_pipe_name", REFUSED("it exists on Windows only") },

	{ R, "fetch_x509_svid", .types = SPIRE_INTEGER, SINCE(15, 2) },
	{ R, "fetch_jwt_svid", .types = SPIRE_INTEGER, SINCE(15, 2) },
	{ R, "fetch_x509_bundles", .types = SPIRE_INTEGER, SINCE(15, 2) },
	{ R, "fetch_jwt_bundles", .types = SPIRE_INTEGER, SINCE(15, 2) },
	{ R, "stream_secrets", .types = SPIRE_INTEGER, SINCE(15, 2) },
	{ R, "fetch_secrets", .types = SPIRE_INTEGER, SINCE(15, 2) },

	{ H, "listener_enabled", .types = SPIRE_BOOL },
	{ H, "bind_address", STRING(.check = spire_host_check) },
	{ H, "bind_port", .types = SPIRE_STRING | SPIRE_INTEGER, .least = 1, .most = 65535, .check = port_text },
	{ H, "live_path", STRING(.check = spire_path_check) },
	{ H, "ready_path", STRING(.check = spire_path_check) },

	{ U, "discover_workload_path", .types = SPIRE_BOOL },
	{ U, "workload_size_limit", .types = SPIRE_INTEGER, .least = -1 },
};

/* Values that came later than their key. */
static const struct {
	const char *name;
	const char *value;
	unsigned since;
} late_values[] = {
	{ "workload_x509_svid_key_type", "ec-p384", SPIRE_VERSION(14, 0) },
};

static const struct key *find(const char *section, const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (strcmp(keys[i].section, section) == 0 && strcmp(keys[i].name, name) == 0)
			return &keys[i];
	return NULL;
}

static const char *type_name(unsigned types)
{
	switch (types) {
	case SPIRE_STRING:
		return "a string";
	case SPIRE_INTEGER:
		return "an integer";
	case SPIRE_STRING | SPIRE_INTEGER:
		return "an integer or a string";
	case SPIRE_BOOL:
		return "true or false, without quotes";
	case SPIRE_STRINGS:
		return "an array of strings";
	case SPIRE_TABLE:
		return "a table";
	default:
		return "something else";
	}
}

/* `what` is new since `since`: does the agent have it for sure? */
static int check_since(const char *what, unsigned since, const char *version, struct err *err)
{
	unsigned have = 0;
	if (since == 0)
		return 0;
	unsigned minor = since % 1000000 / 1000;
	unsigned patch = since % 1000;
	if (!version)
		return err_set(err, ERR_CONFIG,
			       "%s needs spire-agent 1.%u.%u or later, and the agent's version is not known: set "
			       "agent.version",
			       what, minor, patch);
	if (spire_version_parse(version, &have, err) < 0)
		return -1;
	if (have < since)
		return err_set(err, ERR_CONFIG, "%s needs spire-agent 1.%u.%u or later; agent.version is %s", what,
			       minor, patch, version);
	return 0;
}

int spire_agent_setting_check(const char *section, const char *name, enum spire_setting_type type, const char *version,
			      struct err *err)
{
	char what[128];
	(void)snprintf(what, sizeof(what), "SPIRE's key '%s.%s'", section, name);
	const struct key *key = find(section, name);
	if (!key)
		return err_set(err, ERR_CONFIG, "%s is not known (in spire-agent " SPIRE_VERSIONS_TEXT ")", what);
	if (key->refusal)
		return err_set(err, ERR_CONFIG, "%s cannot be set here: %s", what, key->refusal);
	if (!(key->types & type))
		return err_set(err, ERR_CONFIG, "%s must be %s", what, type_name(key->types));
	return check_since(what, key->since, version, err);
}

/* What SPIRE's JSON scanner and its re-printing of plugin data carry unchanged. */
static int check_text(const char *text, struct err *err)
{
	size_t len = strlen(text);
	if (len > STRING_MAX)
		return err_set(err, ERR_CONFIG, "a string of %zu bytes (%d at most)", len, STRING_MAX);
	if (!utf8_valid(bytes_of_text(text)))
		return err_set(err, ERR_CONFIG, "'%s' is not valid UTF-8", text);
	for (const char *c = text; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			return err_set(err, ERR_CONFIG, "'%s' holds a control character", text);
	if (strstr(text, "${"))
		return err_set(err, ERR_CONFIG, "'%s' holds '${', which SPIRE's configuration language reserves", text);
	return 0;
}

static int check_choice(const struct key *key, const char *text, struct err *err)
{
	size_t len = strlen(text);
	for (const char *at = key->choices; at; at = strchr(at, '|') ? strchr(at, '|') + 1 : NULL)
		if (strcspn(at, "|") == len && strncasecmp(at, text, len) == 0)
			return 0;
	return err_set(err, ERR_CONFIG, "'%s' is none of %s", text, key->choices);
}

static int check_late(const char *name, const char *text, const char *version, struct err *err)
{
	char what[128];
	(void)snprintf(what, sizeof(what), "the value '%s'", text);
	for (size_t i = 0; i < ARRAY_LEN(late_values); i++)
		if (strcmp(late_values[i].name, name) == 0 && strcasecmp(late_values[i].value, text) == 0)
			return check_since(what, late_values[i].since, version, err);
	return 0;
}

static int check_string(const struct key *key, const char *text, const char *version, struct err *err)
{
	if (check_text(text, err) < 0 || (key->choices && check_choice(key, text, err) < 0))
		return -1;
	if (key->check && key->check(text, err) < 0)
		return -1;
	return check_late(key->name, text, version, err);
}

static int check_integer(const struct key *key, int64_t value, struct err *err)
{
	int64_t most = key->most ? key->most : INTEGER_MAX;
	if (value < key->least || value > most)
		return err_set(err, ERR_CONFIG, "%" PRId64 " is out of range (%" PRId64 " to %" PRId64 ")", value,
			       key->least, most);
	return 0;
}

static int check_strings(const struct key *key, const struct spire_setting *setting, const char *version,
			 struct err *err)
{
	if (setting->text_count > STRINGS_MAX)
		return err_set(err, ERR_CONFIG, "%zu strings (%d at most)", setting->text_count, STRINGS_MAX);
	for (size_t i = 0; i < setting->text_count; i++)
		if (check_string(key, setting->texts[i], version, err) < 0)
			return -1;
	return 0;
}

static int check_value(const struct key *key, const struct spire_setting *setting, const char *version, struct err *err)
{
	if (setting->type == SPIRE_STRING)
		return check_string(key, setting->text, version, err);
	if (setting->type == SPIRE_INTEGER)
		return check_integer(key, setting->integer, err);
	if (setting->type == SPIRE_STRINGS)
		return check_strings(key, setting, version, err);
	return 0;
}

int spire_agent_setting_check_value(const struct spire_setting *setting, const char *version, struct err *err)
{
	if (spire_agent_setting_check(setting->section, setting->name, setting->type, version, err) < 0)
		return -1;
	if (check_value(find(setting->section, setting->name), setting, version, err) < 0)
		return err_wrap(err, "SPIRE's key '%s.%s'", setting->section, setting->name);
	return 0;
}

const char *spire_agent_subsection(const char *section, const char *name)
{
	const struct key *key = find(section, name);
	return key ? key->opens : NULL;
}

bool spire_agent_has_key(const char *name, const char *version)
{
	const struct key *key = find(A, name);
	return key && check_since(name, key->since, version, NULL) == 0;
}
