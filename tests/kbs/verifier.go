// SPDX-License-Identifier: Apache-2.0

package kbs

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"

	"sealpod.test/kbs/strictjson"
)

// Verifier checks one kind of evidence.
type Verifier interface {
	// Name is the TEE's name in the protocol.
	Name() string
	// Verify checks evidence, the JSON value that the client sent. reportData is
	// the digest (48 bytes) that the evidence must be bound to; padding is the
	// verifier's affair. initDataDigest is nil where the client sent no init-data:
	// then nothing is to be compared. The claims "report_data" and "init_data",
	// both strings, are moved beside the others in the token.
	Verify(evidence json.RawMessage, reportData, initDataDigest []byte) (claims map[string]any, err error)
}

// Sample is the verifier of the TEE "sample", which is none: it compares the
// report data, unpadded, and believes the rest. An init-data digest is not
// compared with anything, only handed on.
type Sample struct{}

// Name implements Verifier.
func (Sample) Name() string { return "sample" }

// Verify implements Verifier.
func (Sample) Verify(evidence json.RawMessage, reportData, initDataDigest []byte) (map[string]any, error) {
	o, err := strictjson.Parse(evidence)
	if err != nil {
		return nil, err
	}
	svn, err := o.Str("svn")
	if err != nil {
		return nil, err
	}
	encoded, err := o.Str("report_data")
	if err != nil {
		return nil, err
	}
	got, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(got, reportData) {
		return nil, errors.New("report data differs from the expected")
	}
	claims := map[string]any{
		"svn": svn, "report_data": encoded, "launch_digest": "abcde", "debug": false,
		"platform_version": map[string]any{"major": 1, "minor": 4},
	}
	if initDataDigest != nil {
		claims["init_data"] = base64.StdEncoding.EncodeToString(initDataDigest)
	}
	return claims, nil
}
