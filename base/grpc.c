/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A gRPC call: headers, the prefix of five bytes, messages, the status at the end.
 *
 * The server controls how its bytes are split, how long its messages claim to be
 * and what its status says. Must never keep more of a message than the limit,
 * never keep one outside of guarded memory, and never call a call that was cut a
 * success.
 */
#include "base/grpc.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"

#define PREFIX_LEN 5

/* Their names, and what each is to us. */
static const struct {
	const char *name;
	enum err_code err;
} codes[] = {
	[GRPC_OK] = { "OK", ERR_NONE },
	[GRPC_CANCELLED] = { "Canceled", ERR_NETWORK },
	[GRPC_UNKNOWN] = { "Unknown", ERR_SERVER },
	[GRPC_INVALID_ARGUMENT] = { "InvalidArgument", ERR_CONFIG },
	[GRPC_DEADLINE_EXCEEDED] = { "DeadlineExceeded", ERR_TIMEOUT },
	[GRPC_NOT_FOUND] = { "NotFound", ERR_MISSING },
	[GRPC_ALREADY_EXISTS] = { "AlreadyExists", ERR_CONFIG },
	[GRPC_PERMISSION_DENIED] = { "PermissionDenied", ERR_DENIED },
	[GRPC_RESOURCE_EXHAUSTED] = { "ResourceExhausted", ERR_SERVER },
	[GRPC_FAILED_PRECONDITION] = { "FailedPrecondition", ERR_CONFIG },
	[GRPC_ABORTED] = { "Aborted", ERR_SERVER },
	[GRPC_OUT_OF_RANGE] = { "OutOfRange", ERR_CONFIG },
	[GRPC_UNIMPLEMENTED] = { "Unimplemented", ERR_PROTOCOL },
	[GRPC_INTERNAL] = { "Internal", ERR_SERVER },
	[GRPC_UNAVAILABLE] = { "Unavailable", ERR_SERVER },
	[GRPC_DATA_LOSS] = { "DataLoss", ERR_SERVER },
	[GRPC_UNAUTHENTICATED] = { "Unauthenticated", ERR_DENIED },
};

const char *grpc_code_name(enum grpc_code code)
{
	return (size_t)code < ARRAY_LEN(codes) ? codes[code].name : "?";
}

void grpc_frames_done(struct grpc_frames *frames)
{
	secret_done(&frames->message);
	frames->head_len = 0;
}

/* On a stream the next message is of about the same size: the memory waits for it, but wiped. */
static void end_message(struct grpc_frames *frames)
{
	secret_clear(&frames->message);
	frames->head_len = 0;
}

bool grpc_frames_whole(const struct grpc_frames *frames)
{
	return frames->head_len == 0;
}

static int begin_message(struct grpc_frames *frames, struct err *err)
{
	const uint8_t *head = frames->head;
	size_t len = (size_t)head[1] << 24 | (size_t)head[2] << 16 | (size_t)head[3] << 8 | head[4];
	if (head[0] != 0)
		return err_set(err, ERR_PROTOCOL, "a message is compressed although nobody asked for that");
	if (len > frames->max)
		return err_set(err, ERR_PROTOCOL, "a message of %zu bytes; at most %zu are taken", len, frames->max);
	frames->wanted = len;
	return len > 0 ? secret_reuse(&frames->message, len, err) : 0;
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Takes what belongs to the current prefix or message; returns how much that is. */
static int take_some(struct grpc_frames *frames, struct bytes piece, size_t *ret_taken, struct err *err)
{
	if (frames->head_len < PREFIX_LEN) {
		*ret_taken = least(PREFIX_LEN - frames->head_len, piece.len);
		memcpy(frames->head + frames->head_len, piece.data, *ret_taken);
		frames->head_len += *ret_taken;
		return frames->head_len == PREFIX_LEN ? begin_message(frames, err) : 0;
	}
	*ret_taken = least(frames->wanted - frames->message.len, piece.len);
	return *ret_taken == 0 ? 0 : secret_append(&frames->message, bytes_of(piece.data, *ret_taken), err);
}

int grpc_frames_feed(struct grpc_frames *frames, struct bytes piece, struct err *err)
{
	while (piece.len > 0) {
		size_t taken = 0;
		if (take_some(frames, piece, &taken, err) < 0)
			return -1;
		piece = bytes_of(piece.data + taken, piece.len - taken);
		if (frames->head_len < PREFIX_LEN || frames->message.len < frames->wanted)
			continue;
		int rc = frames->on_message(&frames->message, frames->arg, err);
		end_message(frames);
		if (rc != 0)
			return rc;
	}
	return 0;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* A broken escape stays as it is, as the protocol's text asks. */
static void percent_decode(struct bytes in, char *out, size_t size)
{
	const char *at = (const char *)in.data;
	const char *end = at + in.len;
	size_t used = 0;
	while (at < end && used + 1 < size) {
		int high = end - at > 2 && *at == '%' ? hex_digit(at[1]) : -1;
		int low = high >= 0 ? hex_digit(at[2]) : -1;
		int c = low >= 0 ? high * 16 + low : (unsigned char)*at;
		at += low >= 0 ? 3 : 1;
		out[used++] = c < 0x20 || c == 0x7f ? '?' : (char)c;
	}
	out[used] = 0;
}

/* The last value of that name: a trailer stands behind the headers. */
static bool find_last(struct bytes lines, const char *name, struct bytes *ret_value)
{
	size_t name_len = strlen(name);
	bool found = false;
	while (lines.len > 0) {
		const uint8_t *end = memchr(lines.data, '\n', lines.len);
		size_t len = end ? (size_t)(end - lines.data) : lines.len;
		if (len >= name_len + 2 && memcmp(lines.data, name, name_len) == 0 && lines.data[name_len] == ':') {
			*ret_value = bytes_of(lines.data + name_len + 2, len - name_len - 2);
			found = true;
		}
		size_t step = end ? len + 1 : len;
		lines = bytes_of(lines.data + step, lines.len - step);
	}
	return found;
}

static enum grpc_code code_of_http(int status)
{
	static const struct {
		int status;
		enum grpc_code code;
	} rows[] = {
		{ 400, GRPC_INTERNAL },	     { 401, GRPC_UNAUTHENTICATED }, { 403, GRPC_PERMISSION_DENIED },
		{ 404, GRPC_UNIMPLEMENTED }, { 429, GRPC_UNAVAILABLE },	    { 502, GRPC_UNAVAILABLE },
		{ 503, GRPC_UNAVAILABLE },   { 504, GRPC_UNAVAILABLE },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (rows[i].status == status)
			return rows[i].code;
	return GRPC_UNKNOWN;
}

/* -1 if it is no code: "0" to "16". */
static int parse_code(struct bytes text)
{
	int code = 0;
	if (text.len == 0 || text.len > 2)
		return -1;
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] < '0' || text.data[i] > '9')
			return -1;
		code = code * 10 + (text.data[i] - '0');
	}
	return code <= GRPC_UNAUTHENTICATED ? code : -1;
}

