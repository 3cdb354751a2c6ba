/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keys of sealpod.toml and how each value is checked and stored.
 *
 * The file is the operator's when measured, the host's when not: every value is
 * checked by itself here; what values mean together is config.c's business.
 */
#include "config/config_fields.h"

#include <string.h>

#include "base/http.h"
#include "spire/mint.h"

#define TEXT_MAX_LEN 4096

static int store_text(struct bytes text, size_t max, void *place, struct err *err)
{
	if (text.len == 0)
		return err_set(err, ERR_CONFIG, "is empty");
	if (text.len > max)
		return err_set(err, ERR_CONFIG, "is %zu bytes long; at most %zu are taken", text.len, max);
	if (memchr(text.data, 0, text.len))
		return err_set(err, ERR_CONFIG, "holds a NUL character");
	char *copy = calloc(1, text.len + 1);
	if (!copy)
		return err_set(err, ERR_SYSTEM, "out of memory");
	memcpy(copy, text.data, text.len);
	char **field = place;
	free(*field);
	*field = copy;
	return 0;
}

static int set_text(const struct toml_value *value, void *place, struct err *err)
{
	return store_text(toml_string(value), TEXT_MAX_LEN, place, err);
}

static int set_pem(const struct toml_value *value, void *place, struct err *err)
{
	return store_text(toml_string(value), CONFIG_MAX_PEM, place, err);
}

static int set_url(const struct toml_value *value, void *place, struct err *err)
{
	char **field = place;
	bool tls;
	if (set_text(value, place, err) < 0)
		return -1;
	return http_check_url(*field, &tls, err);
}

static int set_path(const struct toml_value *value, void *place, struct err *err)
{
	struct bytes text = toml_string(value);
	if (text.len > 0 && text.data[0] != '/')
		return err_set(err, ERR_CONFIG, "'%.*s' is not an absolute path", (int)text.len,
			       (const char *)text.data);
	return set_text(value, place, err);
}

static int set_ref(const struct toml_value *value, void *place, struct err *err)
{
	return secret_ref_parse(toml_string(value), place, err);
}

static int set_source(const struct toml_value *value, void *place, struct err *err)
{
	struct bytes name = toml_string(value);
	if (source_kind_by_name(name, place) < 0)
		return err_set(err, ERR_CONFIG, "'%.*s' is unknown; use 'auto', 'kbs', 'aa', 'cdh' or 'rest'",
			       (int)name.len, (const char *)name.data);
	return 0;
}

static int set_name(const struct toml_value *value, void *place, struct err *err)
{
	char **field = place;
	if (set_text(value, place, err) < 0)
		return -1;
	return spire_mint_name_check(*field, err);
}

static int set_bool(const struct toml_value *value, void *place, struct err *err)
{
	(void)err;
	*(bool *)place = toml_bool(value);
	return 0;
}

static int set_port(const struct toml_value *value, void *place, struct err *err)
{
	int64_t port = toml_integer(value);
	if (port < 1 || port > 65535)
		return err_set(err, ERR_CONFIG, "%lld is no port; use 1 to 65535", (long long)port);
	*(uint16_t *)place = (uint16_t)port;
	return 0;
}

/* (uid_t)-1 means "leave it alone" to the kernel. */
static int check_id(const struct toml_value *value, uint32_t *id, struct err *err)
{
	int64_t number = toml_integer(value);
	if (number < 0 || number >= UINT32_MAX)
		return err_set(err, ERR_CONFIG, "%lld is no user or group id", (long long)number);
	*id = (uint32_t)number;
	return 0;
}

static int set_uid(const struct toml_value *value, void *place, struct err *err)
{
	struct config *config = place;
	config->agent_uid_set = true;
	return check_id(value, &config->agent_uid, err);
}

static int set_gid(const struct toml_value *value, void *place, struct err *err)
{
	struct config *config = place;
	config->agent_gid_set = true;
	return check_id(value, &config->agent_gid, err);
}

static int set_tee_key(const struct toml_value *value, void *place, struct err *err)
{
	struct bytes name = toml_string(value);
	if (tee_key_kind_by_name(name, place) < 0)
		return err_set(err, ERR_CONFIG,
			       "'%.*s' is unknown; use 'ECDH-ES+A256KW-P256', 'ECDH-ES+A256KW-P521' or 'RSA-OAEP-256'",
			       (int)name.len, (const char *)name.data);
	return 0;
}

