/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `sealpod health`: is the supervised agent at work? For probes and people.
 *
 * Runs beside the supervisor, perhaps as another user. Believes of the status
 * file where the socket is and when the credential ends; whether somebody serves
 * there it tries itself. Changes nothing.
 */
#include <time.h>

#include "agent/cli.h"
#include "agent/status.h"

#define DEFAULT_DIR "/run/sealpod"
#define MARGIN_MS 600000

int verb_health(const struct cli_options *options, struct err *err)
{
	struct buf socket OWNED_BUF = BUF_INIT(1024);
	int64_t ends;
	int64_t margin = (options->margin_ms ? options->margin_ms : MARGIN_MS) / 1000;
	if (status_read(options->operand ? options->operand : DEFAULT_DIR, &socket, &ends, err) < 0 ||
	    status_connect(buf_text(&socket), err) < 0)
		return -1;
	int64_t left = ends - (int64_t)time(NULL);
	if (left <= 0)
		return err_set(err, ERR_MISSING, "the credential has expired %lld s ago and is not renewed",
			       (long long)-left);
	if (left <= margin)
		return err_set(
			err, ERR_MISSING,
			"the credential ends in %lld s, which is within the margin of %lld s, and is not renewed",
			(long long)left, (long long)margin);
	return 0;
}
