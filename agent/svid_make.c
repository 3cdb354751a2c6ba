/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a state to files.
 *
 * Identities, hints and trust domains come from the agent and become parts of
 * file names: each must prove that it is fit for that. Must never mix the key of
 * one SVID with the chain of another, nor let a broken bundle of a foreign trust
 * domain keep the own SVID from being delivered.
 */
#include "agent/svid_make.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "spire/id.h"

#define NAME_SIZE 256

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

/* Where files go, and what they are of. */
struct maker {
	const struct svid_settings *settings;
	struct svid_files *files;
	enum svid_source source;
	unsigned index;
	int64_t expires;
};

static bool is_secret(enum svid_kind kind)
{
	return kind == SVID_KIND_KEY || kind == SVID_KIND_COMBINED || kind == SVID_KIND_PKCS12 ||
	       kind == SVID_KIND_TOKEN;
}

static mode_t mode_of(const struct svid_settings *settings, enum svid_kind kind)
{
	return is_secret(kind) ? settings->key_mode : settings->cert_mode;
}

static int add(const struct maker *maker, enum svid_kind kind, const char *name, struct svid_file **ret_file,
	       struct err *err)
{
	if (svid_files_add(maker->files, name, mode_of(maker->settings, kind), ret_file, err) < 0)
		return -1;
	(*ret_file)->source = maker->source;
	(*ret_file)->kind = kind;
	(*ret_file)->index = maker->index;
	(*ret_file)->expires = maker->expires;
	return 0;
}

/* The state's own bytes, which stay until the file is written. */
static int lend(const struct maker *maker, enum svid_kind kind, const char *name, struct bytes first,
		struct bytes second, struct err *err)
{
	struct svid_file *file;
	if (add(maker, kind, name, &file, err) < 0)
		return -1;
	file->lent[0] = first;
	file->lent[1] = second;
	return 0;
}

int svid_make_password(const char *path, struct secret *ret_password, struct err *err)
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

static int add_pkcs12(const struct maker *maker, const struct spire_svid *svid, const char *name, struct err *err)
{
	struct secret password OWNED_SECRET = SECRET_INIT;
	struct svid_file *file;
	if (add(maker, SVID_KIND_PKCS12, name, &file, err) < 0 ||
	    svid_make_password(maker->settings->pkcs12_password_file, &password, err) < 0)
		return -1;
	return spire_svid_pkcs12(svid, password.data, &file->secret, err);
}

/* All files of one SVID, or an error that names what is wrong. */
static int add_svid(const struct maker *maker, const struct svid_item *item, struct err *err)
{
	const struct svid_settings *settings = maker->settings;
	const struct spire_svid *svid = &item->svid;
	const struct bytes key = secret_bytes(&svid->key_pem);
	const struct bytes none = bytes_of(NULL, 0);
	char name[NAME_SIZE];
	if (fill_name(settings->svid_file, svid, item->index, NULL, name, err) < 0 ||
	    lend(maker, SVID_KIND_CHAIN, name, buf_bytes(&svid->chain_pem), none, err) < 0 ||
	    fill_name(settings->key_file, svid, item->index, NULL, name, err) < 0 ||
	    lend(maker, SVID_KIND_KEY, name, key, none, err) < 0)
		return -1;
	if (settings->combined_file &&
	    (fill_name(settings->combined_file, svid, item->index, NULL, name, err) < 0 ||
	     lend(maker, SVID_KIND_COMBINED, name, key, buf_bytes(&svid->chain_pem), err) < 0))
		return -1;
	if (!settings->pkcs12_file)
		return 0;
	if (fill_name(settings->pkcs12_file, svid, item->index, NULL, name, err) < 0)
		return -1;
	return add_pkcs12(maker, svid, name, err);
}

static int add_svids(const struct svid_state *state, struct maker maker, struct err *err)
{
	size_t made = 0;
	struct err why = { 0 };
	for (size_t i = 0; i < state->svid_count; i++) {
		size_t before = maker.files->count;
		maker.index = (unsigned)state->svids[i].index;
		maker.expires = state->svids[i].svid.not_after;
		if (add_svid(&maker, &state->svids[i], &why) == 0) {
			made++;
			continue;
		}
		if (!svid_settings_all(maker.settings) || why.code == ERR_SYSTEM)
			break;
		svid_files_cut(maker.files, before);
		log_warning("'%s' is not delivered: %s", state->svids[i].svid.id, why.message);
	}
	if (made > 0 && (made == state->svid_count || svid_settings_all(maker.settings)) && why.code != ERR_SYSTEM)
		return 0;
	if (err)
		*err = why;
	return -1;
}

/* What a foreign trust domain brings about ends there, but for what is our own trouble. */
static int leave_out(const struct workload_bundle *bundle, const struct err *why, struct err *err)
{
	if (why->code == ERR_SYSTEM) {
		if (err)
			*err = *why;
		return -1;
	}
	log_warning("the bundle of '%s' is left out: %s", bundle->trust_domain, why->message);
	return 0;
}

/* One of a foreign trust domain: into a file of its own, behind the own authorities, or both. */
static int add_foreign(const struct maker *maker, const struct workload_bundle *bundle, time_t now, size_t own_file,
		       struct err *err)
{
	const struct svid_settings *settings = maker->settings;
	OWNED_BUF struct buf pem = BUF_INIT(2u * SECRET_MAX);
	char name[NAME_SIZE];
	struct spire_bundle_count count;
	struct svid_file *file;
	struct err why = { 0 };
	if (spire_bundle_pem(buf_bytes(&bundle->content), now, &pem, &count, &why) < 0)
		return leave_out(bundle, &why, err);
	if (settings->include_federated && buf_append(&maker->files->list[own_file].text, buf_bytes(&pem), err) < 0)
		return -1;
	if (!settings->federated_file)
		return 0;
	if (fill_name(settings->federated_file, NULL, 0, bundle->trust_domain, name, &why) < 0 ||
	    add(maker, SVID_KIND_FEDERATED, name, &file, &why) < 0)
		return leave_out(bundle, &why, err);
	buf_move(&file->text, &pem);
	return 0;
}

