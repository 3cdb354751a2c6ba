/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names that nobody else has. (Keys and nonces are made by OpenSSL.)
 */
#ifndef SEALPOD_BASE_RANDOM_H
#define SEALPOD_BASE_RANDOM_H

#include <stddef.h>

/* Fills `out` with size - 1 random hexadecimal digits and a NUL. */
void random_name(char *out, size_t size);

/* For secrets that are not keys of an algorithm. */
void random_fill(void *out, size_t len);

#endif
