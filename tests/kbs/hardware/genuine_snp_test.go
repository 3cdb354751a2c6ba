// SPDX-License-Identifier: Apache-2.0

package hardware

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-sev-guest/abi"
	spb "github.com/google/go-sev-guest/proto/sevsnp"
	"github.com/google/go-sev-guest/verify"

	"sealpod.test/kbs/strictjson"
	"sealpod.test/tee/forge"
)

// The verifiers on evidence of real machines, with AMD's and Intel's own roots: what
// holds for the throw-away roots must hold there too.

func sample(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile("../../vectors/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func parsePEM(t *testing.T, text []byte) (certs []*x509.Certificate) {
	t.Helper()
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		certs = append(certs, cert)
	}
	return certs
}

// amdRoot is AMD's chain of a product; the files have ASK, ARK and ASVK.
func amdRoot(t *testing.T, product string) *amdChain {
	t.Helper()
	certs := parsePEM(t, sample(t, "snp/"+strings.ToLower(product)+"-ask-ark-asvk.pem"))
	if len(certs) != 3 {
		t.Fatalf("%d certificates", len(certs))
	}
	return &amdChain{ask: certs[0], ark: certs[1], asvk: certs[2]}
}

// The fingerprints are AMD's ARKs.
var arkPins = map[string]string{
	"Milan": "69d063b45344d26a2e94e1f4210de49ef555308287d4c174445c95639a540bcd",
	"Genoa": "4c6598d19c18719c5dfd4a7d335f674e5bfe1d8f800cea2cf270c10d103db2f1",
	"Turin": "1f084161a44bb6d93778a904877d4819cafa5d05ef4193b2ded9dd9c73dd3f6a",
}

func TestGenuineChainsOfAMD(t *testing.T) {
	for product, pin := range arkPins {
		chain := amdRoot(t, product)
		if sum := sha256.Sum256(chain.ark.Raw); hex.EncodeToString(sum[:]) != pin {
			t.Errorf("%s: the ARK has the fingerprint %x", product, sum)
		}
		for _, link := range []struct{ cert, parent *x509.Certificate }{{chain.ark, chain.ark}, {chain.ask, chain.ark}, {chain.asvk, chain.ark}} {
			if err := signedBy(link.cert, link.parent, link.cert.NotBefore.AddDate(1, 0, 0)); err != nil {
				t.Errorf("%s: %v", product, err)
			}
		}
		for i, name := range []string{"ARK-", "SEV-", "SEV-VLEK-"} {
			if got := []*x509.Certificate{chain.ark, chain.ask, chain.asvk}[i].Subject.CommonName; got != name+product {
				t.Errorf("%s: named '%s', want '%s'", product, got, name+product)
			}
		}
	}
	kds := parsePEM(t, sample(t, "snp/milan-kds-vcek-cert_chain.pem"))
	if milan := amdRoot(t, "Milan"); len(kds) != 2 || !kds[0].Equal(milan.ask) || !kds[1].Equal(milan.ark) {
		t.Error("the key server's chain of Milan is not ASK, ARK")
	}
	kds = parsePEM(t, sample(t, "snp/turin-kds-vlek-cert_chain.pem"))
	if turin := amdRoot(t, "Turin"); len(kds) != 2 || !kds[0].Equal(turin.asvk) || !kds[1].Equal(turin.ark) {
		t.Error("the key server's VLEK chain of Turin is not ASVK, ARK")
	}
}

// genuine are reports of real machines and what the certificate beside each says.
var genuine = []struct {
	name, vek, product string
	vlek               bool
	version            uint32
	tcb                tcb
	octets             int // of the hardware ID
}{
	{"milan-v2-debug", "milan-v2-debug-vcek", "Milan", false, 2, tcb{Bootloader: 2, SNP: 5, Microcode: 68}, 64},
	{"milan-v2", "milan-v2-vcek", "Milan", false, 2, tcb{Bootloader: 3, SNP: 8, Microcode: 115}, 64},
	{"milan-v3", "milan-v3-vcek", "Milan", false, 3, tcb{Bootloader: 4, SNP: 24, Microcode: 219}, 64},
	{"milan-v3-vlek", "milan-vlek", "Milan", true, 3, tcb{Bootloader: 4, SNP: 24, Microcode: 217}, 0},
	{"genoa-v5", "genoa-v5-vcek", "Genoa", false, 5, tcb{Bootloader: 10, SNP: 25, Microcode: 84}, 64},
	{"turin-v5", "turin-v5-vcek", "Turin", false, 5, tcb{FMC: new(byte), Bootloader: 1, SNP: 2, Microcode: 71}, 8},
}

