// SPDX-License-Identifier: Apache-2.0

package kbs

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"sync"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/types"
)

//go:embed policies/resource_default.rego
var defaultResourcePolicy string

//go:embed policies/attestation_default_cpu.rego
var defaultCPUPolicy string

// cpuPolicyID is the one attestation policy that is evaluated; a policy posted
// under another id is stored and never used, as with the real broker.
const cpuPolicyID = "default_cpu"

type policyStore struct {
	mu          sync.Mutex
	resource    *ast.Module
	attestation map[string]*ast.Module
	texts       map[string]string // as they came, for Contents
}

func newPolicyStore() (*policyStore, error) {
	st := &policyStore{attestation: map[string]*ast.Module{}, texts: map[string]string{}}
	if err := st.setResource(defaultResourcePolicy); err != nil {
		return nil, err
	}
	return st, st.setAttestation(cpuPolicyID, defaultCPUPolicy)
}

func (st *policyStore) setResource(text string) error {
	module, err := ast.ParseModule("resource-policy.rego", text)
	if err != nil {
		return err
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	st.resource = module
	st.texts[resourcePolicyText] = text
	return nil
}

func (st *policyStore) setAttestation(id, text string) error {
	module, err := ast.ParseModule("attestation-policy.rego", text)
	if err != nil {
		return err
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	st.attestation[id] = module
	st.texts[id] = text
	return nil
}

// SetResourcePolicy replaces the resource policy, as an administrator's POST does.
func (s *Server) SetResourcePolicy(text string) error {
	if err := s.policies.setResource(text); err != nil {
		return fmt.Errorf("load the resource policy: %w", err)
	}
	return nil
}

// allows evaluates data.policy.allow: the token's claims are input, the call is
// data. Anything but true denies.
func (st *policyStore) allows(claims map[string]any, c *call) (bool, error) {
	st.mu.Lock()
	module := st.resource
	st.mu.Unlock()
	segments := []any{}
	for _, segment := range c.segments {
		segments = append(segments, segment)
	}
	query := map[string]any{}
	for name, value := range c.query {
		query[name] = value
	}
	value, err := evaluate(module, "data.policy.allow", claims, map[string]any{
		"plugin": c.plugin, "resource-path": segments, "query": query,
	}, nil)
	allowed, isBool := value.(bool)
	return isBool && allowed, err
}

// evaluate answers one query; nil means undefined. Policies get no network.
func evaluate(module *ast.Module, query string, input any, data map[string]any, refs map[string]any) (any, error) {
	capabilities := ast.CapabilitiesForThisVersion()
	capabilities.AllowNet = []string{}
	prepared := rego.New(
		rego.Query(query),
		rego.ParsedModule(module),
		rego.Input(input),
		rego.Store(inmem.NewFromObject(data)),
		rego.Capabilities(capabilities),
		queryReferenceValue(refs),
	)
	results, err := prepared.Eval(context.Background())
	if err != nil || len(results) == 0 || len(results[0].Expressions) == 0 {
		return nil, err
	}
	return results[0].Expressions[0].Value, nil
}

// queryReferenceValue is Trustee's extension of Rego; an unknown name is undefined.
func queryReferenceValue(refs map[string]any) func(*rego.Rego) {
	return rego.Function1(
		&rego.Function{Name: "query_reference_value", Decl: types.NewFunction(types.Args(types.S), types.A)},
		func(_ rego.BuiltinContext, name *ast.Term) (*ast.Term, error) {
			text, isString := name.Value.(ast.String)
			value, found := refs[string(text)]
			if !isString || !found {
				return nil, nil
			}
			v, err := ast.InterfaceToValue(value)
			return ast.NewTerm(v), err
		})
}

// appraise runs the CPU attestation policy over the claims.
func (st *policyStore) appraise(annotated map[string]any, refs *referenceStore) (*appraisal, error) {
	st.mu.Lock()
	module := st.attestation[cpuPolicyID]
	st.mu.Unlock()
	// A round trip makes plain JSON of the claims, which OPA wants.
	var input map[string]any
	if err := json.Unmarshal(compactJSON(annotated), &input); err != nil {
		return nil, err
	}
	values := refs.decoded()
	data := map[string]any{"reference": maps.Clone(values)}
	a := &appraisal{PolicyID: "default", Annotated: annotated}
	claims, err := evaluate(module, "data.policy.trust_claims", input, data, values)
	if err != nil {
		return nil, fmt.Errorf("attestation policy: %w", err)
	}
	if err := a.setTrust(claims); err != nil {
		return nil, err
	}
	extensions, err := evaluate(module, "data.policy.extensions", input, data, values)
	if err != nil {
		return nil, fmt.Errorf("attestation policy: %w", err)
	}
	a.setIdentifiers(extensions)
	return a, nil
}
