// SPDX-License-Identifier: Apache-2.0

package forge

import (
	"crypto/sha512"
	"encoding/binary"
	"unicode/utf16"
)

// Event types of the TCG PC client profile that the log uses.
const (
	evNoAction     = 0x00000003
	evSeparator    = 0x00000004
	evIPL          = 0x0000000D
	evVariable     = 0x80000001
	evPlatformBlob = 0x8000000A
	evAction       = 0x80000007
)

const algSHA384 = 0x000C

// LogSize is the area that the ACPI table names; the log is padded to it.
const LogSize = 64 << 10

type logEvent struct {
	register, kind uint32
	data           []byte // in the record
	measured       []byte // what the digest covers; nil: the data
}

// bootEvents is a short boot: firmware, kernel, command line, and one event of the
// runtime in the last register. Some digests cover less than the data, as in life.
func bootEvents() []logEvent {
	variable := func(name string, value []byte) logEvent {
		data := binary.LittleEndian.AppendUint64(pattern(16, 0x61), uint64(len(name)))
		data = binary.LittleEndian.AppendUint64(data, uint64(len(value)))
		for _, unit := range utf16.Encode([]rune(name)) {
			data = binary.LittleEndian.AppendUint16(data, unit)
		}
		return logEvent{register: 1, kind: evVariable, data: append(data, value...)}
	}
	grub := func(register uint32, prefix, text string) logEvent {
		return logEvent{register, evIPL, append([]byte(prefix+text), 0), []byte(text)}
	}
	return []logEvent{
		{1, evPlatformBlob, []byte("td hob"), []byte("the hand-off block itself")},
		variable("SecureBoot", []byte{1}), variable("PK", pattern(40, 1)), variable("KEK", pattern(40, 2)), variable("db", pattern(40, 3)),
		{1, evSeparator, []byte{0, 0, 0, 0}, nil},
		{1, evNoAction, []byte("startup locality"), nil}, // is not extended
		{2, evAction, []byte("Calling EFI Application from Boot Option"), nil},
		{2, evSeparator, []byte{0, 0, 0, 0}, nil},
		{2, evAction, []byte("Exit Boot Services Returned with Success"), nil},
		grub(3, "grub_cmd: ", "linux /vmlinuz console=hvc0"),
		grub(3, "kernel_cmdline: ", "/vmlinuz console=hvc0"),
		{4, evIPL, []byte("example.test/agent image abc"), nil},
	}
}

// EventLog makes a CCEL log and the four runtime registers that it replays to.
// Broken changes one digest in it, so that it does not.
func EventLog(broken bool) (log []byte, rtmr [4][48]byte) {
	log = specID()
	for n, e := range bootEvents() {
		measured := e.measured
		if measured == nil {
			measured = e.data
		}
		digest := sha512.Sum384(measured)
		if e.kind != evNoAction {
			r := &rtmr[e.register-1]
			*r = sha512.Sum384(append(r[:], digest[:]...))
		}
		if broken && n == 1 {
			digest[0] ^= 1
		}
		log = appendEvent(log, e, digest[:])
	}
	for len(log) < LogSize {
		log = append(log, 0xFF)
	}
	return log, rtmr
}

// specID is the first record, in the form of TPM 1.2 logs; it says which digests follow.
func specID() []byte {
	data := append([]byte("Spec ID Event03\x00"), 0, 0, 0, 0 /* class */, 0, 2, 0, 2 /* version 2.0, 64 bit */)
	data = binary.LittleEndian.AppendUint32(data, 1)
	data = binary.LittleEndian.AppendUint16(data, algSHA384)
	data = binary.LittleEndian.AppendUint16(data, 48)
	data = append(data, 0) // no vendor information
	record := binary.LittleEndian.AppendUint32(nil, 1)
	record = binary.LittleEndian.AppendUint32(record, evNoAction)
	record = append(record, make([]byte, 20)...)
	record = binary.LittleEndian.AppendUint32(record, uint32(len(data)))
	return append(record, data...)
}

func appendEvent(log []byte, e logEvent, digest []byte) []byte {
	log = binary.LittleEndian.AppendUint32(log, e.register)
	log = binary.LittleEndian.AppendUint32(log, e.kind)
	log = binary.LittleEndian.AppendUint32(log, 1)
	log = binary.LittleEndian.AppendUint16(log, algSHA384)
	log = append(log, digest...)
	log = binary.LittleEndian.AppendUint32(log, uint32(len(e.data)))
	return append(log, e.data...)
}

// CCELTable is the ACPI table that says where the log is.
func CCELTable() []byte {
	table := append([]byte("CCEL"), 56, 0, 0, 0, 1, 0)
	table = append(table, []byte("FORGED"+"EMULATED")...)
	table = append(table, make([]byte, 36-len(table))...)
	table = append(table, 2, 0, 0, 0) // TDX
	table = binary.LittleEndian.AppendUint64(table, LogSize)
	table = binary.LittleEndian.AppendUint64(table, 0x7E000000)
	sum := byte(0)
	for _, b := range table {
		sum += b
	}
	table[9] = -sum
	return table
}
