// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/url"
	"strings"
	"testing"
	"time"

	"sealpod.test/e2e/lab"
)

// pathClassIssuer is where the issuer of a class lies in the KBS.
const pathClassIssuer = "default/issuer/class"

// issuerOptions differ from the zero value where a test wants another issuer.
type issuerOptions struct {
	notBefore, notAfter time.Time // default an hour ago, in thirty days
	noCA                bool
	mayHaveCAs          bool // below it
}

// newClassIssuer makes the intermediate CA of a workload class, as an operator does: it can
// issue leaves and no further CA.
func newClassIssuer(t *testing.T, name string, parent *lab.Authority, o issuerOptions) *lab.Authority {
	t.Helper()
	if o.notBefore.IsZero() {
		o.notBefore = time.Now().Add(-time.Hour)
	}
	if o.notAfter.IsZero() {
		o.notAfter = time.Now().Add(30 * 24 * time.Hour)
	}
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, IsCA: !o.noCA, BasicConstraintsValid: true, MaxPathLenZero: !o.noCA && !o.mayHaveCAs,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: o.notBefore, NotAfter: o.notAfter,
	}
	if o.noCA {
		template.KeyUsage = x509.KeyUsageDigitalSignature
	}
	key := lab.NewKey(t)
	cert := signCertificate(t, template, parent, key.Public())
	return &lab.Authority{Cert: cert, Key: key, PEM: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})}
}

func signCertificate(t *testing.T, template *x509.Certificate, parent *lab.Authority, public crypto.PublicKey) *x509.Certificate {
	t.Helper()
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber = serial
	der, err := x509.CreateCertificate(rand.Reader, template, parent.Cert, public, parent.Key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func privateKeyPEM(t *testing.T, key crypto.Signer) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// issuerPEM is what the KBS releases: key and chain.
func issuerPEM(t *testing.T, issuer *lab.Authority) []byte {
	t.Helper()
	return append(privateKeyPEM(t, issuer.Key), issuer.PEM...)
}

// forged is a credential with SANs of the issuer's choice, as any holder of its key can
// make one.
func forged(t *testing.T, issuer *lab.Authority, sans ...string) *lab.Credential {
	t.Helper()
	key := lab.NewKey(t)
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: "forged"}, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	for _, san := range sans {
		template.URIs = append(template.URIs, &url.URL{Scheme: "x509pop", Host: lab.TrustDomain, Path: "/" + san})
	}
	leaf := signCertificate(t, template, issuer, key.Public())
	chain := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf.Raw}), issuer.PEM...)
	return &lab.Credential{Key: key, Leaf: leaf, KeyPEM: privateKeyPEM(t, key), ChainPEM: chain}
}

// withIssuer are fixture options for a class whose issuer the KBS holds.
func withIssuer(t *testing.T, content []byte, o lab.FixtureOptions) lab.FixtureOptions {
	t.Helper()
	o.Server = lab.TemplateServer(t)
	o.Resources = map[string][]byte{pathClassIssuer: content}
	return o
}

// mintFor makes the configuration mint for a class.
func mintFor(f *lab.Fixture, class string) {
	f.Config.Combined = ""
	f.Config.CredentialLines = fmt.Sprintf("issuer = 'kbs:///%s'\nclass = '%s'\n", pathClassIssuer, class)
}

// agentName is the ID of an agent under the server's template.
func agentName(issuer, instance string) string {
	return "spiffe://" + lab.TrustDomain + "/spire/agent/x509pop/" + issuer + "/" + instance
}

// agentsOf are the IDs of the agents of one issuer.
func agentsOf(t *testing.T, server *lab.Server, issuer string) []string {
	t.Helper()
	var found []string
	for id := range server.Agents(t) {
		if strings.Contains(id, "/"+issuer+"/") {
			found = append(found, id)
		}
	}
	return found
}

// minted reads what an agent was given: one key, a leaf and the issuer's chain.
func minted(t *testing.T, text string) (key crypto.Signer, leaf *x509.Certificate, chain []*x509.Certificate) {
	t.Helper()
	rest := []byte(text)
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type == "PRIVATE KEY" && key == nil {
			any, err := x509.ParsePKCS8PrivateKey(block.Bytes)
			if err != nil {
				t.Fatal(err)
			}
			key = any.(crypto.Signer)
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil || block.Type != "CERTIFICATE" {
			t.Fatalf("a block '%s': %v", block.Type, err)
		}
		chain = append(chain, cert)
	}
	if key == nil || len(chain) < 2 {
		t.Fatalf("a key and a chain are wanted, got:\n%s", text)
	}
	return key, chain[0], chain[1:]
}
