/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading what registries say. All of it is foreign.
 */
#include "ctl/image.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX "io.github.confidential-containers.measurements."
#define PCR_DIGITS 64

/* --- names --- */

static bool copy_part(const char *from, size_t len, const char *allowed, char out[IMAGE_TEXT])
{
	if (len == 0 || len >= IMAGE_TEXT)
		return false;
	memcpy(out, from, len);
	out[len] = 0;
	return strspn(out, allowed) == len;
}

static bool is_digest(const char *text)
{
	return strncmp(text, "sha256:", 7) == 0 && strlen(text) == 71 && strspn(text + 7, "0123456789abcdef") == 64;
}

#define LOWER "abcdefghijklmnopqrstuvwxyz0123456789"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

int image_name_parse(const char *text, struct image_name *ret_name, struct err *err)
{
	struct image_name name = { .reference = "latest" };
	const char *slash = strchr(text, '/');
	const char *rest = slash ? slash + 1 : "";
	const char *at = strchr(rest, '@');
	size_t len = at ? (size_t)(at - rest) : strlen(rest);
	const char *colon = memchr(rest, ':', len);
	size_t name_len = colon ? (size_t)(colon - rest) : len;
	bool good = slash && copy_part(text, (size_t)(slash - text), LOWER UPPER ".-:[]", name.host) &&
		    strpbrk(name.host, ".:") && copy_part(rest, name_len, LOWER "._-/", name.name) &&
		    !strstr(name.name, "..") && !strstr(name.name, "//");
	if (good && colon)
		good = copy_part(colon + 1, len - name_len - 1, LOWER UPPER "._-", name.reference);
	if (good && at) {
		good = is_digest(at + 1);
		(void)snprintf(name.reference, sizeof(name.reference), "%s", at + 1);
		name.by_digest = true;
	}
	if (!good)
		return err_set(err, ERR_USAGE,
			       "'%s' is no image; write 'registry.example.org/name:tag' or '…/name@sha256:…'", text);
	*ret_name = name;
	return 0;
}

/* --- manifests --- */

void image_manifest_done(struct image_manifest *manifest)
{
	json_free(manifest->pcrs);
	manifest->pcrs = NULL;
}

static bool is_pcr(const char *name)
{
	return strncmp(name, "pcr", 3) == 0 && strlen(name) == 5 && isdigit((unsigned char)name[3]) &&
	       isdigit((unsigned char)name[4]) && atoi(name + 3) < 24;
}

/* "0x" goes, and nothing of the digits. */
static int add_pcr(const struct json *annotation, const char *name, struct json *pcrs, struct err *err)
{
	const char *text = json_type(annotation) == JSON_STRING ? json_text(annotation) : "";
	char value[PCR_DIGITS + 1];
	text += strncmp(text, "0x", 2) == 0 ? 2 : 0;
	if (strlen(text) != PCR_DIGITS || strspn(text, "0123456789abcdefABCDEF") != PCR_DIGITS)
		return err_set(err, ERR_PROTOCOL, "annotation '%s%s' is no SHA-256 digest in hexadecimal", PREFIX,
			       name);
	for (size_t i = 0; i <= PCR_DIGITS; i++)
		value[i] = (char)tolower((unsigned char)text[i]);
	return json_add_string(pcrs, name, value, err);
}

static int read_annotations(const struct json *annotations, struct image_manifest *manifest, struct err *err)
{
	OWNED_JSON struct json *pcrs = NULL;
	const size_t len = strlen(PREFIX);
	if (json_new_object(&pcrs, err) < 0)
		return -1;
	for (const struct json *item = json_first(annotations); item; item = json_next(item)) {
		const char *name = json_name(item);
		if (strncmp(name, PREFIX, len) != 0)
			continue;
		if (strcmp(name + len, "algorithm") == 0 &&
		    (json_type(item) != JSON_STRING || strcmp(json_text(item), "sha256") != 0))
			return err_set(err, ERR_PROTOCOL, "its measurements are of another algorithm than sha256");
		if (is_pcr(name + len) && add_pcr(item, name + len, pcrs, err) < 0)
			return -1;
	}
	if (json_count(pcrs) == 0)
		return 0;
	manifest->pcrs = pcrs;
	pcrs = NULL;
	return 0;
}

static bool is_for_amd64(const struct json *entry)
{
	const struct json *platform = json_member(entry, "platform");
	const char *os, *architecture;
	return platform && json_type(platform) == JSON_OBJECT && json_get_string(platform, "os", &os, NULL) == 0 &&
	       json_get_string(platform, "architecture", &architecture, NULL) == 0 && strcmp(os, "linux") == 0 &&
	       strcmp(architecture, "amd64") == 0;
}

