# SPDX-License-Identifier: Apache-2.0
# Releases every resource to whoever attested, the sample TEE too, which proves
# nothing: for the demo only. A real policy looks at the attestation's claims.
package policy
import rego.v1

default allow := false

allow if data.plugin == "resource"
