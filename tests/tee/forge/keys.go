// SPDX-License-Identifier: Apache-2.0

package forge

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Certificates begin in the past, lest two clocks disagree, and outlive any test.
var (
	notBefore = time.Now().Add(-24 * time.Hour).Truncate(time.Second).UTC()
	notAfter  = notBefore.AddDate(7, 0, 0)
)

// newRSA is what AMD's roots are. It takes some tenths of a second.
func newRSA() (crypto.Signer, error) { return rsa.GenerateKey(rand.Reader, 4096) }

func newP256() (crypto.Signer, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) }

func newP384() (crypto.Signer, error) { return ecdsa.GenerateKey(elliptic.P384(), rand.Reader) }

// issue makes a certificate; parent nil: self-signed.
func issue(template, parent *x509.Certificate, public crypto.PublicKey, signer crypto.Signer) (*x509.Certificate, error) {
	if parent == nil {
		parent = template
	}
	template.NotBefore, template.NotAfter = notBefore, notAfter
	template.BasicConstraintsValid = template.IsCA || template.KeyUsage != 0
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, signer)
	if err != nil {
		return nil, fmt.Errorf("make the certificate '%s': %w", template.Subject.CommonName, err)
	}
	return x509.ParseCertificate(der)
}

func certPEM(certs ...*x509.Certificate) []byte {
	var out []byte
	for _, c := range certs {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	return out
}

// files collects what is to be written to, or was read from, a directory.
type files struct {
	dir string
	err error
}

func (f *files) write(name string, data []byte) {
	path := filepath.Join(f.dir, name)
	if f.err == nil {
		f.err = os.MkdirAll(filepath.Dir(path), 0o755)
	}
	if f.err == nil {
		f.err = os.WriteFile(path, data, 0o644)
	}
}

func (f *files) writeKey(name string, key crypto.Signer) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil && f.err == nil {
		f.err = err
	}
	f.write(name, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// WritePublicKey puts a key into a directory of roots, for a verifier that goes by a list.
func WritePublicKey(dir, name string, key crypto.PublicKey) error {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return err
	}
	f := &files{dir: dir}
	f.write(name, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	return f.err
}

func (f *files) read(name string) []byte {
	if f.err != nil {
		return nil
	}
	var data []byte
	data, f.err = os.ReadFile(filepath.Join(f.dir, name))
	return data
}

// block reads the one PEM block of a file.
func (f *files) block(name string) []byte {
	data := f.read(name)
	if f.err != nil {
		return nil
	}
	block, _ := pem.Decode(data)
	if block == nil {
		f.err = fmt.Errorf("'%s' in '%s' is not PEM", name, f.dir)
		return nil
	}
	return block.Bytes
}

func (f *files) readKey(name string) crypto.Signer {
	der := f.block(name)
	if f.err != nil {
		return nil
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		f.err = fmt.Errorf("'%s': %w", name, err)
		return nil
	}
	return key.(crypto.Signer)
}

func (f *files) readCert(name string) *x509.Certificate {
	der := f.block(name)
	if f.err != nil {
		return nil
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		f.err = fmt.Errorf("'%s': %w", name, err)
	}
	return cert
}
