/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Event logs and the ACPI table CCEL on a sheet: each event, and the registers that the log
 * replays to. Data of events are the firmware's and the host's; only what looks like text is
 * shown as such.
 */
#include "attest/eventlog.h"

#include <stdio.h>
#include <string.h>

#include "base/cursor.h"
#include "attest/show.h"

#define SUMMARY_MAX 60

bool is_ccel_table(struct bytes content)
{
	return content.len >= 4 && content.len <= 256 && memcmp(content.data, "CCEL", 4) == 0;
}

/* A Spec ID event, or a legacy log that can be walked to its end. */
bool is_eventlog(struct bytes content)
{
	static const char spec_id[] = "Spec ID Event03";
	struct eventlog_registers registers;
	if (content.len >= 48 && memcmp(content.data + 32, spec_id, sizeof(spec_id)) == 0)
		return true;
	return content.len >= 32 && le32(content.data) < EVENTLOG_REGISTERS &&
	       eventlog_replay(content, DIGEST_SHA1, &registers, NULL) == 0 && registers.events > 0;
}

int show_ccel_table(struct bytes content, struct sheet *sheet, struct err *err)
{
	struct eventlog_ccel ccel;
	if (eventlog_ccel_read(content, &ccel, err) < 0)
		return -1;
	sheet_begin(sheet, "ccel", "table");
	sheet_number(sheet, "cc_type", NULL, ccel.cc_type);
	sheet_text(sheet, NULL, "CC type", "%u (%s)", ccel.cc_type,
		   ccel.cc_type == 2   ? "TDX"
		   : ccel.cc_type == 1 ? "SEV"
				       : "unknown");
	sheet_number(sheet, "cc_subtype", "CC subtype", ccel.cc_subtype);
	sheet_text(sheet, "area_length", "length of the log", "0x%llx", (unsigned long long)ccel.area_len);
	sheet_text(sheet, "area_address", "address of the log", "0x%llx", (unsigned long long)ccel.area_address);
	sheet_end(sheet);
	return 0;
}

static const char *end_name(enum eventlog_end end)
{
	static const char *const names[] = { "end of file", "FF mark", "zero mark" };
	return names[end];
}

static const char *algs_of(const struct eventlog *log, char ret_text[static 128])
{
	ret_text[0] = 0;
	for (size_t i = 0; i < log->alg_count; i++) {
		const char *name = eventlog_alg_name(log->algs[i].id);
		size_t used = strlen(ret_text);
		(void)snprintf(ret_text + used, 128 - used, "%s%s", i ? ", " : "", name ? name : "unknown");
	}
	return ret_text;
}

static void show_head(const struct eventlog *log, struct sheet *sheet)
{
	char algs[128];
	sheet_text(sheet, "form", "form", "%s",
		   log->legacy	? "TCG 1.2 (SHA-1 only)"
		   : log->is_cc ? "TCG 2 of a confidential VM (CCEL)"
				: "TCG 2 of a TPM");
	if (!log->legacy)
		sheet_text(sheet, "spec_version", "specification", "%u.%u errata %u", log->spec_major, log->spec_minor,
			   log->spec_errata);
	sheet_text(sheet, "algorithms", "digests", "%s", algs_of(log, algs));
	sheet_number(sheet, "platform_class", "platform class", log->platform_class);
	if (log->vendor.len > 0)
		sheet_hex(sheet, "vendor_data", "vendor data", log->vendor);
}

/* PCR 7; for a confidential VM the register that MR 1 to 4 stand for. */
static void name_register(const struct eventlog *log, uint32_t index, char ret_name[static 16])
{
	if (!log->is_cc)
		(void)snprintf(ret_name, 16, "PCR%u", index);
	else if (index >= 1 && index <= TD_RTMRS)
		(void)snprintf(ret_name, 16, "RTMR%u", index - 1);
	else
		(void)snprintf(ret_name, 16, "MR%u", index);
}

static struct bytes without_nuls(struct bytes data)
{
	while (data.len > 0 && data.data[data.len - 1] == 0)
		data.len--;
	return data;
}

static bool is_text(struct bytes data)
{
	for (size_t i = 0; i < data.len; i++)
		if (data.data[i] < 0x20 || data.data[i] >= 0x7F)
			return false;
	return data.len > 0;
}

#define VARIABLE_MAX 64	 /* letters of a name */
#define VARIABLE_HEAD 32 /* bytes before it */

/* The name in UEFI_VARIABLE_DATA (TCG PC Client Platform Firmware Profile, 10.2.6): GUID, two lengths, UTF-16. */
static struct bytes variable_name(const struct eventlog_event *event, char scratch[static VARIABLE_MAX])
{
	const uint8_t *at = event->data.data;
	const char *type = eventlog_type_name(event->type);
	if (!type || strncmp(type, "EV_EFI_VARIABLE_", 16) != 0 || event->data.len < VARIABLE_HEAD)
		return bytes_of("", 0);
	uint64_t letters = le64(at + 16);
	if (letters > (event->data.len - VARIABLE_HEAD) / 2 || letters > VARIABLE_MAX)
		return bytes_of("", 0);
	for (size_t i = 0; i < letters; i++) {
		uint16_t letter = le16(at + VARIABLE_HEAD + 2 * i);
		scratch[i] = letter >= 0x20 && letter < 0x7F ? (char)letter : '.';
	}
	return bytes_of(scratch, (size_t)letters);
}

