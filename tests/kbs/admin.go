// SPDX-License-Identifier: Apache-2.0

package kbs

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/go-jose/go-jose/v4"

	"sealpod.test/kbs/strictjson"
)

// adminRole is the one role with an ACL: everything under /kbs.
const adminRole = "admin"

// checkAdmin verifies an admin call's JWT. The errors' texts are the real broker's.
func (s *Server) checkAdmin(c *call) error {
	token, found := bearer(c.header)
	if !found {
		return errors.New("Failed to parse HTTP Auth Bearer header")
	}
	claims, err := s.verifyAdminToken(token)
	if err != nil {
		return errors.New("Admin access denied: Cannot verify token with any of the issuers")
	}
	if s.personas {
		return nil // whose token verifies may do all
	}
	role, isString := claims["role"].(string)
	if !isString {
		return errors.New("Admin access denied: Failed to parse claims from token: " +
			"AdminAccessDenied { reason: \"Missing required `role` claim in JWT\" }")
	}
	if role != adminRole {
		return fmt.Errorf("Admin access denied: Role %s not allowed for path %s", role, c.uri)
	}
	return nil
}

func (s *Server) verifyAdminToken(token string) (map[string]any, error) {
	key := s.currentAdminKey()
	if key == nil {
		return nil, errors.New("no administrator is configured")
	}
	algorithms := []jose.SignatureAlgorithm{jose.EdDSA, jose.ES256}
	if s.personas {
		algorithms = algorithms[:1]
	}
	jws, err := jose.ParseSigned(token, algorithms)
	if err != nil {
		return nil, err
	}
	payload, err := jws.Verify(key)
	if err != nil {
		return nil, err
	}
	var claims map[string]any
	if err := json.Unmarshal(payload, &claims); err != nil {
		return nil, err
	}
	return claims, checkExpiry(claims, s.now())
}

// ParseAdminKey reads an Ed25519 or P-256 public key in PEM.
func ParseAdminKey(data []byte) (crypto.PublicKey, error) {
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, errors.New("the admin key is not PEM")
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("the admin key is not a public key: %w", err)
	}
	switch public := key.(type) {
	case ed25519.PublicKey:
		return public, nil
	case *ecdsa.PublicKey:
		if public.Curve == elliptic.P256() {
			return public, nil
		}
	}
	return nil, errors.New("the admin key is neither an Ed25519 nor a P-256 key")
}

// endpointAdmin guards the built-in admin endpoints, whose refusals have another
// type than those of the plugins.
func (s *Server) endpointAdmin(c *call, do func(*call) response) response {
	if err := s.checkAdmin(c); err != nil {
		return problem(adminAuthAccess, "admin access denied for endpoint "+c.plugin+": "+err.Error())
	}
	return do(c)
}

func (s *Server) postResourcePolicy(c *call) response {
	rego, err := policyMember(c.body)
	if err != nil {
		return problem(parsePolicyError, "Failed to parse policy: "+err.Error())
	}
	if err := s.policies.setResource(rego); err != nil {
		return problem(policyEngineError, "Policy engine error: Failed to load policy: "+err.Error())
	}
	return ok("", nil)
}

func policyMember(body []byte) (string, error) {
	o, err := strictjson.Parse(body)
	if err != nil {
		return "", errors.New("Illegal SetPolicy Request Json")
	}
	if _, found := o["policy"]; !found {
		return "", errors.New("No `policy` field inside SetPolicy Request Json")
	}
	encoded, err := o.Str("policy")
	if err != nil {
		return "", errors.New("`policy` field is not a string in SetPolicy Request Json")
	}
	rego, err := decodeB64u(encoded)
	if err != nil {
		return "", fmt.Errorf("Failed to decode policy: %w", err)
	}
	return string(rego), nil
}

// decodeB64u words its errors as the real broker's base64 library does.
func decodeB64u(s string) ([]byte, error) {
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'A' && c <= 'Z', c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '-', c == '_':
		case c == '=' && i%4 >= 2:
			return nil, errors.New("Invalid padding")
		default:
			return nil, fmt.Errorf("Invalid symbol %d, offset %d.", c, i)
		}
	}
	if len(s)%4 == 1 {
		return nil, fmt.Errorf("Invalid input length: %d", len(s))
	}
	out, err := b64u.DecodeString(s)
	if err != nil {
		return nil, fmt.Errorf("Invalid last symbol %d, offset %d.", s[len(s)-1], len(s)-1)
	}
	return out, nil
}

func (s *Server) listResourcePolicies(*call) response {
	return ok("application/json", []byte(`["resource-policy"]`))
}

func (s *Server) postAttestationPolicy(c *call) response {
	if err := s.storeAttestationPolicy(c.body); err != nil {
		return problem(attestationError, "Attestation error: Set Attestation Policy failed")
	}
	return ok("", nil)
}

func (s *Server) storeAttestationPolicy(body []byte) error {
	o, err := strictjson.Parse(body)
	if err != nil {
		return err
	}
	id, err := o.Str("policy_id")
	if err != nil {
		return err
	}
	encoded, err := o.Str("policy")
	if err != nil {
		return err
	}
	rego, err := decodeB64u(encoded)
	if err != nil {
		return err
	}
	return s.policies.setAttestation(id, string(rego))
}
