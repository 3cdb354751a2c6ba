// SPDX-License-Identifier: Apache-2.0

package hardware

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha512"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"
)

// checkVEK checks the chain from the endorsement key to the root.
func checkVEK(vek *x509.Certificate, chain *amdChain, vlek bool, now time.Time) error {
	name, intermediate := "SEV-VCEK", chain.ask
	if vlek {
		name, intermediate = "SEV-VLEK", chain.asvk
	}
	if vek.Subject.CommonName != name {
		return fmt.Errorf("endorsement key certificate is named '%s', not '%s'", vek.Subject.CommonName, name)
	}
	for _, link := range []struct{ cert, parent *x509.Certificate }{
		{chain.ark, chain.ark}, {intermediate, chain.ark}, {vek, intermediate},
	} {
		if link.cert.SignatureAlgorithm != x509.SHA384WithRSAPSS {
			return fmt.Errorf("certificate '%s' is signed with %v", link.cert.Subject.CommonName, link.cert.SignatureAlgorithm)
		}
		if err := signedBy(link.cert, link.parent, now); err != nil {
			return err
		}
	}
	if err := chain.crl.CheckSignatureFrom(chain.ark); err != nil {
		return fmt.Errorf("revocation list: %w", err)
	}
	for _, entry := range chain.crl.RevokedCertificateEntries {
		if entry.SerialNumber.Cmp(intermediate.SerialNumber) == 0 {
			return fmt.Errorf("certificate '%s' is revoked", intermediate.Subject.CommonName)
		}
	}
	return nil
}

// matchVEK compares what the certificate says of the chip with the report.
func matchVEK(vek *x509.Certificate, r *report, product string, vlek bool) error {
	signer := r.u32(0x048) >> 2 & 7
	if (vlek && signer != 1) || (!vlek && signer != 0) {
		return fmt.Errorf("the report says that a key of kind %d signed it, the certificate is of another", signer)
	}
	spls := map[int]byte{1: r.reported.Bootloader, 2: r.reported.TEE, 3: r.reported.SNP, 8: r.reported.Microcode}
	if product == "Turin" {
		if r.reported.FMC == nil {
			return errors.New("a report of Turin without reported_tcb.fmc")
		}
		spls[9] = *r.reported.FMC
	}
	for number, want := range spls {
		got, err := intExtension(vek, 3, number)
		if err != nil {
			return err
		}
		if got != int(want) {
			return fmt.Errorf("reported TCB: extension 3.%d of the certificate says %d, the report %d", number, got, want)
		}
	}
	hwid := extension(vek, 4)
	if vlek {
		if hwid != nil {
			return errors.New("a VLEK certificate with a hardware ID")
		}
		return nil
	}
	return matchHWID(hwid, r.raw[0x1A0:0x1E0], product)
}

// matchHWID takes both encodings that occur: bare, and as OCTET STRING.
func matchHWID(hwid, chipID []byte, product string) error {
	size := 64
	if product == "Turin" {
		size = 8
	}
	if len(hwid) != size {
		var inner []byte
		if rest, err := asn1.Unmarshal(hwid, &inner); err != nil || len(rest) > 0 || len(inner) != size {
			return errors.New("the certificate's hardware ID is not readable")
		}
		hwid = inner
	}
	if !bytes.Equal(chipID, regularize(hwid, 64)) {
		return errors.New("the certificate is of another chip")
	}
	return nil
}

func extension(cert *x509.Certificate, suffix ...int) []byte {
	id := append(asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 3704, 1}, suffix...)
	for _, e := range cert.Extensions {
		if e.Id.Equal(id) {
			return e.Value
		}
	}
	return nil
}

func intExtension(cert *x509.Certificate, suffix ...int) (int, error) {
	var n int
	if rest, err := asn1.Unmarshal(extension(cert, suffix...), &n); err != nil || len(rest) > 0 {
		return 0, fmt.Errorf("extension %v of the certificate is not an INTEGER", suffix)
	}
	return n, nil
}

// checkSignature verifies ECDSA P-384 over all that stands before the signature.
func (r *report) checkSignature(vek *x509.Certificate) error {
	public, isECDSA := vek.PublicKey.(*ecdsa.PublicKey)
	if !isECDSA || public.Curve != elliptic.P384() {
		return errors.New("the endorsement key is not P-384")
	}
	if algorithm := r.u32(0x034); algorithm != 1 {
		return fmt.Errorf("signature algorithm %d is not 1", algorithm)
	}
	digest := sha512.Sum384(r.raw[:0x2A0])
	if !ecdsa.Verify(public, digest[:], littleEndian(r.raw[0x2A0:0x2E8]), littleEndian(r.raw[0x2E8:0x330])) {
		return errors.New("the report's signature does not verify")
	}
	return nil
}

func littleEndian(data []byte) *big.Int {
	data = slices.Clone(data)
	slices.Reverse(data)
	return new(big.Int).SetBytes(data)
}
