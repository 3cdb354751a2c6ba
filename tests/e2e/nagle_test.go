// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"slices"
	"testing"
	"time"

	"sealpod.test/e2e/lab"
)

// On a new TLS 1.3 connection the real broker's first answer waits about 42 ms,
// for its Nagle algorithm meets the client's delayed acknowledgement. A client
// that acknowledges at once does not feel it. Not parallel: it measures.
func TestNoStallOnANewConnection(t *testing.T) {
	if lab.Wrapped() {
		t.Skip("another program stands before sealpod: its time says nothing")
	}
	const rounds = 9
	f := lab.NewFixture(t, lab.FixtureOptions{})
	f.Config.AgentPath = "/bin/true"
	median := map[bool]time.Duration{}
	taken := map[bool][]time.Duration{}
	for range rounds {
		for _, nagle := range []bool{false, true} {
			f.KBS.SetNagle(nagle)
			p := f.Run(t)
			if p.Status() != 0 {
				t.Fatalf("status %d; stderr:\n%s", p.Status(), p.Stderr.String())
			}
			taken[nagle] = append(taken[nagle], p.Elapsed())
		}
	}
	for nagle, times := range taken {
		slices.Sort(times)
		median[nagle] = times[rounds/2]
	}
	t.Logf("median of a whole run: %v, with Nagle at the broker %v", median[false], median[true])
	if stall := median[true] - median[false]; stall > 20*time.Millisecond {
		t.Errorf("the first answer is stalled by %v; all: %v", stall, taken)
	}
}
