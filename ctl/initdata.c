/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `sealpodctl initdata build|show|lint|digest|annotate|convert`: init-data in all its forms. The
 * operator names the file; its content may be anybody's.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/file.h"
#include "base/sheet.h"
#include "ctl/deployment.h"
#include "ctl/input.h"
#include "ctl/lint.h"
#include "ctl/verbs.h"
#include "initdata/binding.h"
#include "initdata/compose.h"
#include "initdata/find.h"
#include "spire/value.h"

#define PARTS_MAX 64
#define FORMS "toml annotation gzip image"

static int read_document(const struct cli_args *args, struct initdata **ret_doc, struct err *err)
{
	const char *path = cli_operand(args, 0);
	OWNED_BUF struct buf raw = BUF_INIT(INITDATA_ENVELOPE_MAX);
	OWNED_BUF struct buf toml = BUF_INIT(INITDATA_MAX);
	if (input_read(path, &raw, err) < 0)
		return -1;
	if (initdata_unwrap(buf_bytes(&raw), &toml, err) < 0 || initdata_parse(buf_bytes(&toml), ret_doc, err) < 0)
		return err_wrap(err, "'%s'", path);
	return 0;
}

static int write_output(struct bytes content, struct err *err)
{
	if (content.len > 0 && fwrite(content.data, 1, content.len, stdout) != content.len)
		return err_set_errno(err, ERR_SYSTEM, errno, "standard output");
	return 0;
}

/* --- build --- */

static const struct form_name {
	const char *name;
	enum initdata_form form;
} forms[] = {
	{ "toml", INITDATA_PLAIN },
	{ "annotation", INITDATA_ANNOTATION },
	{ "gzip", INITDATA_GZIP },
	{ "image", INITDATA_IMAGE },
};

static int form_of(const char *name, enum initdata_form *ret_form, struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		if (strcmp(forms[i].name, name) == 0) {
			*ret_form = forms[i].form;
			return 0;
		}
	}
	return err_set(err, ERR_USAGE, "'%s' is no form; use 'toml', 'annotation', 'gzip' or 'image'", name);
}

static int print_form(enum initdata_form form, struct bytes toml, struct err *err)
{
	OWNED_BUF struct buf wrapped = BUF_INIT(INITDATA_ENVELOPE_MAX);
	if (initdata_wrap(form, toml, &wrapped, err) < 0)
		return -1;
	return write_output(buf_bytes(&wrapped), err);
}

struct part_text {
	char name[64];
	struct buf text;
};

static void part_texts_done(struct part_text (*texts)[PARTS_MAX])
{
	for (size_t i = 0; i < PARTS_MAX; i++)
		buf_done(&(*texts)[i].text);
}

/* "NAME=FILE", or FILE, whose last component is the name. */
static int read_part(const char *operand, struct part_text *part, struct err *err)
{
	const char *equals = strchr(operand, '=');
	const char *path = equals ? equals + 1 : operand;
	const char *slash = strrchr(operand, '/');
	const char *name = equals ? operand : slash ? slash + 1 : operand;
	size_t len = equals ? (size_t)(equals - operand) : strlen(name);
	if (len == 0 || len >= sizeof(part->name))
		return err_set(err, ERR_USAGE, "'%s' gives no name of an entry; write 'NAME=FILE'", operand);
	memcpy(part->name, name, len);
	part->text = (struct buf)BUF_INIT(INITDATA_MAX);
	return file_read(AT_FDCWD, path, &part->text, err);
}

/* A VM that sealpod refuses to start is found out here, and so is a key in what everybody may read. */
static int check_composed(struct bytes toml, struct err *err)
{
	OWNED_INITDATA struct initdata *doc = NULL;
	if (initdata_parse(toml, &doc, err) < 0)
		return -1;
	if (lint_refusal(doc, err) < 0)
		return err_wrap(err, "entry 'sealpod.toml'");
	return 0;
}

static int run_build(const struct cli_args *args, struct err *err)
{
	CLEANUP(part_texts_done) struct part_text texts[PARTS_MAX] = { 0 };
	struct initdata_part parts[PARTS_MAX];
	OWNED_BUF struct buf toml = BUF_INIT(INITDATA_MAX);
	enum initdata_form form;
	if (form_of(cli_value(args, "--form", "toml"), &form, err) < 0)
		return -1;
	for (size_t i = 0; i < args->operand_count; i++) {
		if (read_part(cli_operand(args, i), &texts[i], err) < 0)
			return -1;
		parts[i] = (struct initdata_part){ texts[i].name, buf_bytes(&texts[i].text) };
	}
	if (initdata_compose(parts, args->operand_count, &toml, err) < 0 || check_composed(buf_bytes(&toml), err) < 0)
		return -1;
	return print_form(form, buf_bytes(&toml), err);
}

