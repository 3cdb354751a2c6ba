// SPDX-License-Identifier: Apache-2.0

package hardware

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/google/go-tpm/tpm2"

	"sealpod.test/kbs/strictjson"
)

// tpmReportDataSize is what the real verifier cuts report data to.
const tpmReportDataSize = 32

// TPM verifies the evidence of plain TPMs, by a list of the keys that it trusts: files
// NAME.pub in the folder tpm of the roots. It is a TEE by name alone.
type TPM struct{ roots *Roots }

// Name implements kbs.Verifier.
func (*TPM) Name() string { return "tpm" }

// Verify implements kbs.Verifier.
func (v *TPM) Verify(evidence json.RawMessage, reportData, initDataDigest []byte) (map[string]any, error) {
	o, err := strictjson.Parse(evidence)
	if err != nil {
		return nil, err
	}
	if len(o) != 2 {
		return nil, fmt.Errorf("evidence has %d members, not 2", len(o))
	}
	key, err := v.trustedKey(o)
	if err != nil {
		return nil, err
	}
	quote, err := o.Obj("tpm_quote")
	if err != nil {
		return nil, fmt.Errorf("tpm_quote: %w", err)
	}
	message, err := decodeMember(quote, "message")
	if err != nil {
		return nil, err
	}
	signature, err := bareSignature(quote)
	if err != nil {
		return nil, err
	}
	fitted := regularize(reportData, tpmReportDataSize)
	var quoted tpmQuote
	if err := quoted.check(quote, message, signature, key, fitted); err != nil {
		return nil, err
	}
	claims := map[string]any{"report_data": hex.EncodeToString(fitted), "init_data": hex.EncodeToString(quoted.pcrs[initDataPCR])}
	quoted.addClaims(claims)
	return claims, quoted.checkInitData(initDataDigest)
}

// trustedKey is the key in the evidence, if it is one of the list.
func (v *TPM) trustedKey(o strictjson.Object) (*rsa.PublicKey, error) {
	der, err := decodeMember(o, "ak_public")
	if err != nil {
		return nil, err
	}
	files, err := filepath.Glob(filepath.Join(v.roots.keys, "*.pub"))
	if err != nil {
		return nil, err
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		if block, _ := pem.Decode(text); block == nil || !bytes.Equal(block.Bytes, der) {
			continue
		}
		key, err := x509.ParsePKIXPublicKey(der)
		if err != nil {
			return nil, err
		}
		if rsaKey, isRSA := key.(*rsa.PublicKey); isRSA {
			return rsaKey, nil
		}
	}
	return nil, errors.New("the attestation key is none of those that are trusted")
}

// bareSignature takes it out of a TPMT_SIGNATURE, which must be RSASSA with SHA-256.
func bareSignature(quote strictjson.Object) ([]byte, error) {
	marshalled, err := decodeMember(quote, "signature")
	if err != nil {
		return nil, err
	}
	signature, err := tpm2.Unmarshal[tpm2.TPMTSignature](marshalled)
	if err != nil {
		return nil, fmt.Errorf("signature: %w", err)
	}
	if !bytes.Equal(tpm2.Marshal(signature), marshalled) {
		return nil, errors.New("signature: something trails")
	}
	if signature.SigAlg != tpm2.TPMAlgRSASSA {
		return nil, errors.New("signature: not RSASSA")
	}
	rsassa, err := signature.Signature.RSASSA()
	if err != nil {
		return nil, err
	}
	if rsassa.Hash != tpm2.TPMAlgSHA256 {
		return nil, errors.New("signature: not over SHA-256")
	}
	return rsassa.Sig.Buffer, nil
}
