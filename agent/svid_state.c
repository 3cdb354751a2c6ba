/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From updates to files.
 *
 * Identities, hints and trust domains come from the agent and become parts of
 * file names: each must prove that it is fit for that. Must never mix the key of
 * one SVID with the chain of another, nor let a broken bundle of a foreign trust
 * domain keep the own SVID from being delivered.
 */
#include "agent/svid_state.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "spire/id.h"

#define NAME_SIZE 256

static void drop_svids(struct spire_svid **svids, size_t *count)
{
	for (size_t i = 0; i < *count; i++)
		spire_svid_done(&(*svids)[i]);
	free(*svids);
	*svids = NULL;
	*count = 0;
}

static void drop_jwt(struct workload_jwt *jwt)
{
	free(jwt->id);
	free(jwt->hint);
	secret_done(&jwt->token);
	*jwt = (struct workload_jwt){ .id = NULL };
}

struct svid_presence *svid_state_presence(struct svid_state *state, enum svid_source source, size_t token)
{
	return source == SVID_X509 ? &state->x509 : source == SVID_JWKS ? &state->jwks : &state->token[token];
}

void svid_state_drop(struct svid_state *state, enum svid_source source, size_t token)
{
	*svid_state_presence(state, source, token) = (struct svid_presence){ .there = false };
	if (source == SVID_X509) {
		drop_svids(&state->svids, &state->svid_count);
		workload_bundles_done(&state->federated);
	} else if (source == SVID_JWKS) {
		workload_bundles_done(&state->jwt_bundles);
	} else {
		drop_jwt(&state->jwt[token]);
	}
}

void svid_state_done(struct svid_state *state)
{
	svid_state_drop(state, SVID_X509, 0);
	svid_state_drop(state, SVID_JWKS, 0);
	for (size_t i = 0; i < SVID_TOKENS_MAX; i++)
		svid_state_drop(state, SVID_TOKEN, i);
}

int64_t svid_state_expires(const struct svid_state *state, enum svid_source source, size_t token)
{
	int64_t first = INT64_MAX;
	if (source == SVID_X509)
		for (size_t i = 0; i < state->svid_count; i++)
			first = state->svids[i].not_after < first ? state->svids[i].not_after : first;
	if (source == SVID_TOKEN && state->token[token].there)
		first = state->jwt_expires[token];
	return first;
}

bool svid_state_complete(const struct svid_state *state)
{
	if ((!state->settings->no_x509 && !state->x509.there) ||
	    (state->settings->jwt_bundle_file && !state->jwks.there))
		return false;
	for (size_t i = 0; i < state->token_count; i++)
		if (!state->token[i].there)
			return false;
	return true;
}

/* Which of them: the first, the first with the hint, all. */
static bool is_wanted(const struct svid_settings *settings, const char *hint, size_t found)
{
	if (svid_settings_all(settings))
		return true;
	return found == 0 && (!settings->hint || strcmp(settings->hint, hint) == 0);
}

static int no_such_hint(const struct svid_settings *settings, size_t count, const char *what, struct err *err)
{
	return err_set(err, ERR_MISSING, "none of the %zu %s has the hint '%s'", count, what, settings->hint);
}

static int take_x509(struct svid_state *state, struct workload_x509 *update, time_t now, struct err *err)
{
	size_t wanted = 0;
	size_t count = 0;
	struct spire_svid *svids = calloc(update->count + 1, sizeof(*svids));
	if (!svids)
		return err_set(err, ERR_SYSTEM, "out of memory");
	for (size_t i = 0; i < update->count; i++) {
		if (!is_wanted(state->settings, update->svids[i].hint, wanted))
			continue;
		wanted++;
		if (spire_svid_take(&update->svids[i], state->svid_count > 0 ? &state->svids[0] : NULL, now,
				    &svids[count], err) == 0)
			count++;
		else if (svid_settings_all(state->settings) && err)
			log_warning("an SVID is left out: %s", err->message);
	}
	if (count == 0) {
		free(svids);
		return wanted > 0 ? -1 : no_such_hint(state->settings, update->count, "SVIDs", err);
	}
	drop_svids(&state->svids, &state->svid_count);
	workload_bundles_done(&state->federated);
	state->svids = svids;
	state->svid_count = count;
	state->federated = update->federated;
	update->federated = (struct workload_bundles){ 0 };
	return 0;
}

