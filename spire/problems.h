/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A list of what is wrong with one object, so that its owner can mend all of it
 * in one go. Adding cannot fail; what does not fit is counted.
 */
#ifndef SEALPOD_SPIRE_PROBLEMS_H
#define SEALPOD_SPIRE_PROBLEMS_H

#include "base/err.h"

struct spire_problems {
	unsigned count;
	unsigned left_out;  /* of them: without their text */
	enum err_code code; /* ERR_CLOCK only while all of them are */
	char text[ERR_MESSAGE_MAX - 128];
};

#define SPIRE_PROBLEMS_INIT                                                                                            \
	{                                                                                                              \
		.count = 0                                                                                             \
	}

/* `code` is ERR_CREDENTIAL or ERR_CLOCK. */
void spire_problem(struct spire_problems *problems, enum err_code code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* 0 if there are none, else -1 with all of them in one message. */
int spire_problems_result(const struct spire_problems *problems, struct err *err) WARN_UNUSED;

#endif
