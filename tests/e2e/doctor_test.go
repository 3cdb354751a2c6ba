// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sealpod.test/e2e/lab"
	"sealpod.test/kbs"
	"sealpod.test/tee"
)

// diagnosis is what `doctor --json` prints.
type diagnosis struct {
	Checks []struct {
		Name, Result, Detail, Remedy string
		ExitStatus                   int `json:"exit_status"`
	}
	ExitStatus int `json:"exit_status"`
}

func parseDiagnosis(t *testing.T, p *lab.Process) diagnosis {
	t.Helper()
	var d diagnosis
	if err := json.Unmarshal([]byte(p.Stdout.String()), &d); err != nil {
		t.Fatalf("%v\n%s", err, p)
	}
	if d.ExitStatus != p.Status() {
		t.Errorf("the document says exit status %d, the process %d", d.ExitStatus, p.Status())
	}
	return d
}

// result is that of one check.
func (d diagnosis) result(name string) (result, detail, remedy string) {
	for _, c := range d.Checks {
		if c.Name == name {
			return c.Result, c.Detail, c.Remedy
		}
	}
	return "absent", "", ""
}

// firstFailure names the check that fails first, "" for none.
func (d diagnosis) firstFailure() string {
	for _, c := range d.Checks {
		if c.Result == "failed" {
			return c.Name
		}
	}
	return ""
}

func doctor(t *testing.T, f *lab.Fixture, args ...string) *lab.Process {
	t.Helper()
	p := lab.StartSealpod(t, f.Dir, append([]string{"doctor", "--unmeasured-config", f.ConfigPath(t)}, args...)...)
	p.Wait(t, 60*time.Second)
	return p
}

// checkNames is the order of the pipeline.
const checkNames = "locked-memory sealed-memory configuration agent runtime-dir socket-dir tee source init-data rest " +
	"kbs-name kbs-tcp kbs-tls kbs-auth clock attestation spire-name spire-tcp"

// Every precondition is looked at in the order of the pipeline, without an
// attestation and without a trace; status 0 where all is well.
func TestDoctorOfAHealthyGuest(t *testing.T) {
	t.Parallel()
	f := lab.NewFixture(t, lab.FixtureOptions{})
	f.Config.RuntimeDir = filepath.Join(f.RuntimeDir, "made", "by")
	p := doctor(t, f, "--json")
	if p.Status() != 0 {
		t.Fatal(p)
	}
	d := parseDiagnosis(t, p)
	var names []string
	for _, c := range d.Checks {
		names = append(names, c.Name)
		want := map[string]string{"configuration": "warning", "tee": "warning", "init-data": "skipped", "attestation": "skipped"}[c.Name]
		if want == "" {
			want = "ok"
		}
		if c.Result != want || c.Detail == "" || (want == "warning") != (c.Remedy != "") {
			t.Errorf("%+v, want '%s'", c, want)
		}
	}
	if got := strings.Join(names, " "); got != checkNames {
		t.Errorf("the checks are '%s'", got)
	}
	if seen := f.KBS.Counters(); lab.Handshakes(seen) != 0 || seen.Requests["auth"] != 1 {
		t.Errorf("the broker saw %v", seen.Requests)
	}
	if _, err := os.Stat(filepath.Join(f.RuntimeDir, "made")); !os.IsNotExist(err) {
		t.Errorf("the agent's directory is left behind (%v)", err)
	}

	text := doctor(t, f).Stdout.String()
	for _, line := range []string{"✔ SPIRE agent", "✔ KBS's certificate    signed by the pinned CA", "✔ clock", "– attestation          not tried", "! configuration"} {
		if !strings.Contains(text, line) {
			t.Errorf("no line '%s' in\n%s", line, text)
		}
	}
}

// --offline sends nothing, not even to a port.
func TestDoctorOffline(t *testing.T) {
	t.Parallel()
	f := lab.NewFixture(t, lab.FixtureOptions{})
	d := parseDiagnosis(t, doctor(t, f, "--json", "--offline"))
	for _, name := range strings.Fields("kbs-name kbs-tcp kbs-tls kbs-auth clock attestation spire-name spire-tcp") {
		if result, detail, _ := d.result(name); result != "skipped" || !strings.Contains(detail, "--offline") {
			t.Errorf("'%s' is %s (%s)", name, result, detail)
		}
	}
	if d.ExitStatus != 0 || f.KBS.Counters().Connections != 0 {
		t.Errorf("status %d, %d connections", d.ExitStatus, f.KBS.Counters().Connections)
	}
}

// --attest spends one attestation, fetches what a start fetches, prints none of it.
func TestDoctorAttests(t *testing.T) {
	t.Parallel()
	f := lab.NewFixture(t, lab.FixtureOptions{})
	p := doctor(t, f, "--json", "--attest")
	d := parseDiagnosis(t, p)
	if result, detail, _ := d.result("attestation"); result != "ok" || d.ExitStatus != 0 {
		t.Errorf("attestation: %s (%s)\n%s", result, detail, p)
	}
	if seen := f.KBS.Counters(); lab.Handshakes(seen) != 1 || lab.Gets(seen) != 2 {
		t.Errorf("the broker saw %v", seen.Requests)
	}
	checkNoTrace(t, f, "the diagnosis", p.Stdout.String()+p.Stderr.String())
}

