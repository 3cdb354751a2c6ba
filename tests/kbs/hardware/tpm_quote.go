// SPDX-License-Identifier: Apache-2.0

package hardware

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/google/go-tpm/tpm2"

	"sealpod.test/kbs/strictjson"
)

const (
	pcrCount    = 24
	pcrSize     = 32
	initDataPCR = 8
)

// tpmQuote are the values of PCRs that a quote was checked to cover.
type tpmQuote struct{ pcrs [pcrCount][]byte }

// check checks the signature, and that the quote covers exactly the values beside it.
func (q *tpmQuote) check(o strictjson.Object, message, signature []byte, key *rsa.PublicKey, reportData []byte) error {
	var pcrs []string
	if err := json.Unmarshal(o["pcrs"], &pcrs); err != nil || len(pcrs) != pcrCount || len(o) != 3 {
		return fmt.Errorf("tpm_quote: %d PCRs and %d members, not 24 and 3", len(pcrs), len(o))
	}
	hashed := sha256.New()
	for i, text := range pcrs {
		value, err := hex.DecodeString(text)
		if err != nil || len(value) != pcrSize {
			return fmt.Errorf("tpm_quote: PCR %d is '%s'", i, text)
		}
		q.pcrs[i] = value
		hashed.Write(value)
	}
	digest := sha256.Sum256(message)
	if err := rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], signature); err != nil {
		return fmt.Errorf("the quote is not signed by the attestation key: %w", err)
	}
	return checkAttest(message, reportData, hashed.Sum(nil))
}

func checkAttest(message, reportData, pcrDigest []byte) error {
	attest, err := tpm2.Unmarshal[tpm2.TPMSAttest](message)
	if err != nil {
		return fmt.Errorf("quote: %w", err)
	}
	if !bytes.Equal(tpm2.Marshal(attest), message) {
		return errors.New("quote: something trails")
	}
	if attest.Magic != tpm2.TPMGeneratedValue || attest.Type != tpm2.TPMSTAttestQuote {
		return errors.New("quote: not made by a TPM, or no quote")
	}
	if !bytes.Equal(attest.ExtraData.Buffer, reportData) {
		return errors.New("report data differs from the expected")
	}
	info, err := attest.Attested.Quote()
	if err != nil {
		return err
	}
	selections := info.PCRSelect.PCRSelections
	if len(selections) != 1 || selections[0].Hash != tpm2.TPMAlgSHA256 || !bytes.Equal(selections[0].PCRSelect, []byte{0xFF, 0xFF, 0xFF}) {
		return errors.New("quote: the selection is not exactly PCR 0 to 23 of SHA-256")
	}
	if !bytes.Equal(info.PCRDigest.Buffer, pcrDigest) {
		return errors.New("quote: the PCRs are not those that were quoted")
	}
	return nil
}

func (q *tpmQuote) checkInitData(digest []byte) error {
	if digest == nil {
		return nil
	}
	if len(digest) != pcrSize {
		return fmt.Errorf("init-data's digest is %d bytes long; a PCR takes 32", len(digest))
	}
	want := sha256.Sum256(append(make([]byte, pcrSize), digest...))
	if !bytes.Equal(q.pcrs[initDataPCR], want[:]) {
		return errors.New("PCR 8 is not what the init-data makes it")
	}
	return nil
}

// addClaims adds the values as the real verifiers name them.
func (q *tpmQuote) addClaims(claims map[string]any) {
	for i, value := range q.pcrs {
		claims[fmt.Sprintf("pcr%02d", i)] = hex.EncodeToString(value)
	}
}
