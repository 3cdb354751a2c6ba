// SPDX-License-Identifier: Apache-2.0

package hardware

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-tpm/tpm2"

	"sealpod.test/tee/forge"
)

var vtpmKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

// azCase is evidence of an Azure VM, with what is to be wrong about it. The AK
// signs whatever the TPM never would.
type azCase struct {
	tdx      bool
	extra    []byte // instead of the report data
	userData []byte
	claims   func(map[string]any)
	attest   func(*tpm2.TPMSAttest, *tpm2.TPMSQuoteInfo)
	tail     []byte // behind the attested structure
	hash     func([]byte)
	hcl      func([]byte)
	report   func(*forge.Report)
	evidence func(map[string]any)
	pcr8     []byte
}

var azData = bytes.Repeat([]byte{0xD5}, 48)

func (c azCase) pcrs() (values [][]byte, digest []byte) {
	all := sha256.New()
	for i := range 24 {
		value := bytes.Repeat([]byte{byte(i)}, 32)
		if i == 8 && c.pcr8 != nil {
			value = c.pcr8
		}
		values = append(values, value)
		all.Write(value)
	}
	return values, all.Sum(nil)
}

func (c azCase) quote(t *testing.T) map[string]any {
	values, digest := c.pcrs()
	extra := azData
	if c.extra != nil {
		extra = c.extra
	}
	info := &tpm2.TPMSQuoteInfo{
		PCRSelect: tpm2.TPMLPCRSelection{PCRSelections: []tpm2.TPMSPCRSelection{{Hash: tpm2.TPMAlgSHA256, PCRSelect: []byte{0xFF, 0xFF, 0xFF}}}},
		PCRDigest: tpm2.TPM2BDigest{Buffer: digest},
	}
	attest := &tpm2.TPMSAttest{Magic: tpm2.TPMGeneratedValue, Type: tpm2.TPMSTAttestQuote, ExtraData: tpm2.TPM2BData{Buffer: extra}}
	if c.attest != nil {
		c.attest(attest, info)
	}
	attest.Attested = tpm2.NewTPMUAttest(tpm2.TPMSTAttestQuote, info)
	message := append(tpm2.Marshal(attest), c.tail...)
	hash := sha256.Sum256(message)
	signature, err := rsa.SignPKCS1v15(nil, vtpmKey(), crypto.SHA256, hash[:])
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, value := range values {
		texts = append(texts, hex.EncodeToString(value))
	}
	return map[string]any{"message": hex.EncodeToString(message), "signature": hex.EncodeToString(signature), "pcrs": texts}
}

