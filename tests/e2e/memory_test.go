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

// While the worker holds the private key and waits for the last resource, the
// process that will become the agent has no trace of it anywhere.
func TestParentHasNoTraceOfTheKey(t *testing.T) {
	for _, form := range []string{"combined", "separate"} {
		t.Run(form, func(t *testing.T) {
			t.Parallel()
			f := lab.NewFixture(t, lab.FixtureOptions{})
			if form == "separate" {
				f.Separate()
			}
			f.Config.Deadline = "60s"
			lab.AddFault(t, f.KBS, kbs.Fault{Kind: "delay", DelayMS: 4000, Step: "resource", Path: lab.PathBundle})
			p := f.Start(t)
			waitForGet(t, f, lab.PathBundle)
			workers := lab.Children(p.Pid)
			if len(workers) != 1 {
				t.Fatalf("the program has the children %v, want one worker", workers)
			}
			inWorker := lab.FindInMemory(t, workers[0], f.Credential.Traces())
			inParent := lab.FindInMemory(t, p.Pid, f.Credential.Traces())
			if seen := f.KBS.Counters(); lab.Gets(seen) < 2 || !p.Running() || (lab.Exe(p.Pid) != lab.Sealpod && !lab.Wrapped()) {
				t.Fatalf("looked too late: %v; running %v", seen.Resources, p.Running())
			}
			if len(inWorker) == 0 {
				t.Error("the worker does not hold the key: nothing is proven about its parent")
			}
			if len(inParent) != 0 {
				t.Errorf("the parent's memory has: %s", strings.Join(inParent, "; "))
			}
			p.Wait(t, waitLimit)
			lab.CheckExec(t, p)
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
