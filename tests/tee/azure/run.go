// SPDX-License-Identifier: Apache-2.0

package azure

import (
	"encoding/json"
	"os"

	"golang.org/x/sys/unix"

	"sealpod.test/tee/stage"
)

var staged = stage.Stage{Variable: "SEALPOD_AZURE_STAGE"}

// Enter moves this process to namespaces of its own, by executing the program
// again there. It returns only on failure. The second time round Inside tells so; a
// program that uses this package calls Inside first.
func Enter(o *Options, argv []string) error {
	if err := o.check(); err != nil {
		return err
	}
	flags := unix.CLONE_NEWNS
	if !o.JoinNet {
		flags |= unix.CLONE_NEWNET
	} else if err := ownNetwork(true); err != nil {
		return err
	}
	return staged.Enter(flags, o, argv)
}

// Inside builds the machine and runs the command, if this is the process that Enter
// made; ran is false if it is not.
func Inside() (status int, ran bool, err error) {
	o := &Options{}
	if ran, err := staged.Inside(o); !ran || err != nil {
		return 1, ran, err
	}
	if err := o.check(); err != nil {
		return 1, true, err
	}
	status, err = inside(*o)
	return status, true, err
}

func inside(o Options) (int, error) {
	argv, err := stage.Command()
	if err != nil {
		return 127, err
	}
	m, err := newMachine(o)
	if err != nil {
		return 1, err
	}
	defer m.tearDown()
	if err := m.setUp(); err != nil {
		return 1, err
	}
	stop, err := stage.Port{Counters: m.snapshot, Faults: &m.faults, Check: checkFault}.Serve(o.Control)
	if err != nil {
		return 1, err
	}
	defer stop()
	return stage.Run("azure", argv, func(int) {}, func() { m.blame(m.writeCounters()) })
}

func (m *machine) writeCounters() error {
	if m.o.Counters == "" {
		return nil
	}
	return os.WriteFile(m.o.Counters, m.snapshot().(json.RawMessage), 0o644)
}

// Control talks to a running machine by the address of its control port.
type Control struct{ stage.Client }

// NewControl takes the address that the machine was given.
func NewControl(address string) Control { return Control{stage.Client(address)} }

// Counters asks what the machine has seen.
func (c Control) Counters() (Counters, error) {
	var counters Counters
	return counters, c.Client.Counters(&counters)
}
