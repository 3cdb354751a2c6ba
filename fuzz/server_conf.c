/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctl/server_conf: any bytes as a configuration. What comes out is JSON, and settled: merging it once
 * more changes nothing.
 */
#include <stdlib.h>

#include "base/json.h"
#include "ctl/server_conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	OWNED_BUF struct buf once = BUF_INIT(2 * SERVER_CONF_MAX);
	OWNED_BUF struct buf twice = BUF_INIT(2 * SERVER_CONF_MAX);
	OWNED_JSON struct json *doc = NULL;
	struct server_conf_note note;
	struct err err = { 0 };
	if (size > 65536)
		return 0;
	if (server_conf_merge(bytes_of(data, size), "/ca.pem", &once, &note, &err) < 0) {
		if (err.code == ERR_NONE)
			abort();
		return 0;
	}
	if (!note.changed && !bytes_equal(buf_bytes(&once), bytes_of(data, size)))
		abort();
	if (json_parse(buf_bytes(&once), 2 * SERVER_CONF_MAX, &doc, NULL) < 0)
		abort();
	if (server_conf_merge(buf_bytes(&once), "/ca.pem", &twice, &note, NULL) < 0 || note.changed ||
	    !bytes_equal(buf_bytes(&once), buf_bytes(&twice)))
		abort();
	return 0;
}
