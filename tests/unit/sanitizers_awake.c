/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does on purpose what a sanitizer must report. Registered as tests that are
 * expected to fail: if they pass, no other test of that build proves anything.
 * With "nothing" it must succeed: so it is the deed that fails, not the start.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int read_past_the_end(void)
{
	volatile char *p = malloc(10);
	volatile size_t at = 10;
	return p ? p[at] & 0 : 0;
}

static int shift_too_far(void)
{
	volatile int by = 40;
	return (1 << by) & 0;
}

int main(int argc, char **argv)
{
	const char *deed = argc == 2 ? argv[1] : "nothing";
	if (strcmp(deed, "address") == 0)
		return read_past_the_end();
	if (strcmp(deed, "undefined") == 0)
		return shift_too_far();
	(void)printf("nothing done\n");
	return 0;
}
