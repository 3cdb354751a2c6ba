// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"slices"
	"strings"
	"testing"
	"time"
)

// Authority is a throw-away CA.
type Authority struct {
	Cert *x509.Certificate
	Key  crypto.Signer
	PEM  []byte
}

// NewAuthority makes a root, or an intermediate if a parent is given.
func NewAuthority(t testing.TB, name string, parent *Authority) *Authority {
	t.Helper()
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage:  x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(30 * 24 * time.Hour),
	}
	key := NewKey(t)
	cert := sign(t, template, parent, key, key.Public())
	return &Authority{Cert: cert, Key: key, PEM: certPEM(cert)}
}

// NewKey makes a P-256 key.
func NewKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// sign signs with the parent, or with own where there is none.
func sign(t testing.TB, template *x509.Certificate, parent *Authority, own crypto.Signer, public crypto.PublicKey) *x509.Certificate {
	t.Helper()
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber = serial
	issuer, issuerKey := template, own
	if parent != nil {
		issuer, issuerKey = parent.Cert, parent.Key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, issuer, public, issuerKey)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func certPEM(cert *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})
}

// Credential is what x509pop wants: a key and a chain, leaf first.
type Credential struct {
	Key      crypto.Signer
	Leaf     *x509.Certificate
	KeyPEM   []byte
	ChainPEM []byte
}

// LeafOptions differ from the zero value where a test wants a bad leaf.
type LeafOptions struct {
	Key       crypto.Signer // default a fresh P-256 key
	NotBefore time.Time     // default an hour ago
	NotAfter  time.Time     // default in a week
	KeyUsage  x509.KeyUsage // default digitalSignature
	ExtraCA   *Authority    // an intermediate to append to the chain
	SEC1      bool          // key as "EC PRIVATE KEY"
}

// Issue makes a credential.
func (a *Authority) Issue(t testing.TB, o LeafOptions) *Credential {
	t.Helper()
	if o.Key == nil {
		o.Key = NewKey(t)
	}
	if o.NotBefore.IsZero() {
		o.NotBefore = time.Now().Add(-time.Hour)
	}
	if o.NotAfter.IsZero() {
		o.NotAfter = time.Now().Add(7 * 24 * time.Hour)
	}
	if o.KeyUsage == 0 {
		o.KeyUsage = x509.KeyUsageDigitalSignature
	}
	leaf := sign(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "node"}, BasicConstraintsValid: true, KeyUsage: o.KeyUsage,
		NotBefore: o.NotBefore, NotAfter: o.NotAfter,
	}, a, o.Key, o.Key.Public())
	c := &Credential{Key: o.Key, Leaf: leaf, KeyPEM: keyPEM(t, o), ChainPEM: certPEM(leaf)}
	if o.ExtraCA != nil {
		c.ChainPEM = append(c.ChainPEM, o.ExtraCA.PEM...)
	}
	return c
}

func keyPEM(t testing.TB, o LeafOptions) []byte {
	t.Helper()
	kind, encode := "PRIVATE KEY", x509.MarshalPKCS8PrivateKey
	if o.SEC1 {
		kind = "EC PRIVATE KEY"
		encode = func(key any) ([]byte, error) { return x509.MarshalECPrivateKey(key.(*ecdsa.PrivateKey)) }
	}
	der, err := encode(o.Key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// Combined is key and chain in one PEM.
func (c *Credential) Combined() []byte { return append(append([]byte{}, c.KeyPEM...), c.ChainPEM...) }

// AgentID is the SPIFFE ID that the server gives to the holder.
func (c *Credential) AgentID() string {
	sum := sha1.Sum(c.Leaf.Raw)
	return "spiffe://" + TrustDomain + "/spire/agent/x509pop/" + hex.EncodeToString(sum[:])
}

// Traces are byte strings that tell the private key from everything else: lines
// of its PEM body and the raw scalar. The first line of the body is mostly the
// same in every key.
func (c *Credential) Traces() map[string][]byte {
	lines := strings.Split(strings.TrimSpace(string(c.KeyPEM)), "\n")
	traces := map[string][]byte{}
	for i := 2; i < len(lines)-1; i++ {
		if len(lines[i]) > 16 {
			traces[fmt.Sprintf("PEM line %d", i)] = []byte(lines[i])
		}
	}
	if key, ok := c.Key.(*ecdsa.PrivateKey); ok {
		scalar := key.D.FillBytes(make([]byte, 32))
		traces["scalar"] = scalar
		words := slices.Clone(scalar) // as libraries for big numbers keep it
		slices.Reverse(words)
		traces["scalar, least byte first"] = words
	}
	return traces
}

// ServerCertificate makes a TLS server certificate for loopback.
func (a *Authority) ServerCertificate(t testing.TB, notBefore, notAfter time.Time) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key := NewKey(t)
	cert := sign(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "server"}, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: notBefore, NotAfter: notAfter,
	}, a, key, key.Public())
	return cert, key
}
