/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files in the making, and the list of those that were made.
 *
 * The list lies in a directory that others may be able to write to; they could take
 * away the files as well, so it may name what is ours, but never anything outside
 * of the directory nor one of the hidden names.
 */
#include "agent/svid_files.h"

#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

/* Above any number of SVIDs, bundles and tokens that are taken. */
#define FILES_MAX 1024

static const char *const source_names[] = {
	[SVID_X509] = "x509", [SVID_BUNDLES] = "x509_bundles", [SVID_JWKS] = "jwt_bundles", [SVID_TOKEN] = "jwt"
};

static const char *const kind_names[] = {
	[SVID_KIND_CHAIN] = "chain",   [SVID_KIND_KEY] = "key",	      [SVID_KIND_COMBINED] = "combined",
	[SVID_KIND_PKCS12] = "pkcs12", [SVID_KIND_BUNDLE] = "bundle", [SVID_KIND_FEDERATED] = "federated",
	[SVID_KIND_JWKS] = "jwks",     [SVID_KIND_TOKEN] = "token",
};

const char *svid_source_name(enum svid_source source)
{
	return source_names[source];
}

static void file_done(struct svid_file *file)
{
	free(file->name);
	buf_done(&file->text);
	secret_done(&file->secret);
}

void svid_files_cut(struct svid_files *files, size_t first)
{
	while (files->count > first)
		file_done(&files->list[--files->count]);
}

void svid_files_remove(struct svid_files *files, size_t i)
{
	file_done(&files->list[i]);
	files->count--;
	memmove(&files->list[i], &files->list[i + 1], (files->count - i) * sizeof(*files->list));
}

void svid_files_done(struct svid_files *files)
{
	svid_files_cut(files, 0);
	free(files->list);
	*files = (struct svid_files){ .list = NULL };
}

struct svid_file *svid_files_find(const struct svid_files *files, const char *name)
{
	for (size_t i = 0; i < files->count; i++)
		if (strcmp(files->list[i].name, name) == 0)
			return &files->list[i];
	return NULL;
}

const struct svid_file *svid_files_find_kind(const struct svid_files *files, enum svid_kind kind, unsigned index)
{
	for (size_t i = 0; i < files->count; i++)
		if (files->list[i].kind == kind && files->list[i].index == index)
			return &files->list[i];
	return NULL;
}

static int make_room(struct svid_files *files, struct err *err)
{
	if (files->count < files->room)
		return 0;
	struct svid_file *more = reallocarray(files->list, files->room + 8, sizeof(*more));
	if (!more)
		return err_set(err, ERR_SYSTEM, "out of memory");
	files->list = more;
	files->room += 8;
	return 0;
}

int svid_files_add(struct svid_files *files, const char *name, mode_t mode, struct svid_file **ret_file,
		   struct err *err)
{
	if (name[0] == 0 || name[0] == '.' || strchr(name, '/') || strlen(name) > NAME_MAX)
		return err_set(err, ERR_CONFIG, "'%.250s' is not the name of a file", name);
	if (svid_files_find(files, name))
		return err_set(err, ERR_CONFIG, "two files would be called '%s'", name);
	if (make_room(files, err) < 0)
		return -1;
	char *copy = strdup(name);
	if (!copy)
		return err_set(err, ERR_SYSTEM, "out of memory");
	struct svid_file *file = &files->list[files->count++];
	*file = (struct svid_file){
		.name = copy, .mode = mode, .expires = INT64_MAX, .text = BUF_INIT(4u * SECRET_MAX)
	};
	*ret_file = file;
	return 0;
}

void svid_file_tell(struct svid_file *file, const struct svid_file *as)
{
	file->source = as->source;
	file->kind = as->kind;
	file->index = as->index;
	file->expires = as->expires;
}

int svid_files_add_names(struct svid_files *files, const struct svid_files *more, struct err *err)
{
	for (size_t i = 0; i < more->count; i++) {
		struct svid_file *file;
		if (svid_files_find(files, more->list[i].name))
			continue;
		if (svid_files_add(files, more->list[i].name, more->list[i].mode, &file, err) < 0)
			return -1;
		svid_file_tell(file, &more->list[i]);
	}
	return 0;
}

bool svid_files_same_names(const struct svid_files *a, const struct svid_files *b)
{
	for (size_t i = 0; i < a->count; i++)
		if (!svid_files_find(b, a->list[i].name))
			return false;
	return a->count == b->count;
}

struct svid_content svid_file_content(const struct svid_file *file)
{
	struct svid_content content = { .pieces = { file->lent[0], file->lent[1] } };
	if (file->secret.data || file->text.data)
		content.pieces[0] = file->secret.data ? secret_bytes(&file->secret) : buf_bytes(&file->text);
	return content;
}

