// SPDX-License-Identifier: Apache-2.0

package kbs

import (
	"bytes"
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
