// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"os"
	"strings"
	"testing"
	"time"

	"sealpod.test/e2e/lab"
	"sealpod.test/guest"
	"sealpod.test/kbs"
)

// hides is what the message says where a component keeps the cause to itself.
const hides = "hides the cause"

// What fails behind the hub looks the same to sealpod, whatever it is, and the
// message says so. It is not asked in a loop: that would spend reports.
func TestFailuresBehindTheHub(t *testing.T) {
	t.Parallel()
	for _, way := range ways {
		if way.oneToken {
			continue
		}
		for _, c := range []struct {
			name    string
			options lab.FixtureOptions
			faults  []kbs.Fault
			attests int // the hub's own tries included
			gets    int
		}{
			{"denied", lab.FixtureOptions{KBS: denyAll}, nil, 3, 3},
			{"missing", lab.FixtureOptions{Without: []string{lab.PathCombined}}, nil, 3, 3},
			{"evidence refused", lab.FixtureOptions{}, []kbs.Fault{{Kind: "attest-refused", Step: "attest"}}, 1, 0},
		} {
			t.Run(c.name+", "+way.name, func(t *testing.T) {
				t.Parallel()
				g := startGuest(t, lab.NewFixture(t, c.options), guest.Options{Features: "all"})
				way.force(g)
				g.Config.Deadline = 5 * time.Second
				lab.AddFault(t, g.KBS, c.faults...)
				p := g.verb(t, "run")
				g.Check(t, p, lab.Refusal{Status: 111, Message: []string{hides, lab.PathCombined, "policy", "missing", "(asked 1 times)"},
					Attests: c.attests, MinGets: c.gets})
				if got := g.components.Counts().Resources; got != 1 {
					t.Errorf("the hub was asked %d times within 5 s, want once", got)
				}
			})
		}
	}
}

// With the agent's token the KBS itself answers sealpod, which says what it said.
func TestFailuresWithTheAgentsToken(t *testing.T) {
	t.Parallel()
	for _, way := range ways {
		if !way.oneToken {
			continue
		}
		for _, c := range []struct {
			name    string
			options lab.FixtureOptions
			faults  []kbs.Fault
			tokens  int64
			want    lab.Refusal
		}{
			{"denied", lab.FixtureOptions{KBS: denyAll}, nil, 1,
				lab.Refusal{Status: 102, Message: []string{"PolicyDeny", lab.PathCombined}, Attests: 1, MinGets: 1}},
			{"missing", lab.FixtureOptions{Without: []string{lab.PathCombined}}, nil, 1,
				lab.Refusal{Status: 111, Message: []string{"missing or unreadable", lab.PathCombined}, Attests: 1, MinGets: 2, MaxGets: 40}},
			{"token expired for ever", lab.FixtureOptions{}, []kbs.Fault{{Kind: "token-expired", Step: "resource"}}, 2,
				lab.Refusal{Status: 111, Message: []string{"TokenVerifierError"}, Attests: 2, MinGets: 2}},
		} {
			t.Run(c.name+", "+way.name, func(t *testing.T) {
				t.Parallel()
				g := startGuest(t, lab.NewFixture(t, c.options), guest.Options{Features: "all"})
				way.force(g)
				g.Config.Deadline = 4 * time.Second
				lab.AddFault(t, g.KBS, c.faults...)
				g.Check(t, g.verb(t, "run"), c.want)
				g.checkCounts(t, guest.Counts{Tokens: c.tokens})
			})
		}
		t.Run("evidence refused, "+way.name, func(t *testing.T) {
			t.Parallel()
			g := startGuest(t, lab.NewFixture(t, lab.FixtureOptions{}), guest.Options{Features: "all"})
			way.force(g)
			g.Config.Deadline = 3 * time.Second
			lab.AddFault(t, g.KBS, kbs.Fault{Kind: "attest-refused", Step: "attest"})
			p := g.verb(t, "run")
			lab.CheckFailure(t, p, 111, "attestation agent", "log")
			if seen := g.KBS.Counters(); lab.Handshakes(seen) == 0 || lab.Handshakes(seen) > 4 || lab.Gets(seen) != 0 {
				t.Errorf("the broker saw %v, want one to four attestations within 3 s", seen.Requests)
			}
		})
	}
}

