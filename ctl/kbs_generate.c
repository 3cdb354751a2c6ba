/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `sealpodctl kbs generate WHAT`: one of the texts that a KBS gets, on standard output. For people who
 * want to read it, and for who brings it to the KBS by another way.
 */
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "ctl/policy.h"
#include "ctl/verbs.h"
#include "ctl/workspace.h"

static const struct {
	const char *name;
	int (*make)(const struct deployment *deployment, const struct policy_material *material, struct buf *text,
		    struct err *err);
} texts[] = {
	{ "resource-policy", policy_resource },
	{ "attestation-policy", policy_attestation },
	{ "reference-values", policy_reference_values },
};

static int print_text(const struct workspace *workspace, size_t which, struct err *err)
{
	struct policy_material material OWNED_POLICY_MATERIAL = POLICY_MATERIAL_INIT;
	struct buf text OWNED_BUF = BUF_INIT(POLICY_MAX);
	if (policy_material_read(&workspace->deployment, buf_text(&workspace->out), &material, err) < 0 ||
	    texts[which].make(&workspace->deployment, &material, &text, err) < 0)
		return -1;
	if (file_write_fd(STDOUT_FILENO, buf_bytes(&text), err) < 0)
		return err_wrap(err, "standard output");
	return 0;
}

static int generate(const struct cli_args *args, struct err *err)
{
	struct workspace workspace OWNED_WORKSPACE = WORKSPACE_INIT;
	const char *name = cli_operand(args, 0);
	size_t which = 0;
	while (which < ARRAY_LEN(texts) && strcmp(texts[which].name, name) != 0)
		which++;
	if (which == ARRAY_LEN(texts))
		return err_set(err, ERR_USAGE,
			       "'%s' is none of 'resource-policy', 'attestation-policy', 'reference-values'", name);
	if (workspace_read(args, &workspace, err) < 0)
		return -1;
	return print_text(&workspace, which, err);
}

static const struct cli_option options[] = {
	WORKSPACE_OPTIONS,
	{ .name = NULL },
};

const struct cli_verb verb_kbs_generate = {
	.words = { "kbs", "generate" },
	.operands = "resource-policy|attestation-policy|reference-values",
	.operand_values = "resource-policy attestation-policy reference-values",
	.min_operands = 1,
	.max_operands = 1,
	.text = "print what a deployment's KBS is to get",
	.options = options,
	.run = generate,
};
