/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Linting init-data. The document is the operator's, or somebody's who gave it to him; nothing in
 * it is obeyed.
 */
#include "ctl/lint.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/http.h"
#include "base/toml.h"
#include "ctl/guest.h"
#include "ctl/lint_parts.h"
#include "initdata/toml_defaults.h"
#include "spire/authorities.h"
#include "spire/value.h"

#define TEXT_MAX 512

__attribute__((format(printf, 4, 0))) static void finding(struct lint *lint, bool is_error, const char *where,
							  const char *format, va_list args)
{
	char text[TEXT_MAX];
	(void)vsnprintf(text, sizeof(text), format, args);
	if (is_error)
		lint->errors++;
	else
		lint->warnings++;
	if (lint->tell) {
		lint->tell(lint->arg, is_error, where, text);
		return;
	}
	sheet_begin(lint->sheet, NULL, NULL);
	sheet_text(lint->sheet, "level", NULL, "%s", is_error ? "error" : "warning");
	sheet_text(lint->sheet, "where", NULL, "%s", where);
	sheet_text(lint->sheet, "text", NULL, "%s", text);
	sheet_text(lint->sheet, NULL, is_error ? "error" : "warning", "%s: %s", where, text);
	sheet_end(lint->sheet);
}

void lint_error(struct lint *lint, const char *where, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	finding(lint, true, where, format, args);
	va_end(args);
}

void lint_warning(struct lint *lint, const char *where, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	finding(lint, false, where, format, args);
	va_end(args);
}

/* --- the document --- */

static bool has_tee(const struct lint_target *target, const char *name)
{
	for (size_t i = 0; i < target->tee_count; i++)
		if (strcmp(target->tees[i], name) == 0)
			return true;
	return false;
}

static void lint_bytes(struct lint *lint, const struct initdata *doc, const struct lint_target *target)
{
	struct bytes text = initdata_text(doc);
	const struct digest *digest = initdata_digest(doc);
	if (memchr(text.data, '\r', text.len))
		lint_warning(lint, "document", "has CRLF line ends; any tool that changes them changes the digest");
	if (text.len > 0 && text.data[text.len - 1] == '\n')
		lint_warning(lint, "document",
			     "ends with a newline; tools that strip it ($(cat), YAML block scalars) change the digest");
	if (digest_bytes(digest).len == 32)
		return;
	if (target->tee_count == 0)
		lint_warning(lint, "algorithm",
			     "is not sha256: VMs on Azure take no other%s, and SNP keeps 32 bytes of it",
			     digest_bytes(digest).len > 48 ? ", TDX none longer than sha384" : "");
	if (has_tee(target, "az-snp-vtpm") || has_tee(target, "az-tdx-vtpm"))
		lint_error(lint, "algorithm", "is not sha256, which PCR 8 on Azure needs: no VM would be believed");
	if (has_tee(target, "tdx") && digest_bytes(digest).len > 48)
		lint_error(lint, "algorithm",
			   "is sha512; the attestation agent does not cut it to MRCONFIGID's 48 bytes: use sha256 or "
			   "sha384");
	if (has_tee(target, "snp") && digest_bytes(digest).len > 32)
		lint_warning(lint, "algorithm",
			     "is longer than HOST_DATA and gets cut to 32 bytes: sha256 says as much");
}

/* --- aa.toml, cdh.toml --- */

static void lint_kbs_table(struct lint *lint, const char *where, const struct toml_value *table, const char *cert)
{
	const struct toml_value *url = table ? toml_member(table, bytes_of_text("url")) : NULL;
	if (!url || toml_type(url) != TOML_STRING)
		return;
	struct bytes text = toml_string(url);
	bool tls = text.len >= 8 && memcmp(text.data, "https://", 8) == 0;
	const struct toml_value *ca = toml_member(table, bytes_of_text(cert));
	struct err why = { 0 };
	if (tls && (!ca || toml_type(ca) != TOML_STRING || toml_string(ca).len == 0))
		lint_error(lint, where,
			   "names a KBS without its CA ('%s'): any public CA, or the host's, can play the KBS", cert);
	else if (tls && http_check_ca(toml_string(ca), &why) < 0)
		lint_error(lint, where, "the KBS's CA ('%s') is none: %s", cert, why.message);
	if (!tls)
		lint_warning(lint, where, "names a KBS without TLS: only the resources' encryption is left");
}

