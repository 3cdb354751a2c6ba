/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leveled logging to standard error, one line a call:
 * "<program>: <level>: <text>". Control bytes in the text become '?'.
 *
 * It cannot take a secret: a secret's bytes are `void *`, which no conversion of
 * printf accepts without a compiler warning, and warnings are errors here.
 */
#ifndef SEALPOD_BASE_LOG_H
#define SEALPOD_BASE_LOG_H

enum log_level {
	LOG_ERROR,
	LOG_WARNING,
	LOG_INFO,
	LOG_DEBUG,
};

/* Defaults: "sealpod", LOG_INFO. `program` must outlive all logging. */
void log_setup(const char *program, enum log_level most);

void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_line(LOG_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_WARNING, __VA_ARGS__)
#define log_info(...) log_line(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_DEBUG, __VA_ARGS__)

#endif
