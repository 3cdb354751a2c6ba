// SPDX-License-Identifier: Apache-2.0

package hardware

import (
	"bytes"
	"crypto/sha512"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"sealpod.test/kbs/strictjson"
	"sealpod.test/tee/forge"
)

// Roots are made once, and read as the broker reads them.
var (
	forged *forge.Roots
	dir    string
)

func TestMain(m *testing.M) {
	err := func() (err error) {
		if dir, err = os.MkdirTemp("", "kbs-roots-"); err != nil {
			return err
		}
		if forged, err = forge.NewRoots(); err != nil {
			return err
		}
		return forged.Write(dir)
	}()
	if err != nil {
		panic(err)
	}
	status := m.Run()
	os.RemoveAll(dir)
	os.Exit(status)
}

var trusted = sync.OnceValue(func() *Roots {
	r, err := Load(dir)
	if err != nil {
		panic(err)
	}
	return r
})

var (
	wantData = sha512.Sum384([]byte("runtime data"))
	initData = sha512.Sum384([]byte("init-data"))
)

// snpCase is one piece of evidence; spoil changes what a sound one has.
type snpCase struct {
	product string
	version uint32
	csp     string
	report  func(*forge.Report) // before the signature
	signed  func(*forge.Report) // after it
	json    func(map[string]any)
	chain   any // instead of the host's certificates; "null": JSON null
	vek     func(*forge.VEK)
}