// A token that ends between two resources: one new one, and on it goes.
func TestTokenThatExpires(t *testing.T) {
	t.Parallel()
	g := startGuest(t, lab.NewFixture(t, lab.FixtureOptions{}), guest.Options{})
	g.by("aa")
	lab.AddFault(t, g.KBS, kbs.Fault{Kind: "token-expired", Step: "resource", Path: lab.PathBundle, Count: 1})
	lab.CheckExec(t, g.verb(t, "run"))
	g.checkCounts(t, guest.Counts{Tokens: 2})
}

// A component that is not there is waited for until the deadline, and named then.
func TestComponentsThatAreDown(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, kind, key string }{
		{"agent", "aa", "aa_socket"}, {"hub", "cdh", "cdh_socket"}, {"api-server-rest", "rest", "rest_url"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			g := newGuest(t, lab.NewFixture(t, lab.FixtureOptions{}), guest.Options{})
			g.by(c.kind)
			if c.key == "aa_socket" {
				g.source["aa_socket"] = deadSocket(t, g.dir)
			}
			g.Config.Deadline = 3 * time.Second
			p := g.verb(t, "run")
			g.Check(t, p, lab.Refusal{Status: 111, Message: []string{g.source[c.key]}, NoAnswer: true})
			checkSaid(t, p, "trying again")
			if p.Elapsed() > 8*time.Second {
				t.Errorf("gave up after %v with a deadline of 3 s", p.Elapsed())
			}
		})
	}
}

// One that comes up while sealpod waits is used.
func TestComponentsDownThenUp(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, kind string }{{"agent", "aa"}, {"hub", "cdh"}, {"api-server-rest", "rest"}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			g := newGuest(t, lab.NewFixture(t, lab.FixtureOptions{}), guest.Options{Features: "all"})
			g.by(c.kind)
			g.options.REST = strings.TrimPrefix(g.source["rest_url"], "http://")
			if c.kind == "aa" {
				if err := os.Rename(deadSocket(t, g.dir), g.source["aa_socket"]); err != nil {
					t.Fatal(err)
				}
			}
			g.Config.Deadline = 40 * time.Second
			p := g.startVerb(t, "run")
			lab.Eventually(t, 20*time.Second, "a message that it tries again", func() (bool, string) {
				return strings.Contains(p.Stderr.String(), "trying again"), p.Stderr.String()
			})
			g.up(t)
			p.Wait(t, waitLimit)
			lab.CheckExec(t, p)
		})
	}
}

// A KBS that is away looks to sealpod, behind the agent, as a refusal does: one more
// try after half a minute.
func TestKBSAwayBehindTheAgent(t *testing.T) {
	t.Parallel()
	g := startGuest(t, lab.NewFixture(t, lab.FixtureOptions{}), guest.Options{})
	g.by("aa")
	g.Config.Deadline = 60 * time.Second
	if err := g.KBS.Close(); err != nil {
		t.Fatal(err)
	}
	p := g.startVerb(t, "run")
	lab.Eventually(t, 20*time.Second, "a message that it tries once more", func() (bool, string) {
		return strings.Contains(p.Stderr.String(), "trying once more"), p.Stderr.String()
	})
	checkSaid(t, p, "attestation agent")
	if err := g.KBS.Start(); err != nil {
		t.Fatal(err)
	}
	p.Wait(t, waitLimit)
	lab.CheckExec(t, p)
}

// Half of api-server-rest may be switched off, and the message says what to do.
func TestHalfOfAPIServerRESTIsOff(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ features, kind string }{{"resource", "aa"}, {"attestation", "rest"}} {
		t.Run(c.kind, func(t *testing.T) {
			t.Parallel()
			g := startGuest(t, lab.NewFixture(t, lab.FixtureOptions{}), guest.Options{Features: c.features})
			g.byREST(c.kind)
			p := g.verb(t, "run")
			g.Check(t, p, lab.Refusal{Status: 100, Message: []string{"agent.guest_components_rest_api=all"}, NoAnswer: true})
		})
	}
}
