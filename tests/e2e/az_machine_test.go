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

	"golang.org/x/sys/unix"

	"sealpod.test/azure"
	"sealpod.test/e2e/lab"
)

// The tests of Azure's evidence run the release build, unchanged, on an emulated
// Azure VM: see tests/tee/azure. They prove nothing about real hardware.

var azureMachine = emulation{"be-an-emulated-azure-vm", azure.Inside, func(options []byte, argv []string) error {
	var o azure.Options
	if err := json.Unmarshal(options, &o); err != nil {
		return err
	}
	return azure.Enter(&o, argv)
}}

// azMachine is an emulated VM with a vTPM that was started with init-data.
type azMachine struct {
	machine
	control  azure.Control
	fixture  *lab.Fixture
	initData string
}

// azTEE is the TEE as which such a machine attests.
func azTEE(o azure.Options) string {
	if o.Kind == azure.KindTPM {
		return "tpm"
	}
	return "az-" + o.Kind + "-vtpm"
}

// bootAzure starts a VM, and a broker that releases to it for the digest of its
// init-data in PCR 8 alone. In the VM's network nobody is but the metadata service,
// the broker and the SPIRE server. Nothing is measured yet.
func bootAzure(t *testing.T, o azure.Options, realAgent bool, faults ...string) *azMachine {
	t.Helper()
	releaseOnly(t)
	o.Roots = ownRoots(t)
	o.Control = "unix:" + filepath.Join(machineDir(t), "c")
	o.Faults = append(o.Faults, armed(t, azure.ParseFault, faults)...)
	m := &azMachine{control: azure.NewControl(o.Control)}
	m.fixture = onMachine(t, lab.FixtureOptions{RealAgent: realAgent}, azPolicy(azTEE(o)), o.Roots)
	m.process = azureMachine.power(t, o, func() error {
		_, err := m.control.Counters()
		return err
	})
	m.mounts, m.network = m.namespace("mnt"), m.namespace("net")
	m.join(t, strings.TrimPrefix(m.fixture.KBS.URL(), "https://"))
	m.join(t, fmt.Sprintf("127.0.0.1:%d", m.fixture.Spire.Port))
	m.freshRun(t)
	return m
}

// azPolicy releases to that TEE for what its TPM says was measured.
func azPolicy(tee string) string {
	claims := fmt.Sprintf(`evidence["%s"].tpm`, tee)
	if tee == "tpm" {
		claims = "evidence.tpm"
	}
	return fmt.Sprintf(`package policy
import rego.v1
default allow := false
evidence := input.submods.cpu0["ear.veraison.annotated-evidence"]
allow if {
	evidence.init_data == %s.pcr08
	evidence.init_data_claims.class == "alpha\n"
}
`, claims)
}

func (m *azMachine) namespace(kind string) string {
	return fmt.Sprintf("/proc/%d/ns/%s", m.process.Pid, kind)
}

// join lets the VM reach what listens on this address of the tests: one of its own
// that is the same leads there.
func (m *azMachine) join(t *testing.T, address string) {
	t.Helper()
	var listener net.Listener
	err := inNetwork(m.network, func() (err error) {
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
	m.put(t, peerPodInitData, annotation(t, m.initData))
	argv := []string{"measure-initdata"}
	if instead != "" {
		m.put(t, "/run/other", []byte(instead))
		argv = append(argv, "/run/other")
	}
	p := m.start(t, argv...)
	p.Wait(t, waitLimit)
	if p.Status() != 0 {
		t.Fatalf("the init-data was not measured: %s", p)
	}
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
