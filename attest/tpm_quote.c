/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TPM 2.0 quotes as fields (TCG TPM 2.0 Part 2: TPMS_ATTEST, TPMS_QUOTE_INFO, TPMT_SIGNATURE).
 *
 * All integers are big-endian. The message is the TPM's word; on the host side it is
 * whatever a guest sent. Must never let bytes trail: a signature covers them, and two readers that
 * differ about them are an attack.
 */
#include "attest/tpm_quote.h"

#include <string.h>

#include "base/cursor.h"

#define GENERATED 0xFF544347u /* TPM_GENERATED_VALUE: the TPM itself made this, it did not sign foreign bytes */
#define ATTEST_QUOTE 0x8018u
#define ALL_PCRS 0xFFFFFFu
#define NAME_MAX_LEN 68 /* TPMU_NAME: algorithm and the longest digest */

static int take_be(struct cursor *cursor, size_t len, const char *what, uint64_t *ret_value, struct err *err)
{
	struct bytes raw;
	uint64_t value = 0;
	if (cursor_take(cursor, len, what, &raw, err) < 0)
		return -1;
	for (size_t i = 0; i < len; i++)
		value = value << 8 | raw.data[i];
	*ret_value = value;
	return 0;
}

/* TPM2B: a length in two bytes, then so many. */
static int take_2b(struct cursor *cursor, size_t most, const char *what, struct bytes *ret_bytes, struct err *err)
{
	uint64_t len;
	size_t offset = cursor->at;
	if (take_be(cursor, 2, what, &len, err) < 0)
		return -1;
	if (len > most)
		return err_set(err, ERR_PROTOCOL, "%s at offset %zu is %zu bytes long; at most %zu are taken", what,
			       offset, (size_t)len, most);
	return cursor_take(cursor, (size_t)len, what, ret_bytes, err);
}

static int read_head(struct cursor *cursor, struct tpm_quote *quote, struct err *err)
{
	uint64_t magic;
	uint64_t type;
	if (take_be(cursor, 4, "the magic number", &magic, err) < 0)
		return -1;
	if (magic != GENERATED)
		return err_set(err, ERR_PROTOCOL,
			       "no TPM made this: the magic number at offset 0 is 0x%08x, not 0x%08x", (unsigned)magic,
			       GENERATED);
	if (take_be(cursor, 2, "the type", &type, err) < 0)
		return -1;
	if (type != ATTEST_QUOTE)
		return err_set(err, ERR_PROTOCOL, "no quote: the type at offset 4 is 0x%04x, not 0x%04x",
			       (unsigned)type, ATTEST_QUOTE);
	if (take_2b(cursor, NAME_MAX_LEN, "the name of the signing key", &quote->signer, err) < 0)
		return -1;
	return take_2b(cursor, TPM_EXTRA_DATA_MAX + 2, "the extra data", &quote->extra_data, err);
}

static int read_clock(struct cursor *cursor, struct tpm_quote *quote, struct err *err)
{
	uint64_t reset;
	uint64_t restart;
	uint64_t safe;
	if (take_be(cursor, 8, "the clock", &quote->clock, err) < 0 ||
	    take_be(cursor, 4, "the reset count", &reset, err) < 0 ||
	    take_be(cursor, 4, "the restart count", &restart, err) < 0 ||
	    take_be(cursor, 1, "the flag 'safe'", &safe, err) < 0)
		return -1;
	if (safe > 1)
		return err_set(err, ERR_PROTOCOL, "the flag 'safe' at offset %zu is %u, neither 0 nor 1",
			       cursor->at - 1, (unsigned)safe);
	quote->reset_count = (uint32_t)reset;
	quote->restart_count = (uint32_t)restart;
	quote->safe = safe == 1;
	return take_be(cursor, 8, "the firmware version", &quote->firmware_version, err);
}

