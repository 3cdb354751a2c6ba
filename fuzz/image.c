/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctl/image: names, manifests, challenges and pull secrets as registries and others may have written
 * them. The first byte says which.
 */
#include <stdlib.h>
#include <string.h>

#include "ctl/image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void text_of(const uint8_t *data, size_t size, char out[2048])
{
	size = size < 2047 ? size : 2047;
	memcpy(out, data, size);
	out[size] = 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[2048];
	struct err err = { 0 };
	struct image_manifest manifest OWNED_MANIFEST = { .pcrs = NULL };
	struct image_challenge challenge;
	struct image_name name;
	OWNED_BUF struct buf auth = BUF_INIT(4096);
	if (size == 0)
		return 0;
	text_of(data + 1, size - 1, text);
	switch (data[0]) {
	case 'm':
		if (image_manifest_parse(bytes_of(data + 1, size - 1), &manifest, &err) == 0 &&
		    *manifest.platform_digest && strlen(manifest.platform_digest) != 71)
			abort();
		break;
	case 'c':
		if (image_challenge_parse(text, &challenge, &err) == 0 &&
		    (challenge.path[0] != '/' || strpbrk(challenge.path, " \r\n&#") ||
		     strpbrk(challenge.scope, " \r\n&#")))
			abort();
		break;
	case 'p':
		(void)!image_pull_secret(bytes_of(data + 1, size - 1), "registry.test", &auth, &err);
		break;
	default:
		if (image_name_parse(text, &name, &err) == 0 && (!*name.name || strpbrk(name.name, " \r\n?#")))
			abort();
	}
	return 0;
}
