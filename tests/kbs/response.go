// SPDX-License-Identifier: Apache-2.0

package kbs

import (
	"bytes"
	"encoding/json"
	"net/http"
)

const errorTypePrefix = "https://github.com/confidential-containers/kbs/errors/"

// The problem types that this broker sends (the real one has a few more).
const (
	adminAuthAccess         = "AdminAuthAccess"
	adminAuthInitialization = "AdminAuthInitialization"
	attestationError        = "AttestationError"
	jweError                = "JweError"
	parsePolicyError        = "ParsePolicyError"
	pluginInternalError     = "PluginInternalError"
	pluginNotFound          = "PluginNotFound"
	policyDeny              = "PolicyDeny"
	policyEngineError       = "PolicyEngineError"
	rvpsError               = "RvpsError"
	tokenNotFound           = "TokenNotFound"
	tokenVerifierError      = "TokenVerifierError"
)

// response is an answer before it is written, so that faults can alter it.
type response struct {
	status int
	header http.Header
	body   []byte
	stream int64 // write this many filler bytes after body, without Content-Length
	cut    bool  // close the connection in the middle of body
	abort  bool  // close the connection instead of answering
}

// ok is a 200. An empty content type means that no header says it.
func ok(contentType string, body []byte) response {
	r := response{status: http.StatusOK, header: http.Header{}, body: body}
	if contentType != "" {
		r.header.Set("Content-Type", contentType)
	}
	return r
}

// problem is a refusal. The real broker knows two status codes: 404 for an
// unknown plugin, 401 for everything else; it sends no Content-Type.
func problem(kind, detail string) response {
	status := http.StatusUnauthorized
	if kind == pluginNotFound {
		status = http.StatusNotFound
	}
	return response{status: status, header: http.Header{}, body: problemBody(kind, detail)}
}

func problemBody(kind, detail string) []byte {
	return compactJSON(struct {
		Type   string `json:"type"`
		Detail string `json:"detail"`
	}{errorTypePrefix + kind, detail})
}

func internalPluginError() response {
	return problem(pluginInternalError, "Plugin internal error")
}

// compactJSON encodes as serde does: no white space, no HTML escapes. It is given
// only values that always encode.
func compactJSON(v any) []byte {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(err)
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n"))
}
