// SPDX-License-Identifier: Apache-2.0

package tee

import (
	"fmt"
	"slices"
	"strings"
	"syscall"

	"sealpod.test/tee/forge"
	"sealpod.test/tee/stage"
)

// Fault is something that goes wrong. As text: KIND, KIND=VALUE, either with *COUNT.
//
//	opendir mkdir rmdir provider generation privlevel privlevel_floor inblob outblob auxblob ioctl
//	                  =ERRNO   the operation fails: EBUSY, ENXIO, EINTR, EIO, ETIMEDOUT, …
//	refuse-inblob              the write is swallowed: no error, and the generation does not move
//	other-writer               somebody else writes before the report is read: two generations, his data
//	empty                      outblob has no bytes (the quoting service is not there)
//	short             =N       outblob is cut to N bytes
//	delay             =1500ms  making a report takes that long; a signal ends it with EINTR
//	hang                       making a report takes for ever, and no signal ends it
//	wrong-data                 the report carries other report data
//	replay                     … that of an earlier report
//	bad-signature              one bit of the report's signature is wrong
//	set               =F=TEXT  a field of the report, see forge
//	certs             =FAULT   of the certificate table: cut, cut-vek, overlap, outside, overflow, header, endless, no-vek, garbage, none, huge
//	certs-needed      =N       ioctl: the size that the host says its certificates need, where the buffer is too small
//	certs-errno       =ERRNO   ioctl: what says so, in place of EIO
//	device            =ERRNO   /dev/sev-guest cannot be opened
//	foreign-vek                the VCEK or VLEK in the table is of another key, as after an update of the firmware
//	certs-limit       =N       ioctl: the driver takes buffers of N bytes, not of 16 KiB, as a later one might
//	status            =0x16    the firmware's status in front of the report; the ioctl itself succeeds
//	report-size       =N       the size in front of the report
//	fw-error          =0x…     the firmware fails: EIO, and the device is dead from then on
//	vmm-error         =N       the hypervisor fails: EIO, likewise
//	fatal                      the device is dead: ENOTTY
//	foreign-key                TDX: the QE vouches for another attestation key
//	foreign-pck                TDX: the QE report is signed by another key than the PCK
//	trailing          =zeros|bytes|pad   TDX: bytes after the quote (70 zeros, 39 others, padded to 8000)
//	chain-nul                  TDX: a NUL after the PEM chain
type Fault = stage.Fault

// operations are those that can be made to fail with an errno.
var operations = []string{
	"opendir", "mkdir", "rmdir", "provider", "generation", "privlevel", "privlevel_floor", "inblob", "outblob", "auxblob", "ioctl",
}

var errnos = map[string]syscall.Errno{
	"EBUSY": syscall.EBUSY, "ENXIO": syscall.ENXIO, "EINTR": syscall.EINTR, "EIO": syscall.EIO,
	"ETIMEDOUT": syscall.ETIMEDOUT, "EINVAL": syscall.EINVAL, "ENOTTY": syscall.ENOTTY, "EFBIG": syscall.EFBIG,
	"ENOENT": syscall.ENOENT, "EACCES": syscall.EACCES, "EPERM": syscall.EPERM, "ENOMEM": syscall.ENOMEM,
	"EAGAIN": syscall.EAGAIN, "EFAULT": syscall.EFAULT, "ENOSPC": syscall.ENOSPC,
}

// ParseFault reads the text form.
func ParseFault(text string) (Fault, error) {
	f, err := stage.ParseFault(text)
	if err != nil {
		return f, err
	}
	return f, checkFault(f)
}

func checkFault(f Fault) error { return stage.CheckFault(faultValues, f) }

var faultValues = func() map[string]func(string) error {
	values := map[string]func(string) error{
		"certs": oneOf(forge.TableFaults...), "trailing": oneOf("zeros", "bytes", "pad"), "delay": stage.IsDuration, "set": isAssignment,
	}
	for _, kind := range slices.Concat(operations, []string{"certs-errno", "device"}) {
		values[kind] = isErrno
	}
	for _, kind := range []string{"short", "status", "report-size", "fw-error", "vmm-error", "certs-limit", "certs-needed"} {
		values[kind] = stage.IsNumber
	}
	for _, kind := range []string{"refuse-inblob", "other-writer", "empty", "hang", "wrong-data", "replay", "bad-signature",
		"fatal", "foreign-vek", "foreign-key", "foreign-pck", "chain-nul"} {
		values[kind] = stage.IsEmpty
	}
	return values
}()

func isErrno(text string) error {
	if _, known := errnos[text]; !known {
		return fmt.Errorf("there is no errno '%s'", text)
	}
	return nil
}

func isAssignment(text string) error {
	if !strings.Contains(text, "=") {
		return fmt.Errorf("'%s' is not FIELD=TEXT", text)
	}
	return nil
}

func oneOf(known ...string) func(string) error {
	return func(text string) error {
		if !slices.Contains(known, text) {
			return fmt.Errorf("there is no '%s'", text)
		}
		return nil
	}
}

// errno is what an operation is to fail with, or 0.
func (m *machine) errno(operation string) syscall.Errno {
	value, armed := m.faults.Take(operation)
	if !armed {
		return 0
	}
	return errnos[value]
}
