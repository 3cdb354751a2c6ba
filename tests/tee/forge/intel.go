// SPDX-License-Identifier: Apache-2.0

package forge

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"fmt"
	"math/big"
)

// What the emulated platform is. The FMSPC has no letters: verifiers disagree on
// their case.
const (
	FMSPC       = "908060100000"
	pceID       = "0000"
	pceSVN      = 13
	qeISVSVN    = 6
	qeISVProdID = 2
)

var (
	cpuSVN = []byte{2, 2, 2, 2, 4, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0}
	ppid   = pattern(16, 0x11)
	// qeMRSigner is Intel's own: verifiers pin it by the QE identity.
	qeMRSigner, _ = hex.DecodeString("dc9e2a7c6f948f17474e34a7fc43ed030f7c1563f1babddf6340c82e0e54a8c5")
)

// Intel is a throw-away Intel: roots, one platform's PCK certificate, its
// attestation key, and the collateral that goes with them.
type Intel struct {
	root, platform, pck, tcbSigner, attestation crypto.Signer

	Root, PlatformCA, PCK, TCBSigning *x509.Certificate
	RootCRL, PCKCRL                   []byte
	TCBInfo, QEIdentity               []byte // as the service sends them, signature included
}

// NewIntel makes keys, certificates and collateral.
func NewIntel() (*Intel, error) {
	i := &Intel{}
	for _, key := range []*crypto.Signer{&i.root, &i.platform, &i.pck, &i.tcbSigner, &i.attestation} {
		var err error
		if *key, err = newP256(); err != nil {
			return nil, err
		}
	}
	for _, step := range []func() error{i.issueCAs, i.issueLeaves, i.makeCRLs, i.makeCollateral} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return i, nil
}

func intelCertificate(cn string, serial int64, crl string) *x509.Certificate {
	return &x509.Certificate{
		Subject: pkix.Name{
			CommonName: cn, Organization: []string{"Intel Corporation"}, Locality: []string{"Santa Clara"},
			Province: []string{"CA"}, Country: []string{"US"},
		},
		SerialNumber: big.NewInt(serial), SignatureAlgorithm: x509.ECDSAWithSHA256, CRLDistributionPoints: []string{crl},
	}
}

// Where Intel's certificates say that the lists are. Nobody asks there.
const (
	rootCRLAddress = "https://certificates.trustedservices.intel.com/IntelSGXRootCA.der"
	pckCRLAddress  = "https://api.trustedservices.intel.com/sgx/certification/v4/pckcrl?ca=platform&encoding=der"
)

func (i *Intel) issueCAs() (err error) {
	root := intelCertificate("Intel SGX Root CA", 0x1001, rootCRLAddress)
	root.IsCA, root.MaxPathLen, root.KeyUsage = true, 1, x509.KeyUsageCertSign|x509.KeyUsageCRLSign
	if i.Root, err = issue(root, nil, i.root.Public(), i.root); err != nil {
		return err
	}
	platform := intelCertificate("Intel SGX PCK Platform CA", 0x1002, rootCRLAddress)
	platform.IsCA, platform.MaxPathLenZero, platform.KeyUsage = true, true, x509.KeyUsageCertSign|x509.KeyUsageCRLSign
	i.PlatformCA, err = issue(platform, i.Root, i.platform.Public(), i.root)
	return err
}

func (i *Intel) issueLeaves() (err error) {
	signer := intelCertificate("Intel SGX TCB Signing", 0x1003, rootCRLAddress)
	signer.KeyUsage = x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment
	if i.TCBSigning, err = issue(signer, i.Root, i.tcbSigner.Public(), i.root); err != nil {
		return err
	}
	pck := intelCertificate("Intel SGX PCK Certificate", 0x1004, pckCRLAddress)
	pck.KeyUsage = x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment
	pck.SubjectKeyId = pattern(20, 0x5D) // go-tdx-guest counts the extensions
	pck.ExtraExtensions = []pkix.Extension{{Id: sgxOID(), Value: mustDER(sgxExtensions(), "")}}
	i.PCK, err = issue(pck, i.PlatformCA, i.pck.Public(), i.platform)
	return err
}

func sgxOID(suffix ...int) asn1.ObjectIdentifier {
	return append(asn1.ObjectIdentifier{1, 2, 840, 113741, 1, 13, 1}, suffix...)
}

