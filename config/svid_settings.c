/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table [svid]: values, and what they mean together.
 *
 * They come from a file or a command line, in a container from whoever wrote the
 * pod. Must never let a private key be readable by everybody, nor a file name
 * lead out of the directory.
 */
#include "config/svid_settings.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "spire/id.h"
#include "spire/value.h"

#define LIST_MAX 65536
#define NAME_MAX_LEN 200

void svid_settings_defaults(struct svid_settings *settings)
{
	settings->cert_mode = 0644;
	settings->key_mode = 0600;
	settings->deletion_grace_ms = 30000;
	settings->margin_ms = 10000;
}

/* The number of the word in `words`. */
static int choose(const struct toml_value *value, const char *const *words, size_t count, unsigned *ret_choice,
		  struct err *err)
{
	struct bytes text = toml_string(value);
	OWNED_BUF struct buf known = BUF_INIT(256);
	for (size_t i = 0; i < count; i++) {
		if (bytes_equal_text(text, words[i])) {
			*ret_choice = (unsigned)i;
			return 0;
		}
		if (buf_printf(&known, err, "%s'%s'", i == 0 ? "" : ", ", words[i]) < 0)
			return -1;
	}
	return err_set(err, ERR_CONFIG, "'%.*s' is unknown; use one of %s", (int)(text.len > 64 ? 64 : text.len),
		       (const char *)text.data, buf_text(&known));
}

int svid_set_replace(const struct toml_value *value, void *place, struct err *err)
{
	static const char *const words[] = { "directory", "files" };
	return choose(value, words, ARRAY_LEN(words), place, err);
}

int svid_set_deletion(const struct toml_value *value, void *place, struct err *err)
{
	static const char *const words[] = { "withdraw", "keep" };
	return choose(value, words, ARRAY_LEN(words), place, err);
}

int svid_set_restart(const struct toml_value *value, void *place, struct err *err)
{
	static const char *const words[] = { "never", "on-failure", "always" };
	return choose(value, words, ARRAY_LEN(words), place, err);
}

int svid_set_signal(const struct toml_value *value, void *place, struct err *err)
{
	static const struct {
		const char *name;
		int number;
	} signals[] = { { "HUP", SIGHUP },   { "INT", SIGINT },	  { "QUIT", SIGQUIT },	 { "USR1", SIGUSR1 },
			{ "USR2", SIGUSR2 }, { "TERM", SIGTERM }, { "WINCH", SIGWINCH }, { "CONT", SIGCONT } };
	struct bytes text = toml_string(value);
	if (text.len > 3 && memcmp(text.data, "SIG", 3) == 0)
		text = bytes_of(text.data + 3, text.len - 3);
	for (size_t i = 0; i < ARRAY_LEN(signals); i++)
		if (bytes_equal_text(text, signals[i].name)) {
			*(int *)place = signals[i].number;
			return 0;
		}
	return err_set(err, ERR_CONFIG,
		       "'%.*s' is no signal for this; use SIGHUP, SIGUSR1, SIGUSR2, SIGINT, SIGQUIT, SIGTERM, SIGWINCH "
		       "or SIGCONT",
		       (int)(text.len > 32 ? 32 : text.len), (const char *)text.data);
}

int svid_set_mode(const struct toml_value *value, void *place, struct err *err)
{
	struct bytes text = toml_string(value);
	mode_t mode = 0;
	bool good = text.len >= 3 && text.len <= 4 && (text.len == 3 || text.data[0] == '0');
	for (size_t i = 0; good && i < text.len; i++) {
		good = text.data[i] >= '0' && text.data[i] <= '7';
		mode = mode * 8 + (mode_t)(text.data[i] - '0');
	}
	if (!good || !(mode & 0400) || (mode & ~(mode_t)0666))
		return err_set(err, ERR_CONFIG, "'%.*s' is no mode; write it like '0640', readable by the owner",
			       (int)(text.len > 16 ? 16 : text.len), (const char *)text.data);
	*(mode_t *)place = mode;
	return 0;
}

