/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading sealpod.toml.
 *
 * A file is a statement of whoever wrote it; as long as it is not measured, the
 * host may have. Must find every problem before anything is sent, and must not
 * stop at the first.
 */
#include "config/config.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "config/config_fields.h"
#include "config/problems.h"
#include "base/file.h"
#include "base/http.h"
#include "spire/value.h"

static const char *const source_names[] = {
	[SOURCE_AUTO] = "auto", [SOURCE_KBS] = "kbs", [SOURCE_AA] = "aa", [SOURCE_CDH] = "cdh", [SOURCE_REST] = "rest",
};

int source_kind_by_name(struct bytes name, enum source_kind *ret_kind)
{
	for (size_t i = 0; i < ARRAY_LEN(source_names); i++) {
		if (bytes_equal_text(name, source_names[i])) {
			*ret_kind = (enum source_kind)i;
			return 0;
		}
	}
	return -1;
}

const char *source_kind_name(enum source_kind kind)
{
	return source_names[kind];
}

int config_parse_duration(struct bytes text, int64_t *ret_ms, struct err *err)
{
	int64_t number = 0;
	size_t i = 0;
	while (i < text.len && i < 6 && text.data[i] >= '0' && text.data[i] <= '9')
		number = number * 10 + (text.data[i++] - '0');
	char unit = i > 0 && i + 1 == text.len ? (char)text.data[i] : 0;
	int64_t factor = unit == 's' ? 1000 : unit == 'm' ? 60000 : unit == 'h' ? 3600000 : 0;
	if (factor == 0 || number == 0 || number * factor > 24 * 3600000LL)
		return err_set(err, ERR_CONFIG, "'%.*s' is no duration from 1 s to 24 h; write '90s', '5m' or '1h'",
			       (int)(text.len > 40 ? 40 : text.len), (const char *)text.data);
	*ret_ms = number * factor;
	return 0;
}

void config_done(struct config *config)
{
	if (!config)
		return;
	for (size_t i = 0; i < config_field_count; i++)
		if (config_fields[i].text)
			cleanup_free((char *)config + config_fields[i].offset);
	if (config->settings)
		settings_done(config->settings);
	cleanup_free(&config->settings);
}

/* A configuration in the making. */
struct reader {
	struct config *config;
	const struct toml_value *root;
	struct problems problems;
	bool elsewhere;
};

/* "table.key"; a key longer than any of ours is cut. */
static void dotted(char *out, size_t size, const char *table, struct bytes key)
{
	int len = (int)(key.len > 64 ? 64 : key.len);
	const char *text = key.data ? (const char *)key.data : "";
	if (*table)
		(void)snprintf(out, size, "%.32s.%.*s", table, len, text);
	else
		(void)snprintf(out, size, "%.*s", len, text);
}

/* The three tables below [agent] whose keys are SPIRE's own. */
static bool is_agent_table(const char *table, struct bytes key)
{
	return strcmp(table, "agent") == 0 && (bytes_equal_text(key, "settings") ||
					       bytes_equal_text(key, "health_checks") || bytes_equal_text(key, "unix"));
}

static void read_key(struct reader *reader, const char *table, const struct toml_value *value)
{
	char name[160];
	struct err why = { 0 };
	struct bytes key = toml_key(value);
	const struct config_field *field = config_field_find(bytes_of_text(table), key);
	dotted(name, sizeof(name), table, key);
	if (!field) {
		problems_add(&reader->problems, toml_line(value), name, "is unknown (see sealpod.toml(5))");
		return;
	}
	if (toml_type(value) != field->type) {
		problems_add(&reader->problems, toml_line(value), name, "is of type %s, not %s",
			     toml_type_name(toml_type(value)), toml_type_name(field->type));
		return;
	}
	if (field->set(value, (char *)reader->config + field->offset, &why) < 0)
		problems_add(&reader->problems, toml_line(value), name, "%s", why.message);
}

static void read_table(struct reader *reader, const struct toml_value *table)
{
	char name[160];
	dotted(name, sizeof(name), "", toml_key(table));
	if (!config_table_known(toml_key(table))) {
		problems_add(&reader->problems, toml_line(table), name, "is unknown (see sealpod.toml(5))");
		return;
	}
	if (toml_type(table) != TOML_TABLE) {
		problems_add(&reader->problems, toml_line(table), name, "is of type %s, not table",
			     toml_type_name(toml_type(table)));
		return;
	}
	for (const struct toml_value *value = toml_first(table); value; value = toml_next(value))
		if (!is_agent_table(name, toml_key(value)))
			read_key(reader, name, value);
}

