// SPDX-License-Identifier: Apache-2.0

package hardware

import (
	"bytes"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
)

// event is one record of an event log.
type event struct {
	register, kind uint32
	digests        map[uint16][]byte
	data           []byte
}

const (
	eventNoAction = 3
	algorithm384  = 0x0C
	maxEvents     = 4096
)

var digestNames = map[uint16]string{0x04: "SHA-1", 0x0B: "SHA-256", 0x0C: "SHA-384", 0x0D: "SHA-512", 0x12: "SM3-256"}

var kindNames = map[uint32]string{
	3: "EV_NO_ACTION", 4: "EV_SEPARATOR", 0xD: "EV_IPL", 0x80000001: "EV_EFI_VARIABLE_DRIVER_CONFIG",
	0x80000002: "EV_EFI_VARIABLE_BOOT", 0x80000003: "EV_EFI_BOOT_SERVICES_APPLICATION", 0x80000007: "EV_EFI_ACTION",
	0x80000008: "EV_EFI_PLATFORM_FIRMWARE_BLOB", 0x8000000A: "EV_EFI_PLATFORM_FIRMWARE_BLOB2", 0x8000000B: "EV_EFI_HANDOFF_TABLES2",
	0x800000E0: "EV_EFI_VARIABLE_AUTHORITY",
}

// parseEventLog reads a log of the TCG's second form, up to its end mark.
func parseEventLog(raw []byte) ([]event, error) {
	r := &reader{data: raw}
	r.take(28) // the first record is of the old form; register, type and a digest of zeros
	spec := &reader{data: r.sized()}
	if !bytes.HasPrefix(spec.data, []byte("Spec ID Event03\x00")) {
		return nil, errors.New("event log: the first record is not 'Spec ID Event03'")
	}
	spec.take(24)
	sizes := map[uint16]int{}
	for n := min(spec.u32(), 16); n > 0; n-- {
		algorithm := spec.u16()
		sizes[algorithm] = int(spec.u16())
	}
	if r.short || spec.short {
		return nil, errors.New("event log: the first record is cut")
	}
	var events []event
	for len(r.data) > 0 && !atEnd(r.data) {
		e, err := parseEvent(r, sizes)
		if err != nil {
			return nil, fmt.Errorf("event log: record %d: %w", len(events)+1, err)
		}
		if events = append(events, e); len(events) > maxEvents {
			return nil, errors.New("event log: too many records")
		}
	}
	return events, nil
}

func atEnd(data []byte) bool {
	return len(data) >= 8 && (bytes.Equal(data[:8], bytes.Repeat([]byte{0xFF}, 8)) || bytes.Equal(data[:8], make([]byte, 8)))
}

func parseEvent(r *reader, sizes map[uint16]int) (event, error) {
	e := event{register: r.u32(), kind: r.u32(), digests: map[uint16][]byte{}}
	for n := r.u32(); n > 0 && !r.short; n-- {
		algorithm := r.u16()
		size, known := sizes[algorithm]
		if !known {
			return e, fmt.Errorf("digest algorithm %#x was not announced", algorithm)
		}
		e.digests[algorithm] = r.take(size)
	}
	e.data = r.sized()
	if r.short {
		return e, errors.New("is cut")
	}
	return e, nil
}

// replay is what the log says the runtime registers must be.
func replay(events []event) (rtmr [4][48]byte, err error) {
	for i, e := range events {
		if e.kind == eventNoAction {
			continue
		}
		digest := e.digests[algorithm384]
		if e.register < 1 || e.register > 4 || len(digest) != 48 {
			return rtmr, fmt.Errorf("event log: record %d has register %d and no SHA-384 digest for it", i+1, e.register)
		}
		register := &rtmr[e.register-1]
		*register = sha512.Sum384(append(register[:], digest...))
	}
	return rtmr, nil
}

// eventClaims is the log as policies see it.
func eventClaims(events []event) []any {
	claims := []any{}
	for _, e := range events {
		digests := []any{}
		for algorithm, digest := range e.digests {
			digests = append(digests, map[string]any{"alg": digestNames[algorithm], "digest": hex.EncodeToString(digest)})
		}
		name, known := kindNames[e.kind]
		if !known {
			name = fmt.Sprintf("%#x", e.kind)
		}
		claims = append(claims, map[string]any{
			"index": e.register, "type": e.kind, "type_name": name, "digests": digests,
			"event": base64.StdEncoding.EncodeToString(e.data),
		})
	}
	return claims
}
