// SPDX-License-Identifier: Apache-2.0

package hardware

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-tpm/tpm2"
)

// plainVerifier trusts these keys.
func plainVerifier(t *testing.T, keys ...[]byte) *TPM {
	t.Helper()
	dir := t.TempDir()
	for i, der := range append([][]byte{[]byte("no key")}, keys...) {
		text := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
		if err := os.WriteFile(filepath.Join(dir, string(rune('a'+i))+".pub"), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return &TPM{&Roots{keys: dir}}
}

func spkiOf(t *testing.T, key any) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// plain is evidence of a plain TPM, of the same key as Azure's.
func plain(t *testing.T, c azCase, change func(evidence, quote map[string]any)) json.RawMessage {
	t.Helper()
	if c.extra == nil {
		c.extra = azData[:32]
	}
	quote := c.quote(t)
	b64 := base64.StdEncoding.EncodeToString
	raw := func(name string) []byte {
		data, err := hex.DecodeString(quote[name].(string))
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	quote["message"] = b64(raw("message"))
	quote["signature"] = b64(append([]byte{0x00, 0x14, 0x00, 0x0B, 0x01, 0x00}, raw("signature")...))
	evidence := map[string]any{"tpm_quote": quote, "ak_public": b64(spkiOf(t, &vtpmKey().PublicKey))}
	if change != nil {
		change(evidence, quote)
	}
	text, err := json.Marshal(evidence)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestPlainTPMTaken(t *testing.T) {
	v := plainVerifier(t, spkiOf(t, &vtpmKey().PublicKey))
	initData := sha256.Sum256([]byte("init-data"))
	pcr8 := sha256.Sum256(append(make([]byte, 32), initData[:]...))
	claims, err := v.Verify(plain(t, azCase{pcr8: pcr8[:]}, nil), azData, initData[:])
	if err != nil {
		t.Fatal(err)
	}
	if claims["report_data"] != hex.EncodeToString(azData[:32]) || claims["pcr03"] != strings.Repeat("03", 32) || claims["init_data"] != claims["pcr08"] {
		t.Errorf("claims: %v", claims)
	}
	if claims, err := v.Verify(plain(t, azCase{}, nil), azData, initData[:]); err == nil {
		t.Errorf("without init-data in PCR 8: %v", claims)
	}
}

func TestPlainTPMRefused(t *testing.T) {
	v := plainVerifier(t, spkiOf(t, &vtpmKey().PublicKey))
	append64 := func(o map[string]any, name string, more ...byte) {
		data, err := base64.StdEncoding.DecodeString(o[name].(string))
		if err != nil {
			t.Fatal(err)
		}
		o[name] = base64.StdEncoding.EncodeToString(append(data, more...))
	}
	flip := func(o map[string]any, name string, at int) {
		data, err := base64.StdEncoding.DecodeString(o[name].(string))
		if err != nil {
			t.Fatal(err)
		}
		data[at] ^= 1
		o[name] = base64.StdEncoding.EncodeToString(data)
	}
	for name, c := range map[string]struct {
		az     azCase
		change func(evidence, quote map[string]any)
	}{
		"whole report data":  {az: azCase{extra: azData}},
		"padded report data": {az: azCase{extra: regularize(azData, 64)}},
		"other report data":  {az: azCase{extra: bytes.Repeat([]byte{1}, 32)}},
		"one PCR less": {az: azCase{attest: func(_ *tpm2.TPMSAttest, info *tpm2.TPMSQuoteInfo) {
			info.PCRSelect.PCRSelections[0].PCRSelect[1] = 0xFE
		}}},
		"something trails":    {az: azCase{tail: []byte{0}}},
		"one member more":     {change: func(e, _ map[string]any) { e["svn"] = "1" }},
		"no key":              {change: func(e, _ map[string]any) { delete(e, "ak_public") }},
		"another key":         {change: func(e, _ map[string]any) { flip(e, "ak_public", 100) }},
		"signature trails":    {change: func(_, q map[string]any) { append64(q, "signature", 0) }},
		"another scheme":      {change: func(_, q map[string]any) { flip(q, "signature", 1) }},
		"another hash":        {change: func(_, q map[string]any) { flip(q, "signature", 3) }},
		"forged":              {change: func(_, q map[string]any) { flip(q, "signature", 50) }},
		"hexadecimal message": {change: func(_, q map[string]any) { q["message"] = "ff544347" }},
		"base64 for URLs":     {change: func(_, q map[string]any) { q["message"] = strings.ReplaceAll(q["message"].(string), "/", "_") }},
		"swapped PCRs": {change: func(_, q map[string]any) {
			pcrs := q["pcrs"].([]string)
			pcrs[8], pcrs[9] = pcrs[9], pcrs[8]
		}},
	} {
		if claims, err := v.Verify(plain(t, c.az, c.change), azData, nil); err == nil {
			t.Errorf("%s: taken: %v", name, claims)
		}
	}
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := plainVerifier(t, spkiOf(t, &other.PublicKey)).Verify(plain(t, azCase{}, nil), azData, nil); err == nil {
		t.Error("a key was taken that is not on the list")
	}
	ec := func(e, _ map[string]any) {
		e["ak_public"] = base64.StdEncoding.EncodeToString(spkiOf(t, &other.PublicKey))
	}
	if _, err := plainVerifier(t, spkiOf(t, &other.PublicKey)).Verify(plain(t, azCase{}, ec), azData, nil); err == nil {
		t.Error("a key was taken that is no RSA key")
	}
}

// Genuine evidence is read; it is of an earlier attester, which filled report data up
// to 64 bytes.
func TestGenuinePlainTPM(t *testing.T) {
	text, err := os.ReadFile("../../vectors/azure/tpm-evidence.json")
	if err != nil {
		t.Fatal(err)
	}
	var e struct {
		AK string `json:"ak_public"`
	}
	if err := json.Unmarshal(text, &e); err != nil {
		t.Fatal(err)
	}
	der, err := base64.StdEncoding.DecodeString(e.AK)
	if err != nil {
		t.Fatal(err)
	}
	reportData, err := hex.DecodeString("a04182b506878d4f29b91ee606a71a0d3361ccf1b22db20c98adcaa537bea393ef0e41a18b3569ab678f1497fbc5c120")
	if err != nil {
		t.Fatal(err)
	}
	_, err = plainVerifier(t, der).Verify(text, reportData, nil)
	if err == nil || err.Error() != "report data differs from the expected" {
		t.Errorf("%v", err)
	}
}
