// SPDX-License-Identifier: Apache-2.0

package hardware

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"

	"sealpod.test/kbs/strictjson"
)

// member is one of the report's JSON members that is a number or an array.
type member struct {
	name         string
	offset, size int
	number       bool
	optional     bool // missing or null: zeros
}

var members = []member{
	{"version", 0x000, 4, true, false}, {"guest_svn", 0x004, 4, true, false}, {"policy", 0x008, 8, true, false},
	{"family_id", 0x010, 16, false, false}, {"image_id", 0x020, 16, false, false}, {"vmpl", 0x030, 4, true, false},
	{"sig_algo", 0x034, 4, true, false}, {"plat_info", 0x040, 8, true, false}, {"key_info", 0x048, 4, true, false},
	{"report_data", 0x050, 64, false, false}, {"measurement", 0x090, 48, false, false}, {"host_data", 0x0C0, 32, false, false},
	{"id_key_digest", 0x0E0, 48, false, false}, {"author_key_digest", 0x110, 48, false, false},
	{"report_id", 0x140, 32, false, false}, {"report_id_ma", 0x160, 32, false, false},
	{"cpuid_fam_id", 0x188, 1, true, true}, {"cpuid_mod_id", 0x189, 1, true, true}, {"cpuid_step", 0x18A, 1, true, true},
	{"chip_id", 0x1A0, 64, false, false},
	{"launch_mit_vector", 0x1F8, 8, true, true}, {"current_mit_vector", 0x200, 8, true, true},
}

var tcbs = map[string]int{"current_tcb": 0x038, "reported_tcb": 0x180, "committed_tcb": 0x1E0, "launch_tcb": 0x1F0}

const familyTurin = 0x1A

// report is an attestation report of 1184 bytes, made of its JSON form. What JSON
// does not carry, the reserved bytes, is zero: so it is in the real verifier.
type report struct {
	raw      [1184]byte
	reported tcb
}

type tcb struct {
	FMC                             *byte
	Bootloader, TEE, SNP, Microcode byte
}

func (r *report) u32(offset int) uint32 { return binary.LittleEndian.Uint32(r.raw[offset:]) }

func (r *report) u64(offset int) uint64 { return binary.LittleEndian.Uint64(r.raw[offset:]) }

func parseReport(o strictjson.Object) (*report, error) {
	r := &report{}
	for _, m := range members {
		if m.optional && o.Absent(m.name) {
			continue
		}
		if err := m.read(o, r.raw[m.offset:m.offset+m.size]); err != nil {
			return nil, err
		}
	}
	turin := r.raw[0x188] == familyTurin
	for name, offset := range tcbs {
		t, err := parseTCB(o, name)
		if err != nil {
			return nil, err
		}
		copy(r.raw[offset:], t.bytes(turin))
		if name == "reported_tcb" {
			r.reported = t
		}
	}
	for name, offset := range map[string]int{"current": 0x1E8, "committed": 0x1EC} {
		if err := parseVersion(o, name, r.raw[offset:]); err != nil {
			return nil, err
		}
	}
	return r, parseSignature(o, r.raw[0x2A0:])
}

func (m member) read(o strictjson.Object, into []byte) error {
	raw, found := o[m.name]
	if !found {
		return fmt.Errorf("member '%s' is missing", m.name)
	}
	if !m.number {
		data, err := octets(raw, m.size)
		if err != nil {
			return fmt.Errorf("member '%s': %w", m.name, err)
		}
		copy(into, data)
		return nil
	}
	n, err := unsigned(raw, m.size)
	if err != nil {
		return fmt.Errorf("member '%s': %w", m.name, err)
	}
	copy(into, binary.LittleEndian.AppendUint64(nil, n)[:m.size])
	return nil
}

// octets reads an array of exactly so many numbers of one byte.
func octets(raw json.RawMessage, size int) ([]byte, error) {
	if len(raw) == 0 || raw[0] != '[' {
		return nil, errors.New("not an array")
	}
	var data []byte
	if err := json.Unmarshal(raw, &data); err != nil {
		return nil, err
	}
	if size >= 0 && len(data) != size {
		return nil, fmt.Errorf("has %d numbers, not %d", len(data), size)
	}
	return data, nil
}

