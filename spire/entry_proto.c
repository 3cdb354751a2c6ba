/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages of the SPIRE server's API over protobuf-c, which nothing else here may call.
 *
 * The bytes come from a server that the operator chose, and hold entries that anybody with access
 * to it made. Must never trust a count, nor take more memory for a message than its size warrants.
 */
#include "spire/entry_proto.h"

/* protobuf-c's own initialisers cast const away. */
#pragma GCC diagnostic ignored "-Wcast-qual"
#include <limits.h>
#include <proto/spire_server.pb-c.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "spire/id.h"

/* What a message of the largest size may become when it is decoded: an entry of two bytes takes 200. */
#define DECODED_MAX (64u << 20)
#define MESSAGE_MAX (1u << 20)

static void *counted_alloc(void *left, size_t size)
{
	size_t *bytes = left;
	if (size > *bytes)
		return NULL;
	*bytes -= size;
	return malloc(size);
}

static void counted_free(void *left, void *p)
{
	(void)left;
	free(p);
}

static ProtobufCMessage *unpack(const ProtobufCMessageDescriptor *type, struct bytes message, struct err *err)
{
	size_t left = DECODED_MAX;
	ProtobufCAllocator allocator = { .alloc = counted_alloc, .free = counted_free, .allocator_data = &left };
	ProtobufCMessage *decoded = protobuf_c_message_unpack(type, &allocator, message.len, message.data);
	if (!decoded)
		(void)err_set(err, ERR_PROTOCOL, "an answer of %zu bytes is not what SPIRE's API says", message.len);
	return decoded;
}

static void message_cleanup(ProtobufCMessage **message)
{
	ProtobufCAllocator allocator = { .alloc = counted_alloc, .free = counted_free };
	if (*message)
		protobuf_c_message_free_unpacked(*message, &allocator);
	*message = NULL;
}
#define OWNED_MESSAGE CLEANUP(message_cleanup)

/* --- from the wire --- */

static int keep_text(const char *text, char **ret_copy, struct err *err)
{
	*ret_copy = strdup(text ? text : "");
	return *ret_copy ? 0 : err_set(err, ERR_SYSTEM, "out of memory");
}

static int keep_id(const Server__Id *id, char **ret_copy, struct err *err)
{
	OWNED_BUF struct buf text = BUF_INIT(MESSAGE_MAX);
	if (!id)
		return err_set(err, ERR_PROTOCOL, "an entry or agent without a SPIFFE ID");
	if (buf_printf(&text, err, "spiffe://%s%s", id->trust_domain, id->path) < 0)
		return -1;
	return keep_text(buf_text(&text), ret_copy, err);
}

static int keep_selectors(Server__Selector *const *from, size_t count, struct spire_texts *to, struct err *err)
{
	for (size_t i = 0; i < count; i++) {
		OWNED_BUF struct buf text = BUF_INIT(MESSAGE_MAX);
		if (buf_printf(&text, err, "%s:%s", from[i]->type, from[i]->value) < 0 ||
		    spire_texts_add(to, buf_text(&text), text.len, err) < 0)
			return -1;
	}
	return 0;
}

static int keep_texts(char *const *from, size_t count, struct spire_texts *to, struct err *err)
{
	for (size_t i = 0; i < count; i++)
		if (spire_texts_add(to, from[i], strlen(from[i]), err) < 0)
			return -1;
	return 0;
}

static int take_entry(const Server__Entry *from, struct spire_entry *to, struct err *err)
{
	to->x509_ttl = from->x509_ttl;
	to->jwt_ttl = from->jwt_ttl;
	to->admin = from->admin;
	to->downstream = from->downstream;
	to->store_svid = from->store_svid;
	to->expires_at = from->expires_at;
	to->disable_x509_prefetch = from->attributes && from->attributes->disable_x509_prefetch;
	to->jwt_include_jti = from->attributes && from->attributes->jwt_include_jti;
	if (keep_text(from->id, &to->id, err) < 0 || keep_id(from->spiffe_id, &to->spiffe_id, err) < 0 ||
	    keep_id(from->parent_id, &to->parent_id, err) < 0 || keep_text(from->hint, &to->hint, err) < 0 ||
	    keep_selectors(from->selectors, from->n_selectors, &to->selectors, err) < 0 ||
	    keep_texts(from->dns_names, from->n_dns_names, &to->dns_names, err) < 0 ||
	    keep_texts(from->federates_with, from->n_federates_with, &to->federates_with, err) < 0)
		return -1;
	spire_entry_normalize(to);
	return 0;
}

