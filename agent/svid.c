/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `sealpod svid`: delivers SVIDs to files and keeps them fresh.
 *
 * Its configuration is the operator's, the Workload API's socket is the agent's.
 * With a program behind `--` this process stays its parent for its whole life, as
 * process 1 of a container perhaps. Must never leave while the threads run: they
 * use what exit(3) tears down.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/cli.h"
#include "config/config_fields.h"
#include "agent/harden.h"
#include "agent/source.h"
#include "agent/svid_check.h"
#include "agent/svid_loop.h"
#include "agent/svid_program.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "base/pages.h"
#include "base/toml.h"

#define ONCE_MS 60000

/* The members of a list, which were given one by one. */
static int add_list(struct buf *out, const struct cli_options *options, const char *key, struct err *err)
{
	for (size_t i = 0; i < options->setting_count; i++)
		if (strcmp(options->settings[i].key, key) == 0 &&
		    (toml_write_string(bytes_of_text(options->settings[i].value), out, err) < 0 ||
		     buf_append_byte(out, ',', err) < 0))
			return -1;
	return 0;
}

static int add_value(struct buf *out, const struct cli_options *options, const struct cli_setting *setting,
		     enum toml_type type, struct err *err)
{
	if (type == TOML_BOOL)
		return buf_append_text(out, "true", err);
	if (type == TOML_STRING)
		return toml_write_string(bytes_of_text(setting->value), out, err);
	if (type == TOML_INTEGER) {
		if (setting->value[strspn(setting->value, "0123456789")] != 0 || strlen(setting->value) > 18)
			return err_set(err, ERR_USAGE, "option for '%s': '%s' is no number", setting->key,
				       setting->value);
		/* TOML knows no zeros in front. */
		return buf_printf(out, err, "%lld", strtoll(setting->value, NULL, 10));
	}
	if (buf_append_byte(out, '[', err) < 0 || add_list(out, options, setting->key, err) < 0)
		return -1;
	return buf_append_byte(out, ']', err);
}

static bool came_before(const struct cli_options *options, size_t i)
{
	for (size_t j = 0; j < i; j++)
		if (strcmp(options->settings[j].key, options->settings[i].key) == 0)
			return true;
	return false;
}

/* The options as the table that they stand for, so that there is one reader and one set of rules. */
static int flags_as_toml(const struct cli_options *options, struct buf *out, struct err *err)
{
	if (buf_append_text(out, "[svid]\n", err) < 0)
		return -1;
	for (size_t i = 0; i < options->setting_count; i++) {
		const struct cli_setting *setting = &options->settings[i];
		const struct config_field *field =
			config_field_find(bytes_of_text("svid"), bytes_of_text(setting->key));
		if (came_before(options, i) && field->type == TOML_ARRAY)
			continue;
		if (buf_printf(out, err, "%s = ", setting->key) < 0 ||
		    add_value(out, options, setting, field->type, err) < 0 || buf_append_byte(out, '\n', err) < 0)
			return -1;
	}
	return 0;
}

static int read_settings(const struct cli_options *options, struct config *ret_config, struct err *err)
{
	OWNED_BUF struct buf flags = BUF_INIT(256u * 1024u);
	if (flags_as_toml(options, &flags, err) < 0)
		return -1;
	return config_read_svid(options->unmeasured_config, buf_bytes(&flags), ret_config, err);
}

static int parse_tokens(const struct svid_settings *settings, struct svid_token *tokens, size_t *ret_count,
			struct err *err)
{
	struct bytes member;
	size_t count = 0;
	for (const char *at = settings->jwt; count < SVID_TOKENS_MAX && svid_list_next(&at, &member); count++)
		if (svid_token_parse(member, &tokens[count], err) < 0)
			return -1;
	*ret_count = count;
	return 0;
}

static void tokens_done(struct svid_token *tokens)
{
	for (size_t i = 0; i < SVID_TOKENS_MAX; i++)
		svid_token_done(&tokens[i]);
}

/* A program that ran this long was well. */
#define WELL_MS 10000

static int start_program(void *arg, pid_t *ret_pid, struct err *err)
{
	const struct svid_loop *loop = arg;
	return svid_program_start(loop->command, true, ret_pid, err);
}

