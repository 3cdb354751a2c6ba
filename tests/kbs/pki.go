// SPDX-License-Identifier: Apache-2.0

package kbs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"time"
)

// throwAwayPKI is a CA whose key is forgotten once it has signed the one server
// certificate, and that certificate.
type throwAwayPKI struct {
	caPEM []byte
	leaf  tls.Certificate
}

// The certificates are dated by the real clock, not by Options.Now: a TLS peer
// has no other.
func newThrowAwayPKI() (*throwAwayPKI, error) {
	ca, caKey, err := signCertificate(&x509.Certificate{
		Subject:  pkix.Name{CommonName: "Sealpod test KBS CA (throw-away)"},
		IsCA:     true,
		KeyUsage: x509.KeyUsageCertSign,
	}, nil, nil)
	if err != nil {
		return nil, fmt.Errorf("make the throw-away CA: %w", err)
	}
	leaf, leafKey, err := signCertificate(&x509.Certificate{
		Subject:     pkix.Name{CommonName: "Sealpod test KBS"},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:    []string{"localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}, ca, caKey)
	if err != nil {
		return nil, fmt.Errorf("make the server certificate: %w", err)
	}
	return &throwAwayPKI{
		caPEM: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.Raw}),
		leaf:  tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: leafKey},
	}, nil
}

// signCertificate fills in serial, validity and key, and signs with the parent,
// or with the new key itself where there is no parent.
func signCertificate(template, parent *x509.Certificate, parentKey *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	if template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120)); err != nil {
		return nil, nil, err
	}
	template.BasicConstraintsValid = true
	template.NotBefore = time.Now().Add(-time.Hour)
	template.NotAfter = time.Now().Add(7 * 24 * time.Hour)
	if parent == nil {
		parent, parentKey = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, parentKey)
	if err != nil {
		return nil, nil, err
	}
	cert, err := x509.ParseCertificate(der)
	return cert, key, err
}
