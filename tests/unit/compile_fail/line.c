/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compiled by run.sh, never linked: one call that takes a format, once with
 * what the command line names as ARGUMENT.
 */
#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "base/secret.h"

int show(const struct secret *secret, const char *text, struct buf *buf, struct err *err);

int show(const struct secret *secret, const char *text, struct buf *buf, struct err *err)
{
	(void)secret;
	(void)text;
	log_info("%s", ARGUMENT);
	(void)err_set(err, ERR_SYSTEM, "%s", ARGUMENT);
	(void)err_wrap(err, "%s", ARGUMENT);
	return buf_printf(buf, err, "%s", ARGUMENT);
}