/* Where a key stands, or its table, for problems of keys together. */
static unsigned line_of(const struct reader *reader, const char *table, const char *key)
{
	const struct toml_value *t = toml_member(reader->root, bytes_of_text(table));
	const struct toml_value *v = t && toml_type(t) == TOML_TABLE && key ? toml_member(t, bytes_of_text(key)) : NULL;
	return v ? toml_line(v) : t ? toml_line(t) : 0;
}

static bool present(const struct reader *reader, const char *table, const char *key)
{
	const struct toml_value *t = toml_member(reader->root, bytes_of_text(table));
	return t && toml_type(t) == TOML_TABLE && toml_member(t, bytes_of_text(key));
}

static void need_key(struct reader *reader, const char *table, const char *key, const char *advice)
{
	char name[160];
	dotted(name, sizeof(name), table, bytes_of_text(key));
	if (!present(reader, table, key))
		problems_add(&reader->problems, line_of(reader, table, NULL), name, "is missing: %s", advice);
}

static void need_one(struct reader *reader, const char *table, const char *a, const char *b, const char *advice)
{
	bool has_a = present(reader, table, a);
	bool has_b = present(reader, table, b);
	char name[160];
	dotted(name, sizeof(name), table, bytes_of_text(a));
	if (!has_a && !has_b)
		problems_add(&reader->problems, line_of(reader, table, NULL), name, "is missing: %s", advice);
	if (has_a && has_b)
		problems_add(&reader->problems, line_of(reader, table, b), name,
			     "and '%s.%s' are given: use one of them", table, b);
}

static int read_ca_file(struct config *config, struct err *err)
{
	struct buf pem OWNED_BUF = BUF_INIT(CONFIG_MAX_PEM);
	if (file_read(AT_FDCWD, config->kbs_ca_file, &pem, err) < 0)
		return -1;
	if (strlen(buf_text(&pem)) != pem.len || pem.len == 0)
		return err_set(err, ERR_CONFIG, "'%s' is no PEM text", config->kbs_ca_file);
	config->kbs_ca = strdup(buf_text(&pem));
	return config->kbs_ca ? 0 : err_set(err, ERR_SYSTEM, "out of memory");
}

static void check_ca(struct reader *reader)
{
	struct config *config = reader->config;
	struct err why = { 0 };
	const char *key = config->kbs_ca_file ? "ca_file" : "ca";
	if (!config->kbs_ca || present(reader, "kbs", "ca")) /* it may have come with the URL */
		need_one(reader, "kbs", "ca", "ca_file",
			 "the PEM of the CA that signs the KBS's certificate; no other is trusted");
	if (config->kbs_ca_file && !config->kbs_ca && reader->elsewhere)
		return;
	if (config->kbs_ca_file && !config->kbs_ca && read_ca_file(config, &why) < 0)
		problems_add(&reader->problems, line_of(reader, "kbs", key), "kbs.ca_file", "%s", why.message);
	else if (config->kbs_ca && http_check_ca(bytes_of_text(config->kbs_ca), &why) < 0)
		problems_add(&reader->problems, line_of(reader, "kbs", key),
			     config->kbs_ca_file ? "kbs.ca_file" : "kbs.ca", "%s", why.message);
}

/* The KBS that surrounds the text, for one that names none: URL and CA together, never mixed. */
static void take_context(struct reader *reader, const struct config_context *context)
{
	struct config *config = reader->config;
	if (!context || !context->kbs_url || present(reader, "kbs", "url"))
		return;
	config->kbs_url = strdup(context->kbs_url);
	if (context->kbs_ca && !present(reader, "kbs", "ca") && !present(reader, "kbs", "ca_file"))
		config->kbs_ca = strdup(context->kbs_ca);
}

/* Does this configuration need a KBS that it can reach itself? */
static bool needs_kbs(const struct config *config, const struct config_context *context)
{
	bool through_guest = config->source_kind == SOURCE_CDH || config->source_kind == SOURCE_REST;
	bool optional = context && context->kbs_optional && config->source_kind == SOURCE_AUTO;
	return !through_guest && !optional;
}

static void check_kbs(struct reader *reader, const struct config_context *context)
{
	const struct config *config = reader->config;
	bool tls = false;
	struct err why = { 0 };
	if (!config->kbs_url && needs_kbs(config, context))
		need_key(reader, "kbs", "url", "where the KBS is, as 'https://host:port'");
	if (!config->kbs_url)
		return;
	if (http_check_url(config->kbs_url, &tls, &why) < 0) {
		if (!present(reader, "kbs", "url")) /* else said already */
			problems_add(&reader->problems, 0, "kbs.url", "as init-data says it: %s", why.message);
		return;
	}
	if (tls)
		check_ca(reader);
	else if (!config->kbs_allow_http)
		problems_add(&reader->problems, line_of(reader, "kbs", "url"), "kbs.url",
			     "is plain http: anyone in between could answer in the KBS's place; use https and a pinned "
			     "CA (or set 'allow_http = true' and know why)");
}

