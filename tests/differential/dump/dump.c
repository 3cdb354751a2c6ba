/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Our reading of evidence, record by record, for the differential tests: on standard input
 * {kind 'S' report, 'C' certificate table, 'Q' quote; length, 4 bytes little-endian; bytes},
 * on standard output one JSON object a record with text members only, or {"error":"..."}.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attest/snp_certs.h"
#include "attest/snp_report.h"
#include "attest/tdx_quote.h"
#include "base/cursor.h"
#include "base/encode.h"
#include "base/json.h"

#define RECORD_MAX (1u << 20)
#define LINE_MAX_BYTES (1u << 22)

static void die(const char *what)
{
	(void)fprintf(stderr, "evidence-dump: %s\n", what);
	exit(1);
}

static void put_text(struct json *object, const char *name, const char *text)
{
	struct err err = { 0 };
	if (json_add_string(object, name, text, &err) < 0)
		die(err.message);
}

static void put_number(struct json *object, const char *name, uint64_t value)
{
	char text[32];
	(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	put_text(object, name, text);
}

static void put_hex(struct json *object, const char *name, const void *data, size_t len)
{
	OWNED_BUF struct buf text = BUF_INIT(2 * RECORD_MAX);
	struct err err = { 0 };
	if (hex_encode(bytes_of(data, len), &text, &err) < 0)
		die(err.message);
	put_text(object, name, buf_text(&text));
}

#define HEX(name, field) put_hex(object, name, &(field), sizeof(field))

static void put_tcb(struct json *object, const char *name, const struct snp_tcb *tcb)
{
	char text[96];
	char member[64];
	(void)snprintf(text, sizeof(text), "%s %u.%u.%u.%u.%u", tcb->has_fmc ? "fmc" : "old", tcb->fmc,
		       tcb->boot_loader, tcb->tee, tcb->snp, tcb->microcode);
	put_number(object, name, tcb->raw);
	(void)snprintf(member, sizeof(member), "%s_parts", name);
	put_text(object, member, text);
}

static void put_version(struct json *object, const char *name, const struct snp_firmware *firmware)
{
	char text[32];
	(void)snprintf(text, sizeof(text), "%u.%u.%u", firmware->major, firmware->minor, firmware->build);
	put_text(object, name, text);
}

static void put_policy(struct json *object, const struct snp_policy *policy)
{
	char text[128];
	(void)snprintf(text, sizeof(text), "abi %u.%u smt %d ma %d debug %d single %d cxl %d xts %d rapl %d hiding %d",
		       policy->abi_major, policy->abi_minor, policy->smt, policy->migrate_ma, policy->debug,
		       policy->single_socket, policy->cxl, policy->mem_aes_256_xts, policy->rapl_disabled,
		       policy->ciphertext_hiding);
	put_number(object, "policy", policy->raw);
	put_text(object, "policy_bits", text);
}

static void put_platform(struct json *object, const struct snp_platform *platform)
{
	char text[128];
	(void)snprintf(text, sizeof(text), "smt %d tsme %d ecc %d rapl %d hiding %d alias %d", platform->smt,
		       platform->tsme, platform->ecc, platform->rapl_disabled, platform->ciphertext_hiding,
		       platform->alias_check_complete);
	put_number(object, "platform_info", platform->raw);
	put_text(object, "platform_bits", text);
}

static int dump_report(struct bytes raw, struct json *object, struct err *err)
{
	struct snp_report r;
	if (snp_report_read(raw, &r, err) < 0)
		return -1;
	put_number(object, "version", r.version);
	put_number(object, "guest_svn", r.guest_svn);
	put_policy(object, &r.policy);
	HEX("family_id", r.family_id);
	HEX("image_id", r.image_id);
	put_number(object, "vmpl", r.vmpl);
	put_number(object, "signature_algo", r.signature_algo);
	put_platform(object, &r.platform);
	put_number(object, "key_info", r.key_info);
	put_number(object, "author_key_en", r.author_key_en);
	put_number(object, "mask_chip_key", r.mask_chip_key);
	put_number(object, "signing_key", r.signing_key);
	HEX("report_data", r.report_data);
	HEX("measurement", r.measurement);
	HEX("host_data", r.host_data);
	HEX("id_key_digest", r.id_key_digest);
	HEX("author_key_digest", r.author_key_digest);
	HEX("report_id", r.report_id);
	HEX("report_id_ma", r.report_id_ma);
	HEX("chip_id", r.chip_id);
	put_tcb(object, "current_tcb", &r.current_tcb);
	put_tcb(object, "reported_tcb", &r.reported_tcb);
	put_tcb(object, "committed_tcb", &r.committed_tcb);
	put_tcb(object, "launch_tcb", &r.launch_tcb);
	put_number(object, "cpuid_family", r.cpuid_family);
	put_number(object, "cpuid_model", r.cpuid_model);
	put_number(object, "cpuid_stepping", r.cpuid_stepping);
	put_text(object, "product", snp_product_name(r.product));
	put_version(object, "current", &r.current);
	put_version(object, "committed", &r.committed);
	put_number(object, "launch_mit_vector", r.launch_mit_vector);
	put_number(object, "current_mit_vector", r.current_mit_vector);
	HEX("signature_r", r.signature_r);
	HEX("signature_s", r.signature_s);
	return 0;
}

static int dump_certs(struct bytes raw, struct json *object, struct err *err)
{
	struct snp_certs certs;
	struct snp_cert cert;
	if (snp_certs_open(raw, &certs, err) < 0)
		return -1;
	put_number(object, "count", certs.count);
	for (size_t i = 0; snp_certs_next(&certs, &cert); i++) {
		char name[32];
		(void)snprintf(name, sizeof(name), "guid%zu", i);
		put_text(object, name, guid_print(&cert.guid).text);
		(void)snprintf(name, sizeof(name), "data%zu", i);
		put_hex(object, name, cert.data.data, cert.data.len);
	}
	return 0;
}

static void dump_td(const struct tdx_body *body, struct json *object)
{
	HEX("tee_tcb_svn", body->tee_tcb_svn);
	HEX("mrseam", body->mrseam);
	HEX("mrsignerseam", body->mrsignerseam);
	put_number(object, "seam_attributes", body->seam_attributes);
	put_number(object, "td_attributes", body->td.attributes.raw);
	put_number(object, "debug", body->td.attributes.debug);
	put_number(object, "xfam", body->td.xfam);
	HEX("mrtd", body->td.mrtd);
	HEX("mrconfigid", body->td.mrconfigid);
	HEX("mrowner", body->td.mrowner);
	HEX("mrownerconfig", body->td.mrownerconfig);
	HEX("rtmrs", body->td.rtmr);
	HEX("report_data", body->report_data);
	HEX("tee_tcb_svn2", body->tee_tcb_svn2);
	HEX("mrservicetd", body->mrservicetd);
}

static void dump_qe(const struct tdx_quote *quote, struct json *object)
{
	const struct tdx_qe_report *qe = &quote->qe_report;
	HEX("qe_cpu_svn", qe->cpu_svn);
	put_number(object, "qe_misc_select", qe->misc_select);
	HEX("qe_attributes", qe->attributes);
	HEX("qe_mrenclave", qe->mrenclave);
	HEX("qe_mrsigner", qe->mrsigner);
	put_number(object, "qe_isv_prod_id", qe->isv_prod_id);
	put_number(object, "qe_isv_svn", qe->isv_svn);
	HEX("qe_report_data", qe->report_data);
	put_hex(object, "qe_report", qe->raw.data, qe->raw.len);
	HEX("qe_report_signature", quote->qe_report_signature);
	put_hex(object, "qe_auth", quote->qe_auth.data, quote->qe_auth.len);
}

static int dump_quote(struct bytes raw, struct json *object, struct err *err)
{
	struct tdx_quote q;
	if (tdx_quote_read(raw, &q, err) < 0)
		return -1;
	put_number(object, "version", q.version);
	put_number(object, "key_type", q.key_type);
	put_number(object, "tee_type", q.tee_type);
	HEX("header_reserved", q.header_reserved);
	HEX("qe_vendor_id", q.qe_vendor_id);
	HEX("user_data", q.user_data);
	dump_td(&q.body, object);
	put_hex(object, "signed_part", q.signed_part.data, q.signed_part.len);
	put_number(object, "signature_data_len", q.signature_data_len);
	HEX("signature", q.signature);
	HEX("attestation_key", q.attestation_key);
	dump_qe(&q, object);
	put_number(object, "cert_type", q.cert_type);
	put_hex(object, "cert_data", q.cert_data.data, q.cert_data.len);
	put_hex(object, "trailing", q.trailing.data, q.trailing.len);
	return 0;
}

static int dump(uint8_t kind, struct bytes raw, struct json *object, struct err *err)
{
	switch (kind) {
	case 'S':
		return dump_report(raw, object, err);
	case 'C':
		return dump_certs(raw, object, err);
	case 'Q':
		return dump_quote(raw, object, err);
	default:
		die("unknown kind of record");
		return -1;
	}
}

static void answer(uint8_t kind, struct bytes raw)
{
	OWNED_JSON struct json *object = NULL;
	OWNED_JSON struct json *refusal = NULL;
	OWNED_BUF struct buf line = BUF_INIT(LINE_MAX_BYTES);
	struct err err = { 0 };
	struct err other = { 0 };
	if (json_new_object(&object, &other) < 0 || json_new_object(&refusal, &other) < 0)
		die(other.message);
	bool good = dump(kind, raw, object, &err) == 0;
	if (!good)
		put_text(refusal, "error", err.message);
	if (json_print(good ? object : refusal, &line, &other) < 0)
		die(other.message);
	(void)puts(buf_text(&line));
}

static bool read_all(void *to, size_t len)
{
	return fread(to, 1, len, stdin) == len;
}

int main(void)
{
	uint8_t head[5];
	while (read_all(head, sizeof(head))) {
		size_t len = le32(head + 1);
		if (len > RECORD_MAX)
			die("a record over the limit");
		/* Exactly as large as the record, so that sanitizers see each byte past its end. */
		uint8_t *raw = malloc(len ? len : 1);
		if (!raw || !read_all(raw, len))
			die("a record is cut");
		answer(head[0], bytes_of(raw, len));
		free(raw);
	}
	return fflush(stdout) == 0 ? 0 : 1;
}
