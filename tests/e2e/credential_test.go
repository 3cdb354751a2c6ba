// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"
	"time"

	"sealpod.test/e2e/lab"
)

// Key material that the agent or the server would choke on is refused before the
// agent is started, with the reason.
func TestUnusableCredential(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for _, c := range []struct {
		name    string
		make    func(*testing.T, *lab.Server) *lab.Credential
		status  int
		message string
	}{
		{"key of another leaf", func(t *testing.T, s *lab.Server) *lab.Credential {
			credential := s.CA.Issue(t, lab.LeafOptions{})
			credential.KeyPEM = s.CA.Issue(t, lab.LeafOptions{}).KeyPEM
			return credential
		}, 103, "match"},
		{"Ed25519 key", leaf(ed25519Leaf), 103, "Ed25519"},
		{"leaf without digitalSignature", leaf(func(*testing.T) lab.LeafOptions {
			return lab.LeafOptions{KeyUsage: x509.KeyUsageKeyAgreement}
		}), 103, "digitalSignature"},
		{"expired", leaf(func(*testing.T) lab.LeafOptions {
			return lab.LeafOptions{NotBefore: now.Add(-48 * time.Hour), NotAfter: now.Add(-time.Hour)}
		}), 103, "expired"},
		{"not yet valid", leaf(func(*testing.T) lab.LeafOptions {
			return lab.LeafOptions{NotBefore: now.Add(time.Hour), NotAfter: now.Add(48 * time.Hour)}
		}), 104, "not valid before"},
		{"valid for less than an hour", leaf(func(*testing.T) lab.LeafOptions {
			return lab.LeafOptions{NotAfter: now.Add(30 * time.Minute)}
		}), 103, "minutes"},
		{"chain in the wrong order", func(t *testing.T, s *lab.Server) *lab.Credential {
			issuer := lab.NewAuthority(t, "issuer", s.CA)
			credential := issuer.Issue(t, lab.LeafOptions{})
			credential.ChainPEM = append(append([]byte{}, issuer.PEM...), credential.ChainPEM...)
			return credential
		}, 103, "order the chain"},
		{"no key", func(t *testing.T, s *lab.Server) *lab.Credential {
			credential := s.CA.Issue(t, lab.LeafOptions{})
			credential.KeyPEM = credential.ChainPEM
			return credential
		}, 103, "key"},
		{"no certificate", func(t *testing.T, s *lab.Server) *lab.Credential {
			credential := s.CA.Issue(t, lab.LeafOptions{})
			credential.ChainPEM = credential.KeyPEM
			return credential
		}, 103, "ertificate"},
		{"garbage", func(t *testing.T, s *lab.Server) *lab.Credential {
			credential := s.CA.Issue(t, lab.LeafOptions{})
			credential.KeyPEM, credential.ChainPEM = []byte("no PEM\n"), []byte("\x00\xff\n")
			return credential
		}, 103, "key"},
	} {
		for _, form := range []string{"combined", "separate"} {
			t.Run(c.name+", "+form, func(t *testing.T) {
				t.Parallel()
				f := lab.NewFixture(t, lab.FixtureOptions{Credential: c.make(t, lab.SharedServer(t, "1h"))})
				gets := 2
				if form == "separate" {
					f.Separate()
					gets = 3
				}
				f.Expect(t, lab.Refusal{Status: c.status, Message: []string{c.message}, Attests: 1, MinGets: 1, MaxGets: gets})
			})
		}
	}
}

func leaf(options func(*testing.T) lab.LeafOptions) func(*testing.T, *lab.Server) *lab.Credential {
	return func(t *testing.T, s *lab.Server) *lab.Credential { return s.CA.Issue(t, options(t)) }
}

func ed25519Leaf(t *testing.T) lab.LeafOptions {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return lab.LeafOptions{Key: key}
}

// A certificate's last day is worth a warning, no more.
func TestCertificateThatEndsSoon(t *testing.T) {
	t.Parallel()
	f := lab.NewFixture(t, lab.FixtureOptions{Leaf: lab.LeafOptions{NotAfter: time.Now().Add(5 * time.Hour)}})
	p := f.Run(t)
	lab.CheckExec(t, p)
	warned := false
	for _, line := range lab.Lines(p.Stderr.String(), "sealpod: warning: ") {
		warned = warned || strings.Contains(line, "hours") && strings.Contains(line, "certificate")
	}
	if !warned {
		t.Errorf("no warning that the certificate ends within a day; stderr:\n%s", p.Stderr.String())
	}
}

// An intermediate in the chain reaches the agent's file behind the leaf.
func TestChainWithIntermediate(t *testing.T) {
	t.Parallel()
	server := lab.SharedServer(t, "1h")
	issuer := lab.NewAuthority(t, "issuer", server.CA)
	f := lab.NewFixture(t, lab.FixtureOptions{RealAgent: true, Credential: issuer.Issue(t, lab.LeafOptions{ExtraCA: issuer})})
	_, id := startAgent(t, f)
	lab.FetchID(t, f.Socket, workloadUID, id, 15*time.Second)
}

func TestUnusableTrustBundle(t *testing.T) {
	t.Parallel()
	server := lab.SharedServer(t, "1h")
	for _, c := range []struct {
		name   string
		bundle []byte
		status int
	}{
		{"garbage", []byte("-----BEGIN NOTHING-----\n"), 103},
		{"empty", []byte("\n"), 103},
		{"a leaf, no CA", server.CA.Issue(t, lab.LeafOptions{}).ChainPEM, 103},
		{"a private key in it", append(append([]byte{}, server.Bundle...), server.CA.Issue(t, lab.LeafOptions{}).KeyPEM...), 103},
		{"base64 broken", []byte("-----BEGIN CERTIFICATE-----\n????\n-----END CERTIFICATE-----\n"), 103},
		{"not a certificate inside", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("hello")}), 103},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := lab.NewFixture(t, lab.FixtureOptions{Bundle: c.bundle})
			f.Expect(t, lab.Refusal{Status: c.status, Message: []string{"bundle"}, Attests: 1, MinGets: 1, MaxGets: 2})
		})
	}
}

// The bundle may stand in the configuration; then it costs no request.
func TestTrustBundleInTheConfiguration(t *testing.T) {
	t.Parallel()
	f := lab.NewFixture(t, lab.FixtureOptions{RealAgent: true})
	f.Config.Bundle, f.Config.BundlePEM = "", string(f.Spire.Bundle)
	checkSVID(t, f)
}
