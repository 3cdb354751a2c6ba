/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The wiping allocator.
 *
 * Sizes come from the libraries that allocate, which parse what hosts and
 * servers send. malloc_usable_size() tells how much to wipe, so no header of our
 * own is needed in front of each block. Must never hand memory back unwiped,
 * which is why realloc() is not used.
 */
#include "base/wipe.h"

#include <malloc.h>
#include <openssl/crypto.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

void *wipe_malloc(size_t size)
{
	return malloc(size);
}

void *wipe_calloc(size_t count, size_t size)
{
	return calloc(count, size);
}

/* Where the compiler sees which size was asked for (inlining, link-time
 * optimisation), _FORTIFY_SOURCE takes the use of the whole block for an
 * overflow and aborts: so it must not see. */
static void *of_unseen_size(void *p)
{
	__asm__("" : "+r"(p));
	return p;
}

void wipe_free(void *p)
{
	if (!p)
		return;
	p = of_unseen_size(p);
	explicit_bzero(p, malloc_usable_size(p));
	free(p);
}

void *wipe_realloc(void *p, size_t size)
{
	if (!p)
		return malloc(size);
	if (size == 0) {
		wipe_free(p);
		return NULL;
	}
	p = of_unseen_size(p);
	size_t old = malloc_usable_size(p);
	if (size <= old && size > old / 2)
		return p;
	void *bigger = malloc(size);
	if (!bigger)
		return NULL;
	memcpy(bigger, p, old < size ? old : size);
	wipe_free(p);
	return bigger;
}

char *wipe_strdup(const char *text)
{
	size_t size = strlen(text) + 1;
	char *copy = malloc(size);
	return copy ? memcpy(copy, text, size) : NULL;
}

static void *openssl_malloc(size_t size, const char *file, int line)
{
	(void)file;
	(void)line;
	return wipe_malloc(size);
}

static void *openssl_realloc(void *p, size_t size, const char *file, int line)
{
	(void)file;
	(void)line;
	return wipe_realloc(p, size);
}

static void openssl_free(void *p, const char *file, int line)
{
	(void)file;
	(void)line;
	wipe_free(p);
}

void wipe_install(void)
{
	if (CRYPTO_set_mem_functions(openssl_malloc, openssl_realloc, openssl_free) != 1)
		abort();
	/* The configuration file could load engines and change defaults. */
	if (OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) != 1)
		abort();
}