static bool is_again(void *arg, int status)
{
	const struct svid_loop *loop = arg;
	enum svid_restart restart = loop->settings->restart;
	return restart == SVID_RESTART_ALWAYS || (restart == SVID_RESTART_ON_FAILURE && status != 0);
}

static struct child wrapped_program(struct svid_loop *loop)
{
	return (struct child){
		.name = loop->command ? loop->command[0] : "",
		.start = loop->command ? start_program : NULL,
		.again = is_again,
		.arg = loop,
		.well_ms = WELL_MS,
		.backoff = BACKOFF_INIT,
	};
}

static int run_loop(struct svid_loop *loop, const struct svid_token *tokens, size_t token_count, const char *socket,
		    struct err *err)
{
	OWNED_SVID_FILES struct svid_files held = { .list = NULL };
	loop->state.settings = loop->settings;
	loop->state.tokens = tokens;
	loop->state.token_count = token_count;
	loop->child = wrapped_program(loop);
	loop->backoff = (struct backoff){ .base_ms = 250, .cap_ms = 15000 };
	if (svid_place_open(loop->settings, &loop->place, &held, err) < 0 ||
	    svid_writer_open(&loop->place, &loop->writer, err) < 0 ||
	    svid_tell_open(loop->settings, &loop->tell, err) < 0 || child_catch_signals(&loop->signal_fd, err) < 0 ||
	    svid_watch_start(loop->settings, tokens, token_count, socket, &loop->watch, err) < 0)
		return -1;
	svid_state_hold(&loop->state, &held);
	return svid_loop_run(loop, err);
}

static void loop_done(struct svid_loop *loop)
{
	svid_watch_free(loop->watch);
	svid_writer_close(&loop->writer);
	svid_state_done(&loop->state);
	svid_tell_close(&loop->tell);
	svid_place_close(&loop->place);
}

/* A thread has the files and the place, and waits for a disk: it is not waited for. What it leaves is no file under its
 * final name, and the next run takes it away. */
static _Noreturn void leave_at_once(int rc, struct svid_loop *loop, const struct err *err)
{
	svid_tell_close(&loop->tell);
	if (rc < 0)
		log_error("%s", err->message);
	_exit(rc < 0 ? err_exit_status(err) : loop->status);
}

static int deliver(const struct cli_options *options, const struct svid_settings *settings, struct err *err)
{
	struct svid_loop loop = {
		.settings = settings, .once = options->once, .place = SVID_PLACE_INIT, .writer = { .fd = -1 }
	};
	struct svid_token tokens[SVID_TOKENS_MAX] = { { .text = NULL } };
	size_t token_count = 0;
	const char *socket;
	loop.deadline = deadline_in(options->deadline_ms ? options->deadline_ms : ONCE_MS);
	loop.command = options->command;
	if (svid_settings_socket(settings, harden_inherited_variable("SPIFFE_ENDPOINT_SOCKET"), &socket, err) < 0 ||
	    parse_tokens(settings, tokens, &token_count, err) < 0) {
		tokens_done(tokens);
		return -1;
	}
	int rc = run_loop(&loop, tokens, token_count, socket, err);
	if (svid_writer_busy(&loop.writer))
		leave_at_once(rc, &loop, err);
	loop_done(&loop);
	tokens_done(tokens);
	if (rc < 0)
		return -1;
	exit(loop.status);
}

static int check_options(const struct cli_options *options, struct err *err)
{
	if (options->once && options->command)
		return err_set(err, ERR_USAGE, "'--once' and a program behind '--' do not go together");
	if (options->check && (options->once || options->command))
		return err_set(err, ERR_USAGE, "'--check' stands alone");
	if (options->deadline_ms && !options->once)
		return err_set(err, ERR_USAGE, "'--deadline' belongs to '--once'");
	return 0;
}

int verb_svid(const struct cli_options *options, struct err *err)
{
	struct config config OWNED_CONFIG = { 0 };
	/* Before and after the libraries start: neither the loader's tables nor their start is needed again. */
	pages_give_back();
	if (check_options(options, err) < 0 || source_setup(err) < 0)
		return -1;
	pages_give_back();
	if (read_settings(options, &config, err) < 0)
		return -1;
	if (options->check)
		return svid_check(&config.svid, err);
	if (options->unmeasured_config)
		log_info("the configuration '%s' is not measured: whoever can write it decides what is delivered where",
			 options->unmeasured_config);
	return deliver(options, &config.svid, err);
}
