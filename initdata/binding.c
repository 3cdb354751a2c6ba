/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the digest of init-data to the value of a register.
 *
 * The register's bytes come from a hardware report or a quote that is verified
 * elsewhere (here or by the KBS); they are not secret. Must never accept a shorter
 * comparison than the whole register.
 */
#include "initdata/binding.h"

#include <string.h>

#include "base/cursor.h"
#include "base/encode.h"

static const struct {
	const char *name;
	size_t len;
} registers[] = {
	[INITDATA_HOST_DATA] = { "HOST_DATA", 32 },
	[INITDATA_MRCONFIGID] = { "MRCONFIGID", 48 },
	[INITDATA_PCR8] = { "PCR 8", 32 },
};

#define PCR_LEN 32

const char *initdata_register_name(enum initdata_register where)
{
	return registers[where].name;
}

bool initdata_register_find(const char *name, enum initdata_register *ret_where)
{
	for (size_t i = 0; i < ARRAY_LEN(registers); i++) {
		if (strcmp(registers[i].name, name) != 0)
			continue;
		*ret_where = (enum initdata_register)i;
		return true;
	}
	return false;
}

size_t initdata_register_len(enum initdata_register where)
{
	return registers[where].len;
}

/* One extension of a register that was zero. */
static int extend(const struct digest *digest, struct initdata_binding *binding, struct err *err)
{
	uint8_t both[2 * PCR_LEN] = { 0 };
	struct digest value;
	if (digest->alg != DIGEST_SHA256)
		return err_set(err, ERR_CONFIG,
			       "PCR 8 takes a sha256 digest only, init-data says algorithm '%s': write 'algorithm = "
			       "\"sha256\"'",
			       digest_alg_name(digest->alg));
	memcpy(both + PCR_LEN, digest->bytes, PCR_LEN);
	if (digest_of(DIGEST_SHA256, bytes_of(both, sizeof(both)), &value, err) < 0)
		return -1;
	memcpy(binding->bytes, value.bytes, PCR_LEN);
	return 0;
}

int initdata_expect(const struct digest *digest, enum initdata_register where, struct initdata_binding *ret_binding,
		    struct err *err)
{
	struct initdata_binding binding = { .where = where, .len = registers[where].len };
	if (where == INITDATA_PCR8) {
		if (extend(digest, &binding, err) < 0)
			return -1;
	} else {
		memcpy(binding.bytes, digest->bytes, digest->len < binding.len ? digest->len : binding.len);
	}
	*ret_binding = binding;
	return 0;
}

static int say_mismatch(const struct initdata_binding *want, struct bytes found, struct err *err)
{
	struct buf wanted_hex OWNED_BUF = BUF_INIT(256);
	struct buf found_hex OWNED_BUF = BUF_INIT(256);
	const char *name = initdata_register_name(want->where);
	if (hex_encode(bytes_of(want->bytes, want->len), &wanted_hex, err) < 0 ||
	    hex_encode(found, &found_hex, err) < 0)
		return -1;
	if (bytes_are_zero(found))
		return err_set(err, ERR_BINDING,
			       "this TEE was started without init-data (%s is zero), but there is some here, which "
			       "leads to '%s': whoever starts the VM must put its digest there",
			       name, buf_text(&wanted_hex));
	return err_set(err, ERR_BINDING,
		       "this TEE was started with other init-data: %s is '%s', the init-data found here leads to '%s'; "
		       "if it is yours, compare its bytes to the last one with those that were deployed%s",
		       name, buf_text(&found_hex), buf_text(&wanted_hex),
		       want->where == INITDATA_PCR8 ? ", and see that nothing else (GRUB does) is measured into PCR 8"
						    : "");
}

int initdata_check_binding(const struct digest *digest, enum initdata_register where, struct bytes found,
			   struct err *err)
{
	struct initdata_binding want;
	if (initdata_expect(digest, where, &want, err) < 0)
		return -1;
	if (found.len != want.len)
		return err_set(err, ERR_BINDING, "%s has %zu bytes here, not %zu", initdata_register_name(where),
			       found.len, want.len);
	if (!bytes_equal(bytes_of(want.bytes, want.len), found))
		return say_mismatch(&want, found, err);
	return 0;
}
