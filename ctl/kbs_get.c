/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `sealpodctl kbs get URI`: one resource, as a TEE gets it. No KBS gives an administrator a resource; what it
 * takes is a token and the key that goes with it, or a TEE. Must write nothing unless the whole is there.
 */
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "cdh-client/aa.h"
#include "cdh-client/kbs.h"
#include "ctl/check_token.h"
#include "ctl/input.h"
#include "ctl/kbs_target.h"
#include "ctl/verbs.h"

/* The file is what a guest's attestation agent answers: token and key. */
static int token_from_file(const struct deadline *deadline, struct buf *ret_jwt, struct tee_key **ret_key, void *arg,
			   struct err *err)
{
	const char *path = arg;
	struct secret text OWNED_SECRET = SECRET_INIT;
	struct aa_token token OWNED_AA_TOKEN = AA_TOKEN_INIT;
	(void)deadline;
	if (input_read_secret(path, AA_TOKEN_MAX, &text, err) < 0)
		return -1;
	if (aa_token_parse(&text, &token, err) < 0) {
		if (err)
			err->code = ERR_CONFIG;
		return err_wrap(err, "'%s'", path);
	}
	buf_move(ret_jwt, &token.jwt);
	*ret_key = TAKE_PTR(token.key);
	return 0;
}

static int fetch(const struct cli_args *args, const struct kbs_target *target, const struct kbs_uri *uri,
		 struct secret *ret_content, struct err *err)
{
	const char *file = cli_value(args, "--token", NULL);
	const char *tee = cli_value(args, "--tee", NULL);
	struct check_token_source source;
	struct kbs_options options = { .url = buf_text(&target->url),
				       .ca_pem = buf_bytes(&target->ca),
				       .tee_key = TEE_KEY_EC_P256,
				       .deadline = target->deadline };
	if (file) {
		options.evidence.tee = "as the token says";
		options.token = (struct kbs_token_source){ token_from_file, (void *)(uintptr_t)file };
	} else if (check_token_source(tee, &target->deadline, &source, &options.evidence, err) < 0) {
		return -1;
	}
	struct kbs *kbs OWNED_KBS = NULL;
	if (kbs_open(&options, &kbs, err) < 0)
		return -1;
	return kbs_get(kbs, uri, ret_content, err);
}

static int get(const struct cli_args *args, struct err *err)
{
	struct kbs_target target OWNED_KBS_TARGET = KBS_TARGET_INIT;
	struct secret content OWNED_SECRET = SECRET_INIT;
	struct kbs_uri uri;
	if (!cli_given(args, "--token") == !cli_given(args, "--tee"))
		return err_set(
			err, ERR_USAGE,
			"a KBS gives resources to TEEs alone: give '--token FILE', from one, or '--tee TEE' on one");
	if (kbs_uri_parse(bytes_of_text(cli_operand(args, 0)), &uri, err) < 0 ||
	    kbs_target_read(args, &target, err) < 0 || fetch(args, &target, &uri, &content, err) < 0)
		return -1;
	if (file_write_fd(STDOUT_FILENO, secret_bytes(&content), err) < 0)
		return err_wrap(err, "standard output");
	return 0;
}

static const struct cli_option options[] = {
	KBS_TARGET_OPTIONS,
	{ .name = "--token",
	  .value = "FILE",
	  .text = "what a guest's attestation agent answers to a request for a token: token and key" },
	{ .name = "--tee",
	  .value = "TEE",
	  .text = "this machine is a TEE ('auto': which, is found out)",
	  .values = "auto " CLI_TEES },
	{ .name = NULL },
};

const struct cli_verb verb_kbs_get = {
	.words = { "kbs", "get" },
	.operands = "URI",
	.min_operands = 1,
	.max_operands = 1,
	.text = "print a resource, with the token of a TEE",
	.options = options,
	.run = get,
};
