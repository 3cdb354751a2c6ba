// SPDX-License-Identifier: Apache-2.0

package azure

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"

	"github.com/google/go-tpm/tpm2"
)

// An HCL report as long as today's does not fit an index of libtpms. So swtpm has no
// such index, and the interposer answers for it.
const (
	longIndexSize = 2600
	chunkSize     = 1024 // TPM_PT_NV_BUFFER_MAX of swtpm
	rcValue       = 0x2C4
	rcNVRange     = 0x146
	tagNoSessions = 0x8001
	tagSessions   = 0x8002
)

// longIndex answers a command for the index of the HCL report; nil where it is none.
func (m *machine) longIndex(code uint32, command []byte) []byte {
	if !m.o.LongHCL {
		return nil
	}
	switch {
	case code == codeNVReadPublic && len(command) == headerSize+4 && binary.BigEndian.Uint32(command[headerSize:]) == indexHCL:
		return answer(tagNoSessions, 0, longPublic())
	case code == codeNVRead && indexOf(command) == indexHCL && len(command) > headerSize+16:
		size, offset := int(be16(command, 4)), int(be16(command, 2))
		if size > chunkSize {
			return answer(tagNoSessions, rcValue, nil)
		}
		if offset+size > longIndexSize {
			return answer(tagNoSessions, rcNVRange, nil)
		}
		data := tpm2.Marshal(tpm2.TPM2BMaxNVBuffer{Buffer: m.longHCL[offset : offset+size]})
		parameters := append(binary.BigEndian.AppendUint32(nil, uint32(len(data))), data...)
		return answer(tagSessions, 0, append(parameters, 0, 0, 1, 0, 0)) // the password session goes on
	}
	return nil
}

// be16 reads a number so many bytes before the end.
func be16(command []byte, before int) uint16 {
	return binary.BigEndian.Uint16(command[len(command)-before:])
}

func answer(tag uint16, rc uint32, body []byte) []byte {
	out := binary.BigEndian.AppendUint16(nil, tag)
	out = binary.BigEndian.AppendUint32(out, uint32(headerSize+len(body)))
	return append(binary.BigEndian.AppendUint32(out, rc), body...)
}

func longPublic() []byte {
	public := tpm2.TPMSNVPublic{
		NVIndex: indexHCL, NameAlg: tpm2.TPMAlgSHA256, DataSize: longIndexSize,
		Attributes: tpm2.TPMANV{OwnerWrite: true, OwnerRead: true, AuthRead: true, Written: true, NT: tpm2.TPMNTOrdinary},
	}
	hash := sha256.Sum256(tpm2.Marshal(public))
	name := append(binary.BigEndian.AppendUint16(nil, uint16(tpm2.TPMAlgSHA256)), hash[:]...)
	return append(tpm2.Marshal(tpm2.New2B(public)), tpm2.Marshal(tpm2.TPM2BName{Buffer: name})...)
}

// endorsementKey is what today's claims have beside the attestation key. Nobody here
// looks at it.
func endorsementKey() jwk {
	modulus := make([]byte, 256)
	rand.Read(modulus)
	modulus[0] |= 0x80
	return jwk{KID: "HCLEkPub", KeyOps: []string{"encrypt"}, KTY: "RSA", E: "AQAB", N: base64.RawURLEncoding.EncodeToString(modulus)}
}