static void check_mint(struct reader *reader)
{
	unsigned line = line_of(reader, "credential", NULL);
	if (present(reader, "credential", "key") || present(reader, "credential", "certificate") ||
	    present(reader, "credential", "pem"))
		problems_add(
			&reader->problems, line, "credential.issuer",
			"stands beside 'pem', 'key' or 'certificate': the credential is minted or fetched, not both");
	need_key(reader, "credential", "class", "the workload class that the issuer stands for");
	if (reader->config->credential_lifetime_ms < 2 * 3600 * 1000LL)
		problems_add(&reader->problems, line_of(reader, "credential", "lifetime"), "credential.lifetime",
			     "is less than two hours: SPIRE attests again with it, and an hour must be left then");
}

static void check_fetch(struct reader *reader)
{
	bool pem = present(reader, "credential", "pem");
	bool key = present(reader, "credential", "key");
	bool certificate = present(reader, "credential", "certificate");
	unsigned line = line_of(reader, "credential", NULL);
	if (pem && (key || certificate))
		problems_add(&reader->problems, line, "credential.pem",
			     "stands beside 'key' or 'certificate': use one form");
	else if (!pem && !key && !certificate)
		problems_add(&reader->problems, line, "credential.pem",
			     "is missing: the KBS resource with key and chain (or give 'key' and 'certificate', or "
			     "'issuer' to mint one)");
	else if (!pem && key != certificate)
		problems_add(&reader->problems, line, key ? "credential.certificate" : "credential.key",
			     "is missing beside '%s'", key ? "key" : "certificate");
	if (present(reader, "credential", "class"))
		problems_add(&reader->problems, line_of(reader, "credential", "class"), "credential.class",
			     "needs 'issuer' beside it");
}

static void check_credential(struct reader *reader)
{
	if (present(reader, "credential", "issuer"))
		check_mint(reader);
	else
		check_fetch(reader);
	if (present(reader, "secrets", "sealed_key") && present(reader, "secrets", "sealed_key_pem"))
		problems_add(&reader->problems, line_of(reader, "secrets", "sealed_key"), "secrets.sealed_key",
			     "and 'secrets.sealed_key_pem' are given: use one of them");
}

static void check_with(struct reader *reader, const char *table, const char *key, const char *text,
		       int (*check)(const char *, struct err *))
{
	char name[160];
	struct err why = { 0 };
	if (!text || check(text, &why) == 0)
		return;
	dotted(name, sizeof(name), table, bytes_of_text(key));
	problems_add(&reader->problems, line_of(reader, table, key), name, "%s", why.message);
}

static void check_spire(struct reader *reader)
{
	const struct config *config = reader->config;
	need_key(reader, "spire", "trust_domain", "the SPIFFE trust domain, such as 'example.org'");
	need_key(reader, "spire", "server_address", "the SPIRE server's host name or address");
	need_one(reader, "spire", "trust_bundle", "trust_bundle_pem",
		 "the KBS resource with the SPIRE server's CA certificates (or give 'trust_bundle_pem')");
	check_with(reader, "spire", "trust_domain", config->trust_domain, spire_trust_domain_check);
	check_with(reader, "spire", "server_address", config->server_address, spire_host_check);
}

static int check_version(const char *text, struct err *err)
{
	unsigned version;
	struct err why = { 0 };
	if (spire_version_parse(text, &version, &why) == 0)
		return 0;
	return err_set(err, why.code, "%s; without this key, what all of them take is written", why.message);
}

static void check_admin_socket(struct reader *reader)
{
	const struct config *config = reader->config;
	struct err why = { 0 };
	if (!config->admin_socket_path || spire_socket_check(config->admin_socket_path, &why) < 0)
		return; /* said already */
	if (spire_admin_socket_check(config->admin_socket_path, config->socket_path, &why) < 0)
		problems_add(&reader->problems, line_of(reader, "agent", "admin_socket_path"),
			     "agent.admin_socket_path", "%s", why.message);
}

static void check_user(struct reader *reader)
{
	const struct config *config = reader->config;
	if (config->agent_gid_set && !config->agent_uid_set)
		problems_add(&reader->problems, line_of(reader, "agent", "gid"), "agent.gid", "needs 'uid' beside it");
	if (config->agent_uid_set && config->agent_uid != geteuid() && geteuid() != 0 && !reader->elsewhere)
		problems_add(&reader->problems, line_of(reader, "agent", "uid"), "agent.uid",
			     "sealpod runs as uid %u and cannot become %u; start it as root or drop the key", geteuid(),
			     config->agent_uid);
}

