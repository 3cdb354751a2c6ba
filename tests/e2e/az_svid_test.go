// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"sealpod.test/azure"
	"sealpod.test/e2e/lab"
)

// The whole way on evidence of a vTPM: init-data measured into PCR 8 early in the
// boot, a policy that goes by it, an identity for a workload; for one attestation,
// one HCL report and one call of the metadata service.
func TestSVIDReachesTheWorkloadOnAzure(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		options azure.Options
		fault   []string
		cost    azCost
		args    []string
	}{
		{"snp", azure.Options{Kind: azure.KindSNP}, nil, azCost{1, 1}, nil},
		{"tdx", azure.Options{Kind: azure.KindTDX}, nil, azCost{1, 1}, nil},
		{"snp, HCL 2, underscores, slow paravisor", azure.Options{Kind: azure.KindSNP, HCLv2: true, Snake: true}, []string{"delay=1500ms"}, azCost{1, 1}, nil},
		{"tdx, quote of version 5, padded base64, HCL report of 2600 bytes", azure.Options{Kind: azure.KindTDX, TDQuote5: true, Base64: "std", Lower: true, LongHCL: true}, nil, azCost{1, 1}, nil},
		{"plain TPM, by name", azure.Options{Kind: azure.KindTPM}, nil, azCost{0, 0}, []string{"--tee", "tpm"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m := bootAzure(t, c.options, true, c.fault...)
			p := m.reachWorkload(t, "/az/"+hex.EncodeToString([]byte(c.name)), azTEE(c.options), c.args...)
			m.checkCost(t, c.cost)
			if c.options.Kind == azure.KindTPM {
				checkSaid(t, p, "'tpm' is no TEE")
			}
		})
	}
}

// reachWorkload measures, starts, and lets a workload ask for its SVID.
func (m *azMachine) reachWorkload(t *testing.T, path, tee string, args ...string) *lab.Process {
	t.Helper()
	f := m.fixture
	f.Spire.Entry(t, f.Credential.AgentID(), path, workloadUID)
	makePublicDir(t, f)
	m.measure(t, "")
	p := m.start(t, append([]string{"run"}, args...)...)
	f.WaitForExec(t, p, 60*time.Second)
	svid := lab.FetchID(t, f.Socket, workloadUID, "spiffe://"+lab.TrustDomain+path, 40*time.Second)
	if !svid.Verified {
		t.Error("the SVID does not verify against the trust bundle")
	}
	seen := f.KBS.Counters()
	if lab.Handshakes(seen) != 1 || seen.Attest != 1 || seen.Last == nil || seen.Last.TEE != tee {
		t.Errorf("the broker saw %d attestations, verified %d, the last %+v; want one of TEE %s", lab.Handshakes(seen), seen.Attest, seen.Last, tee)
	}
	checkUnsaid(t, p, "not measured")
	p.Signal(syscall.SIGTERM)
	p.Wait(t, 20*time.Second)
	if p.Status() != 0 {
		t.Errorf("the agent ended with %d on SIGTERM\n%s", p.Status(), p)
	}
	return p
}

// Two at once on one machine want the same index of the vTPM: both get their evidence, the
// one after the other, each of its own report data.
func TestTwoAttestAtOnceOnAzure(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{azure.KindSNP, azure.KindTDX} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			m := bootAzure(t, azure.Options{Kind: kind}, false, "delay=1s")
			data := func(i int) string { return strings.Repeat(fmt.Sprintf("%02x", 0xA0+i), 32) }
			began := time.Now()
			m.attest(t, "--report-data", data(1))
			alone := time.Since(began)
			began = time.Now()
			both := []*lab.Process{m.start(t, "attest", "--report-data", data(2)), m.start(t, "attest", "--report-data", data(3))}
			for i, p := range both {
				p.Wait(t, waitLimit)
				if p.Status() != 0 || !strings.Contains(p.Stdout.String(), data(2+i)) || strings.Contains(p.Stdout.String(), data(3-i)) || strings.Contains(p.Stdout.String(), "must be refused") {
					t.Errorf("program %d: %s", i, p)
				}
			}
			if took := time.Since(began); took > 2*alone+5*time.Second {
				t.Errorf("both took %s, one alone %s", took, alone)
			}
			m.checkCost(t, azCost{3, 3})
		})
	}
}

