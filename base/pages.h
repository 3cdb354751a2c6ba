/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The program's own pages in memory.
 */
#ifndef SEALPOD_BASE_PAGES_H
#define SEALPOD_BASE_PAGES_H

/* Gives back the program's read-only pages (code, constants, the loader's tables), which are read
 * from the file again as far as they are needed. For a process that stays: what only its start needed does
 * not stay with it. Changes nothing but memory and time. */
void pages_give_back(void);

#endif
