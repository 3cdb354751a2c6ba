/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The verbs `sealpodctl kbs …` that administrate: one call each.
 *
 * What is written may be a secret and goes into guarded memory and the connection only. Must refuse a policy
 * that the KBS would take and that would mean nothing.
 */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/sheet.h"
#include "cdh-client/kbs.h"
#include "ctl/input.h"
#include "ctl/kbs_target.h"
#include "ctl/progress.h"
#include "ctl/rego.h"
#include "ctl/verbs.h"

#define VALUES_MAX (1u << 20)

static int parse_uri(const struct cli_args *args, struct kbs_uri *ret_uri, struct err *err)
{
	return kbs_uri_parse(bytes_of_text(cli_operand(args, 0)), ret_uri, err);
}

/* What was done, for machines; people are told by the log. `name` may be NULL. */
static int tell(const struct cli_args *args, const char *done, const char *what, const char *name, const size_t *bytes,
		struct err *err)
{
	struct sheet sheet CLEANUP(sheet_done) = { 0 };
	progress_clear();
	if (!cli_given(args, "--json"))
		return 0;
	sheet_start(&sheet, true);
	sheet_text(&sheet, done, NULL, "%s", what);
	if (name)
		sheet_text(&sheet, "id", NULL, "%s", name);
	if (bytes)
		sheet_number(&sheet, "bytes", NULL, *bytes);
	return sheet_print(&sheet, err);
}

static int put(const struct cli_args *args, struct err *err)
{
	struct kbs_target target OWNED_KBS_TARGET = KBS_TARGET_INIT;
	struct secret content OWNED_SECRET = SECRET_INIT;
	struct kbs_uri uri;
	const char *file = cli_operand(args, 1);
	if (parse_uri(args, &uri, err) < 0 || kbs_target_open_admin(args, &target, err) < 0 ||
	    input_read_secret(file, KBS_RESOURCE_MAX, &content, err) < 0)
		return -1;
	if (content.len == 0)
		return err_set(err, ERR_CONFIG, "'%s' is empty: no resource is made of nothing", file);
	if (kbs_admin_put(target.admin, &uri, secret_bytes(&content), err) < 0)
		return -1;
	log_info("'%s' stored, %zu bytes", uri.text, content.len);
	return tell(args, "stored", uri.text, NULL, &content.len, err);
}

static int delete (const struct cli_args *args, struct err *err)
{
	struct kbs_target target OWNED_KBS_TARGET = KBS_TARGET_INIT;
	struct kbs_uri uri;
	if (parse_uri(args, &uri, err) < 0 || kbs_target_open_admin(args, &target, err) < 0 ||
	    kbs_admin_delete(target.admin, &uri, err) < 0)
		return -1;
	log_info("'%s' deleted", uri.text);
	return tell(args, "deleted", uri.text, NULL, NULL, err);
}

static int list(const struct cli_args *args, struct err *err)
{
	struct kbs_target target OWNED_KBS_TARGET = KBS_TARGET_INIT;
	struct json *names OWNED_JSON = NULL;
	if (kbs_target_open_admin(args, &target, err) < 0 || kbs_admin_list_policies(target.admin, &names, err) < 0)
		return -1;
	struct sheet sheet CLEANUP(sheet_done) = { 0 };
	sheet_start(&sheet, cli_given(args, "--json"));
	sheet_begin_list(&sheet, "resource_policies", "resource policies");
	for (const struct json *name = json_first(names); name; name = json_next(name)) {
		sheet_begin(&sheet, NULL, NULL);
		sheet_foreign(&sheet, "id", "id", bytes_of_text(json_text(name)));
		sheet_end(&sheet);
	}
	sheet_end(&sheet);
	sheet_text(&sheet, NULL, "resources", "%s", "no KBS lists them");
	progress_clear();
	return sheet_print(&sheet, err);
}