static const struct toml_value *table_in(const struct toml_value *table, const char *key)
{
	const struct toml_value *value = table ? toml_member(table, bytes_of_text(key)) : NULL;
	return value && toml_type(value) == TOML_TABLE ? value : NULL;
}

static bool contains(struct bytes text, const char *part)
{
	return memmem(text.data, text.len, part, strlen(part)) != NULL;
}

/* The value of aa_kbc_params: a key's, or what stands behind "aa_kbc_params=" among a kernel's parameters. */
static bool find_kbc_params(const struct toml_value *value, struct bytes *ret_text)
{
	static const char word[] = "aa_kbc_params=";
	if (toml_type(value) != TOML_STRING)
		return false;
	struct bytes text = toml_string(value);
	const uint8_t *at = memmem(text.data, text.len, word, strlen(word));
	*ret_text = text;
	if (bytes_equal_text(toml_key(value), "aa_kbc_params") || !at)
		return bytes_equal_text(toml_key(value), "aa_kbc_params");
	at += strlen(word);
	size_t left = text.len - (size_t)(at - text.data);
	const uint8_t *end = memchr(at, ' ', left);
	*ret_text = bytes_of(at, end ? (size_t)(end - at) : left);
	return true;
}

/* It is split at "::" into exactly two. No deeper than TOML_MAX_DEPTH. */
static void lint_kbc_params(struct lint *lint, const char *where, const struct toml_value *parent)
{
	struct bytes text;
	for (const struct toml_value *value = toml_first(parent); value; value = toml_next(value)) {
		lint_kbc_params(lint, where, value);
		if (!find_kbc_params(value, &text))
			continue;
		const uint8_t *first = memmem(text.data, text.len, "::", 2);
		size_t left = first ? text.len - (size_t)(first + 2 - text.data) : 0;
		if (!first || memmem(first + 2, left, "::", 2))
			lint_error(
				lint, where,
				"aa_kbc_params must have one '::'; an IPv6 address with '::' in it is refused by the "
				"guest");
	}
}

static void lint_guest_toml(struct lint *lint, const struct initdata_entry *entry, const char *name)
{
	OWNED_TOML struct toml_doc *doc = NULL;
	struct err why = { 0 };
	if (toml_parse(entry->text, &doc, &why) < 0) {
		lint_error(lint, name, "%s", why.message);
		return;
	}
	const struct toml_value *root = toml_root(doc);
	lint_kbc_params(lint, name, root);
	lint_kbs_table(lint, name, table_in(table_in(root, "token_configs"), "kbs"), "cert");
	lint_kbs_table(lint, name, table_in(root, "kbc"), "kbs_cert");
	const struct toml_value *skip = toml_member(root, bytes_of_text("skip_sealed_secret_verification"));
	if (skip && toml_type(skip) == TOML_BOOL && toml_bool(skip))
		lint_error(lint, name, "skips the verification of sealed secrets: anyone can write them");
}

/* --- sealpod.toml --- */

static void lint_version(struct lint *lint, const char *text)
{
	unsigned version;
	if (!text || spire_version_parse(text, &version, NULL) < 0)
		return;
	if (version < SPIRE_VERSION(13, 4) || (version >= SPIRE_VERSION(14, 0) && version < SPIRE_VERSION(14, 2)))
		lint_warning(lint, "SPIRE",
			     "%s lacks the limits on x509pop chains that 1.13.4 and 1.14.2 brought: update the server",
			     text);
}

static void tell_of_bundle(void *arg, const char *text)
{
	lint_warning(arg, "sealpod.toml", "trust bundle: %s: give VMs the next one before that", text);
}

static void tell_of_ca(void *arg, const char *text)
{
	lint_warning(arg, "sealpod.toml", "the KBS's CA: %s: give VMs the next one before that", text);
}

/* What VMs are started with for as long as the document is in use. */
static void lint_ends(struct lint *lint, const struct config *config)
{
	const char *bundle = config->trust_bundle_pem, *ca = config->kbs_ca;
	if (bundle)
		(void)spire_authorities_look(bytes_of_text(bundle), false, time(NULL), tell_of_bundle, lint);
	if (ca)
		(void)spire_authorities_look(bytes_of_text(ca), true, time(NULL), tell_of_ca, lint);
}

/* What the command line may change, init-data cannot say. */
static void lint_supervision(struct lint *lint, const struct config *config)
{
	bool minted = secret_ref_given(&config->credential_issuer);
	bool supervised = config->run_mode == RUN_SUPERVISE || (config->run_mode == RUN_DEFAULT && minted);
	if (config->allow_disk && supervised)
		lint_warning(
			lint, "sealpod.toml",
			"agent.allow_disk: a supervised agent's credential must be in memory, so sealpod refuses it "
			"without --exec");
}