/* SPIRE's own keys, for the version that is configured. */
static void check_settings(struct reader *reader)
{
	static const struct {
		const char *key;
		const char *section;
	} tables[] = { { "settings", "agent" }, { "health_checks", "health_checks" }, { "unix", "unix" } };
	const struct config *config = reader->config;
	const struct toml_value *agent = toml_member(reader->root, bytes_of_text("agent"));
	struct err ignored;
	const char *version = config->agent_version;
	if (version && check_version(version, &ignored) < 0)
		version = NULL; /* said already */
	if (!agent || toml_type(agent) != TOML_TABLE)
		return;
	for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
		char name[160];
		dotted(name, sizeof(name), "agent", bytes_of_text(tables[i].key));
		settings_read(config->settings, toml_member(agent, bytes_of_text(tables[i].key)), tables[i].section,
			      name, version, &reader->problems);
	}
}

static void check_agent(struct reader *reader)
{
	const struct config *config = reader->config;
	check_with(reader, "agent", "version", config->agent_version, check_version);
	check_with(reader, "agent", "runtime_dir", config->runtime_dir, spire_path_check);
	check_with(reader, "agent", "socket_path", config->socket_path, spire_socket_check);
	check_with(reader, "agent", "admin_socket_path", config->admin_socket_path, spire_socket_check);
	check_admin_socket(reader);
	check_user(reader);
	check_settings(reader);
}

static void check_all(struct reader *reader, enum config_need need, const struct config_context *context)
{
	take_context(reader, context);
	check_kbs(reader, context);
	if (need == CONFIG_KBS)
		return;
	check_credential(reader);
	check_spire(reader);
	check_agent(reader);
}

/* Logs all problems; the number of them is the error. */
static int read_document(struct reader *reader, enum config_need need, const struct config_context *context,
			 struct err *err)
{
	for (const struct toml_value *table = toml_first(reader->root); table; table = toml_next(table))
		read_table(reader, table);
	check_all(reader, need, context);
	return problems_result(&reader->problems, err);
}

int config_parse(struct bytes text, const char *name, enum config_need need, const struct config_context *context,
		 struct config *ret_config, struct err *err)
{
	struct config config OWNED_CONFIG = { .settings = calloc(1, sizeof(struct settings)) };
	struct toml_doc *doc OWNED_TOML = NULL;
	if (!config.settings)
		return err_set(err, ERR_SYSTEM, "out of memory");
	if (config_set_defaults(&config, err) < 0)
		return -1;
	if (toml_parse(text, &doc, err) < 0)
		return err_wrap(err, "'%s'", name);
	struct reader reader = { .config = &config, .root = toml_root(doc), .problems = { .file = name } };
	reader.elsewhere = reader.problems.elsewhere = context && context->elsewhere;
	if (context)
		reader.problems.sink = context->sink;
	if (read_document(&reader, need, context, err) < 0)
		return -1;
	if (config.agent_uid_set && !config.agent_gid_set)
		config.agent_gid = config.agent_uid;
	*ret_config = config;
	config = (struct config){ 0 };
	return 0;
}

static int read_over(struct reader *reader, struct bytes text, struct err *err)
{
	struct toml_doc *doc OWNED_TOML = NULL;
	if (toml_parse(text, &doc, err) < 0)
		return err_wrap(err, "'%s'", reader->problems.file);
	reader->root = toml_root(doc);
	for (const struct toml_value *table = toml_first(reader->root); table; table = toml_next(table))
		read_table(reader, table);
	return problems_result(&reader->problems, err);
}

int config_read_svid(const char *path, struct bytes flags, struct config *ret_config, struct err *err)
{
	struct config config OWNED_CONFIG = { .settings = calloc(1, sizeof(struct settings)) };
	struct buf text OWNED_BUF = BUF_INIT(TOML_MAX_BYTES);
	if (!config.settings)
		return err_set(err, ERR_SYSTEM, "out of memory");
	if (config_set_defaults(&config, err) < 0 || (path && file_read(AT_FDCWD, path, &text, err) < 0))
		return -1;
	struct reader file = { .config = &config, .problems = { .file = path ? path : "the command line" } };
	struct reader line = { .config = &config, .problems = { .file = "the command line" } };
	if (read_over(&file, buf_bytes(&text), err) < 0 || read_over(&line, flags, err) < 0)
		return -1;
	svid_settings_check(&config.svid, &file.problems);
	if (problems_result(&file.problems, err) < 0)
		return -1;
	*ret_config = config;
	config = (struct config){ 0 };
	return 0;
}

int config_read(const char *path, enum config_need need, struct config *ret_config, struct err *err)
{
	struct buf text OWNED_BUF = BUF_INIT(TOML_MAX_BYTES);
	if (file_read(AT_FDCWD, path, &text, err) < 0)
		return -1;
	return config_parse(buf_bytes(&text), path, need, NULL, ret_config, err);
}
