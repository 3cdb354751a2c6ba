// SPDX-License-Identifier: Apache-2.0

package tee

import "sealpod.test/tee/stage"

func (m *machine) startControl() (stop func(), err error) {
	return stage.Port{
		Counters: func() any { return m.snapshot() }, Faults: &m.faults, Check: checkFault,
		More: map[string]func(){"DELETE /hung": m.answerHung},
	}.Serve(m.o.Control)
}

// Control talks to a running machine.
type Control struct{ stage.Client }

// NewControl takes the address that the machine was given.
func NewControl(address string) Control { return Control{stage.Client(address)} }

// Counters asks what the machine has seen.
func (c Control) Counters() (Counters, error) {
	var counters Counters
	return counters, c.Client.Counters(&counters)
}

// Release lets the requests that hang now fail with EIO.
func (c Control) Release() error { return c.Do("DELETE", "/hung", nil, nil) }