static void tell_of_problem(void *arg, unsigned line, const char *key, const char *text)
{
	char where[64] = "sealpod.toml";
	if (line > 0)
		(void)snprintf(where, sizeof(where), "sealpod.toml line %u", line);
	if (key)
		lint_error(arg, where, "key '%s': %s", key, text);
	else
		lint_error(arg, where, "%s", text);
}

static int lint_guest_check(const struct initdata *doc, struct bytes text, struct problem_sink sink,
			    struct config *ret_config, struct err *err)
{
	struct initdata_kbs kbs OWNED_INITDATA_KBS = { 0 };
	if (initdata_kbs_defaults(doc, &kbs, err) < 0)
		return -1;
	const struct config_context context = {
		.kbs_url = kbs.url, .kbs_ca = kbs.ca_pem, .elsewhere = true, .sink = sink
	};
	return guest_check(text, "sealpod.toml", &context, ret_config, err);
}

int lint_refusal(const struct initdata *doc, struct err *err)
{
	struct config config OWNED_CONFIG = { 0 };
	struct initdata_entry entry;
	if (!initdata_find_entry(doc, "sealpod.toml", &entry))
		return 0;
	return lint_guest_check(doc, entry.text, (struct problem_sink){ 0 }, &config, err);
}

static void lint_sealpod(struct lint *lint, const struct initdata *doc, struct bytes text,
			 const struct lint_target *target)
{
	struct config config OWNED_CONFIG = { 0 };
	struct err why = { 0 };
	unsigned before = lint->errors;
	const struct problem_sink sink = { .tell = tell_of_problem, .arg = lint };
	int rc = lint_guest_check(doc, text, sink, &config, &why);
	/* what was told one by one is not summed up, unless some was left out */
	if (rc < 0 && (lint->errors == before || lint->errors - before >= PROBLEMS_TOLD_MAX))
		lint_error(lint, "sealpod.toml", "%s", why.message);
	else if (rc == 0 && config.kbs_allow_http)
		lint_warning(lint, "sealpod.toml", "takes a KBS without TLS: nothing proves that it is yours");
	lint_ends(lint, &config);
	lint_supervision(lint, &config);
	if (!target->spire_version)
		lint_version(lint, config.agent_version);
}

static void lint_entry(struct lint *lint, const struct initdata *doc, const struct initdata_entry *entry,
		       const struct lint_target *target)
{
	if (contains(entry->text, "PRIVATE KEY-----"))
		lint_error(lint, "document", "holds a private key, in entry '%.*s': whoever sees the pod reads it",
			   (int)(entry->name.len > 64 ? 64 : entry->name.len), (const char *)entry->name.data);
	if (bytes_equal_text(entry->name, "policy.rego"))
		lint_policy(lint, entry->text);
	else if (bytes_equal_text(entry->name, "aa.toml"))
		lint_guest_toml(lint, entry, "aa.toml");
	else if (bytes_equal_text(entry->name, "cdh.toml"))
		lint_guest_toml(lint, entry, "cdh.toml");
	else if (bytes_equal_text(entry->name, "sealpod.toml"))
		lint_sealpod(lint, doc, entry->text, target);
}

/* --- the target --- */

void lint_target_itself(struct lint *lint, const struct lint_target *target)
{
	lint_version(lint, target->spire_version);
	bool milan_only = target->processor_count > 0 && !has_tee(target, "tdx") && !has_tee(target, "az-tdx-vtpm");
	for (size_t i = 0; i < target->processor_count; i++)
		milan_only = milan_only && strcmp(target->processors[i], "milan") == 0;
	if (milan_only)
		lint_warning(lint, "TEE",
			     "Milan is the only one, against whose memory encryption attacks are known: "
			     "allow Genoa, Turin or TDX beside it");
}

void lint_initdata(struct lint *lint, const struct initdata *doc, const struct lint_target *target)
{
	struct initdata_entry entry;
	lint_bytes(lint, doc, target);
	for (size_t i = 0; initdata_entry_at(doc, i, &entry); i++)
		lint_entry(lint, doc, &entry, target);
	if (!initdata_find_entry(doc, "policy.rego", &entry))
		lint_warning(lint, "policy.rego",
			     "is missing; the image's own policy holds then, which upstream allows all");
	lint_target_itself(lint, target);
}
