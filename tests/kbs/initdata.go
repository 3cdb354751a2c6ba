// SPDX-License-Identifier: Apache-2.0

package kbs

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/json"
	"fmt"
	"regexp"

	"github.com/BurntSushi/toml"

	"sealpod.test/kbs/strictjson"
)

// initData is the init-data plaintext that a client sent along.
type initData struct {
	body   string
	digest []byte         // by the algorithm that the document names, over its exact bytes
	claims map[string]any // what policies see of it
}

func parseInitDataMember(request strictjson.Object) (*initData, error) {
	o, err := request.Obj("init-data")
	if err != nil {
		return nil, fmt.Errorf("init-data: %w", err)
	}
	format, err := o.Str("format")
	if err != nil {
		return nil, fmt.Errorf("init-data: %w", err)
	}
	body, err := o.Str("body")
	if err != nil {
		return nil, fmt.Errorf("init-data: %w", err)
	}
	if format != "toml" {
		return nil, fmt.Errorf("init-data: format '%s' is not toml", format)
	}
	return parseInitData(body)
}

func parseInitData(body string) (*initData, error) {
	var doc struct {
		Version   string            `toml:"version"`
		Algorithm string            `toml:"algorithm"`
		Data      map[string]string `toml:"data"`
	}
	if _, err := toml.Decode(body, &doc); err != nil {
		return nil, fmt.Errorf("init-data: %w", err)
	}
	if doc.Version != "0.1.0" {
		return nil, fmt.Errorf("init-data: version '%s' is not 0.1.0", doc.Version)
	}
	digest, err := initDataDigest(doc.Algorithm, []byte(body))
	if err != nil {
		return nil, err
	}
	claims, err := initDataClaims(doc.Data)
	return &initData{body: body, digest: digest, claims: claims}, err
}

func initDataDigest(algorithm string, body []byte) ([]byte, error) {
	switch algorithm {
	case "sha256":
		sum := sha256.Sum256(body)
		return sum[:], nil
	case "sha384":
		sum := sha512.Sum384(body)
		return sum[:], nil
	case "sha512":
		sum := sha512.Sum512(body)
		return sum[:], nil
	}
	return nil, fmt.Errorf("init-data: algorithm '%s' is none of sha256, sha384, sha512", algorithm)
}

// policyData finds the object at the end of a kata agent policy.
var policyData = regexp.MustCompile(`(?s)\bpolicy_data\s*:=\s*(\{.*\})\s*$`)

// initDataClaims opens the documents that Trustee opens for its policies.
func initDataClaims(data map[string]string) (map[string]any, error) {
	claims := map[string]any{}
	for name, text := range data {
		switch name {
		case "aa.toml", "cdh.toml":
			var doc map[string]any
			if _, err := toml.Decode(text, &doc); err != nil {
				return nil, fmt.Errorf("init-data: %s: %w", name, err)
			}
			claims[name] = doc
		case "policy.rego":
			claims[name] = text
			var object map[string]any
			if m := policyData.FindStringSubmatch(text); m != nil && json.Unmarshal([]byte(m[1]), &object) == nil {
				delete(claims, name)
				claims["agent_policy_claims"] = object
			}
		default:
			claims[name] = text
		}
	}
	return claims, nil
}
