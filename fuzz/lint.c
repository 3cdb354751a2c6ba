/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctl/lint: an init-data document that somebody gave to the operator. What is found is counted and printed
 * alike.
 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "ctl/lint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t count(const char *text, const char *word)
{
	size_t found = 0;
	for (const char *at = text; (at = strstr(at, word)) != NULL; at += strlen(word))
		found++;
	return found;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const tees[] = { "tdx", "az-snp-vtpm" };
	const struct lint_target target = { .tees = tees, .tee_count = 2 };
	OWNED_INITDATA struct initdata *doc = NULL;
	OWNED_BUF struct buf text = BUF_INIT(8u << 20);
	struct sheet sheet CLEANUP(sheet_done) = { 0 };
	struct lint lint = { .sheet = &sheet };
	struct err err = { 0 };
	log_setup("fuzz", LOG_ERROR);
	if (initdata_parse(bytes_of(data, size), &doc, &err) < 0)
		return 0;
	sheet_start(&sheet, true);
	sheet_begin_list(&sheet, "findings", NULL);
	lint_initdata(&lint, doc, &target);
	sheet_end(&sheet);
	if (sheet_write(&sheet, &text, &err) < 0 || count(buf_text(&text), "\"level\":") != lint.errors + lint.warnings)
		abort();
	return 0;
}
