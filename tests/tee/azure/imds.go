// SPDX-License-Identifier: Apache-2.0

package azure

import (
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"
)

const (
	imdsAddress = "169.254.169.254"
	vcekPath    = "/metadata/THIM/amd/certification"
	quotePath   = "/acc/tdquote"
)

func encodeQuote(spelling string, quote []byte) (string, error) {
	switch spelling {
	case "", "url":
		return base64.RawURLEncoding.EncodeToString(quote), nil
	case "url-padded":
		return base64.URLEncoding.EncodeToString(quote), nil
	case "std":
		return base64.StdEncoding.EncodeToString(quote), nil
	case "std-raw":
		return base64.RawStdEncoding.EncodeToString(quote), nil
	}
	return "", fmt.Errorf("there is no base64 '%s': use url, url-padded, std, std-raw", spelling)
}

// startIMDS serves the metadata service. The namespace was checked before.
func (m *machine) startIMDS() error {
	if err := addAlias(); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(imdsAddress, "80"))
	if err != nil {
		return errors.Join(fmt.Errorf("metadata service: %w", err), removeAlias())
	}
	m.imds = &http.Server{Handler: http.HandlerFunc(m.serveIMDS)}
	go m.imds.Serve(listener)
	return nil
}

// stopIMDS leaves nothing of it behind: the namespace may be one that was joined.
func (m *machine) stopIMDS() {
	if m.imds == nil {
		return
	}
	m.imds.Close()
	if err := removeAlias(); err != nil {
		fmt.Fprintln(os.Stderr, "azure:", err)
	}
}

func (m *machine) serveIMDS(w http.ResponseWriter, r *http.Request) {
	m.count(func(c *Counters) { c.IMDS[r.URL.Path]++ })
	time.Sleep(m.faults.Duration("imds-slow"))
	if status, armed := m.faults.Number("imds-status"); armed {
		w.WriteHeader(int(status))
		return
	}
	if m.faults.Armed("imds-html") {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		io.WriteString(w, "<!DOCTYPE html><title>Log in</title>")
		return
	}
	answer, err := m.answerIMDS(r)
	if err != nil {
		m.count(func(c *Counters) { c.BadRequests = append(c.BadRequests, err.Error()) })
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if m.faults.Armed("imds-empty") {
		answer = map[string]any{}
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	if m.faults.Armed("imds-text") {
		w.Header().Set("Content-Type", "text/plain")
	}
	m.blame(json.NewEncoder(w).Encode(answer))
}

func (m *machine) answerIMDS(r *http.Request) (map[string]any, error) {
	if r.Header.Get("Metadata") != "true" {
		return nil, fmt.Errorf("%s %s: without the header 'Metadata: true'", r.Method, r.URL.Path)
	}
	if r.Header.Get("X-Forwarded-For") != "" || r.Header.Get("Via") != "" {
		return nil, fmt.Errorf("%s %s: through a proxy", r.Method, r.URL.Path)
	}
	switch r.Method + " " + r.URL.Path {
	case "GET " + vcekPath:
		return m.answerVCEK(), nil
	case "POST " + quotePath:
		return m.answerQuote(r)
	}
	return nil, fmt.Errorf("%s %s: there is no such thing", r.Method, r.URL.Path)
}

func (m *machine) answerVCEK() map[string]any {
	cert := m.vcek
	if m.faults.Armed("foreign-vcek") {
		cert = m.other
	}
	text := func(der ...[]byte) (out string) {
		for _, d := range der {
			out += string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: d}))
		}
		return out
	}
	chain := m.roots.AMD.Chains["Milan"]
	return map[string]any{
		"vcekCert": text(cert.Raw), "certificateChain": text(chain.ASK.Raw, chain.ARK.Raw),
		"tcbm": "DB18000000000004", "cacheControl": "86400",
	}
}

func (m *machine) answerQuote(r *http.Request) (map[string]any, error) {
	if r.Header.Get("Content-Type") != "application/json" {
		return nil, fmt.Errorf("%s: the content type is '%s'", quotePath, r.Header.Get("Content-Type"))
	}
	var request struct{ Report string }
	decoder := json.NewDecoder(io.LimitReader(r.Body, 1<<16))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&request); err != nil {
		return nil, fmt.Errorf("%s: %w", quotePath, err)
	}
	tdreport, err := base64.RawURLEncoding.Strict().DecodeString(request.Report)
	if err != nil {
		return nil, fmt.Errorf("%s: the report: %w", quotePath, err)
	}
	if len(tdreport) != 1024 {
		return nil, fmt.Errorf("%s: the report is %d bytes long", quotePath, len(tdreport))
	}
	quote, err := m.quoteFor(tdreport)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", quotePath, err)
	}
	text, err := encodeQuote(m.o.Base64, quote)
	return map[string]any{"quote": text}, err
}