func (c snpCase) evidence(t *testing.T) json.RawMessage {
	t.Helper()
	if c.product == "" {
		c.product = "Milan"
	}
	if c.version == 0 {
		c.version = 3
	}
	p := forge.Products[c.product]
	r := forge.NewReport(p, c.version)
	err := errors.Join(r.Set("report_data", wantData[:]), r.Set("host_data", initData[:32]))
	if c.csp != "" {
		r.UseVLEK()
	}
	apply(c.report, r)
	err = errors.Join(err, forged.AMD.Sign(r))
	apply(c.signed, r)
	vek := forge.VEK{Product: p, CSP: c.csp, ChipID: r.Get("chip_id"), TCB: forge.DefaultTCB}
	apply(c.vek, &vek)
	cert, issueErr := forged.AMD.IssueVEK(vek)
	if err := errors.Join(err, issueErr); err != nil {
		t.Fatal(err)
	}
	kind := "VCEK"
	if c.csp != "" {
		kind = "VLEK"
	}
	document := map[string]any{
		"attestation_report": reportJSON(r, p.FMC),
		"cert_chain": []any{
			map[string]any{"cert_type": kind, "data": numbers(cert.Raw)},
			map[string]any{"cert_type": map[string]any{"OTHER": forge.GUIDUnknown}, "data": numbers([]byte("x"))},
		},
	}
	switch {
	case c.chain == "null":
		document["cert_chain"] = nil
	case c.chain != nil:
		document["cert_chain"] = c.chain
	}
	apply(c.json, document)
	text, err := json.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func apply[T any](change func(T), to T) {
	if change != nil {
		change(to)
	}
}

func numbers(data []byte) []int {
	out := make([]int, len(data))
	for i, b := range data {
		out[i] = int(b)
	}
	return out
}

// reportJSON is the form of the client's library.
func reportJSON(r *forge.Report, turin bool) map[string]any {
	out := map[string]any{}
	for _, name := range []string{"version", "guest_svn", "policy", "vmpl", "sig_algo", "plat_info", "key_info", "cpuid_fam_id", "cpuid_mod_id", "cpuid_step"} {
		out[name] = r.Number(name)
	}
	if r.Number("version") < 3 {
		out["cpuid_fam_id"], out["cpuid_mod_id"], out["cpuid_step"] = nil, nil, nil
	}
	if r.Number("version") >= 5 {
		out["launch_mit_vector"], out["current_mit_vector"] = r.Number("launch_mit_vector"), r.Number("current_mit_vector")
	}
	for _, name := range []string{"family_id", "image_id", "report_data", "measurement", "host_data", "id_key_digest", "author_key_digest",
		"report_id", "report_id_ma", "chip_id"} {
		out[name] = numbers(r.Get(name))
	}
	for _, name := range []string{"current_tcb", "reported_tcb", "committed_tcb", "launch_tcb"} {
		b := r.Get(name)
		out[name] = map[string]any{"fmc": nil, "bootloader": b[0], "tee": b[1], "snp": b[6], "microcode": b[7]}
		if turin {
			out[name] = map[string]any{"fmc": b[0], "bootloader": b[1], "tee": b[2], "snp": b[3], "microcode": b[7]}
		}
	}
	for _, name := range []string{"current", "committed"} {
		out[name] = map[string]any{"major": r.Number(name + "_major"), "minor": r.Number(name + "_minor"), "build": r.Number(name + "_build")}
	}
	out["signature"] = map[string]any{"r": numbers(r.Get("signature_r")), "s": numbers(r.Get("signature_s"))}
	return out
}

func TestReportIsReencodedExactly(t *testing.T) {
	for product, p := range forge.Products {
		r := forge.NewReport(p, 5)
		if err := errors.Join(r.Set("report_data", wantData[:]), forged.AMD.Sign(r)); err != nil {
			t.Fatal(err)
		}
		text, _ := json.Marshal(reportJSON(r, p.FMC))
		o, err := strictjson.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		got, err := parseReport(o)
		if err != nil || !bytes.Equal(got.raw[:], r.Raw[:]) {
			t.Errorf("%s: %v, or other bytes", product, err)
		}
	}
}

func TestSNPAccepts(t *testing.T) {
	p := forge.Products["Milan"]
	vek := forge.VEK{Product: p, ChipID: forge.NewReport(p, 3).Get("chip_id"), TCB: forge.DefaultTCB}
	cert, err := forged.AMD.IssueVEK(vek)
	if err != nil {
		t.Fatal(err)
	}
	if err := forge.WriteVEK(dir, vek, cert); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]snpCase{
		"Milan v3":   {},
		"Milan v4":   {version: 4},
		"Genoa v5":   {product: "Genoa", version: 5},
		"Turin v5":   {product: "Turin", version: 5},
		"Siena":      {product: "Genoa", report: func(r *forge.Report) { r.SetText("cpuid_mod_id", "0xaf") }},
		"VLEK":       {csp: "CN=cloud.example.test"},
		"OCTET HWID": {vek: func(v *forge.VEK) { v.OctetHWID = true }},
		"store":      {chain: "null"},
		"debug":      {report: func(r *forge.Report) { r.SetText("policy", "0xb0000") }}, // a policy's affair
		"platform":   {report: func(r *forge.Report) { r.SetText("plat_info", "0x67") }},
		"all mitigations": {version: 5, report: func(r *forge.Report) { // integers beyond 2^53 - 1
			r.SetText("launch_mit_vector", "0xffffffffffffffff")
			r.SetText("current_mit_vector", "0x8000000000000001")
		}},
		"no cpu mits": {version: 5, report: func(r *forge.Report) { r.SetText("launch_mit_vector", "0x0") }},
	} {
		t.Run(name, func(t *testing.T) {
			claims, err := (&SNP{trusted()}).Verify(c.evidence(t), wantData[:], initData[:])
			if err != nil {
				t.Fatal(err)
			}
			if claims["report_data"] != fmt.Sprintf("%x%032x", wantData, 0) || claims["init_data"] != fmt.Sprintf("%x", initData[:32]) ||
				claims["policy_debug_allowed"] != (name == "debug") || claims["reported_tcb_microcode"] != forge.DefaultTCB.Microcode {
				t.Errorf("claims %v", claims)
			}
		})
	}
}

func allOf(changes ...func(*forge.Report)) func(*forge.Report) {
	return func(r *forge.Report) {
		for _, change := range changes {
			change(r)
		}
	}
}

