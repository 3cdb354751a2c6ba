/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages of the Workload API over protobuf-c, which nothing else here may call.
 *
 * The bytes come from whoever listens at the socket. protobuf-c copies what it
 * reads, keys included: so it is given an arena in guarded memory, whose size is
 * also what keeps a small message from becoming a large one. Must never trust a
 * count, a length or an identifier in it.
 */
#include "spire/workload_proto.h"

/* protobuf-c's own initialisers cast const away. */
#pragma GCC diagnostic ignored "-Wcast-qual"
#include <proto/workload.pb-c.h>
#include <stdalign.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/utf8.h"
#include "spire/id.h"

/* What the decoded form may take beside its content. */
#define ARENA_SLACK 8192

/* Guarded memory begins anywhere: its end is what touches the guard page. */
static void *arena_alloc(void *arena, size_t size)
{
	struct secret *secret = arena;
	const size_t align = alignof(max_align_t);
	uintptr_t next = (uintptr_t)secret->data + secret->len;
	size_t at = secret->len + (align - next % align) % align;
	if (at > secret->cap || size > secret->cap - at)
		return NULL;
	secret->len = at + size;
	return (uint8_t *)secret->data + at;
}

/* The arena goes as a whole. */
static void arena_free(void *arena, void *p)
{
	(void)arena;
	(void)p;
}

static int unpack(const ProtobufCMessageDescriptor *type, struct bytes message, struct secret *arena,
		  ProtobufCMessage **ret_message, struct err *err)
{
	if (message.len > SECRET_MAX / 2 - ARENA_SLACK)
		return err_set(err, ERR_PROTOCOL, "a message of %zu bytes", message.len);
	if (secret_reuse(arena, 2 * message.len + ARENA_SLACK, err) < 0)
		return -1;
	ProtobufCAllocator allocator = { .alloc = arena_alloc, .free = arena_free, .allocator_data = arena };
	*ret_message = protobuf_c_message_unpack(type, &allocator, message.len, message.data);
	return *ret_message ? 0 : err_set(err, ERR_PROTOCOL, "a message is not what the Workload API's standard says");
}

static int check_count(size_t count, size_t most, const char *what, struct err *err)
{
	return count <= most ? 0 : err_set(err, ERR_PROTOCOL, "%zu %s; at most %zu are taken", count, what, most);
}

static int keep_text(const char *text, char **ret_copy, struct err *err)
{
	char *copy = strdup(text);
	if (!copy)
		return err_set(err, ERR_SYSTEM, "out of memory");
	*ret_copy = copy;
	return 0;
}

static int keep_id(const char *id, char **ret_copy, struct err *err)
{
	return spire_id_parse(id, NULL, NULL, err) < 0 ? -1 : keep_text(id, ret_copy, err);
}

static int keep_hint(const char *hint, char **ret_copy, struct err *err)
{
	if (strlen(hint) > WORKLOAD_HINT_MAX || !utf8_valid(bytes_of_text(hint)))
		return err_set(err, ERR_PROTOCOL, "a hint of more than %d bytes, or not of UTF-8", WORKLOAD_HINT_MAX);
	return keep_text(hint, ret_copy, err);
}

static int keep_bytes(ProtobufCBinaryData from, struct buf *to, struct err *err)
{
	*to = (struct buf)BUF_INIT(SECRET_MAX);
	return buf_append(to, bytes_of(from.data, from.len), err);
}

static int keep_secret(struct bytes from, const char *what, struct secret *to, struct err *err)
{
	if (from.len == 0)
		return err_set(err, ERR_PROTOCOL, "%s is empty", what);
	if (secret_alloc(to, from.len, err) < 0)
		return -1;
	return secret_append(to, from, err);
}

void workload_bundles_done(struct workload_bundles *bundles)
{
	for (size_t i = 0; i < bundles->count; i++) {
		free(bundles->list[i].trust_domain);
		buf_done(&bundles->list[i].content);
	}
	free(bundles->list);
	*bundles = (struct workload_bundles){ 0 };
}

void workload_x509_done(struct workload_x509 *x509)
{
	for (size_t i = 0; i < x509->count; i++) {
		free(x509->svids[i].id);
		free(x509->svids[i].hint);
		buf_done(&x509->svids[i].chain);
		secret_done(&x509->svids[i].key);
		buf_done(&x509->svids[i].bundle);
	}
	free(x509->svids);
	workload_bundles_done(&x509->federated);
	*x509 = (struct workload_x509){ 0 };
}

void workload_jwts_done(struct workload_jwts *jwts)
{
	for (size_t i = 0; i < jwts->count; i++) {
		free(jwts->list[i].id);
		free(jwts->list[i].hint);
		secret_done(&jwts->list[i].token);
	}
	free(jwts->list);
	*jwts = (struct workload_jwts){ 0 };
}

const struct workload_bundle *workload_bundles_find(const struct workload_bundles *bundles, const char *trust_domain)
{
	for (size_t i = 0; i < bundles->count; i++)
		if (strcmp(bundles->list[i].trust_domain, trust_domain) == 0)
			return &bundles->list[i];
	return NULL;
}

