/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values shown to people or to machines.
 *
 * Keys and labels are ours, values may be the host's. Must never write a byte to a terminal
 * that is no printable ASCII, nor cut a value for machines.
 */
#include "base/sheet.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cursor.h"
#include "base/encode.h"
#include "base/file.h"

#define LABEL_WIDTH 24
#define HEX_PER_LINE 32 /* bytes */
#define TEXT_MAX 2048

/* Keeps the first failure; its own error struct is filled by the calls below. */
static void keep(struct sheet *sheet, int result)
{
	sheet->failed = sheet->failed || result < 0;
}

void sheet_start(struct sheet *sheet, bool for_machines)
{
	*sheet = (struct sheet){ .for_machines = for_machines, .text = BUF_INIT(SHEET_MAX) };
	if (!for_machines)
		return;
	keep(sheet, json_new_object(&sheet->document, &sheet->err));
	sheet->stack[0] = sheet->document;
}

void sheet_done(struct sheet *sheet)
{
	buf_done(&sheet->text);
	json_free(sheet->document);
	sheet->document = NULL;
}

static struct json *top(struct sheet *sheet)
{
	return sheet->stack[sheet->depth];
}

static bool can_go_deeper(struct sheet *sheet)
{
	if (!sheet->failed && sheet->depth + 1 >= SHEET_DEPTH)
		keep(sheet,
		     err_set(&sheet->err, ERR_SYSTEM, "a sheet with more than %d sections in each other", SHEET_DEPTH));
	return !sheet->failed;
}

static void put_heading(struct sheet *sheet, const char *heading)
{
	if (heading)
		keep(sheet, buf_printf(&sheet->text, &sheet->err, "%*s%s\n", (int)(2 * sheet->indent[sheet->depth]), "",
				       heading));
}

static void open_section(struct sheet *sheet, const char *key, const char *heading, bool list)
{
	struct json *child = NULL;
	if (!can_go_deeper(sheet))
		return;
	if (sheet->for_machines)
		keep(sheet, list ? json_add_array(top(sheet), key, &child, &sheet->err)
				 : json_add_object(top(sheet), key, &child, &sheet->err));
	else
		put_heading(sheet, heading);
	unsigned indent = sheet->indent[sheet->depth] + (heading ? 1 : 0);
	sheet->depth++;
	sheet->stack[sheet->depth] = child;
	sheet->indent[sheet->depth] = indent;
}

void sheet_begin(struct sheet *sheet, const char *key, const char *heading)
{
	open_section(sheet, key, heading, false);
}

void sheet_begin_list(struct sheet *sheet, const char *key, const char *heading)
{
	open_section(sheet, key, heading, true);
}

void sheet_end(struct sheet *sheet)
{
	if (!sheet->failed && sheet->depth > 0)
		sheet->depth--;
}

/* Label and value of a row; further lines of the value stand below its first. */
static void put_row(struct sheet *sheet, const char *label, const char *value)
{
	int indent = (int)(2 * sheet->indent[sheet->depth]);
	keep(sheet,
	     buf_printf(&sheet->text, &sheet->err, "%*s%-*s %s\n", indent, "", LABEL_WIDTH - indent, label, value));
}

/* A terminal obeys control bytes; the high bit may be UTF-8. */
static void tame(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			*text = '.';
}

static bool wants(const struct sheet *sheet, const char *key, const char *label)
{
	return !sheet->failed && (sheet->for_machines ? key : label);
}

void sheet_text(struct sheet *sheet, const char *key, const char *label, const char *format, ...)
{
	char text[TEXT_MAX];
	va_list args;
	if (!wants(sheet, key, label))
		return;
	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (sheet->for_machines) {
		keep(sheet, json_add_string(top(sheet), key, text, &sheet->err));
	} else {
		tame(text);
		put_row(sheet, label, text);
	}
}

void sheet_number(struct sheet *sheet, const char *key, const char *label, uint64_t value)
{
	if (!wants(sheet, key, label))
		return;
	if (sheet->for_machines)
		keep(sheet, json_add_u64(top(sheet), key, value, &sheet->err));
	else
		sheet_text(sheet, key, label, "%llu", (unsigned long long)value);
}

void sheet_bool(struct sheet *sheet, const char *key, const char *label, bool value)
{
	if (!wants(sheet, key, label))
		return;
	if (sheet->for_machines)
		keep(sheet, json_add_bool(top(sheet), key, value, &sheet->err));
	else
		put_row(sheet, label, value ? "yes" : "no");
}

static void put_hex_lines(struct sheet *sheet, const char *label, struct bytes bytes)
{
	for (size_t at = 0; at < bytes.len; at += HEX_PER_LINE) {
		OWNED_BUF struct buf line = BUF_INIT(2 * HEX_PER_LINE);
		size_t len = bytes.len - at < HEX_PER_LINE ? bytes.len - at : HEX_PER_LINE;
		keep(sheet, hex_encode(bytes_of(bytes.data + at, len), &line, &sheet->err));
		put_row(sheet, at ? "" : label, buf_text(&line));
	}
}

void sheet_hex(struct sheet *sheet, const char *key, const char *label, struct bytes bytes)
{
	if (!wants(sheet, key, label))
		return;
	if (sheet->for_machines) {
		OWNED_BUF struct buf hex = BUF_INIT(SHEET_MAX);
		keep(sheet, hex_encode(bytes, &hex, &sheet->err));
		if (!sheet->failed)
			keep(sheet, json_add_string(top(sheet), key, buf_text(&hex), &sheet->err));
	} else if (bytes_are_zero(bytes)) {
		sheet_text(sheet, key, label, "zero (%zu bytes)", bytes.len);
	} else {
		put_hex_lines(sheet, label, bytes);
	}
}

