// SPDX-License-Identifier: Apache-2.0

package kbs

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"time"
)

// faultKind answers a call; next is the answer without this fault.
type faultKind func(s *Server, f Fault, c *call, next func() response) response

var faultKinds = map[string]faultKind{
	"delay":                 faultDelay,
	"silent":                faultSilent,
	"cut":                   faultCut,
	"garbage":               faultGarbage,
	"oversized":             faultOversized,
	"status":                faultStatus,
	"redirect":              faultRedirect,
	"problem":               faultProblem,
	"plugin-internal-error": faultPluginInternalError,
	"attest-refused":        faultAttestRefused,
	"version":               faultVersion,
	"session-lost":          faultSessionLost,
	"token-expired":         faultTokenExpired,
	"truncated":             faultTruncated,
	"duplicate-keys":        faultDuplicateKeys,
	"date-offset":           faultDateOffset,
	"jwe-short-ciphertext":  faultJWEMember("ciphertext", func(b []byte) []byte { return b[:len(b)/2] }),
	"jwe-tag":               faultJWEMember("tag", flipLastBit),
	"jwe-short-tag":         faultJWEMember("tag", func(b []byte) []byte { return b[:min(len(b), 12)] }),
	"jwe-alg":               faultJWEMode(jweOtherAlg),
	"jwe-curve":             faultJWEMode(jweOtherCurve),
}

func faultDelay(_ *Server, f Fault, c *call, next func() response) response {
	select {
	case <-time.After(f.delay()):
		return next()
	case <-c.ctx.Done():
	case <-c.stopped:
	}
	return response{abort: true}
}

func faultSilent(_ *Server, _ Fault, c *call, _ func() response) response {
	select {
	case <-c.ctx.Done():
	case <-c.stopped:
	}
	return response{abort: true}
}

func faultCut(_ *Server, _ Fault, _ *call, next func() response) response {
	r := next()
	r.cut = true
	return r
}

func faultGarbage(*Server, Fault, *call, func() response) response {
	return ok("application/json", []byte("\x00\xff<!doctype html>{\"nonce\":"))
}

func faultOversized(_ *Server, f Fault, c *call, _ func() response) response {
	first := map[string]string{stepAuth: `{"nonce":"`, stepAttest: `{"token":"`}[c.step()]
	if first == "" {
		first = `{"protected":"`
	}
	r := ok("application/json", []byte(first))
	if r.stream = f.Bytes; r.stream == 0 {
		r.stream = 64 << 20
	}
	return r
}

func faultStatus(_ *Server, f Fault, _ *call, _ func() response) response {
	return response{status: statusOr(f, http.StatusInternalServerError), header: http.Header{}}
}

func faultRedirect(_ *Server, f Fault, _ *call, _ func() response) response {
	r := response{status: statusOr(f, http.StatusTemporaryRedirect), header: http.Header{}}
	r.header.Set("Location", f.Location)
	return r
}

func statusOr(f Fault, otherwise int) int {
	if f.Status != 0 {
		return f.Status
	}
	return otherwise
}

func faultProblem(_ *Server, f Fault, _ *call, _ func() response) response {
	return response{status: statusOr(f, http.StatusUnauthorized), header: http.Header{}, body: problemBody(f.Type, f.Detail)}
}

func faultPluginInternalError(*Server, Fault, *call, func() response) response {
	return internalPluginError()
}

func faultAttestRefused(s *Server, _ Fault, _ *call, _ func() response) response {
	return s.refuseAttest(errors.New("refused by a fault"))
}

func faultVersion(_ *Server, f Fault, c *call, next func() response) response {
	c.wantVersion = f.Version
	return next()
}

func faultSessionLost(s *Server, _ Fault, c *call, next func() response) response {
	s.sessions.forget(c.cookie)
	return next()
}

func faultTokenExpired(_ *Server, _ Fault, c *call, next func() response) response {
	c.tokenAge = ageOfExpiry
	return next()
}

func faultTruncated(_ *Server, _ Fault, _ *call, next func() response) response {
	r := next()
	r.body = r.body[:len(r.body)/2]
	return r
}

// faultDuplicateKeys relies on this broker's answers beginning with {"name":"
func faultDuplicateKeys(_ *Server, _ Fault, _ *call, next func() response) response {
	r := next()
	rest, isObject := bytes.CutPrefix(r.body, []byte(`{"`))
	name, _, hasName := bytes.Cut(rest, []byte(`"`))
	if isObject && hasName {
		r.body = []byte(`{"` + string(name) + `":"duplicate","` + string(rest))
	}
	return r
}

func faultDateOffset(s *Server, f Fault, _ *call, next func() response) response {
	r := next()
	at := s.now().Add(time.Duration(f.Seconds) * time.Second)
	r.header.Set("Date", at.UTC().Format(http.TimeFormat))
	return r
}

func faultJWEMode(mode jweMode) faultKind {
	return func(_ *Server, _ Fault, c *call, next func() response) response {
		c.jwe = mode
		return next()
	}
}

// faultJWEMember alters the bytes of one member of a JWE; other answers pass.
func faultJWEMember(name string, change func([]byte) []byte) faultKind {
	return func(_ *Server, _ Fault, _ *call, next func() response) response {
		r := next()
		var jwe map[string]string
		if json.Unmarshal(r.body, &jwe) != nil || jwe[name] == "" {
			return r
		}
		value, err := b64u.DecodeString(jwe[name])
		if err != nil {
			return r
		}
		jwe[name] = b64u.EncodeToString(change(value))
		r.body = compactJSON(jwe)
		return r
	}
}

func flipLastBit(b []byte) []byte {
	b[len(b)-1] ^= 1
	return b
}