int spire_entry_decode_page(struct bytes message, struct spire_entries *entries, struct buf *ret_token, struct err *err)
{
	OWNED_MESSAGE ProtobufCMessage *decoded = unpack(&server__entry_page__descriptor, message, err);
	const Server__EntryPage *page = (const Server__EntryPage *)decoded;
	if (!page)
		return -1;
	for (size_t i = 0; i < page->n_entries; i++) {
		OWNED_ENTRY struct spire_entry entry = { 0 };
		if (take_entry(page->entries[i], &entry, err) < 0 || spire_entries_add(entries, &entry, err) < 0)
			return -1;
	}
	return buf_append_text(ret_token, page->next_page_token, err);
}

void spire_agents_done(struct spire_agents *agents)
{
	for (size_t i = 0; i < agents->count; i++) {
		free(agents->list[i].id);
		spire_texts_done(&agents->list[i].selectors);
	}
	free(agents->list);
	*agents = (struct spire_agents){ 0 };
}

static int take_agent(const Server__Agent *from, struct spire_agents *agents, struct err *err)
{
	struct spire_agent *list = reallocarray(agents->list, agents->count + 1, sizeof(*list));
	if (!list)
		return err_set(err, ERR_SYSTEM, "out of memory");
	agents->list = list;
	struct spire_agent *agent = &list[agents->count++];
	*agent = (struct spire_agent){ .expires_at = from->expires_at, .banned = from->banned };
	if (keep_id(from->id, &agent->id, err) < 0)
		return -1;
	return keep_selectors(from->selectors, from->n_selectors, &agent->selectors, err);
}

int spire_agent_decode_page(struct bytes message, struct spire_agents *agents, struct buf *ret_token, struct err *err)
{
	OWNED_MESSAGE ProtobufCMessage *decoded = unpack(&server__agent_page__descriptor, message, err);
	const Server__AgentPage *page = (const Server__AgentPage *)decoded;
	if (!page)
		return -1;
	for (size_t i = 0; i < page->n_agents; i++)
		if (take_agent(page->agents[i], agents, err) < 0)
			return -1;
	return buf_append_text(ret_token, page->next_page_token, err);
}

static void take_status(const Server__Status *status, struct spire_result *result)
{
	/* proto3 leaves a zero out: a status that is not there is one that says OK. */
	result->code = status ? (unsigned)status->code : 0;
	(void)snprintf(result->message, sizeof(result->message), "%.255s", status ? status->message : "");
}

static int check_count(size_t got, size_t wanted, struct err *err)
{
	return got == wanted ? 0 : err_set(err, ERR_PROTOCOL, "%zu results came back for %zu entries", got, wanted);
}

