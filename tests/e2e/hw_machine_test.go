// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"sealpod.test/e2e/lab"
	"sealpod.test/kbs"
	"sealpod.test/kbs/hardware"
	"sealpod.test/tee"
	"sealpod.test/tee/forge"
)

// The tests of hardware evidence run the release build, unchanged, on an emulated
// machine: see tests/tee. They prove nothing about real hardware.

var teeMachine = emulation{"be-an-emulated-machine", tee.Inside, func(options []byte, argv []string) error {
	var o tee.Options
	if err := json.Unmarshal(options, &o); err != nil {
		return err
	}
	return tee.Enter(&o, argv)
}}

// machineRoots are the throw-away roots of this run, made at first use.
var machineRoots = sync.OnceValues(func() (string, error) {
	dir := filepath.Join(lab.Root, "tee-roots")
	roots, err := forge.NewRoots()
	if err == nil {
		err = roots.Write(dir)
	}
	return dir, err
})

// ownRoots is a copy of the roots for one test: a machine keeps its VCEK beside
// them, where a broker that reads the same copy finds it.
func ownRoots(t *testing.T) string {
	t.Helper()
	shared, err := machineRoots()
	if err != nil {
		t.Fatal(err)
	}
	dir := machineDir(t)
	if err := os.CopyFS(dir, os.DirFS(shared)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// machineDir is a directory whose name leaves room for that of a socket.
func machineDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp(lab.Root, "tee-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// machine is an emulated machine on which nothing runs yet.
type machine struct {
	control tee.Control
	process *lab.Process
	mounts  string // its mount namespace
	network string // its network namespace; empty: it has none of its own
}

// boot starts a machine; it is gone with the test. Faults are in their text form.
func boot(t *testing.T, o tee.Options, faults ...string) *machine {
	t.Helper()
	releaseOnly(t)
	if o.Roots == "" {
		o.Roots = ownRoots(t)
	}
	o.Control = "unix:" + filepath.Join(machineDir(t), "t")
	o.Faults = append(o.Faults, armed(t, tee.ParseFault, faults)...)
	m := &machine{control: tee.NewControl(o.Control)}
	m.process = teeMachine.power(t, o, func() error {
		seen, err := m.control.Counters()
		if err == nil && seen.CommandPID == 0 {
			err = errors.New("its command was not started yet")
		}
		m.mounts = fmt.Sprintf("/proc/%d/ns/mnt", seen.CommandPID)
		return err
	})
	return m
}

// enter is what to put in front of a command that is to run on the machine.
func (m *machine) enter() []string {
	words := []string{"nsenter", "--mount=" + m.mounts}
	if m.network != "" {
		words = append(words, "--net="+m.network)
	}
	return append(words, "--")
}

// start starts the release build on the machine. The process is sealpod's own.
func (m *machine) start(t *testing.T, args ...string) *lab.Process {
	t.Helper()
	return lab.Start(t, 0, "/", append(append(m.enter(), lab.SealpodRelease), args...)...)
}

// attest runs `sealpod attest` to its end.
func (m *machine) attest(t *testing.T, args ...string) *lab.Process {
	t.Helper()
	p := m.start(t, append([]string{"attest"}, args...)...)
	p.Wait(t, 90*time.Second)
	return p
}

// counters is what the machine has seen.
func (m *machine) counters(t *testing.T) tee.Counters {
	t.Helper()
	seen, err := m.control.Counters()
	if err != nil {
		t.Fatal(err)
	}
	if len(seen.ServerFaults) > 0 {
		t.Errorf("the emulation itself failed: %v", seen.ServerFaults)
	}
	return seen
}

// checkCost checks how many reports the machine made, and that no instance of
// configfs-tsm is left there.
func (m *machine) checkCost(t *testing.T, reports int) {
	t.Helper()
	seen := m.counters(t)
	if seen.Reports != reports {
		t.Errorf("the machine made %d reports, want %d", seen.Reports, reports)
	}
	if seen.Instances != 0 || seen.Mkdir != seen.Rmdir {
		t.Errorf("%d instances were made, %d removed, %d are left", seen.Mkdir, seen.Rmdir, seen.Instances)
	}
}

// onMachine is a fixture whose broker verifies hardware evidence. Roots are the
// machine's, so that the broker finds its VCEK in the store.
func onMachine(t *testing.T, o lab.FixtureOptions, policy, roots string) *lab.Fixture {
	t.Helper()
	verifiers, err := hardware.Load(roots)
	if err != nil {
		t.Fatal(err)
	}
	o.KBS = func(options *kbs.Options) {
		options.Verifiers = append(verifiers.Verifiers(), kbs.Sample{})
		options.ResourcePolicy = policy
	}
	f := lab.NewFixture(t, o)
	f.Config.Deadline = 40 * time.Second
	return f
}

// startRun starts `sealpod run` of the release build on the machine.
func (m *machine) startRun(t *testing.T, f *lab.Fixture, args ...string) *lab.Process {
	t.Helper()
	return m.start(t, append([]string{"run", "--unmeasured-config", f.ConfigPath(t)}, args...)...)
}

func (m *machine) run(t *testing.T, f *lab.Fixture, args ...string) *lab.Process {
	t.Helper()
	p := m.startRun(t, f, args...)
	p.Wait(t, 90*time.Second)
	return p
}

// checkSaid checks that standard error has each of the words.
func checkSaid(t *testing.T, p *lab.Process, words ...string) {
	t.Helper()
	for _, word := range words {
		if !strings.Contains(p.Stderr.String(), word) {
			t.Errorf("standard error does not say '%s':\n%s", word, p.Stderr.String())
		}
	}
}

// checkUnsaid checks that standard error has none of the words.
func checkUnsaid(t *testing.T, p *lab.Process, words ...string) {
	t.Helper()
	for _, word := range words {
		if strings.Contains(p.Stderr.String(), word) {
			t.Errorf("standard error says '%s':\n%s", word, p.Stderr.String())
		}
	}
}

// anyTEE is a resource policy that releases to whoever attested.
const anyTEE = lab.AllowSample