func (c azCase) claimsText(t *testing.T) []byte {
	userData := regularize(azData, 64)
	if c.userData != nil {
		userData = c.userData
	}
	b64 := base64.RawURLEncoding.EncodeToString
	claims := map[string]any{
		"keys":      []map[string]any{{"kid": "HCLAkPub", "kty": "RSA", "e": "AQAB", "n": b64(vtpmKey().N.Bytes())}},
		"user-data": strings.ToUpper(hex.EncodeToString(userData)),
	}
	if c.claims != nil {
		c.claims(claims)
	}
	text, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// make returns the evidence.
func (c azCase) make(t *testing.T) json.RawMessage {
	t.Helper()
	claims := c.claimsText(t)
	sum := sha256.Sum256(claims)
	if c.hash != nil {
		c.hash(sum[:])
	}
	hardware, name, endorsement := c.hardware(t, sum[:])
	kind := uint32(hclTypeSNP)
	if c.tdx {
		kind = hclTypeTDX
	}
	hcl := []byte("HCLA")
	for _, word := range []uint32{1, 0, 2, 0, 0, 0, 0} {
		hcl = binary.LittleEndian.AppendUint32(hcl, word)
	}
	hcl = append(append(hcl, hardware...), make([]byte, 1184-len(hardware))...)
	for _, word := range []uint32{20 + uint32(len(claims)), 1, kind, 1, uint32(len(claims))} {
		hcl = binary.LittleEndian.AppendUint32(hcl, word)
	}
	hcl = append(append(hcl, claims...), make([]byte, 100)...)
	if c.hcl != nil {
		c.hcl(hcl)
	}
	b64 := base64.URLEncoding.EncodeToString
	evidence := map[string]any{"version": 2, "tpm_quote": c.quote(t), "hcl_report": b64(hcl), name: b64(endorsement)}
	if c.evidence != nil {
		c.evidence(evidence)
	}
	text, err := json.Marshal(evidence)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func (c azCase) hardware(t *testing.T, reportData []byte) (report []byte, name string, endorsement []byte) {
	if c.tdx {
		body := forge.NewBody(false)
		if err := body.Set("report_data", reportData); err != nil {
			t.Fatal(err)
		}
		quote, err := forged.Intel.Quote(4, body, forge.QuoteOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return forge.TDReport(body), "td_quote", quote
	}
	product := forge.Products["Milan"]
	r := forge.NewReport(product, 3)
	if err := r.Set("report_data", reportData); err != nil {
		t.Fatal(err)
	}
	apply(c.report, r)
	if err := forged.AMD.Sign(r); err != nil {
		t.Fatal(err)
	}
	vcek, err := forged.AMD.IssueVEK(forge.VEK{Product: product, TCB: forge.DefaultTCB, ChipID: r.Get("chip_id")})
	if err != nil {
		t.Fatal(err)
	}
	return r.Raw[:], "vcek", vcek.Raw
}

func azVerifier(tdx bool) func(json.RawMessage, []byte, []byte) (map[string]any, error) {
	if tdx {
		return (&AzTDX{trusted()}).Verify
	}
	return (&AzSNP{trusted()}).Verify
}

func TestAzureTaken(t *testing.T) {
	initData := sha256.Sum256([]byte("init-data"))
	pcr8 := sha256.Sum256(append(make([]byte, 32), initData[:]...))
	for name, c := range map[string]azCase{
		"snp": {}, "tdx": {tdx: true}, "init-data": {pcr8: pcr8[:]},
		"underscores": {claims: func(o map[string]any) { o["user_data"] = o["user-data"]; delete(o, "user-data") }},
	} {
		t.Run(name, func(t *testing.T) {
			var digest []byte
			if c.pcr8 != nil {
				digest = initData[:]
			}
			claims, err := azVerifier(c.tdx)(c.make(t), azData, digest)
			if err != nil {
				t.Fatal(err)
			}
			tpm := claims["tpm"].(map[string]any)
			if claims["report_data"] != hex.EncodeToString(azData) || tpm["pcr03"] != strings.Repeat("03", 32) || claims["init_data"] != tpm["pcr08"] {
				t.Errorf("claims: %v", claims)
			}
			if !c.tdx && (claims["policy_debug_allowed"] != "false" || claims["reported_tcb_snp"] != "23") {
				t.Errorf("claims are no texts: %v", claims)
			}
		})
	}
}

func TestAzureRefused(t *testing.T) {
	selection := func(hash tpm2.TPMAlgID, bitmap ...byte) tpm2.TPMSPCRSelection {
		return tpm2.TPMSPCRSelection{Hash: hash, PCRSelect: bitmap}
	}
	selections := func(list ...tpm2.TPMSPCRSelection) func(*tpm2.TPMSAttest, *tpm2.TPMSQuoteInfo) {
		return func(_ *tpm2.TPMSAttest, info *tpm2.TPMSQuoteInfo) { info.PCRSelect.PCRSelections = list }
	}
	all := selection(tpm2.TPMAlgSHA256, 0xFF, 0xFF, 0xFF)
	flip := func(at int) func([]byte) { return func(data []byte) { data[at] ^= 1 } }
	quoteMember := func(change func(map[string]any)) func(map[string]any) {
		return func(o map[string]any) { change(o["tpm_quote"].(map[string]any)) }
	}
	cases := map[string]azCase{
		"other extra data":   {extra: bytes.Repeat([]byte{0xD6}, 48)},
		"longer extra data":  {extra: append(bytes.Clone(azData), 0)},
		"stale":              {userData: regularize([]byte("earlier"), 64)},
		"user-data and more": {userData: append(bytes.Clone(azData), bytes.Repeat([]byte{1}, 16)...)},
		"no user-data":       {claims: func(o map[string]any) { delete(o, "user-data") }},
		"short user-data":    {claims: func(o map[string]any) { o["user-data"] = hex.EncodeToString(azData) }},
		"no key":             {claims: func(o map[string]any) { o["keys"] = []any{} }},
		"another key": {claims: func(o map[string]any) {
			o["keys"].([]map[string]any)[0]["n"] = base64.RawURLEncoding.EncodeToString(bytes.Repeat([]byte{0xC5}, 256))
		}},
		"wrong hash":           {hash: flip(0)},
		"no magic":             {attest: func(a *tpm2.TPMSAttest, _ *tpm2.TPMSQuoteInfo) { a.Magic++ }},
		"PCRs of another bank": {attest: selections(selection(tpm2.TPMAlgSHA1, 0xFF, 0xFF, 0xFF))},
		"one PCR less":         {attest: selections(selection(tpm2.TPMAlgSHA256, 0xFF, 0xFE, 0xFF))},
		"a wider selection":    {attest: selections(selection(tpm2.TPMAlgSHA256, 0xFF, 0xFF, 0xFF, 0x01))},
		"two selections":       {attest: selections(all, selection(tpm2.TPMAlgSHA1, 0, 0, 0))},
		"no selection":         {attest: selections()},
		"other digest":         {attest: func(_ *tpm2.TPMSAttest, info *tpm2.TPMSQuoteInfo) { info.PCRDigest.Buffer[0] ^= 1 }},
		"something trails":     {tail: []byte{0}},
		"swapped PCRs": {evidence: quoteMember(func(o map[string]any) {
			pcrs := o["pcrs"].([]string)
			pcrs[8], pcrs[9] = pcrs[9], pcrs[8]
		})},
		"25 PCRs":           {evidence: quoteMember(func(o map[string]any) { o["pcrs"] = append(o["pcrs"].([]string), strings.Repeat("00", 32)) })},
		"no signature":      {evidence: quoteMember(func(o map[string]any) { o["signature"] = "" })},
		"version 1":         {evidence: func(o map[string]any) { o["version"] = 1 }},
		"no version":        {evidence: func(o map[string]any) { delete(o, "version") }},
		"one member more":   {evidence: func(o map[string]any) { o["x"] = 1 }},
		"unpadded base64":   {evidence: func(o map[string]any) { o["hcl_report"] = strings.TrimRight(o["hcl_report"].(string), "=") }},
		"no HCL report":     {hcl: flip(0)},
		"changed claims":    {hcl: flip(1236 + 40)},
		"another type":      {hcl: flip(1224)},
		"another hash":      {hcl: flip(1228)},
		"sizes that differ": {hcl: flip(1232)},
		"changed report":    {hcl: flip(32 + 0x90)},
	}
	for name, c := range cases {
		for _, c.tdx = range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				if claims, err := azVerifier(c.tdx)(c.make(t), azData, nil); err == nil && !(c.tdx && name == "changed report") {
					t.Errorf("taken: %v", claims)
				}
			})
		}
	}
	// A TDREPORT is not signed: the quote is what counts, and it was made of the report as it was.
	for name, c := range map[string]azCase{
		"VMPL":     {report: func(r *forge.Report) { r.SetText("vmpl", "0x1") }},
		"old":      {report: func(r *forge.Report) { r.SetText("version", "0x1") }},
		"masked":   {report: func(r *forge.Report) { r.Mask() }},
		"as a TDX": {evidence: func(o map[string]any) { o["td_quote"] = o["vcek"]; delete(o, "vcek") }},
	} {
		if _, err := azVerifier(false)(c.make(t), azData, nil); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	digest := sha256.Sum256([]byte("init-data"))
	for _, d := range [][]byte{digest[:], digest[:31], append(digest[:], 0), {}} {
		if _, err := azVerifier(true)(azCase{tdx: true}.make(t), azData, d); err == nil {
			t.Errorf("init-data %x: taken", d)
		}
	}
}