/* The key is the trust domain's ID; where a key comes twice the last one counts (protocol buffers, maps). */
static int add_bundle(struct workload_bundles *bundles, const char *key, ProtobufCBinaryData value, struct err *err)
{
	struct bytes domain;
	struct bytes path;
	char name[SPIRE_TRUST_DOMAIN_MAX + 1];
	if (spire_id_parse(key, &domain, &path, err) < 0)
		return -1;
	if (path.len > 0)
		return err_set(err, ERR_PROTOCOL, "a bundle is filed under '%.200s', which is no trust domain", key);
	(void)snprintf(name, sizeof(name), "%.*s", (int)domain.len, (const char *)domain.data);
	struct workload_bundle *bundle = NULL;
	for (size_t i = 0; i < bundles->count && !bundle; i++)
		if (strcmp(bundles->list[i].trust_domain, name) == 0)
			bundle = &bundles->list[i];
	if (!bundle) {
		bundle = &bundles->list[bundles->count++]; /* room was made for all */
		if (keep_text(name, &bundle->trust_domain, err) < 0)
			return -1;
	}
	buf_done(&bundle->content);
	return keep_bytes(value, &bundle->content, err);
}

static int make_bundles(size_t count, struct workload_bundles *bundles, struct err *err)
{
	if (check_count(count, WORKLOAD_BUNDLES_MAX, "bundles", err) < 0)
		return -1;
	bundles->list = calloc(count + 1, sizeof(*bundles->list));
	return bundles->list ? 0 : err_set(err, ERR_SYSTEM, "out of memory");
}

static int take_svid(const Workload__X509Identity *from, struct workload_svid *to, struct err *err)
{
	if (keep_id(from->spiffe_id, &to->id, err) < 0 || keep_hint(from->hint, &to->hint, err) < 0 ||
	    keep_bytes(from->chain, &to->chain, err) < 0 || keep_bytes(from->bundle, &to->bundle, err) < 0)
		return -1;
	return keep_secret(bytes_of(from->key.data, from->key.len), "a private key", &to->key, err);
}

static int take_x509(const Workload__X509Identities *from, struct workload_x509 *to, struct err *err)
{
	if (from->n_identities == 0)
		return err_set(err, ERR_PROTOCOL, "an answer without an identity");
	if (check_count(from->n_identities, WORKLOAD_SVIDS_MAX, "identities", err) < 0 ||
	    make_bundles(from->n_federated, &to->federated, err) < 0)
		return -1;
	to->svids = calloc(from->n_identities, sizeof(*to->svids));
	if (!to->svids)
		return err_set(err, ERR_SYSTEM, "out of memory");
	for (size_t i = 0; i < from->n_identities; i++) {
		to->count++;
		if (take_svid(from->identities[i], &to->svids[i], err) < 0)
			return -1;
	}
	for (size_t i = 0; i < from->n_federated; i++)
		if (add_bundle(&to->federated, from->federated[i]->key, from->federated[i]->value, err) < 0)
			return -1;
	return 0;
}

int workload_decode_x509(struct bytes message, struct secret *scratch, struct workload_x509 *ret_x509, struct err *err)
{
	OWNED_X509 struct workload_x509 x509 = { 0 };
	ProtobufCMessage *decoded = NULL;
	if (unpack(&workload__x509_identities__descriptor, message, scratch, &decoded, err) < 0 ||
	    take_x509((const Workload__X509Identities *)decoded, &x509, err) < 0)
		return -1;
	*ret_x509 = x509;
	x509 = (struct workload_x509){ 0 };
	return 0;
}

static int take_x509_bundles(const ProtobufCMessage *decoded, struct workload_bundles *to, struct err *err)
{
	const Workload__X509Bundles *from = (const Workload__X509Bundles *)decoded;
	if (make_bundles(from->n_bundles, to, err) < 0)
		return -1;
	for (size_t i = 0; i < from->n_bundles; i++)
		if (add_bundle(to, from->bundles[i]->key, from->bundles[i]->value, err) < 0)
			return -1;
	return 0;
}

static int take_jwt_bundles(const ProtobufCMessage *decoded, struct workload_bundles *to, struct err *err)
{
	const Workload__JwtBundles *from = (const Workload__JwtBundles *)decoded;
	if (make_bundles(from->n_bundles, to, err) < 0)
		return -1;
	for (size_t i = 0; i < from->n_bundles; i++)
		if (add_bundle(to, from->bundles[i]->key, from->bundles[i]->value, err) < 0)
			return -1;
	return 0;
}

int workload_decode_bundles(enum workload_bundle_kind kind, struct bytes message, struct workload_bundles *ret_bundles,
			    struct err *err)
{
	OWNED_SECRET struct secret arena = SECRET_INIT;
	OWNED_BUNDLES struct workload_bundles bundles = { 0 };
	ProtobufCMessage *decoded = NULL;
	bool jwt = kind == WORKLOAD_JWT_BUNDLES;
	if (unpack(jwt ? &workload__jwt_bundles__descriptor : &workload__x509_bundles__descriptor, message, &arena,
		   &decoded, err) < 0 ||
	    (jwt ? take_jwt_bundles : take_x509_bundles)(decoded, &bundles, err) < 0)
		return -1;
	*ret_bundles = bundles;
	bundles = (struct workload_bundles){ 0 };
	return 0;
}

