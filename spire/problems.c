/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Collects the violations of one credential or bundle.
 *
 * The texts quote names out of certificates, which others wrote; err_set()
 * cleans them at the end. A wrong clock makes every certificate look bad, but
 * a bad certificate stays bad at any time: so one violation that is not about
 * time makes the whole ERR_CREDENTIAL.
 */
#include "spire/problems.h"

#include <stdio.h>
#include <string.h>

void spire_problem(struct spire_problems *problems, enum err_code code, const char *format, ...)
{
	if (problems->count++ == 0 || code == ERR_CREDENTIAL)
		problems->code = code;
	size_t used = strlen(problems->text);
	size_t room = sizeof(problems->text) - used;
	const char *joint = used > 0 ? "; " : "";
	char text[sizeof(problems->text)];
	va_list args;
	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (strlen(joint) + strlen(text) + 1 > room)
		problems->left_out++;
	else
		(void)snprintf(problems->text + used, room, "%s%s", joint, text);
}

int spire_problems_result(const struct spire_problems *problems, struct err *err)
{
	if (problems->count == 0)
		return 0;
	if (problems->count == 1 && problems->left_out == 0)
		return err_set(err, problems->code, "%s", problems->text);
	if (problems->left_out == 0)
		return err_set(err, problems->code, "%u problems: %s", problems->count, problems->text);
	return err_set(err, problems->code, "%u problems: %s; and %u more", problems->count, problems->text,
		       problems->left_out);
}
