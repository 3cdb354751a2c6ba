// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"encoding/json"
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

// machinePart is the first argument of this binary where it is to be the machine.
const machinePart = "be-an-emulated-machine"

// playMachine turns this process into the emulated machine if that is its part.
func playMachine() {
	if status, ran, err := tee.Inside(); ran {
		if err != nil {
			fmt.Fprintln(os.Stderr, "emulated machine:", err)
		}
		os.Exit(status)
	}
	if len(os.Args) < 4 || os.Args[1] != machinePart {
		return
	}
	var o tee.Options
	err := json.Unmarshal([]byte(os.Args[2]), &o)
	if err == nil {
		err = tee.Enter(&o, os.Args[3:])
	}
	fmt.Fprintln(os.Stderr, "emulated machine:", err)
	os.Exit(1)
}

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
}

// boot starts a machine; it is gone with the test. Faults are in their text form.
func boot(t *testing.T, o tee.Options, faults ...string) *machine {
	t.Helper()
	if lab.Wrapped() {
		t.Skip("what runs on emulated machines is the release build, which nothing wraps")
	}
	if o.Roots == "" {
		o.Roots = ownRoots(t)
	}
	o.Control = "unix:" + filepath.Join(machineDir(t), "t")
	for _, text := range faults {
		fault, err := tee.ParseFault(text)
		if err != nil {
			t.Fatal(err)
		}
		o.Faults = append(o.Faults, fault)
	}
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	m := &machine{control: tee.NewControl(o.Control)}
	m.process = lab.Start(t, 0, "/", self, machinePart, string(text), "sleep", "infinity")
	lab.Eventually(t, 30*time.Second, "the emulated machine is there", func() (bool, string) {
		if !m.process.Running() {
			t.Fatalf("the emulated machine ended with %d\n%s", m.process.Status(), m.process)
		}
		seen, err := m.control.Counters()
		m.mounts = fmt.Sprintf("/proc/%d/ns/mnt", seen.CommandPID)
		return err == nil && seen.CommandPID != 0, fmt.Sprint(err)
	})
	return m
}

// start starts the release build on the machine. The process is sealpod's own.
func (m *machine) start(t *testing.T, args ...string) *lab.Process {
	t.Helper()
	return lab.Start(t, 0, "/", append([]string{"nsenter", "--mount=" + m.mounts, "--", lab.SealpodRelease}, args...)...)
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
