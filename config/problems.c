/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Problems of a configuration file. The file may be the host's; the log replaces
 * its control bytes. The number of lines is capped, the count is not.
 */
#include "config/problems.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/log.h"

void problems_add(struct problems *problems, unsigned line, const char *key, const char *format, ...)
{
	char text[ERR_MESSAGE_MAX];
	char where[32] = "";
	va_list args;
	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	problems->count++;
	if (problems->count > PROBLEMS_TOLD_MAX)
		return;
	if (problems->sink.tell) {
		problems->sink.tell(problems->sink.arg, line, key, text);
		return;
	}
	if (line > 0)
		(void)snprintf(where, sizeof(where), "%u:", line);
	if (key)
		log_error("%s:%s key '%s': %s", problems->file, where, key, text);
	else
		log_error("%s:%s %s", problems->file, where, text);
}

int problems_result(const struct problems *problems, struct err *err)
{
	if (problems->count == 0)
		return 0;
	return err_set(err, ERR_CONFIG, "'%s' has %u problem%s%s", problems->file, problems->count,
		       problems->count == 1 ? "" : "s", problems->elsewhere ? "" : "; nothing was sent");
}
