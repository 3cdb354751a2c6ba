// SPDX-License-Identifier: Apache-2.0

package forge

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha512"
	"encoding/binary"
	"fmt"
	"math/big"
	"slices"
)

// ReportSize is that of an SNP attestation report, whatever its version.
const ReportSize = 1184

const (
	signedSize      = 0x2A0
	keyInfoMaskChip = 1 << 1
	keyInfoVLEK     = 1 << 2
)

var reportLayout = []field{
	{"version", 0x000, 4, true}, {"guest_svn", 0x004, 4, true}, {"policy", 0x008, 8, true},
	{"family_id", 0x010, 16, false}, {"image_id", 0x020, 16, false}, {"vmpl", 0x030, 4, true},
	{"sig_algo", 0x034, 4, true}, {"current_tcb", 0x038, 8, false}, {"plat_info", 0x040, 8, true},
	{"key_info", 0x048, 4, true}, {"report_data", 0x050, 64, false}, {"measurement", 0x090, 48, false},
	{"host_data", 0x0C0, 32, false}, {"id_key_digest", 0x0E0, 48, false}, {"author_key_digest", 0x110, 48, false},
	{"report_id", 0x140, 32, false}, {"report_id_ma", 0x160, 32, false}, {"reported_tcb", 0x180, 8, false},
	{"cpuid_fam_id", 0x188, 1, true}, {"cpuid_mod_id", 0x189, 1, true}, {"cpuid_step", 0x18A, 1, true},
	{"chip_id", 0x1A0, 64, false}, {"committed_tcb", 0x1E0, 8, false},
	{"current_build", 0x1E8, 1, true}, {"current_minor", 0x1E9, 1, true}, {"current_major", 0x1EA, 1, true},
	{"committed_build", 0x1EC, 1, true}, {"committed_minor", 0x1ED, 1, true}, {"committed_major", 0x1EE, 1, true},
	{"launch_tcb", 0x1F0, 8, false}, {"launch_mit_vector", 0x1F8, 8, true}, {"current_mit_vector", 0x200, 8, true},
	{"signature_r", 0x2A0, 72, false}, {"signature_s", 0x2E8, 72, false},
}

// Report is an SNP report that is not signed yet, or is.
type Report struct{ Raw [ReportSize]byte }

// DefaultTCB is what reports and certificates say unless told otherwise. The
// microcode level needs a leading zero in DER.
var DefaultTCB = TCB{FMC: 1, BootLoader: 10, TEE: 0, SNP: 23, Microcode: 213}

// NewReport is the report of an ordinary guest: no debugging, no migration,
// VMPL 0, signed by a VCEK.
func NewReport(p Product, version uint32) *Report {
	r := &Report{}
	r.number("version", uint64(version))
	r.number("policy", 0x30000) // SMT allowed, the bit that must be 1
	r.number("sig_algo", 1)
	r.number("plat_info", 0x25) // SMT, ECC, alias check complete
	r.set("measurement", pattern(48, 0x5E))
	r.set("report_id", pattern(32, 0x1D))
	r.set("report_id_ma", slices.Repeat([]byte{0xFF}, 32))
	r.set("chip_id", pattern(p.HWIDSize, 0xC1))
	for _, name := range []string{"current_tcb", "reported_tcb", "committed_tcb", "launch_tcb"} {
		r.set(name, DefaultTCB.Bytes(p))
	}
	for _, prefix := range []string{"current", "committed"} {
		r.number(prefix+"_build", 7)
		r.number(prefix+"_minor", 55)
		r.number(prefix+"_major", 1)
	}
	if version >= 3 {
		r.number("cpuid_fam_id", uint64(p.Family))
		r.number("cpuid_mod_id", uint64(p.Model))
		r.number("cpuid_step", uint64(p.Stepping))
	}
	if version >= 5 {
		r.number("launch_mit_vector", 3)
		r.number("current_mit_vector", 3)
	}
	return r
}

// pattern is bytes that are not zero and differ from each other for a while.
func pattern(n int, first byte) []byte {
	out := make([]byte, n)
	for i := range out {
		out[i] = first + byte(i)*7
	}
	return out
}

// set is for names and sizes that are right by construction.
func (r *Report) set(name string, value []byte) {
	if err := r.Set(name, value); err != nil {
		panic(err)
	}
}

func (r *Report) number(name string, value uint64) {
	f, err := findField(reportLayout, name)
	if err != nil {
		panic(err)
	}
	r.set(name, binary.LittleEndian.AppendUint64(nil, value)[:f.size])
}

// Set sets a field by its name, padded with zeros on the right.
func (r *Report) Set(name string, value []byte) error {
	return setField(reportLayout, r.Raw[:], name, value)
}

// SetText sets a field from hexadecimal digits; numbers are written 0x….
func (r *Report) SetText(name, text string) error { return setText(reportLayout, r.Raw[:], name, text) }

// Get returns a field by its name.
func (r *Report) Get(name string) []byte { return slices.Clone(getField(reportLayout, r.Raw[:], name)) }

// Number returns a numeric field.
func (r *Report) Number(name string) uint64 {
	var wide [8]byte
	copy(wide[:], r.Get(name))
	return binary.LittleEndian.Uint64(wide[:])
}

// UseVLEK makes the report say that a VLEK signed it.
func (r *Report) UseVLEK() { r.number("key_info", r.Number("key_info")|keyInfoVLEK) }

// Mask makes the report one of MASK_CHIP_KEY: it will carry no signature.
func (r *Report) Mask() { r.number("key_info", r.Number("key_info")|keyInfoMaskChip) }

// Sign signs a report, unless it says that its signature is masked.
func (a *AMD) Sign(r *Report) error {
	clear(r.Raw[signedSize:])
	if r.Number("key_info")&keyInfoMaskChip != 0 {
		return nil
	}
	digest := sha512.Sum384(r.Raw[:signedSize])
	key, isECDSA := a.vek.(*ecdsa.PrivateKey)
	if !isECDSA {
		return fmt.Errorf("the endorsement key is a %T", a.vek)
	}
	bigR, bigS, err := ecdsa.Sign(rand.Reader, key, digest[:])
	if err != nil {
		return err
	}
	r.set("signature_r", littleEndian(bigR))
	r.set("signature_s", littleEndian(bigS))
	return nil
}

func littleEndian(n *big.Int) []byte {
	out := n.FillBytes(make([]byte, 48))
	slices.Reverse(out)
	return out
}