static int add_member(struct buf *list, const struct toml_value *value, struct err *err)
{
	if (toml_type(value) != TOML_STRING)
		return err_set(err, ERR_CONFIG, "holds something else than strings");
	struct bytes text = toml_string(value);
	if (text.len == 0 || memchr(text.data, 0, text.len) || memchr(text.data, '\n', text.len))
		return err_set(err, ERR_CONFIG, "holds an empty string, or one with a NUL or a line break in it");
	if (list->len > 0 && buf_append_byte(list, '\n', err) < 0)
		return -1;
	return buf_append(list, text, err);
}

int svid_set_list(const struct toml_value *value, void *place, struct err *err)
{
	OWNED_BUF struct buf list = BUF_INIT(LIST_MAX);
	for (const struct toml_value *member = toml_first(value); member; member = toml_next(member))
		if (add_member(&list, member, err) < 0)
			return -1;
	if (list.len == 0)
		return err_set(err, ERR_CONFIG, "is empty");
	char *copy = strdup(buf_text(&list));
	if (!copy)
		return err_set(err, ERR_SYSTEM, "out of memory");
	char **field = place;
	free(*field);
	*field = copy;
	return 0;
}

/* (uid_t)-1 means "leave it alone" to the kernel. */
static int set_id(const struct toml_value *value, uint32_t *ret_id, struct err *err)
{
	int64_t number = toml_integer(value);
	if (number < 0 || number >= UINT32_MAX)
		return err_set(err, ERR_CONFIG, "%lld is no user or group id", (long long)number);
	*ret_id = (uint32_t)number;
	return 0;
}

int svid_set_uid(const struct toml_value *value, void *settings, struct err *err)
{
	struct svid_settings *svid = settings;
	svid->uid_set = true;
	return set_id(value, &svid->uid, err);
}

int svid_set_gid(const struct toml_value *value, void *settings, struct err *err)
{
	struct svid_settings *svid = settings;
	svid->gid_set = true;
	return set_id(value, &svid->gid, err);
}

bool svid_list_next(const char **at, struct bytes *ret_member)
{
	if (!*at || !**at)
		return false;
	size_t len = strcspn(*at, "\n");
	*ret_member = bytes_of(*at, len);
	*at += len + ((*at)[len] == '\n' ? 1 : 0);
	return true;
}

void svid_token_done(struct svid_token *token)
{
	free(token->text);
	*token = (struct svid_token){ .text = NULL };
}

int svid_token_parse(struct bytes member, struct svid_token *ret_token, struct err *err)
{
	struct svid_token token = { .text = strndup((const char *)member.data, member.len) };
	if (!token.text)
		return err_set(err, ERR_SYSTEM, "out of memory");
	char *equals = strchr(token.text, '=');
	char *rest = NULL;
	if (equals)
		*equals = 0;
	token.file = token.text;
	for (char *word = equals ? strtok_r(equals + 1, " ", &rest) : NULL; word; word = strtok_r(NULL, " ", &rest)) {
		if (token.audience_count == WORKLOAD_AUDIENCES_MAX) {
			svid_token_done(&token);
			return err_set(err, ERR_CONFIG, "more than %d audiences for one token", WORKLOAD_AUDIENCES_MAX);
		}
		token.audiences[token.audience_count++] = word;
	}
	if (token.audience_count == 0) {
		svid_token_done(&token);
		return err_set(err, ERR_CONFIG, "'%.*s' is no 'FILE=AUDIENCE'",
			       (int)(member.len > 200 ? 200 : member.len), (const char *)member.data);
	}
	*ret_token = token;
	return 0;
}

struct file_owner svid_settings_owner(const struct svid_settings *settings)
{
	uid_t uid = settings->uid_set ? settings->uid : geteuid();
	gid_t gid = settings->gid_set				      ? settings->gid
		    : settings->uid_set && settings->uid != geteuid() ? settings->uid
								      : getegid();
	return (struct file_owner){ .uid = uid, .gid = gid };
}