static bool is_made_of_others(const struct svid_file *file)
{
	return file->kind == SVID_KIND_PKCS12 || file->kind == SVID_KIND_COMBINED;
}

int svid_files_digest(const struct svid_files *files, struct digest *ret_digest, struct err *err)
{
	OWNED_BUF struct buf all = BUF_INIT(1u << 20);
	for (size_t i = 0; i < files->count; i++) {
		const struct svid_file *file = &files->list[i];
		struct bytes content = svid_file_content(file).pieces[0];
		struct digest one;
		if (is_made_of_others(file))
			content = bytes_of("", 0);
		if (digest_of(DIGEST_SHA256, content, &one, err) < 0 ||
		    buf_append(&all, bytes_of(file->name, strlen(file->name) + 1), err) < 0 ||
		    buf_append(&all, digest_bytes(&one), err) < 0)
			return -1;
	}
	return digest_of(DIGEST_SHA256, buf_bytes(&all), ret_digest, err);
}

int svid_files_print_list(const struct svid_files *files, struct buf *out, struct err *err)
{
	for (size_t i = 0; i < files->count; i++) {
		const struct svid_file *file = &files->list[i];
		char expires[24] = "-";
		if (file->expires != INT64_MAX)
			(void)snprintf(expires, sizeof(expires), "%" PRId64, file->expires);
		if (buf_printf(out, err, "%s %s %u %s %s\n", svid_source_name(file->source), kind_names[file->kind],
			       file->index, expires, file->name) < 0)
			return -1;
	}
	return 0;
}

/* The word in front of the next blank; what is left begins behind it. */
static bool take_word(struct bytes *line, char *word, size_t size)
{
	const uint8_t *blank = memchr(line->data, ' ', line->len);
	size_t len = blank ? (size_t)(blank - line->data) : line->len;
	if (!blank || len >= size || memchr(line->data, 0, len))
		return false;
	memcpy(word, line->data, len);
	word[len] = 0;
	*line = bytes_of(blank + 1, line->len - len - 1);
	return true;
}

/* -1 if it is none of them. */
static int choose(const char *word, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(names[i], word) == 0)
			return (int)i;
	return -1;
}

static bool parse_number(const char *word, size_t digits, int64_t *ret_number)
{
	if (*word == 0 || strlen(word) > digits || word[strspn(word, "0123456789")] != 0)
		return false;
	*ret_number = strtoll(word, NULL, 10);
	return true;
}

/* All but the name. */
static bool parse_words(struct bytes *line, struct svid_file *file)
{
	char words[4][24];
	int64_t index;
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (!take_word(line, words[i], sizeof(words[i])))
			return false;
	int source = choose(words[0], source_names, ARRAY_LEN(source_names));
	int kind = choose(words[1], kind_names, ARRAY_LEN(kind_names));
	file->expires = INT64_MAX;
	if (source < 0 || kind < 0 || !parse_number(words[2], 6, &index) ||
	    (strcmp(words[3], "-") != 0 && !parse_number(words[3], 18, &file->expires)))
		return false;
	file->source = (enum svid_source)source;
	file->kind = (enum svid_kind)kind;
	file->index = (unsigned)index;
	return true;
}

static int parse_line(struct bytes line, struct svid_files *files, struct err *err)
{
	char name[NAME_MAX + 1];
	struct svid_file said;
	struct svid_file *file;
	if (!parse_words(&line, &said) || line.len > NAME_MAX || memchr(line.data, 0, line.len) ||
	    files->count == FILES_MAX)
		return err_set(err, ERR_CREDENTIAL, "line %zu is none of ours", files->count + 1);
	(void)snprintf(name, sizeof(name), "%.*s", (int)line.len, (const char *)line.data);
	if (svid_files_add(files, name, 0, &file, err) < 0)
		return -1;
	svid_file_tell(file, &said);
	return 0;
}

int svid_files_parse_list(struct bytes text, struct svid_files *ret_files, struct err *err)
{
	OWNED_SVID_FILES struct svid_files files = { .list = NULL };
	while (text.len > 0) {
		const uint8_t *end = memchr(text.data, '\n', text.len);
		size_t len = end ? (size_t)(end - text.data) : text.len;
		if (!end || parse_line(bytes_of(text.data, len), &files, err) < 0) {
			if (err)
				err->code = ERR_CREDENTIAL;
			return end ? -1 : err_set(err, ERR_CREDENTIAL, "the last line is cut");
		}
		text = bytes_of(end + 1, text.len - len - 1);
	}
	*ret_files = files;
	files = (struct svid_files){ .list = NULL };
	return 0;
}
