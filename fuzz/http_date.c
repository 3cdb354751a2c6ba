/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/http_date: any bytes as a Date. What is taken is a time that is written the same way (but for the name of the
 * day, which nobody looks at, and for leap seconds).
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int64_t seconds = 0;
	char text[64] = "";
	struct tm parts;
	if (!http_date_parse(bytes_of(data, size), &seconds))
		return 0;
	time_t at = (time_t)seconds;
	bool leap = memcmp(data + 23, "60", 2) == 0;
	if (!gmtime_r(&at, &parts) || strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &parts) == 0 ||
	    size != 29)
		abort();
	/* Years before 1000 are written with fewer digits by some libraries. */
	if (!leap && data[12] != '0' && memcmp(text + 3, data + 3, 26) != 0)
		abort();
	return 0;
}
