/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes agent.json.
 *
 * Values come from the operator's configuration. They are checked again here,
 * whoever called, because this file decides whom the agent believes and what it
 * runs: nothing may be written that the table of keys does not know.
 */
#include "spire/agent_config.h"

#include <inttypes.h>
#include <string.h>

#include "base/json.h"
#include "spire/value.h"

static int check_sockets(const struct spire_agent_config *c, struct err *err)
{
	if (spire_socket_check(c->socket_path, err) < 0)
		return err_wrap(err, "socket_path");
	if (!c->admin_socket_path)
		return 0;
	if (spire_socket_check(c->admin_socket_path, err) < 0 ||
	    spire_admin_socket_check(c->admin_socket_path, c->socket_path, err) < 0)
		return err_wrap(err, "admin_socket_path");
	return 0;
}

static int check_paths(const struct spire_agent_config *c, struct err *err)
{
	if (spire_path_check(c->data_dir, err) < 0)
		return err_wrap(err, "data_dir");
	if (spire_path_check(c->bundle_path, err) < 0)
		return err_wrap(err, "trust_bundle_path");
	if (spire_path_check(c->credential_path, err) < 0)
		return err_wrap(err, "private_key_path");
	return check_sockets(c, err);
}

static bool is_repeated(const struct spire_agent_config *c, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (strcmp(c->settings[k].section, c->settings[i].section) == 0 &&
		    strcmp(c->settings[k].name, c->settings[i].name) == 0)
			return true;
	return false;
}

/* Is the section open? Otherwise its keys would be lost without a word. */
static bool is_reachable(const struct spire_agent_config *c, const char *section)
{
	if (strcmp(section, "agent") == 0 || strcmp(section, "health_checks") == 0 || strcmp(section, "unix") == 0)
		return true;
	for (size_t i = 0; i < c->setting_count; i++) {
		const struct spire_setting *s = &c->settings[i];
		const char *opens = s->type == SPIRE_TABLE ? spire_agent_subsection(s->section, s->name) : NULL;
		if (opens && strcmp(opens, section) == 0)
			return true;
	}
	return false;
}

/* SPIRE takes delegates of the agent's own trust domain only. */
static int check_delegates(const struct spire_setting *s, const char *trust_domain, struct err *err)
{
	static const char scheme[] = "spiffe://";
	size_t len = strlen(trust_domain);
	if (strcmp(s->section, "agent") != 0 || strcmp(s->name, "authorized_delegates") != 0)
		return 0;
	for (size_t i = 0; i < s->text_count; i++) {
		const char *domain = s->texts[i] + strlen(scheme); /* its form has been checked */
		if (strncmp(domain, trust_domain, len) != 0 || domain[len] != '/')
			return err_set(err, ERR_CONFIG,
				       "SPIRE's key 'agent.authorized_delegates': '%s' is not in the trust domain '%s'",
				       s->texts[i], trust_domain);
	}
	return 0;
}

static int check_settings(const struct spire_agent_config *c, struct err *err)
{
	for (size_t i = 0; i < c->setting_count; i++) {
		if (spire_agent_setting_check_value(&c->settings[i], c->version, err) < 0)
			return -1;
		if (check_delegates(&c->settings[i], c->trust_domain, err) < 0)
			return -1;
		if (is_repeated(c, i))
			return err_set(err, ERR_CONFIG, "SPIRE's key '%s.%s' is set twice", c->settings[i].section,
				       c->settings[i].name);
		if (!is_reachable(c, c->settings[i].section))
			return err_set(err, ERR_CONFIG,
				       "SPIRE's table '%s' is not among the settings, but a key of it is",
				       c->settings[i].section);
	}
	return 0;
}

int spire_agent_config_check(const struct spire_agent_config *c, struct err *err)
{
	unsigned version = 0;
	if (spire_host_check(c->server_address, err) < 0)
		return err_wrap(err, "server_address");
	if (spire_port_check(c->server_port, err) < 0)
		return err_wrap(err, "server_port");
	if (spire_trust_domain_check(c->trust_domain, err) < 0)
		return err_wrap(err, "trust_domain");
	if (c->version && spire_version_parse(c->version, &version, err) < 0)
		return err_wrap(err, "version");
	if (check_paths(c, err) < 0)
		return -1;
	return check_settings(c, err);
}

/* JSON's builder has no negative numbers; SPIRE reads an integer in quotes too. */
static int add_integer(struct json *to, const char *name, int64_t value, struct err *err)
{
	char text[24];
	if (value >= 0)
		return json_add_u64(to, name, (uint64_t)value, err);
	(void)snprintf(text, sizeof(text), "%" PRId64, value);
	return json_add_string(to, name, text, err);
}

