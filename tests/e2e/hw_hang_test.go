// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"sealpod.test/e2e/lab"
	"sealpod.test/tee"
)

// How long after its deadline the parent gives up, and what it may take to end
// itself then: a second for the worker to go, and some for a loaded machine.
const (
	hangDeadline = 2 * time.Second
	hangGrace    = 2 * time.Second
	hangSlack    = 6 * time.Second
)

var hangKinds = []string{tee.KindSNP, tee.KindSNPIoctl, tee.KindTDX}

// waitForHang waits until the worker hangs in the kernel, where no signal ends it.
func waitForHang(t *testing.T, m *machine) {
	t.Helper()
	lab.Eventually(t, 30*time.Second, "a request hangs", func() (bool, string) {
		seen := m.counters(t)
		return seen.Hung == 1, fmt.Sprintf("%+v", seen)
	})
}

// checkAbandoned checks what an abandoned worker leaves: nothing that anybody can
// see once the hardware has answered. Until then the kernel keeps the worker and
// the instance that it reads.
func checkAbandoned(t *testing.T, m *machine, p *lab.Process) {
	t.Helper()
	if seen := m.counters(t); seen.Hung != 1 || seen.Reports != 0 {
		t.Errorf("the request did not hang to the end: %+v", seen)
	}
	if err := m.control.Release(); err != nil {
		t.Fatal(err)
	}
	lab.Eventually(t, 20*time.Second, "the instance and the processes are gone", func() (bool, string) {
		seen, group := m.counters(t), syscall.Kill(-p.Pid, 0)
		return seen.Instances == 0 && seen.Hung == 0 && group == syscall.ESRCH, fmt.Sprintf("%+v, process group: %v", seen, group)
	})
	if seen := m.counters(t); seen.Mkdir != seen.Rmdir {
		t.Errorf("%d instances were made, %d removed", seen.Mkdir, seen.Rmdir)
	}
}

func checkGivesUpInTime(t *testing.T, p *lab.Process) {
	t.Helper()
	if took := p.Elapsed(); took < hangDeadline+hangGrace || took > hangDeadline+hangGrace+hangSlack {
		t.Errorf("gave up after %v; the deadline is %v, the grace %v", took, hangDeadline, hangGrace)
	}
}

// A device that never answers: the parent gives up two seconds after the deadline,
// though the worker cannot even be killed.
func TestDeviceThatNeverAnswers(t *testing.T) {
	t.Parallel()
	for _, kind := range hangKinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			t.Run("attest", func(t *testing.T) {
				t.Parallel()
				m := boot(t, tee.Options{Kind: kind}, "hang")
				p := m.attest(t, "--deadline", "2s")
				lab.CheckFailure(t, p, 111, "did not finish in time and is abandoned")
				checkSaid(t, p, "hangs in the kernel and is left behind")
				checkGivesUpInTime(t, p)
				checkAbandoned(t, m, p)
			})
			t.Run("run", func(t *testing.T) {
				t.Parallel()
				roots := ownRoots(t)
				m := boot(t, tee.Options{Kind: kind, Roots: roots}, "hang")
				f := onMachine(t, lab.FixtureOptions{}, anyTEE, roots)
				f.Config.Deadline = hangDeadline
				p := m.run(t, f)
				lab.CheckFailure(t, p, 111, "did not finish in time and is abandoned")
				checkGivesUpInTime(t, p)
				if got := lab.Handshakes(f.KBS.Counters()); got != 0 {
					t.Errorf("the broker saw %d attestations, want none", got)
				}
				checkAbandoned(t, m, p)
				f.CheckNothingLeft(t, p)
			})
		})
	}
}

// SIGTERM ends the program at once, whatever its worker waits for.
func TestSignalWhileTheDeviceDoesNotAnswer(t *testing.T) {
	t.Parallel()
	for _, kind := range hangKinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			m := boot(t, tee.Options{Kind: kind}, "hang")
			p := m.start(t, "attest", "--deadline", "5m")
			waitForHang(t, m)
			began := time.Now()
			p.Signal(syscall.SIGTERM)
			p.Wait(t, 60*time.Second)
			if took := time.Since(began); took > hangSlack {
				t.Errorf("ended %v after SIGTERM", took)
			}
			if p.Status() != 128+int(syscall.SIGTERM) || p.Stdout.String() != "" {
				t.Errorf("status %d, want 143\n%s", p.Status(), p)
			}
			checkAbandoned(t, m, p)
		})
	}
}

// A device that is slow, and a worker that can be killed: then all is gone at once.
func TestSlowDevice(t *testing.T) {
	t.Parallel()
	for _, kind := range hangKinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			t.Run("in time", func(t *testing.T) {
				t.Parallel()
				m := boot(t, tee.Options{Kind: kind}, "delay=1500ms")
				p := m.attest(t, "--deadline", "60s")
				if p.Status() != 0 || p.Elapsed() < 1500*time.Millisecond {
					t.Errorf("status %d after %v\n%s", p.Status(), p.Elapsed(), p)
				}
				m.checkCost(t, 1)
			})
			t.Run("too late", func(t *testing.T) {
				t.Parallel()
				m := boot(t, tee.Options{Kind: kind}, "delay=5m")
				p := m.attest(t, "--deadline", "2s")
				lab.CheckFailure(t, p, 111, "did not finish in time")
				checkUnsaid(t, p, "left behind")
				checkGivesUpInTime(t, p)
				m.checkCost(t, 0)
			})
			t.Run("signal", func(t *testing.T) {
				t.Parallel()
				m := boot(t, tee.Options{Kind: kind}, "delay=5m")
				p := m.start(t, "attest", "--deadline", "5m")
				waitForRequest(t, m)
				p.Signal(syscall.SIGTERM)
				p.Wait(t, 60*time.Second)
				if p.Status() != 128+int(syscall.SIGTERM) {
					t.Errorf("status %d, want 143\n%s", p.Status(), p)
				}
				checkSaid(t, p, "ended by signal 15")
				m.checkCost(t, 0)
			})
		})
	}
}

// waitForRequest waits until the device was asked.
func waitForRequest(t *testing.T, m *machine) {
	t.Helper()
	lab.Eventually(t, 30*time.Second, "the device is asked", func() (bool, string) {
		seen := m.counters(t)
		return seen.Writes+seen.Ioctls["get_ext_report"] > 0, fmt.Sprintf("%+v", seen)
	})
}

// Each process has instances of its own.
func TestTwoAttestAtOnce(t *testing.T) {
	t.Parallel()
	m := boot(t, tee.Options{Kind: tee.KindTDX})
	first, second := m.start(t, "attest"), m.start(t, "attest")
	for _, p := range []*lab.Process{first, second} {
		p.Wait(t, 60*time.Second)
		if p.Status() != 0 || strings.Contains(p.Stderr.String(), "trying again") {
			t.Errorf("status %d: two at once are in each other's way\n%s", p.Status(), p)
		}
	}
	m.checkCost(t, 2)
}