func TestSNPRefuses(t *testing.T) {
	report := func(change func(map[string]any)) func(map[string]any) {
		return func(document map[string]any) { change(document["attestation_report"].(map[string]any)) }
	}
	set := func(name, text string) func(*forge.Report) {
		return func(r *forge.Report) {
			if err := r.SetText(name, text); err != nil {
				panic(err)
			}
		}
	}
	vcek := func(data []byte) map[string]any { return map[string]any{"cert_type": "VCEK", "data": numbers(data)} }
	for name, c := range map[string]struct {
		snpCase
		why string
	}{
		"version 2":         {snpCase{version: 2}, "report version 2"},
		"version 6":         {snpCase{version: 6}, "report version 6"},
		"VMPL 2":            {snpCase{report: set("vmpl", "0x2")}, "go-sev-guest: report VMPL 2 is not 0"},
		"report data":       {snpCase{report: set("report_data", "aa")}, "go-sev-guest: report field REPORT_DATA is aa0000"},
		"report data tail":  {snpCase{report: func(r *forge.Report) { r.Set("report_data", append(wantData[:], 1)) }}, "go-sev-guest: report field REPORT_DATA is "},
		"init-data":         {snpCase{report: set("host_data", "aa")}, "go-sev-guest: report field HOST_DATA is aa0000"},
		"Turin VMPL 3":      {snpCase{product: "Turin", version: 5, report: set("vmpl", "0x3")}, "report VMPL 3 is not 0"},
		"Turin report data": {snpCase{product: "Turin", version: 5, report: set("report_data", "aa")}, "report field REPORT_DATA is aa0000"},
		"Turin init-data":   {snpCase{product: "Turin", version: 5, report: set("host_data", "aa")}, "report field HOST_DATA is aa0000"},
		"Siena report data": {snpCase{product: "Genoa", report: allOf(set("cpuid_mod_id", "0xaf"), set("report_data", "aa"))}, "report field REPORT_DATA is aa0000"},
		"above current TCB": {snpCase{report: set("current_tcb", "09000000000017d5")}, "go-sev-guest: "},
		"changed":           {snpCase{signed: set("measurement", "aa")}, "signature does not verify"},
		"signature":         {snpCase{signed: func(r *forge.Report) { r.Raw[0x2A0] ^= 1 }}, "signature does not verify"},
		"masked":            {snpCase{report: func(r *forge.Report) { r.Mask() }}, "signature does not verify"},
		"signature padding": {snpCase{signed: func(r *forge.Report) { r.Raw[0x2A0+71] = 1 }}, "signature does not verify"},
		"policy bit 17":     {snpCase{report: set("policy", "0x10000")}, "go-sev-guest: malformed guest policy"},
		"algorithm":         {snpCase{report: set("sig_algo", "0x2")}, "signature algorithm 2"},
		"another chip":      {snpCase{vek: func(v *forge.VEK) { v.ChipID = bytes.Repeat([]byte{7}, 64) }}, "another chip"},
		"masked chip":       {snpCase{report: set("chip_id", "00"), vek: func(v *forge.VEK) { v.ChipID = bytes.Repeat([]byte{7}, 64) }}, "another chip"},
		"TCB":               {snpCase{vek: func(v *forge.VEK) { v.TCB.SNP++ }}, "reported TCB"},
		"microcode":         {snpCase{vek: func(v *forge.VEK) { v.TCB.Microcode-- }}, "reported TCB"},
		"Turin FMC":         {snpCase{product: "Turin", version: 5, vek: func(v *forge.VEK) { v.TCB.FMC++ }}, "reported TCB"},
		"other product":     {snpCase{vek: func(v *forge.VEK) { v.Product = forge.Products["Genoa"] }}, "is not signed by"},
		"unknown product":   {snpCase{report: set("cpuid_fam_id", "0x17")}, "no roots"},
		"key kind":          {snpCase{report: func(r *forge.Report) { r.UseVLEK() }}, "key of kind 1"},
		"VLEK as VCEK":      {snpCase{csp: "CN=x", json: func(d map[string]any) { d["cert_chain"].([]any)[0].(map[string]any)["cert_type"] = "VCEK" }}, "SEV-VLEK"},
		"empty chain":       {snpCase{chain: []any{}}, "neither VCEK nor VLEK"},
		"chain without":     {snpCase{chain: []any{map[string]any{"cert_type": "ASK", "data": numbers([]byte{1})}}}, "neither VCEK nor VLEK"},
		"two":               {snpCase{chain: []any{vcek([]byte{1}), vcek([]byte{2})}}, "more than one"},
		"garbage":           {snpCase{chain: []any{vcek([]byte{1, 2, 3})}}, "endorsement key certificate"},
		"certificate type":  {snpCase{chain: []any{map[string]any{"cert_type": "Vcek", "data": []int{}}}}, "no certificate type"},
		"not in store":      {snpCase{chain: "null", report: set("chip_id", "0123")}, "offline store"},
		"missing":           {snpCase{json: report(func(m map[string]any) { delete(m, "policy") })}, "'policy' is missing"},
		"short array":       {snpCase{json: report(func(m map[string]any) { m["chip_id"] = []int{1} })}, "chip_id"},
		"wide number":       {snpCase{json: report(func(m map[string]any) { m["host_data"] = append(make([]int, 31), 256) })}, "host_data"},
		"base64":            {snpCase{json: report(func(m map[string]any) { m["host_data"] = "AAAA" })}, "not an array"},
		"wrong case":        {snpCase{json: report(func(m map[string]any) { m["Policy"] = m["policy"]; delete(m, "policy") })}, "'policy' is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := (&SNP{trusted()}).Verify(c.evidence(t), wantData[:], initData[:])
			if err == nil || !strings.Contains(err.Error(), c.why) {
				t.Errorf("got '%v', want '…%s…'", err, c.why)
			}
		})
	}
}

