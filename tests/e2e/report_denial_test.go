// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sealpod.test/e2e/lab"
	"sealpod.test/kbs"
	"sealpod.test/tee"
)

// report is what --report writes, as far as the tests read it.
type report struct {
	Program    string `json:"program"`
	Verb       string `json:"verb"`
	Renewal    bool   `json:"renewal"`
	Status     string `json:"status"`
	ExitStatus int    `json:"exit_status"`
	Error      string `json:"error"`
	Message    string `json:"message"`
	Facts      *struct {
		Configuration string         `json:"configuration"`
		Source        string         `json:"source"`
		TEE           string         `json:"tee"`
		Evidence      map[string]any `json:"evidence"`
		InitData      map[string]any `json:"init_data"`
		KBS           struct {
			URL          string `json:"url"`
			Attestations int    `json:"attestations"`
			Status       int    `json:"status"`
			AskedFor     string `json:"asked_for"`
			Type         string `json:"type"`
			Detail       string `json:"detail"`
			Clock        struct {
				Seconds int    `json:"seconds"`
				GuestIs string `json:"guest_is"`
			} `json:"clock"`
		} `json:"kbs"`
		Appraisal struct {
			Verified *bool `json:"signature_verified"`
			Submods  []struct {
				Name   string `json:"name"`
				Status string `json:"ear_status"`
				Vector []struct {
					Claim, Value, Tier string
				} `json:"trustworthiness_vector"`
			} `json:"submods"`
		} `json:"appraisal"`
	} `json:"facts"`
}

// readReport reads a report strictly, and checks who may.
func readReport(t *testing.T, path string) report {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the report has mode %v, want 0600", info.Mode())
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var r report
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return r
}

// checkNoTrace checks that a text shows nothing of the credential.
func checkNoTrace(t *testing.T, f *lab.Fixture, where, text string) {
	t.Helper()
	for what, trace := range f.Credential.Traces() {
		if strings.Contains(text, string(trace)) || strings.Contains(text, hex.EncodeToString(trace)) {
			t.Errorf("%s shows the %s of the key", where, what)
		}
	}
	if strings.Contains(text, "eyJ") { // so begins each JWT and JWE
		t.Errorf("%s shows a token:\n%s", where, text)
	}
}

// On denial one screen says what the KBS said (type and detail), as which TEE
// evidence was sent, what the token's appraisal said and how the clocks differ; so
// does the file; the termination log gets one redacted line.
func TestRefusalReport(t *testing.T) {
	t.Parallel()
	f := lab.NewFixture(t, lab.FixtureOptions{KBS: denyAll})
	path, terminationLog := filepath.Join(f.Dir, "report.json"), filepath.Join(f.Dir, "termination-log")
	lab.WriteFile(t, terminationLog, []byte(strings.Repeat("older ", 100)), 0o644)
	p := f.Expect(t, lab.Refusal{Status: 102, Message: []string{"PolicyDeny"}, Attests: 1, MinGets: 1},
		"--report", path, "--termination-log="+terminationLog)

	_, screen, found := strings.Cut(p.Stderr.String(), "sealpod: error: ")
	if !found || strings.Count(screen, "\n") < 5 || strings.Count(screen, "\n") > 30 {
		t.Errorf("no screen behind the error:\n%s", screen)
	}
	_, screen, _ = strings.Cut(screen, "\n")
	for _, word := range []string{
		"401 PolicyDeny: ", "asked for", lab.PathCombined, f.Config.URL, "sent as TEE              sample", "init-data                none",
		"this guest's clock agrees with the KBS's", "appraisal", "executables", "without verifying its signature", "unmeasured file",
	} {
		if !strings.Contains(screen, word) {
			t.Errorf("the screen does not say '%s':\n%s", word, screen)
		}
	}

	r := readReport(t, path)
	if r.Verb != "run" || r.Status != "failed" || r.ExitStatus != 102 || r.Error != "denied" || !strings.Contains(r.Message, "PolicyDeny") {
		t.Errorf("the report says %+v", r)
	}
	if r.Facts == nil {
		t.Fatal("the report has no facts")
	}
	k := r.Facts.KBS
	if k.Type != "PolicyDeny" || k.Detail == "" || k.Status != 401 || k.Attestations != 1 || !strings.HasSuffix(k.AskedFor, lab.PathCombined) ||
		r.Facts.TEE != "sample" || r.Facts.Source != "kbs" || k.Clock.Seconds > 2 {
		t.Errorf("the facts are %+v", *r.Facts)
	}
	a := r.Facts.Appraisal
	if a.Verified == nil || *a.Verified || len(a.Submods) != 1 || a.Submods[0].Name != "cpu0" || a.Submods[0].Status == "" || len(a.Submods[0].Vector) == 0 {
		t.Errorf("the appraisal is %+v", a)
	}

	line, err := os.ReadFile(terminationLog)
	if err != nil {
		t.Fatal(err)
	}
	if want := "sealpod run: exit status 102, denied: the KBS or its policy said no\n"; string(line) != want {
		t.Errorf("the termination log says '%s', want '%s'", line, want)
	}
	text, _ := os.ReadFile(path)
	checkNoTrace(t, f, "the report", string(text)+p.Stderr.String())
}

