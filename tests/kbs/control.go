// SPDX-License-Identifier: Apache-2.0

package kbs

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// controlHandler is the control port: what Server's methods do, as HTTP with JSON.
// README.md describes it for those who use it.
func (s *Server) controlHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /counters", func(w http.ResponseWriter, _ *http.Request) { sendJSON(w, s.Counters()) })
	mux.HandleFunc("DELETE /counters", act(func(*http.Request) error { s.ResetCounters(); return nil }))
	mux.HandleFunc("GET /faults", func(w http.ResponseWriter, _ *http.Request) { sendJSON(w, append([]Fault{}, s.Faults()...)) })
	mux.HandleFunc("POST /faults", act(s.controlFault))
	mux.HandleFunc("DELETE /faults", act(func(*http.Request) error { s.ClearFaults(); return nil }))
	mux.HandleFunc("PUT /nagle", act(s.controlNagle))
	mux.HandleFunc("DELETE /sessions", act(func(*http.Request) error { s.ForgetSessions(); return nil }))
	mux.HandleFunc("PUT /resource-policy", act(s.controlPolicy))
	mux.HandleFunc("PUT /resource/{path...}", act(s.controlPutResource))
	mux.HandleFunc("DELETE /resource/{path...}", act(func(r *http.Request) error { return s.DeleteResource(r.PathValue("path")) }))
	return mux
}

// act runs a change and answers {"ok":true}, or 400 and the reason.
func act(change func(*http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := change(r); err != nil {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusBadRequest)
			w.Write(compactJSON(map[string]string{"error": err.Error()}))
			return
		}
		sendJSON(w, map[string]bool{"ok": true})
	}
}

func sendJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Write(append(compactJSON(v), '\n'))
}

func (s *Server) controlFault(r *http.Request) error {
	var f Fault
	if err := decodeControl(r, &f); err != nil {
		return err
	}
	return s.AddFault(f)
}

func (s *Server) controlNagle(r *http.Request) error {
	var on bool
	if err := decodeControl(r, &on); err != nil {
		return err
	}
	s.SetNagle(on)
	return nil
}

func (s *Server) controlPolicy(r *http.Request) error {
	text, err := controlBody(r)
	if err != nil {
		return err
	}
	return s.SetResourcePolicy(string(text))
}

func (s *Server) controlPutResource(r *http.Request) error {
	content, err := controlBody(r)
	if err != nil {
		return err
	}
	return s.SetResource(r.PathValue("path"), content)
}

func controlBody(r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err == nil && len(body) > maxBody {
		err = errors.New("body is larger than 2 MiB")
	}
	return body, err
}

// decodeControl refuses members that it does not know: a mistyped fault that does
// nothing would make a test pass.
func decodeControl(r *http.Request, v any) error {
	body, err := controlBody(r)
	if err != nil {
		return err
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return fmt.Errorf("bad JSON: %w", err)
	}
	if dec.More() {
		return errors.New("bad JSON: more than one value")
	}
	return nil
}
