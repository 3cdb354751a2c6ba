// SPDX-License-Identifier: Apache-2.0

package tee

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"sealpod.test/tee/forge"
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
//	certs             =FAULT   of the certificate table: cut, overlap, outside, overflow, header, endless, no-vek, garbage, none, huge
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
type Fault struct {
	Kind  string `json:"kind"`
	Value string `json:"value,omitempty"`
	Count int    `json:"count,omitempty"` // so often; 0: until disarmed
}

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
	rest, count, counted := cutLast(text, "*")
	var f Fault
	f.Kind, f.Value, _ = strings.Cut(rest, "=")
	if counted {
		var err error
		if f.Count, err = strconv.Atoi(count); err != nil || f.Count < 1 {
			return f, fmt.Errorf("fault '%s': '%s' is not a count", text, count)
		}
	}
	return f, f.check()
}

func cutLast(text, separator string) (before, after string, found bool) {
	if i := strings.LastIndex(text, separator); i >= 0 {
		return text[:i], text[i+1:], true
	}
	return text, "", false
}

func (f Fault) check() error {
	ok := false
	switch {
	case slices.Contains(operations, f.Kind), f.Kind == "certs-errno", f.Kind == "device":
		_, ok = errnos[f.Value]
	case f.Kind == "certs":
		ok = slices.Contains(forge.TableFaults, f.Value)
	case f.Kind == "delay":
		_, err := time.ParseDuration(f.Value)
		ok = err == nil
	case f.Kind == "set":
		ok = strings.Contains(f.Value, "=")
	case f.Kind == "trailing":
		ok = f.Value == "zeros" || f.Value == "bytes" || f.Value == "pad"
	case slices.Contains([]string{"short", "status", "report-size", "fw-error", "vmm-error", "certs-limit", "certs-needed"}, f.Kind):
		_, err := strconv.ParseUint(f.Value, 0, 32)
		ok = err == nil
	case slices.Contains([]string{"refuse-inblob", "other-writer", "empty", "hang", "wrong-data", "replay", "bad-signature",
		"fatal", "foreign-vek", "foreign-key", "foreign-pck", "chain-nul"}, f.Kind):
		ok = f.Value == ""
	}
	if !ok {
		return fmt.Errorf("there is no fault '%s' with the value '%s'", f.Kind, f.Value)
	}
	return nil
}

// faultList holds what is armed.
type faultList struct {
	mu   sync.Mutex
	list []Fault
}

func (l *faultList) add(f Fault) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, f)
}

func (l *faultList) clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = nil
}

func (l *faultList) all() []Fault {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]Fault{}, l.list...)
}

// take uses a fault of this kind once, if one is armed.
func (l *faultList) take(kind string) (value string, armed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.IndexFunc(l.list, func(f Fault) bool { return f.Kind == kind })
	if i < 0 {
		return "", false
	}
	value = l.list[i].Value
	if l.list[i].Count > 0 {
		if l.list[i].Count--; l.list[i].Count == 0 {
			l.list = slices.Delete(l.list, i, i+1)
		}
	}
	return value, true
}

func (l *faultList) armed(kind string) bool {
	_, armed := l.take(kind)
	return armed
}

// takeAll uses every armed fault of this kind once.
func (l *faultList) takeAll(kind string) (values []string) {
	for range len(l.all()) {
		l.mu.Lock()
		i := slices.IndexFunc(l.list, func(f Fault) bool { return f.Kind == kind && !slices.Contains(values, f.Value) })
		var f Fault
		if i >= 0 {
			f = l.list[i]
			if f.Count > 0 {
				if l.list[i].Count--; l.list[i].Count == 0 {
					l.list = slices.Delete(l.list, i, i+1)
				}
			}
		}
		l.mu.Unlock()
		if i < 0 {
			break
		}
		values = append(values, f.Value)
	}
	return values
}

func (l *faultList) number(kind string) (n uint32, armed bool) {
	value, armed := l.take(kind)
	wide, _ := strconv.ParseUint(value, 0, 32) // checked when it was armed
	return uint32(wide), armed
}

// errno is what an operation is to fail with, or 0.
func (l *faultList) errno(operation string) syscall.Errno {
	value, armed := l.take(operation)
	if !armed {
		return 0
	}
	return errnos[value]
}
