/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading certificates with OpenSSL, and their description for people.
 *
 * The certificates come from the KBS; names inside are foreign text of any
 * length, cut here and cleaned of control bytes where messages are made. Must
 * never leave OpenSSL's error queue filled for the next caller.
 */
#include "spire/cert.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

/* Each is far above what anybody issues. */
#define CERT_MAX_BYTES (64u * 1024u)

void spire_certs_done(struct spire_certs *certs)
{
	for (size_t i = 0; i < certs->count; i++)
		X509_free(certs->list[i]);
	certs->count = 0;
}

int spire_certs_add(struct spire_certs *certs, const struct spire_pem_block *block, struct err *err)
{
	if (certs->count == SPIRE_CERTS_MAX)
		return err_set(err, ERR_CREDENTIAL, "more than %d certificates", SPIRE_CERTS_MAX);
	struct secret der OWNED_SECRET = SECRET_INIT;
	if (spire_pem_decode(block, &der, err) < 0)
		return -1;
	const unsigned char *at = der.data;
	X509 *cert = der.len <= CERT_MAX_BYTES ? d2i_X509(NULL, &at, (long)der.len) : NULL;
	ERR_clear_error();
	if (!cert || at != (const unsigned char *)der.data + der.len) {
		X509_free(cert);
		return err_set(err, ERR_CREDENTIAL, "the PEM block that begins in line %u is not an X.509 certificate",
			       block->line);
	}
	certs->list[certs->count++] = cert;
	return 0;
}

int spire_cert_der(const X509 *cert, struct buf *ret_der, struct err *err)
{
	unsigned char *der = NULL;
	int len = i2d_X509(cert, &der);
	if (len <= 0)
		return err_set(err, ERR_SYSTEM, "OpenSSL cannot write a certificate that it has read");
	int rc = buf_append(ret_der, bytes_of(der, (size_t)len), err);
	OPENSSL_free(der);
	return rc;
}

static int time_of(const ASN1_TIME *asn1, time_t *ret_when)
{
	struct tm tm = { 0 };
	if (ASN1_TIME_to_tm(asn1, &tm) != 1)
		return -1;
	*ret_when = timegm(&tm);
	return 0;
}

int spire_cert_window(const X509 *cert, time_t *ret_from, time_t *ret_until)
{
	time_t from = 0;
	time_t until = 0;
	if (time_of(X509_get0_notBefore(cert), &from) < 0 || time_of(X509_get0_notAfter(cert), &until) < 0) {
		ERR_clear_error();
		return -1;
	}
	*ret_from = from;
	*ret_until = until;
	return 0;
}

/* Appends to a NUL-terminated text, ending in "..." when it does not fit. */
static void append_cut(char *text, size_t size, const char *more, size_t len)
{
	size_t used = strlen(text);
	size_t room = size - used - 1;
	size_t take = len < room ? len : room;
	if (len == 0)
		return; /* OpenSSL gives NULL then */
	memcpy(text + used, more, take);
	text[used + take] = 0;
	if (take < len && size > 4)
		memcpy(text + size - 4, "...", 4);
}

static void append_text(char *text, size_t size, const char *more)
{
	append_cut(text, size, more, strlen(more));
}

void spire_cert_subject(const X509 *cert, char *text, size_t size)
{
	text[0] = 0;
	BIO *bio = BIO_new(BIO_s_mem());
	unsigned long flags = XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB;
	char *data = NULL;
	if (bio && X509_NAME_print_ex(bio, X509_get_subject_name(cert), 0, flags) >= 0) {
		long len = BIO_get_mem_data(bio, &data);
		append_cut(text, size, data, len > 0 ? (size_t)len : 0);
	}
	BIO_free(bio);
	ERR_clear_error();
}

static void append_address(char *text, size_t size, const ASN1_OCTET_STRING *address)
{
	char printed[INET6_ADDRSTRLEN] = "?";
	int len = ASN1_STRING_length(address);
	if (len == 4)
		(void)inet_ntop(AF_INET, ASN1_STRING_get0_data(address), printed, sizeof(printed));
	else if (len == 16)
		(void)inet_ntop(AF_INET6, ASN1_STRING_get0_data(address), printed, sizeof(printed));
	append_text(text, size, "IP:");
	append_text(text, size, printed);
}

static void append_ia5(char *text, size_t size, const char *kind, const ASN1_IA5STRING *value)
{
	append_text(text, size, kind);
	int len = ASN1_STRING_length(value);
	append_cut(text, size, (const char *)ASN1_STRING_get0_data(value), len > 0 ? (size_t)len : 0);
}

static void append_name(char *text, size_t size, const GENERAL_NAME *name)
{
	if (text[0])
		append_text(text, size, ", ");
	int type = -1;
	const void *value = GENERAL_NAME_get0_value(name, &type);
	switch (type) {
	case GEN_URI:
		append_ia5(text, size, "URI:", value);
		break;
	case GEN_DNS:
		append_ia5(text, size, "DNS:", value);
		break;
	case GEN_EMAIL:
		append_ia5(text, size, "email:", value);
		break;
	case GEN_IPADD:
		append_address(text, size, value);
		break;
	default:
		append_text(text, size, "another kind of name");
		break;
	}
}

void spire_cert_sans(const X509 *cert, char *text, size_t size)
{
	text[0] = 0;
	GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++)
		append_name(text, size, sk_GENERAL_NAME_value(names, i));
	GENERAL_NAMES_free(names);
	ERR_clear_error();
}

bool spire_cert_names_match(const X509 *cert, const X509 *issuer)
{
	const unsigned char *a = NULL;
	const unsigned char *b = NULL;
	size_t a_len = 0;
	size_t b_len = 0;
	if (X509_NAME_get0_der(X509_get_issuer_name(cert), &a, &a_len) != 1 ||
	    X509_NAME_get0_der(X509_get_subject_name(issuer), &b, &b_len) != 1)
		return false;
	return bytes_equal(bytes_of(a, a_len), bytes_of(b, b_len));
}

const char *spire_time_text(char text[SPIRE_TIME_TEXT], time_t when)
{
	struct tm tm;
	if (!gmtime_r(&when, &tm) || strftime(text, SPIRE_TIME_TEXT, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		(void)snprintf(text, SPIRE_TIME_TEXT, "?");
	return text;
}

const char *spire_span_text(char text[SPIRE_TIME_TEXT], int64_t seconds)
{
	static const struct {
		int64_t length;
		const char *name;
	} units[] = { { 86400, "day" }, { 3600, "hour" }, { 60, "minute" }, { 1, "second" } };
	int64_t amount = seconds < 0 ? -seconds : seconds;
	size_t i = 0;
	while (i + 1 < ARRAY_LEN(units) && amount < 2 * units[i].length)
		i++;
	int64_t count = amount / units[i].length;
	(void)snprintf(text, SPIRE_TIME_TEXT, "%" PRId64 " %s%s", count, units[i].name, count == 1 ? "" : "s");
	return text;
}
