// SPDX-License-Identifier: Apache-2.0

package hardware

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
)

// AzSNP verifies the evidence of Azure's SEV-SNP VMs.
type AzSNP struct{ roots *Roots }

// Name implements kbs.Verifier.
func (*AzSNP) Name() string { return "az-snp-vtpm" }

// Verify implements kbs.Verifier.
func (v *AzSNP) Verify(evidence json.RawMessage, reportData, initDataDigest []byte) (map[string]any, error) {
	a, err := verifyAzure(evidence, hclTypeSNP, "vcek", reportData, initDataDigest)
	if err != nil {
		return nil, err
	}
	r := readReport(a.hardware)
	if version := r.u32(0x000); version < 2 || version > 5 {
		return nil, fmt.Errorf("report version %d is none of 2 to 5", version)
	}
	if !bytes.Equal(r.raw[0x050:0x090], regularize(a.claimsHash[:], 64)) {
		return nil, errors.New("the SNP report does not carry the hash of the runtime claims")
	}
	if _, err := (&SNP{v.roots}).genuine(r, &endorsement{der: a.endorsement}); err != nil {
		return nil, err
	}
	if vmpl := r.u32(0x030); vmpl != 0 {
		return nil, fmt.Errorf("VMPL is %d, not 0", vmpl)
	}
	claims := map[string]any{}
	for name, value := range r.claims() { // here they are texts
		claims[name] = fmt.Sprint(value)
	}
	claims["measurement"] = base64.StdEncoding.EncodeToString(r.raw[0x090:0x0C0])
	a.addClaims(claims, reportData)
	return claims, nil
}

// readReport reads a report as the hardware made it.
func readReport(raw []byte) *report {
	r := &report{}
	copy(r.raw[:], raw)
	t := r.raw[0x180:0x188]
	r.reported = tcb{Bootloader: t[0], TEE: t[1], SNP: t[6], Microcode: t[7]}
	if r.raw[0x188] == familyTurin {
		fmc := t[0]
		r.reported = tcb{FMC: &fmc, Bootloader: t[1], TEE: t[2], SNP: t[3], Microcode: t[7]}
	}
	return r
}
