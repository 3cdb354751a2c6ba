// SPDX-License-Identifier: Apache-2.0

package kbs

import "encoding/json"

// Judge asks a pair of policies as a broker does, without evidence: it appraises
// claims as a verifier would give them, makes of that what a token says, and asks
// whether a resource is released. Further submods stand beside the processor's.
type Judge struct {
	ResourcePolicy, AttestationPolicy string
	ReferenceValues                   string // JSON object of lists
}

// Verdict is what came of it.
type Verdict struct {
	Status   string
	Released bool
}

// Ask judges. `annotated` is what a token's annotated evidence is: the kind's own
// claims by its name, init_data and so on.
func (j Judge) Ask(annotated, furtherSubmods map[string]any, plugin string, path any) (Verdict, error) {
	st, err := newPolicyStore()
	if err != nil {
		return Verdict{}, err
	}
	if err := st.setResource(j.ResourcePolicy); err != nil {
		return Verdict{}, err
	}
	if err := st.setAttestation(cpuPolicyID, j.AttestationPolicy); err != nil {
		return Verdict{}, err
	}
	refs := newReferenceStore()
	if err := json.Unmarshal([]byte(j.ReferenceValues), &refs.byName); err != nil {
		return Verdict{}, err
	}
	a, err := st.appraise(annotated, refs)
	if err != nil {
		return Verdict{}, err
	}
	submods := map[string]any{"cpu0": a}
	for name, value := range furtherSubmods {
		submods[name] = value
	}
	var claims map[string]any
	if err := json.Unmarshal(compactJSON(map[string]any{"submods": submods}), &claims); err != nil {
		return Verdict{}, err
	}
	value, err := evaluate(st.resource, "data.policy.allow", claims, map[string]any{
		"plugin": plugin, "resource-path": path, "query": map[string]any{},
	}, nil)
	released, isBool := value.(bool)
	return Verdict{a.Status, isBool && released}, err
}
