// SPDX-License-Identifier: Apache-2.0

package tee

import (
	"golang.org/x/sys/unix"

	"sealpod.test/tee/stage"
)

var staged = stage.Stage{Variable: "SEALPOD_TEE_STAGE"}

// Enter moves this process to a mount namespace of its own, by executing the
// program again there. It returns only on failure. The second time round Inside
// tells so; a program that uses this package calls Inside first.
func Enter(o *Options, argv []string) error {
	if err := o.check(); err != nil {
		return err
	}
	return staged.Enter(unix.CLONE_NEWNS, o, argv)
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
	if err := m.setUp(); err != nil {
		return 1, err
	}
	stop, err := m.startControl()
	if err != nil {
		return 1, err
	}
	defer stop()
	return stage.Run("tee", argv, func(pid int) {
		m.count(func(c *Counters) { c.CommandPID = pid })
	}, func() {
		close(m.release) // hung requests end now, and with them those who wait for them
	})
}
