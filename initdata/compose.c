/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Composing init-data. Must never write a document that reads otherwise than it was meant.
 */
#include "initdata/compose.h"

#include <string.h>

#include "base/encode.h"
#include "base/toml.h"
#include "initdata/gzip.h"

#define SECTOR 512

/* May it stand between three apostrophes as it is? Else it is written with escapes. */
static bool is_literal(struct bytes text)
{
	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.data[i];
		if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7f)
			return false;
		if (c == '\'' &&
		    (i + 1 == text.len || (i + 2 < text.len && text.data[i + 1] == '\'' && text.data[i + 2] == '\'')))
			return false;
	}
	return true;
}

static int append_literal(struct bytes text, struct buf *out, struct err *err)
{
	/* a newline right after the apostrophes is not part of the text */
	if (buf_append_text(out, "'''\n", err) < 0 || buf_append(out, text, err) < 0)
		return -1;
	return buf_append_text(out, "'''", err);
}

static int append_part(const struct initdata_part *part, struct buf *out, struct err *err)
{
	if (buf_append_text(out, "\n", err) < 0 || toml_write_string(bytes_of_text(part->name), out, err) < 0 ||
	    buf_append_text(out, " = ", err) < 0)
		return -1;
	return is_literal(part->text) ? append_literal(part->text, out, err) : toml_write_string(part->text, out, err);
}

static int check_again(const struct initdata_part *parts, size_t count, struct bytes toml, struct err *err)
{
	OWNED_INITDATA struct initdata *doc = NULL;
	if (initdata_parse(toml, &doc, err) < 0)
		return -1;
	bool same = initdata_entry_count(doc) == count;
	for (size_t i = 0; i < count && same; i++) {
		struct initdata_entry entry;
		same = initdata_entry_at(doc, i, &entry) && bytes_equal_text(entry.name, parts[i].name) &&
		       entry.text.len == parts[i].text.len &&
		       (entry.text.len == 0 || memcmp(entry.text.data, parts[i].text.data, entry.text.len) == 0);
	}
	return same ? 0 : err_set(err, ERR_CONFIG, "init-data: an entry cannot be written so that it reads the same");
}

int initdata_compose(const struct initdata_part *parts, size_t count, struct buf *ret_toml, struct err *err)
{
	struct buf toml OWNED_BUF = BUF_INIT(INITDATA_MAX);
	if (buf_append_text(&toml, "version = \"" INITDATA_VERSION "\"\nalgorithm = \"sha256\"\n\n[data]", err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		if (append_part(&parts[i], &toml, err) < 0)
			return err_wrap(err, "entry '%s'", parts[i].name);
	if (check_again(parts, count, buf_bytes(&toml), err) < 0)
		return -1;
	buf_move(ret_toml, &toml);
	return 0;
}

static int wrap_annotation(struct bytes toml, struct buf *out, struct err *err)
{
	struct buf packed OWNED_BUF = BUF_INIT(INITDATA_ENVELOPE_MAX);
	if (gzip(toml, &packed, err) < 0)
		return -1;
	return base64_encode(BASE64, buf_bytes(&packed), out, err);
}

static int wrap_image(struct bytes toml, struct buf *out, struct err *err)
{
	struct buf packed OWNED_BUF = BUF_INIT(INITDATA_ENVELOPE_MAX);
	if (gzip(toml, &packed, err) < 0 || buf_append_text(out, "initdata", err) < 0)
		return -1;
	for (unsigned i = 0; i < 8; i++)
		if (buf_append_byte(out, (uint8_t)((uint64_t)packed.len >> (8 * i)), err) < 0)
			return -1;
	if (buf_append(out, buf_bytes(&packed), err) < 0)
		return -1;
	while (out->len % SECTOR != 0)
		if (buf_append_byte(out, 0, err) < 0)
			return -1;
	return 0;
}

int initdata_wrap(enum initdata_form form, struct bytes toml, struct buf *ret, struct err *err)
{
	struct buf out OWNED_BUF = BUF_INIT(INITDATA_ENVELOPE_MAX);
	int rc = form == INITDATA_PLAIN	       ? buf_append(&out, toml, err)
		 : form == INITDATA_ANNOTATION ? wrap_annotation(toml, &out, err)
		 : form == INITDATA_GZIP       ? gzip(toml, &out, err)
					       : wrap_image(toml, &out, err);
	if (rc == 0)
		buf_move(ret, &out);
	return rc;
}