static int read_index(const struct json *manifests, struct image_manifest *manifest, struct err *err)
{
	if (json_type(manifests) != JSON_ARRAY)
		return err_set(err, ERR_PROTOCOL, "its 'manifests' is no list");
	for (const struct json *entry = json_first(manifests); entry; entry = json_next(entry)) {
		const char *digest;
		if (json_type(entry) != JSON_OBJECT || (json_count(manifests) > 1 && !is_for_amd64(entry)))
			continue;
		if (json_get_string(entry, "digest", &digest, err) < 0)
			return -1;
		if (!is_digest(digest))
			return err_set(err, ERR_PROTOCOL, "its entry for linux/amd64 has no sha256 digest");
		(void)snprintf(manifest->platform_digest, sizeof(manifest->platform_digest), "%s", digest);
		return 0;
	}
	return 0;
}

int image_manifest_parse(struct bytes text, struct image_manifest *ret_manifest, struct err *err)
{
	OWNED_JSON struct json *root = NULL;
	struct image_manifest manifest OWNED_MANIFEST = { .pcrs = NULL };
	if (json_parse(text, IMAGE_MANIFEST_MAX, &root, err) < 0)
		return -1;
	if (json_type(root) != JSON_OBJECT)
		return err_set(err, ERR_PROTOCOL, "it is no JSON object");
	const struct json *annotations = json_member(root, "annotations");
	const struct json *manifests = json_member(root, "manifests");
	if (annotations && json_type(annotations) == JSON_OBJECT && read_annotations(annotations, &manifest, err) < 0)
		return -1;
	if (manifests && read_index(manifests, &manifest, err) < 0)
		return -1;
	*ret_manifest = manifest;
	manifest.pcrs = NULL;
	return 0;
}

/* --- authentication --- */

/* The value of `name="…"` in the list. */
static bool parameter(const char *list, const char *name, char *out, size_t size)
{
	size_t len = strlen(name);
	for (const char *at = list; (at = strstr(at, name)) != NULL; at += len) {
		bool starts = at == list || at[-1] == ' ' || at[-1] == ',';
		const char *end = starts && at[len] == '=' && at[len + 1] == '"' ? strchr(at + len + 2, '"') : NULL;
		size_t value = end ? (size_t)(end - at) - len - 2 : size;
		if (value >= size)
			continue;
		memcpy(out, at + len + 2, value);
		out[value] = 0;
		return true;
	}
	return false;
}

/* What may stand in a query as it is: registries write nothing else. */
static bool is_plain(const char *text)
{
	return strspn(text, LOWER UPPER "._-/:,@") == strlen(text);
}

int image_challenge_parse(const char *text, struct image_challenge *ret_challenge, struct err *err)
{
	struct image_challenge challenge = { .service = "" };
	char realm[2 * IMAGE_TEXT];
	size_t scheme;
	if (strncasecmp(text, "Bearer ", 7) != 0 || !parameter(text + 7, "realm", realm, sizeof(realm)))
		return err_set(err, ERR_PROTOCOL,
			       "the registry asks for a kind of authentication that is not known here");
	(void)parameter(text + 7, "service", challenge.service, sizeof(challenge.service));
	(void)parameter(text + 7, "scope", challenge.scope, sizeof(challenge.scope));
	scheme = strncmp(realm, "https://", 8) == 0 ? 8 : strncmp(realm, "http://", 7) == 0 ? 7 : 0;
	const char *slash = scheme ? strchr(realm + scheme, '/') : NULL;
	size_t host = slash ? (size_t)(slash - realm) : strlen(realm);
	if (!scheme || host >= IMAGE_TEXT || !is_plain(realm) || !is_plain(challenge.service) ||
	    !is_plain(challenge.scope))
		return err_set(err, ERR_PROTOCOL, "the registry's challenge names no realm that can be asked");
	memcpy(challenge.host, realm, host);
	(void)snprintf(challenge.path, sizeof(challenge.path), "%s", slash ? slash : "/");
	*ret_challenge = challenge;
	return 0;
}

int image_pull_secret(struct bytes text, const char *host, struct buf *ret_auth, struct err *err)
{
	OWNED_JSON struct json *root = NULL;
	const struct json *auths, *entry;
	const char *auth;
	if (json_parse(text, IMAGE_MANIFEST_MAX, &root, err) < 0 || json_type(root) != JSON_OBJECT ||
	    json_get_object(root, "auths", &auths, err) < 0)
		return err_set(err, ERR_CONFIG, "it is no pull secret: {\"auths\":{\"HOST\":{\"auth\":\"…\"}}}");
	entry = json_member(auths, host);
	if (!entry)
		return 0;
	if (json_type(entry) != JSON_OBJECT || json_get_string(entry, "auth", &auth, err) < 0)
		return err_set(err, ERR_CONFIG, "its entry for '%s' has no 'auth'", host);
	return buf_append_text(ret_auth, auth, err);
}
