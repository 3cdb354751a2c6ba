/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ACPI table CCEL (ACPI 6.5, table 5.24): where the firmware keeps its log of a
 * confidential VM. Comes from the host's ACPI tables and decides nothing.
 */
#include "attest/eventlog.h"

#include <string.h>

#include "base/cursor.h"

#define CCEL_LEN 56

/* The bytes of an ACPI table sum up to 0. */
static uint8_t sum_of(struct bytes table)
{
	uint8_t sum = 0;
	for (size_t i = 0; i < table.len; i++)
		sum = (uint8_t)(sum + table.data[i]);
	return sum;
}

int eventlog_ccel_read(struct bytes table, struct eventlog_ccel *ret_ccel, struct err *err)
{
	if (table.len != CCEL_LEN || memcmp(table.data, "CCEL", 4) != 0)
		return err_set(err, ERR_PROTOCOL,
			       "no ACPI table CCEL: it begins with 'CCEL' and is %d bytes long, this is %zu", CCEL_LEN,
			       table.len);
	if (le32(table.data + 4) != CCEL_LEN)
		return err_set(err, ERR_PROTOCOL, "the ACPI table CCEL gives its length at offset 4 as %u, not %d",
			       le32(table.data + 4), CCEL_LEN);
	if (sum_of(table) != 0)
		return err_set(err, ERR_PROTOCOL, "the bytes of the ACPI table CCEL sum up to 0x%02x, not 0",
			       sum_of(table));
	*ret_ccel = (struct eventlog_ccel){
		.cc_type = table.data[36],
		.cc_subtype = table.data[37],
		.area_len = le64(table.data + 40),
		.area_address = le64(table.data + 48),
	};
	return 0;
}
