/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `sealpod unseal [FILE]`: the plaintext of a sealed secret on standard output.
 *
 * The text comes from Kubernetes, that is from whom nobody trusts; its signature is
 * checked with the configured key before anything is fetched. Must write nothing
 * unless the whole plaintext is there.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "agent/cli.h"
#include "agent/overseer.h"
#include "agent/startup.h"
#include "base/file.h"
#include "cdh-client/sealed.h"

/* White space around it, as editors and kubectl leave it, is no part of the text. */
static struct bytes trimmed(struct bytes text)
{
	while (text.len > 0 &&
	       (text.data[text.len - 1] == '\n' || text.data[text.len - 1] == '\r' || text.data[text.len - 1] == ' '))
		text.len--;
	return text;
}

static int read_input(const char *path, struct secret *ret_text, struct err *err)
{
	bool from_file = path && !(path[0] == '-' && path[1] == 0);
	int opened OWNED_FD = from_file ? open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY) : -1;
	if (from_file && opened < 0)
		return err_set_errno(err, ERR_USAGE, errno, "cannot open '%s'", path);
	if (secret_read_fd(ret_text, from_file ? opened : STDIN_FILENO, SEALED_MAX, err) < 0)
		return err_wrap(err, "'%s'", from_file ? path : "standard input");
	if (!sealed_is(secret_bytes(ret_text)))
		return err_set(err, ERR_CREDENTIAL, "'%s' is no sealed secret: it does not begin with 'sealed.'",
			       from_file ? path : "standard input");
	return 0;
}

static int unseal(const struct startup *startup, const struct order *order, struct bytes sealed, struct err *err)
{
	struct source source OWNED_SOURCE = SOURCE_INIT;
	struct secret plain OWNED_SECRET = SECRET_INIT;
	if (startup_open_source(startup, order, &source, err) < 0 || source_unseal(&source, sealed, &plain, err) < 0)
		return -1;
	if (file_write_fd(STDOUT_FILENO, secret_bytes(&plain), err) < 0)
		return err_wrap(err, "standard output");
	return 0;
}

static int work(int fd, void *arg, struct err *err)
{
	const struct order *order = arg;
	struct startup startup OWNED_STARTUP = { .initdata = NULL };
	struct secret text OWNED_SECRET = SECRET_INIT;
	if (source_setup(err) < 0 || read_input(order->options->operand, &text, err) < 0 ||
	    startup_read(order, CONFIG_KBS, &startup, err) < 0)
		return -1;
	struct handoff_plan plan = { .deadline = startup.deadline };
	if (handoff_send_plan(fd, &plan, err) < 0 || handoff_await_go(fd, err) < 0 ||
	    unseal(&startup, order, trimmed(secret_bytes(&text)), err) < 0)
		return -1;
	return handoff_send_done(fd, err);
}

int verb_unseal(const struct cli_options *options, struct err *err)
{
	return overseer_run(options, work, err);
}