static int take_jwt(struct svid_state *state, size_t token, struct workload_jwts *update, time_t now, struct err *err)
{
	struct workload_jwt *chosen = NULL;
	int64_t issued;
	int64_t expires;
	for (size_t i = 0; i < update->count && !chosen; i++)
		if (!state->settings->hint || strcmp(state->settings->hint, update->list[i].hint) == 0)
			chosen = &update->list[i];
	if (!chosen)
		return no_such_hint(state->settings, update->count, "tokens", err);
	if (spire_jwt_window(&chosen->token, &issued, &expires, err) < 0)
		return -1;
	if (expires <= now)
		return err_set(err, ERR_CLOCK, "the token for '%s' has expired already, or the clock is wrong",
			       state->tokens[token].file);
	drop_jwt(&state->jwt[token]);
	state->jwt[token] = *chosen;
	*chosen = (struct workload_jwt){ .id = NULL };
	state->jwt_expires[token] = expires;
	return 0;
}

static int take_any(struct svid_state *state, struct svid_news *news, time_t now, struct err *err)
{
	if (news->source == SVID_X509)
		return take_x509(state, &news->x509, now, err);
	if (news->source == SVID_TOKEN)
		return take_jwt(state, news->token, &news->jwts, now, err);
	workload_bundles_done(&state->jwt_bundles);
	state->jwt_bundles = news->jwks;
	news->jwks = (struct workload_bundles){ 0 };
	return 0;
}

int svid_state_take(struct svid_state *state, struct svid_news *news, time_t now, struct err *err)
{
	if (take_any(state, news, now, err) < 0)
		return -1;
	*svid_state_presence(state, news->source, news->token) = (struct svid_presence){ .there = true };
	return 0;
}

/* Letters that no file system and no shell stumbles over. */
static bool is_fit(const char *text)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._";
	return *text && text[0] != '.' && text[strspn(text, letters)] == 0 && strlen(text) <= 128;
}

/* What stands for "{word}". */
static int value_of(const char *word, size_t len, const struct spire_svid *svid, size_t index, const char *domain,
		    char *out, size_t size, struct err *err)
{
	out[0] = 0;
	if (len == 5 && memcmp(word, "index", len) == 0)
		(void)snprintf(out, size, "%zu", index);
	else if (len == 4 && memcmp(word, "hint", len) == 0)
		(void)snprintf(out, size, "%s", svid ? svid->hint : "");
	else if (len == 2 && memcmp(word, "id", len) == 0 && svid)
		(void)snprintf(out, size, "%s",
			       strchr(svid->id + sizeof("spiffe://") - 1, '/')
				       ? strchr(svid->id + sizeof("spiffe://") - 1, '/') + 1
				       : "");
	else if (domain)
		(void)snprintf(out, size, "%s", domain);
	for (char *c = out; *c; c++)
		*c = *c == '/' ? '_' : *c;
	return is_fit(out) ? 0
			   : err_set(err, ERR_MISSING, "'%s' of '%s' is nothing to make a file name of ('{%.*s}')", out,
				     svid ? svid->id : "?", (int)len, word);
}

/* A name with its braces filled in. */
static int fill_name(const char *pattern, const struct spire_svid *svid, size_t index, const char *domain,
		     char out[NAME_SIZE], struct err *err)
{
	OWNED_BUF struct buf name = BUF_INIT(NAME_SIZE - 1);
	while (*pattern) {
		size_t plain = strcspn(pattern, "{");
		char value[SPIRE_ID_MAX + 1];
		if (buf_append(&name, bytes_of(pattern, plain), err) < 0)
			return -1;
		pattern += plain;
		if (!*pattern)
			break;
		size_t len = strcspn(++pattern, "}");
		if (value_of(pattern, len, svid, index, domain, value, sizeof(value), err) < 0 ||
		    buf_append_text(&name, value, err) < 0)
			return -1;
		pattern += len + 1;
	}
	(void)snprintf(out, NAME_SIZE, "%s", buf_text(&name));
	return 0;
}

