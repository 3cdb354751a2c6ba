/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The look at a TDX quote before it is sent. The rules are those of the verifiers that are in
 * use; each has its own text. What the TCB is worth is for the verifier, who has Intel's
 * collateral.
 */
#include "attest/look_parts.h"
#include "base/cursor.h"

#define QE_ATTRIBUTE_DEBUG 0x02

static const uint8_t intel_qe_vendor[16] = { 0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9,
					     0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07 };

static void look_at_attributes(const struct td_attributes *attributes, struct look *look)
{
	unsigned long long raw = attributes->raw;
	if (attributes->debug)
		look_refuse(look, "debug",
			    "the TD's attributes 0x%llx allow debugging: the host can read and change its memory", raw);
	if (attributes->untrusted & ~1u)
		look_refuse(look, "untrusted",
			    "the TD's attributes 0x%llx have bits of the group that makes a TD untrusted: 0x%x", raw,
			    attributes->untrusted & ~1u);
	if (!attributes->sept_ve_disable)
		look_warn(look, "sept-ve",
			  "the TD's attributes 0x%llx leave SEPT_VE_DISABLE at 0: the host can inject exceptions by "
			  "removing "
			  "pages, and some verifiers refuse that",
			  raw);
	if (attributes->migratable)
		look_warn(look, "migration-allowed", "the TD's attributes 0x%llx allow migration to another machine",
			  raw);
	if (attributes->unknown)
		look_warn(look, "attribute-bits",
			  "the TD's attributes 0x%llx have bits that this program does not know: 0x%llx", raw,
			  (unsigned long long)attributes->unknown);
}

static void look_at_module(const struct tdx_body *body, struct look *look)
{
	if (!bytes_are_zero(bytes_of(body->mrsignerseam, TD_MR_LEN)))
		look_warn(look, "module-signer", "MRSIGNERSEAM is not zero: the TDX module was not signed by Intel");
	if (body->seam_attributes)
		look_warn(look, "module-attributes", "the TDX module's attributes are 0x%llx, not 0",
			  (unsigned long long)body->seam_attributes);
	if (bytes_are_zero(bytes_of(body->mrservicetd, TD_MR_LEN)))
		return;
	if (body->td.attributes.migratable)
		look_refuse(look, "migration-agent",
			    "a migration TD is bound to this TD (it is migratable, and MRSERVICETD is not zero): it "
			    "can read "
			    "the TD's memory");
	else
		look_warn(look, "service-td",
			  "a service TD is bound to this TD (MRSERVICETD is not zero); some verifiers refuse that");
}

static void look_at_signer(const struct tdx_quote *quote, struct look *look)
{
	if (!bytes_equal(bytes_of(quote->qe_vendor_id, sizeof(quote->qe_vendor_id)),
			 bytes_of(intel_qe_vendor, sizeof(intel_qe_vendor))))
		look_warn(look, "qe-vendor", "the quote was made by a quoting enclave that is not Intel's");
	if (quote->qe_report.attributes[0] & QE_ATTRIBUTE_DEBUG)
		look_refuse(look, "qe-debug",
			    "the quote was made by a quoting enclave in debug mode: anybody can forge its quotes");
	if (quote->cert_type != TDX_CERT_PCK_CHAIN)
		look_warn(look, "no-pck-chain",
			  "the quote carries no PCK certificate chain (certification data type %u): the host's quoting "
			  "service is "
			  "not provisioned, and verifiers may refuse the quote",
			  quote->cert_type);
}

void look_at_tdx(const struct tdx_quote *quote, const struct look_expected *expected, struct look *ret_look)
{
	const struct tdx_body *body = &quote->body;
	*ret_look = (struct look){ .count = 0 };
	look_at_report_data(ret_look, &body->report_data, expected->report_data);
	look_at_init_data(ret_look, "MRCONFIGID", bytes_of(body->td.mrconfigid, TD_MR_LEN), expected->init_data);
	look_at_attributes(&body->td.attributes, ret_look);
	look_at_module(body, ret_look);
	look_at_signer(quote, ret_look);
}
