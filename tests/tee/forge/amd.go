// SPDX-License-Identifier: Apache-2.0

package forge

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"fmt"
	"math/big"
	"time"
)

// Product is a processor generation: what differs between them in reports and
// certificates.
type Product struct {
	Name                    string
	CertName                string // as the VCEK spells it
	Family, Model, Stepping byte
	StructVersion           int
	HWIDSize                int // bytes of CHIP_ID that mean something
	FMC                     bool
}

// Products are those that reports and certificates can be made for.
var Products = map[string]Product{
	"Milan": {Name: "Milan", CertName: "Milan-B0", Family: 0x19, Model: 0x01, Stepping: 1, HWIDSize: 64},
	"Genoa": {Name: "Genoa", CertName: "Genoa", Family: 0x19, Model: 0x11, Stepping: 1, HWIDSize: 64},
	"Turin": {Name: "Turin", CertName: "Turin", Family: 0x1A, Model: 0x02, Stepping: 1, HWIDSize: 8, StructVersion: 1, FMC: true},
}

// TCB is a TCB_VERSION by its components. FMC exists from Turin on.
type TCB struct{ FMC, BootLoader, TEE, SNP, Microcode byte }

// Bytes lays a TCB out as the product's reports have it.
func (t TCB) Bytes(p Product) []byte {
	if p.FMC {
		return []byte{t.FMC, t.BootLoader, t.TEE, t.SNP, 0, 0, 0, t.Microcode}
	}
	return []byte{t.BootLoader, t.TEE, 0, 0, 0, 0, t.SNP, t.Microcode}
}

// AMD is a throw-away AMD: its keys, and for each product a chain.
type AMD struct {
	ark, ask, asvk, vek crypto.Signer
	Chains              map[string]*AMDChain
}

// AMDChain are the certificates of one product.
type AMDChain struct{ ARK, ASK, ASVK *x509.Certificate }

// NewAMD makes the keys and chains. All products share the keys: a certificate
// is told from another product's by its names.
func NewAMD() (*AMD, error) {
	a := &AMD{Chains: map[string]*AMDChain{}}
	var err error
	for _, k := range []struct {
		key  *crypto.Signer
		make func() (crypto.Signer, error)
	}{{&a.ark, newRSA}, {&a.ask, newRSA}, {&a.asvk, newRSA}, {&a.vek, newP384}} {
		if *k.key, err = k.make(); err != nil {
			return nil, err
		}
	}
	for name := range Products {
		if a.Chains[name], err = a.newChain(name); err != nil {
			return nil, err
		}
	}
	return a, nil
}

func amdName(cn string) pkix.Name {
	return pkix.Name{
		Country: []string{"US"}, Locality: []string{"Santa Clara"}, Province: []string{"CA"},
		Organization: []string{"Advanced Micro Devices"}, OrganizationalUnit: []string{"Engineering"}, CommonName: cn,
	}
}

func amdCA(cn, crl string, serial int64) *x509.Certificate {
	return &x509.Certificate{
		Subject: amdName(cn), SerialNumber: big.NewInt(serial), IsCA: true,
		KeyUsage: x509.KeyUsageCertSign, SignatureAlgorithm: x509.SHA384WithRSAPSS, CRLDistributionPoints: []string{crl},
	}
}

func (a *AMD) newChain(product string) (*AMDChain, error) {
	// go-sev-guest compares these addresses; nobody asks them.
	vcek := "https://kdsintf.amd.com/vcek/v1/" + product + "/crl"
	vlek := "https://kdsintf.amd.com/vlek/v1/" + product + "/crl"
	root := amdCA("ARK-"+product, vcek, 0x10000)
	root.KeyUsage |= x509.KeyUsageCRLSign
	chain := &AMDChain{}
	var err error
	if chain.ARK, err = issue(root, nil, a.ark.Public(), a.ark); err != nil {
		return nil, err
	}
	ask, asvk := amdCA("SEV-"+product, vcek, 0x10001), amdCA("SEV-VLEK-"+product, vlek, 0x10101)
	ask.MaxPathLenZero, asvk.MaxPathLenZero = true, true
	if chain.ASK, err = issue(ask, chain.ARK, a.ask.Public(), a.ark); err != nil {
		return nil, err
	}
	chain.ASVK, err = issue(asvk, chain.ARK, a.asvk.Public(), a.ark)
	return chain, err
}

// VEK says what is in a VCEK or VLEK certificate.
type VEK struct {
	Product   Product
	CSP       string // not empty: a VLEK of this cloud
	ChipID    []byte // VCEK only; cut to what the product has
	TCB       TCB
	OctetHWID bool // HWID as OCTET STRING instead of bare; both occur
	Foreign   bool // of another key than the one that reports are signed with, as after an update of the firmware
}

var kdsOID = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 3704, 1}

