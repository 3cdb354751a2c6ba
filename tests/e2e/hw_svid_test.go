// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"encoding/hex"
	"fmt"
	"syscall"
	"testing"
	"time"

	"sealpod.test/e2e/lab"
	"sealpod.test/tee"
	"sealpod.test/tee/forge"
)

// knownGood releases resources to the machine that the emulation is unless told
// otherwise, and to no other: launch measurement and debug bit decide.
func knownGood() string {
	snp := forge.NewReport(forge.Products["Milan"], 3).Get("measurement")
	tdx := forge.NewBody(false).Get("mr_td")
	return fmt.Sprintf(`package policy
import rego.v1
default allow := false
evidence := input.submods.cpu0["ear.veraison.annotated-evidence"]
allow if {
	evidence.snp.measurement == "%x"
	evidence.snp.policy_debug_allowed == false
}
allow if {
	evidence.tdx.quote.body.mr_td == "%x"
	evidence.tdx.td_attributes.debug == false
	evidence.tdx.tcb_status == "UpToDate"
	count(evidence.tdx.uefi_event_logs) > 0
}
`, snp, tdx)
}

// machines are those on which an identity must be had.
var machines = []struct {
	name    string
	options tee.Options
	tee     string
	product string // of go-sev-guest, where it knows it
}{
	{"snp by configfs", tee.Options{Kind: tee.KindSNP}, "snp", "Milan"},
	{"snp by ioctl", tee.Options{Kind: tee.KindSNPIoctl}, "snp", "Milan"},
	{"snp Genoa with VLEK", tee.Options{Kind: tee.KindSNP, Product: "Genoa", ReportVersion: 4, VLEK: true}, "snp", "Genoa"},
	{"snp Turin", tee.Options{Kind: tee.KindSNP, Product: "Turin", ReportVersion: 5}, "snp", "Turin"},
	{"snp Turin by ioctl", tee.Options{Kind: tee.KindSNPIoctl, Product: "Turin", ReportVersion: 5}, "snp", "Turin"},
	{"tdx 1.0", tee.Options{Kind: tee.KindTDX}, "tdx", ""},
	{"tdx 1.0 with quote of version 5", tee.Options{Kind: tee.KindTDXv5}, "tdx", ""},
	{"tdx 1.5", tee.Options{Kind: tee.KindTDX15}, "tdx", ""},
}

// The whole way on hardware evidence: what a policy lets through by its claims
// becomes the identity of a workload, for one attestation and one report.
func TestSVIDReachesTheWorkloadOnHardwareEvidence(t *testing.T) {
	t.Parallel()
	for _, c := range machines {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.options.Roots = ownRoots(t)
			m := boot(t, c.options)
			f := onMachine(t, lab.FixtureOptions{RealAgent: true}, knownGood(), c.options.Roots)
			path := "/hw/" + hex.EncodeToString([]byte(c.name))
			f.Spire.Entry(t, f.Credential.AgentID(), path, workloadUID)
			makePublicDir(t, f)
			p := m.startRun(t, f)
			f.WaitForExec(t, p, 60*time.Second)
			svid := lab.FetchID(t, f.Socket, workloadUID, "spiffe://"+lab.TrustDomain+path, 40*time.Second)
			if !svid.Verified {
				t.Error("the SVID does not verify against the trust bundle")
			}
			seen := f.KBS.Counters()
			if lab.Handshakes(seen) != 1 || seen.Attest != 1 || seen.Last == nil || seen.Last.TEE != c.tee {
				t.Errorf("the broker saw %d attestations, verified %d, the last %+v; want one of TEE %s", lab.Handshakes(seen), seen.Attest, seen.Last, c.tee)
			}
			m.checkCost(t, 1)
			p.Signal(syscall.SIGTERM)
			p.Wait(t, 20*time.Second)
			if p.Status() != 0 {
				t.Errorf("the agent ended with %d on SIGTERM\n%s", p.Status(), p)
			}
		})
	}
}

// A policy on the claims is obeyed at once: nobody spends another attestation, or
// another report, on a denial.
func TestPolicyDeniesByClaims(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		options tee.Options
	}{
		{"another SNP measurement", tee.Options{Kind: tee.KindSNP, Set: map[string]string{"measurement": "abad1dea"}}},
		{"another SNP measurement by ioctl", tee.Options{Kind: tee.KindSNPIoctl, Set: map[string]string{"measurement": "abad1dea"}}},
		{"another MRTD", tee.Options{Kind: tee.KindTDX, Set: map[string]string{"mr_td": "abad1dea"}}},
		{"another MRTD on TDX 1.5", tee.Options{Kind: tee.KindTDX15, Set: map[string]string{"mr_td": "abad1dea"}}},
		{"no event log that fits", tee.Options{Kind: tee.KindTDX, BrokenLog: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.options.Roots = ownRoots(t)
			m := boot(t, c.options)
			f := onMachine(t, lab.FixtureOptions{}, knownGood(), c.options.Roots)
			p := m.run(t, f)
			f.Check(t, p, lab.Refusal{Status: 102, Message: []string{"PolicyDeny", lab.PathCombined}, Attests: 1, MinGets: 1})
			m.checkCost(t, 1)
		})
	}
}