static int add_strings(struct json *to, const struct spire_setting *s, struct err *err)
{
	struct json *array = NULL;
	if (json_add_array(to, s->name, &array, err) < 0)
		return -1;
	for (size_t i = 0; i < s->text_count; i++)
		if (json_add_string(array, NULL, s->texts[i], err) < 0)
			return -1;
	return 0;
}

static int add_section(struct json *to, const char *name, const char *section, const struct spire_agent_config *c,
		       struct err *err);

static int add_setting(struct json *to, const struct spire_setting *s, const struct spire_agent_config *c,
		       struct err *err)
{
	switch (s->type) {
	case SPIRE_STRING:
		return json_add_string(to, s->name, s->text, err);
	case SPIRE_INTEGER:
		return add_integer(to, s->name, s->integer, err);
	case SPIRE_BOOL:
		return json_add_bool(to, s->name, s->boolean, err);
	case SPIRE_STRINGS:
		return add_strings(to, s, err);
	case SPIRE_TABLE:
		return add_section(to, s->name, spire_agent_subsection(s->section, s->name), c, err);
	case SPIRE_OTHER:
	default:
		return err_set(err, ERR_CONFIG, "SPIRE's key '%s.%s' has a value of no use", s->section, s->name);
	}
}

static int add_settings(struct json *to, const char *section, const struct spire_agent_config *c, struct err *err)
{
	for (size_t i = 0; i < c->setting_count; i++)
		if (strcmp(c->settings[i].section, section) == 0 && add_setting(to, &c->settings[i], c, err) < 0)
			return -1;
	return 0;
}

static int add_section(struct json *to, const char *name, const char *section, const struct spire_agent_config *c,
		       struct err *err)
{
	struct json *object = NULL;
	if (json_add_object(to, name, &object, err) < 0)
		return -1;
	return add_settings(object, section, c, err);
}

static int add_fixed(struct json *agent, const struct spire_agent_config *c, struct err *err)
{
	const struct {
		const char *name;
		const char *value;
	} strings[] = {
		{ "data_dir", c->data_dir },
		{ "server_address", c->server_address },
		{ "trust_bundle_path", c->bundle_path },
		{ "trust_domain", c->trust_domain },
		{ "socket_path", c->socket_path },
		{ "admin_socket_path", c->admin_socket_path },
		{ "rebootstrap_mode", spire_agent_has_key("rebootstrap_mode", c->version) ? "never" : NULL },
	};
	for (size_t i = 0; i < ARRAY_LEN(strings); i++)
		if (strings[i].value && json_add_string(agent, strings[i].name, strings[i].value, err) < 0)
			return -1;
	return json_add_u64(agent, "server_port", (uint64_t)c->server_port, err);
}

static int add_agent(struct json *doc, const struct spire_agent_config *c, struct err *err)
{
	struct json *agent = NULL;
	if (json_add_object(doc, "agent", &agent, err) < 0 || add_fixed(agent, c, err) < 0)
		return -1;
	return add_settings(agent, "agent", c, err);
}

static bool has_section(const struct spire_agent_config *c, const char *section)
{
	for (size_t i = 0; i < c->setting_count; i++)
		if (strcmp(c->settings[i].section, section) == 0)
			return true;
	return false;
}

/* plugins.<kind>.<name>.plugin_data */
static int add_plugin(struct json *plugins, const char *kind, const char *name, struct json **ret_data, struct err *err)
{
	struct json *of_kind = NULL;
	struct json *plugin = NULL;
	if (json_add_object(plugins, kind, &of_kind, err) < 0 || json_add_object(of_kind, name, &plugin, err) < 0)
		return -1;
	return json_add_object(plugin, "plugin_data", ret_data, err);
}

static int add_plugins(struct json *doc, const struct spire_agent_config *c, struct err *err)
{
	struct json *plugins = NULL;
	struct json *data = NULL;
	if (json_add_object(doc, "plugins", &plugins, err) < 0 ||
	    add_plugin(plugins, "KeyManager", "memory", &data, err) < 0 ||
	    add_plugin(plugins, "NodeAttestor", "x509pop", &data, err) < 0 ||
	    json_add_string(data, "private_key_path", c->credential_path, err) < 0 ||
	    json_add_string(data, "certificate_path", c->credential_path, err) < 0 ||
	    add_plugin(plugins, "WorkloadAttestor", "unix", &data, err) < 0)
		return -1;
	return add_settings(data, "unix", c, err);
}

int spire_agent_config_render(const struct spire_agent_config *c, struct buf *out, struct err *err)
{
	OWNED_JSON struct json *doc = NULL;
	if (spire_agent_config_check(c, err) < 0 || json_new_object(&doc, err) < 0 || add_agent(doc, c, err) < 0)
		return -1;
	if (has_section(c, "health_checks") && add_section(doc, "health_checks", "health_checks", c, err) < 0)
		return -1;
	if (add_plugins(doc, c, err) < 0 || json_print(doc, out, err) < 0)
		return -1;
	return buf_append_byte(out, '\n', err);
}
