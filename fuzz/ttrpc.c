/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cdh-client/ttrpc_frame and pb: any bytes as an answer, ten of header and the rest a
 * message. A length must be within the limit, a payload comes with success only, and what
 * an unpacking takes is bounded.
 */
#include <stdio.h>
#include <stdlib.h>

#include "cdh-client/ttrpc_frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool truth, const char *what)
{
	if (truth)
		return;
	(void)fprintf(stderr, "broken: %s\n", what);
	abort();
}

static void unpack(struct bytes message)
{
	struct err err = { 0 };
	struct ttrpc_status status = { 0 };
	struct secret frame OWNED_SECRET = SECRET_INIT;
	struct secret payload OWNED_SECRET = SECRET_INIT;
	if (message.len > 0 &&
	    (secret_alloc(&frame, message.len, &err) < 0 || secret_append(&frame, message, &err) < 0))
		return;
	if (ttrpc_unpack(&frame, &status, &payload, &err) < 0) {
		expect(err.message[0] && !payload.data, "a failure without message, or with a payload");
		return;
	}
	expect(status.code == TTRPC_OK || !payload.data, "a payload beside a failure");
	expect(payload.len <= message.len, "more came out than went in");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool started;
	struct err err = { 0 };
	size_t len = SIZE_MAX;
	if (!started && secret_setup(&err) < 0)
		abort();
	started = true;
	if (size < TTRPC_HEADER_LEN)
		return 0;
	if (ttrpc_check_header(data, 1, &len, &err) < 0)
		expect(err.code == ERR_PROTOCOL, "a failure of another code");
	else
		expect(len <= TTRPC_ANSWER_MAX, "a length above the limit");
	unpack(bytes_of(data + TTRPC_HEADER_LEN, size - TTRPC_HEADER_LEN));
	return 0;
}
