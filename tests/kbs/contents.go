// SPDX-License-Identifier: Apache-2.0

package kbs

import (
	"bytes"
	"crypto"
	"encoding/json"
	"maps"
)

// resourcePolicyText is a key that no policy id can have.
const resourcePolicyText = "/resource-policy"

// Contents is what a broker holds. A test looks at it from inside; no endpoint
// tells as much, here as at the real broker.
type Contents struct {
	Resources           map[string][]byte
	ResourcePolicy      string
	AttestationPolicies map[string]string // by id
	ReferenceValues     map[string]string // JSON by name
}

// Contents returns a copy.
func (s *Server) Contents() Contents {
	c := Contents{Resources: map[string][]byte{}, ReferenceValues: map[string]string{}}
	s.resources.mu.Lock()
	for path, content := range s.resources.byPath {
		c.Resources[path] = bytes.Clone(content)
	}
	s.resources.mu.Unlock()
	s.policies.mu.Lock()
	c.AttestationPolicies = maps.Clone(s.policies.texts)
	s.policies.mu.Unlock()
	c.ResourcePolicy = c.AttestationPolicies[resourcePolicyText]
	delete(c.AttestationPolicies, resourcePolicyText)
	s.refs.mu.Lock()
	for name, value := range s.refs.byName {
		c.ReferenceValues[name] = string(value)
	}
	s.refs.mu.Unlock()
	return c
}

// SetAdminKey replaces the administrator's key, as another start with another
// configuration does.
func (s *Server) SetAdminKey(key crypto.PublicKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.adminKey = key
}

func (s *Server) currentAdminKey() crypto.PublicKey {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.adminKey
}

// Forget loses everything, as a restart does where the storage is in memory (which
// is the real broker's default).
func (s *Server) Forget() error {
	fresh, err := newPolicyStore()
	if err != nil {
		return err
	}
	s.resources.mu.Lock()
	s.resources.byPath = map[string][]byte{}
	s.resources.mu.Unlock()
	s.refs.mu.Lock()
	s.refs.byName = map[string]json.RawMessage{}
	s.refs.mu.Unlock()
	s.policies.mu.Lock()
	s.policies.resource, s.policies.attestation, s.policies.texts = fresh.resource, fresh.attestation, fresh.texts
	s.policies.mu.Unlock()
	return nil
}

// SetAttestationPolicy replaces a policy, as an administrator's POST does.
func (s *Server) SetAttestationPolicy(id, text string) error {
	return s.policies.setAttestation(id, text)
}