static int set_mode(const struct toml_value *value, void *place, struct err *err)
{
	struct bytes name = toml_string(value);
	if (!bytes_equal_text(name, "exec") && !bytes_equal_text(name, "supervise"))
		return err_set(err, ERR_CONFIG, "'%.*s' is unknown; use 'exec' or 'supervise'", (int)name.len,
			       (const char *)name.data);
	*(enum run_mode *)place = bytes_equal_text(name, "exec") ? RUN_EXEC : RUN_SUPERVISE;
	return 0;
}

static int set_duration(const struct toml_value *value, void *place, struct err *err)
{
	return config_parse_duration(toml_string(value), place, err);
}

#define AT(member) offsetof(struct config, member)

const struct config_field config_fields[] = {
	{ "kbs", "url", TOML_STRING, set_url, AT(kbs_url), NULL, true },
	{ "kbs", "ca", TOML_STRING, set_pem, AT(kbs_ca), NULL, true },
	{ "kbs", "ca_file", TOML_STRING, set_path, AT(kbs_ca_file), NULL, true },
	{ "kbs", "allow_http", TOML_BOOL, set_bool, AT(kbs_allow_http), NULL, false },
	{ "kbs", "tee_key", TOML_STRING, set_tee_key, AT(kbs_tee_key), NULL, false },
	{ "credential", "pem", TOML_STRING, set_ref, AT(credential_pem), NULL, false },
	{ "credential", "key", TOML_STRING, set_ref, AT(credential_key), NULL, false },
	{ "credential", "certificate", TOML_STRING, set_ref, AT(credential_certificate), NULL, false },
	{ "credential", "issuer", TOML_STRING, set_ref, AT(credential_issuer), NULL, false },
	{ "credential", "class", TOML_STRING, set_name, AT(credential_class), NULL, true },
	{ "credential", "lifetime", TOML_STRING, set_duration, AT(credential_lifetime_ms), NULL, false },
	{ "source", "kind", TOML_STRING, set_source, AT(source_kind), NULL, false },
	{ "source", "aa_socket", TOML_STRING, set_path, AT(aa_socket), NULL, true },
	{ "source", "cdh_socket", TOML_STRING, set_path, AT(cdh_socket), NULL, true },
	{ "source", "rest_url", TOML_STRING, set_text, AT(rest_url), NULL, true },
	{ "secrets", "sealed_key", TOML_STRING, set_ref, AT(sealed_key), NULL, false },
	{ "secrets", "sealed_key_pem", TOML_STRING, set_pem, AT(sealed_key_pem), NULL, true },
	{ "spire", "trust_domain", TOML_STRING, set_text, AT(trust_domain), NULL, true },
	{ "spire", "server_address", TOML_STRING, set_text, AT(server_address), NULL, true },
	{ "spire", "server_port", TOML_INTEGER, set_port, AT(server_port), NULL, false },
	{ "spire", "trust_bundle", TOML_STRING, set_ref, AT(trust_bundle), NULL, false },
	{ "spire", "trust_bundle_pem", TOML_STRING, set_pem, AT(trust_bundle_pem), NULL, true },
	{ "agent", "path", TOML_STRING, set_path, AT(agent_path), CONFIG_AGENT_PATH, true },
	{ "agent", "version", TOML_STRING, set_text, AT(agent_version), NULL, true },
	{ "agent", "uid", TOML_INTEGER, set_uid, 0, NULL, false },
	{ "agent", "gid", TOML_INTEGER, set_gid, 0, NULL, false },
	{ "agent", "runtime_dir", TOML_STRING, set_path, AT(runtime_dir), "/run/sealpod", true },
	{ "agent", "allow_disk", TOML_BOOL, set_bool, AT(allow_disk), NULL, false },
	{ "agent", "socket_path", TOML_STRING, set_path, AT(socket_path), "/tmp/spire-agent/public/api.sock", true },
	{ "agent", "admin_socket_path", TOML_STRING, set_path, AT(admin_socket_path), NULL, true },
	{ "run", "mode", TOML_STRING, set_mode, AT(run_mode), NULL, false },
	{ "run", "deadline", TOML_STRING, set_duration, AT(deadline_ms), NULL, false },
	{ "svid", "socket", TOML_STRING, set_text, AT(svid.socket), NULL, true },
	{ "svid", "directory", TOML_STRING, set_path, AT(svid.directory), NULL, true },
	{ "svid", "replace", TOML_STRING, svid_set_replace, AT(svid.replace), NULL, false },
	{ "svid", "allow_disk", TOML_BOOL, set_bool, AT(svid.allow_disk), NULL, false },
	{ "svid", "no_x509", TOML_BOOL, set_bool, AT(svid.no_x509), NULL, false },
	{ "svid", "bundles_only", TOML_BOOL, set_bool, AT(svid.bundles_only), NULL, false },
	{ "svid", "trust_domain", TOML_STRING, set_text, AT(svid.trust_domain), NULL, true },
	{ "svid", "svid_file", TOML_STRING, set_text, AT(svid.svid_file), "svid.pem", true },
	{ "svid", "key_file", TOML_STRING, set_text, AT(svid.key_file), "svid_key.pem", true },
	{ "svid", "bundle_file", TOML_STRING, set_text, AT(svid.bundle_file), "svid_bundle.pem", true },
	{ "svid", "combined_file", TOML_STRING, set_text, AT(svid.combined_file), NULL, true },
	{ "svid", "pkcs12_file", TOML_STRING, set_text, AT(svid.pkcs12_file), NULL, true },
	{ "svid", "pkcs12_password_file", TOML_STRING, set_path, AT(svid.pkcs12_password_file), NULL, true },
	{ "svid", "federated_file", TOML_STRING, set_text, AT(svid.federated_file), NULL, true },
	{ "svid", "include_federated", TOML_BOOL, set_bool, AT(svid.include_federated), NULL, false },
	{ "svid", "hint", TOML_STRING, set_text, AT(svid.hint), NULL, true },
	{ "svid", "jwt", TOML_ARRAY, svid_set_list, AT(svid.jwt), NULL, true },
	{ "svid", "jwt_bundle_file", TOML_STRING, set_text, AT(svid.jwt_bundle_file), NULL, true },
	{ "svid", "cert_mode", TOML_STRING, svid_set_mode, AT(svid.cert_mode), NULL, false },
	{ "svid", "key_mode", TOML_STRING, svid_set_mode, AT(svid.key_mode), NULL, false },
	{ "svid", "uid", TOML_INTEGER, svid_set_uid, AT(svid), NULL, false },
	{ "svid", "gid", TOML_INTEGER, svid_set_gid, AT(svid), NULL, false },
	{ "svid", "on_deletion", TOML_STRING, svid_set_deletion, AT(svid.on_deletion), NULL, false },
	{ "svid", "deletion_grace", TOML_STRING, set_duration, AT(svid.deletion_grace_ms), NULL, false },
	{ "svid", "signal", TOML_STRING, svid_set_signal, AT(svid.signal), NULL, false },
	{ "svid", "pid_file", TOML_STRING, set_path, AT(svid.pid_file), NULL, true },
	{ "svid", "command", TOML_ARRAY, svid_set_list, AT(svid.command), NULL, true },
	{ "svid", "restart", TOML_STRING, svid_set_restart, AT(svid.restart), NULL, false },
	{ "svid", "margin", TOML_STRING, set_duration, AT(svid.margin_ms), NULL, false },
};

const size_t config_field_count = ARRAY_LEN(config_fields);

const struct config_field *config_field_find(struct bytes table, struct bytes key)
{
	for (size_t i = 0; i < config_field_count; i++)
		if (bytes_equal_text(table, config_fields[i].table) && bytes_equal_text(key, config_fields[i].key))
			return &config_fields[i];
	return NULL;
}

bool config_table_known(struct bytes table)
{
	for (size_t i = 0; i < config_field_count; i++)
		if (bytes_equal_text(table, config_fields[i].table))
			return true;
	return false;
}

int config_set_defaults(struct config *config, struct err *err)
{
	config->server_port = 8081;
	config->deadline_ms = CONFIG_DEADLINE_MS;
	config->kbs_tee_key = TEE_KEY_EC_P256;
	config->credential_lifetime_ms = SPIRE_MINT_LIFETIME * 1000LL;
	svid_settings_defaults(&config->svid);
	for (size_t i = 0; i < config_field_count; i++) {
		const struct config_field *field = &config_fields[i];
		if (field->fallback &&
		    store_text(bytes_of_text(field->fallback), TEXT_MAX_LEN, (char *)config + field->offset, err) < 0)
			return -1;
	}
	return 0;
}
