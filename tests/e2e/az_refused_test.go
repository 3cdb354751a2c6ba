// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"testing"
	"time"

	"sealpod.test/azure"
	"sealpod.test/e2e/lab"
)

// azTrouble is what is wrong with an Azure VM, and what sealpod makes of it.
type azTrouble struct {
	name     string
	change   func(*azure.Options)
	fault    string
	measured string        // init-data of this class in place of the right one
	deadline time.Duration // of the run, where the usual one is too long to wait for
	status   int
	said     string
	snp, tdx azCost // the VCEK is asked for first, the TD quote last
}

// What is wrong is seen in the guest: the run ends with the status and the words
// that tell it apart from a denial, and no evidence leaves the VM.
func TestAzureEvidenceThatIsNotSent(t *testing.T) {
	t.Parallel()
	const short = 6 * time.Second
	for _, c := range []azTrouble{
		{
			name: "stale HCL report", fault: "stale", deadline: short,
			status: 111, said: "the HCL report is stale: its claims carry other report data", snp: azCost{1, 1}, tdx: azCost{1, 0},
		},
		{
			name: "foreign AK", fault: "foreign-ak",
			status: 101, said: "the TPM's quote is not signed by the key 'HCLAkPub' that the HCL report names", snp: azCost{1, 1}, tdx: azCost{1, 0},
		},
		{
			name: "PCR digest race that never settles", fault: "pcr-race", deadline: short,
			status: 111, said: "the PCRs changed between quote and reading", snp: azCost{several, several}, tdx: azCost{several, 0},
		},
		{
			name: "swapped PCR 8", measured: "beta\n",
			status: 101, said: "this VM was started with another init-data", snp: azCost{1, 1}, tdx: azCost{1, 0},
		},
		{
			name: "TPM with no HCL", change: func(o *azure.Options) { o.NoHCL = true },
			status: 101, said: "'/dev/tpmrm0' (there, HCL report: none)",
		},
		{
			name: "metadata service down", change: func(o *azure.Options) { o.NoIMDS = true }, deadline: short,
			status: 111, said: "no connection to '169.254.169.254:80'", tdx: azCost{several, 0},
		},
		{
			name: "metadata service answers HTML", fault: "imds-html",
			status: 111, said: "it answered with status 200 and a web page", snp: azCost{0, 1}, tdx: azCost{1, 1},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			t.Run("snp", func(t *testing.T) { c.check(t, azure.KindSNP, c.snp) })
			t.Run("tdx", func(t *testing.T) { c.check(t, azure.KindTDX, c.tdx) })
		})
	}
}

func (c azTrouble) check(t *testing.T, kind string, cost azCost) {
	t.Parallel()
	o := azure.Options{Kind: kind}
	if c.change != nil {
		c.change(&o)
	}
	var faults []string
	if c.fault != "" {
		faults = []string{c.fault}
	}
	m := bootAzure(t, o, false, faults...)
	if c.deadline != 0 {
		m.fixture.Config.Deadline = c.deadline
	}
	instead := ""
	if c.measured != "" {
		instead = initDataText("sha256", map[string]string{"class": c.measured})
	}
	m.measure(t, instead)
	p := m.start(t, "run")
	p.Wait(t, waitLimit)
	m.fixture.Check(t, p, lab.Refusal{Status: c.status, Message: []string{c.said}})
	if instead != "" { // both values
		checkSaid(t, p, pcr8(t, instead), pcr8(t, m.initData))
	}
	m.checkCost(t, cost)
}

// pcr8 is PCR 8 of a VM whose image has measured this init-data.
func pcr8(t *testing.T, text string) string {
	t.Helper()
	digest, err := hex.DecodeString(digestOf(t, "sha256", text))
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(append(make([]byte, 32), digest...))
	return hex.EncodeToString(sum[:])
}
