/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `sealpodctl evidence show`: reads one file or standard input, finds out what it is, prints
 * what stands in it. The operator names the file, its content is anybody's. Nothing is
 * printed unless all of it could be read.
 */
#include "ctl/input.h"
#include "ctl/verbs.h"
#include "attest/show.h"

#define INPUT_MAX (8u << 20)

static int unknown_kind(const char *path, struct bytes content, struct err *err)
{
	OWNED_BUF struct buf kinds = BUF_INIT(1024);
	if (content.len == 0)
		return err_set(err, ERR_CONFIG, "'%s' is empty", path);
	show_list(&kinds);
	return err_set(err, ERR_CONFIG, "'%s' (%zu bytes) is none of these: %s", path, content.len, buf_text(&kinds));
}

/* A file that cannot be read as what it seems to be is the operator's mistake, not a server's. */
static int unreadable(const char *path, const struct show_kind *kind, struct err *err)
{
	if (err && err->code == ERR_PROTOCOL)
		err->code = ERR_CONFIG;
	return err_wrap(err, "'%s', which looks like %s", path, kind->heading);
}

static int show_evidence(const struct cli_args *args, struct err *err)
{
	const char *path = cli_operand(args, 0);
	OWNED_BUF struct buf content = BUF_INIT(INPUT_MAX);
	struct sheet sheet CLEANUP(sheet_done) = { 0 };
	if (input_read(path, &content, err) < 0)
		return -1;
	const struct show_kind *kind = show_find(buf_bytes(&content));
	if (!kind)
		return unknown_kind(path, buf_bytes(&content), err);
	sheet_start(&sheet, cli_given(args, "--json"));
	sheet_text(&sheet, "kind", NULL, "%s", kind->name);
	sheet_text(&sheet, NULL, "kind", "%s", kind->heading);
	if (kind->show(buf_bytes(&content), &sheet, err) < 0)
		return unreadable(path, kind, err);
	return sheet_print(&sheet, err);
}

static const struct cli_option show_options[] = {
	{ .name = "--json", .text = "print one JSON object, with every field whole" },
	{ .name = NULL },
};

const struct cli_verb verb_evidence_show = {
	.words = { "evidence", "show" },
	.operands = "FILE",
	.min_operands = 1,
	.max_operands = 1,
	.text = "print what stands in a report, quote, certificate table, event log or evidence",
	.options = show_options,
	.run = show_evidence,
};
