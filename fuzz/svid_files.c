/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent/svid_files: any bytes as the list that lies beside delivered files. What is
 * taken is printed as it was, and names nothing but files in the directory.
 */
#include <stdlib.h>
#include <string.h>

#include "agent/svid_files.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	OWNED_SVID_FILES struct svid_files files = { .list = NULL };
	OWNED_SVID_FILES struct svid_files again = { .list = NULL };
	OWNED_BUF struct buf text = BUF_INIT(1u << 20);
	struct err err = { 0 };
	if (size > 65536)
		return 0;
	if (svid_files_parse_list(bytes_of(data, size), &files, &err) < 0) {
		if (err.code != ERR_CREDENTIAL || files.list)
			abort();
		return 0;
	}
	for (size_t i = 0; i < files.count; i++)
		if (files.list[i].name[0] == '.' || strchr(files.list[i].name, '/'))
			abort();
	if (svid_files_print_list(&files, &text, NULL) < 0 ||
	    svid_files_parse_list(buf_bytes(&text), &again, NULL) < 0 || again.count != files.count ||
	    !svid_files_same_names(&files, &again))
		abort();
	return 0;
}