// Each exception is needed: go-sev-guest cannot be asked about such a report.
func TestExceptionsFromGoSEVGuestAreNeeded(t *testing.T) {
	for i, c := range []snpCase{
		{product: "Turin", version: 5},
		{product: "Genoa", report: func(r *forge.Report) { r.SetText("cpuid_mod_id", "0xa1") }},
	} {
		o, err := strictjson.Parse(c.evidence(t))
		if err != nil {
			t.Fatal(err)
		}
		inner, _ := o.Obj("attestation_report")
		r, err := parseReport(inner)
		if err != nil {
			t.Fatal(err)
		}
		for j, beyond := range beyondGoSEVGuest {
			if beyond.applies(r) != (i == j) {
				t.Errorf("case %d: exception '%s' applies: %v", i, beyond.why, beyond.applies(r))
			}
		}
		given, _ := parseChain(o)
		vek, _ := x509.ParseCertificate(given.der)
		chain := trusted().amd[c.product]
		if _, err := (&SNP{trusted()}).secondOpinion(r, vek, chain, false); err == nil {
			t.Errorf("go-sev-guest knows better than '%s'", beyondGoSEVGuest[i].why)
		}
	}
}

func TestInitDataIsComparedWhereSentOnly(t *testing.T) {
	evidence := snpCase{report: func(r *forge.Report) { r.Set("host_data", []byte{1}) }}.evidence(t)
	if _, err := (&SNP{trusted()}).Verify(evidence, wantData[:], nil); err != nil {
		t.Error(err)
	}
}

func TestExpiredRootsAreRefused(t *testing.T) {
	late := *trusted()
	late.now = func() time.Time { return time.Now().AddDate(30, 0, 0) }
	if _, err := (&SNP{&late}).Verify(snpCase{}.evidence(t), wantData[:], nil); err == nil || !strings.Contains(err.Error(), "validity") {
		t.Error(err)
	}
	if _, err := (&TDX{&late}).Verify(tdxCase{}.evidence(t), wantData[:], nil); err == nil || !strings.Contains(err.Error(), "validity") {
		t.Error(err)
	}
}

func TestRevokedASK(t *testing.T) {
	list, err := forged.AMD.CRL("Milan", forged.AMD.Chains["Milan"].ASK.SerialNumber)
	if err != nil {
		t.Fatal(err)
	}
	load := &loader{dir: t.TempDir()}
	if err := os.WriteFile(load.dir+"/crl", list, 0o600); err != nil {
		t.Fatal(err)
	}
	revoked := *trusted()
	chain := *revoked.amd["Milan"]
	chain.crl = load.crl("crl")
	revoked.amd = map[string]*amdChain{"Milan": &chain}
	if _, err := (&SNP{&revoked}).Verify(snpCase{}.evidence(t), wantData[:], nil); err == nil || !strings.Contains(err.Error(), "revoked") {
		t.Error(err)
	}
}

func TestLoadRefusesAnIncompleteDirectory(t *testing.T) {
	if _, err := Load(t.TempDir()); err == nil {
		t.Error("an empty directory was taken")
	}
}
