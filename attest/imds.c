/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls to Azure's instance metadata service.
 *
 * Who answers is the host's affair, and in a badly set up network it is a proxy with a web page. Must never
 * hand on an answer that is not the kind of thing that was asked for, and never ask through
 * a proxy: the header that asks would reach the wrong machine's service.
 */
#include "attest/imds.h"

#include <string.h>

#include <openssl/x509.h>

#include "attest/snp_signature.h"
#include "attest/tdx_quote.h"
#include "base/encode.h"
#include "base/json.h"
#include "base/log.h"

#define VCEK_PATH "/metadata/THIM/amd/certification"
#define QUOTE_PATH "/acc/tdquote"
#define VCEK_SUBJECT "SEV-VCEK"
#define TRIES 4
#define CONNECT_MS 5000
#define REQUEST_MS 30000

int imds_open(struct http_client **ret_client, struct err *err)
{
	const struct http_options options = {
		.base_url = IMDS_URL,
		.user_agent = "sealpod/" SEALPOD_VERSION,
		.connect_timeout_ms = CONNECT_MS,
		.request_timeout_ms = REQUEST_MS,
	};
	return http_client_new(&options, ret_client, err);
}

static bool may_pass(int status)
{
	return status == 408 || status == 410 || status == 429 || status >= 500;
}

/* Is it this media type, with or without parameters? */
static bool is_type(const char *type, const char *wanted)
{
	size_t len = strlen(wanted);
	return strncasecmp(type, wanted, len) == 0 && (!type[len] || strchr("; \t", type[len]));
}

/* A service that names no type is given the benefit of the doubt: what it says is looked at all the same. */
static int judge(const struct http_response *response, struct err *err)
{
	struct buf header OWNED_BUF = BUF_INIT(256);
	bool typed = http_header_get(response, "content-type", &header);
	const char *type = buf_text(&header);
	if (is_type(type, "text/html"))
		return err_set(
			err, ERR_PROTOCOL,
			"it answered with status %d and a web page: something stands between this VM and the service",
			response->status);
	if (response->status != 200)
		return err_set(err, may_pass(response->status) ? ERR_SERVER : ERR_PROTOCOL,
			       "it answered with status %d", response->status);
	if (typed && !is_type(type, "application/json"))
		return err_set(err, ERR_PROTOCOL, "it answered with content of the type '%s', not with JSON", type);
	return 0;
}

static int try_once(struct http_client *client, const struct http_request *request, const struct deadline *deadline,
		    struct http_response *response, struct err *err)
{
	return http_perform(client, request, deadline, response, err) < 0 || judge(response, err) < 0 ? -1 : 0;
}

/* The content of the answer. Repeats what may pass: evidence that was gathered before need not be gathered again. */
static int ask(struct http_client *client, const struct http_request *request, const struct deadline *deadline,
	       struct buf *ret_body, struct err *err)
{
	struct http_response response OWNED_RESPONSE = HTTP_RESPONSE_INIT(IMDS_BODY_MAX);
	struct backoff backoff = BACKOFF_INIT;
	struct err why = { 0 };
	while (try_once(client, request, deadline, &response, &why) < 0) {
		if (!err_may_retry(&why) || backoff.tries + 1 >= TRIES ||
		    !clock_pause(backoff_next(&backoff), deadline)) {
			*err = why;
			return err_wrap(err, "metadata service, %s '%s'", request->method, request->path);
		}
		log_debug("metadata service, '%s': %s; trying again", request->path, why.message);
	}
	buf_move(ret_body, &response.body);
	return 0;
}

static void free_x509(X509 **cert)
{
	X509_free(*cert);
}

static int check_subject(struct bytes der, struct err *err)
{
	char name[64] = "";
	const unsigned char *at = der.data;
	X509 *cert CLEANUP(free_x509) = d2i_X509(NULL, &at, (long)der.len);
	int len =
		cert ? X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, name, sizeof(name)) : -1;
	if (len < 0 || strlen(name) != (size_t)len || strcmp(name, VCEK_SUBJECT) != 0)
		return err_set(err, ERR_PROTOCOL, "its subject is '%s', not '" VCEK_SUBJECT "'", name);
	return 0;
}

