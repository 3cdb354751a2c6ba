/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Users out of selectors. Numbers are the operator's text until they were read here; nothing else of a selector goes
 * into a manifest.
 */
#include "ctl/users.h"

#include <string.h>

#define NOBODY UINT32_MAX /* (uid_t)-1 is no user */

/* Decimal, without a sign or a leading zero; NOBODY for everything else. */
static uint32_t number_of(const char *text)
{
	uint64_t number = 0;
	size_t len = strlen(text);
	if (len == 0 || len > 10 || strspn(text, "0123456789") != len || (*text == '0' && len > 1))
		return NOBODY;
	for (size_t i = 0; i < len; i++)
		number = number * 10 + (uint64_t)(text[i] - '0');
	return number < NOBODY ? (uint32_t)number : NOBODY;
}

/* What follows `kind` in the first selector that begins with it. */
static uint32_t selected(const struct deployment_workload *workload, const char *kind)
{
	for (size_t i = 0; i < workload->selectors.count; i++)
		if (strncmp(workload->selectors.items[i], kind, strlen(kind)) == 0)
			return number_of(workload->selectors.items[i] + strlen(kind));
	return NOBODY;
}

int users_check_selector(const char *selector, struct err *err)
{
	static const char *const kinds[] = { "unix:uid:", "unix:gid:", "unix:supplementary_gid:" };
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (strncmp(selector, kinds[i], strlen(kinds[i])) == 0 &&
		    number_of(selector + strlen(kinds[i])) == NOBODY)
			return err_set(err, ERR_CONFIG, "'%.80s' matches nobody: write a number from 0 to 4294967294",
				       selector);
	return 0;
}

void users_of(const struct deployment *deployment, const struct deployment_class *class, struct users *ret_users)
{
	uint32_t user = NOBODY, group = NOBODY;
	for (size_t i = 0; i < class->workload_count && user == NOBODY; i++) {
		user = selected(&class->workloads[i], "unix:uid:");
		if (user != NOBODY || group == NOBODY)
			group = selected(&class->workloads[i], "unix:gid:");
	}
	*ret_users = (struct users){
		.agent = deployment->agent_uid < 0 ? USERS_AGENT : (uint32_t)deployment->agent_uid,
		.workload = user == NOBODY ? USERS_WORKLOAD : user,
	};
	ret_users->group = group == NOBODY ? ret_users->workload : group;
}

bool users_clash(const struct users *users, const struct deployment_workload *workload)
{
	uint32_t user = selected(workload, "unix:uid:");
	return (user == NOBODY ? users->workload : user) == users->agent;
}
