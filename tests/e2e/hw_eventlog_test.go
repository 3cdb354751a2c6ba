// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"encoding/json"
	"strings"
	"testing"

	"sealpod.test/e2e/lab"
	"sealpod.test/tee"
)

// checkMember checks whether a member of the last accepted evidence is there.
func checkMember(t *testing.T, f *lab.Fixture, name string, want bool) {
	t.Helper()
	var evidence map[string]any
	last := f.KBS.Counters().Last
	if last == nil {
		t.Fatal("the broker accepted nothing")
	}
	if err := json.Unmarshal(last.Evidence, &evidence); err != nil {
		t.Fatal(err)
	}
	value, named := evidence[name]
	if !named || (value != nil) != want {
		t.Errorf("the evidence has a '%s': %v (named: %v), want %v", name, value != nil, named, want)
	}
}

// An event log that does not replay to the quote's registers would make the
// verifier refuse the whole: it is left out, and said to be.
func TestEventLogIsSentIfItReplays(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{tee.KindTDX, tee.KindTDX15} {
		for _, broken := range []bool{false, true} {
			name := kind + " sound"
			if broken {
				name = kind + " broken"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				roots := ownRoots(t)
				m := boot(t, tee.Options{Kind: kind, Roots: roots, BrokenLog: broken})
				f := onMachine(t, lab.FixtureOptions{}, anyTEE, roots)
				p := m.run(t, f)
				lab.CheckExec(t, p)
				checkMember(t, f, "cc_eventlog", !broken)
				if leftOut := strings.Contains(p.Stderr.String(), "sealpod: warning: the event log is left out, because it does not replay to RTMR"); leftOut != broken {
					t.Errorf("said that the event log is left out: %v, want %v\n%s", leftOut, broken, p.Stderr.String())
				}
				m.checkCost(t, 1)
			})
		}
	}
}

// A machine without an event log is as good as its policy says.
func TestNoEventLog(t *testing.T) {
	t.Parallel()
	roots := ownRoots(t)
	m := boot(t, tee.Options{Kind: tee.KindTDX, Roots: roots, Without: []string{tee.PartCCEL}})
	f := onMachine(t, lab.FixtureOptions{}, anyTEE, roots)
	p := m.run(t, f)
	lab.CheckExec(t, p)
	checkMember(t, f, "cc_eventlog", false)
	checkUnsaid(t, p, "event log")
}

// Bytes after a quote, and after the certificates in it, are usual and go unsaid.
func TestQuoteWithTrailingBytes(t *testing.T) {
	t.Parallel()
	for _, fault := range []string{"trailing=zeros", "trailing=bytes", "trailing=pad", "chain-nul"} {
		for _, kind := range []string{tee.KindTDX, tee.KindTDX15} {
			t.Run(fault+" on "+kind, func(t *testing.T) {
				t.Parallel()
				roots := ownRoots(t)
				m := boot(t, tee.Options{Kind: kind, Roots: roots}, fault)
				f := onMachine(t, lab.FixtureOptions{}, knownGood(), roots)
				lab.CheckExec(t, m.run(t, f))
				m.checkCost(t, 1)
			})
		}
	}
}
