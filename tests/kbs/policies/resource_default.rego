# SPDX-License-Identifier: Apache-2.0
# Resources go to every attested peer but the sample TEE, which proves nothing.
package policy

import rego.v1

default allow := false

allow if {
	data.plugin == "resource"
	not sample_evidence
}

sample_evidence if input.submods.cpu0["ear.veraison.annotated-evidence"].sample
