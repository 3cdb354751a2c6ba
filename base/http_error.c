/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Says what went wrong with a transfer: which server, what happened, what to do.
 *
 * The codes are libcurl's, the texts may quote what a server sent. Must never
 * quote a header's value or a body.
 */
#include "base/http_internal.h"

#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <string.h>
#include <time.h>

static const char *curl_says(const struct http_transfer *transfer, CURLcode result)
{
	return transfer->curl_text[0] ? transfer->curl_text : curl_easy_strerror(result);
}

static int explain_clock(const struct http_transfer *transfer, struct err *err)
{
	const struct http_verify *verify = &transfer->client->verify;
	char here[32] = "";
	time_t now = time(NULL);
	struct tm parts;
	if (gmtime_r(&now, &parts))
		(void)strftime(here, sizeof(here), "%Y-%m-%dT%H:%M:%SZ", &parts);
	return err_set(
		err, ERR_CLOCK,
		"the certificate '%s' of '%s' is valid from %s to %s, but the clock here says %s, %lld s %s: if the "
		"certificate is good, this machine's clock is at least that far %s; set the clock, or renew the "
		"certificate",
		verify->subject, transfer->client->peer, verify->not_before, verify->not_after, here,
		(long long)llabs(verify->outside), verify->outside < 0 ? "too early" : "too late",
		verify->outside < 0 ? "behind" : "ahead");
}

static int explain_verify(const struct http_transfer *transfer, CURLcode result, struct err *err)
{
	const struct http_client *client = transfer->client;
	int code = client->verify.code;
	if (code == X509_V_ERR_CERT_HAS_EXPIRED || code == X509_V_ERR_CERT_NOT_YET_VALID)
		return explain_clock(transfer, err);
	if (client->verify.stranger)
		return err_set(err, ERR_TLS, "the certificate of '%s' is not that of '%s'; check the address",
			       client->peer, client->server_uri);
	if (code != X509_V_OK)
		return err_set(err, ERR_TLS,
			       "the certificate '%s' of '%s' is refused (%s); check the pinned CA and the URL",
			       client->verify.subject, client->peer, X509_verify_cert_error_string(code));
	return err_set(
		err, ERR_TLS,
		"the certificate of '%s' is not made for '%s' (%s); check the URL and the names in the certificate",
		client->peer, client->url.host, curl_says(transfer, result));
}

static int explain_connect(const struct http_transfer *transfer, CURLcode result, struct err *err)
{
	long os_errno = 0;
	(void)curl_easy_getinfo(transfer->easy, CURLINFO_OS_ERRNO, &os_errno);
	const char *peer = transfer->client->peer;
	if (os_errno > 0)
		return err_set_errno(err, ERR_NETWORK, (int)os_errno, "no connection to '%s'", peer);
	return err_set(err, ERR_NETWORK, "no connection to '%s': %s", peer, curl_says(transfer, result));
}

/* OpenSSL's own complaints ("error:0A00…") are about what the server said; the
 * others, and the one that means a cut connection, are about the network. */
static bool is_tls_complaint(const char *text)
{
	const char *code = strstr(text, "error:0");
	return code && !strstr(code, "error:0A000126"); /* SSL_R_UNEXPECTED_EOF_WHILE_READING */
}

/* HTTP/2 too: libcurl says the same of a server that goes away (GOAWAY) and of one
 * that breaks the rules. */
static int explain_broken(const struct http_transfer *transfer, CURLcode result, struct err *err)
{
	const char *peer = transfer->client->peer;
	const char *text = curl_says(transfer, result);
	if (is_tls_complaint(text))
		return err_set(err, ERR_PROTOCOL, "TLS with '%s' failed: %s; does that port speak TLS?", peer, text);
	if (transfer->blocks == 0)
		return err_set(err, ERR_NETWORK, "the connection to '%s' broke before an answer came: %s", peer, text);
	return err_set(err, ERR_NETWORK,
		       "the connection to '%s' broke within the answer, after %llu bytes of its body: %s", peer,
		       (unsigned long long)transfer->body_bytes, text);
}

static int explain_alert(const struct http_transfer *transfer, struct err *err)
{
	const struct http_client *client = transfer->client;
	return err_set(err, ERR_PROTOCOL, "'%s' ended TLS with the alert '%s'; check what it wants%s", client->peer,
		       SSL_alert_desc_string_long(client->alert),
		       client->client_certificate ? ", and the client certificate" : ": a client certificate?");
}