bool svid_settings_all(const struct svid_settings *settings)
{
	return settings->svid_file && strchr(settings->svid_file, '{');
}

int svid_settings_socket(const struct svid_settings *settings, const char *variable, const char **ret_path,
			 struct err *err)
{
	static const char usual[] = "/tmp/spire-agent/public/api.sock";
	const char *address = settings->socket ? settings->socket : variable && *variable ? variable : usual;
	if (spire_endpoint_parse(address, ret_path, err) == 0)
		return 0;
	return err_wrap(err, "%s", settings->socket ? "svid.socket" : "the variable SPIFFE_ENDPOINT_SOCKET");
}

/* Names with their key, the words allowed in braces, and whether each SVID needs its own. */
struct name {
	const char *key;
	const char *text;
	const char *words;
	bool per_svid;
};

/* Each "{word}" is one of `words` (" a b "). */
static bool braces_are_known(const char *text, const char *words)
{
	for (const char *open = strpbrk(text, "{}"); open; open = strpbrk(open, "{}")) {
		char word[40];
		size_t len = *open == '{' ? strcspn(open + 1, "}") : 0;
		if (len == 0 || len > sizeof(word) - 3 || open[1 + len] != '}')
			return false;
		(void)snprintf(word, sizeof(word), " %.*s ", (int)len, open + 1);
		if (!strstr(words, word))
			return false;
		open += len + 2;
	}
	return true;
}

static void check_name(const struct svid_settings *settings, const struct name *name, struct problems *problems)
{
	const char *text = name->text;
	if (strchr(text, '/') || text[0] == '.' || text[0] == 0 || strlen(text) > NAME_MAX_LEN)
		problems_add(problems, 0, name->key, "'%.200s' is not the name of a file (no '/', no '.' in front)",
			     text);
	else if (!braces_are_known(text, name->words))
		problems_add(problems, 0, name->key, "'%s' holds braces with another word than these:%s", text,
			     *name->words ? name->words : " none");
	else if (name->per_svid && svid_settings_all(settings) && !strchr(text, '{'))
		problems_add(
			problems, 0, name->key,
			"'%s' would be the same for each SVID; name it by {hint}, {index} or {id} as svid_file does",
			text);
	else if (name->per_svid && !svid_settings_all(settings) && strchr(text, '{'))
		problems_add(problems, 0, name->key, "has braces, but svid_file has none: only one SVID is delivered");
}

static void check_same(const struct name *a, const struct name *b, struct problems *problems)
{
	if (strcmp(a->text, b->text) == 0)
		problems_add(problems, 0, b->key, "'%s' is also the name of %s", b->text, a->key);
}

static size_t list_names(const struct svid_settings *s, struct name *names)
{
	static const char of_svid[] = " hint index id ";
	const bool svids = !s->no_x509 && !s->bundles_only;
	const struct name all[] = {
		{ "svid.svid_file", svids ? s->svid_file : NULL, of_svid, true },
		{ "svid.key_file", svids ? s->key_file : NULL, of_svid, true },
		{ "svid.bundle_file", s->no_x509 ? NULL : s->bundle_file, "", false },
		{ "svid.combined_file", s->combined_file, of_svid, true },
		{ "svid.pkcs12_file", s->pkcs12_file, of_svid, true },
		{ "svid.federated_file", s->federated_file, " trust_domain ", false },
		{ "svid.jwt_bundle_file", s->jwt_bundle_file, " trust_domain ", false },
	};
	size_t count = 0;
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		if (all[i].text)
			names[count++] = all[i];
	return count;
}

