// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sealpod.test/e2e/lab"
	"sealpod.test/guest"
)

// Through the guest's components `get` reports what there is to know: with a token
// of the attestation agent the KBS's words and the appraisal, behind the data hub
// that it hides them.
func TestRefusalReportThroughTheGuest(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"aa", "cdh"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			g := startGuest(t, lab.NewFixture(t, lab.FixtureOptions{KBS: denyAll}), guest.Options{})
			g.by(kind)
			path := filepath.Join(g.Dir, "report.json")
			p := g.verb(t, "get", "--deadline", "3s", "--report", path, "kbs:///"+lab.PathKey)
			r := readReport(t, path)
			if r.Verb != "get" || r.Status != "failed" || r.ExitStatus != p.Status() || r.Facts == nil || r.Facts.Source != kind {
				t.Fatalf("the report says %+v\n%s", r, p)
			}
			checkNoTrace(t, g.Fixture, "the report", p.Stderr.String())
			if kind == "cdh" {
				if r.Facts.KBS.URL != "" || r.Facts.KBS.Type != "" || len(r.Facts.Appraisal.Submods) != 0 {
					t.Errorf("the report knows what the hub hides: %+v", *r.Facts)
				}
				return
			}
			if r.ExitStatus != 102 || r.Facts.KBS.Type != "PolicyDeny" || len(r.Facts.Appraisal.Submods) != 1 {
				t.Errorf("the report says %+v", *r.Facts)
			}
			checkSaid(t, p, "401 PolicyDeny", "appraisal", "this guest's clock agrees with the KBS's")
		})
	}
}

// Doctor looks at each way through the guest without a token or a resource, that is
// without an attestation; the port of api-server-rest is a warning.
func TestDoctorInAGuestWithComponents(t *testing.T) {
	t.Parallel()
	for kind, kbs := range map[string]string{"aa": "ok", "cdh": "skipped", "rest": "skipped"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			g := startGuest(t, lab.NewFixture(t, lab.FixtureOptions{}), guest.Options{Features: "all"})
			g.by(kind)
			d := parseDiagnosis(t, g.verb(t, "doctor", "--json"))
			for name, want := range map[string]string{"tee": "skipped", "source": "ok", "rest": "warning", "kbs-name": kbs, "attestation": "skipped", "spire-tcp": "ok"} {
				if result, detail, _ := d.result(name); result != want {
					t.Errorf("'%s' is %s (%s), want %s", name, result, detail, want)
				}
			}
			if result, detail, _ := d.result("kbs-auth"); kind == "aa" && (result != "ok" || !strings.Contains(detail, "'sample'")) {
				t.Errorf("'kbs-auth' is %s (%s)", result, detail)
			}
			if d.ExitStatus != 0 || lab.Handshakes(g.KBS.Counters()) != 0 {
				t.Errorf("status %d, %v", d.ExitStatus, g.KBS.Counters().Requests)
			}
			g.checkCounts(t, guest.Counts{})
			d = parseDiagnosis(t, g.verb(t, "doctor", "--json", "--attest"))
			if result, detail, _ := d.result("attestation"); result != "ok" {
				t.Errorf("with --attest: %s (%s)", result, detail)
			}
		})
	}
}

// Behind the hub no clock but the guest's own is known: a credential that is not valid yet is said
// to be so, and nobody is said to be behind or ahead.
func TestNoClockBehindTheHub(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"cdh", "rest"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			leaf := lab.LeafOptions{NotBefore: time.Now().Add(300 * time.Second)}
			g := startGuest(t, lab.NewFixture(t, lab.FixtureOptions{Leaf: leaf}), guest.Options{})
			g.by(kind)
			path := filepath.Join(g.Dir, "report.json")
			p := g.verb(t, "run", "--report", path)
			lab.CheckFailure(t, p, 104, "not valid before", "clock")
			checkUnsaid(t, p, "behind the KBS", "ahead of the KBS", "agrees with the KBS")
			if clock := readReport(t, path).Facts.KBS.Clock; clock.GuestIs != "" {
				t.Errorf("the report knows a clock: %+v", clock)
			}
			d := parseDiagnosis(t, g.verb(t, "doctor", "--json"))
			if result, detail, _ := d.result("clock"); result != "skipped" {
				t.Errorf("clock: %s (%s)", result, detail)
			}
		})
	}
}