/* X(libcurl's verdict, our code, what it means) for those that need no more thought */
#define PLAIN(X)                                                                                                       \
	X(CURLE_UNSUPPORTED_PROTOCOL, ERR_PROTOCOL, "the answer is not HTTP")                                          \
	X(CURLE_WEIRD_SERVER_REPLY, ERR_PROTOCOL, "the answer is not HTTP")                                            \
	X(CURLE_BAD_CONTENT_ENCODING, ERR_PROTOCOL, "the body's encoding is broken")                                   \
	X(CURLE_SSL_CIPHER, ERR_PROTOCOL, "no common TLS cipher")                                                      \
	X(CURLE_OUT_OF_MEMORY, ERR_SYSTEM, "out of memory")                                                            \
	X(CURLE_SSL_CACERT_BADFILE, ERR_CONFIG, "the pinned CA cannot be used")                                        \
	X(CURLE_SSL_CERTPROBLEM, ERR_CREDENTIAL, "the client certificate is unusable")

static int explain_plain(const struct http_transfer *transfer, CURLcode result, struct err *err)
{
	static const struct {
		CURLcode result;
		enum err_code code;
		const char *text;
	} rows[] = {
#define X(result, code, text) { result, code, text },
		PLAIN(X)
#undef X
	};
	const char *peer = transfer->client->peer;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (rows[i].result == result)
			return err_set(err, rows[i].code, "'%s': %s: %s", peer, rows[i].text,
				       curl_says(transfer, result));
	/* libcurl's newer codes for oversized headers and the like have no name in older versions. */
	return err_set(err, ERR_PROTOCOL, "'%s': %s", peer, curl_says(transfer, result));
}

static int explain_callback(const struct http_transfer *transfer, struct err *err)
{
	if (err)
		*err = transfer->err;
	if (transfer->err_from_caller)
		return -1;
	return err_wrap(err, "the answer of '%s' to %s '%s'", transfer->client->peer, transfer->request->method,
			transfer->path);
}

static int explain(const struct http_transfer *transfer, CURLcode result, struct err *err)
{
	/* Not a switch: -Wswitch-enum would want all hundred. */
	if (transfer->client->verify.code != X509_V_OK || result == CURLE_PEER_FAILED_VERIFICATION)
		return explain_verify(transfer, result, err);
	if (transfer->client->alert != 0)
		return explain_alert(transfer, err);
	if (result == CURLE_OPERATION_TIMEDOUT)
		return http_error_timeout(transfer, err);
	if (result == CURLE_COULDNT_RESOLVE_HOST)
		return err_set(err, ERR_NETWORK, "the name '%s' cannot be resolved (%s); check DNS and the URL",
			       transfer->client->url.host, curl_says(transfer, result));
	if (result == CURLE_COULDNT_CONNECT)
		return explain_connect(transfer, result, err);
	if (result == CURLE_SSL_CONNECT_ERROR || result == CURLE_SEND_ERROR || result == CURLE_RECV_ERROR ||
	    result == CURLE_GOT_NOTHING || result == CURLE_PARTIAL_FILE || result == CURLE_HTTP2 ||
	    result == CURLE_HTTP2_STREAM)
		return explain_broken(transfer, result, err);
	return explain_plain(transfer, result, err);
}

int http_error_explain(const struct http_transfer *transfer, CURLcode result, struct err *err)
{
	if (transfer->err.code != ERR_NONE)
		return explain_callback(transfer, err);
	return explain(transfer, result, err);
}

/* How far it came: each is 0 until that is done. */
static curl_off_t reached(const struct http_transfer *transfer, CURLINFO when)
{
	curl_off_t value = 0;
	(void)curl_easy_getinfo(transfer->easy, when, &value);
	return value;
}

int http_error_timeout(const struct http_transfer *transfer, struct err *err)
{
	const struct http_client *client = transfer->client;
	long long ms = clock_now_ms() - transfer->started_ms;
	if (!client->unix_socket && reached(transfer, CURLINFO_NAMELOOKUP_TIME_T) == 0)
		return err_set(err, ERR_TIMEOUT, "the name '%s' was not resolved within %lld ms; check DNS",
			       client->url.host, ms);
	if (reached(transfer, CURLINFO_PRETRANSFER_TIME_T) == 0)
		return err_set(err, ERR_TIMEOUT, "no connection to '%s' within %lld ms", client->peer, ms);
	if (transfer->blocks == 0)
		return err_set(err, ERR_TIMEOUT, "'%s' sent no answer to %s '%s' within %lld ms", client->peer,
			       transfer->request->method, transfer->path, ms);
	return err_set(err, ERR_TIMEOUT, "the answer of '%s' to %s '%s' did not end within %lld ms (%lld bytes came)",
		       client->peer, transfer->request->method, transfer->path, ms,
		       (long long)reached(transfer, CURLINFO_SIZE_DOWNLOAD_T));
}

int http_error_stopped(const struct http_transfer *transfer, struct err *err)
{
	return err_set(err, ERR_TIMEOUT, "%s '%s' at '%s' was called off", transfer->request->method, transfer->path,
		       transfer->client->peer);
}
