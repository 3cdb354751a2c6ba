/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random names and bytes, from the kernel by way of libsodium. Nobody controls the input
 * but the kernel; a host that knows the names gains nothing.
 */
#include "base/random.h"

#include <sodium.h>

void random_name(char *out, size_t size)
{
	static const char digits[] = "0123456789abcdef";
	if (size > 0)
		randombytes_buf(out, size - 1); /* one call of the kernel, whatever the length */
	for (size_t i = 0; i + 1 < size; i++)
		out[i] = digits[(unsigned char)out[i] % 16];
	if (size > 0)
		out[size - 1] = 0;
}

void random_fill(void *out, size_t len)
{
	randombytes_buf(out, len);
}
