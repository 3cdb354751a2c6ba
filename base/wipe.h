/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An allocator that wipes what it frees. OpenSSL, curl and cJSON get it, so
 * that the copies which they make of keys, tokens and plaintexts do not stay
 * in the heap. wipe_realloc() never lets the C library move bytes unwiped.
 */
#ifndef SEALPOD_BASE_WIPE_H
#define SEALPOD_BASE_WIPE_H

#include <stddef.h>

void *wipe_malloc(size_t size);
void *wipe_calloc(size_t count, size_t size);
void *wipe_realloc(void *p, size_t size);
char *wipe_strdup(const char *text);
void wipe_free(void *p);

/* Gives OpenSSL this allocator, and keeps it from reading its configuration
 * file. Call once, first thing, before OpenSSL is used. (base/json.c gives it to
 * cJSON, http_setup() to curl.) Aborts if OpenSSL has allocated already: that is
 * a defect, not a condition. */
void wipe_install(void);

#endif
