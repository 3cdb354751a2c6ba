// SPDX-License-Identifier: Apache-2.0

package kbs

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"sealpod.test/kbs/strictjson"
)

// protocolVersion is the only one that is taken: the real broker compares for
// equality and knows no range.
const protocolVersion = "0.4.0"

// knownTEEs are the names that /auth takes, whether or not there is a verifier.
var knownTEEs = map[string]bool{
	"az-snp-vtpm": true, "az-tdx-vtpm": true, "nvidia": true, "sgx": true,
	"snp": true, "tdx": true, "cca": true, "csv": true, "se": true,
	"hygondcu": true, "tpm": true, "sample": true, "sampledevice": true,
}

var semver = regexp.MustCompile(`^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)` +
	`(-(0|[1-9]\d*|\d*[A-Za-z-][0-9A-Za-z-]*)(\.(0|[1-9]\d*|\d*[A-Za-z-][0-9A-Za-z-]*))*)?` +
	`(\+[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?$`)

func (s *Server) auth(c *call) response {
	tee, err := checkAuth(c.body, c.wantVersion)
	if err != nil {
		s.counters.authRefused()
		return problem(attestationError, "Attestation error: RCAR handshake Auth failed: "+err.Error())
	}
	session := s.sessions.create(tee, s.nonce(), s.now())
	s.counters.auth()
	resp := ok("application/json", compactJSON(struct {
		Nonce string `json:"nonce"`
		Extra string `json:"extra-params"`
	}{session.nonce, ""}))
	resp.header.Set("Set-Cookie", session.cookie())
	return resp
}

// checkAuth returns the TEE's name. The errors' texts are the real broker's.
func checkAuth(body []byte, want string) (string, error) {
	tee, version, err := parseAuth(body)
	if err != nil {
		return "", errors.New("deserialize Request")
	}
	if !semver.MatchString(version) {
		return "", errors.New("failed to parse KBS version")
	}
	// Build metadata takes no part in the comparison.
	if core, _, _ := strings.Cut(version, "+"); core != want {
		return "", fmt.Errorf("KBS Client Protocol Version Mismatch: expect =%s while the request is %s", want, version)
	}
	return tee, nil
}

func parseAuth(body []byte) (tee, version string, err error) {
	o, err := strictjson.Parse(body)
	if err != nil {
		return "", "", err
	}
	if version, err = o.Str("version"); err != nil {
		return "", "", err
	}
	if tee, err = o.Str("tee"); err != nil {
		return "", "", err
	}
	if !knownTEEs[tee] {
		return "", "", fmt.Errorf("unknown TEE '%s'", tee)
	}
	// Any value will do, null too, but the member must be there.
	if _, found := o["extra-params"]; !found {
		return "", "", errors.New("member 'extra-params' is missing")
	}
	return tee, version, nil
}

func randomNonce() string {
	var b [32]byte
	rand.Read(b[:])
	return base64.StdEncoding.EncodeToString(b[:])
}