// Each failed precondition is the one that is named, with a remedy, and the exit
// status is that of the first.
func TestDoctorNamesWhatIsMissing(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		check  string
		status int
		spoil  func(*testing.T, *lab.Fixture)
		args   []string
		detail string
	}{
		{"configuration", 100, func(_ *testing.T, f *lab.Fixture) { f.Config.RunLines = "nonsense = 1\n" }, nil, "problem"},
		{"agent", 127, func(_ *testing.T, f *lab.Fixture) { f.Config.AgentPath = "/nowhere/spire-agent" }, nil, "no SPIRE agent"},
		{"runtime-dir", 100, func(t *testing.T, f *lab.Fixture) { f.Config.RuntimeDir = lab.DiskDir(t) }, nil, "memory file system"},
		{"tee", 101, func(*testing.T, *lab.Fixture) {}, []string{"--tee", "snp"}, "this is no TEE 'snp'"},
		{"kbs-name", 111, func(_ *testing.T, f *lab.Fixture) { f.Config.URL = "https://kbs.invalid:8080" }, nil, "cannot be resolved"},
		{"kbs-tcp", 111, func(t *testing.T, f *lab.Fixture) {
			f.Config.URL = fmt.Sprintf("https://127.0.0.1:%d", lab.ReservePort(t))
		}, nil, "no connection"},
		{"kbs-tls", 100, func(_ *testing.T, f *lab.Fixture) { f.Config.CA = string(f.Spire.Bundle) }, nil, "refused"},
		{"kbs-auth", 102, func(t *testing.T, f *lab.Fixture) {
			lab.AddFault(t, f.KBS, kbs.Fault{Kind: "version", Step: "auth", Version: "0.5.0"})
		}, nil, "0.5.0"},
		{"clock", 104, func(t *testing.T, f *lab.Fixture) {
			lab.AddFault(t, f.KBS, kbs.Fault{Kind: "date-offset", Seconds: 930})
		}, nil, "s behind the KBS"},
		{"attestation", 102, func(t *testing.T, f *lab.Fixture) {
			lab.AddFault(t, f.KBS, kbs.Fault{Kind: "problem", Step: "resource", Type: "PolicyDeny", Detail: "no"})
		}, []string{"--attest"}, "PolicyDeny"},
		{"spire-tcp", 111, func(t *testing.T, f *lab.Fixture) { f.Config.ServerPort = lab.ReservePort(t) }, nil, "no connection"},
	} {
		t.Run(c.check, func(t *testing.T) {
			t.Parallel()
			f := lab.NewFixture(t, lab.FixtureOptions{})
			c.spoil(t, f)
			p := doctor(t, f, append([]string{"--json"}, c.args...)...)
			if p.Status() != c.status {
				t.Errorf("status %d, want %d", p.Status(), c.status)
			}
			d := parseDiagnosis(t, p)
			result, detail, remedy := d.result(c.check)
			if d.firstFailure() != c.check || result != "failed" || !strings.Contains(detail, c.detail) || remedy == "" {
				t.Errorf("the first failure is '%s'; '%s': %s (%s; %s)\n%s", d.firstFailure(), c.check, result, detail, remedy, p)
			}
			if errors := lab.Lines(p.Stderr.String(), "sealpod: error: "); !strings.Contains(strings.Join(errors, "\n"), c.detail) {
				t.Errorf("the error does not say '%s': %v", c.detail, errors)
			}
			if text := doctor(t, f, c.args...).Stdout.String(); !strings.Contains(text, "✘ ") || !strings.Contains(text, "-> "+remedy) {
				t.Errorf("no line with ✘ and '%s':\n%s", remedy, text)
			}
		})
	}
}

// Where api-server-rest answers with resources (or tokens) enabled, the warning is
// there, and only there.
func TestDoctorWarnsOfOtherContainers(t *testing.T) {
	t.Parallel()
	for feature, want := range map[string]string{"resource": "warning", "all": "warning", "attestation": "warning", "none": "ok"} {
		t.Run(feature, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				fmt.Fprintf(w, `{"version":"0.1.0","feature":"%s"}`, feature)
			}))
			defer server.Close()
			f := lab.NewFixture(t, lab.FixtureOptions{})
			f.Config.RunLines = fmt.Sprintf("[source]\nrest_url = \"%s\"\n", server.URL)
			d := parseDiagnosis(t, doctor(t, f, "--json", "--offline"))
			result, detail, remedy := d.result("rest")
			said := strings.Contains(detail, "any container of this pod can fetch") && strings.Contains(detail, "credential included") &&
				strings.Contains(remedy, "init-data class")
			if result != want || said != (want == "warning") || d.ExitStatus != 0 {
				t.Errorf("%s (%s; %s)", result, detail, remedy)
			}
		})
	}
}

// On emulated SEV-SNP the release build finds the TEE without asking it for a
// report; --attest asks for one.
func TestDoctorOnEmulatedSNP(t *testing.T) {
	t.Parallel()
	options := tee.Options{Kind: tee.KindSNP, Roots: ownRoots(t)}
	m := boot(t, options)
	f := onMachine(t, lab.FixtureOptions{}, anyTEE, options.Roots)
	for reports, args := range [][]string{{"--json"}, {"--json", "--attest"}} {
		p := m.start(t, append([]string{"doctor", "--unmeasured-config", f.ConfigPath(t)}, args...)...)
		p.Wait(t, 60*time.Second)
		d := parseDiagnosis(t, p)
		if result, detail, _ := d.result("tee"); result != "ok" || !strings.Contains(detail, "'snp'") || d.ExitStatus != 0 {
			t.Errorf("tee: %s (%s)\n%s", result, detail, p)
		}
		m.checkCost(t, reports)
	}
}