// A machine that has a TPM and no more is not attested by it unless somebody says so:
// nothing is sent.
func TestPlainTPMIsNotChosen(t *testing.T) {
	t.Parallel()
	m := bootAzure(t, azure.Options{Kind: azure.KindTPM}, false)
	m.measure(t, "")
	p := m.start(t, "run")
	p.Wait(t, waitLimit)
	m.fixture.Check(t, p, lab.Refusal{Status: 101, Message: []string{"'/dev/tpmrm0' (there, HCL report: none)"}})
}

// The policy of these tests is awake: with another PCR in it nothing is released,
// and nobody spends another attestation on that.
func TestPolicyDeniesByPCR8(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{azure.KindSNP, azure.KindTDX} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			m := bootAzure(t, azure.Options{Kind: kind}, false)
			policy := strings.Replace(azPolicy("az-"+kind+"-vtpm"), "pcr08", "pcr09", 1)
			if err := m.fixture.KBS.SetResourcePolicy(policy); err != nil {
				t.Fatal(err)
			}
			m.measure(t, "")
			p := m.start(t, "run")
			p.Wait(t, waitLimit)
			m.fixture.Check(t, p, lab.Refusal{Status: 102, Message: []string{"PolicyDeny", lab.PathCombined}, Attests: 1, MinGets: 1})
			m.checkCost(t, azCost{1, 1})
			// What was sent: the vTPM's part, init-data, and the hardware's.
			checkSaid(t, p, "sent as TEE              az-"+kind+"-vtpm", "PCR digest", "PCR 8 (init-data)        "+pcr8(t, m.initData),
				"init-data digest         "+digestOf(t, "sha256", m.initData), "bound in               PCR 8", "debugging allowed      no",
				map[string]string{azure.KindSNP: "MEASUREMENT", azure.KindTDX: "MRTD"}[kind], map[string]string{azure.KindSNP: "REPORTED_TCB", azure.KindTDX: "TEE_TCB_SVN"}[kind])
		})
	}
}

// The instance of a minted credential is the REPORT_ID of the SNP report within the HCL report;
// a TDREPORT has none, and a random name is kept.
func TestInstanceOnAzure(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{azure.KindSNP, azure.KindTDX} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			m := bootAzure(t, azure.Options{Kind: kind}, false)
			f := m.fixture
			ca := newClassIssuer(t, "issuer-azure", f.Spire.CA, issuerOptions{})
			put(t, f, pathClassIssuer, issuerPEM(t, ca))
			mintFor(f, "azure")
			m.measure(t, "")
			raw := m.start(t, "attest", "--format", "raw")
			raw.Wait(t, waitLimit)
			p := m.start(t, "run", "--exec")
			p.Wait(t, waitLimit)
			_, leaf, _ := minted(t, lab.CheckExec(t, p).PrivateKey)
			instance := leaf.Subject.CommonName
			if kind == azure.KindTDX {
				if kept := readInstance(t, f.RuntimeDir); kept != instance || len(kept) != 32 {
					t.Errorf("the instance is '%s', '%s' is kept", instance, kept)
				}
				return
			}
			const hardware, reportID = 0x20, 0x140
			if want := hex.EncodeToString([]byte(raw.Stdout.String())[hardware+reportID:][:32]); instance != want || strings.Trim(want, "0") == "" {
				t.Errorf("the instance is '%s', the REPORT_ID '%s'", instance, want)
			}
			if _, err := os.Stat(filepath.Join(f.RuntimeDir, "instance")); !os.IsNotExist(err) {
				t.Errorf("a name is kept beside it: %v", err)
			}
		})
	}
}