func genuineVEK(t *testing.T, name string) *x509.Certificate {
	t.Helper()
	vek, err := x509.ParseCertificate(sample(t, "snp/"+name+".der"))
	if err != nil {
		t.Fatal(err)
	}
	return vek
}

// Chain, TCB, hardware ID and signature of each hold; with another's key none does.
func TestGenuineReportsVerify(t *testing.T) {
	for _, c := range genuine {
		t.Run(c.name, func(t *testing.T) {
			r, vek := readReport(sample(t, "snp/"+c.name+"-report.bin")), genuineVEK(t, c.vek)
			if r.u32(0) != c.version || r.reported.bytes(c.product == "Turin")[7] != c.tcb.Microcode {
				t.Errorf("version %d, TCB %+v", r.u32(0), r.reported)
			}
			parent := amdRoot(t, c.product).ask
			if c.vlek {
				parent = amdRoot(t, c.product).asvk
			}
			err := errors.Join(signedBy(vek, parent, vek.NotBefore), matchVEK(vek, r, c.product, c.vlek), r.checkSignature(vek))
			if err != nil {
				t.Error(err)
			}
			for _, other := range genuine {
				if foreign := genuineVEK(t, other.vek); other.vek != c.vek && r.checkSignature(foreign) == nil {
					t.Errorf("'%s' endorses it too", other.vek)
				}
			}
			r.raw[0x90] ^= 1
			if r.checkSignature(vek) == nil {
				t.Error("a changed measurement is taken")
			}
		})
	}
}