// A success is reported, too, before the agent takes over; and `get` has the
// option as well.
func TestReportOfSuccess(t *testing.T) {
	t.Parallel()
	f := lab.NewFixture(t, lab.FixtureOptions{})
	path, terminationLog := filepath.Join(f.Dir, "report.json"), filepath.Join(f.Dir, "termination-log")
	lab.WriteFile(t, terminationLog, nil, 0o644)
	lab.CheckExec(t, f.Run(t, "--report="+path, "--termination-log", terminationLog))
	r := readReport(t, path)
	if r.Verb != "run" || r.Status != "ok" || r.ExitStatus != 0 || r.Error != "" || r.Facts == nil || r.Facts.TEE != "sample" {
		t.Errorf("the report says %+v", r)
	}
	text, _ := os.ReadFile(path)
	checkNoTrace(t, f, "the report", string(text))
	if line, _ := os.ReadFile(terminationLog); len(line) != 0 {
		t.Errorf("the termination log of a success says '%s'", line)
	}

	p := lab.StartSealpod(t, f.Dir, "get", "--unmeasured-config", f.ConfigPath(t), "--report", path, "kbs:///"+lab.PathKey)
	p.Wait(t, 60*time.Second)
	if p.Status() != 0 {
		t.Fatal(p)
	}
	if r := readReport(t, path); r.Verb != "get" || r.Status != "ok" {
		t.Errorf("the report says %+v", r)
	}
	text, _ = os.ReadFile(path)
	checkNoTrace(t, f, "the report", string(text))
}

// What fails before anybody was asked needs no screen, but a report it has; so has
// what the parent finds.
func TestReportWithoutKBS(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		spoil   func(*lab.Fixture)
		status  int
		message string
		error   string
	}{
		{"wrong key", func(f *lab.Fixture) { f.Config.RunLines = "nonsense = 1\n" }, 100, "problem", "configuration"},
		{"no agent", func(f *lab.Fixture) { f.Config.AgentPath = f.Dir + "/nothing" }, 127, "no SPIRE agent", "not-found"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := lab.NewFixture(t, lab.FixtureOptions{})
			c.spoil(f)
			path := filepath.Join(f.Dir, "report.json")
			p := f.Expect(t, lab.Refusal{Status: c.status, NoAnswer: true}, "--report", path)
			if r := readReport(t, path); r.Status != "failed" || r.ExitStatus != c.status || r.Error != c.error || !strings.Contains(r.Message, c.message) {
				t.Errorf("the report says %+v", r)
			}
			said := p.Stderr.String()
			if last := said[strings.LastIndex(said, "sealpod: error: "):]; strings.Count(last, "\n") != 1 {
				t.Errorf("more than the error's line:\n%s", last)
			}
		})
	}
}

// A report that cannot be written changes nothing but for a warning.
func TestReportThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	f := lab.NewFixture(t, lab.FixtureOptions{KBS: denyAll})
	p := f.Expect(t, lab.Refusal{Status: 102, Message: []string{"PolicyDeny"}, Attests: 1, MinGets: 1},
		"--report", f.Dir+"/nowhere/report.json", "--termination-log", f.Dir)
	checkSaid(t, p, "the report '"+f.Dir+"/nowhere/report.json' could not be written", "warning: the termination log: ")
}

// The measurements, init-data and TCB that were sent, on emulated SEV-SNP by the
// release build: the report says what the hardware report said.
func TestRefusalReportOnEmulatedSNP(t *testing.T) {
	t.Parallel()
	measurement := strings.Repeat("5e", 48)
	options := tee.Options{Kind: tee.KindSNP, Set: map[string]string{"measurement": measurement}}
	options.Roots = ownRoots(t)
	m := boot(t, options)
	f := onMachine(t, lab.FixtureOptions{}, lab.DenyAll, options.Roots)
	path := filepath.Join(f.Dir, "report.json")
	p := m.run(t, f, "--report", path)
	f.Check(t, p, lab.Refusal{Status: 102, Message: []string{"PolicyDeny", "'snp'"}, Attests: 1, MinGets: 1})
	checkSaid(t, p, "sent as TEE              snp", "MEASUREMENT              "+measurement[:64], "HOST_DATA", "REPORTED_TCB             boot loader",
		"debugging allowed      no", "VMPL                     0", "401 PolicyDeny")
	m.checkCost(t, 1)
	r := readReport(t, path)
	if r.Facts == nil || r.Facts.Evidence["measurement"] != measurement || r.Facts.Evidence["debug"] != false || r.Facts.Evidence["vmpl"] != float64(0) {
		t.Errorf("the report says %+v", r.Facts)
	}
}