static int add_public(struct svid_files *files, const char *name, mode_t mode, struct bytes content, struct err *err)
{
	struct svid_file *file;
	if (svid_files_add(files, name, mode, &file, err) < 0)
		return -1;
	return buf_append(&file->text, content, err);
}

static int add_secret(struct svid_files *files, const char *name, mode_t mode, struct bytes first, struct bytes second,
		      struct err *err)
{
	struct svid_file *file;
	if (svid_files_add(files, name, mode, &file, err) < 0 ||
	    secret_alloc(&file->secret, first.len + second.len, err) < 0 ||
	    secret_append(&file->secret, first, err) < 0)
		return -1;
	return secret_append(&file->secret, second, err);
}

static int read_password(const char *path, struct secret *ret_password, struct err *err)
{
	int fd OWNED_FD = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return err_set_errno(err, ERR_CONFIG, errno, "cannot open '%s' (svid.pkcs12_password_file)", path);
	struct secret text OWNED_SECRET = SECRET_INIT;
	if (secret_read_fd(&text, fd, 1024, err) < 0)
		return err_wrap(err, "'%s'", path);
	const char *end = memchr(text.data, '\n', text.len);
	size_t len = end ? (size_t)(end - (const char *)text.data) : text.len;
	if (len == 0)
		return err_set(err, ERR_CONFIG, "'%s' holds no password", path);
	if (secret_alloc(ret_password, len + 1, err) < 0 ||
	    secret_append(ret_password, bytes_of(text.data, len), err) < 0)
		return -1;
	return secret_append(ret_password, bytes_of("", 1), err);
}

static int add_pkcs12(const struct svid_settings *settings, const struct spire_svid *svid, const char *name,
		      struct svid_files *files, struct err *err)
{
	struct secret password OWNED_SECRET = SECRET_INIT;
	struct secret content OWNED_SECRET = SECRET_INIT;
	if (read_password(settings->pkcs12_password_file, &password, err) < 0 ||
	    spire_svid_pkcs12(svid, password.data, &content, err) < 0)
		return -1;
	return add_secret(files, name, settings->key_mode, secret_bytes(&content), bytes_of(NULL, 0), err);
}

/* All files of one SVID, or an error that names what is wrong. */
static int add_svid(const struct svid_settings *settings, const struct spire_svid *svid, size_t index,
		    struct svid_files *files, struct err *err)
{
	char name[NAME_SIZE];
	if (fill_name(settings->svid_file, svid, index, NULL, name, err) < 0 ||
	    add_public(files, name, settings->cert_mode, buf_bytes(&svid->chain_pem), err) < 0 ||
	    fill_name(settings->key_file, svid, index, NULL, name, err) < 0 ||
	    add_secret(files, name, settings->key_mode, secret_bytes(&svid->key_pem), bytes_of(NULL, 0), err) < 0)
		return -1;
	if (settings->combined_file && (fill_name(settings->combined_file, svid, index, NULL, name, err) < 0 ||
					add_secret(files, name, settings->key_mode, secret_bytes(&svid->key_pem),
						   buf_bytes(&svid->chain_pem), err) < 0))
		return -1;
	if (!settings->pkcs12_file)
		return 0;
	if (fill_name(settings->pkcs12_file, svid, index, NULL, name, err) < 0)
		return -1;
	return add_pkcs12(settings, svid, name, files, err);
}

static void forget_from(struct svid_files *files, size_t count)
{
	struct svid_files tail = { .list = files->list + count, .count = files->count - count };
	for (size_t i = 0; i < tail.count; i++) {
		free(tail.list[i].name);
		buf_done(&tail.list[i].text);
		secret_done(&tail.list[i].secret);
	}
	files->count = count;
}

