/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctl/show: any file in, shown in both forms. What one form can show, the other must too, and
 * the table must hold printable bytes alone.
 */
#include <stdio.h>
#include <stdlib.h>

#include "attest/show.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_LEN (1u << 17)

static void expect(bool truth, const char *what)
{
	if (truth)
		return;
	(void)fprintf(stderr, "broken: %s\n", what);
	abort();
}

static bool show(struct bytes content, const struct show_kind *kind, bool for_machines)
{
	struct sheet sheet CLEANUP(sheet_done) = { 0 };
	struct err err = { 0 };
	sheet_start(&sheet, for_machines);
	if (kind->show(content, &sheet, &err) < 0) {
		expect(err.message[0] != 0, "a failure without its message");
		return false;
	}
	expect(!sheet.failed || for_machines, sheet.err.message);
	expect(sheet.failed || sheet.depth == 0, "a section stays open");
	for (size_t i = 0; i < sheet.text.len; i++)
		expect(sheet.text.data[i] == '\n' || (sheet.text.data[i] >= 0x20 && sheet.text.data[i] < 0x7F),
		       "a control byte for the terminal");
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes content = bytes_of(data, size);
	const struct show_kind *kind = size <= MAX_LEN ? show_find(content) : NULL;
	if (!kind)
		return 0;
	expect(show(content, kind, false) == show(content, kind, true), "the two forms do not agree");
	return 0;
}