static void make_plain(struct sheet *sheet, struct bytes text, struct buf *shown)
{
	for (size_t i = 0; i < text.len && !sheet->failed; i++) {
		bool plain =
			(text.data[i] >= 0x20 && text.data[i] < 0x7F) || (sheet->for_machines && text.data[i] == '\n');
		keep(sheet, buf_append_byte(shown, plain ? text.data[i] : '.', &sheet->err));
	}
}

void sheet_foreign(struct sheet *sheet, const char *key, const char *label, struct bytes text)
{
	OWNED_BUF struct buf shown = BUF_INIT(SHEET_MAX);
	if (!wants(sheet, key, label))
		return;
	make_plain(sheet, text, &shown);
	if (sheet->for_machines)
		keep(sheet, json_add_string(top(sheet), key, buf_text(&shown), &sheet->err));
	else
		put_row(sheet, label, buf_text(&shown));
}

static void put_texts(struct sheet *sheet, const char *label, char *const *texts, size_t count)
{
	OWNED_BUF struct buf all = BUF_INIT(SHEET_MAX);
	for (size_t i = 0; i < count && !sheet->failed; i++)
		keep(sheet, buf_printf(&all, &sheet->err, "%s%s", i > 0 ? ", " : "", texts[i]));
	sheet_foreign(sheet, NULL, label, buf_bytes(&all));
}

void sheet_texts(struct sheet *sheet, const char *key, const char *label, char *const *texts, size_t count)
{
	struct json *list = NULL;
	if (!wants(sheet, key, label) || count == 0)
		return;
	if (!sheet->for_machines) {
		put_texts(sheet, label, texts, count);
		return;
	}
	keep(sheet, json_add_array(top(sheet), key, &list, &sheet->err));
	for (size_t i = 0; i < count && !sheet->failed; i++) {
		OWNED_BUF struct buf shown = BUF_INIT(SHEET_MAX);
		make_plain(sheet, bytes_of_text(texts[i]), &shown);
		keep(sheet, sheet->failed ? -1 : json_add_string(list, NULL, buf_text(&shown), &sheet->err));
	}
}

void sheet_json(struct sheet *sheet, const char *key, const char *label, const struct json *value)
{
	OWNED_BUF struct buf text = BUF_INIT(SHEET_MAX);
	struct json *copy = NULL;
	if (!wants(sheet, key, label) || !value)
		return;
	keep(sheet, json_print(value, &text, &sheet->err));
	if (!sheet->for_machines) {
		sheet_foreign(sheet, key, label, buf_bytes(&text));
		return;
	}
	keep(sheet, sheet->failed ? -1 : json_parse(buf_bytes(&text), SHEET_MAX, &copy, &sheet->err));
	keep(sheet, sheet->failed ? -1 : json_add(top(sheet), key, copy, &sheet->err));
}

static void put_words(struct sheet *sheet, const char *label, uint64_t raw, const struct sheet_bit *bits, size_t count,
		      uint64_t unknown)
{
	OWNED_BUF struct buf words = BUF_INIT(TEXT_MAX);
	keep(sheet, buf_printf(&words, &sheet->err, "0x%llx", (unsigned long long)raw));
	for (size_t i = 0; i < count && !sheet->failed; i++) {
		const char *word = bits[i].value ? bits[i].words_set : bits[i].words_clear;
		if (word)
			keep(sheet, buf_printf(&words, &sheet->err, ", %s", word));
	}
	if (unknown)
		keep(sheet, buf_printf(&words, &sheet->err, ", unknown bits 0x%llx", (unsigned long long)unknown));
	put_row(sheet, label, buf_text(&words));
}

void sheet_bits(struct sheet *sheet, const char *key, const char *label, uint64_t raw, const struct sheet_bit *bits,
		size_t count, uint64_t unknown)
{
	if (!wants(sheet, key, label))
		return;
	if (!sheet->for_machines) {
		put_words(sheet, label, raw, bits, count, unknown);
		return;
	}
	sheet_begin(sheet, key, NULL);
	sheet_text(sheet, "raw", NULL, "0x%llx", (unsigned long long)raw);
	for (size_t i = 0; i < count; i++)
		sheet_bool(sheet, bits[i].key, NULL, bits[i].value);
	sheet_text(sheet, "unknown", NULL, "0x%llx", (unsigned long long)unknown);
	sheet_end(sheet);
}

int sheet_write(struct sheet *sheet, struct buf *out, struct err *err)
{
	if (!sheet->failed && sheet->for_machines) {
		keep(sheet, json_print(sheet->document, &sheet->text, &sheet->err));
		keep(sheet, sheet->failed ? -1 : buf_append_byte(&sheet->text, '\n', &sheet->err));
	}
	if (sheet->failed) {
		if (err)
			*err = sheet->err;
		return -1;
	}
	return buf_append(out, buf_bytes(&sheet->text), err);
}

int sheet_print(struct sheet *sheet, struct err *err)
{
	struct buf out OWNED_BUF = BUF_INIT(SHEET_MAX);
	if (sheet_write(sheet, &out, err) < 0)
		return -1;
	if (file_write_fd(STDOUT_FILENO, buf_bytes(&out), err) < 0)
		return err_wrap(err, "standard output");
	return 0;
}
