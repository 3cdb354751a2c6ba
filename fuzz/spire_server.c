/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spire/entry_proto: any bytes as each reply of the SPIRE server's API. An entry that is taken can be
 * compared, shown and sent again or is refused for what it says.
 */
#include <stdlib.h>
#include <string.h>

#include "spire/entry_proto.h"
#include "spire/server_api.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool condition)
{
	if (!condition)
		abort();
}

static void try_entry(const struct spire_entry *entry)
{
	OWNED_BUF struct buf message = BUF_INIT(1u << 20);
	struct err err = { 0 };
	need(entry->id && entry->spiffe_id && entry->parent_id && entry->hint);
	need(spire_entry_same(entry, entry) && spire_entry_compare_keys(entry, entry) == 0);
	if (spire_entry_encode_batch(SPIRE_CREATE, &entry, 1, &message, &err) < 0)
		need(err.code == ERR_CONFIG || err.code == ERR_SYSTEM);
}

static void try_page(struct bytes message)
{
	OWNED_ENTRIES struct spire_entries entries = { 0 };
	OWNED_BUF struct buf token = BUF_INIT(65536);
	if (spire_entry_decode_page(message, &entries, &token, NULL) < 0)
		return;
	for (size_t i = 0; i < entries.count; i++)
		try_entry(&entries.list[i]);
}

static void try_results(enum spire_batch batch, struct bytes message)
{
	for (size_t count = 0; count <= 2; count++) {
		struct spire_result results[2] = { { .code = 0 } };
		if (spire_entry_decode_results(batch, message, results, count, NULL) == 0)
			for (size_t i = 0; i < count; i++) {
				need(memchr(results[i].message, 0, sizeof(results[i].message)) != NULL);
				if (results[i].entry.id)
					try_entry(&results[i].entry);
			}
		spire_results_done(results, 2);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct bytes message = bytes_of(data, size);
	OWNED_AGENTS struct spire_agents agents = { 0 };
	OWNED_BUF struct buf token = BUF_INIT(65536);
	OWNED_BUF struct buf domain = BUF_INIT(4096);
	if (size > 65536)
		return 0;
	try_page(message);
	try_results(SPIRE_CREATE, message);
	try_results(SPIRE_DELETE, message);
	if (spire_agent_decode_page(message, &agents, &token, NULL) == 0)
		for (size_t i = 0; i < agents.count; i++)
			need(agents.list[i].id != NULL);
	if (spire_bundle_decode_domain(message, &domain, NULL) < 0)
		need(domain.len == 0);
	return 0;
}
