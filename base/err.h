/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors by value.
 *
 * A function that can fail returns 0 or -1 and takes a `struct err *` as its
 * last parameter, which it fills on failure only. The caller owns the struct
 * (usually main's stack), adds context on the way up with err_wrap() and main
 * prints it once. Filling an error cannot fail and allocates nothing.
 *
 * ERR_TABLE is the only place that knows what a failure is called, which exit
 * status it leads to and whether trying again can heal it; the manual page and
 * `sealpod help exit-codes` are checked against it.
 */
#ifndef SEALPOD_BASE_ERR_H
#define SEALPOD_BASE_ERR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

enum {
	EXIT_CONFIG = 100,
	EXIT_TEE = 101,
	EXIT_DENIED = 102,
	EXIT_CREDENTIAL = 103,
	EXIT_CLOCK = 104,
	EXIT_TEMPORARY = 111,
	EXIT_CANNOT_EXEC = 126,
	EXIT_NOT_FOUND = 127,
};

/* X(symbol, name, exit status, worth a retry?, what it means) */
#define ERR_TABLE(X)                                                                                                   \
	X(ERR_USAGE, "usage", EXIT_CONFIG, false, "the command line is wrong")                                         \
	X(ERR_CONFIG, "configuration", EXIT_CONFIG, false, "the configuration is wrong")                               \
	X(ERR_TLS, "tls", EXIT_CONFIG, false, "the server's certificate is not signed by the pinned CA")               \
	X(ERR_NO_TEE, "no-tee", EXIT_TEE, false, "this is not a TEE, or not the wanted one")                           \
	X(ERR_BINDING, "binding", EXIT_TEE, false, "the report does not carry this init-data")                         \
	X(ERR_DENIED, "denied", EXIT_DENIED, false, "the KBS or its policy said no")                                   \
	X(ERR_CREDENTIAL, "credential", EXIT_CREDENTIAL, false, "the key material is unusable")                        \
	X(ERR_CLOCK, "clock", EXIT_CLOCK, false, "the clock is outside a certificate's or token's window")             \
	X(ERR_NETWORK, "network", EXIT_TEMPORARY, true, "the server could not be reached")                             \
	X(ERR_TIMEOUT, "timeout", EXIT_TEMPORARY, true, "the time ran out")                                            \
	X(ERR_SERVER, "server", EXIT_TEMPORARY, true, "the server is in trouble")                                      \
	X(ERR_PROTOCOL, "protocol", EXIT_TEMPORARY, false, "the server's answer makes no sense")                       \
	X(ERR_MISSING, "missing", EXIT_TEMPORARY, true, "a resource is missing or unreadable")                         \
	X(ERR_DEVICE, "device", EXIT_TEMPORARY, true, "a device is busy or broken")                                    \
	X(ERR_SYSTEM, "system", EXIT_TEMPORARY, false, "the operating system refused something")                       \
	X(ERR_EXEC, "exec", EXIT_CANNOT_EXEC, false, "the program could not be executed")                              \
	X(ERR_NOT_FOUND, "not-found", EXIT_NOT_FOUND, false, "the program was not found")

enum err_code {
	ERR_NONE = 0,
#define X(symbol, name, status, retry, text) symbol,
	ERR_TABLE(X)
#undef X
		ERR_COUNT_
};

/* Longest message, terminator included; longer ones end in "...". */
#define ERR_MESSAGE_MAX 1024

struct err {
	enum err_code code;
	int sys_errno; /* 0 where no system call was the cause */
	char message[ERR_MESSAGE_MAX];
};

struct err_info {
	enum err_code code;
	const char *name; /* stable, for machines */
	int exit_status;
	bool retry;
	const char *text;
};

#define WARN_UNUSED __attribute__((warn_unused_result))

/* Each returns -1, so that `return err_set(err, …)` reads well. Control bytes
 * in the result are replaced by '?': a message may quote hostile text. `err`
 * may be NULL. */
int err_set(struct err *err, enum err_code code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Like err_set(), with ": <strerror>" and errno recorded. */
int err_set_errno(struct err *err, enum err_code code, int sys_errno, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* Puts "<context>: " in front of the message. */
int err_wrap(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* So that compilers know the value, too: else they warn of out-parameters that are not set on a failure. */
#define err_set(...) (err_set(__VA_ARGS__), -1)
#define err_set_errno(...) (err_set_errno(__VA_ARGS__), -1)
#define err_wrap(...) (err_wrap(__VA_ARGS__), -1)

/* Never NULL; an unknown code (from a foreign process, say) yields "system". */
const struct err_info *err_info(enum err_code code);

/* The i-th row of the table, NULL past its end: for printing it. */
const struct err_info *err_row(size_t i);

int err_exit_status(const struct err *err);
bool err_may_retry(const struct err *err);

#endif
