// SPDX-License-Identifier: Apache-2.0

package hardware

import (
	"bytes"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"

	"sealpod.test/kbs/strictjson"
)

// Types of HCL reports.
const (
	hclTypeSNP = 2
	hclTypeTDX = 4
)

const (
	hclHardwareAt = 32
	hclDataAt     = 1216
	hclClaimsAt   = 1236
)

// azure is evidence of an Azure VM, version 2, of which the chain from the report
// data to the hash of the claims was checked. What remains is the hardware report.
type azure struct {
	quoted      tpmQuote
	hardware    []byte   // SNP report or TDREPORT
	claimsHash  [32]byte // what the hardware report must carry
	endorsement []byte   // VCEK in DER, or TD quote
}

// hexMember and base64Member read what is spelled as the attester spells it.
func hexMember(o strictjson.Object, name string) ([]byte, error) {
	text, err := o.Str(name)
	if err != nil {
		return nil, err
	}
	data, err := hex.DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("member '%s': %w", name, err)
	}
	return data, nil
}

func base64Member(o strictjson.Object, name string) ([]byte, error) {
	text, err := o.Str(name)
	if err != nil {
		return nil, err
	}
	data, err := base64.URLEncoding.Strict().DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("member '%s': %w", name, err)
	}
	return data, nil
}

// verifyAzure checks all that both kinds share.
func verifyAzure(evidence json.RawMessage, kind uint32, endorsement string, reportData, initDataDigest []byte) (*azure, error) {
	o, err := strictjson.Parse(evidence)
	if err != nil {
		return nil, err
	}
	if string(o["version"]) != "2" {
		return nil, fmt.Errorf("evidence version %s is not 2", o["version"])
	}
	if len(o) != 4 {
		return nil, fmt.Errorf("evidence has %d members, not 4", len(o))
	}
	quote, err := o.Obj("tpm_quote")
	if err != nil {
		return nil, fmt.Errorf("tpm_quote: %w", err)
	}
	hcl, err := base64Member(o, "hcl_report")
	if err != nil {
		return nil, err
	}
	a := &azure{}
	if a.endorsement, err = base64Member(o, endorsement); err != nil {
		return nil, err
	}
	claims, err := a.openHCL(hcl, kind)
	if err != nil {
		return nil, err
	}
	key, err := checkClaims(claims, reportData)
	if err != nil {
		return nil, err
	}
	message, err := hexMember(quote, "message")
	if err != nil {
		return nil, err
	}
	signature, err := hexMember(quote, "signature")
	if err != nil {
		return nil, err
	}
	if err := a.quoted.check(quote, message, signature, key, reportData); err != nil {
		return nil, err
	}
	return a, a.quoted.checkInitData(initDataDigest)
}

// openHCL takes the report apart. Its header is not signed and decides nothing but
// the kind.
func (a *azure) openHCL(raw []byte, kind uint32) (claims []byte, err error) {
	if len(raw) < hclClaimsAt || string(raw[:4]) != "HCLA" {
		return nil, errors.New("no HCL report")
	}
	word := func(offset int) uint32 { return binary.LittleEndian.Uint32(raw[offset:]) }
	if version := word(4); version != 1 && version != 2 {
		return nil, fmt.Errorf("HCL report: version %d", version)
	}
	if got := word(hclDataAt + 8); got != kind {
		return nil, fmt.Errorf("HCL report: type %d, not %d", got, kind)
	}
	// Version 2 has a word more before the claims, where the real one takes them for claims.
	if word(hclDataAt+4) != 1 || word(hclDataAt+12) != 1 {
		return nil, errors.New("HCL report: the data are not version 1 with SHA-256")
	}
	size := uint64(word(hclDataAt + 16))
	if uint64(word(hclDataAt)) != size+20 || hclClaimsAt+size > uint64(len(raw)) {
		return nil, errors.New("HCL report: the sizes do not agree")
	}
	claims = raw[hclClaimsAt : hclClaimsAt+size]
	a.claimsHash = sha256.Sum256(claims)
	a.hardware = raw[hclHardwareAt:hclDataAt]
	if kind == hclTypeTDX {
		a.hardware = a.hardware[:1024]
	}
	return claims, nil
}

// checkClaims compares user-data and returns the attestation key.
func checkClaims(claims []byte, reportData []byte) (*rsa.PublicKey, error) {
	o, err := strictjson.Parse(claims)
	if err != nil {
		return nil, fmt.Errorf("runtime claims: %w", err)
	}
	member := "user-data"
	if _, found := o[member]; !found {
		member = "user_data"
	}
	userData, err := hexMember(o, member)
	if err != nil {
		return nil, fmt.Errorf("runtime claims: %w", err)
	}
	if len(userData) != 64 || len(reportData) > 64 || !bytes.Equal(userData, regularize(reportData, 64)) {
		return nil, errors.New("runtime claims: user-data is not the expected report data: the HCL report is stale")
	}
	var keys []struct{ KID, KTY, N, E string }
	if err := json.Unmarshal(o["keys"], &keys); err != nil {
		return nil, fmt.Errorf("runtime claims: keys: %w", err)
	}
	for _, key := range keys {
		if key.KID != "HCLAkPub" {
			continue
		}
		n, errN := base64.RawURLEncoding.Strict().DecodeString(key.N)
		e, errE := base64.RawURLEncoding.Strict().DecodeString(key.E)
		if key.KTY != "RSA" || len(e) > 4 || len(n) < 256 || errors.Join(errN, errE) != nil {
			return nil, errors.New("runtime claims: HCLAkPub is no RSA key")
		}
		return &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}, nil
	}
	return nil, errors.New("runtime claims: no key HCLAkPub")
}

// addClaims adds what both kinds claim of the TPM.
func (a *azure) addClaims(claims map[string]any, reportData []byte) {
	tpm := map[string]any{}
	a.quoted.addClaims(tpm)
	claims["tpm"] = tpm
	claims["report_data"] = hex.EncodeToString(reportData)
	claims["init_data"] = hex.EncodeToString(a.quoted.pcrs[initDataPCR])
}
