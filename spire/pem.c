/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PEM: a line-by-line reader and a writer.
 *
 * The text comes from the KBS or from the operator's configuration and may hold
 * a private key. Reading is over borrowed bytes; what is decoded stays in
 * guarded memory; the few letters that pass through the stack when writing are
 * wiped. Must never read past the text, which carries no NUL.
 */
#include "spire/pem.h"

#include <string.h>

#include "base/encode.h"

static const char begin_mark[] = "-----BEGIN ";
static const char end_mark[] = "-----END ";
static const char dashes[] = "-----";

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool starts_with(struct bytes line, const char *text)
{
	size_t len = strlen(text);
	return line.len >= len && memcmp(line.data, text, len) == 0;
}

static bool ends_with(struct bytes line, const char *text)
{
	size_t len = strlen(text);
	return line.len >= len && memcmp(line.data + line.len - len, text, len) == 0;
}

/* The next line without its end and trailing blanks; false when there is none. */
static bool next_line(struct spire_pem *walk, struct bytes *ret_line)
{
	if (walk->at >= walk->text.len)
		return false;
	const uint8_t *start = walk->text.data + walk->at;
	size_t left = walk->text.len - walk->at;
	const uint8_t *end = memchr(start, '\n', left);
	size_t len = end ? (size_t)(end - start) : left;
	walk->at += end ? len + 1 : len;
	walk->line++;
	while (len > 0 && is_blank(start[len - 1]))
		len--;
	*ret_line = bytes_of(start, len);
	return true;
}

/* What stands between `mark` and the closing dashes. */
static bool label_of(struct bytes line, const char *mark, struct bytes *ret_label)
{
	size_t open = strlen(mark);
	size_t close = strlen(dashes);
	if (!starts_with(line, mark) || line.len <= open + close || !ends_with(line, dashes))
		return false;
	*ret_label = bytes_of(line.data + open, line.len - open - close);
	return true;
}

static bool is_encryption_header(struct bytes line)
{
	return starts_with(line, "Proc-Type:") && ends_with(line, "ENCRYPTED");
}

/* From behind the BEGIN line to behind the END line. */
static int read_body(struct spire_pem *walk, struct spire_pem_block *block, struct err *err)
{
	size_t start = walk->at;
	bool in_headers = true;
	struct bytes line;
	for (size_t line_start = start; next_line(walk, &line); line_start = walk->at) {
		struct bytes label;
		if (label_of(line, end_mark, &label) && bytes_equal(label, block->label)) {
			block->base64 = bytes_of(walk->text.data + start, line_start - start);
			return 0;
		}
		if (starts_with(line, dashes))
			break;
		in_headers = in_headers && line.len > 0 && memchr(line.data, ':', line.len) != NULL;
		if (in_headers) {
			block->encrypted = block->encrypted || is_encryption_header(line);
			start = walk->at;
		}
	}
	return err_set(err, ERR_CREDENTIAL, "the PEM block that begins in line %u is not closed by its END line",
		       block->line);
}

int spire_pem_next(struct spire_pem *walk, struct spire_pem_block *ret_block, bool *ret_found, struct err *err)
{
	struct bytes line;
	while (next_line(walk, &line)) {
		if (!starts_with(line, begin_mark))
			continue;
		struct spire_pem_block block = { .line = walk->line };
		if (!label_of(line, begin_mark, &block.label))
			return err_set(err, ERR_CREDENTIAL, "line %u is no proper PEM BEGIN line", walk->line);
		if (read_body(walk, &block, err) < 0)
			return -1;
		*ret_block = block;
		*ret_found = true;
		return 0;
	}
	*ret_found = false;
	return 0;
}

bool spire_pem_is(const struct spire_pem_block *block, const char *label)
{
	return bytes_equal_text(block->label, label);
}

bool spire_pem_is_key(const struct spire_pem_block *block)
{
	return spire_pem_is(block, "PRIVATE KEY") || ends_with(block->label, " PRIVATE KEY");
}

/* The letters of the block without the white space between them. */
static int squeeze(struct bytes text, struct secret *letters, struct err *err)
{
	if (secret_alloc(letters, text.len ? text.len : 1, err) < 0)
		return -1;
	uint8_t *to = letters->data;
	for (size_t i = 0; i < text.len; i++)
		if (!is_blank(text.data[i]))
			to[letters->len++] = text.data[i];
	return 0;
}

int spire_pem_decode(const struct spire_pem_block *block, struct secret *ret_der, struct err *err)
{
	struct secret letters OWNED_SECRET = SECRET_INIT;
	if (squeeze(block->base64, &letters, err) < 0)
		return -1;
	if (letters.len == 0)
		return err_set(err, ERR_CREDENTIAL, "the PEM block that begins in line %u is empty", block->line);
	struct secret der OWNED_SECRET = SECRET_INIT;
	if (base64_decode_secret(BASE64, secret_bytes(&letters), &der, err) < 0) {
		if (err && err->code == ERR_SYSTEM)
			return -1;
		return err_set(err, ERR_CREDENTIAL, "the PEM block that begins in line %u is not proper base64",
			       block->line);
	}
	secret_move(ret_der, &der);
	return 0;
}

#define LINE_BYTES 48 /* 64 letters */

size_t spire_pem_size(struct bytes label, size_t der_len)
{
	size_t letters = (der_len + 2) / 3 * 4;
	size_t line_ends = (der_len + LINE_BYTES - 1) / LINE_BYTES + 2;
	size_t marks = strlen(begin_mark) + strlen(end_mark) + 2 * strlen(dashes) + 2 * label.len;
	return letters + line_ends + marks;
}

/* Where the writer's output goes: one of the two. */
struct sink {
	struct buf *buf;
	struct secret *secret;
};

static int put(const struct sink *sink, struct bytes more, struct err *err)
{
	return sink->secret ? secret_append(sink->secret, more, err) : buf_append(sink->buf, more, err);
}

static int put_mark(const struct sink *sink, const char *mark, struct bytes label, struct err *err)
{
	if (put(sink, bytes_of_text(mark), err) < 0 || put(sink, label, err) < 0)
		return -1;
	return put(sink, bytes_of_text("-----\n"), err);
}

static int put_base64(const struct sink *sink, struct bytes der, struct err *err)
{
	return sink->secret ? base64_encode_secret(BASE64, der, sink->secret, err)
			    : base64_encode(BASE64, der, sink->buf, err);
}

static int put_lines(const struct sink *sink, struct bytes der, struct err *err)
{
	for (size_t at = 0; at < der.len; at += LINE_BYTES) {
		size_t len = der.len - at < LINE_BYTES ? der.len - at : LINE_BYTES;
		if (put_base64(sink, bytes_of(der.data + at, len), err) < 0 || put(sink, bytes_of_text("\n"), err) < 0)
			return -1;
	}
	return 0;
}

static int write_block(const struct sink *sink, struct bytes label, struct bytes der, struct err *err)
{
	if (put_mark(sink, begin_mark, label, err) < 0 || put_lines(sink, der, err) < 0)
		return -1;
	return put_mark(sink, end_mark, label, err);
}

int spire_pem_write(struct buf *out, struct bytes label, struct bytes der, struct err *err)
{
	const struct sink sink = { .buf = out };
	return write_block(&sink, label, der, err);
}

int spire_pem_write_secret(struct secret *out, struct bytes label, struct bytes der, struct err *err)
{
	const struct sink sink = { .secret = out };
	return write_block(&sink, label, der, err);
}