static int vcek_of_pem(const char *pem, struct buf *ret_der, struct err *err)
{
	struct buf der OWNED_BUF = BUF_INIT(IMDS_VCEK_MAX);
	if (snp_cert_of_pem(pem, &der, err) < 0 || check_subject(buf_bytes(&der), err) < 0)
		return -1;
	buf_move(ret_der, &der);
	return 0;
}

int imds_vcek_of(struct bytes answer, struct buf *ret_der, struct err *err)
{
	struct json *json OWNED_JSON = NULL;
	const char *pem;
	if (json_parse(answer, IMDS_BODY_MAX, &json, err) < 0)
		return err_wrap(err, "metadata service: the answer is no JSON");
	if (json_get_string(json, "vcekCert", &pem, err) < 0 || vcek_of_pem(pem, ret_der, err) < 0)
		return err_wrap(err, "metadata service: the VCEK in 'vcekCert'");
	return 0;
}

int imds_vcek(struct http_client *client, const struct deadline *deadline, struct buf *ret_der, struct err *err)
{
	const struct http_header headers[] = { { "Metadata", "true" } };
	const struct http_request request = {
		.method = "GET", .path = VCEK_PATH, .headers = headers, .header_count = 1
	};
	struct buf answer OWNED_BUF = BUF_INIT(IMDS_BODY_MAX);
	return ask(client, &request, deadline, &answer, err) < 0 ? -1 : imds_vcek_of(buf_bytes(&answer), ret_der, err);
}

int imds_base64(const char *text, struct buf *out, struct err *err)
{
	struct buf plain OWNED_BUF = BUF_INIT(IMDS_BODY_MAX);
	size_t len = strlen(text);
	for (size_t padding = 0; padding < 2 && len > 0 && text[len - 1] == '='; padding++)
		len--;
	for (size_t i = 0; i < len; i++) {
		char letter = text[i] == '+' ? '-' : text[i] == '/' ? '_' : text[i];
		if (buf_append_byte(&plain, (uint8_t)letter, err) < 0)
			return -1;
	}
	return base64_decode(BASE64URL, buf_bytes(&plain), out, err);
}

/* {"report":"…"} */
static int quote_request(struct bytes tdreport, struct buf *body, struct err *err)
{
	struct json *json OWNED_JSON = NULL;
	struct buf text OWNED_BUF = BUF_INIT(2 * IMDS_VCEK_MAX);
	return base64_encode(BASE64URL, tdreport, &text, err) < 0 || json_new_object(&json, err) < 0 ||
			       json_add_string(json, "report", buf_text(&text), err) < 0 ||
			       json_print(json, body, err) < 0
		       ? -1
		       : 0;
}

static int quote_of_text(const char *text, struct buf *ret_quote, struct err *err)
{
	struct buf raw OWNED_BUF = BUF_INIT(IMDS_QUOTE_MAX);
	struct tdx_quote quote;
	if (imds_base64(text, &raw, err) < 0 || tdx_quote_read(buf_bytes(&raw), &quote, err) < 0)
		return -1;
	buf_move(ret_quote, &raw);
	return 0;
}

int imds_td_quote_of(struct bytes answer, struct buf *ret_quote, struct err *err)
{
	struct json *json OWNED_JSON = NULL;
	const char *text;
	if (json_parse(answer, IMDS_BODY_MAX, &json, err) < 0)
		return err_wrap(err, "metadata service: the answer is no JSON");
	if (json_get_string(json, "quote", &text, err) < 0 || quote_of_text(text, ret_quote, err) < 0)
		return err_wrap(err, "metadata service: the TD quote in 'quote'");
	return 0;
}

int imds_td_quote(struct http_client *client, struct bytes tdreport, const struct deadline *deadline,
		  struct buf *ret_quote, struct err *err)
{
	const struct http_header headers[] = { { "Metadata", "true" }, { "Content-Type", "application/json" } };
	struct buf body OWNED_BUF = BUF_INIT(2 * IMDS_VCEK_MAX);
	struct buf answer OWNED_BUF = BUF_INIT(IMDS_BODY_MAX);
	if (quote_request(tdreport, &body, err) < 0)
		return -1;
	const struct http_request request = {
		.method = "POST", .path = QUOTE_PATH, .headers = headers, .header_count = 2, .body = buf_bytes(&body)
	};
	return ask(client, &request, deadline, &answer, err) < 0 ? -1
								 : imds_td_quote_of(buf_bytes(&answer), ret_quote, err);
}
