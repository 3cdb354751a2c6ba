// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"

	snp "github.com/google/go-sev-guest/abi"
	tdx "github.com/google/go-tdx-guest/abi"
	tdxpb "github.com/google/go-tdx-guest/proto/tdx"

	"sealpod.test/kbs/hardware"
	"sealpod.test/tee"
)

// verify gives evidence to the broker's own verifier.
func verify(t *testing.T, roots, name string, evidence json.RawMessage, reportData []byte) (map[string]any, error) {
	t.Helper()
	loaded, err := hardware.Load(roots)
	if err != nil {
		t.Fatal(err)
	}
	for _, verifier := range loaded.Verifiers() {
		if verifier.Name() == name {
			return verifier.Verify(evidence, reportData, nil)
		}
	}
	t.Fatalf("no verifier of TEE '%s'", name)
	return nil, nil
}

// What `sealpod attest --format json` prints is exactly what the verifier takes,
// bound to the report data and to no other.
func TestPrintedEvidenceIsWhatTheVerifierTakes(t *testing.T) {
	t.Parallel()
	reportData := sha512.Sum384([]byte("asked for"))
	other := sha512.Sum384([]byte("not asked for"))
	for _, c := range machines {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.options.Roots = ownRoots(t)
			m := boot(t, c.options)
			p := m.attest(t, "--format", "json", "--report-data", hex.EncodeToString(reportData[:]))
			if p.Status() != 0 {
				t.Fatalf("status %d\n%s", p.Status(), p)
			}
			evidence := json.RawMessage(strings.TrimSuffix(p.Stdout.String(), "\n"))
			claims, err := verify(t, c.options.Roots, c.tee, evidence, reportData[:])
			if err != nil {
				t.Fatalf("the verifier refuses it: %v", err)
			}
			if want := hex.EncodeToString(reportData[:]) + strings.Repeat("0", 32); claims["report_data"] != want {
				t.Errorf("report data %v, want %s", claims["report_data"], want)
			}
			if _, err := verify(t, c.options.Roots, c.tee, evidence, other[:]); err == nil || !strings.Contains(err.Error(), "REPORT_DATA") {
				t.Errorf("other report data is accepted: %v", err)
			}
			m.checkCost(t, 1)
		})
	}
}

// What `sealpod attest` prints for people has the fields that matter, TCB and flags in
// words, and what a look at them found.
func TestTextForPeople(t *testing.T) {
	t.Parallel()
	for _, c := range machines {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m := boot(t, c.options)
			p := m.attest(t, "--report-data", "c0ffee")
			want := []string{"kind  ", "of the TEE '" + c.tee + "'", "c0ffee00"}
			switch {
			case c.tee == "tdx":
				want = append(want, "REPORTDATA  ", "TDATTRIBUTES         0x10000000, no debug, SEPT_VE_DISABLE\n", "MRTD  ", "MRCONFIGID  ",
					"RTMR0  ", "TEE_TCB_SVN  ", "the log replays to the RTMRs of the quote", "EV_SEPARATOR")
			case c.product == "Turin":
				want = append(want, "REPORTED_TCB           FMC 1, boot loader 10, TEE 0, SNP 23, microcode 213\n", "product                Turin")
			default:
				want = append(want, "REPORTED_TCB           boot loader 10, TEE 0, SNP 23, microcode 213\n")
			}
			if c.tee == "snp" {
				want = append(want, "REPORT_DATA  ", "POLICY                 0x30000, SMT allowed, no migration agent, debugging forbidden\n", "MEASUREMENT  ",
					"HOST_DATA  ", "SHA-256  ", "type                   ASK\n")
			}
			if c.product == "Milan" {
				want = append(want, "findings\n  warning                the processor is of the Milan generation")
			}
			for _, words := range want {
				if !strings.Contains(p.Stdout.String(), words) {
					t.Errorf("status %d, no '%s' in\n%s", p.Status(), words, p)
				}
			}
			m.checkCost(t, 1)
		})
	}
}

// A number of 64 bits reaches the verifier with each of them: the signature would not
// hold otherwise. Bits without a name are none to refuse.
func TestNumbersOf64BitsReachTheVerifier(t *testing.T) {
	t.Parallel()
	for _, value := range []string{"0x1fffffffffffff", "0x20000000000000", "0x20000000000001", "0x8000000000000001", "0xffffffffffffffff"} {
		for _, field := range []string{"launch_mit_vector", "current_mit_vector"} {
			t.Run(field+"="+value, func(t *testing.T) {
				t.Parallel()
				o := tee.Options{Kind: tee.KindSNP, Product: "Genoa", ReportVersion: 5, Set: map[string]string{field: value}}
				o.Roots = ownRoots(t)
				m := boot(t, o)
				p := m.attest(t, "--format", "json", "--report-data", "c0ffee")
				if p.Status() != 0 {
					t.Fatalf("status %d\n%s", p.Status(), p)
				}
				if _, err := verify(t, o.Roots, "snp", json.RawMessage(p.Stdout.String()), []byte{0xc0, 0xff, 0xee}); err != nil {
					t.Errorf("the verifier refuses it: %v", err)
				}
				if p := m.attest(t); p.Status() != 0 || !strings.Contains(p.Stdout.String(), value) {
					t.Errorf("status %d, without '%s'\n%s", p.Status(), value, p)
				}
			})
		}
	}
}

// What `sealpod attest --format raw` prints is the report or quote itself, and
// others can read it.
func TestRawReportsAndQuotesParse(t *testing.T) {
	t.Parallel()
	const reportData = "c0ffee"
	for _, c := range machines {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m := boot(t, c.options)
			p := m.attest(t, "--format", "raw", "--report-data", reportData)
			if p.Status() != 0 {
				t.Fatalf("status %d\n%s", p.Status(), p)
			}
			found, err := reportDataOf(c.tee, []byte(p.Stdout.String()))
			if err != nil {
				t.Fatal(err)
			}
			if got := hex.EncodeToString(found); got != reportData+strings.Repeat("0", 122) {
				t.Errorf("report data %s", got)
			}
			m.checkCost(t, 1)
		})
	}
}

// reportDataOf reads a report or quote with Google's libraries. The quotes of
// version 5 are beyond theirs: there the place is that of the version's layout,
// behind header, type and size of the body.
func reportDataOf(kind string, raw []byte) ([]byte, error) {
	const headV5, reportDataAt = 48 + 6, 520
	if kind == "snp" {
		report, err := snp.ReportToProto(raw)
		return report.GetReportData(), err
	}
	if raw[0] == 5 {
		return raw[headV5+reportDataAt:][:64], nil
	}
	quote, err := tdx.QuoteToProto(raw)
	v4, _ := quote.(*tdxpb.QuoteV4)
	return v4.GetTdQuoteBody().GetReportData(), err
}
