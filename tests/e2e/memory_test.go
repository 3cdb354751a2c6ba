// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
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

// In the instant before it becomes the agent, at the entry of execve(2), the process that
// passes the credential on has no trace of its key in memory: not as parent, and not as the child
// of a supervisor. The key is in the sealed file, or in the agent's; the worker is gone.
func TestNoTraceOfTheKeyBeforeExec(t *testing.T) {
	t.Parallel()
	if lab.Wrapped() {
		t.Skip("the wrapper would be stopped in the place of sealpod")
	}
	for _, c := range []struct {
		name   string
		args   []string
		minted bool
	}{
		{"fetched", []string{"--exec"}, false},
		{"minted", []string{"--exec"}, true},
		{"fetched, supervised", []string{"--supervise"}, false},
		{"minted, supervised", []string{"--supervise"}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := lab.NewFixture(t, lab.FixtureOptions{})
			ca := newIssuer(t, f.Spire.CA, "issuer-of-memory", time.Now().Add(48*time.Hour))
			if c.minted {
				put(t, f, pathIssuer, ca.combined())
				mintLines(&f.Config)
			}
			f.Config.Deadline = 60 * time.Second
			d := newDoor(t, f)
			d.lock()
			p := f.Start(t, c.args...)
			awaitSaid(t, p, "trying again") // the worker does: it is there, and left alone
			tracer := lab.TraceUntilExec(t, p.Pid)
			d.unlock(t)
			pid := tracer.AtExec()
			if supervised := c.args[0] == "--supervise"; lab.Exe(pid) != lab.Sealpod || (pid != p.Pid) != supervised {
				t.Fatalf("process %d of sealpod's %d executes '%s'", pid, p.Pid, lab.Exe(pid))
			}
			traces := (&lab.Credential{Key: ca.key, KeyPEM: privateKeyPEM(t, ca.key)}).Traces()
			for what, trace := range passedOn(t, f, pid).Traces() {
				traces["agent's "+what] = trace
			}
			for _, process := range []int{p.Pid, pid} {
				if found := lab.FindInMemory(t, process, traces); len(found) != 0 {
					t.Errorf("process %d has: %s", process, strings.Join(found, "; "))
				}
				for _, child := range lab.Children(process) {
					if child != pid {
						t.Errorf("process %d still has the child %d", process, child)
					}
				}
			}
			tracer.Release()
			if c.args[0] == "--exec" {
				p.Wait(t, waitLimit)
				lab.CheckExec(t, p)
			}
		})
	}
}

// passedOn is the credential that the process is about to pass on.
func passedOn(t *testing.T, f *lab.Fixture, pid int) *lab.Credential {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(f.Config.RuntimeDir, "agent", "credential.pem"))
	if os.IsNotExist(err) {
		text, err = os.ReadFile(fmt.Sprintf("/proc/%d/fd/3", pid))
	}
	if err != nil {
		t.Fatal(err)
	}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "PRIVATE KEY" {
			continue
		}
		key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		return &lab.Credential{Key: key.(crypto.Signer), KeyPEM: pem.EncodeToMemory(block)}
	}
	t.Fatalf("no key in %d bytes", len(text))
	return nil
}

// As soon as the leaf is signed nothing of the issuer's key is left: while the worker waits for
// the bundle it has the minted credential, and the issuer's certificate in it, and no trace of that
// key in memory or in a file. Nor has the parent.
func TestNoTraceOfTheIssuerAfterMinting(t *testing.T) {
	t.Parallel()
	f := lab.NewFixture(t, lab.FixtureOptions{})
	ca := newIssuer(t, f.Spire.CA, "issuer-to-be-wiped", time.Now().Add(48*time.Hour))
	put(t, f, pathIssuer, ca.combined())
	mintLines(&f.Config)
	f.Config.Deadline = 60 * time.Second
	lab.AddFault(t, f.KBS, kbs.Fault{Kind: "silent", Step: "resource", Path: lab.PathBundle})
	p := f.Start(t, "--exec")
	waitForGet(t, f, lab.PathBundle)
	workers := lab.Children(p.Pid)
	if len(workers) != 1 {
		t.Fatalf("the program has the children %v, want one worker", workers)
	}
	traces := (&lab.Credential{Key: ca.key, KeyPEM: privateKeyPEM(t, ca.key)}).Traces()
	line := strings.Split(string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.cert.Raw})), "\n")[3]
	handedOver := map[string][]byte{"certificate": []byte(line)}
	if found := lab.FindInMemfds(t, workers[0], handedOver); len(found) == 0 {
		t.Error("the worker has not minted yet: the search proves nothing")
	}
	for _, pid := range []int{workers[0], p.Pid} {
		if found := append(lab.FindInMemory(t, pid, traces), lab.FindInMemfds(t, pid, traces)...); len(found) != 0 {
			t.Errorf("process %d has: %s", pid, strings.Join(found, "; "))
		}
	}
	if seen := f.KBS.Counters(); lab.Gets(seen) != 2 || !p.Running() {
		t.Fatalf("looked too late: %v; running %v", seen.Resources, p.Running())
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
