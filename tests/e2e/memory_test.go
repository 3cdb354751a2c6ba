// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"sealpod.test/e2e/lab"
	"sealpod.test/kbs"
)

// While the worker has the private key and waits for another resource, the
// process that will become the agent has no trace of it. The worker keeps it in
// memory for the step that needs it, and then in the sealed file alone.
func TestParentHasNoTraceOfTheKey(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, path string
		change     func(*lab.Fixture)
		inMemory   bool
	}{
		{"key fetched, certificate not", lab.PathCertificate, (*lab.Fixture).Separate, true},
		{"credential checked, bundle not fetched", lab.PathBundle, func(*lab.Fixture) {}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := lab.NewFixture(t, lab.FixtureOptions{})
			c.change(f)
			f.Config.Deadline = 60 * time.Second
			lab.AddFault(t, f.KBS, kbs.Fault{Kind: "silent", Step: "resource", Path: c.path})
			p := f.Start(t)
			waitForGet(t, f, c.path)
			workers := lab.Children(p.Pid)
			if len(workers) != 1 {
				t.Fatalf("the program has the children %v, want one worker", workers)
			}
			traces := f.Credential.Traces()
			inWorker, inFiles := lab.FindInMemory(t, workers[0], traces), lab.FindInMemfds(t, workers[0], traces)
			inParent := append(lab.FindInMemory(t, p.Pid, traces), lab.FindInMemfds(t, p.Pid, traces)...)
			if seen := f.KBS.Counters(); lab.Gets(seen) != 2 || !p.Running() || (lab.Exe(p.Pid) != lab.Sealpod && !lab.Wrapped()) {
				t.Fatalf("looked too late: %v; running %v", seen.Resources, p.Running())
			}
			if c.inMemory == (len(inWorker) == 0) || c.inMemory == (len(inFiles) != 0) {
				t.Errorf("the worker has the key in memory: %q, in files: %q; want it in memory: %v, in a file: %v",
					inWorker, inFiles, c.inMemory, !c.inMemory)
			}
			if len(inParent) != 0 {
				t.Errorf("the parent has: %s", strings.Join(inParent, "; "))
			}
		})
	}
}

// Neither process can be dumped or looked into by others of its user: the kernel
// then gives their /proc files to root.
func TestProcessesAreNotDumpable(t *testing.T) {
	t.Parallel()
	if lab.Wrapped() {
		t.Skip("another program stands before sealpod")
	}
	f := lab.NewFixture(t, lab.FixtureOptions{})
	f.GiveTo(t, nobodyUID)
	lab.AddFault(t, f.KBS, kbs.Fault{Kind: "silent", Step: "auth"})
	p := f.Start(t)
	lab.Eventually(t, 15*time.Second, "the program asks the broker", func() (bool, string) {
		return f.KBS.Counters().Requests["auth"] > 0, p.Stderr.String()
	})
	for _, pid := range append(lab.Children(p.Pid), p.Pid) {
		if core := lab.Limit(t, pid, "Max core file size"); core != "0 0" {
			t.Errorf("process %d: core file limit '%s', want 0 0", pid, core)
		}
		info, err := os.Stat(fmt.Sprintf("/proc/%d/mem", pid))
		if err != nil {
			t.Fatal(err)
		}
		if owner := info.Sys().(*syscall.Stat_t).Uid; owner != 0 || lab.StatusField(pid, "Uid")[:5] != "65534" {
			t.Errorf("process %d of users %s has a memory file of uid %d, want 0", pid, lab.StatusField(pid, "Uid"), owner)
		}
	}
}
