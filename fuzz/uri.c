/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cdh-client/uri: nothing that is taken may leave the resource tree or end a
 * request line.
 */
#include <stdlib.h>
#include <string.h>

#include "cdh-client/uri.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kbs_uri uri;
	struct err err = { 0 };
	if (kbs_uri_parse(bytes_of(data, size), &uri, &err) < 0)
		return err.message[0] ? 0 : (abort(), 0);
	if (strncmp(uri.path, "/kbs/v0/resource/", 17) != 0 || strstr(uri.path, "/.") ||
	    strpbrk(uri.path, "%?# \r\n\\"))
		abort();
	return 0;
}
