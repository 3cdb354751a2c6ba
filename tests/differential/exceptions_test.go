// SPDX-License-Identifier: Apache-2.0

package differential

import (
	"bytes"
	"encoding/binary"
)

// exception is a difference that is meant. Those about acceptance apply where one
// side refuses; those about fields take fields out of the comparison.
type exception struct {
	name    string
	why     string
	section string // of the format's specification
	kind    byte
	// Exactly one of the three is set.
	weRefuse   func(raw []byte) bool
	theyRefuse func(raw []byte) bool
	fields     func(raw []byte) []string // not compared; nil: the exception does not apply
}

func u16(raw []byte, at int) uint16 { return binary.LittleEndian.Uint16(raw[at:]) }
func u32(raw []byte, at int) uint32 { return binary.LittleEndian.Uint32(raw[at:]) }
func u64(raw []byte, at int) uint64 { return binary.LittleEndian.Uint64(raw[at:]) }

func isZero(raw []byte) bool { return len(bytes.Trim(raw, "\x00")) == 0 }

const (
	reportABI = "SEV-SNP Firmware ABI, ATTESTATION_REPORT"
	quoteABI  = "TDX DCAP quote format, certification data"
)

// Where the inner certification data type of a quote stands, 0 if the quote is too short.
func innerType(raw []byte) int {
	at := 632
	if u16(raw, 0) == 5 {
		at = 54 + int(u32(raw, 50))
	}
	auth := at + 586
	if len(raw) < auth+2 {
		return 0
	}
	inner := auth + 2 + int(u16(raw, auth))
	if len(raw) < inner+2 {
		return 0
	}
	return inner
}

var exceptions = []exception{
	{
		name: "old-version", kind: 'S', section: reportABI + ", VERSION",
		why:      "reports begin with version 2; they leave the version to their verification",
		weRefuse: func(raw []byte) bool { return u32(raw, 0) < 2 },
	},
	{
		name: "longer-than-a-report", kind: 'S', section: reportABI,
		why:      "a report of a known version is 1184 bytes long; they read the first 1184 of any number",
		weRefuse: func(raw []byte) bool { return len(raw) > 1184 && u32(raw, 0) <= 5 },
	},
	{
		name: "mitigation-vectors-before-5", kind: 'S', section: reportABI + ", LAUNCH_MIT_VECTOR",
		why:      "reserved before version 5, so evidence cannot carry what stands there; they read it in any version",
		weRefuse: func(raw []byte) bool { return u32(raw, 0) < 5 && !isZero(raw[0x1F8:0x208]) },
	},
	{
		name: "tail-of-another-signature", kind: 'S', section: reportABI + ", SIGNATURE",
		why:      "the bytes behind R and S are reserved; they look at them for ECDSA P-384 alone",
		weRefuse: func(raw []byte) bool { return u32(raw, 0x34) != 1 && !isZero(raw[0x330:0x4A0]) },
	},
	{
		name: "policy-bits", kind: 'S', section: reportABI + ", POLICY",
		why:        "bits are the look's affair (attest/look.h), not the reader's; they refuse bit 17 at 0 and bits from 25 on",
		theyRefuse: func(raw []byte) bool { return u64(raw, 8)>>17&1 == 0 || u64(raw, 8)>>25 != 0 },
	},
	{
		name: "key-info-bits", kind: 'S', section: reportABI + ", key info",
		why: "as with the policy; they refuse reserved bits and reserved signing keys",
		theyRefuse: func(raw []byte) bool {
			key := u32(raw, 0x48) >> 2 & 7
			return u32(raw, 0x48)>>5 != 0 || (key > 1 && key < 7)
		},
	},
	{
		name: "newer-version", kind: 'S', section: reportABI + ", VERSION",
		why:        "what is reserved in version 5 may mean something later: we read the rest and say so; they want zeros for ever",
		theyRefuse: func(raw []byte) bool { return u32(raw, 0) > 5 },
	},
	{
		name: "fmc-layout", kind: 'S', section: reportABI + ", TCB_VERSION",
		why: "Turin and later have another layout of the TCB version; they decode the older one alone",
		fields: func(raw []byte) []string {
			turin := u32(raw, 0) >= 3 && raw[0x188] > 0x19
			old := u32(raw, 0) == 2 && !isZero(raw[0x1A0:0x1A8]) && isZero(raw[0x1A8:0x1E0])
			if !turin && !old {
				return nil
			}
			return []string{"current_tcb_parts", "reported_tcb_parts", "committed_tcb_parts", "launch_tcb_parts"}
		},
	},
	{
		name: "platform-bits", kind: 'S', section: reportABI + ", PLATFORM_INFO",
		why: "genuine Turin reports set bit 6, which they refuse when they decode the field",
		fields: func(raw []byte) []string {
			if u64(raw, 0x40)>>6 == 0 {
				return nil
			}
			return []string{"platform_bits"}
		},
	},
	{
		name: "products", kind: 'S', section: "PPR of family 19h and 1Ah; AMD KDS, product name",
		why: "they know one model each of Milan, Genoa and Turin; we know ranges, Siena and Venice",
		fields: func(raw []byte) []string {
			family, model := raw[0x188], raw[0x189]
			if u32(raw, 0) < 3 || (family == 0x19 && model <= 0x1F && model&0x0F == 1) || (family == 0x1A && model == 0x02) {
				return nil
			}
			return []string{"product"}
		},
	},
	{
		name: "other-certification-data", kind: 'Q', section: quoteABI,
		why: "types 1 to 4 name the platform instead of a PCK chain; we read them to be able to say so, they refuse",
		theyRefuse: func(raw []byte) bool {
			at := innerType(raw)
			return at > 0 && u16(raw, at) >= 1 && u16(raw, at) <= 4
		},
	},
}
