// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"testing"
	"time"

	"sealpod.test/e2e/lab"
	"sealpod.test/kbs"
)

// What the broker says on purpose: exit status, words, and how often the program
// spends an attestation on it.
func TestBrokerSaysNo(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		options  lab.FixtureOptions
		faults   []kbs.Fault
		deadline time.Duration
		want     lab.Refusal
	}{
		{
			name: "denied by policy", options: lab.FixtureOptions{KBS: func(o *kbs.Options) { o.ResourcePolicy = lab.DenyAll }},
			want: lab.Refusal{Status: 102, Message: []string{"PolicyDeny", "'sample'", lab.PathCombined}, Attests: 1, MinGets: 1},
		},
		{
			name: "the second resource denied by policy", options: lab.FixtureOptions{KBS: func(o *kbs.Options) { o.ResourcePolicy = allButBundle }},
			want: lab.Refusal{Status: 102, Message: []string{"PolicyDeny", lab.PathBundle}, Attests: 1, MinGets: 1, MaxGets: 2},
		},
		{
			name: "refused at attest, no time for a second try", faults: []kbs.Fault{{Kind: "attest-refused", Step: "attest"}},
			deadline: 2 * time.Second,
			want:     lab.Refusal{Status: 102, Message: []string{"AttestationError", "evidence", "verifier"}, Attests: 1},
		},
		{
			name: "refused at attest twice", faults: []kbs.Fault{{Kind: "attest-refused", Step: "attest"}},
			deadline: 60 * time.Second,
			want:     lab.Refusal{Status: 102, Message: []string{"AttestationError", "evidence", "verifier"}, Attests: 2},
		},
		{
			name: "resource missing", options: lab.FixtureOptions{Without: []string{lab.PathBundle}}, deadline: 4 * time.Second,
			want: lab.Refusal{Status: 111, Message: []string{"missing or unreadable", lab.PathBundle}, Attests: 1, MinGets: 3, MaxGets: 40},
		},
		{
			name: "session lost for ever", faults: []kbs.Fault{{Kind: "session-lost", Step: "resource"}},
			want: lab.Refusal{Status: 111, Message: []string{"TokenNotFound", "session"}, Attests: 2, MinGets: 2},
		},
		{
			name: "token expired for ever", faults: []kbs.Fault{{Kind: "token-expired", Step: "resource"}},
			want: lab.Refusal{Status: 111, Message: []string{"TokenVerifierError", "session"}, Attests: 2, MinGets: 2},
		},
		{
			name: "other protocol version", faults: []kbs.Fault{{Kind: "version", Step: "auth", Version: "0.5.0"}},
			want: lab.Refusal{Status: 102, Message: []string{"0.4.0", "0.5.0"}},
		},
		{
			name: "nothing at this path", faults: []kbs.Fault{{Kind: "problem", Step: "auth", Status: 404, Type: "PluginNotFound", Detail: "Plugin auth not found"}},
			want: lab.Refusal{Status: 100, Message: []string{"PluginNotFound", "kbs.url"}},
		},
		{
			name: "no encryption to this key", faults: []kbs.Fault{{Kind: "problem", Step: "resource", Type: "JweError", Detail: "unsupported"}},
			want: lab.Refusal{Status: 102, Message: []string{"JweError", "cannot encrypt", "go together"}, Attests: 1, MinGets: 1},
		},
		{
			name: "too large for the KBS", faults: []kbs.Fault{{Kind: "status", Step: "attest", Status: 413}},
			want: lab.Refusal{Status: 100, Message: []string{"payload_request_size", "attest"}, Attests: 1},
		},
		{
			name: "a reason that nobody knows", faults: []kbs.Fault{{Kind: "problem", Step: "resource", Type: "SomethingNew", Detail: "says no"}},
			want: lab.Refusal{Status: 102, Message: []string{"SomethingNew", "says no"}, Attests: 1, MinGets: 1},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := lab.NewFixture(t, c.options)
			if c.deadline != 0 {
				f.Config.Deadline = c.deadline
			}
			lab.AddFault(t, f.KBS, c.faults...)
			f.Expect(t, c.want)
		})
	}
}

const allButBundle = `package policy
import rego.v1
default allow := false
allow if data["resource-path"] != ["default", "spire", "bundle"]
`

// A refused attestation is tried once more after half a minute, not earlier: the
// verifier may have been broken. The second time it works here.
func TestRefusedAttestationIsTriedAgainLater(t *testing.T) {
	t.Parallel()
	f := lab.NewFixture(t, lab.FixtureOptions{})
	f.Config.Deadline = 60 * time.Second
	lab.AddFault(t, f.KBS, kbs.Fault{Kind: "attest-refused", Step: "attest", Count: 1})
	p := f.Run(t)
	lab.CheckExec(t, p)
	if p.Elapsed() < 30*time.Second || p.Elapsed() > lab.Patience(40*time.Second) {
		t.Errorf("the second try succeeded after %v, want 30 to 40 s", p.Elapsed())
	}
	if got := lab.Handshakes(f.KBS.Counters()); got != 2 {
		t.Errorf("the broker saw %d attestations, want 2", got)
	}
}

// What heals: the run succeeds, and the number of attestations says by which way.
func TestTroubleThatHeals(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		faults  []kbs.Fault
		attests int
	}{
		{"session lost once", []kbs.Fault{{Kind: "session-lost", Step: "resource", Count: 1}}, 2},
		{"session lost before the last resource", []kbs.Fault{{Kind: "session-lost", Step: "resource", Path: lab.PathBundle, Count: 1}}, 2},
		{"token expired once", []kbs.Fault{{Kind: "token-expired", Step: "resource", Count: 1}}, 2},
		{"503 at auth", []kbs.Fault{{Kind: "status", Status: 503, Step: "auth", Count: 2}}, 1},
		{"502 at attest", []kbs.Fault{{Kind: "status", Status: 502, Step: "attest", Count: 1}}, 2},
		{"500 at a resource", []kbs.Fault{{Kind: "status", Status: 500, Step: "resource", Count: 2}}, 1},
		{"429 at a resource", []kbs.Fault{{Kind: "status", Status: 429, Step: "resource", Count: 1}}, 1},
		{"storage broken for a while", []kbs.Fault{{Kind: "plugin-internal-error", Step: "resource", Count: 2}}, 1},
		{"connection cut at once", []kbs.Fault{{Kind: "cut", Step: "connect", Count: 2}}, 1},
		{"answer cut at auth", []kbs.Fault{{Kind: "cut", Step: "auth", Count: 1}}, 1},
		{"answer cut at a resource", []kbs.Fault{{Kind: "cut", Step: "resource", Count: 1}}, 1},
		{"slow answers", []kbs.Fault{{Kind: "delay", DelayMS: 300}}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := lab.NewFixture(t, lab.FixtureOptions{})
			lab.AddFault(t, f.KBS, c.faults...)
			lab.CheckExec(t, f.Run(t))
			if got := lab.Handshakes(f.KBS.Counters()); got != c.attests {
				t.Errorf("the broker saw %d attestations, want %d", got, c.attests)
			}
			if len(f.KBS.Faults()) != 0 && c.faults[0].Count > 0 {
				t.Errorf("faults that nobody met: %v", f.KBS.Faults())
			}
		})
	}
}
