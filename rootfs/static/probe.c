// SPDX-License-Identifier: Apache-2.0
/*
 * Proof that the static libraries work together: runs every one of them in a process that has nothing but itself, in an
 * empty root directory without /dev, /proc or /etc. Input is its own, apart from the system calls' answers.
 * It must never pass by leaving something out: each line of checks[] is one ability that sealpod needs, each is run,
 * and the exit status is the number of those that failed.
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <curl/curl.h>
#include <nghttp2/nghttp2.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sodium.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

static int derive(EVP_PKEY *own, EVP_PKEY *peer, unsigned char *ret_out, size_t *ret_len)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, own, NULL);
	int ok = ctx && EVP_PKEY_derive_init(ctx) == 1 && EVP_PKEY_derive_set_peer(ctx, peer) == 1 &&
		 EVP_PKEY_derive(ctx, ret_out, ret_len) == 1;

	EVP_PKEY_CTX_free(ctx);
	return ok;
}

/* Both sides of a key agreement must come to the same secret. */
static int agree(EVP_PKEY *a, EVP_PKEY *b)
{
	unsigned char one[66], two[66];
	size_t one_len = sizeof(one), two_len = sizeof(two);
	int ok = a && b && derive(a, b, one, &one_len) && derive(b, a, two, &two_len) && one_len == two_len &&
		 memcmp(one, two, one_len) == 0;

	EVP_PKEY_free(a);
	EVP_PKEY_free(b);
	return ok;
}

static int check_ecdh(void)
{
	return agree(EVP_EC_gen("P-256"), EVP_EC_gen("P-256")) && agree(EVP_EC_gen("P-384"), EVP_EC_gen("P-384")) &&
	       agree(EVP_EC_gen("P-521"), EVP_EC_gen("P-521"));
}

static int check_x25519(void)
{
	return agree(EVP_PKEY_Q_keygen(NULL, NULL, "X25519"), EVP_PKEY_Q_keygen(NULL, NULL, "X25519"));
}

static int sign_and_verify(EVP_PKEY *key, const char *digest)
{
	unsigned char sig[512];
	size_t sig_len = sizeof(sig);
	EVP_MD_CTX *sign = EVP_MD_CTX_new(), *verify = EVP_MD_CTX_new();
	const unsigned char text[] = "to be signed";
	int ok = key && EVP_DigestSignInit_ex(sign, NULL, digest, NULL, NULL, key, NULL) == 1 &&
		 EVP_DigestSign(sign, sig, &sig_len, text, sizeof(text)) == 1 &&
		 EVP_DigestVerifyInit_ex(verify, NULL, digest, NULL, NULL, key, NULL) == 1 &&
		 EVP_DigestVerify(verify, sig, sig_len, text, sizeof(text)) == 1;

	EVP_MD_CTX_free(sign);
	EVP_MD_CTX_free(verify);
	EVP_PKEY_free(key);
	return ok;
}

static int check_signatures(void)
{
	return sign_and_verify(EVP_EC_gen("P-256"), "SHA256") && sign_and_verify(EVP_EC_gen("P-384"), "SHA384") &&
	       sign_and_verify(EVP_RSA_gen(2048), "SHA256") &&
	       sign_and_verify(EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), NULL);
}