void grpc_status_read(int http_status, struct bytes lines, struct grpc_status *ret_status)
{
	struct bytes text;
	struct grpc_status status = { .code = GRPC_UNKNOWN };
	if (find_last(lines, "grpc-status", &text)) {
		int code = parse_code(text);
		status.from_server = true;
		status.code = code < 0 ? GRPC_UNKNOWN : (enum grpc_code)code;
		if (find_last(lines, "grpc-message", &text))
			percent_decode(text, status.message, sizeof(status.message));
	} else if (http_status != 200) {
		status.code = code_of_http(http_status);
		(void)snprintf(status.message, sizeof(status.message), "HTTP status %d", http_status);
	} else {
		(void)snprintf(status.message, sizeof(status.message), "the answer ended without a grpc-status");
	}
	*ret_status = status;
}

/* One call on its way. */
struct exchange {
	const struct grpc_call *call;
	struct http_response *response;
	struct grpc_frames frames;
	bool checked; /* the answer's headers were looked at */
	bool enough;
};

static int check_headers(const struct exchange *exchange, struct err *err)
{
	static const char wanted[] = "application/grpc";
	struct bytes type;
	if (exchange->response->status != 200)
		return err_set(err, ERR_PROTOCOL, "HTTP status %d", exchange->response->status);
	if (!find_last(buf_bytes(&exchange->response->headers), "content-type", &type) ||
	    type.len < sizeof(wanted) - 1 || memcmp(type.data, wanted, sizeof(wanted) - 1) != 0)
		return err_set(err, ERR_PROTOCOL, "the answer is not gRPC (content type)");
	return 0;
}

static int on_data(struct bytes piece, void *arg, struct err *err)
{
	struct exchange *exchange = arg;
	if (!exchange->checked && check_headers(exchange, err) < 0)
		return -1;
	exchange->checked = true;
	int rc = grpc_frames_feed(&exchange->frames, piece, err);
	exchange->enough = rc > 0;
	return rc;
}

/* The transport's failure as a status, for those who go by the code. */
static int broken(const struct err *err, struct grpc_status *status)
{
	*status = (struct grpc_status){ .code = GRPC_INTERNAL };
	if (err->code == ERR_NETWORK)
		status->code = GRPC_UNAVAILABLE;
	if (err->code == ERR_TIMEOUT)
		status->code = GRPC_DEADLINE_EXCEEDED;
	(void)snprintf(status->message, sizeof(status->message), "%.*s", GRPC_MESSAGE_MAX - 1, err->message);
	return -1;
}

