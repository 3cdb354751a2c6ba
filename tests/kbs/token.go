// SPDX-License-Identifier: Apache-2.0

package kbs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	tokenLifetime = 5 * time.Minute
	tokenLeeway   = time.Minute // the real broker's JWT library, for exp
)

var b64u = base64.RawURLEncoding.Strict()

// earClaims is an EAT attestation result; the order of the members is Trustee's.
type earClaims struct {
	Profile    string               `json:"eat_profile"`
	IssuedAt   int64                `json:"iat"`
	VerifierID verifierID           `json:"ear.verifier-id"`
	Submods    map[string]appraisal `json:"submods"`
	Expires    int64                `json:"exp"`
	Issuer     string               `json:"iss"`
}

type verifierID struct {
	Developer string `json:"developer"`
	Build     string `json:"build"`
}

type appraisal struct {
	Status      string          `json:"ear.status"`
	Vector      trustVector     `json:"ear.trustworthiness-vector"`
	PolicyID    string          `json:"ear.appraisal-policy-id"`
	Annotated   map[string]any  `json:"ear.veraison.annotated-evidence"`
	Identifiers json.RawMessage `json:"ear.trustee.identifiers,omitempty"`
}

// tokenIssuer holds the ephemeral ES256 key that signs and checks tokens.
type tokenIssuer struct{ key *ecdsa.PrivateKey }

func newTokenIssuer() (*tokenIssuer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make the token key: %w", err)
	}
	return &tokenIssuer{key}, nil
}

// issue signs by hand: the header's jwk carries alg, and the members have
// Trustee's order, so that a token has the real one's length to the byte.
func (t *tokenIssuer) issue(submods map[string]appraisal, now time.Time) (string, error) {
	header, err := t.header()
	if err != nil {
		return "", err
	}
	claims := compactJSON(earClaims{
		Profile:    "tag:github.com,2024:confidential-containers/Trustee",
		IssuedAt:   now.Unix(),
		VerifierID: verifierID{"https://confidentialcontainers.org", "attestation-service 0.1.0"},
		Submods:    submods,
		Expires:    now.Add(tokenLifetime).Unix(),
		Issuer:     "CoCo-Attestation-Service",
	})
	signed := b64u.EncodeToString(header) + "." + b64u.EncodeToString(claims)
	sum := sha256.Sum256([]byte(signed))
	r, s, err := ecdsa.Sign(rand.Reader, t.key, sum[:])
	if err != nil {
		return "", err
	}
	var signature [64]byte
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return signed + "." + b64u.EncodeToString(signature[:]), nil
}

func (t *tokenIssuer) header() ([]byte, error) {
	point, err := t.key.PublicKey.Bytes() // 04 || x || y
	if err != nil {
		return nil, err
	}
	type jwk struct {
		Alg string `json:"alg"`
		Kty string `json:"kty"`
		Crv string `json:"crv"`
		X   string `json:"x"`
		Y   string `json:"y"`
	}
	return compactJSON(struct {
		Typ string `json:"typ"`
		Alg string `json:"alg"`
		JWK jwk    `json:"jwk"`
	}{"JWT", "ES256", jwk{"ES256", "EC", "P-256", b64u.EncodeToString(point[1:33]), b64u.EncodeToString(point[33:])}}), nil
}

// verify returns a token's claims, as generic JSON, if its signature is ours and
// it has not expired.
func (t *tokenIssuer) verify(token string, now time.Time) (map[string]any, error) {
	jws, err := jose.ParseSigned(token, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return nil, err
	}
	payload, err := jws.Verify(&t.key.PublicKey)
	if err != nil {
		return nil, err
	}
	var claims map[string]any
	if err := json.Unmarshal(payload, &claims); err != nil {
		return nil, err
	}
	return claims, checkExpiry(claims, now)
}

func checkExpiry(claims map[string]any, now time.Time) error {
	exp, isNumber := claims["exp"].(float64)
	if !isNumber {
		return errors.New("no exp claim")
	}
	if int64(exp) < now.Add(-tokenLeeway).Unix() {
		return errors.New("expired")
	}
	return nil
}

// teeKeyOf finds the TEE's public key in a token's claims.
func teeKeyOf(claims map[string]any) (teeKey, error) {
	var at any = claims
	for _, name := range []string{"submods", "cpu0", "ear.veraison.annotated-evidence", "runtime_data_claims", "tee-pubkey"} {
		m, isObject := at.(map[string]any)
		if !isObject {
			return nil, errors.New("no tee-pubkey in the token")
		}
		at = m[name]
	}
	return parseTEEKey(compactJSON(at))
}
