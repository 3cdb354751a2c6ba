// SPDX-License-Identifier: Apache-2.0

package hardware

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"sealpod.test/kbs"
)

// Roots are what the verifiers trust.
type Roots struct {
	amd   map[string]*amdChain
	store string // of VCEKs, by chip and TCB
	keys  string // of plain TPMs that are trusted
	intel *intelRoots
	now   func() time.Time
}

type amdChain struct {
	ark, ask, asvk *x509.Certificate
	crl            *x509.RevocationList
}

type intelRoots struct {
	root, platformCA, tcbSigning         *x509.Certificate
	rootCRL, pckCRL, tcbInfo, qeIdentity []byte
}

// Load reads the directory that tests/tee writes: amd/PRODUCT/{ark,ask,asvk}.pem and
// crl.der, amd/vcek as an offline store, intel's certificates and collateral, and, where
// there is a plain TPM, its key in tpm.
func Load(dir string) (*Roots, error) {
	r := &Roots{amd: map[string]*amdChain{}, store: filepath.Join(dir, "amd", "vcek"), keys: filepath.Join(dir, "tpm"), now: time.Now}
	load := &loader{dir: dir}
	for _, product := range []string{"Milan", "Genoa", "Turin"} {
		at := "amd/" + product + "/"
		chain := &amdChain{ark: load.cert(at + "ark.pem"), ask: load.cert(at + "ask.pem"), asvk: load.cert(at + "asvk.pem")}
		chain.crl = load.crl(at + "crl.der")
		r.amd[product] = chain
	}
	r.intel = &intelRoots{
		root: load.cert("intel/root.pem"), platformCA: load.cert("intel/platform.pem"), tcbSigning: load.cert("intel/tcbsigning.pem"),
		rootCRL: load.file("intel/root.crl"), pckCRL: load.file("intel/pck.crl"),
		tcbInfo: load.file("intel/tcbinfo.json"), qeIdentity: load.file("intel/qeidentity.json"),
	}
	if load.err != nil {
		return nil, fmt.Errorf("read the roots of hardware evidence: %w", load.err)
	}
	return r, nil
}

// Verifiers are all, ready for kbs.Options beside kbs.Sample.
func (r *Roots) Verifiers() []kbs.Verifier {
	return []kbs.Verifier{&SNP{r}, &TDX{r}, &AzSNP{r}, &AzTDX{r}, &TPM{r}}
}

// loader keeps the first error.
type loader struct {
	dir string
	err error
}

func (l *loader) file(name string) []byte {
	data, err := os.ReadFile(filepath.Join(l.dir, name))
	if l.err == nil {
		l.err = err
	}
	return data
}

func (l *loader) cert(name string) *x509.Certificate {
	block, _ := pem.Decode(l.file(name))
	if block == nil {
		block = &pem.Block{}
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if l.err == nil && err != nil {
		l.err = fmt.Errorf("'%s': %w", name, err)
	}
	return cert
}

func (l *loader) crl(name string) *x509.RevocationList {
	list, err := x509.ParseRevocationList(l.file(name))
	if l.err == nil && err != nil {
		l.err = fmt.Errorf("'%s': %w", name, err)
	}
	return list
}

// signedBy checks one link of a chain and its dates. Names count: throw-away roots
// share their keys between products.
func signedBy(cert, parent *x509.Certificate, now time.Time) error {
	if !bytes.Equal(cert.RawIssuer, parent.RawSubject) {
		return fmt.Errorf("certificate '%s' is not signed by '%s' but names '%s'", cert.Subject.CommonName, parent.Subject.CommonName, cert.Issuer.CommonName)
	}
	if err := cert.CheckSignatureFrom(parent); err != nil {
		return fmt.Errorf("certificate '%s' is not signed by '%s': %w", cert.Subject.CommonName, parent.Subject.CommonName, err)
	}
	if now.Before(cert.NotBefore) || now.After(cert.NotAfter) {
		return fmt.Errorf("certificate '%s' is outside of its validity", cert.Subject.CommonName)
	}
	return nil
}

// regularize is how the real verifiers compare digests of other lengths.
func regularize(digest []byte, size int) []byte {
	out := make([]byte, size)
	copy(out, digest)
	return out
}
