/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pages of the program file, by the program headers that the kernel handed over.
 *
 * Nobody controls the input but the linker. Must never touch a segment that is or
 * ever was writable: what was written to it would be lost.
 */
#include "base/pages.h"

#include <link.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

/* The first object is the program itself. */
static int give_back(struct dl_phdr_info *info, size_t size, void *arg)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	(void)size;
	(void)arg;
	for (unsigned i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
		if (segment->p_type != PT_LOAD || (segment->p_flags & PF_W))
			continue;
		uintptr_t from = (info->dlpi_addr + segment->p_vaddr) & ~(page - 1);
		uintptr_t to = (info->dlpi_addr + segment->p_vaddr + segment->p_filesz) & ~(page - 1);
		if (to > from)
			(void)madvise((void *)from, to - from, MADV_DONTNEED);
	}
	return 1;
}

void pages_give_back(void)
{
	(void)dl_iterate_phdr(give_back, NULL);
}
