/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What libcurl leaves open about TLS: the pinned CA's check, the client
 * certificate hook, and a record of who refused whom, and why.
 *
 * The PEM comes from the configuration, the certificates from the server. Must
 * never turn a refusal into an acceptance: the verification callback only looks, and
 * refuses whom it is to know by a URI.
 */
#include "base/http_internal.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <time.h>

struct pem_block {
	char *name;
	char *header;
	unsigned char *data;
	long len;
};

static void pem_block_done(struct pem_block *block)
{
	OPENSSL_free(block->name);
	OPENSSL_free(block->header);
	OPENSSL_clear_free(block->data, block->data ? (size_t)block->len : 0);
}

static void bio_cleanup(BIO **bio)
{
	BIO_free(*bio);
}

/* 1: a certificate was read; 0: the end; -1: failed. */
static int next_certificate(BIO *bio, unsigned number, struct err *err)
{
	CLEANUP(pem_block_done) struct pem_block block = { .name = NULL };
	if (PEM_read_bio(bio, &block.name, &block.header, &block.data, &block.len) != 1) {
		bool end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
		return end ? 0 : err_set(err, ERR_CONFIG, "the pinned CA's PEM block number %u is broken", number);
	}
	if (strcmp(block.name, PEM_STRING_X509) != 0)
		return err_set(err, ERR_CONFIG,
			       "the pinned CA's PEM block number %u is a '%s'; leave nothing but CERTIFICATE blocks",
			       number, block.name);
	const unsigned char *data = block.data;
	X509 *certificate = d2i_X509(NULL, &data, block.len);
	X509_free(certificate);
	if (!certificate || data != block.data + block.len)
		return err_set(err, ERR_CONFIG, "the pinned CA's PEM block number %u holds no X.509 certificate",
			       number);
	return 1;
}

int http_check_ca(struct bytes pem, struct err *err)
{
	CLEANUP(bio_cleanup) BIO *bio = pem.len <= INT_MAX ? BIO_new_mem_buf(pem.data, (int)pem.len) : NULL;
	if (!bio)
		return err_set(err, ERR_SYSTEM, "the pinned CA cannot be read (%zu bytes)", pem.len);
	unsigned count = 0;
	int more;
	ERR_clear_error();
	while ((more = next_certificate(bio, count + 1, err)) > 0)
		count++;
	ERR_clear_error();
	if (more == 0 && count == 0)
		return err_set(err, ERR_CONFIG,
			       "the pinned CA holds no certificate; give PEM with '-----BEGIN CERTIFICATE-----'");
	return more;
}

/* ASN1_TIME_diff() without a first time takes the present one. */
static int64_t seconds_until(const ASN1_TIME *when)
{
	int days = 0;
	int seconds = 0;
	return ASN1_TIME_diff(&days, &seconds, NULL, when) == 1 ? (int64_t)days * 86400 + seconds : 0;
}

static int64_t seconds_outside(const X509 *certificate)
{
	int64_t to_begin = seconds_until(X509_get0_notBefore(certificate));
	int64_t to_end = seconds_until(X509_get0_notAfter(certificate));
	return to_begin > 0 ? -to_begin : to_end < 0 ? -to_end : 0;
}

static void write_time(const ASN1_TIME *time, char *out, size_t size)
{
	struct tm parts;
	if (ASN1_TIME_to_tm(time, &parts) != 1 || strftime(out, size, "%Y-%m-%dT%H:%M:%SZ", &parts) == 0)
		(void)snprintf(out, size, "(unreadable)");
}

/* Where an SSL_CTX keeps its client. */
static int client_index = -1;

int http_tls_setup(struct err *err)
{
	if (client_index < 0)
		client_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, NULL);
	return client_index >= 0 ? 0 : err_set(err, ERR_SYSTEM, "OpenSSL cannot start");
}

static struct http_client *client_of(X509_STORE_CTX *store)
{
	const SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	return ssl ? SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), client_index) : NULL;
}

/* Kept because libcurl's text is about whatever it tripped over first. */
static void on_info(const SSL *ssl, int where, int value)
{
	struct http_client *client = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), client_index);
	bool fatal = (value >> 8) == SSL3_AL_FATAL;
	if (client && fatal && (where & SSL_CB_READ_ALERT) == SSL_CB_READ_ALERT)
		client->alert = value & 0xff;
}

/* Is this URI the only one among its SANs? */
static bool has_uri(const X509 *certificate, const char *uri)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
	unsigned others = 0;
	bool found = false;
	for (int i = 0; names && i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
		if (name->type != GEN_URI)
			continue;
		const ASN1_IA5STRING *text = name->d.uniformResourceIdentifier;
		bool same = (size_t)ASN1_STRING_length(text) == strlen(uri) &&
			    memcmp(ASN1_STRING_get0_data(text), uri, strlen(uri)) == 0;
		found = found || same;
		others += same ? 0 : 1;
	}
	GENERAL_NAMES_free(names);
	return found && others == 0;
}

/* The last certificate of a chain that is otherwise good. */
static bool is_stranger(const struct http_client *client, X509_STORE_CTX *store)
{
	const X509 *certificate = X509_STORE_CTX_get_current_cert(store);
	if (!client->server_uri || X509_STORE_CTX_get_error_depth(store) != 0)
		return false;
	return !certificate || !has_uri(certificate, client->server_uri);
}

static int on_verify(int good, X509_STORE_CTX *store)
{
	struct http_client *client = client_of(store);
	if (client && good && is_stranger(client, store)) {
		X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
		client->verify.stranger = true;
		good = 0;
	}
	if (good || !client)
		return good;
	struct http_verify *verify = &client->verify;
	verify->code = X509_STORE_CTX_get_error(store);
	X509 *certificate = X509_STORE_CTX_get_current_cert(store);
	if (!certificate)
		return good;
	(void)X509_NAME_oneline(X509_get_subject_name(certificate), verify->subject, sizeof(verify->subject));
	write_time(X509_get0_notBefore(certificate), verify->not_before, sizeof(verify->not_before));
	write_time(X509_get0_notAfter(certificate), verify->not_after, sizeof(verify->not_after));
	verify->outside = seconds_outside(certificate);
	return good;
}

static bool watch_handshake(SSL_CTX *ctx, struct http_client *client)
{
	if (SSL_CTX_set_ex_data(ctx, client_index, client) != 1)
		return false;
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, on_verify);
	SSL_CTX_set_info_callback(ctx, on_info);
	return true;
}

CURLcode http_tls_on_context(CURL *easy, void *ssl_ctx, void *arg)
{
	(void)easy;
	struct http_transfer *transfer = arg;
	struct http_client *client = transfer->client;
	struct err *err = &transfer->err;
	if (!watch_handshake(ssl_ctx, client)) {
		(void)err_set(err, ERR_SYSTEM, "out of memory");
		return CURLE_OUT_OF_MEMORY;
	}
	SSL_CTX_set_keylog_callback(ssl_ctx, NULL); /* libcurl's, if somebody set it up before us */
	SSL_CTX_set_options(ssl_ctx, SSL_OP_NO_RENEGOTIATION);
	if (!client->client_certificate ||
	    client->client_certificate(ssl_ctx, client->client_certificate_arg, err) == 0)
		return CURLE_OK;
	transfer->err_from_caller = err->code != ERR_NONE;
	if (!transfer->err_from_caller)
		(void)err_set(err, ERR_SYSTEM, "the client certificate could not be set");
	return CURLE_ABORTED_BY_CALLBACK;
}
