// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"sealpod.test/e2e/lab"
	"sealpod.test/kbs"
)

// Who is handed a new issuer by the KBS must find its alias: when the KBS is told the first thing, the entries are there.
func TestCtlApplyMakesEntriesFirst(t *testing.T) {
	t.Parallel()
	server := lab.OwnServer(t, "1h")
	l := newApplyLab(t, "trustee-1.1", nil)
	l.edit(`trust_domain = "example.test"`, `trust_domain = "`+lab.TrustDomain+`"`)
	l.edit("version = \"1.15.2\"\n", "version = \"1.15.2\"\napi = \""+server.API()+"\"\n")
	const reads = 2 // of the two reference values, for the plan
	lab.AddFault(t, l.broker, kbs.Fault{Kind: "delay", Step: "admin", DelayMS: 300})
	l.broker.ResetCounters()
	p := lab.Ctl(t, l.dir, "apply")
	lab.Eventually(t, time.Minute, "the first thing that the KBS is told", func() (bool, string) {
		if !p.Running() {
			t.Fatalf("ended: %v", p)
		}
		n := l.broker.Counters().Requests["admin"]
		return n > reads, fmt.Sprint(n)
	})
	if entries := server.Entries(t); len(entries) != 3 {
		t.Errorf("%d entries are there when the KBS is told", len(entries))
	}
	if n := l.broker.Counters().Requests["admin"]; n > reads+4 {
		t.Errorf("that was seen too late, at call %d", n)
	}
	p.Wait(t, time.Minute)
	if p.Status() != 0 {
		t.Errorf("%v", p)
	}
	l.wantContents()
}

// A record that was lost is made anew from what the KBS can be asked for, too: what is then not wanted any more is known to
// be ours.
func TestCtlApplyAdoptsWhatIsThere(t *testing.T) {
	t.Parallel()
	l := newApplyLab(t, "trustee-1.1", nil)
	values := ""
	for _, name := range []string{"mr_td", "rtmr_1", "rtmr_2", "rtmr_0"} {
		values += fmt.Sprintf("%s = [%q]\n", name, goodLaunch)
	}
	text := strings.Replace(l.read("deployment.toml"), `tees = ["snp"]`, `tees = ["snp", "tdx"]`, 1)
	l.write("deployment.toml", text)
	l.edit("[image.reference_values]\n", "[image.reference_values]\n"+values)
	l.run(0, "apply")
	if err := os.Remove(l.path("out/record.json")); err != nil {
		t.Fatal(err)
	}
	l.run(0, "apply")
	l.edit(fmt.Sprintf("rtmr_0 = [%q]\n", goodLaunch), "")
	if items := l.items(2); items["reference-value rtmr_0"] != "left" {
		t.Errorf("rtmr_0 is '%s', want it left", items["reference-value rtmr_0"])
	}
	l.run(0, "apply", "--prune")
	if value := l.broker.Contents().ReferenceValues["rtmr_0"]; strings.Contains(value, goodLaunch) {
		t.Errorf("rtmr_0 is still %s", value)
	}
}
