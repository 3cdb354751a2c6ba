/* SPDX-License-Identifier: Apache-2.0 */
/*
 * initdata/envelope and initdata/gunzip: each form opens to the same text, and what is
 * cut, altered, padded or blown up is refused.
 */
#include "support.h"

#include <zlib.h>

#include "base/encode.h"
#include "base/file.h"
#include "initdata/envelope.h"

#define DOCUMENT "version = \"0.1.0\"\nalgorithm = \"sha256\"\n[data]\n\"a\" = 'b'\n"

/* One gzip member of `len` bytes. */
static void gzip(const void *text, size_t len, struct buf *out)
{
	static uint8_t room[1 << 20];
	z_stream stream = { 0 };
	assert_int_equal(deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
	memcpy(&stream.next_in, &text, sizeof(text));
	stream.avail_in = (uInt)len;
	stream.next_out = room;
	stream.avail_out = sizeof(room);
	assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
	assert_int_equal(buf_append(out, bytes_of(room, sizeof(room) - stream.avail_out), NULL), 0);
	(void)deflateEnd(&stream);
}

static void assert_opens(struct bytes raw, enum initdata_form form, const char *text)
{
	struct err err = { 0 };
	struct buf toml OWNED_BUF = BUF_INIT(1);
	/* exactly this size, so that the sanitizers see each byte past the end */
	OWNED_MEM uint8_t *exact = malloc(raw.len ? raw.len : 1);
	memcpy(exact, raw.data, raw.len);
	assert_int_equal(initdata_form_of(bytes_of(exact, raw.len)), form);
	if (initdata_unwrap(bytes_of(exact, raw.len), &toml, &err) < 0)
		fail_msg("refused: %s", err.message);
	assert_string_equal(buf_text(&toml), text);
}

static void assert_refused(struct bytes raw, const char *part)
{
	struct err err = { 0 };
	struct buf toml OWNED_BUF = BUF_INIT(1);
	OWNED_MEM uint8_t *exact = malloc(raw.len ? raw.len : 1);
	memcpy(exact, raw.data, raw.len);
	if (initdata_unwrap(bytes_of(exact, raw.len), &toml, &err) == 0)
		fail_msg("accepted, where '%s' is due", part);
	assert_int_equal(err.code, ERR_CONFIG);
	assert_int_equal(toml.len, 0);
	if (!strstr(err.message, part))
		fail_msg("'%s' does not say '%s'", err.message, part);
}

static void each_form_opens(void **state)
{
	(void)state;
	struct buf zipped OWNED_BUF = BUF_INIT(4096);
	struct buf letters OWNED_BUF = BUF_INIT(4096);
	struct buf plain64 OWNED_BUF = BUF_INIT(4096);
	gzip(DOCUMENT, sizeof(DOCUMENT) - 1, &zipped);
	assert_int_equal(base64_encode(BASE64, buf_bytes(&zipped), &letters, NULL), 0);
	assert_int_equal(base64_encode(BASE64, bytes_of_text(DOCUMENT), &plain64, NULL), 0);
	assert_opens(bytes_of_text(DOCUMENT), INITDATA_PLAIN, DOCUMENT);
	assert_opens(bytes_of_text(""), INITDATA_PLAIN, "");
	assert_opens(buf_bytes(&zipped), INITDATA_GZIP, DOCUMENT);
	assert_opens(buf_bytes(&letters), INITDATA_ANNOTATION, DOCUMENT);
	assert_opens(buf_bytes(&plain64), INITDATA_ANNOTATION, DOCUMENT);
	assert_int_equal(buf_append_text(&letters, "\r\n", NULL), 0);
	assert_opens(buf_bytes(&letters), INITDATA_ANNOTATION, DOCUMENT);
}

static void image_of_kata_opens(void **state)
{
	(void)state;
	struct buf image OWNED_BUF = BUF_INIT(4096);
	assert_int_equal(file_read(AT_FDCWD, VECTORS "/initdata/kata-initdata.img", &image, NULL), 0);
	assert_opens(buf_bytes(&image), INITDATA_IMAGE, "some content");
	image.data[8] = 35; /* one byte short */
	assert_refused(buf_bytes(&image), "init-data (block device image): the gzip is cut off after 35 bytes");
	image.data[8] = 37;
	assert_refused(buf_bytes(&image), "1 more bytes behind the end of the gzip at byte 36");
	image.data[8] = 36;
	image.data[10] = 1;
	assert_refused(buf_bytes(&image), "the header says 65572 bytes of gzip, 496 are there");
	memset(image.data + 8, 0xff, 7);
	assert_refused(buf_bytes(&image), "the header says 72057594037927935 bytes of gzip");
}

static void a_key_called_initdata_is_toml(void **state)
{
	(void)state;
	assert_opens(bytes_of_text("initdata_key = 'value'\n"), INITDATA_PLAIN, "initdata_key = 'value'\n");
}

static void broken_gzip_is_refused(void **state)
{
	(void)state;
	struct buf zipped OWNED_BUF = BUF_INIT(4096);
	gzip(DOCUMENT, sizeof(DOCUMENT) - 1, &zipped);
	for (size_t len = 3; len < zipped.len; len++)
		assert_refused(bytes_of(zipped.data, len), "is cut off after");
	zipped.data[zipped.len - 6] ^= 1; /* checksum */
	assert_refused(buf_bytes(&zipped), "incorrect data check");
	zipped.data[zipped.len - 6] ^= 1;
	zipped.data[zipped.len - 1] ^= 1; /* length */
	assert_refused(buf_bytes(&zipped), "incorrect length check");
	zipped.data[zipped.len - 1] ^= 1;
	size_t one = zipped.len;
	gzip("x = 1\n", 6, &zipped);
	assert_refused(buf_bytes(&zipped), "more bytes behind the end of the gzip");
	zipped.len = one;
	assert_opens(buf_bytes(&zipped), INITDATA_GZIP, DOCUMENT);
}

static void a_bomb_ends_at_the_limit(void **state)
{
	(void)state;
	struct buf zipped OWNED_BUF = BUF_INIT(1 << 20);
	size_t len = 64u << 20;
	OWNED_MEM uint8_t *zeros = calloc(1, len);
	gzip(zeros, len, &zipped);
	assert_true(zipped.len < 100000);
	assert_refused(buf_bytes(&zipped), "unpacked it is larger than the limit of 524288 bytes");
	buf_done(&zipped);
	gzip(zeros, INITDATA_MAX, &zipped);
	struct buf toml OWNED_BUF = BUF_INIT(1);
	assert_int_equal(initdata_unwrap(buf_bytes(&zipped), &toml, NULL), 0);
	assert_int_equal(toml.len, INITDATA_MAX);
}

static void bad_base64_is_refused(void **state)
{
	(void)state;
	assert_refused(bytes_of_text("H4sI????"), "not proper base64");
	assert_refused(bytes_of_text("QUJ"), "not proper base64");
	assert_refused(bytes_of_text("H4sIAAAA AAAA"), "not proper base64");
	OWNED_MEM char *long_text = malloc(INITDATA_ENVELOPE_MAX + 1);
	memset(long_text, 'A', INITDATA_ENVELOPE_MAX + 1);
	assert_refused(bytes_of(long_text, INITDATA_ENVELOPE_MAX + 1), "at most 1048576 are taken");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_form_opens),
		cmocka_unit_test(image_of_kata_opens),
		cmocka_unit_test(a_key_called_initdata_is_toml),
		cmocka_unit_test(broken_gzip_is_refused),
		cmocka_unit_test(a_bomb_ends_at_the_limit),
		cmocka_unit_test(bad_base64_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
