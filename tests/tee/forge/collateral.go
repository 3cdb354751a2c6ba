// SPDX-License-Identifier: Apache-2.0

package forge

import (
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/hex"
	"encoding/json"
	"math/big"
	"strings"
	"time"
)

type component struct {
	SVN byte `json:"svn"`
}

type tcbLevel struct {
	TCB       map[string]any `json:"tcb"`
	TCBDate   string         `json:"tcbDate"`
	TCBStatus string         `json:"tcbStatus"`
}

func level(status string, tcb map[string]any) tcbLevel {
	return tcbLevel{TCB: tcb, TCBDate: "2024-03-13T00:00:00Z", TCBStatus: status}
}

func components(svns []byte) []component {
	out := make([]component, 16)
	for i, svn := range svns {
		out[i] = component{svn}
	}
	return out
}

// makeCollateral makes TCB info and QE identity for which the platform is up to date.
func (i *Intel) makeCollateral() (err error) {
	zeros48, zeros8 := strings.Repeat("00", 48), strings.Repeat("00", 8)
	dates := map[string]any{
		"issueDate": notBefore.Format(time.RFC3339), "nextUpdate": notAfter.Format(time.RFC3339), "tcbEvaluationDataNumber": 17,
	}
	module := map[string]any{"mrsigner": zeros48, "attributes": zeros8, "attributesMask": strings.Repeat("FF", 8)}
	identity := merge(module, map[string]any{"id": "TDX_01", "tcbLevels": []tcbLevel{
		level("UpToDate", map[string]any{"isvsvn": teeTCBSVN[0]}), level("OutOfDate", map[string]any{"isvsvn": 1})}})
	platform := func(status string, pcesvn int) tcbLevel {
		return level(status, map[string]any{
			"sgxtcbcomponents": components(cpuSVN), "pcesvn": pcesvn, "tdxtcbcomponents": components(teeTCBSVN)})
	}
	i.TCBInfo, err = i.signed("tcbInfo", merge(dates, map[string]any{
		"id": "TDX", "version": 3, "fmspc": FMSPC, "pceId": pceID, "tcbType": 0,
		"tdxModule": module, "tdxModuleIdentities": []any{identity},
		"tcbLevels": []tcbLevel{platform("UpToDate", pceSVN), platform("OutOfDate", 5)},
	}))
	if err != nil {
		return err
	}
	i.QEIdentity, err = i.signed("enclaveIdentity", merge(dates, map[string]any{
		"id": "TD_QE", "version": 2, "miscselect": "00000000", "miscselectMask": "FFFFFFFF",
		"attributes":     "11" + strings.Repeat("00", 15),
		"attributesMask": "FB" + strings.Repeat("FF", 7) + strings.Repeat("00", 8),
		"mrsigner":       strings.ToUpper(hex.EncodeToString(qeMRSigner)), "isvprodid": qeISVProdID,
		"tcbLevels": []tcbLevel{level("UpToDate", map[string]any{"isvsvn": qeISVSVN})},
	}))
	return err
}

func merge(parts ...map[string]any) map[string]any {
	out := map[string]any{}
	for _, part := range parts {
		for name, value := range part {
			out[name] = value
		}
	}
	return out
}

// signed wraps an object as the service does: the signature covers its exact bytes.
func (i *Intel) signed(name string, object map[string]any) ([]byte, error) {
	inner, err := json.Marshal(object)
	if err != nil {
		return nil, err
	}
	signature, err := rawSignature(i.tcbSigner, inner)
	if err != nil {
		return nil, err
	}
	return []byte(`{"` + name + `":` + string(inner) + `,"signature":"` + hex.EncodeToString(signature) + `"}`), nil
}

// rawSignature is ECDSA P-256 with SHA-256 as r and s of 32 bytes each, big endian.
func rawSignature(key crypto.Signer, data []byte) ([]byte, error) {
	digest := sha256.Sum256(data)
	der, err := key.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		return nil, err
	}
	var rs struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(der, &rs); err != nil {
		return nil, err
	}
	return append(rs.R.FillBytes(make([]byte, 32)), rs.S.FillBytes(make([]byte, 32))...), nil
}