static int add_svids(const struct svid_state *state, struct svid_files *files, struct err *err)
{
	for (size_t i = 0; i < state->svid_count; i++) {
		size_t before = files->count;
		if (add_svid(state->settings, &state->svids[i], i, files, err) == 0)
			continue;
		if (!svid_settings_all(state->settings) || !err || err->code == ERR_SYSTEM)
			return -1;
		forget_from(files, before);
		log_warning("'%s' is not delivered: %s", state->svids[i].id, err->message);
	}
	return files->count > 0 ? 0 : -1;
}

/* The own bundle, and behind it the federated ones where they belong inside. */
static int add_bundles(const struct svid_state *state, time_t now, struct svid_files *files, struct err *err)
{
	const struct svid_settings *settings = state->settings;
	OWNED_BUF struct buf all = BUF_INIT(4u * SECRET_MAX);
	if (buf_append(&all, buf_bytes(&state->svids[0].bundle_pem), err) < 0)
		return -1;
	for (size_t i = 0; i < state->federated.count; i++) {
		const struct workload_bundle *bundle = &state->federated.list[i];
		OWNED_BUF struct buf pem = BUF_INIT(2u * SECRET_MAX);
		char name[NAME_SIZE];
		struct spire_bundle_count count;
		struct err why = { 0 };
		if (spire_bundle_pem(buf_bytes(&bundle->content), now, &pem, &count, &why) < 0) {
			log_warning("the bundle of '%s' is left out: %s", bundle->trust_domain, why.message);
			continue;
		}
		if (settings->include_federated && buf_append(&all, buf_bytes(&pem), err) < 0)
			return -1;
		if (settings->federated_file &&
		    (fill_name(settings->federated_file, NULL, i, bundle->trust_domain, name, err) < 0 ||
		     add_public(files, name, settings->cert_mode, buf_bytes(&pem), err) < 0))
			return -1;
	}
	return add_public(files, settings->bundle_file, settings->cert_mode, buf_bytes(&all), err);
}

/* The own trust domain, from whatever identity is there. */
static int own_domain(const struct svid_state *state, char out[256])
{
	struct bytes domain;
	const char *id = state->svid_count > 0 ? state->svids[0].id : NULL;
	for (size_t i = 0; i < state->token_count && !id; i++)
		id = state->jwt[i].id;
	if (!id && state->jwt_bundles.count == 1)
		return snprintf(out, 256, "%s", state->jwt_bundles.list[0].trust_domain) > 0 ? 0 : -1;
	if (!id || spire_id_parse(id, &domain, NULL, NULL) < 0)
		return -1;
	(void)snprintf(out, 256, "%.*s", (int)domain.len, (const char *)domain.data);
	return 0;
}

static int add_jwks(const struct svid_state *state, struct svid_files *files, struct err *err)
{
	const struct svid_settings *settings = state->settings;
	char own[256] = "";
	char name[NAME_SIZE];
	bool all = strchr(settings->jwt_bundle_file, '{') != NULL;
	if (!all && own_domain(state, own) < 0)
		return 0; /* more than one, and no identity yet that says which is ours */
	for (size_t i = 0; i < state->jwt_bundles.count; i++) {
		const struct workload_bundle *bundle = &state->jwt_bundles.list[i];
		if (!all && strcmp(bundle->trust_domain, own) != 0)
			continue;
		if (fill_name(settings->jwt_bundle_file, NULL, i, bundle->trust_domain, name, err) < 0 ||
		    add_public(files, name, settings->cert_mode, buf_bytes(&bundle->content), err) < 0)
			return -1;
	}
	return 0;
}

static int add_tokens(const struct svid_state *state, struct svid_files *files, struct err *err)
{
	for (size_t i = 0; i < state->token_count; i++)
		if (state->token[i].there && add_secret(files, state->tokens[i].file, state->settings->key_mode,
							secret_bytes(&state->jwt[i].token), bytes_of(NULL, 0), err) < 0)
			return -1;
	return 0;
}

int svid_state_files(const struct svid_state *state, time_t now, struct svid_files *files, struct err *err)
{
	if (state->x509.there && (add_svids(state, files, err) < 0 || add_bundles(state, now, files, err) < 0))
		return -1;
	if (state->jwks.there && add_jwks(state, files, err) < 0)
		return -1;
	return add_tokens(state, files, err);
}
