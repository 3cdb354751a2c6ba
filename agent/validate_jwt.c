/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `sealpod validate-jwt`: is this token good for that audience, and whose is it?
 *
 * The token comes from a stranger and is not looked into here: the agent, which has
 * the trust domains' keys, is asked. It may be a bearer's for anybody who reads it,
 * so it comes on standard input, stays in guarded memory and is never quoted.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/cli.h"
#include "agent/harden.h"
#include "agent/source.h"
#include "base/cleanup.h"
#include "config/svid_settings.h"
#include "spire/id.h"
#include "spire/workload.h"

#define TOKEN_MAX (64u * 1024u)
#define DEADLINE_MS 10000

static int read_token(struct secret *ret_token, struct err *err)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.";
	if (secret_read_fd(ret_token, STDIN_FILENO, TOKEN_MAX, err) < 0)
		return err_wrap(err, "the token on standard input");
	const char *text = ret_token->data;
	while (ret_token->len > 0 && strchr(" \t\r\n", text[ret_token->len - 1]))
		ret_token->len--;
	if (ret_token->len == 0)
		return err_set(err, ERR_USAGE, "there is no token on standard input");
	/* Above all no NUL, behind which the agent would not see what others may. */
	for (size_t i = 0; i < ret_token->len; i++)
		if (!text[i] || !strchr(letters, text[i]))
			return err_set(err, ERR_DENIED, "what stands on standard input is no JWT");
	return 0;
}

/* What the agent says of the token is not what it says of us. */
static int refused(const struct grpc_status *status, const char *audience, struct err *err)
{
	if (!status->from_server)
		return -1;
	if (status->code == GRPC_INVALID_ARGUMENT)
		return err_set(err, ERR_DENIED, "the token is not valid for '%.200s': %s", audience, status->message);
	if (status->code == GRPC_PERMISSION_DENIED)
		return err_set(err, ERR_MISSING,
			       "the agent refuses this caller, perhaps because it has no registration entry: %s",
			       status->message);
	return -1;
}

static int validate(const char *socket, const char *audience, const struct deadline *deadline, struct buf *ret_id,
		    struct err *err)
{
	OWNED_SECRET struct secret token = SECRET_INIT;
	OWNED_WORKLOAD struct workload *workload = NULL;
	struct grpc_status status;
	if (read_token(&token, err) < 0 || workload_open(socket, NULL, &workload, err) < 0)
		return -1;
	if (workload_validate_jwt(workload, audience, &token, deadline, ret_id, &status, err) < 0)
		return refused(&status, audience, err);
	return 0;
}

int verb_validate_jwt(const struct cli_options *options, struct err *err)
{
	const struct svid_settings settings = { .socket = (char *)(uintptr_t)options->socket };
	struct deadline deadline = deadline_in(options->deadline_ms ? options->deadline_ms : DEADLINE_MS);
	OWNED_BUF struct buf id = BUF_INIT(SPIRE_ID_MAX);
	const char *socket;
	if (source_setup(err) < 0 ||
	    svid_settings_socket(&settings, harden_inherited_variable("SPIFFE_ENDPOINT_SOCKET"), &socket, err) < 0 ||
	    validate(socket, options->operand, &deadline, &id, err) < 0)
		return -1;
	(void)printf("%s\n", buf_text(&id));
	return 0;
}
