// SPDX-License-Identifier: Apache-2.0

package kbs

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"

	"sealpod.test/kbs/strictjson"
)

// referenceStore holds reference values by name, each as the JSON that was given.
type referenceStore struct {
	mu     sync.Mutex
	byName map[string]json.RawMessage
}

func newReferenceStore() *referenceStore {
	return &referenceStore{byName: map[string]json.RawMessage{}}
}

func (st *referenceStore) set(values strictjson.Object) {
	st.mu.Lock()
	defer st.mu.Unlock()
	maps.Copy(st.byName, values)
}

func (st *referenceStore) get(name string) (json.RawMessage, bool) {
	st.mu.Lock()
	defer st.mu.Unlock()
	value, found := st.byName[name]
	return value, found
}

// decoded returns all values as generic JSON, for policies.
func (st *referenceStore) decoded() map[string]any {
	st.mu.Lock()
	defer st.mu.Unlock()
	out := map[string]any{}
	for name, raw := range st.byName {
		var value any
		if json.Unmarshal(raw, &value) == nil {
			out[name] = value
		}
	}
	return out
}

func (s *Server) postReferenceValue(c *call) response {
	values, err := parseReferenceMessage(c.body)
	if err != nil {
		return problem(rvpsError, "RVPS configuration failed: Failed to register reference value: register reference value")
	}
	s.refs.set(values)
	return ok("application/json", nil)
}

// parseReferenceMessage takes version 0.1.0 (or none said) and the type "sample".
func parseReferenceMessage(body []byte) (strictjson.Object, error) {
	o, err := strictjson.Parse(body)
	if err != nil {
		return nil, err
	}
	if _, found := o["version"]; found {
		if version, err := o.Str("version"); err != nil || version != "0.1.0" {
			return nil, errors.New("version is not 0.1.0")
		}
	}
	if kind, err := o.Str("type"); err != nil || kind != "sample" {
		return nil, errors.New("type is not sample")
	}
	payload, err := o.Str("payload")
	if err != nil {
		return nil, err
	}
	text, err := base64.StdEncoding.Strict().DecodeString(payload)
	if err != nil {
		return nil, fmt.Errorf("payload: %w", err)
	}
	return strictjson.Parse(text)
}

func (s *Server) getReferenceValue(c *call) response {
	name := strings.Join(c.segments, "/")
	value, found := s.refs.get(name)
	if !found {
		return problem(rvpsError, "RVPS configuration failed: Failed to get reference_values: No reference value found for the given id: "+name)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, value); err != nil {
		return problem(rvpsError, "RVPS configuration failed: Failed to get reference_values: "+err.Error())
	}
	return ok("application/json", compact.Bytes())
}
