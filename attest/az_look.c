/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The look at what was gathered on Azure: every link from the report data to the hardware report.
 *
 * All of it came out of the vTPM. A link that is broken means a vTPM that is broken or not the paravisor's;
 * the verifier would refuse it without saying which. Must never drop a broken link.
 */
#include "attest/az_common.h"

#include "attest/look_parts.h"
#include "attest/look_tpm.h"
#include "attest/rsa_public.h"

static void look_at_claims(struct look *look, const struct az_gathered *gathered, struct bytes report_data)
{
	if (!hcl_claims_vouched(&gathered->report))
		look_refuse(look, "claims-hash",
			    "the %s report inside the HCL report does not carry the hash of the claims: the claims are "
			    "forged, or torn",
			    hcl_type_name(gathered->report.type));
	if (!hcl_claims_carry(&gathered->claims, report_data))
		look_add(look, LOOK_FATAL, ERR_BINDING, "user-data",
			 gathered->claims.has_user_data ? "the HCL report is stale: its claims carry other report data"
							: "the HCL report's claims have no 'user-data'");
	const struct json *secure_boot = json_member(gathered->claims.vm_configuration, "secure-boot");
	if (!secure_boot)
		secure_boot = json_member(gathered->claims.vm_configuration, "secure_boot");
	bool on = true;
	if (secure_boot && json_type(secure_boot) == JSON_BOOL &&
	    json_get_bool(gathered->claims.vm_configuration, json_name(secure_boot), &on, NULL) == 0 && !on)
		look_warn(look, "secure-boot", "secure boot is off in this VM");
}

void look_at_az(const struct az_gathered *gathered, struct bytes report_data, const struct digest *init_data,
		struct look *look)
{
	struct buf spki OWNED_BUF = BUF_INIT(RSA_SPKI_MAX);
	struct tpm_signer signer = {
		.name = "the key 'HCLAkPub' that the HCL report names",
		.else_what = "this is not the vTPM of the paravisor, or its key was replaced",
	};
	look_at_claims(look, gathered, report_data);
	if (rsa_public_spki(buf_bytes(&gathered->claims.ak_n), buf_bytes(&gathered->claims.ak_e), &spki, NULL) == 0)
		signer.spki = buf_bytes(&spki);
	look_at_tpm(&gathered->quoted, &signer, report_data, init_data, look);
}
