// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"sealpod.test/e2e/lab"
)

const saysAtOnce = "the agent is started at once, without the rest of its pause"

// pause is one between two lives of an agent.
type pause struct {
	said    time.Duration
	cut     bool // a renewed credential ended it
	between time.Duration
}

var pauseLine = regexp.MustCompile(`ended with status 1 and is started again in ([0-9]+) ms|` + saysAtOnce)

// pauses are those that are over: what the log says of them, and what passed from one start of the agent to the next
// by the agent's own clock, which is no less than the pause between them.
func pauses(t *testing.T, stderr, startsPath string) []pause {
	t.Helper()
	var found []pause
	for _, match := range pauseLine.FindAllStringSubmatch(stderr, -1) {
		if match[1] == "" {
			found[len(found)-1].cut = true
			continue
		}
		ms, err := strconv.Atoi(match[1])
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, pause{said: time.Duration(ms) * time.Millisecond})
	}
	text, _ := os.ReadFile(startsPath)
	starts := strings.Fields(string(text))
	found = found[:max(0, min(len(found), len(starts)-1))]
	for i := range found {
		before, err := strconv.ParseInt(starts[i], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		after, err := strconv.ParseInt(starts[i+1], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		found[i].between = time.Duration(after - before)
	}
	return found
}

// lastSaid is the pause that was announced last.
func lastSaid(stderr string) time.Duration {
	all := pauseLine.FindAllStringSubmatch(stderr, -1)
	if len(all) == 0 {
		return 0
	}
	ms, _ := strconv.Atoi(all[len(all)-1][1])
	return time.Duration(ms) * time.Millisecond
}

// The pause that is announced before an agent is started again is kept, and pauses become longer, each at most twice
// what the one before could have been. A renewed credential is what such an agent may have waited for: it ends the
// pause, once, and that is said.
func TestPausesBetweenStarts(t *testing.T) {
	t.Parallel()
	f := lab.NewFixture(t, lab.FixtureOptions{})
	d := newDoor(t, f)
	starts, begin := filepath.Join(f.Dir, "starts"), filepath.Join(f.Dir, "begin")
	agentScript(t, f, fmt.Sprintf("date +%%s%%N >> %s\nwhile [ ! -e %s ]; do sleep 0.05; done\nexit 1\n", starts, begin))
	f.Config.Deadline = 5 * time.Minute
	s := supervise(t, f)
	s.await(20*time.Second, "the agent", func(st supervisorStatus) bool { return st.AgentPID > 0 })
	d.held.Lock() // the renewal that an agent in need leads to waits there
	release := sync.OnceFunc(d.held.Unlock)
	defer release()
	lab.WriteFile(t, begin, nil, 0o644)
	lab.Eventually(t, 120*time.Second, "a long pause", func() (bool, string) {
		text := s.p.Stderr.String()
		return lastSaid(text) > 4*time.Second && len(pauses(t, text, starts)) >= 4, text
	})
	cut := len(pauses(t, s.p.Stderr.String(), starts)) // the index of the pause that goes on
	release()
	lab.Eventually(t, 60*time.Second, "the pause is over, and another", func() (bool, string) {
		text := s.p.Stderr.String()
		return len(pauses(t, text, starts)) >= cut+2, text
	})
	text := s.p.Stderr.String()
	for i, p := range pauses(t, text, starts) {
		if most := min(500*time.Millisecond<<i, 15*time.Second); p.said > most {
			t.Errorf("pause %d is announced as %v, want %v at most", i, p.said, most)
		}
		// Milliseconds are cut off at both ends; i == 0 has the first agent's life in it.
		kept := p.between >= p.said-2*time.Millisecond && (i == 0 || p.between <= p.said+lab.Patience(5*time.Second))
		if p.cut != (i == cut) || kept == p.cut {
			t.Errorf("pause %d, cut short %v: %v were announced, %v passed; want pause %d cut short and the others kept", i, p.cut, p.said, p.between, cut)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
	if status, _ := s.status(); status.Renewals != 1 {
		t.Errorf("want one renewal: %+v", status)
	}
	s.p.Signal(syscall.SIGTERM)
	s.p.Wait(t, 20*time.Second)
	f.CheckNothingLeft(t, s.p)
}