/* Three parts of base64url, so that a token can go into a header or a file as it is. */
static int check_token(const char *token, struct err *err)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	unsigned parts = 0;
	for (const char *at = token;; at++) {
		size_t len = strspn(at, letters);
		at += len;
		if (len == 0 || (*at != 0 && *at != '.'))
			break;
		parts++;
		if (*at == 0)
			return parts == 3 ? 0 : err_set(err, ERR_PROTOCOL, "a token of %u parts", parts);
	}
	return err_set(err, ERR_PROTOCOL, "a token that is no JWT");
}

static int take_jwt(const Workload__JwtIdentity *from, struct workload_jwt *to, struct err *err)
{
	if (keep_id(from->spiffe_id, &to->id, err) < 0 || keep_hint(from->hint, &to->hint, err) < 0 ||
	    check_token(from->token, err) < 0)
		return -1;
	return keep_secret(bytes_of_text(from->token), "a token", &to->token, err);
}

static int take_jwts(const Workload__JwtIdentities *from, struct workload_jwts *to, struct err *err)
{
	if (from->n_identities == 0)
		return err_set(err, ERR_PROTOCOL, "an answer without a token");
	if (check_count(from->n_identities, WORKLOAD_SVIDS_MAX, "tokens", err) < 0)
		return -1;
	to->list = calloc(from->n_identities, sizeof(*to->list));
	if (!to->list)
		return err_set(err, ERR_SYSTEM, "out of memory");
	for (size_t i = 0; i < from->n_identities; i++) {
		to->count++;
		if (take_jwt(from->identities[i], &to->list[i], err) < 0)
			return -1;
	}
	return 0;
}

int workload_decode_jwts(struct bytes message, struct workload_jwts *ret_jwts, struct err *err)
{
	OWNED_SECRET struct secret arena = SECRET_INIT;
	OWNED_JWTS struct workload_jwts jwts = { 0 };
	ProtobufCMessage *decoded = NULL;
	if (unpack(&workload__jwt_identities__descriptor, message, &arena, &decoded, err) < 0 ||
	    take_jwts((const Workload__JwtIdentities *)decoded, &jwts, err) < 0)
		return -1;
	*ret_jwts = jwts;
	jwts = (struct workload_jwts){ 0 };
	return 0;
}

int workload_decode_validation(struct bytes message, struct buf *ret_id, struct err *err)
{
	OWNED_SECRET struct secret arena = SECRET_INIT;
	ProtobufCMessage *decoded = NULL;
	if (unpack(&workload__validate_reply__descriptor, message, &arena, &decoded, err) < 0)
		return -1;
	const Workload__ValidateReply *reply = (const Workload__ValidateReply *)decoded;
	if (spire_id_parse(reply->spiffe_id, NULL, NULL, err) < 0)
		return -1;
	return buf_append_text(ret_id, reply->spiffe_id, err);
}

/* protobuf-c does not write to texts that it packs. */
static char *lent(const char *text)
{
	return (char *)(uintptr_t)text;
}

int workload_encode_jwt_request(const char *const *audiences, size_t count, const char *id, struct buf *out,
				struct err *err)
{
	Workload__JwtRequest request = WORKLOAD__JWT_REQUEST__INIT;
	char *list[WORKLOAD_AUDIENCES_MAX];
	uint8_t packed[16384];
	if (count == 0 || count > WORKLOAD_AUDIENCES_MAX)
		return err_set(err, ERR_CONFIG, "%zu audiences; a token takes 1 to %d", count, WORKLOAD_AUDIENCES_MAX);
	for (size_t i = 0; i < count; i++)
		list[i] = lent(audiences[i]);
	request.n_audience = count;
	request.audience = list;
	request.spiffe_id = lent(id ? id : "");
	if (workload__jwt_request__get_packed_size(&request) > sizeof(packed))
		return err_set(err, ERR_CONFIG, "the audiences are longer than %zu bytes", sizeof(packed));
	size_t len = workload__jwt_request__pack(&request, packed);
	return buf_append(out, bytes_of(packed, len), err);
}

int workload_encode_validation(const char *audience, const struct secret *token, struct secret *out, struct err *err)
{
	OWNED_SECRET struct secret text = SECRET_INIT;
	Workload__ValidateRequest request = WORKLOAD__VALIDATE_REQUEST__INIT;
	if (secret_alloc(&text, token->len + 1, err) < 0 || secret_append(&text, secret_bytes(token), err) < 0 ||
	    secret_append(&text, bytes_of("", 1), err) < 0)
		return -1;
	request.audience = lent(audience);
	request.token = text.data;
	size_t size = workload__validate_request__get_packed_size(&request);
	if (secret_alloc(out, size > 0 ? size : 1, err) < 0)
		return -1;
	out->len = workload__validate_request__pack(&request, out->data);
	return 0;
}