// The same for TDX: MRTD, the RTMRs and the TCB of the quote.
func TestRefusalReportOnEmulatedTDX(t *testing.T) {
	t.Parallel()
	mrtd := strings.Repeat("7d", 48)
	options := tee.Options{Kind: tee.KindTDX, Set: map[string]string{"mr_td": mrtd}, Roots: ownRoots(t)}
	m := boot(t, options)
	f := onMachine(t, lab.FixtureOptions{}, lab.DenyAll, options.Roots)
	path := filepath.Join(f.Dir, "report.json")
	p := m.run(t, f, "--report", path)
	f.Check(t, p, lab.Refusal{Status: 102, Message: []string{"PolicyDeny", "'tdx'"}, Attests: 1, MinGets: 1})
	checkSaid(t, p, "sent as TEE              tdx", "MRTD                     "+mrtd[:64], "RTMR0", "RTMR3", "MRCONFIGID", "TEE_TCB_SVN",
		"debugging allowed      no", "event log sent           yes", "401 PolicyDeny")
	m.checkCost(t, 1)
	if r := readReport(t, path); r.Facts == nil || r.Facts.Evidence["mrtd"] != mrtd || r.Facts.Evidence["debug"] != false {
		t.Errorf("the report says %+v", r.Facts)
	}
}

// So it is with the times of tokens: a KBS that calls its own token expired may be right by its
// clock, and the difference stands in front.
func TestClockIsToldWhereATokenIsOutOfTime(t *testing.T) {
	t.Parallel()
	for seconds, says := range map[int]string{500: "s behind the KBS: ", -500: "s ahead of the KBS: ", 0: ""} {
		t.Run(fmt.Sprint(seconds), func(t *testing.T) {
			t.Parallel()
			f := lab.NewFixture(t, lab.FixtureOptions{})
			lab.AddFault(t, f.KBS, kbs.Fault{Kind: "token-expired", Step: "resource"})
			if seconds != 0 {
				lab.AddFault(t, f.KBS, kbs.Fault{Kind: "date-offset", Seconds: seconds})
			}
			p := f.Expect(t, lab.Refusal{Status: 111, Message: []string{says, "TokenVerifierError"}, Attests: 2, MinGets: 2})
			if seconds == 0 && strings.Contains(strings.Join(lab.Lines(p.Stderr.String(), "sealpod: error: "), ""), "clock") {
				t.Errorf("the error speaks of a clock that is right:\n%s", p)
			}
		})
	}
}

// The clock is told against the KBS's Date: the guest is behind, or ahead, and that
// is said where a credential is not valid (yet), instead of that alone.
func TestClockIsToldAgainstTheKBS(t *testing.T) {
	t.Parallel()
	early := func() lab.LeafOptions { return lab.LeafOptions{NotBefore: time.Now().Add(300 * time.Second)} }
	over := func() lab.LeafOptions { return lab.LeafOptions{NotAfter: time.Now().Add(-300 * time.Second)} }
	for _, c := range []struct {
		name    string
		leaf    func() lab.LeafOptions // made when its turn has come, which may be minutes later
		seconds int
		status  int
		message []string
	}{
		{"behind", early, 500, 104, []string{"s behind the KBS: ", "not valid before"}},
		{"ahead", over, -500, 103, []string{"s ahead of the KBS: ", "expired at"}},
		{"in time", early, 0, 104, []string{"clock agrees with the KBS's: ", "not valid before"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := lab.NewFixture(t, lab.FixtureOptions{Leaf: c.leaf()})
			if c.seconds != 0 {
				lab.AddFault(t, f.KBS, kbs.Fault{Kind: "date-offset", Seconds: c.seconds})
			}
			path := filepath.Join(f.Dir, "report.json")
			f.Expect(t, lab.Refusal{Status: c.status, Message: c.message, Attests: 1, MinGets: 1, MaxGets: 2}, "--report", path)
			clock := readReport(t, path).Facts.KBS.Clock
			off := max(c.seconds, -c.seconds)
			if clock.Seconds < off-30 || clock.Seconds > off+30 || (off > 0 && clock.GuestIs != c.name) {
				t.Errorf("the report says %+v", clock)
			}
		})
	}
}