// IssueVEK makes the certificate of the one endorsement key that all reports are
// signed with.
func (a *AMD) IssueVEK(v VEK) (*x509.Certificate, error) {
	chain := a.Chains[v.Product.Name]
	if chain == nil {
		return nil, fmt.Errorf("there is no chain for the product '%s'", v.Product.Name)
	}
	public := a.vek.Public()
	if v.Foreign {
		other, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
		if err != nil {
			return nil, err
		}
		public = other.Public()
	}
	template := &x509.Certificate{
		Subject: amdName("SEV-VCEK"), SerialNumber: big.NewInt(0), SignatureAlgorithm: x509.SHA384WithRSAPSS,
		ExtraExtensions: v.extensions(),
	}
	if v.CSP != "" {
		template.Subject = amdName("SEV-VLEK")
		return issue(template, chain.ASVK, public, a.asvk)
	}
	return issue(template, chain.ASK, public, a.ask)
}

func (v VEK) extensions() []pkix.Extension {
	var list []pkix.Extension
	add := func(value []byte, suffix ...int) {
		list = append(list, pkix.Extension{Id: append(append(asn1.ObjectIdentifier{}, kdsOID...), suffix...), Value: value})
	}
	integer := func(n int, suffix ...int) { add(mustDER(n, ""), suffix...) }
	name := v.Product.CertName
	if v.CSP != "" {
		name = v.Product.Name
	}
	integer(v.Product.StructVersion, 1)
	add(mustDER(name, "ia5"), 2)
	integer(int(v.TCB.BootLoader), 3, 1)
	integer(int(v.TCB.TEE), 3, 2)
	integer(int(v.TCB.SNP), 3, 3)
	for i := 4; i <= 7; i++ {
		if i > 4 || !v.Product.FMC {
			integer(0, 3, i)
		}
	}
	integer(int(v.TCB.Microcode), 3, 8)
	if v.Product.FMC {
		integer(int(v.TCB.FMC), 3, 9)
	}
	switch hwid := v.ChipID[:min(len(v.ChipID), v.Product.HWIDSize)]; {
	case v.CSP != "":
		add(mustDER(v.CSP, "ia5"), 5)
	case v.OctetHWID:
		add(mustDER(hwid, ""), 4)
	default:
		add(hwid, 4)
	}
	return list
}

// mustDER encodes values of which no one can fail.
func mustDER(value any, params string) []byte {
	der, err := asn1.MarshalWithParams(value, params)
	if err != nil {
		panic(err)
	}
	return der
}

// StorePath is where an offline store of VCEKs keeps this one.
func (v VEK) StorePath() string {
	path := fmt.Sprintf("%s/bl%02d_tee%02d_snp%02d_ucode%02d", hex.EncodeToString(v.ChipID[:v.Product.HWIDSize]),
		v.TCB.BootLoader, v.TCB.TEE, v.TCB.SNP, v.TCB.Microcode)
	if v.Product.FMC {
		path += fmt.Sprintf("_fmc%02d", v.TCB.FMC)
	}
	return path + "_vcek.der"
}

// CRL is the product's list, with nothing revoked but what is named.
func (a *AMD) CRL(product string, revoked ...*big.Int) ([]byte, error) {
	list := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: notBefore, NextUpdate: notAfter, SignatureAlgorithm: x509.SHA384WithRSAPSS}
	for _, serial := range revoked {
		list.RevokedCertificateEntries = append(list.RevokedCertificateEntries,
			x509.RevocationListEntry{SerialNumber: serial, RevocationTime: time.Now()})
	}
	return x509.CreateRevocationList(rand.Reader, list, a.Chains[product].ARK, a.ark)
}

func (a *AMD) write(f *files) {
	f.writeKey("amd/ark.key", a.ark)
	f.writeKey("amd/ask.key", a.ask)
	f.writeKey("amd/asvk.key", a.asvk)
	f.writeKey("amd/vek.key", a.vek)
	for name, chain := range a.Chains {
		f.write("amd/"+name+"/ark.pem", certPEM(chain.ARK))
		f.write("amd/"+name+"/ask.pem", certPEM(chain.ASK))
		f.write("amd/"+name+"/asvk.pem", certPEM(chain.ASVK))
		crl, err := a.CRL(name)
		if f.err == nil {
			f.err = err
		}
		f.write("amd/"+name+"/crl.der", crl)
	}
}

func readAMD(f *files) *AMD {
	a := &AMD{Chains: map[string]*AMDChain{}}
	a.ark, a.ask, a.asvk, a.vek = f.readKey("amd/ark.key"), f.readKey("amd/ask.key"), f.readKey("amd/asvk.key"), f.readKey("amd/vek.key")
	for name := range Products {
		a.Chains[name] = &AMDChain{
			ARK: f.readCert("amd/" + name + "/ark.pem"), ASK: f.readCert("amd/" + name + "/ask.pem"),
			ASVK: f.readCert("amd/" + name + "/asvk.pem"),
		}
	}
	return a
}