/* --- show, digest --- */

static void show_registers(struct sheet *sheet, const struct initdata *doc)
{
	static const struct {
		enum initdata_register where;
		const char *key;
	} registers[] = { { INITDATA_HOST_DATA, "host_data" },
			  { INITDATA_MRCONFIGID, "mrconfigid" },
			  { INITDATA_PCR8, "pcr8" } };
	const struct digest *digest = initdata_digest(doc);
	sheet_hex(sheet, "digest", "digest", digest_bytes(digest));
	for (size_t i = 0; i < ARRAY_LEN(registers); i++) {
		struct initdata_binding binding;
		if (initdata_expect(digest, registers[i].where, &binding, NULL) == 0)
			sheet_hex(sheet, registers[i].key, initdata_register_name(registers[i].where),
				  bytes_of(binding.bytes, binding.len));
	}
}

static void show_entries(struct sheet *sheet, const struct initdata *doc, bool whole)
{
	struct initdata_entry entry;
	sheet_begin_list(sheet, "entries", "entries");
	for (size_t i = 0; initdata_entry_at(doc, i, &entry); i++) {
		sheet_begin(sheet, NULL, NULL);
		sheet_foreign(sheet, "name", NULL, entry.name);
		sheet_number(sheet, "bytes", NULL, entry.text.len);
		sheet_text(sheet, NULL, "entry", "%.*s, %zu bytes, line %u", (int)entry.name.len,
			   (const char *)entry.name.data, entry.text.len, entry.line);
		if (whole)
			sheet_foreign(sheet, "text", NULL, entry.text);
		sheet_end(sheet);
	}
	sheet_end(sheet);
}

static int run_show(const struct cli_args *args, struct err *err)
{
	OWNED_INITDATA struct initdata *doc = NULL;
	struct sheet sheet CLEANUP(sheet_done) = { 0 };
	const char *entry_name = cli_value(args, "--entry", NULL);
	if (read_document(args, &doc, err) < 0)
		return -1;
	if (entry_name) {
		struct initdata_entry entry;
		if (!initdata_find_entry(doc, entry_name, &entry))
			return err_set(err, ERR_CONFIG, "'%s' has no entry '%s'", cli_operand(args, 0), entry_name);
		return write_output(entry.text, err);
	}
	sheet_start(&sheet, cli_given(args, "--json"));
	sheet_number(&sheet, "bytes", "bytes", initdata_text(doc).len);
	show_registers(&sheet, doc);
	show_entries(&sheet, doc, cli_given(args, "--json"));
	return sheet_print(&sheet, err);
}

static int run_digest(const struct cli_args *args, struct err *err)
{
	OWNED_INITDATA struct initdata *doc = NULL;
	struct sheet sheet CLEANUP(sheet_done) = { 0 };
	if (read_document(args, &doc, err) < 0)
		return -1;
	sheet_start(&sheet, cli_given(args, "--json"));
	show_registers(&sheet, doc);
	return sheet_print(&sheet, err);
}

/* --- annotate, convert --- */

static int run_annotate(const struct cli_args *args, struct err *err)
{
	OWNED_INITDATA struct initdata *doc = NULL;
	if (read_document(args, &doc, err) < 0)
		return -1;
	return print_form(INITDATA_ANNOTATION, initdata_text(doc), err);
}

static int run_convert(const struct cli_args *args, struct err *err)
{
	OWNED_INITDATA struct initdata *doc = NULL;
	const char *name = cli_value(args, "--to", NULL);
	enum initdata_form form;
	if (!name)
		return err_set(err, ERR_USAGE, "'initdata convert' wants --to FORM");
	if (form_of(name, &form, err) < 0 || read_document(args, &doc, err) < 0)
		return -1;
	return print_form(form, initdata_text(doc), err);
}

/* --- lint --- */

static size_t values_of(const struct cli_args *args, const char *option, const char **values, size_t max)
{
	size_t count = 0;
	while (count < max && (values[count] = cli_value_at(args, option, count)) != NULL)
		count++;
	return count;
}

/* A target that is misspelled would switch checks off. */
static int check_target(const struct lint_target *target, struct err *err)
{
	unsigned version;
	for (size_t i = 0; i < target->tee_count; i++)
		if (deployment_tee_check(target->tees[i], err) < 0)
			return err_wrap(err, "--tee");
	for (size_t i = 0; i < target->processor_count; i++)
		if (deployment_processor_check(target->processors[i], err) < 0)
			return err_wrap(err, "--processor");
	if (target->spire_version && spire_version_parse(target->spire_version, &version, err) < 0)
		return err_wrap(err, "--spire-version");
	return 0;
}

