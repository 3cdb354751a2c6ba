/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leveled logging to standard error. Texts quote what hosts and servers say, so
 * control bytes never pass; a line is one write(2), so that parent and worker
 * do not mix theirs.
 */
#include "base/log.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

static const char *program_name = "sealpod";
static enum log_level most_level = LOG_INFO;

static const char *const level_names[] = {
	[LOG_ERROR] = "error",
	[LOG_WARNING] = "warning",
	[LOG_INFO] = "info",
	[LOG_DEBUG] = "debug",
};

void log_setup(const char *program, enum log_level most)
{
	program_name = program;
	most_level = most;
}

void log_line(enum log_level level, const char *format, ...)
{
	if (level > most_level)
		return;
	char line[2048];
	int wanted = snprintf(line, sizeof(line), "%s: %s: ", program_name, level_names[level]);
	size_t head = wanted < 0 ? 0 : (size_t)wanted;
	if (head > sizeof(line) - 2)
		head = sizeof(line) - 2;
	va_list args;
	va_start(args, format);
	int body = vsnprintf(line + head, sizeof(line) - head, format, args);
	va_end(args);
	size_t len = head + (body < 0 ? 0 : (size_t)body);
	if (len > sizeof(line) - 2)
		len = sizeof(line) - 2;
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
			line[i] = '?';
	line[len] = '\n';
	ssize_t ignored = write(STDERR_FILENO, line, len + 1);
	(void)ignored; /* there is nowhere left to say so */
}
