// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sealpod.test/azure"
	"sealpod.test/e2e/lab"
)

// The tests of Azure's evidence run the release build, unchanged, on an emulated
// Azure VM: see tests/tee/azure. They prove nothing about real hardware.

// azureMachinePart is the first argument of this binary where it is to be that VM.
const azureMachinePart = "be-an-emulated-azure-vm"

// playAzureMachine turns this process into the emulated VM if that is its part.
func playAzureMachine() {
	if status, ran, err := azure.Inside(); ran {
		if err != nil {
			fmt.Fprintln(os.Stderr, "emulated Azure VM:", err)
		}
		os.Exit(status)
	}
	if len(os.Args) < 4 || os.Args[1] != azureMachinePart {
		return
	}
	var o azure.Options
	err := json.Unmarshal([]byte(os.Args[2]), &o)
	if err == nil {
		err = azure.Enter(&o, os.Args[3:])
	}
	fmt.Fprintln(os.Stderr, "emulated Azure VM:", err)
	os.Exit(1)
}

// azMachine is an emulated Azure VM that was started with init-data.
type azMachine struct {
	control  azure.Control
	process  *lab.Process
	fixture  *lab.Fixture
	initData string
}

// bootAzure starts a VM, and a broker that releases to it for the digest of its
// init-data in PCR 8 alone. In the VM's network nobody is but the metadata service,
// the broker and the SPIRE server. Nothing is measured yet.
func bootAzure(t *testing.T, o azure.Options, realAgent bool, faults ...string) *azMachine {
	t.Helper()
	if lab.Wrapped() {
		t.Skip("what runs on emulated machines is the release build, which nothing wraps")
	}
	o.Roots = ownRoots(t)
	o.Control = filepath.Join(machineDir(t), "c")
	for _, text := range faults {
		fault, err := azure.ParseFault(text)
		if err != nil {
			t.Fatal(err)
		}
		o.Faults = append(o.Faults, fault)
	}
	m := &azMachine{control: azure.Control(o.Control)}
	m.fixture = onMachine(t, lab.FixtureOptions{RealAgent: realAgent}, azPolicy("az-"+o.Kind+"-vtpm"), o.Roots)
	m.power(t, o)
	m.join(t, strings.TrimPrefix(m.fixture.KBS.URL(), "https://"))
	m.join(t, fmt.Sprintf("127.0.0.1:%d", m.fixture.Spire.Port))
	m.files().freshRun(t)
	return m
}

// azPolicy releases to that TEE for what its TPM says was measured.
func azPolicy(tee string) string {
	return fmt.Sprintf(`package policy
import rego.v1
default allow := false
evidence := input.submods.cpu0["ear.veraison.annotated-evidence"]
allow if {
	evidence.init_data == evidence["%s"].tpm.pcr08
	evidence.init_data_claims.class == "alpha\n"
}
`, tee)
}

func (m *azMachine) power(t *testing.T, o azure.Options) {
	t.Helper()
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	m.process = lab.Start(t, 0, "/", self, azureMachinePart, string(text), "sleep", "infinity")
	t.Cleanup(func() { // asked nicely it takes its TPM's state away
		m.process.Signal(unix.SIGTERM)
		m.process.Wait(t, 20*time.Second)
	})
	lab.Eventually(t, 30*time.Second, "the emulated Azure VM is there", func() (bool, string) {
		if !m.process.Running() {
			t.Fatalf("the emulated Azure VM ended with %d\n%s", m.process.Status(), m.process)
		}
		_, err := m.control.Counters()
		return err == nil, fmt.Sprint(err)
	})
}

func (m *azMachine) namespace(kind string) string {
	return fmt.Sprintf("/proc/%d/ns/%s", m.process.Pid, kind)
}

// files are those of the VM.
func (m *azMachine) files() *machine { return &machine{mounts: m.namespace("mnt")} }

// join lets the VM reach what listens on this address of the tests: one of its own
// that is the same leads there.
func (m *azMachine) join(t *testing.T, address string) {
	t.Helper()
	var listener net.Listener
	err := inNetwork(m.namespace("net"), func() (err error) {
		listener, err = net.Listen("tcp", address)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", address)
			if err != nil {
				client.Close()
				continue
			}
			go passOn(client, server)
			go passOn(server, client)
		}
	}()
}

// inNetwork calls in another network namespace. A socket stays in the one in which
// it was made, whoever uses it.
func inNetwork(path string, call func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		back, err := os.Open("/proc/thread-self/ns/net")
		if err != nil {
			done <- err
			return
		}
		defer back.Close()
		there, err := os.Open(path)
		if err != nil {
			done <- err
			return
		}
		defer there.Close()
		err = unix.Setns(int(there.Fd()), unix.CLONE_NEWNET)
		if err == nil {
			err = call()
		}
		returned := unix.Setns(int(back.Fd()), unix.CLONE_NEWNET)
		if returned == nil { // otherwise the thread ends with this function
			runtime.UnlockOSThread()
		}
		done <- errors.Join(err, returned)
	}()
	return <-done
}

// measure writes the init-data and lets the image's own service measure it, or
// another document in its place.
func (m *azMachine) measure(t *testing.T, instead string) {
	t.Helper()
	m.initData = initDataText("sha256", map[string]string{"class": "alpha\n", "sealpod.toml": m.fixture.Config.TOML()})
	m.files().put(t, peerPodInitData, annotation(t, m.initData))
	argv := []string{"measure-initdata"}
	if instead != "" {
		m.files().put(t, "/run/other", []byte(instead))
		argv = append(argv, "/run/other")
	}
	p := m.start(t, argv...)
	p.Wait(t, waitLimit)
	if p.Status() != 0 {
		t.Fatalf("the init-data was not measured: %s", p)
	}
}

// start starts the release build on the VM. The process is sealpod's own.
func (m *azMachine) start(t *testing.T, args ...string) *lab.Process {
	t.Helper()
	into := []string{"nsenter", "--mount=" + m.namespace("mnt"), "--net=" + m.namespace("net"), "--", lab.SealpodRelease}
	return lab.Start(t, 0, "/", append(into, args...)...)
}

// azCost is what evidence costs the VM.
type azCost struct {
	reports int // HCL reports that were asked for
	imds    int // requests to the metadata service
}

// several stands for one or more, as the deadline allows.
const several = -1

func (want azCost) is(seen azCost) bool {
	fits := func(want, seen int) bool { return want == seen || want == several && seen > 0 }
	return fits(want.reports, seen.reports) && fits(want.imds, seen.imds)
}

// checkCost checks what was asked for, and that the metadata service was asked as
// the real one wants it.
func (m *azMachine) checkCost(t *testing.T, want azCost) {
	t.Helper()
	counters, err := m.control.Counters()
	if err != nil {
		t.Fatal(err)
	}
	seen := azCost{reports: len(counters.ReportData)}
	for _, times := range counters.IMDS {
		seen.imds += times
	}
	if !want.is(seen) {
		t.Errorf("HCL reports and requests to the metadata service: %v, want %v", seen, want)
	}
	if len(counters.ServerFaults) > 0 || len(counters.BadRequests) > 0 {
		t.Errorf("the emulation itself failed: %v; wrong requests: %v", counters.ServerFaults, counters.BadRequests)
	}
}