/* A sealed text opens, and does not open with one bit of its tag turned. */
static int check_aead(const EVP_CIPHER *cipher)
{
	unsigned char key[32] = { 1 }, iv[12] = { 2 }, plain[16] = { 3 }, sealed[16], opened[16], tag[16];
	int len, ok;
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();

	ok = EVP_EncryptInit_ex2(ctx, cipher, key, iv, NULL) == 1 &&
	     EVP_EncryptUpdate(ctx, sealed, &len, plain, 16) == 1 && EVP_EncryptFinal_ex(ctx, sealed, &len) == 1 &&
	     EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, 16, tag) == 1 &&
	     EVP_DecryptInit_ex2(ctx, cipher, key, iv, NULL) == 1 &&
	     EVP_DecryptUpdate(ctx, opened, &len, sealed, 16) == 1 &&
	     EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, 16, tag) == 1 &&
	     EVP_DecryptFinal_ex(ctx, opened, &len) == 1 && memcmp(plain, opened, 16) == 0;
	tag[0] ^= 1;
	ok = ok && EVP_DecryptInit_ex2(ctx, cipher, key, iv, NULL) == 1 &&
	     EVP_DecryptUpdate(ctx, opened, &len, sealed, 16) == 1 &&
	     EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, 16, tag) == 1 &&
	     EVP_DecryptFinal_ex(ctx, opened, &len) != 1;
	EVP_CIPHER_CTX_free(ctx);
	return ok;
}

static int check_aes_gcm(void)
{
	return check_aead(EVP_aes_256_gcm());
}

static int check_chacha(void)
{
	return check_aead(EVP_chacha20_poly1305());
}

/* RFC 3394, section 4.6: 256 bits of key data under a 256-bit key. */
static int check_key_wrap(void)
{
	static const unsigned char expected[40] = {
		0x28, 0xC9, 0xF4, 0x04, 0xC4, 0xB8, 0x10, 0xF4, 0xCB, 0xCC, 0xB3, 0x5C, 0xFB, 0x87,
		0xF8, 0x26, 0x3F, 0x57, 0x86, 0xE2, 0xD8, 0x0E, 0xD3, 0x26, 0xCB, 0xC7, 0xF0, 0xE7,
		0x1A, 0x99, 0xF4, 0x3B, 0xFB, 0x98, 0x8B, 0x9B, 0x7A, 0x02, 0xDD, 0x21,
	};
	unsigned char kek[32], data[32], out[48];
	int len = 0, ok;
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();

	for (int i = 0; i < 32; i++) {
		kek[i] = (unsigned char)i;
		data[i] = (unsigned char)(i < 16 ? i * 0x11 : i - 16);
	}
	EVP_CIPHER_CTX_set_flags(ctx, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
	ok = EVP_EncryptInit_ex2(ctx, EVP_aes_256_wrap(), kek, NULL, NULL) == 1 &&
	     EVP_EncryptUpdate(ctx, out, &len, data, 32) == 1 && len == 40 && memcmp(out, expected, 40) == 0;
	EVP_CIPHER_CTX_free(ctx);
	return ok;
}

static int oaep_ready(EVP_PKEY_CTX *ctx)
{
	return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING) == 1 &&
	       EVP_PKEY_CTX_set_rsa_oaep_md(ctx, EVP_sha256()) == 1;
}

static int check_rsa_oaep(void)
{
	const unsigned char text[] = "content encryption key";
	unsigned char sealed[256], opened[256];
	size_t sealed_len = sizeof(sealed), opened_len = sizeof(opened);
	EVP_PKEY *key = EVP_RSA_gen(2048);
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
	int ok = ctx && EVP_PKEY_encrypt_init(ctx) == 1 && oaep_ready(ctx) &&
		 EVP_PKEY_encrypt(ctx, sealed, &sealed_len, text, sizeof(text)) == 1 &&
		 EVP_PKEY_decrypt_init(ctx) == 1 && oaep_ready(ctx) &&
		 EVP_PKEY_decrypt(ctx, opened, &opened_len, sealed, sealed_len) == 1 && opened_len == sizeof(text) &&
		 memcmp(text, opened, sizeof(text)) == 0;

	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_free(key);
	return ok;
}

static int check_digests(void)
{
	static const char *const names[] = { "SHA1", "SHA256", "SHA384", "SHA512" };
	unsigned char out[64];
	size_t len;

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (EVP_Q_digest(NULL, names[i], NULL, "abc", 3, out, &len) != 1)
			return 0;
	return out[0] == 0xdd && out[63] == 0x9f &&
	       EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, "key", 3, (const unsigned char *)"abc", 3, out,
			 sizeof(out), &len) != NULL &&
	       len == 32;
}