static int resource_policy(const struct cli_args *args, struct err *err)
{
	struct kbs_target target OWNED_KBS_TARGET = KBS_TARGET_INIT;
	struct buf rego OWNED_BUF = BUF_INIT(KBS_ADMIN_BODY_MAX / 2);
	const char *file = cli_operand(args, 0);
	if (kbs_target_open_admin(args, &target, err) < 0 || input_read(file, &rego, err) < 0)
		return -1;
	if (rego_check_resource_policy(buf_bytes(&rego), err) < 0)
		return err_wrap(err, "'%s'", file);
	if (kbs_admin_set_resource_policy(target.admin, buf_bytes(&rego), err) < 0)
		return -1;
	log_info("resource policy set, %zu bytes", rego.len);
	return tell(args, "set", "resource-policy", NULL, &rego.len, err);
}

static int attestation_policy(const struct cli_args *args, struct err *err)
{
	struct kbs_target target OWNED_KBS_TARGET = KBS_TARGET_INIT;
	struct buf rego OWNED_BUF = BUF_INIT(KBS_ADMIN_BODY_MAX / 2);
	const char *file = cli_operand(args, 0);
	const char *id = cli_value(args, "--id", KBS_ADMIN_CPU_POLICY);
	if (kbs_admin_check_name(id, err) < 0)
		return err_wrap(err, "option '--id'");
	if (kbs_target_open_admin(args, &target, err) < 0 || input_read(file, &rego, err) < 0)
		return -1;
	if (rego_check_attestation_policy(buf_bytes(&rego), err) < 0)
		return err_wrap(err, "'%s'", file);
	if (strncmp(id, "default_", strlen("default_")) != 0)
		log_warning("the KBS stores policy '%s' and never asks it: its own are 'default_cpu', 'default_gpu', …",
			    id);
	if (kbs_admin_set_attestation_policy(target.admin, id, buf_bytes(&rego), err) < 0)
		return -1;
	log_info("attestation policy '%s' set, %zu bytes", id, rego.len);
	return tell(args, "set", "attestation-policy", id, &rego.len, err);
}

static int tell_values(const struct cli_args *args, const struct json *values, struct err *err)
{
	struct sheet sheet CLEANUP(sheet_done) = { 0 };
	progress_clear();
	if (!cli_given(args, "--json"))
		return 0;
	sheet_start(&sheet, true);
	sheet_text(&sheet, "set", NULL, "reference-values");
	sheet_json(&sheet, "values", NULL, values);
	return sheet_print(&sheet, err);
}

static int set_values(const struct cli_args *args, struct kbs_target *target, const char *file, struct err *err)
{
	struct buf text OWNED_BUF = BUF_INIT(VALUES_MAX);
	struct json *values OWNED_JSON = NULL;
	if (input_read(file, &text, err) < 0)
		return -1;
	if (json_parse(buf_bytes(&text), VALUES_MAX, &values, err) < 0 || json_type(values) != JSON_OBJECT) {
		if (values)
			return err_set(err, ERR_CONFIG, "'%s' is no JSON object of names and values", file);
		if (err)
			err->code = ERR_CONFIG;
		return err_wrap(err, "'%s'", file);
	}
	for (const struct json *value = json_first(values); value; value = json_next(value))
		if (kbs_admin_check_name(json_name(value), err) < 0)
			return err_wrap(err, "'%s'", file);
	if (kbs_admin_set_reference_values(target->admin, values, err) < 0)
		return -1;
	log_info("%zu reference values set", json_count(values));
	return tell_values(args, values, err);
}

static int read_value(struct kbs_target *target, const char *name, struct sheet *sheet, struct err *err)
{
	struct json *value OWNED_JSON = NULL;
	if (kbs_admin_get_reference_value(target->admin, name, &value, err) < 0)
		return -1;
	if (!value)
		return err_set(err, ERR_MISSING, "KBS at '%s': it has no reference value '%s'", target->options.url,
			       name);
	sheet_json(sheet, name, name, value);
	return 0;
}