static void check_tokens(const struct svid_settings *settings, const struct name *others, size_t other_count,
			 struct problems *problems)
{
	struct bytes member;
	size_t count = 0;
	for (const char *at = settings->jwt; svid_list_next(&at, &member); count++) {
		CLEANUP(svid_token_done) struct svid_token token = { .text = NULL };
		struct err why = { 0 };
		if (svid_token_parse(member, &token, &why) < 0) {
			problems_add(problems, 0, "svid.jwt", "%s", why.message);
			continue;
		}
		const struct name name = { "svid.jwt", token.file, "", false };
		check_name(settings, &name, problems);
		for (size_t i = 0; i < other_count; i++)
			check_same(&others[i], &name, problems);
	}
	if (count > SVID_TOKENS_MAX)
		problems_add(problems, 0, "svid.jwt", "names %zu tokens; at most %d are taken", count, SVID_TOKENS_MAX);
}

static void check_names(const struct svid_settings *settings, struct problems *problems)
{
	struct name names[8];
	size_t count = list_names(settings, names);
	for (size_t i = 0; i < count; i++) {
		check_name(settings, &names[i], problems);
		for (size_t j = 0; j < i; j++)
			check_same(&names[j], &names[i], problems);
	}
	if (settings->federated_file && !strstr(settings->federated_file, "{trust_domain}"))
		problems_add(problems, 0, "svid.federated_file", "needs '{trust_domain}' in it: there may be several");
	check_tokens(settings, names, count, problems);
}

static void check_x509(const struct svid_settings *settings, struct problems *problems)
{
	if (settings->no_x509 && (settings->combined_file || settings->pkcs12_file || settings->federated_file))
		problems_add(problems, 0, "svid.no_x509", "stands beside names of X.509 files");
	if (settings->bundles_only && (settings->no_x509 || settings->combined_file || settings->pkcs12_file))
		problems_add(problems, 0, "svid.bundles_only", "stands beside 'no_x509' or names of files with keys");
	if (settings->no_x509 && !settings->jwt && !settings->jwt_bundle_file)
		problems_add(problems, 0, "svid.no_x509", "leaves nothing to deliver; name 'jwt' or 'jwt_bundle_file'");
	if (!settings->pkcs12_file != !settings->pkcs12_password_file)
		problems_add(
			problems, 0, "svid.pkcs12_file",
			"and 'pkcs12_password_file' belong together; the password never stands in a configuration");
	if (settings->hint && !settings->bundles_only && svid_settings_all(settings))
		problems_add(problems, 0, "svid.hint", "chooses one SVID, but the names in braces ask for all");
}

static void check_owner(const struct svid_settings *settings, struct problems *problems)
{
	if (settings->key_mode & 0007)
		problems_add(problems, 0, "svid.key_mode", "lets everybody read private keys and tokens");
	if ((settings->cert_mode | settings->key_mode) & 0022)
		problems_add(problems, 0, settings->key_mode & 0022 ? "svid.key_mode" : "svid.cert_mode",
			     "lets others than the owner write");
	if (settings->uid_set && settings->uid != geteuid() && geteuid() != 0)
		problems_add(problems, 0, "svid.uid", "is %u, but sealpod runs as uid %u and cannot give files away",
			     settings->uid, geteuid());
}

static void check_telling(const struct svid_settings *settings, struct problems *problems)
{
	if (settings->pid_file && !settings->signal)
		problems_add(problems, 0, "svid.pid_file", "needs 'signal' beside it");
}

void svid_settings_check(const struct svid_settings *settings, struct problems *problems)
{
	const char *ignored;
	struct err why = { 0 };
	if (!settings->directory)
		problems_add(problems, 0, "svid.directory", "is missing: where the files go");
	if (settings->socket && spire_endpoint_parse(settings->socket, &ignored, &why) < 0)
		problems_add(problems, 0, "svid.socket", "%s", why.message);
	if (settings->trust_domain && spire_trust_domain_check(settings->trust_domain, &why) < 0)
		problems_add(problems, 0, "svid.trust_domain", "%s", why.message);
	check_names(settings, problems);
	check_x509(settings, problems);
	check_owner(settings, problems);
	check_telling(settings, problems);
}
