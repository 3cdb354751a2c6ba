/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `sealpodctl spire-config`, and the files for a SPIRE server among the outputs. All of it is public.
 */
#include "ctl/spire_config.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "ctl/cli.h"
#include "ctl/input.h"
#include "ctl/material.h"
#include "ctl/server_conf.h"
#include "ctl/verbs.h"
#include "spire/issuer.h"
#include "spire/value.h"

#define PEM_MAX (256u * 1024u)

int spire_config_json(const char *ca_bundle_path, struct buf *text, struct err *err)
{
	OWNED_JSON struct json *doc = NULL;
	struct json *plugin;
	struct json *data;
	if (json_new_object(&doc, err) < 0 || json_add_object(doc, "x509pop", &plugin, err) < 0 ||
	    json_add_object(plugin, "plugin_data", &data, err) < 0 ||
	    json_add_string(data, "ca_bundle_path", ca_bundle_path, err) < 0 ||
	    json_add_string(data, "agent_path_template", SPIRE_AGENT_PATH_TEMPLATE, err) < 0 ||
	    json_print(doc, text, err) < 0)
		return -1;
	return buf_append_byte(text, '\n', err);
}

/* HCL takes the escapes of JSON that can occur here: of '"' and '\'. */
static int put_quoted(struct buf *out, const char *text, struct err *err)
{
	if (buf_append_byte(out, '"', err) < 0)
		return -1;
	for (; *text; text++)
		if (((*text == '"' || *text == '\\') && buf_append_byte(out, '\\', err) < 0) ||
		    buf_append_byte(out, (uint8_t)*text, err) < 0)
			return -1;
	return buf_append_byte(out, '"', err);
}

int spire_config_hcl(const char *ca_bundle_path, struct buf *text, struct err *err)
{
	if (buf_append_text(text, "NodeAttestor \"x509pop\" {\n  plugin_data {\n    ca_bundle_path = ", err) < 0 ||
	    put_quoted(text, ca_bundle_path, err) < 0 ||
	    buf_append_text(text, "\n    agent_path_template = ", err) < 0 ||
	    put_quoted(text, SPIRE_AGENT_PATH_TEMPLATE, err) < 0)
		return -1;
	return buf_append_text(text, "\n  }\n}\n", err);
}

static int add_certificate(const struct out *out, const char *name, struct buf *text, struct err *err)
{
	OWNED_BUF struct buf pem = BUF_INIT(PEM_MAX);
	if (out_read(out, name, &pem, err) < 0)
		return -1;
	return buf_append(text, buf_bytes(&pem), err);
}

int spire_config_bundle(const struct out *out, struct buf *text, struct err *err)
{
	static const char *const others[] = { MATERIAL_PREVIOUS "/root.pem", MATERIAL_NEXT "/root.pem" };
	if (add_certificate(out, MATERIAL_NOW "/root.pem", text, err) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		if (out_has(out, others[i]) && add_certificate(out, others[i], text, err) < 0)
			return -1;
	return 0;
}

int spire_config_write(struct out *out, struct err *err)
{
	OWNED_BUF struct buf hcl = BUF_INIT(65536);
	OWNED_BUF struct buf json = BUF_INIT(65536);
	OWNED_BUF struct buf bundle = BUF_INIT(PEM_MAX);
	if (spire_config_hcl(SERVER_CONF_CA_BUNDLE, &hcl, err) < 0 ||
	    spire_config_json(SERVER_CONF_CA_BUNDLE, &json, err) < 0 || spire_config_bundle(out, &bundle, err) < 0 ||
	    out_write(out, "spire/x509pop.hcl", buf_bytes(&hcl), err) < 0 ||
	    out_write(out, "spire/x509pop.json", buf_bytes(&json), err) < 0)
		return -1;
	return out_write(out, "spire/ca-bundle.pem", buf_bytes(&bundle), err);
}

/* --- the verb --- */

static int merge(const char *file, const char *ca_bundle_path, struct buf *text, struct err *err)
{
	OWNED_BUF struct buf old = BUF_INIT(SERVER_CONF_MAX);
	struct server_conf_note note;
	if (input_read(file, &old, err) < 0)
		return -1;
	if (server_conf_merge(buf_bytes(&old), ca_bundle_path, text, &note, err) < 0)
		return err_wrap(err, "'%s'", file);
	if (note.replaced_template)
		log_warning(
			"x509pop named agents by another agent_path_template: those that it knows get other ids, and "
			"entries under the old ones end");
	log_info("'%s': %s", file,
		 note.changed ? "x509pop changed; the server reads it when it starts" : "nothing to change");
	return 0;
}

static int run(const struct cli_args *args, struct err *err)
{
	OWNED_BUF struct buf text = BUF_INIT(2 * SERVER_CONF_MAX);
	const char *path = cli_value(args, "--ca-bundle", SERVER_CONF_CA_BUNDLE);
	const char *file = cli_value(args, "--merge", NULL);
	const char *format = cli_value(args, "--format", NULL);
	int rc;
	if (spire_path_check(path, err) < 0)
		return err_wrap(err, "option '--ca-bundle'");
	if (file && format)
		return err_set(err, ERR_USAGE, "'--merge' takes the form of its file; leave out '--format'");
	if (file)
		rc = merge(file, path, &text, err);
	else if (!format || strcmp(format, "hcl") == 0)
		rc = spire_config_hcl(path, &text, err);
	else if (strcmp(format, "json") == 0)
		rc = spire_config_json(path, &text, err);
	else
		rc = err_set(err, ERR_USAGE, "no format '%s'; there are 'hcl' and 'json'", format);
	if (rc == 0 && fwrite(text.data, 1, text.len, stdout) != text.len)
		rc = err_set(err, ERR_SYSTEM, "cannot write to standard output");
	return rc;
}

static const struct cli_option options[] = {
	{ .name = "--format",
	  .value = "NAME",
	  .text = "'hcl' (default) or 'json', the element of plugins.NodeAttestor",
	  .values = "hcl json" },
	{ .name = "--merge",
	  .value = "FILE",
	  .text = "print this server.conf of JSON, or ConfigMap with one, with the settings in it" },
	{ .name = "--ca-bundle",
	  .value = "PATH",
	  .text = "where the server finds the CA bundle; " SERVER_CONF_CA_BUNDLE " by default" },
	{ .name = NULL },
};

const struct cli_verb verb_spire_config = {
	.words = { "spire-config" },
	.text = "print the SPIRE server's x509pop settings, or put them into its configuration",
	.options = options,
	.run = run,
};