/* The object that '--set' takes; nothing of it unless all are there. */
static int print_values(const struct cli_args *args, struct kbs_target *target, struct err *err)
{
	struct sheet sheet CLEANUP(sheet_done) = { 0 };
	sheet_start(&sheet, true);
	for (size_t i = 0; i < args->operand_count; i++)
		if (read_value(target, cli_operand(args, i), &sheet, err) < 0)
			return -1;
	progress_clear();
	return sheet_print(&sheet, err);
}

static int check_names(const struct cli_args *args, struct err *err)
{
	for (size_t i = 0; i < args->operand_count; i++) {
		if (kbs_admin_check_name(cli_operand(args, i), err) < 0)
			return -1;
		for (size_t k = 0; k < i; k++)
			if (strcmp(cli_operand(args, i), cli_operand(args, k)) == 0)
				return err_set(err, ERR_USAGE, "'%s' is given twice", cli_operand(args, i));
	}
	return 0;
}

static int reference_values(const struct cli_args *args, struct err *err)
{
	struct kbs_target target OWNED_KBS_TARGET = KBS_TARGET_INIT;
	const char *file = cli_value(args, "--set", NULL);
	if (!file == !args->operand_count)
		return err_set(err, ERR_USAGE,
			       "either '--set FILE' writes values, or NAME... are read: no KBS lists them");
	if (check_names(args, err) < 0 || kbs_target_open_admin(args, &target, err) < 0)
		return -1;
	return file ? set_values(args, &target, file, err) : print_values(args, &target, err);
}

static const struct cli_option admin_options[] = {
	KBS_TARGET_OPTIONS,
	KBS_ADMIN_OPTIONS,
	{ .name = NULL },
};

static const struct cli_option attestation_policy_options[] = {
	KBS_TARGET_OPTIONS,
	KBS_ADMIN_OPTIONS,
	{ .name = "--id", .value = "ID", .text = "which policy; 'default_cpu' by default" },
	{ .name = NULL },
};

static const struct cli_option reference_values_options[] = {
	KBS_TARGET_OPTIONS,
	KBS_ADMIN_OPTIONS,
	{ .name = "--set", .value = "FILE", .text = "write the values of this JSON object; others stay" },
	{ .name = NULL },
};

const struct cli_verb verb_kbs_put = {
	.words = { "kbs", "put" },
	.operands = "URI FILE",
	.min_operands = 2,
	.max_operands = 2,
	.text = "store a file as a resource; '-' is standard input",
	.options = admin_options,
	.run = put,
};

const struct cli_verb verb_kbs_delete = {
	.words = { "kbs", "delete" },
	.operands = "URI",
	.min_operands = 1,
	.max_operands = 1,
	.text = "delete a resource",
	.options = admin_options,
	.run = delete,
};

const struct cli_verb verb_kbs_list = {
	.words = { "kbs", "list" },
	.text = "list what a KBS lists: the names of its resource policies",
	.options = admin_options,
	.run = list,
};

const struct cli_verb verb_kbs_resource_policy = {
	.words = { "kbs", "resource-policy" },
	.operands = "FILE",
	.min_operands = 1,
	.max_operands = 1,
	.text = "set the policy that releases resources",
	.options = admin_options,
	.run = resource_policy,
};

const struct cli_verb verb_kbs_attestation_policy = {
	.words = { "kbs", "attestation-policy" },
	.operands = "FILE",
	.min_operands = 1,
	.max_operands = 1,
	.text = "set the policy that appraises evidence",
	.options = attestation_policy_options,
	.run = attestation_policy,
};

const struct cli_verb verb_kbs_reference_values = {
	.words = { "kbs", "reference-values" },
	.operands = "[NAME...]",
	.max_operands = CLI_OPERANDS_MAX,
	.text = "print reference values as JSON, or set them",
	.options = reference_values_options,
	.run = reference_values,
};