// go-sev-guest agrees, with the roots that it brings.
func TestGenuineReportsVerifyByGoSEVGuest(t *testing.T) {
	for _, c := range genuine {
		if c.product == "Turin" || c.version == 2 && c.name != "milan-v2" {
			continue // beyond it; and it wants the stepping of version 2
		}
		report, err := abi.ReportToProto(sample(t, "snp/"+c.name+"-report.bin"))
		if err != nil {
			t.Fatal(err)
		}
		vek, chain := genuineVEK(t, c.vek), amdRoot(t, c.product)
		certs := &spb.CertificateChain{ArkCert: chain.ark.Raw, AskCert: chain.ask.Raw, VcekCert: vek.Raw}
		if c.vlek {
			certs = &spb.CertificateChain{ArkCert: chain.ark.Raw, AskCert: chain.asvk.Raw, VlekCert: vek.Raw}
		}
		options := &verify.Options{DisableCertFetching: true, Now: vek.NotBefore.AddDate(0, 1, 0)}
		if err := verify.SnpAttestation(&spb.Attestation{Report: report, CertificateChain: certs}, options); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestGenuineEvidenceOfSienaVerifies(t *testing.T) {
	o, err := strictjson.Parse(sample(t, "snp/genoa-siena-evidence.json"))
	if err != nil {
		t.Fatal(err)
	}
	inner, _ := o.Obj("attestation_report")
	r, err := parseReport(inner)
	if err != nil {
		t.Fatal(err)
	}
	given, err := parseChain(o)
	if err != nil {
		t.Fatal(err)
	}
	vek, err := x509.ParseCertificate(given.der)
	if err != nil {
		t.Fatal(err)
	}
	product := productOf(r.raw[0x188], r.raw[0x189])
	if err := errors.Join(signedBy(vek, amdRoot(t, "Genoa").ask, vek.NotBefore), matchVEK(vek, r, product, given.vlek), r.checkSignature(vek)); err != nil {
		t.Error(err)
	}
}

// AMD's endorsement certificates have the serial number 0.
func TestSerialNumber0IsTaken(t *testing.T) {
	for _, c := range genuine {
		if vek := genuineVEK(t, c.vek); vek.SerialNumber.Sign() != 0 {
			t.Errorf("'%s' has the serial number %v", c.vek, vek.SerialNumber)
		}
	}
}

// A level of 128 and more has a zero in front of it in DER, and is positive.
func TestSPLOf128AndMoreIsReadRight(t *testing.T) {
	for name, want := range map[string]int{"milan-v3-vcek": 219, "milan-vlek": 217, "vcek-hwid-raw": 169, "genoa-v5-vcek": 84} {
		vek := genuineVEK(t, name)
		if got, err := intExtension(vek, 3, 8); err != nil || got != want {
			t.Errorf("'%s': microcode %d, want %d: %v", name, got, want, err)
		}
		if raw := extension(vek, 3, 8); (len(raw) == 4 && raw[2] == 0) != (want >= 128) {
			t.Errorf("'%s': encoded as %x", name, raw)
		}
	}
}

// The hardware ID stands bare in genuine certificates, 64 bytes and 8 for Turin; others
// wrap it into an OCTET STRING. A VLEK has none.
func TestBothEncodingsOfTheHardwareID(t *testing.T) {
	for _, c := range genuine {
		hwid := extension(genuineVEK(t, c.vek), 4)
		if len(hwid) != c.octets {
			t.Errorf("'%s': %d bytes, want %d", c.vek, len(hwid), c.octets)
		}
	}
	if hwid := extension(genuineVEK(t, "vcek-hwid-raw"), 4); len(hwid) != 64 || hwid[1] != 1 || hwid[2] != 2 {
		t.Errorf("hardware ID %x", hwid)
	}
	for _, product := range []string{"Milan", "Turin"} {
		size := map[string]int{"Milan": 64, "Turin": 8}[product]
		bare := bytes.Repeat([]byte{0xA5}, size)
		wrapped := append([]byte{4, byte(size)}, bare...)
		chip := regularize(bare, 64)
		for name, hwid := range map[string][]byte{"bare": bare, "wrapped": wrapped} {
			if err := matchHWID(hwid, chip, product); err != nil {
				t.Errorf("%s, %s: %v", product, name, err)
			}
		}
		for name, hwid := range map[string][]byte{"cut": bare[1:], "cut inside": wrapped[:size+1], "longer": append(bare, 0), "none": nil,
			"longer behind": append(wrapped, 0), "other tag": append([]byte{5, byte(size)}, bare...), "the other product's": make([]byte, 72-size)} {
			if matchHWID(hwid, chip, product) == nil {
				t.Errorf("%s: %s is taken", product, name)
			}
		}
		chip[63] ^= 1
		if matchHWID(bare, chip, product) == nil {
			t.Errorf("%s: another chip's is taken", product)
		}
	}
}

// Genuine reports that nobody should accept, or that say too little.
func TestGenuineReportsThatAreRefused(t *testing.T) {
	roots := &Roots{amd: map[string]*amdChain{}, now: func() time.Time { return genuineVEK(t, "milan-vlek").NotBefore.AddDate(0, 1, 0) }}
	for product := range arkPins {
		roots.amd[product] = amdRoot(t, product)
	}
	for name, why := range map[string]string{"milan-v2": "report version 2 is none of 3, 4, 5", "milan-v2-debug": "report version 2"} {
		r := &forge.Report{}
		copy(r.Raw[:], sample(t, "snp/"+name+"-report.bin"))
		text, err := json.Marshal(map[string]any{"attestation_report": reportJSON(r, false), "cert_chain": nil})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := (&SNP{roots}).Verify(text, nil, nil); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %v, want '%s'", name, err, why)
		}
	}
	debug := readReport(sample(t, "snp/milan-v2-debug-report.bin"))
	if debug.claims()["policy_debug_allowed"] != true {
		t.Error("the debug bit, which a policy must refuse, is not among the claims")
	}
	vmpl1 := readReport(sample(t, "snp/milan-v3-vlek-report.bin"))
	if err := vmpl1.carries(snpExpected(vmpl1.raw[0x50:0x90], nil)); err == nil || !strings.Contains(err.Error(), "report VMPL 1 is not 0") {
		t.Errorf("VMPL 1: %v", err)
	}
	masked := readReport(sample(t, "snp/milan-v3-vlek-report.bin"))
	if !bytes.Equal(masked.raw[0x1A0:0x1E0], make([]byte, 64)) {
		t.Error("the chip id is not masked")
	}
	if err := matchHWID(extension(genuineVEK(t, "milan-v3-vcek"), 4), masked.raw[0x1A0:0x1E0], "Milan"); err == nil {
		t.Error("a VCEK endorses a masked chip id")
	}
}