static int add_all_foreign(const struct maker *maker, const struct workload_bundles *bundles,
			   const struct workload_bundle *own, time_t now, size_t own_file, struct err *err)
{
	for (size_t i = 0; i < bundles->count; i++)
		if (&bundles->list[i] != own && add_foreign(maker, &bundles->list[i], now, own_file, err) < 0)
			return -1;
	return 0;
}

/* The federated ones come behind it where they belong inside. */
static int add_own_bundle(const struct maker *maker, struct bytes pem, size_t *ret_file, struct err *err)
{
	struct svid_file *file;
	*ret_file = maker->files->count;
	if (add(maker, SVID_KIND_BUNDLE, maker->settings->bundle_file, &file, err) < 0)
		return -1;
	return buf_append(&file->text, pem, err);
}

static int add_x509(const struct svid_state *state, time_t now, struct maker maker, struct err *err)
{
	size_t own_file;
	maker.source = SVID_X509;
	if (add_own_bundle(&maker, buf_bytes(&state->svids[0].svid.bundle_pem), &own_file, err) < 0 ||
	    add_svids(state, maker, err) < 0)
		return -1;
	return add_all_foreign(&maker, &state->federated, NULL, now, own_file, err);
}

static int add_bundles_alone(const struct svid_state *state, time_t now, struct maker maker, struct err *err)
{
	OWNED_BUF struct buf pem = BUF_INIT(2u * SECRET_MAX);
	struct spire_bundle_count count;
	size_t own_file;
	const struct workload_bundle *own = svid_state_own_bundle(state, &state->x509_bundles);
	maker.source = SVID_BUNDLES;
	if (!own)
		return 0; /* no identity has come yet that says which it is */
	if (spire_bundle_pem(buf_bytes(&own->content), now, &pem, &count, err) < 0)
		return err_wrap(err, "the bundle of '%s'", own->trust_domain);
	if (add_own_bundle(&maker, buf_bytes(&pem), &own_file, err) < 0)
		return -1;
	return add_all_foreign(&maker, &state->x509_bundles, own, now, own_file, err);
}

static int add_key_set(const struct maker *maker, const struct workload_bundle *bundle, struct err *err)
{
	char name[NAME_SIZE];
	if (fill_name(maker->settings->jwt_bundle_file, NULL, 0, bundle->trust_domain, name, err) < 0)
		return -1;
	return lend(maker, SVID_KIND_JWKS, name, buf_bytes(&bundle->content), bytes_of(NULL, 0), err);
}

static int add_own_key_set(const struct svid_state *state, struct maker maker, struct err *err)
{
	const struct workload_bundle *own = svid_state_own_bundle(state, &state->jwt_bundles);
	maker.source = SVID_JWKS;
	return own ? add_key_set(&maker, own, err) : 0;
}

static int add_foreign_key_sets(const struct svid_state *state, struct maker maker, struct err *err)
{
	const struct workload_bundle *own = svid_state_own_bundle(state, &state->jwt_bundles);
	maker.source = SVID_JWKS;
	if (!strchr(maker.settings->jwt_bundle_file, '{'))
		return 0;
	for (size_t i = 0; i < state->jwt_bundles.count; i++) {
		const struct workload_bundle *bundle = &state->jwt_bundles.list[i];
		struct err why = { 0 };
		if (bundle->content.len > 0 && bundle != own && add_key_set(&maker, bundle, &why) < 0 &&
		    leave_out(bundle, &why, err) < 0)
			return -1;
	}
	return 0;
}

static int add_tokens(const struct svid_state *state, struct maker maker, struct err *err)
{
	maker.source = SVID_TOKEN;
	for (size_t i = 0; i < state->token_count; i++) {
		maker.expires = state->jwt_expires[i];
		if (state->token[i].there && lend(&maker, SVID_KIND_TOKEN, state->tokens[i].file,
						  secret_bytes(&state->jwt[i].token), bytes_of(NULL, 0), err) < 0)
			return -1;
	}
	return 0;
}

/* What lies there already and nothing has come in place of; a new file of the same name is meant to replace it. */
static int add_held(const struct svid_state *state, struct svid_files *files, struct err *err)
{
	for (size_t i = 0; i < state->held.count; i++) {
		const struct svid_file *from = &state->held.list[i];
		struct svid_file *file;
		if (svid_files_find(files, from->name))
			continue;
		if (svid_files_add(files, from->name, mode_of(state->settings, from->kind), &file, err) < 0)
			return -1;
		file->lent[0] = svid_file_content(from).pieces[0];
		svid_file_tell(file, from);
	}
	return 0;
}

/* What has a name of its own comes before what is named by others: of two files of one name it is the latter that is
 * left out. */
int svid_make_files(const struct svid_state *state, time_t now, struct svid_files *files, struct err *err)
{
	const struct maker maker = { .settings = state->settings, .files = files, .expires = INT64_MAX };
	if (add_tokens(state, maker, err) < 0 || (state->jwks.there && add_own_key_set(state, maker, err) < 0) ||
	    (state->x509.there && add_x509(state, now, maker, err) < 0) ||
	    (state->bundles.there && add_bundles_alone(state, now, maker, err) < 0) ||
	    (state->jwks.there && add_foreign_key_sets(state, maker, err) < 0))
		return -1;
	return add_held(state, files, err);
}