static int read_selection(struct cursor *cursor, struct tpm_selection *selection, struct err *err)
{
	uint64_t alg;
	uint64_t size;
	struct bytes bitmap;
	if (take_be(cursor, 2, "the bank of a selection", &alg, err) < 0 ||
	    take_be(cursor, 1, "the size of a selection", &size, err) < 0)
		return -1;
	if (size == 0 || size > sizeof(selection->pcrs))
		return err_set(err, ERR_PROTOCOL, "the size of a selection at offset %zu is %u; 1 to %zu are taken",
			       cursor->at - 1, (unsigned)size, sizeof(selection->pcrs));
	if (cursor_take(cursor, (size_t)size, "the bitmap of a selection", &bitmap, err) < 0)
		return -1;
	selection->alg = (uint16_t)alg;
	selection->size = (uint8_t)size;
	selection->pcrs = 0;
	for (size_t i = 0; i < bitmap.len; i++)
		selection->pcrs |= (uint32_t)bitmap.data[i] << (8 * i);
	return 0;
}

static int read_quote_info(struct cursor *cursor, struct tpm_quote *quote, struct err *err)
{
	uint64_t count;
	size_t offset = cursor->at;
	if (take_be(cursor, 4, "the number of selections", &count, err) < 0)
		return -1;
	if (count > TPM_SELECTIONS_MAX)
		return err_set(err, ERR_PROTOCOL, "%u selections at offset %zu; at most %d are taken", (unsigned)count,
			       offset, TPM_SELECTIONS_MAX);
	quote->selection_count = (size_t)count;
	for (size_t i = 0; i < quote->selection_count; i++)
		if (read_selection(cursor, &quote->selections[i], err) < 0)
			return -1;
	return take_2b(cursor, DIGEST_MAX, "the digest of the PCRs", &quote->pcr_digest, err);
}

int tpm_quote_read(struct bytes message, struct tpm_quote *ret_quote, struct err *err)
{
	struct tpm_quote quote = { .safe = false };
	struct cursor cursor = cursor_over(message);
	if (read_head(&cursor, &quote, err) < 0 || read_clock(&cursor, &quote, err) < 0 ||
	    read_quote_info(&cursor, &quote, err) < 0)
		return err_wrap(err, "TPM quote");
	if (cursor_left(&cursor) > 0)
		return err_set(err, ERR_PROTOCOL, "TPM quote: %zu bytes lie behind it at offset %zu",
			       cursor_left(&cursor), cursor.at);
	*ret_quote = quote;
	return 0;
}

bool tpm_quote_covers_all(const struct tpm_quote *quote)
{
	return quote->selection_count == 1 && quote->selections[0].alg == TPM_ALG_SHA256_ID &&
	       quote->selections[0].size == 3 && quote->selections[0].pcrs == ALL_PCRS;
}

int tpm_pcrs_digest(const struct tpm_pcrs *pcrs, struct digest *ret_digest, struct err *err)
{
	return digest_of(DIGEST_SHA256, bytes_of(pcrs->values, sizeof(pcrs->values)), ret_digest, err);
}

int tpm_signature_read(struct bytes marshalled, struct bytes *ret_raw, struct err *err)
{
	struct cursor cursor = cursor_over(marshalled);
	struct bytes raw;
	uint64_t scheme;
	uint64_t hash;
	if (take_be(&cursor, 2, "the scheme", &scheme, err) < 0 || take_be(&cursor, 2, "the hash", &hash, err) < 0)
		return err_wrap(err, "TPM signature");
	if (scheme != TPM_ALG_RSASSA_ID || hash != TPM_ALG_SHA256_ID)
		return err_set(err, ERR_PROTOCOL,
			       "TPM signature: scheme 0x%04x with hash 0x%04x; only RSASSA (0x0014) with SHA-256 "
			       "(0x000b) is handled",
			       (unsigned)scheme, (unsigned)hash);
	if (take_2b(&cursor, TPM_SIGNATURE_MAX, "the signature", &raw, err) < 0)
		return err_wrap(err, "TPM signature");
	if (raw.len == 0)
		return err_set(err, ERR_PROTOCOL, "TPM signature: it is empty");
	if (cursor_left(&cursor) > 0)
		return err_set(err, ERR_PROTOCOL, "TPM signature: %zu bytes lie behind it", cursor_left(&cursor));
	*ret_raw = raw;
	return 0;
}

void tpm_quoted_done(struct tpm_quoted *quoted)
{
	buf_done(&quoted->message);
	buf_done(&quoted->signature);
}
