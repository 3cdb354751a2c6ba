// SPDX-License-Identifier: Apache-2.0

package hardware

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
)

// quote is a TDX quote taken apart.
type quote struct {
	version                         uint16
	header                          []byte // 48 bytes
	kind, size                      []byte // of the body; version 5 only
	body                            []byte
	signed                          []byte // what the TD's signature covers
	signature, attestationKey       []byte
	qeReport, qeSignature, authData []byte
	chain                           []*x509.Certificate // leaf to root
}

var bodyFields = []struct {
	name         string
	offset, size int
}{
	{"tcb_svn", 0, 16}, {"mr_seam", 16, 48}, {"mrsigner_seam", 64, 48}, {"seam_attributes", 112, 8}, {"td_attributes", 120, 8},
	{"xfam", 128, 8}, {"mr_td", 136, 48}, {"mr_config_id", 184, 48}, {"mr_owner", 232, 48}, {"mr_owner_config", 280, 48},
	{"rtmr_0", 328, 48}, {"rtmr_1", 376, 48}, {"rtmr_2", 424, 48}, {"rtmr_3", 472, 48}, {"report_data", 520, 64},
	{"tee_tcb_svn2", 584, 16}, {"mr_servicetd", 600, 48},
}

const (
	teeTDX     = 0x81
	sizeTDX10  = 584
	sizeTDX15  = 648
	vendorID   = "939a7233f79c4ca9940a0db3957f0607"
	certQE     = 6 // certification data: QE report and what vouches for it
	certPEM    = 5 // certification data: PCK chain in PEM
	qeReportSz = 384
)

// field is a span of the body; nil where this body has none.
func (q *quote) field(name string) []byte {
	for _, f := range bodyFields {
		if f.name == name && f.offset+f.size <= len(q.body) {
			return q.body[f.offset : f.offset+f.size]
		}
	}
	return nil
}

// reader takes spans off the front and remembers that there were too few bytes.
type reader struct {
	data  []byte
	short bool
}

func (r *reader) take(n int) []byte {
	if r.short || n < 0 || n > len(r.data) {
		r.short = true
		return make([]byte, max(0, min(n, 1<<20)))
	}
	out := r.data[:n:n]
	r.data = r.data[n:]
	return out
}

func (r *reader) u16() uint16 { return binary.LittleEndian.Uint16(r.take(2)) }

func (r *reader) u32() uint32 { return binary.LittleEndian.Uint32(r.take(4)) }

// sized takes a length of four bytes and as many bytes; more than there are is short.
func (r *reader) sized() []byte {
	n := r.u32()
	if uint64(n) > uint64(len(r.data)) {
		r.short = true
		return nil
	}
	return r.take(int(n))
}

// parseQuote reads versions 4 and 5. Bytes behind the signature data are ignored:
// real hosts leave some.
func parseQuote(raw []byte) (*quote, error) {
	r := &reader{data: raw}
	q := &quote{header: r.take(48)}
	q.version = binary.LittleEndian.Uint16(q.header)
	if err := q.checkHeader(); err != nil {
		return nil, err
	}
	size := sizeTDX10
	if q.version == 5 {
		q.kind, q.size = r.take(2), r.take(4)
		size = int(binary.LittleEndian.Uint32(q.size))
		kind := binary.LittleEndian.Uint16(q.kind)
		if (kind != 2 || size != sizeTDX10) && (kind != 3 || size != sizeTDX15) {
			return nil, fmt.Errorf("quote: body type %d with %d bytes is not known", kind, size)
		}
	}
	q.body = r.take(size)
	if r.short {
		return nil, errors.New("quote: too short for its body")
	}
	q.signed = raw[:len(raw)-len(r.data)]
	return q, q.parseSignatureData(r.sized(), r.short)
}

func (q *quote) checkHeader() error {
	if q.version != 4 && q.version != 5 {
		return fmt.Errorf("quote: version %d is neither 4 nor 5", q.version)
	}
	if kind := binary.LittleEndian.Uint16(q.header[2:]); kind != 2 {
		return fmt.Errorf("quote: attestation key type %d is not ECDSA P-256", kind)
	}
	if tee := binary.LittleEndian.Uint32(q.header[4:]); tee != teeTDX {
		return fmt.Errorf("quote: TEE type %#x is not TDX", tee)
	}
	if hex.EncodeToString(q.header[12:28]) != vendorID {
		return errors.New("quote: the quoting enclave is not Intel's")
	}
	return nil
}