// pair is one {OID, value} of the SGX extensions.
type pair struct {
	Type  asn1.ObjectIdentifier
	Value any
}

func sgxExtensions() []pair {
	fmspc, _ := hex.DecodeString(FMSPC)
	var tcb []pair
	for n, svn := range cpuSVN {
		tcb = append(tcb, pair{sgxOID(2, n+1), int(svn)})
	}
	tcb = append(tcb, pair{sgxOID(2, 17), pceSVN}, pair{sgxOID(2, 18), cpuSVN})
	return []pair{
		{sgxOID(1), ppid},
		{sgxOID(2), tcb},
		{sgxOID(3), []byte{0, 0}},
		{sgxOID(4), fmspc},
		{sgxOID(5), asn1.Enumerated(1)},
		{sgxOID(6), pattern(16, 0x66)},
		{sgxOID(7), []pair{{sgxOID(7, 1), true}, {sgxOID(7, 2), true}, {sgxOID(7, 3), true}}},
	}
}

func (i *Intel) makeCRLs() (err error) {
	list := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: notBefore, NextUpdate: notAfter}
	if i.RootCRL, err = x509.CreateRevocationList(rand.Reader, list, i.Root, i.root); err != nil {
		return err
	}
	i.PCKCRL, err = x509.CreateRevocationList(rand.Reader, list, i.PlatformCA, i.platform)
	return err
}

func (i *Intel) write(f *files) {
	for name, key := range map[string]crypto.Signer{
		"root": i.root, "platform": i.platform, "pck": i.pck, "tcbsigner": i.tcbSigner, "attestation": i.attestation,
	} {
		f.writeKey("intel/"+name+".key", key)
	}
	f.write("intel/root.pem", certPEM(i.Root))
	f.write("intel/platform.pem", certPEM(i.PlatformCA))
	f.write("intel/pck.pem", certPEM(i.PCK))
	f.write("intel/tcbsigning.pem", certPEM(i.TCBSigning))
	f.write("intel/root.crl", i.RootCRL)
	f.write("intel/pck.crl", i.PCKCRL)
	f.write("intel/tcbinfo.json", i.TCBInfo)
	f.write("intel/qeidentity.json", i.QEIdentity)
}

func readIntel(f *files) *Intel {
	return &Intel{
		root: f.readKey("intel/root.key"), platform: f.readKey("intel/platform.key"), pck: f.readKey("intel/pck.key"),
		tcbSigner: f.readKey("intel/tcbsigner.key"), attestation: f.readKey("intel/attestation.key"),
		Root: f.readCert("intel/root.pem"), PlatformCA: f.readCert("intel/platform.pem"), PCK: f.readCert("intel/pck.pem"),
		TCBSigning: f.readCert("intel/tcbsigning.pem"),
		RootCRL:    f.read("intel/root.crl"), PCKCRL: f.read("intel/pck.crl"),
		TCBInfo: f.read("intel/tcbinfo.json"), QEIdentity: f.read("intel/qeidentity.json"),
	}
}

// Roots are both throw-away makers.
type Roots struct {
	AMD   *AMD
	Intel *Intel
}

// NewRoots makes both: a second or so, for the RSA keys.
func NewRoots() (*Roots, error) {
	amd, err := NewAMD()
	if err != nil {
		return nil, err
	}
	intel, err := NewIntel()
	return &Roots{amd, intel}, err
}

// Write writes everything to a directory, private keys included: the emulation
// reads it to sign, a verifier to trust. VCEKs are not written; see WriteVEK.
func (r *Roots) Write(dir string) error {
	f := &files{dir: dir}
	r.AMD.write(f)
	r.Intel.write(f)
	return f.err
}

// ReadRoots reads what Write wrote.
func ReadRoots(dir string) (*Roots, error) {
	f := &files{dir: dir}
	r := &Roots{AMD: readAMD(f), Intel: readIntel(f)}
	if f.err != nil {
		return nil, fmt.Errorf("read the throw-away roots: %w", f.err)
	}
	return r, nil
}

// WriteVEK puts a VCEK in the offline store of a directory of roots.
func WriteVEK(dir string, v VEK, cert *x509.Certificate) error {
	f := &files{dir: dir}
	f.write("amd/vcek/"+v.StorePath(), cert.Raw)
	return f.err
}