static int take_results(const Server__EntryResults *from, struct spire_result *to, size_t count, struct err *err)
{
	if (check_count(from->n_results, count, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		take_status(from->results[i]->status, &to[i]);
		if (from->results[i]->entry && take_entry(from->results[i]->entry, &to[i].entry, err) < 0)
			return -1;
	}
	return 0;
}

static int take_deletions(const Server__DeleteResults *from, struct spire_result *to, size_t count, struct err *err)
{
	if (check_count(from->n_results, count, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		take_status(from->results[i]->status, &to[i]);
	return 0;
}

int spire_entry_decode_results(enum spire_batch batch, struct bytes message, struct spire_result *ret_results,
			       size_t count, struct err *err)
{
	bool deletions = batch == SPIRE_DELETE;
	OWNED_MESSAGE ProtobufCMessage *decoded = unpack(
		deletions ? &server__delete_results__descriptor : &server__entry_results__descriptor, message, err);
	if (!decoded)
		return -1;
	return deletions ? take_deletions((const Server__DeleteResults *)decoded, ret_results, count, err)
			 : take_results((const Server__EntryResults *)decoded, ret_results, count, err);
}

int spire_bundle_decode_domain(struct bytes message, struct buf *ret_domain, struct err *err)
{
	OWNED_MESSAGE ProtobufCMessage *decoded = unpack(&server__bundle__descriptor, message, err);
	const Server__Bundle *bundle = (const Server__Bundle *)decoded;
	return bundle ? buf_append_text(ret_domain, bundle->trust_domain, err) : -1;
}

/* --- to the wire --- */

/* What lives as long as a request is put together: one block for all its small parts. */
struct parts {
	void **blocks;
	size_t count;
};

static void parts_done(struct parts *parts)
{
	for (size_t i = 0; i < parts->count; i++)
		free(parts->blocks[i]);
	free(parts->blocks);
}

static void *part(struct parts *parts, size_t count, size_t size, struct err *err)
{
	void **blocks = reallocarray(parts->blocks, parts->count + 1, sizeof(*blocks));
	void *block = blocks ? calloc(count ? count : 1, size) : NULL;
	if (blocks)
		parts->blocks = blocks;
	if (block)
		parts->blocks[parts->count++] = block;
	else
		(void)err_set(err, ERR_SYSTEM, "out of memory");
	return block;
}

/* protobuf-c does not write to texts that it packs. */
static char *lent(const char *text)
{
	return (char *)(uintptr_t)text;
}

static int put_id(struct parts *parts, const char *text, Server__Id **ret_id, struct err *err)
{
	struct bytes domain;
	struct bytes path;
	if (spire_id_parse(text, &domain, &path, err) < 0) {
		if (err)
			err->code = ERR_CONFIG;
		return -1;
	}
	Server__Id *id = part(parts, 1, sizeof(*id), err);
	char *name = part(parts, domain.len + 1, 1, err);
	if (!id || !name)
		return -1;
	server__id__init(id);
	memcpy(name, domain.data, domain.len);
	id->trust_domain = name;
	id->path = lent((const char *)path.data);
	*ret_id = id;
	return 0;
}

static int put_selector(struct parts *parts, const char *text, Server__Selector **ret_selector, struct err *err)
{
	const char *colon = strchr(text, ':');
	if (!colon || colon == text || !colon[1])
		return err_set(err, ERR_CONFIG, "'%s' is no selector; write 'TYPE:VALUE'", text);
	Server__Selector *selector = part(parts, 1, sizeof(*selector), err);
	char *type = part(parts, (size_t)(colon - text) + 1, 1, err);
	if (!selector || !type)
		return -1;
	server__selector__init(selector);
	memcpy(type, text, (size_t)(colon - text));
	selector->type = type;
	selector->value = lent(colon + 1);
	*ret_selector = selector;
	return 0;
}

static int put_selectors(struct parts *parts, const struct spire_texts *from, Server__Entry *to, struct err *err)
{
	to->selectors = part(parts, from->count, sizeof(Server__Selector *), err);
	if (!to->selectors)
		return -1;
	for (; to->n_selectors < from->count; to->n_selectors++)
		if (put_selector(parts, from->list[to->n_selectors], &to->selectors[to->n_selectors], err) < 0)
			return -1;
	return 0;
}

static int put_attributes(struct parts *parts, const struct spire_entry *from, Server__Entry *to, struct err *err)
{
	if (!from->disable_x509_prefetch && !from->jwt_include_jti)
		return 0;
	to->attributes = part(parts, 1, sizeof(*to->attributes), err);
	if (!to->attributes)
		return -1;
	server__attributes__init(to->attributes);
	to->attributes->disable_x509_prefetch = from->disable_x509_prefetch;
	to->attributes->jwt_include_jti = from->jwt_include_jti;
	return 0;
}

static int put_entry(struct parts *parts, const struct spire_entry *from, Server__Entry **ret_entry, struct err *err)
{
	Server__Entry *to = part(parts, 1, sizeof(*to), err);
	if (!to)
		return -1;
	server__entry__init(to);
	to->id = lent(from->id);
	to->x509_ttl = from->x509_ttl;
	to->jwt_ttl = from->jwt_ttl;
	to->admin = from->admin;
	to->downstream = from->downstream;
	to->store_svid = from->store_svid;
	to->expires_at = from->expires_at;
	to->hint = lent(from->hint);
	to->n_dns_names = from->dns_names.count;
	to->dns_names = from->dns_names.list;
	to->n_federates_with = from->federates_with.count;
	to->federates_with = from->federates_with.list;
	if (put_id(parts, from->spiffe_id, &to->spiffe_id, err) < 0 ||
	    put_id(parts, from->parent_id, &to->parent_id, err) < 0 ||
	    put_selectors(parts, &from->selectors, to, err) < 0 || put_attributes(parts, from, to, err) < 0)
		return err_wrap(err, "entry '%s'", from->id);
	*ret_entry = to;
	return 0;
}

static int pack(const ProtobufCMessage *message, struct buf *out, struct err *err)
{
	size_t size = protobuf_c_message_get_packed_size(message);
	OWNED_MEM uint8_t *bytes = size <= MESSAGE_MAX ? malloc(size + 1) : NULL;
	if (!bytes)
		return err_set(err, ERR_SYSTEM, "no room for a request of %zu bytes", size);
	return buf_append(out, bytes_of(bytes, protobuf_c_message_pack(message, bytes)), err);
}

static int encode_entries(enum spire_batch batch, const struct spire_entry *const *entries, size_t count,
			  struct buf *out, struct err *err)
{
	/* Both requests have their entries in the same field. */
	CLEANUP(parts_done) struct parts parts = { 0 };
	Server__CreateRequest create = SERVER__CREATE_REQUEST__INIT;
	Server__UpdateRequest update = SERVER__UPDATE_REQUEST__INIT;
	Server__Entry **list = part(&parts, count, sizeof(*list), err);
	if (!list)
		return -1;
	for (size_t i = 0; i < count; i++)
		if (put_entry(&parts, entries[i], &list[i], err) < 0)
			return -1;
	create.n_entries = update.n_entries = count;
	create.entries = update.entries = list;
	return pack(batch == SPIRE_CREATE ? &create.base : &update.base, out, err);
}

static int encode_ids(const struct spire_entry *const *entries, size_t count, struct buf *out, struct err *err)
{
	CLEANUP(parts_done) struct parts parts = { 0 };
	Server__DeleteRequest request = SERVER__DELETE_REQUEST__INIT;
	request.ids = part(&parts, count, sizeof(*request.ids), err);
	if (!request.ids)
		return -1;
	for (; request.n_ids < count; request.n_ids++)
		request.ids[request.n_ids] = lent(entries[request.n_ids]->id);
	return pack(&request.base, out, err);
}

int spire_entry_encode_batch(enum spire_batch batch, const struct spire_entry *const *entries, size_t count,
			     struct buf *out, struct err *err)
{
	return batch == SPIRE_DELETE ? encode_ids(entries, count, out, err)
				     : encode_entries(batch, entries, count, out, err);
}

int spire_entry_encode_list(unsigned page_size, const char *page_token, struct buf *out, struct err *err)
{
	Server__ListRequest request = SERVER__LIST_REQUEST__INIT;
	request.page_size = (int32_t)page_size;
	request.page_token = lent(page_token);
	return pack(&request.base, out, err);
}

int spire_agent_encode_list(const char *selector, unsigned page_size, const char *page_token, struct buf *out,
			    struct err *err)
{
	CLEANUP(parts_done) struct parts parts = { 0 };
	Server__AgentListRequest request = SERVER__AGENT_LIST_REQUEST__INIT;
	Server__AgentFilter filter = SERVER__AGENT_FILTER__INIT;
	Server__SelectorMatch match = SERVER__SELECTOR_MATCH__INIT;
	Server__Selector *list[1];
	if (put_selector(&parts, selector, &list[0], err) < 0)
		return -1;
	match.n_selectors = 1;
	match.selectors = list;
	match.match = 2; /* the agent has these and maybe more */
	filter.by_selectors = &match;
	request.filter = &filter;
	request.page_size = (int32_t)page_size;
	request.page_token = lent(page_token);
	return pack(&request.base, out, err);
}
