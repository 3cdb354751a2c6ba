// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sealpod.test/e2e/lab"
	"sealpod.test/tee/stage"
)

// emulation is a kind of emulated machine that this binary can be.
type emulation struct {
	part   string // the first argument of this binary where it is to be one
	inside func() (status int, ran bool, err error)
	enter  func(options []byte, argv []string) error
}

// play turns this process into the emulated machine if that is its part.
func (e emulation) play() {
	status, ran, err := e.inside()
	if !ran && len(os.Args) > 3 && os.Args[1] == e.part {
		status, ran, err = 1, true, e.enter([]byte(os.Args[2]), os.Args[3:])
	}
	if !ran {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, e.part+":", err)
	}
	os.Exit(status)
}

// power starts a machine, which is gone with the test, and waits until it is there.
func (e emulation) power(t *testing.T, options any, there func() error) *lab.Process {
	t.Helper()
	text, err := json.Marshal(options)
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	process := lab.Start(t, 0, "/", self, e.part, string(text), "sleep", "infinity")
	t.Cleanup(func() { // asked nicely it takes its TPM's state away
		process.Signal(unix.SIGTERM)
		process.Wait(t, 20*time.Second)
	})
	lab.Eventually(t, 30*time.Second, "the emulated machine is there", func() (bool, string) {
		if !process.Running() {
			t.Fatalf("the emulated machine ended with %d\n%s", process.Status(), process)
		}
		err := there()
		return err == nil, fmt.Sprint(err)
	})
	return process
}

// armed reads faults in their text form.
func armed(t *testing.T, parse func(string) (stage.Fault, error), texts []string) (faults []stage.Fault) {
	t.Helper()
	for _, text := range texts {
		fault, err := parse(text)
		if err != nil {
			t.Fatal(err)
		}
		faults = append(faults, fault)
	}
	return faults
}

// releaseOnly skips where sealpod is wrapped.
func releaseOnly(t *testing.T) {
	t.Helper()
	if lab.Wrapped() {
		t.Skip("what runs on emulated machines is the release build, which nothing wraps")
	}
}