static int run_lint(const struct cli_args *args, struct err *err)
{
	OWNED_INITDATA struct initdata *doc = NULL;
	struct sheet sheet CLEANUP(sheet_done) = { 0 };
	struct lint lint = { .sheet = &sheet };
	const char *tees[CLI_GIVEN_MAX], *processors[CLI_GIVEN_MAX];
	struct lint_target target = { .tees = tees,
				      .processors = processors,
				      .spire_version = cli_value(args, "--spire-version", NULL) };
	target.tee_count = values_of(args, "--tee", tees, CLI_GIVEN_MAX);
	target.processor_count = values_of(args, "--processor", processors, CLI_GIVEN_MAX);
	if (check_target(&target, err) < 0 || read_document(args, &doc, err) < 0)
		return -1;
	sheet_start(&sheet, cli_given(args, "--json"));
	sheet_begin_list(&sheet, "findings", NULL);
	lint_initdata(&lint, doc, &target);
	sheet_end(&sheet);
	sheet_number(&sheet, "errors", "errors", lint.errors);
	sheet_number(&sheet, "warnings", "warnings", lint.warnings);
	if (sheet_print(&sheet, err) < 0)
		return -1;
	return lint.errors == 0 ? 0
				: err_set(err, ERR_CONFIG, "'%s' has %u error%s", cli_operand(args, 0), lint.errors,
					  lint.errors == 1 ? "" : "s");
}

#define JSON_OPTION                                                                                                    \
	{                                                                                                              \
		.name = "--json", .text = "print one JSON object"                                                      \
	}

static const struct cli_option build_options[] = {
	{ .name = "--form",
	  .value = "FORM",
	  .text = "'toml' (default), 'annotation', 'gzip' or 'image'",
	  .values = FORMS },
	{ .name = NULL },
};
static const struct cli_option show_options[] = {
	JSON_OPTION,
	{ .name = "--entry", .value = "NAME", .text = "print this entry alone, as it is" },
	{ .name = NULL },
};
static const struct cli_option digest_options[] = { JSON_OPTION, { .name = NULL } };
static const struct cli_option convert_options[] = {
	{ .name = "--to", .value = "FORM", .text = "'toml', 'annotation', 'gzip' or 'image'", .values = FORMS },
	{ .name = NULL },
};
static const struct cli_option lint_options[] = {
	JSON_OPTION,
	{ .name = "--tee",
	  .value = "KIND",
	  .text = "a kind of TEE that it is for ('snp', 'tdx', 'az-snp-vtpm', 'az-tdx-vtpm')",
	  .values = CLI_TEES,
	  .repeats = true },
	{ .name = "--processor",
	  .value = "NAME",
	  .text = "a generation of the SNP machines ('milan', 'genoa', 'turin')",
	  .values = "milan genoa turin",
	  .repeats = true },
	{ .name = "--spire-version", .value = "VERSION", .text = "the version of SPIRE that will be used" },
	{ .name = NULL },
};

const struct cli_verb verb_initdata_build = {
	.words = { "initdata", "build" },
	.operands = "[NAME=]FILE...",
	.min_operands = 1,
	.max_operands = PARTS_MAX,
	.text = "make an init-data document out of its entries",
	.options = build_options,
	.run = run_build,
};

const struct cli_verb verb_initdata_show = {
	.words = { "initdata", "show" },
	.operands = "FILE",
	.min_operands = 1,
	.max_operands = 1,
	.text = "print what stands in init-data, in any form",
	.options = show_options,
	.run = run_show,
};

const struct cli_verb verb_initdata_lint = {
	.words = { "initdata", "lint" },
	.operands = "FILE",
	.min_operands = 1,
	.max_operands = 1,
	.text = "say what in init-data is insecure or will not work; exit 100 on errors",
	.options = lint_options,
	.run = run_lint,
};

const struct cli_verb verb_initdata_digest = {
	.words = { "initdata", "digest" },
	.operands = "FILE",
	.min_operands = 1,
	.max_operands = 1,
	.text = "print the digest of init-data, HOST_DATA, MRCONFIGID and PCR 8",
	.options = digest_options,
	.run = run_digest,
};

const struct cli_verb verb_initdata_annotate = {
	.words = { "initdata", "annotate" },
	.operands = "FILE",
	.min_operands = 1,
	.max_operands = 1,
	.text = "print the value of the pod annotation io.katacontainers.config.hypervisor.cc_init_data",
	.run = run_annotate,
};

const struct cli_verb verb_initdata_convert = {
	.words = { "initdata", "convert" },
	.operands = "FILE",
	.min_operands = 1,
	.max_operands = 1,
	.text = "print init-data in another form",
	.options = convert_options,
	.run = run_convert,
};