static int conclude(const struct exchange *exchange, struct grpc_status *status, struct err *err)
{
	*status = (struct grpc_status){ .code = GRPC_OK };
	if (exchange->enough)
		return 0;
	grpc_status_read(exchange->response->status, buf_bytes(&exchange->response->headers), status);
	if (status->code != GRPC_OK)
		return err_set(err, status->from_server ? codes[status->code].err : ERR_PROTOCOL, "%s%s%s",
			       status->from_server ? grpc_code_name(status->code) : "no gRPC status",
			       status->message[0] ? ": " : "", status->message);
	if (grpc_frames_whole(&exchange->frames))
		return 0;
	*status = (struct grpc_status){ .code = GRPC_INTERNAL };
	return err_set(err, ERR_PROTOCOL, "the answer ended within a message");
}

static int add_prefix(struct bytes message, struct buf *body, struct err *err)
{
	const uint8_t head[PREFIX_LEN] = { 0, (uint8_t)(message.len >> 24), (uint8_t)(message.len >> 16),
					   (uint8_t)(message.len >> 8), (uint8_t)message.len };
	if (buf_append(body, bytes_of(head, sizeof(head)), err) < 0)
		return -1;
	return buf_append(body, message, err);
}

/* Room for ours and the caller's. */
struct headers {
	struct http_header list[GRPC_MAX_METADATA + 3];
	size_t count;
	char timeout[24];
};

static void add_header(struct headers *headers, const char *name, const char *value)
{
	headers->list[headers->count++] = (struct http_header){ name, value };
}

/* At most eight digits (the protocol's text), here of milliseconds. */
static void add_timeout(struct headers *headers, const struct deadline *deadline)
{
	int64_t left = deadline ? deadline_left(deadline) : INT64_MAX;
	if (left > 99999999)
		return;
	(void)snprintf(headers->timeout, sizeof(headers->timeout), "%lldm", (long long)left);
	add_header(headers, "grpc-timeout", headers->timeout);
}

static int perform(struct http_client *http, struct exchange *exchange, const struct deadline *deadline,
		   struct err *err)
{
	const struct grpc_call *call = exchange->call;
	struct headers headers = { .count = 0 };
	OWNED_BUF struct buf body = BUF_INIT(PREFIX_LEN + SECRET_MAX);
	if (call->metadata_count > GRPC_MAX_METADATA)
		return err_set(err, ERR_CONFIG, "more than %d entries of metadata", GRPC_MAX_METADATA);
	add_header(&headers, "content-type", "application/grpc");
	add_header(&headers, "te", "trailers");
	add_timeout(&headers, deadline);
	for (size_t i = 0; i < call->metadata_count; i++)
		add_header(&headers, call->metadata[i].name, call->metadata[i].value);
	if (add_prefix(call->message, &body, err) < 0)
		return -1;
	struct http_request request = {
		.method = "POST",
		.path = call->method,
		.headers = headers.list,
		.header_count = headers.count,
		.body = buf_bytes(&body),
		.on_data = on_data,
		.on_data_arg = exchange,
		.first_piece_ms = call->first_ms,
	};
	return http_perform(http, &request, deadline, exchange->response, err);
}

int grpc_stream(struct http_client *http, const struct grpc_call *call, const struct deadline *deadline,
		struct grpc_status *ret_status, struct err *err)
{
	OWNED_RESPONSE struct http_response response = HTTP_RESPONSE_INIT(0);
	struct err why = { 0 };
	struct exchange exchange = {
		.call = call,
		.response = &response,
		.frames = { .max = call->max_message > 0 ? least(call->max_message, SECRET_MAX) : SECRET_MAX,
			    .message = SECRET_INIT,
			    .on_message = call->on_message,
			    .arg = call->on_message_arg },
	};
	int rc = perform(http, &exchange, deadline, &why);
	rc = rc < 0 ? broken(&why, ret_status) : conclude(&exchange, ret_status, &why);
	grpc_frames_done(&exchange.frames);
	if (rc == 0)
		return 0;
	if (err)
		*err = why;
	return err_wrap(err, "gRPC call '%s'", call->method);
}

struct single {
	struct secret *reply;
	unsigned count;
};

static int keep_single(struct secret *message, void *arg, struct err *err)
{
	struct single *single = arg;
	if (single->count++ > 0)
		return err_set(err, ERR_PROTOCOL, "more than one message came back");
	secret_move(single->reply, message);
	return 0;
}

int grpc_unary(struct http_client *http, const struct grpc_call *call, const struct deadline *deadline,
	       struct secret *ret_reply, struct grpc_status *ret_status, struct err *err)
{
	OWNED_SECRET struct secret reply = SECRET_INIT;
	struct single single = { .reply = &reply };
	struct grpc_call one = *call;
	one.on_message = keep_single;
	one.on_message_arg = &single;
	if (grpc_stream(http, &one, deadline, ret_status, err) < 0)
		return -1;
	if (single.count == 0) {
		*ret_status = (struct grpc_status){ .code = GRPC_INTERNAL, .message = "no message came back" };
		return err_set(err, ERR_PROTOCOL, "gRPC call '%s': no message came back", call->method);
	}
	secret_move(ret_reply, &reply);
	return 0;
}
