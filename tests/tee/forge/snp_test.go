// SPDX-License-Identifier: Apache-2.0

package forge

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/sha512"
	"crypto/x509"
	"fmt"
	"math/big"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-sev-guest/abi"
	spb "github.com/google/go-sev-guest/proto/sevsnp"
	"github.com/google/go-sev-guest/verify"
	"github.com/google/go-sev-guest/verify/trust"
)

// testRoots are made once.
var testRoots = sync.OnceValue(func() *Roots {
	roots, err := NewRoots()
	if err != nil {
		panic(err)
	}
	return roots
})

func vekFor(t *testing.T, product, csp string) *x509.Certificate {
	t.Helper()
	p := Products[product]
	cert, err := testRoots().AMD.IssueVEK(VEK{Product: p, CSP: csp, ChipID: NewReport(p, 3).Get("chip_id"), TCB: DefaultTCB})
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// googleVerify lets go-sev-guest decide.
func googleVerify(product string, report []byte, vek *x509.Certificate, vlek bool) error {
	proto, err := abi.ReportToProto(report)
	if err != nil {
		return err
	}
	chain := testRoots().AMD.Chains[product]
	certs := &spb.CertificateChain{AskCert: chain.ASK.Raw, ArkCert: chain.ARK.Raw, VcekCert: vek.Raw}
	if vlek {
		certs = &spb.CertificateChain{AskCert: chain.ASVK.Raw, ArkCert: chain.ARK.Raw, VlekCert: vek.Raw}
	}
	root := trust.AMDRootCertsProduct(product)
	root.ProductCerts = &trust.ProductCerts{Ark: chain.ARK, Ask: chain.ASK, Asvk: chain.ASVK}
	return verify.SnpAttestation(&spb.Attestation{Report: proto, CertificateChain: certs}, &verify.Options{
		DisableCertFetching: true, Now: time.Now(), TrustedRoots: map[string][]*trust.AMDRootCerts{product: {root}},
	})
}

func TestGoSevGuestTakesReports(t *testing.T) {
	for _, version := range []uint32{2, 3, 4, 5} {
		for _, c := range []struct{ product, csp string }{{"Milan", ""}, {"Milan", "CN=cloud.example.test"}, {"Genoa", ""}} {
			if version == 2 && c.product == "Genoa" {
				continue // go-sev-guest wants a stepping in the VCEK then; real Genoa ones have none
			}
			t.Run(fmt.Sprintf("%s v%d %s", c.product, version, c.csp), func(t *testing.T) {
				r := NewReport(Products[c.product], version)
				if c.csp != "" {
					r.UseVLEK()
				}
				if err := testRoots().AMD.Sign(r); err != nil {
					t.Fatal(err)
				}
				vek := vekFor(t, c.product, c.csp)
				if err := googleVerify(c.product, r.Raw[:], vek, c.csp != ""); err != nil {
					t.Error(err)
				}
				r.Raw[0x90] ^= 1
				if err := googleVerify(c.product, r.Raw[:], vek, c.csp != ""); err == nil {
					t.Error("a changed measurement was taken")
				}
			})
		}
	}
}

// TestTurinReport checks what go-sev-guest cannot read.
func TestTurinReport(t *testing.T) {
	r := NewReport(Products["Turin"], 5)
	if err := testRoots().AMD.Sign(r); err != nil {
		t.Fatal(err)
	}
	vek := vekFor(t, "Turin", "")
	if err := vek.CheckSignatureFrom(testRoots().AMD.Chains["Turin"].ASK); err != nil {
		t.Error(err)
	}
	digest := sha512.Sum384(r.Raw[:signedSize])
	number := func(name string) *big.Int {
		le := r.Get(name)
		slices.Reverse(le)
		return new(big.Int).SetBytes(le)
	}
	if !ecdsa.Verify(vek.PublicKey.(*ecdsa.PublicKey), digest[:], number("signature_r"), number("signature_s")) {
		t.Error("the signature does not verify")
	}
	if got := r.Get("reported_tcb"); !bytes.Equal(got, []byte{1, 10, 0, 23, 0, 0, 0, 213}) {
		t.Errorf("TCB %x", got)
	}
	if chip := r.Get("chip_id"); !bytes.Equal(chip[8:], make([]byte, 56)) || bytes.Equal(chip[:8], make([]byte, 8)) {
		t.Errorf("chip id %x", chip)
	}
}

func TestMaskedReportHasNoSignature(t *testing.T) {
	r := NewReport(Products["Milan"], 3)
	r.Mask()
	if err := testRoots().AMD.Sign(r); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(r.Raw[signedSize:], make([]byte, ReportSize-signedSize)) {
		t.Error("a masked report is signed")
	}
}

func TestFieldsByText(t *testing.T) {
	r := NewReport(Products["Milan"], 3)
	for name, text := range map[string]string{"policy": "0xb0000", "vmpl": "0x2", "host_data": "abcd"} {
		if err := r.SetText(name, text); err != nil {
			t.Error(err)
		}
	}
	if r.Number("policy") != 0xb0000 || r.Number("vmpl") != 2 || !bytes.Equal(r.Get("host_data")[:3], []byte{0xab, 0xcd, 0}) {
		t.Errorf("policy %x, VMPL %d, host data %x", r.Number("policy"), r.Number("vmpl"), r.Get("host_data"))
	}
	for name, text := range map[string]string{"polcy": "0x1", "policy": "12", "host_data": "0x12", "vmpl": "0x123456789a", "image_id": "zz"} {
		if err := r.SetText(name, text); err == nil {
			t.Errorf("%s=%s was taken", name, text)
		}
	}
}

func TestCertTables(t *testing.T) {
	entries := []CertEntry{{GUIDVCEK, pattern(1000, 1)}, {GUIDASK, pattern(900, 2)}, {GUIDARK, pattern(800, 3)}}
	sound, err := CertTable(entries, "")
	if err != nil {
		t.Fatal(err)
	}
	var parsed abi.CertTable
	if err := parsed.Unmarshal(sound); err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if got, err := parsed.GetByGUIDString(e.GUID); err != nil || !bytes.Equal(got, e.Data) {
			t.Errorf("%s: %v", e.GUID, err)
		}
	}
	for _, fault := range TableFaults {
		table, err := CertTable(entries, fault)
		if err != nil || bytes.Equal(table, sound) {
			t.Errorf("fault '%s': %v, or no difference", fault, err)
		}
	}
	if _, err := CertTable(entries, "unknown"); err == nil {
		t.Error("an unknown fault was taken")
	}
}

func TestRootsSurviveTheDirectory(t *testing.T) {
	dir := t.TempDir()
	if err := testRoots().Write(dir); err != nil {
		t.Fatal(err)
	}
	again, err := ReadRoots(dir)
	if err != nil {
		t.Fatal(err)
	}
	r := NewReport(Products["Milan"], 3)
	if err := again.AMD.Sign(r); err != nil {
		t.Fatal(err)
	}
	if err := googleVerify("Milan", r.Raw[:], vekFor(t, "Milan", ""), false); err != nil {
		t.Error(err)
	}
	if _, err := ReadRoots(t.TempDir()); err == nil {
		t.Error("an empty directory was taken")
	}
}

func TestCRLSignedByARK(t *testing.T) {
	der, err := testRoots().AMD.CRL("Milan", big.NewInt(0x10001))
	if err != nil {
		t.Fatal(err)
	}
	crl, err := x509.ParseRevocationList(der)
	if err != nil {
		t.Fatal(err)
	}
	if err := crl.CheckSignatureFrom(testRoots().AMD.Chains["Milan"].ARK); err != nil || len(crl.RevokedCertificateEntries) != 1 {
		t.Errorf("%v, %d revoked", err, len(crl.RevokedCertificateEntries))
	}
}
