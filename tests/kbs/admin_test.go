// SPDX-License-Identifier: Apache-2.0

package kbs

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

func parsedKey(t *testing.T, public crypto.PublicKey) (crypto.PublicKey, error) {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return ParseAdminKey(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

func signedBy(t *testing.T, alg jose.SignatureAlgorithm, key any, claims string) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, nil)
	if err != nil {
		t.Fatal(err)
	}
	jws, err := signer.Sign([]byte(claims))
	if err != nil {
		t.Fatal(err)
	}
	token, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// The key's kind and the generation decide which tokens are an administrator's.
func TestAdminTokensByKeyAndGeneration(t *testing.T) {
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	edPublic, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	const withRole, without = `{"role":"admin","exp":4102444800}`, `{"exp":4102444800}`
	for _, row := range []struct {
		name     string
		personas bool
		public   crypto.PublicKey
		alg      jose.SignatureAlgorithm
		key      any
		claims   string
		status   int
	}{
		{"ES256", false, ec.Public(), jose.ES256, ec, withRole, 200},
		{"EdDSA", false, edPublic, jose.EdDSA, ed, withRole, 200},
		{"no role", false, edPublic, jose.EdDSA, ed, without, 401},
		{"another key", false, edPublic, jose.ES256, ec, withRole, 401},
		{"personas", true, edPublic, jose.EdDSA, ed, without, 200},
		{"personas do not know ES256", true, ec.Public(), jose.ES256, ec, without, 401},
	} {
		t.Run(row.name, func(t *testing.T) {
			public, err := parsedKey(t, row.public)
			if err != nil {
				t.Fatal(err)
			}
			s := start(t, Options{AdminKey: public, Personas: row.personas})
			header := map[string][]string{"Authorization": {"Bearer " + signedBy(t, row.alg, row.key, row.claims)}}
			a, err := newClient(t, s).try("POST", "/kbs/v0/resource/a/b/c", "x", header)
			if err != nil || a.status != row.status {
				t.Errorf("%v, %d %s", err, a.status, a.body)
			}
		})
	}
}

func TestAdminKeysOfOtherKindsAreRefused(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parsedKey(t, key.Public()); err == nil {
		t.Error("P-384 was taken")
	}
}
