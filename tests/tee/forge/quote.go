// SPDX-License-Identifier: Apache-2.0

package forge

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
)

// Sizes of a TD report body.
const (
	bodySize10 = 584
	bodySize15 = 648
)

var bodyLayout = []field{
	{"tcb_svn", 0, 16, false}, {"mr_seam", 16, 48, false}, {"mrsigner_seam", 64, 48, false},
	{"seam_attributes", 112, 8, true}, {"td_attributes", 120, 8, true}, {"xfam", 128, 8, true},
	{"mr_td", 136, 48, false}, {"mr_config_id", 184, 48, false}, {"mr_owner", 232, 48, false},
	{"mr_owner_config", 280, 48, false}, {"rtmr_0", 328, 48, false}, {"rtmr_1", 376, 48, false},
	{"rtmr_2", 424, 48, false}, {"rtmr_3", 472, 48, false}, {"report_data", 520, 64, false},
	{"tee_tcb_svn2", 584, 16, false}, {"mr_servicetd", 600, 48, false},
}

// teeTCBSVN: module 1.5 (byte 1 is its major version), SVN 5.
var teeTCBSVN = []byte{5, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}

const (
	attributeSEPT = 1 << 28 // SEPT_VE_DISABLE
	xfam          = 0x61AE7
)

// Body is the part of a quote that describes the TD.
type Body struct{ Raw []byte }

// NewBody is the body of an ordinary TD, of TDX 1.5 if asked for.
func NewBody(v15 bool) *Body {
	b := &Body{Raw: make([]byte, bodySize10)}
	if v15 {
		b.Raw = make([]byte, bodySize15)
		b.set("tee_tcb_svn2", teeTCBSVN)
	}
	b.set("tcb_svn", teeTCBSVN)
	b.set("mr_seam", pattern(48, 0x5A))
	b.set("td_attributes", binary.LittleEndian.AppendUint64(nil, attributeSEPT))
	b.set("xfam", binary.LittleEndian.AppendUint64(nil, xfam))
	b.set("mr_td", pattern(48, 0x7D))
	return b
}

func (b *Body) set(name string, value []byte) {
	if err := b.Set(name, value); err != nil {
		panic(err)
	}
}

// Set sets a field by its name, padded with zeros on the right.
func (b *Body) Set(name string, value []byte) error { return setField(bodyLayout, b.Raw, name, value) }

// SetText sets a field from hexadecimal digits; numbers are written 0x….
func (b *Body) SetText(name, text string) error { return setText(bodyLayout, b.Raw, name, text) }

// Get returns a field by its name.
func (b *Body) Get(name string) []byte { return slices.Clone(getField(bodyLayout, b.Raw, name)) }

// QuoteOptions spoil a quote.
type QuoteOptions struct {
	Trailing     []byte // after the signature data, as real ones have
	ChainTail    []byte // after the PEM chain: a NUL or LF is usual
	BadSignature bool   // one bit of the TD's signature is wrong
	OtherKeyHash bool   // the QE report vouches for another key
	ForeignPCK   bool   // the QE report is signed by another key than the PCK's
}

// Quote signs a body: version 4 takes one of TDX 1.0, version 5 both.
func (i *Intel) Quote(version int, b *Body, o QuoteOptions) ([]byte, error) {
	signed, err := quoteHead(version, b)
	if err != nil {
		return nil, err
	}
	signature, err := rawSignature(i.attestation, signed)
	if err != nil {
		return nil, err
	}
	if o.BadSignature {
		signature[40] ^= 1
	}
	certification, err := i.certification(o)
	if err != nil {
		return nil, err
	}
	data := append(signature, i.attestationKey()...)
	data = appendSized(data, 6, certification)
	quote := binary.LittleEndian.AppendUint32(signed, uint32(len(data)))
	return append(append(quote, data...), o.Trailing...), nil
}

