/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors by value: filling, wrapping, and the table behind them.
 *
 * Messages quote text that the host or a server controls; so control bytes
 * never pass (they could forge log lines or move a terminal's cursor). Nothing
 * here allocates or fails.
 */
#include "base/err.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

static const struct err_info table[] = {
#define X(symbol, name, status, retry, text) { symbol, name, status, retry, text },
	ERR_TABLE(X)
#undef X
};

#define TABLE_LEN (sizeof(table) / sizeof(table[0]))

static void clean(char *text)
{
	for (unsigned char *p = (unsigned char *)text; *p; p++)
		if (*p < 0x20 || *p == 0x7f)
			*p = '?';
}

static void mark_cut(char *text, size_t size, int wanted)
{
	if (wanted >= 0 && (size_t)wanted >= size)
		memcpy(text + size - 4, "...", 4);
}

__attribute__((format(printf, 4, 0))) static void fill(struct err *err, enum err_code code, int sys_errno,
						       const char *format, va_list args)
{
	char text[ERR_MESSAGE_MAX]; /* the arguments may point into *err */
	int wanted = vsnprintf(text, sizeof(text), format, args);
	mark_cut(text, sizeof(text), wanted);
	clean(text);
	err->code = code;
	err->sys_errno = sys_errno;
	memcpy(err->message, text, sizeof(text));
}

/* The parentheses keep the macros of these names away. */
int(err_set)(struct err *err, enum err_code code, const char *format, ...)
{
	if (!err)
		return -1;
	va_list args;
	va_start(args, format);
	fill(err, code, 0, format, args);
	va_end(args);
	return -1;
}

int(err_set_errno)(struct err *err, enum err_code code, int sys_errno, const char *format, ...)
{
	if (!err)
		return -1;
	va_list args;
	va_start(args, format);
	fill(err, code, sys_errno, format, args);
	va_end(args);
	size_t used = strlen(err->message);
	int wanted = snprintf(err->message + used, sizeof(err->message) - used, ": %s", strerror(sys_errno));
	mark_cut(err->message + used, sizeof(err->message) - used, wanted < 4 ? -1 : wanted);
	return -1;
}

int(err_wrap)(struct err *err, const char *format, ...)
{
	if (!err)
		return -1;
	struct err inner = *err;
	va_list args;
	va_start(args, format);
	fill(err, inner.code, inner.sys_errno, format, args);
	va_end(args);
	size_t used = strlen(err->message);
	size_t room = sizeof(err->message) - used;
	int wanted = snprintf(err->message + used, room, ": %s", inner.message);
	if (room >= 4)
		mark_cut(err->message + used, room, wanted);
	return -1;
}

const struct err_info *err_info(enum err_code code)
{
	static const struct err_info unknown = { ERR_SYSTEM, "system", EXIT_TEMPORARY, false, "unknown failure" };
	for (size_t i = 0; i < TABLE_LEN; i++)
		if (table[i].code == code)
			return &table[i];
	return &unknown;
}

const struct err_info *err_row(size_t i)
{
	return i < TABLE_LEN ? &table[i] : NULL;
}

int err_exit_status(const struct err *err)
{
	return err_info(err->code)->exit_status;
}

bool err_may_retry(const struct err *err)
{
	return err_info(err->code)->retry;
}