func (q *quote) parseSignatureData(data []byte, short bool) error {
	r := &reader{data: data, short: short}
	q.signature, q.attestationKey = r.take(64), r.take(64)
	kind := r.u16()
	inner := &reader{data: r.sized()}
	q.qeReport, q.qeSignature = inner.take(qeReportSz), inner.take(64)
	q.authData = inner.take(int(inner.u16()))
	innerKind := inner.u16()
	chain := inner.sized()
	if r.short || inner.short {
		return errors.New("quote: signature data is cut")
	}
	if kind != certQE || innerKind != certPEM {
		return fmt.Errorf("quote: certification data of types %d and %d, not 6 and 5", kind, innerKind)
	}
	return q.parseChain(bytes.TrimRight(chain, "\x00\n"))
}

func (q *quote) parseChain(text []byte) error {
	for len(text) > 0 {
		block, rest := pem.Decode(text)
		if block == nil {
			return errors.New("quote: the PCK chain is not PEM")
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return fmt.Errorf("quote: PCK chain: %w", err)
		}
		q.chain, text = append(q.chain, cert), rest
	}
	if len(q.chain) != 3 {
		return fmt.Errorf("quote: the PCK chain has %d certificates, not 3", len(q.chain))
	}
	return nil
}

// checkSignatures goes from the root to the TD: PCK chain, QE report, attestation
// key, quote.
func (q *quote) checkSignatures(r *Roots) error {
	leaf, intermediate := q.chain[0], q.chain[1]
	if !q.chain[2].Equal(r.intel.root) {
		return errors.New("quote: the PCK chain ends in a root that is not trusted")
	}
	for _, link := range []struct{ cert, parent *x509.Certificate }{
		{r.intel.root, r.intel.root}, {intermediate, r.intel.root}, {leaf, intermediate},
	} {
		if err := signedBy(link.cert, link.parent, r.now()); err != nil {
			return err
		}
	}
	for _, c := range []struct {
		crl            []byte
		issuer, holder *x509.Certificate
	}{{r.intel.rootCRL, r.intel.root, intermediate}, {r.intel.pckCRL, r.intel.platformCA, leaf}} {
		if err := notRevoked(c.crl, c.issuer, c.holder); err != nil {
			return err
		}
	}
	if err := checkRaw(leaf.PublicKey, q.qeReport, q.qeSignature); err != nil {
		return fmt.Errorf("quote: QE report: %w", err)
	}
	hash := sha256.Sum256(append(bytes.Clone(q.attestationKey), q.authData...))
	if !bytes.Equal(q.qeReport[320:384], regularize(hash[:], 64)) {
		return errors.New("quote: the QE vouches for another attestation key")
	}
	public := &ecdsa.PublicKey{Curve: elliptic.P256(), X: bigEndian(q.attestationKey[:32]), Y: bigEndian(q.attestationKey[32:])}
	if err := checkRaw(public, q.signed, q.signature); err != nil {
		return fmt.Errorf("quote: %w", err)
	}
	return nil
}

func notRevoked(der []byte, issuer, holder *x509.Certificate) error {
	list, err := x509.ParseRevocationList(der)
	if err != nil {
		return fmt.Errorf("revocation list of '%s': %w", issuer.Subject.CommonName, err)
	}
	if err := list.CheckSignatureFrom(issuer); err != nil {
		return fmt.Errorf("revocation list of '%s': %w", issuer.Subject.CommonName, err)
	}
	for _, entry := range list.RevokedCertificateEntries {
		if entry.SerialNumber.Cmp(holder.SerialNumber) == 0 {
			return fmt.Errorf("certificate '%s' is revoked", holder.Subject.CommonName)
		}
	}
	return nil
}

// checkRaw verifies r and s of 32 bytes each, over SHA-256.
func checkRaw(public any, data, signature []byte) error {
	key, isECDSA := public.(*ecdsa.PublicKey)
	if !isECDSA || key.Curve != elliptic.P256() {
		return errors.New("the key is not P-256")
	}
	if _, err := key.ECDH(); err != nil {
		return errors.New("the key is not a point of P-256")
	}
	digest := sha256.Sum256(data)
	if len(signature) != 64 || !ecdsa.Verify(key, digest[:], bigEndian(signature[:32]), bigEndian(signature[32:])) {
		return errors.New("the signature does not verify")
	}
	return nil
}

func bigEndian(data []byte) *big.Int { return new(big.Int).SetBytes(data) }