// quoteHead is all that the TD's signature covers.
func quoteHead(version int, b *Body) ([]byte, error) {
	head := binary.LittleEndian.AppendUint16(nil, uint16(version))
	head = binary.LittleEndian.AppendUint16(head, 2) // ECDSA P-256
	head = binary.LittleEndian.AppendUint32(head, 0x81)
	head = append(head, 0, 0, 0, 0)
	vendor, _ := hex.DecodeString("939a7233f79c4ca9940a0db3957f0607")
	head = append(head, vendor...)
	head = append(head, append(pattern(16, 0x0E), 0, 0, 0, 0)...)
	switch {
	case version == 4 && len(b.Raw) == bodySize10:
	case version == 5:
		kind := uint16(2)
		if len(b.Raw) == bodySize15 {
			kind = 3
		}
		head = binary.LittleEndian.AppendUint16(head, kind)
		head = binary.LittleEndian.AppendUint32(head, uint32(len(b.Raw)))
	default:
		return nil, fmt.Errorf("a quote of version %d has no body of %d bytes", version, len(b.Raw))
	}
	return append(head, b.Raw...), nil
}

func (i *Intel) attestationKey() []byte {
	point, err := i.attestation.Public().(*ecdsa.PublicKey).Bytes()
	if err != nil {
		panic(err)
	}
	return point[1:] // without the byte that says "uncompressed"
}

func appendSized(out []byte, kind uint16, data []byte) []byte {
	out = binary.LittleEndian.AppendUint16(out, kind)
	out = binary.LittleEndian.AppendUint32(out, uint32(len(data)))
	return append(out, data...)
}

// certification is the QE's word for the attestation key, with the chain to Intel.
func (i *Intel) certification(o QuoteOptions) ([]byte, error) {
	authData := pattern(32, 0x20)
	report := i.qeReport(authData)
	if o.OtherKeyHash {
		report[320] ^= 1
	}
	signer := i.pck
	if o.ForeignPCK {
		signer = i.tcbSigner
	}
	signature, err := rawSignature(signer, report)
	if err != nil {
		return nil, err
	}
	out := append(report, signature...)
	out = binary.LittleEndian.AppendUint16(out, uint16(len(authData)))
	out = append(out, authData...)
	return appendSized(out, 5, append(certPEM(i.PCK, i.PlatformCA, i.Root), o.ChainTail...)), nil
}

// qeReport is the SGX report of the quoting enclave.
func (i *Intel) qeReport(authData []byte) []byte {
	report := make([]byte, 384)
	copy(report, cpuSVN)
	report[48] = 0x11 // initialised, provisioning key; not debug
	copy(report[64:], pattern(32, 0xEE))
	copy(report[128:], qeMRSigner)
	binary.LittleEndian.PutUint16(report[256:], qeISVProdID)
	binary.LittleEndian.PutUint16(report[258:], qeISVSVN)
	hash := sha256.Sum256(append(i.attestationKey(), authData...))
	copy(report[320:], hash[:])
	return report
}

// TDReport is what the TDX module gives the guest itself: checked by nobody
// outside of the machine. Its MAC is made up.
func TDReport(b *Body) []byte {
	report := make([]byte, 1024)
	info := report[0x200:]
	copy(info, b.Raw[120:520]) // attributes to RTMR3, in the same order
	report[0] = 0x81
	if len(b.Raw) == bodySize15 {
		report[2] = 1
		copy(info[0x190:], b.Get("mr_servicetd"))
	}
	copy(report[0x10:], cpuSVN)
	copy(report[0x80:], b.Get("report_data"))
	tcb := report[0x100 : 0x100+239]
	tcb[0], tcb[1] = 0xFF, 0x01 // which fields are valid
	copy(tcb[8:], b.Get("tcb_svn"))
	copy(tcb[24:], b.Get("mr_seam"))
	tcbHash, infoHash := sha512.Sum384(tcb), sha512.Sum384(info)
	copy(report[0x20:], tcbHash[:])
	copy(report[0x50:], infoHash[:])
	copy(report[0xE0:], pattern(32, 0x3A))
	return report
}