static X509 *self_signed(EVP_PKEY *key)
{
	X509 *cert = X509_new();

	X509_set_version(cert, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
	X509_gmtime_adj(X509_getm_notBefore(cert), -60);
	X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
	X509_set_pubkey(cert, key);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC, (const unsigned char *)"probe", -1,
				   -1, 0);
	X509_set_issuer_name(cert, X509_get_subject_name(cert));
	if (X509_sign(cert, key, EVP_sha256()) > 0)
		return cert;
	X509_free(cert);
	return NULL;
}

/* Key and certificate through PEM (PKCS#8) and back. */
static int check_pem(void)
{
	EVP_PKEY *key = EVP_EC_gen("P-256"), *key_back = NULL;
	X509 *cert = self_signed(key), *cert_back = NULL;
	BIO *bio = BIO_new(BIO_s_mem());
	int ok = cert && PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1 &&
		 PEM_write_bio_X509(bio, cert) == 1 && (key_back = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL)) &&
		 (cert_back = PEM_read_bio_X509(bio, NULL, NULL, NULL)) &&
		 X509_check_private_key(cert_back, key_back) == 1;

	BIO_free(bio);
	X509_free(cert);
	X509_free(cert_back);
	EVP_PKEY_free(key);
	EVP_PKEY_free(key_back);
	return ok;
}

/* Turns of the handshake over a memory pair until both sides are done; a dozen are more than any handshake needs. */
static int shake(SSL *client, SSL *server)
{
	int done = 0;

	for (int turn = 0; turn < 12 && !done; turn++) {
		int c = SSL_do_handshake(client), s = SSL_do_handshake(server);

		done = c == 1 && s == 1;
	}
	return done;
}

static int handshake(int version)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = self_signed(key);
	SSL_CTX *client_ctx = SSL_CTX_new(TLS_client_method()), *server_ctx = SSL_CTX_new(TLS_server_method());
	BIO *near_end = NULL, *far_end = NULL;
	SSL *client, *server;
	int ok = cert && SSL_CTX_use_certificate(server_ctx, cert) == 1 &&
		 SSL_CTX_use_PrivateKey(server_ctx, key) == 1 &&
		 X509_STORE_add_cert(SSL_CTX_get_cert_store(client_ctx), cert) == 1 &&
		 SSL_CTX_set_min_proto_version(client_ctx, version) == 1 &&
		 SSL_CTX_set_max_proto_version(client_ctx, version) == 1 &&
		 BIO_new_bio_pair(&near_end, 0, &far_end, 0) == 1;

	SSL_CTX_set_verify(client_ctx, SSL_VERIFY_PEER, NULL);
	client = SSL_new(client_ctx);
	server = SSL_new(server_ctx);
	SSL_set_connect_state(client);
	SSL_set_accept_state(server);
	SSL_set_bio(client, near_end, near_end);
	SSL_set_bio(server, far_end, far_end);
	ok = ok && shake(client, server) && SSL_version(client) == version &&
	     SSL_get_verify_result(client) == X509_V_OK;
	SSL_free(client);
	SSL_free(server);
	SSL_CTX_free(client_ctx);
	SSL_CTX_free(server_ctx);
	X509_free(cert);
	EVP_PKEY_free(key);
	return ok;
}

static int check_tls12(void)
{
	return handshake(TLS1_2_VERSION);
}

static int check_tls13(void)
{
	return handshake(TLS1_3_VERSION);
}

/* The request itself fails, for nobody listens: what counts is that it fails at the socket, not for lack of a feature.
 */
