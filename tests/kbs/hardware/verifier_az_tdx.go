// SPDX-License-Identifier: Apache-2.0

package hardware

import (
	"bytes"
	"encoding/json"
	"errors"
)

// AzTDX verifies the evidence of Azure's TDX VMs.
type AzTDX struct{ roots *Roots }

// Name implements kbs.Verifier.
func (*AzTDX) Name() string { return "az-tdx-vtpm" }

// Verify implements kbs.Verifier.
func (v *AzTDX) Verify(evidence json.RawMessage, reportData, initDataDigest []byte) (map[string]any, error) {
	a, err := verifyAzure(evidence, hclTypeTDX, "td_quote", reportData, initDataDigest)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(a.hardware[0x80:0xC0], regularize(a.claimsHash[:], 64)) {
		return nil, errors.New("the TDREPORT does not carry the hash of the runtime claims")
	}
	q, err := parseQuote(a.endorsement)
	if err != nil {
		return nil, err
	}
	status, err := (&TDX{v.roots}).genuine(q, a.endorsement)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(q.field("report_data"), regularize(a.claimsHash[:], 64)) {
		return nil, errors.New("the TD quote does not carry the hash of the runtime claims")
	}
	claims := q.claims()
	claims["tcb_status"] = status
	a.addClaims(claims, reportData)
	return claims, nil
}
