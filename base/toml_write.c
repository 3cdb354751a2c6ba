/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing TOML strings (toml.io/en/v1.0.0, "String"). Must never write what would end the string.
 */
#include "base/toml.h"

static int append_char(uint8_t c, struct buf *out, struct err *err)
{
	if (c == '"' || c == '\\')
		return buf_printf(out, err, "\\%c", c);
	if (c < 0x20 || c == 0x7f)
		return buf_printf(out, err, "\\u%04X", c);
	return buf_append_byte(out, c, err);
}

int toml_write_string(struct bytes text, struct buf *out, struct err *err)
{
	if (buf_append_byte(out, '"', err) < 0)
		return -1;
	for (size_t i = 0; i < text.len; i++)
		if (append_char(text.data[i], out, err) < 0)
			return -1;
	return buf_append_byte(out, '"', err);
}
