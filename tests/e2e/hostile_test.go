// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"testing"
	"time"

	"sealpod.test/e2e/lab"
	"sealpod.test/kbs"
)

// Answers that no broker should give. None is worth another try, none may lead
// to an agent.
func TestNonsenseFromTheBroker(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		fault kbs.Fault
	}{
		{"garbage at auth", kbs.Fault{Kind: "garbage", Step: "auth"}},
		{"garbage at attest", kbs.Fault{Kind: "garbage", Step: "attest"}},
		{"garbage at a resource", kbs.Fault{Kind: "garbage", Step: "resource"}},
		{"oversized at auth", kbs.Fault{Kind: "oversized", Step: "auth"}},
		{"oversized at attest", kbs.Fault{Kind: "oversized", Step: "attest"}},
		{"oversized at a resource", kbs.Fault{Kind: "oversized", Step: "resource"}},
		{"truncated challenge", kbs.Fault{Kind: "truncated", Step: "auth"}},
		{"truncated token", kbs.Fault{Kind: "truncated", Step: "attest"}},
		{"truncated JWE", kbs.Fault{Kind: "truncated", Step: "resource"}},
		{"member twice in the challenge", kbs.Fault{Kind: "duplicate-keys", Step: "auth"}},
		{"member twice in the JWE", kbs.Fault{Kind: "duplicate-keys", Step: "resource"}},
		{"JWE with half a ciphertext", kbs.Fault{Kind: "jwe-short-ciphertext", Step: "resource"}},
		{"JWE with a flipped tag", kbs.Fault{Kind: "jwe-tag", Step: "resource"}},
		{"JWE with a short tag", kbs.Fault{Kind: "jwe-short-tag", Step: "resource"}},
		{"JWE with another algorithm", kbs.Fault{Kind: "jwe-alg", Step: "resource"}},
		{"JWE with another curve", kbs.Fault{Kind: "jwe-curve", Step: "resource"}},
		{"404 without a reason", kbs.Fault{Kind: "status", Status: 404, Step: "auth"}},
		{"401 without a reason", kbs.Fault{Kind: "status", Status: 401, Step: "attest"}},
		{"204 for a resource", kbs.Fault{Kind: "status", Status: 204, Step: "resource"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := lab.NewFixture(t, lab.FixtureOptions{})
			lab.AddFault(t, f.KBS, c.fault)
			want := lab.Refusal{Status: 111, Message: []string{f.KBS.URL()}}
			switch c.fault.Step {
			case "resource":
				want.Attests, want.MinGets = 1, 1
			case "attest":
				want.Attests = 1
			}
			p := f.Expect(t, want)
			if p.Elapsed() > lab.Patience(8*time.Second) {
				t.Errorf("took %v: another try cannot help", p.Elapsed())
			}
			if got := f.KBS.Counters().Requests[c.fault.Step]; got != 1 {
				t.Errorf("the broker saw %d requests of step %s, want one", got, c.fault.Step)
			}
		})
	}
}
