// SPDX-License-Identifier: Apache-2.0

package hardware

import (
	"bytes"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	tdxverify "github.com/google/go-tdx-guest/verify"
)

// intelAt has Intel's root and, of the collateral, what the file has.
func intelAt(t *testing.T, when string) (*Roots, map[string]string) {
	t.Helper()
	now, err := time.Parse(time.DateOnly, when)
	if err != nil {
		t.Fatal(err)
	}
	var c map[string]string
	if err := json.Unmarshal(sample(t, "tdx/v4-qvl-collateral.json"), &c); err != nil {
		t.Fatal(err)
	}
	response := func(member, body, signature string) []byte {
		return []byte(`{"` + member + `":` + c[body] + `,"signature":"` + c[signature] + `"}`)
	}
	fromHex := func(name string) []byte {
		der, err := hex.DecodeString(c[name])
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	return &Roots{now: func() time.Time { return now }, intel: &intelRoots{
		root:       parsePEM(t, sample(t, "tdx/intel-sgx-root-ca.pem"))[0],
		platformCA: parsePEM(t, []byte(c["pck_crl_issuer_chain"]))[0],
		tcbSigning: parsePEM(t, []byte(c["tcb_info_issuer_chain"]))[0],
		rootCRL:    fromHex("root_ca_crl"), pckCRL: fromHex("pck_crl"),
		tcbInfo:    response("tcbInfo", "tcb_info", "tcb_info_signature"),
		qeIdentity: response("enclaveIdentity", "qe_identity", "qe_identity_signature"),
	}}, c
}

func genuineQuote(t *testing.T, name string) *quote {
	t.Helper()
	q, err := parseQuote(sample(t, "tdx/"+name+".dat"))
	if err != nil {
		t.Fatal(err)
	}
	return q
}

var genuineQuotes = []string{"v4-cos113", "v4-debug-td", "v4-go-spr", "v4-mrconfigid", "v4-qvl", "v5-go"}

// Quote, QE report and chain of each hold, up to Intel's root; go-tdx-guest agrees on
// version 4. What trails behind is not looked at.
func TestGenuineQuotesVerify(t *testing.T) {
	for _, name := range genuineQuotes {
		t.Run(name, func(t *testing.T) {
			q := genuineQuote(t, name)
			roots, _ := intelAt(t, q.chain[0].NotBefore.AddDate(0, 0, 2).Format(time.DateOnly))
			if q.chain[1].Subject.CommonName != "Intel SGX PCK Platform CA" {
				roots.intel.platformCA = q.chain[1]
			}
			if err := q.checkSignatures(roots); err != nil {
				t.Error(err)
			}
			for _, spoil := range []func(*quote){
				func(q *quote) { q.signed = bytes.Clone(q.signed); q.signed[len(q.signed)-1] ^= 1 },
				func(q *quote) { q.signed = bytes.Clone(q.signed); q.signed[48] ^= 1 }, // type and size, in version 5
				func(q *quote) { q.authData = append([]byte{1}, q.authData...) },
				func(q *quote) { q.qeReport = bytes.Clone(q.qeReport); q.qeReport[64] ^= 1 },
			} {
				spoilt := *q
				spoil(&spoilt)
				if spoilt.checkSignatures(roots) == nil {
					t.Error("a changed quote is taken")
				}
			}
			if q.version == 4 {
				options := &tdxverify.Options{Now: roots.now()}
				if err := tdxverify.RawTdxQuote(sample(t, "tdx/"+name+".dat"), options); err != nil {
					t.Errorf("go-tdx-guest: %v", err)
				}
			}
		})
	}
}

func TestGenuineQuotesHaveBytesBehindThem(t *testing.T) {
	for name, want := range map[string]int{"v4-cos113": 3065, "v4-debug-td": 0, "v4-go-spr": 39, "v4-mrconfigid": 70, "v4-qvl": 70, "v5-go": 0} {
		q, raw := genuineQuote(t, name), sample(t, "tdx/"+name+".dat")
		length := len(q.signed) + 4 + int(raw[len(q.signed)]) + int(raw[len(q.signed)+1])<<8
		if len(raw)-length != want {
			t.Errorf("'%s' has %d bytes behind it, want %d", name, len(raw)-length, want)
		}
	}
}

// The debug bit is under a valid signature, and among the claims.
func TestGenuineQuoteOfADebugTD(t *testing.T) {
	for _, name := range genuineQuotes {
		flags := genuineQuote(t, name).claims()["td_attributes"].(map[string]any)
		if flags["debug"] != (name == "v4-debug-td") {
			t.Errorf("'%s': debug %v", name, flags["debug"])
		}
	}
}

// The collateral of one of them is at hand: rated within its month, expired before
// and after, and of no use for another platform.
func TestGenuineCollateral(t *testing.T) {
	for _, c := range []struct{ when, quote, status, why string }{
		{"2025-07-01", "v4-qvl", "UpToDate", ""},
		{"2025-08-01", "v4-qvl", "", "the collateral has expired"},
		{"2025-07-01", "v4-go-spr", "", "of another platform"},
		{"2010-07-01", "v4-qvl", "", "outside of its validity"},
	} {
		roots, _ := intelAt(t, c.when)
		status, err := genuineQuote(t, c.quote).tcbStatus(roots)
		if status != c.status || (err == nil) != (c.why == "") || (err != nil && !strings.Contains(err.Error(), c.why)) {
			t.Errorf("%s at %s: '%s', %v; want '%s', '%s'", c.quote, c.when, status, err, c.status, c.why)
		}
	}
}

// Each file of collateral with the quote that it was made for.
func TestGenuineTCBLevels(t *testing.T) {
	for _, c := range []struct{ when, quote, tcbInfo, status, why string }{
		{"2023-07-01", "v4-go-spr", "v4-go-tcbinfo", "", "the platform reaches no level of the TCB info"},
		{"2026-02-10", "v5-go", "v5-go-tcbinfo", "UpToDate", ""},
		{"2026-04-10", "v5-go", "v5-go-tcbinfo", "", "the collateral has expired"},
	} {
		roots, _ := intelAt(t, c.when)
		roots.intel.tcbSigning = everValid(roots.intel.tcbSigning)
		roots.intel.tcbInfo = sample(t, "tdx/"+c.tcbInfo+".json")
		status, err := rateWithoutQE(t, genuineQuote(t, c.quote), roots)
		if status != c.status || (err == nil) != (c.why == "") || (err != nil && !strings.Contains(err.Error(), c.why)) {
			t.Errorf("%s: '%s', %v; want '%s', '%s'", c.quote, status, err, c.status, c.why)
		}
	}
	roots, _ := intelAt(t, "2023-07-01")
	roots.intel.tcbSigning = everValid(roots.intel.tcbSigning)
	roots.intel.qeIdentity = sample(t, "tdx/v4-go-qeidentity.json")
	var identity map[string]any
	if err := roots.intel.signedObject(roots, roots.intel.qeIdentity, "enclaveIdentity", &identity); err != nil || identity["id"] != "TD_QE" {
		t.Errorf("QE identity '%v': %v", identity["id"], err)
	}
}

// everValid is the same certificate with other dates: those of 2023 are not at hand, and
// the signing key has remained.
func everValid(cert *x509.Certificate) *x509.Certificate {
	changed := *cert
	changed.NotBefore, changed.NotAfter = time.Time{}, cert.NotAfter.AddDate(100, 0, 0)
	return &changed
}

// rateWithoutQE rates platform and module alone: the QE identities at hand are of other
// months.
func rateWithoutQE(t *testing.T, q *quote, r *Roots) (string, error) {
	t.Helper()
	info, pck, err := q.tcbInfo(r)
	if err != nil {
		return "", err
	}
	platform, err := q.platformStatus(info, pck)
	if err != nil {
		return "", err
	}
	module, err := q.moduleStatus(info)
	if platform != module {
		t.Errorf("platform %s, module %s", platform, module)
	}
	return string(platform), err
}

// A signature covers the bytes as they were sent. Written anew they do not verify,
// though they say the same.
func TestReserialisedCollateralIsRefused(t *testing.T) {
	roots, _ := intelAt(t, "2025-11-01")
	verify := func(text []byte, member string) error {
		var ignored map[string]any
		return roots.intel.signedObject(roots, text, member, &ignored)
	}
	for file, member := range map[string]string{
		"tcbinfo-trustee": "tcbInfo", "enclaveidentity-trustee": "enclaveIdentity", "v4-go-tcbinfo": "tcbInfo", "v5-go-tcbinfo": "tcbInfo",
	} {
		text := sample(t, "tdx/"+file+".json")
		if err := verify(text, member); err != nil {
			t.Errorf("%s, as it was sent: %v", file, err)
		}
		var indented, compact bytes.Buffer
		if err := errors.Join(json.Indent(&indented, text, "", "  "), json.Compact(&compact, indented.Bytes())); err != nil {
			t.Fatal(err)
		}
		var sorted map[string]json.RawMessage
		if err := json.Unmarshal(text, &sorted); err != nil {
			t.Fatal(err)
		}
		var inner any
		if err := json.Unmarshal(sorted[member], &inner); err != nil {
			t.Fatal(err)
		}
		sorted[member], _ = json.Marshal(inner) // members in another order
		reordered, _ := json.Marshal(sorted)
		for how, text := range map[string][]byte{"indented": indented.Bytes(), "reordered": reordered} {
			if err := verify(text, member); err == nil || !strings.Contains(err.Error(), "does not verify") {
				t.Errorf("%s, %s: %v", file, how, err)
			}
		}
		if err := verify(compact.Bytes(), member); err != nil {
			t.Errorf("%s, put back: %v", file, err)
		}
	}
}

func TestIntelsRootIsTheOneInEachQuote(t *testing.T) {
	root := parsePEM(t, sample(t, "tdx/intel-sgx-root-ca.pem"))[0]
	for _, name := range genuineQuotes {
		if !genuineQuote(t, name).chain[2].Equal(root) {
			t.Errorf("'%s' brings another root", name)
		}
	}
	for file, issuer := range map[string]*x509.Certificate{"go-rootcrl": root, "go-pckcrl": genuineQuote(t, "v4-go-spr").chain[1]} {
		list, err := x509.ParseRevocationList(sample(t, "tdx/"+file+".der"))
		if err != nil {
			t.Fatal(err)
		}
		if err := list.CheckSignatureFrom(issuer); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}
