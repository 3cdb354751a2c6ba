/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Evidence of the TEE `snp`: the report as a JSON object, certificates as arrays of numbers
 * (trustee: deps/verifier/src/snp, which packs the object again and checks the signature).
 *
 * The report was read by snp_report_read() and hence has no reserved byte that would be
 * lost; the certificates are the host's. Must never round a number: the verifier reads integers of 64 bits, and the
 * bits of a policy or a mitigation vector may be any of them.
 */
#include "attest/snp_evidence.h"

#include <stdio.h>
#include <string.h>

#include "attest/snp_members.h"

static int add_numbers(struct json *parent, const char *name, struct bytes bytes, struct err *err)
{
	struct json *array;
	if (json_add_array(parent, name, &array, err) < 0)
		return -1;
	for (size_t i = 0; i < bytes.len; i++)
		if (json_add_u64(array, NULL, bytes.data[i], err) < 0)
			return -1;
	return 0;
}

static int add_tcb(struct json *parent, const char *name, const struct snp_tcb *tcb, struct err *err)
{
	struct json *object;
	if (json_add_object(parent, name, &object, err) < 0 ||
	    (tcb->has_fmc ? json_add_u64(object, "fmc", tcb->fmc, err) : json_add_null(object, "fmc", err)) < 0 ||
	    json_add_u64(object, "bootloader", tcb->boot_loader, err) < 0 ||
	    json_add_u64(object, "tee", tcb->tee, err) < 0 || json_add_u64(object, "snp", tcb->snp, err) < 0)
		return -1;
	return json_add_u64(object, "microcode", tcb->microcode, err);
}

static int add_firmware(struct json *parent, const char *name, const struct snp_firmware *firmware, struct err *err)
{
	struct json *object;
	if (json_add_object(parent, name, &object, err) < 0 ||
	    json_add_u64(object, "major", firmware->major, err) < 0 ||
	    json_add_u64(object, "minor", firmware->minor, err) < 0)
		return -1;
	return json_add_u64(object, "build", firmware->build, err);
}

static int add_member(struct json *object, const struct snp_member *member, const struct snp_report *report,
		      struct err *err)
{
	const uint8_t *place = (const uint8_t *)report + member->place;
	uint32_t value;
	uint64_t wide;
	if (report->version < member->since)
		return member->may_lack ? 0 : json_add_null(object, member->name, err);
	switch (member->kind) {
	case SNP_MEMBER_U8:
		return json_add_u64(object, member->name, *place, err);
	case SNP_MEMBER_U32:
		memcpy(&value, place, sizeof(value));
		return json_add_u64(object, member->name, value, err);
	case SNP_MEMBER_U64:
		memcpy(&wide, place, sizeof(wide));
		return json_add_wide(object, member->name, wide, err);
	case SNP_MEMBER_BYTES:
		return add_numbers(object, member->name, bytes_of(place, member->len), err);
	case SNP_MEMBER_TCB:
		return add_tcb(object, member->name, (const void *)place, err);
	case SNP_MEMBER_FIRMWARE:
		return add_firmware(object, member->name, (const void *)place, err);
	}
	return 0;
}

static int add_report(struct json *evidence, const struct snp_report *report, struct err *err)
{
	struct json *object;
	struct json *signature;
	if (json_add_object(evidence, "attestation_report", &object, err) < 0)
		return -1;
	for (size_t i = 0; i < snp_member_count; i++)
		if (add_member(object, &snp_members[i], report, err) < 0)
			return -1;
	if (json_add_object(object, "signature", &signature, err) < 0 ||
	    add_numbers(signature, "r", bytes_of(report->signature_r, sizeof(report->signature_r)), err) < 0)
		return -1;
	return add_numbers(signature, "s", bytes_of(report->signature_s, sizeof(report->signature_s)), err);
}

/* "VCEK", or {"OTHER":"<GUID>"} where the verifier has no name. */
static int add_cert_type(struct json *object, const struct snp_cert *cert, struct err *err)
{
	struct json *other;
	if (cert->kind != SNP_CERT_GCE_FIRMWARE && cert->kind != SNP_CERT_OTHER)
		return json_add_string(object, "cert_type", snp_cert_kind_name(cert->kind), err);
	if (json_add_object(object, "cert_type", &other, err) < 0)
		return -1;
	return json_add_string(other, "OTHER", guid_print(&cert->guid).text, err);
}

static int add_certs(struct json *evidence, const struct snp_certs *certs, struct err *err)
{
	struct snp_certs walk = { .table = certs->table, .count = certs->count };
	struct snp_cert cert;
	struct json *chain;
	struct json *object;
	if (json_add_array(evidence, "cert_chain", &chain, err) < 0)
		return -1;
	while (snp_certs_next(&walk, &cert)) {
		if (cert.data.len == 0)
			continue;
		if (json_add_object(chain, NULL, &object, err) < 0 || add_cert_type(object, &cert, err) < 0 ||
		    add_numbers(object, "data", cert.data, err) < 0)
			return -1;
	}
	return 0;
}

static bool has_leaf(const struct snp_certs *certs)
{
	struct snp_cert cert;
	return snp_certs_find(certs, SNP_CERT_VCEK, &cert) || snp_certs_find(certs, SNP_CERT_VLEK, &cert);
}

/* A chain without VCEK and VLEK is an error to the verifier; null makes it fetch the VCEK. */
static int add_chain(struct json *evidence, const struct snp_certs *certs, struct evidence_note *note, struct err *err)
{
	if (certs && has_leaf(certs))
		return add_certs(evidence, certs, err);
	if (certs && certs->count > 0)
		(void)snprintf(note->text, sizeof(note->text),
			       "the host's %zu certificates are left out: neither VCEK nor VLEK is among them, the KBS "
			       "must fetch "
			       "the VCEK itself",
			       certs->count);
	return json_add_null(evidence, "cert_chain", err);
}

int snp_evidence_build(const struct snp_report *report, const struct snp_certs *certs, struct json **ret_evidence,
		       struct evidence_note *ret_note, struct err *err)
{
	struct json *evidence OWNED_JSON = NULL;
	struct evidence_note note = { "" };
	if (!report->known)
		return err_set(err, ERR_NO_TEE,
			       "an SNP report of version %u cannot be sent: %d is the newest that is known",
			       report->version, SNP_NEWEST_VERSION);
	if (json_new_object(&evidence, err) < 0 || add_report(evidence, report, err) < 0 ||
	    add_chain(evidence, certs, &note, err) < 0)
		return -1;
	*ret_evidence = TAKE_PTR(evidence);
	*ret_note = note;
	return 0;
}