func unsigned(raw json.RawMessage, size int) (uint64, error) {
	if len(raw) == 0 || raw[0] < '0' || raw[0] > '9' {
		return 0, errors.New("not a number")
	}
	var n uint64
	if err := json.Unmarshal(raw, &n); err != nil {
		return 0, err
	}
	if size < 8 && n>>(8*size) != 0 {
		return 0, fmt.Errorf("%d does not fit %d bytes", n, size)
	}
	return n, nil
}

func parseTCB(o strictjson.Object, name string) (t tcb, err error) {
	inner, err := o.Obj(name)
	if err != nil {
		return t, fmt.Errorf("%s: %w", name, err)
	}
	for part, into := range map[string]*byte{"bootloader": &t.Bootloader, "tee": &t.TEE, "snp": &t.SNP, "microcode": &t.Microcode} {
		n, err := unsigned(inner[part], 1)
		if err != nil {
			return t, fmt.Errorf("%s.%s: %w", name, part, err)
		}
		*into = byte(n)
	}
	if inner.Absent("fmc") {
		return t, nil
	}
	n, err := unsigned(inner["fmc"], 1)
	if err != nil {
		return t, fmt.Errorf("%s.fmc: %w", name, err)
	}
	fmc := byte(n)
	t.FMC = &fmc
	return t, nil
}

func (t tcb) bytes(turin bool) []byte {
	if turin {
		fmc := byte(0)
		if t.FMC != nil {
			fmc = *t.FMC
		}
		return []byte{fmc, t.Bootloader, t.TEE, t.SNP, 0, 0, 0, t.Microcode}
	}
	return []byte{t.Bootloader, t.TEE, 0, 0, 0, 0, t.SNP, t.Microcode}
}

// parseVersion reads {major, minor, build}, stored the other way round.
func parseVersion(o strictjson.Object, name string, into []byte) error {
	inner, err := o.Obj(name)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	for i, part := range []string{"build", "minor", "major"} {
		n, err := unsigned(inner[part], 1)
		if err != nil {
			return fmt.Errorf("%s.%s: %w", name, part, err)
		}
		into[i] = byte(n)
	}
	return nil
}

func parseSignature(o strictjson.Object, into []byte) error {
	inner, err := o.Obj("signature")
	if err != nil {
		return fmt.Errorf("signature: %w", err)
	}
	for i, part := range []string{"r", "s"} {
		data, err := octets(inner[part], 72)
		if err != nil {
			return fmt.Errorf("signature.%s: %w", part, err)
		}
		copy(into[72*i:], data)
	}
	return nil
}

// endorsement is the certificate that the evidence brought, if any.
type endorsement struct {
	der  []byte
	vlek bool
}

// parseChain reads cert_chain. Null means that the verifier is to find the VCEK; a
// list, even an empty one, must hold one VCEK or VLEK.
func parseChain(o strictjson.Object) (*endorsement, error) {
	if o.Absent("cert_chain") {
		return nil, nil
	}
	var list []json.RawMessage
	if err := json.Unmarshal(o["cert_chain"], &list); err != nil {
		return nil, fmt.Errorf("cert_chain: %w", err)
	}
	var found *endorsement
	for _, raw := range list {
		entry, err := strictjson.Parse(raw)
		if err != nil {
			return nil, fmt.Errorf("cert_chain: %w", err)
		}
		kind, err := certType(entry)
		if err != nil {
			return nil, err
		}
		data, err := octets(entry["data"], -1)
		if err != nil {
			return nil, fmt.Errorf("cert_chain, data of %s: %w", kind, err)
		}
		if kind != "VCEK" && kind != "VLEK" {
			continue
		}
		if found != nil {
			return nil, errors.New("cert_chain has more than one VCEK or VLEK")
		}
		found = &endorsement{data, kind == "VLEK"}
	}
	if found == nil {
		return nil, errors.New("cert_chain has neither VCEK nor VLEK")
	}
	return found, nil
}

func certType(entry strictjson.Object) (string, error) {
	if other, err := entry.Obj("cert_type"); err == nil {
		_, err := other.Str("OTHER")
		return "OTHER", err
	}
	kind, err := entry.Str("cert_type")
	if err != nil {
		return "", fmt.Errorf("cert_chain: %w", err)
	}
	switch kind {
	case "Empty", "ARK", "ASK", "VCEK", "VLEK", "CRL":
		return kind, nil
	}
	return "", fmt.Errorf("cert_chain: there is no certificate type '%s'", kind)
}