static int check_curl(void)
{
	const curl_version_info_data *info = curl_version_info(CURLVERSION_NOW);
	CURL *curl = curl_easy_init();
	int wanted = CURL_VERSION_SSL | CURL_VERSION_HTTP2 | CURL_VERSION_IPV6 | CURL_VERSION_UNIX_SOCKETS |
		     CURL_VERSION_ASYNCHDNS | CURL_VERSION_THREADSAFE;
	int ok = curl && (info->features & wanted) == wanted &&
		 curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, "/absent.sock") == CURLE_OK &&
		 curl_easy_setopt(curl, CURLOPT_URL, "https://localhost/") == CURLE_OK &&
		 curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS) == CURLE_OK &&
		 curl_easy_perform(curl) == CURLE_COULDNT_CONNECT;

	curl_easy_cleanup(curl);
	return ok;
}

/* What the host could reach through the environment or a state file must not be compiled in. */
static int check_curl_lacks(void)
{
	CURL *curl = curl_easy_init();
	int ok = curl && curl_easy_setopt(curl, CURLOPT_COOKIEFILE, "") != CURLE_OK &&
		 curl_easy_setopt(curl, CURLOPT_PROXY, "http://p") != CURLE_OK &&
		 curl_easy_setopt(curl, CURLOPT_NETRC, (long)CURL_NETRC_OPTIONAL) != CURLE_OK;

	for (const char *const *p = curl_version_info(CURLVERSION_NOW)->protocols; *p; p++)
		ok = ok && (strcmp(*p, "http") == 0 || strcmp(*p, "https") == 0);
	curl_easy_cleanup(curl);
	return ok;
}

static int check_nghttp2(void)
{
	nghttp2_hd_deflater *deflater;

	if (nghttp2_hd_deflate_new(&deflater, 4096) != 0)
		return 0;
	nghttp2_hd_deflate_del(deflater);
	return nghttp2_version(NGHTTP2_VERSION_NUM) != NULL;
}

static int check_cjson(void)
{
	cJSON *json = cJSON_Parse("{\"numbers\":[1,2,3]}");
	int ok = cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(json, "numbers")) == 3;

	cJSON_Delete(json);
	return ok;
}

static int check_sodium(void)
{
	void *secret = sodium_init() >= 0 ? sodium_malloc(32) : NULL;
	int ok = secret && sodium_mprotect_noaccess(secret) == 0 && sodium_mprotect_readwrite(secret) == 0;

	sodium_free(secret);
	return ok;
}

static const struct {
	const char *name;
	int (*run)(void);
} checks[] = {
	{ "ECDH P-256, P-384, P-521", check_ecdh },
	{ "X25519", check_x25519 },
	{ "ECDSA, RSA, Ed25519 signatures", check_signatures },
	{ "SHA-1, SHA-2, HMAC", check_digests },
	{ "AES-256-GCM", check_aes_gcm },
	{ "ChaCha20-Poly1305", check_chacha },
	{ "AES key wrap (RFC 3394)", check_key_wrap },
	{ "RSA-OAEP-256", check_rsa_oaep },
	{ "PEM, X.509, PKCS#8", check_pem },
	{ "TLS 1.2 handshake", check_tls12 },
	{ "TLS 1.3 handshake", check_tls13 },
	{ "libcurl: TLS, HTTP/2, IPv6, unix sockets, threads", check_curl },
	{ "libcurl: no cookies, proxy, netrc, other protocols", check_curl_lacks },
	{ "nghttp2", check_nghttp2 },
	{ "cJSON", check_cjson },
	{ "libsodium guarded memory", check_sodium },
};

int main(void)
{
	int failed = 0;

	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return (int)ARRAY_LEN(checks);
	printf("%s\n", curl_version());
	for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
		int ok = checks[i].run();

		printf("%s %s\n", ok ? "ok    " : "FAILED", checks[i].name);
		if (!ok)
			ERR_print_errors_fp(stdout);
		failed += !ok;
	}
	curl_global_cleanup();
	return failed;
}