/* What of the data can be read by people; nothing for the rest. `scratch` holds it where it must be rewritten. */
static struct bytes summary_of(const struct eventlog_event *event, char scratch[static VARIABLE_MAX])
{
	struct bytes text = variable_name(event, scratch);
	if (text.len > 0 || eventlog_aael_text(event, &text))
		return text;
	/* GRUB's buffer is one byte longer than its text and the NUL: what stands there is chance. */
	const uint8_t *nul = event->data.len ? memchr(event->data.data, 0, event->data.len) : NULL;
	if (event->type == EV_IPL && nul)
		text = bytes_of(event->data.data, (size_t)(nul - event->data.data));
	else
		text = without_nuls(event->data);
	return is_text(text) ? text : bytes_of("", 0);
}

/* One line an event: number, register, type, beginning of the longest digest, text. */
static void put_line(const struct eventlog_event *event, const char *reg, const char *type, struct sheet *sheet)
{
	char label[32];
	char digest[17] = "";
	char scratch[VARIABLE_MAX];
	struct bytes text = summary_of(event, scratch);
	struct bytes last = event->digest_count ? event->digests[event->digest_count - 1].bytes : bytes_of("", 0);
	for (size_t i = 0; i < 8 && i < last.len; i++)
		(void)snprintf(digest + 2 * i, 3, "%02x", last.data[i]);
	(void)snprintf(label, sizeof(label), "%5zu  %s", event->number, reg);
	char shown[SUMMARY_MAX + 1] = "";
	for (size_t i = 0; i < text.len && i < SUMMARY_MAX; i++)
		shown[i] = text.data[i] >= 0x20 && text.data[i] < 0x7F ? (char)text.data[i] : '.';
	sheet_text(sheet, NULL, label, "%-33s %16s  %s", type, digest, shown);
}

static void show_digests(const struct eventlog_event *event, struct sheet *sheet)
{
	sheet_begin(sheet, "digests", NULL);
	for (size_t i = 0; i < event->digest_count; i++) {
		char unknown[8];
		const char *name = eventlog_alg_name(event->digests[i].alg);
		(void)snprintf(unknown, sizeof(unknown), "0x%x", event->digests[i].alg);
		sheet_hex(sheet, name ? name : unknown, NULL, event->digests[i].bytes);
	}
	sheet_end(sheet);
}

static void show_event(const struct eventlog *log, const struct eventlog_event *event, struct sheet *sheet)
{
	char reg[16];
	char unknown[16];
	const char *type = eventlog_type_name(event->type);
	char scratch[VARIABLE_MAX];
	struct bytes text = summary_of(event, scratch);
	name_register(log, event->index, reg);
	(void)snprintf(unknown, sizeof(unknown), "0x%x", event->type);
	if (!sheet->for_machines) {
		put_line(event, reg, type ? type : unknown, sheet);
		return;
	}
	sheet_begin(sheet, NULL, NULL);
	sheet_number(sheet, "number", NULL, event->number);
	sheet_number(sheet, "offset", NULL, event->offset);
	sheet_number(sheet, "index", NULL, event->index);
	sheet_text(sheet, "register", NULL, "%s", reg);
	sheet_text(sheet, "type", NULL, "%s", type ? type : unknown);
	sheet_bool(sheet, "extended", NULL, eventlog_is_extended(event));
	show_digests(event, sheet);
	if (text.len > 0)
		sheet_foreign(sheet, "text", NULL, text);
	sheet_hex(sheet, "data", NULL, event->data);
	sheet_end(sheet);
}

static int show_events(struct eventlog *log, struct sheet *sheet, struct err *err)
{
	struct eventlog_event event;
	bool found = true;
	sheet_begin_list(sheet, "events", "events");
	while (found) {
		if (eventlog_next(log, &event, &found, err) < 0)
			return -1;
		if (found)
			show_event(log, &event, sheet);
	}
	sheet_end(sheet);
	return 0;
}

static bool digest_alg_of(uint16_t id, enum digest_alg *ret_alg)
{
	const char *name = eventlog_alg_name(id);
	return name && digest_alg_by_name(bytes_of_text(name), ret_alg) == 0;
}

static void show_bank(const struct eventlog *log, const struct eventlog_registers *registers, struct sheet *sheet)
{
	char heading[64];
	(void)snprintf(heading, sizeof(heading), "registers after the replay, %s", digest_alg_name(registers->alg));
	sheet_begin(sheet, digest_alg_name(registers->alg), heading);
	for (uint32_t i = 0; i < EVENTLOG_REGISTERS; i++) {
		char reg[16];
		name_register(log, i, reg);
		if (registers->used[i])
			sheet_hex(sheet, reg, reg, bytes_of(registers->values[i], digest_alg_len(registers->alg)));
	}
	sheet_end(sheet);
}

static void show_registers(struct bytes content, const struct eventlog *log, struct sheet *sheet)
{
	struct eventlog_registers registers;
	enum digest_alg alg;
	struct err why = { 0 };
	sheet_begin(sheet, "registers", NULL);
	for (size_t i = 0; i < log->alg_count; i++) {
		if (!digest_alg_of(log->algs[i].id, &alg))
			continue;
		if (eventlog_replay(content, alg, &registers, &why) == 0)
			show_bank(log, &registers, sheet);
		else
			sheet_text(sheet, digest_alg_name(alg), digest_alg_name(alg), "%s", why.message);
	}
	sheet_end(sheet);
}

int show_eventlog(struct bytes content, struct sheet *sheet, struct err *err)
{
	struct eventlog log;
	if (eventlog_open(content, &log, err) < 0)
		return -1;
	sheet_begin(sheet, "event_log", "log");
	show_head(&log, sheet);
	if (show_events(&log, sheet, err) < 0)
		return -1;
	sheet_number(sheet, "event_count", "number of events", log.number);
	sheet_number(sheet, "extent", "bytes without padding", log.at);
	sheet_text(sheet, "end", "ended by", "%s", end_name(log.end));
	show_registers(content, &log, sheet);
	sheet_end(sheet);
	return 0;
}
