// SPDX-License-Identifier: Apache-2.0

package kbs

import (
	"encoding/json"
	"fmt"
)

// trustVector is the AR4SI trustworthiness vector.
type trustVector struct {
	InstanceIdentity int8 `json:"instance-identity"`
	Configuration    int8 `json:"configuration"`
	Executables      int8 `json:"executables"`
	FileSystem       int8 `json:"file-system"`
	Hardware         int8 `json:"hardware"`
	RuntimeOpaque    int8 `json:"runtime-opaque"`
	StorageOpaque    int8 `json:"storage-opaque"`
	SourcedData      int8 `json:"sourced-data"`
}

func (v *trustVector) byName() map[string]*int8 {
	return map[string]*int8{
		"instance-identity": &v.InstanceIdentity, "configuration": &v.Configuration,
		"executables": &v.Executables, "file-system": &v.FileSystem, "hardware": &v.Hardware,
		"runtime-opaque": &v.RuntimeOpaque, "storage-opaque": &v.StorageOpaque, "sourced-data": &v.SourcedData,
	}
}

// setTrust takes a policy's trust_claims. A policy that defines none leaves the
// vector empty and the status "none".
func (a *appraisal) setTrust(claims any) error {
	a.Status = "none"
	if claims == nil {
		return nil
	}
	m, isObject := claims.(map[string]any)
	if !isObject {
		return fmt.Errorf("trust_claims of the attestation policy is not an object")
	}
	fields := a.Vector.byName()
	for name, value := range m {
		field := fields[name]
		if field == nil {
			return fmt.Errorf("trust claim '%s' does not exist", name)
		}
		number, isNumber := value.(json.Number)
		n, err := number.Int64()
		if !isNumber || err != nil || n < -128 || n > 127 {
			return fmt.Errorf("trust claim '%s' is not a number of one byte", name)
		}
		*field = int8(n)
	}
	a.Status = worstTier(fields)
	return nil
}

// worstTier reduces the vector to its worst tier (AR4SI 2.3.2).
func worstTier(fields map[string]*int8) string {
	names := []string{"none", "affirming", "warning", "contraindicated"}
	worst := 0
	for _, field := range fields {
		worst = max(worst, tier(int(*field)))
	}
	return names[worst]
}

func tier(v int) int {
	switch {
	case v >= -1 && v <= 1:
		return 0
	case v >= -32 && v <= 31:
		return 1
	case v >= -96 && v <= 95:
		return 2
	}
	return 3
}

// setIdentifiers takes "ear.trustee.identifiers" from a policy's extensions.
func (a *appraisal) setIdentifiers(extensions any) {
	list, _ := extensions.([]any)
	for _, item := range list {
		extension, _ := item.(map[string]any)
		if extension["name"] == "ear.trustee.identifiers" {
			a.Identifiers = compactJSON(extension["value"])
		}
	}
}
