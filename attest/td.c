/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The trust domain's own 400 bytes, as quotes and TDREPORTs carry them. Any value is
 * possible; nothing here can fail or judges.
 */
#include "attest/td.h"

#include <string.h>

#include "base/cursor.h"

static bool bit(uint64_t value, unsigned number)
{
	return value >> number & 1;
}

#define NAMED_BITS (UINT64_C(0xFF) | UINT64_C(0x78000000) | UINT64_C(1) << 31 | UINT64_C(1) << 63)

static struct td_attributes attributes_of(uint64_t raw)
{
	return (struct td_attributes){
		.raw = raw,
		.debug = bit(raw, 0),
		.untrusted = (uint8_t)raw,
		.lass = bit(raw, 27),
		.sept_ve_disable = bit(raw, 28),
		.migratable = bit(raw, 29),
		.pks = bit(raw, 30),
		.key_locker = bit(raw, 31),
		.perfmon = bit(raw, 63),
		.unknown = raw & ~NAMED_BITS,
	};
}

struct td td_of(const uint8_t *at)
{
	struct td td = { .attributes = attributes_of(le64(at)), .xfam = le64(at + 8) };
	memcpy(td.mrtd, at + 16, TD_MR_LEN);
	memcpy(td.mrconfigid, at + 64, TD_MR_LEN);
	memcpy(td.mrowner, at + 112, TD_MR_LEN);
	memcpy(td.mrownerconfig, at + 160, TD_MR_LEN);
	for (size_t i = 0; i < TD_RTMRS; i++)
		memcpy(td.rtmr[i], at + 208 + i * TD_MR_LEN, TD_MR_LEN);
	return td;
}
