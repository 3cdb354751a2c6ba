// SPDX-License-Identifier: Apache-2.0

package tee

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
)

// startControl serves faults and counters on a Unix socket or on loopback.
func (m *machine) startControl() (stop func(), err error) {
	if m.o.Control == "" {
		return func() {}, nil
	}
	network, address, err := controlAddress(m.o.Control)
	if err != nil {
		return nil, err
	}
	if network == "unix" {
		os.Remove(address)
	}
	listener, err := net.Listen(network, address)
	if err != nil {
		return nil, fmt.Errorf("control port: %w", err)
	}
	server := &http.Server{Handler: m.controlHandler()}
	go server.Serve(listener)
	return func() { server.Close() }, nil
}

func controlAddress(control string) (network, address string, err error) {
	if path, isUnix := strings.CutPrefix(control, "unix:"); isUnix {
		return "unix", path, nil
	}
	host, port, err := net.SplitHostPort(control)
	if err != nil {
		return "", "", fmt.Errorf("control address '%s': %w", control, err)
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() || port == "0" {
		return "", "", fmt.Errorf("control address '%s': name a port on loopback, or unix:PATH", control)
	}
	return "tcp", control, nil
}

func (m *machine) controlHandler() http.Handler {
	mux := http.NewServeMux()
	answer := func(w http.ResponseWriter, value any) {
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(value)
	}
	ok := map[string]bool{"ok": true}
	mux.HandleFunc("GET /counters", func(w http.ResponseWriter, _ *http.Request) { answer(w, m.snapshot()) })
	mux.HandleFunc("GET /faults", func(w http.ResponseWriter, _ *http.Request) { answer(w, m.faults.all()) })
	mux.HandleFunc("DELETE /faults", func(w http.ResponseWriter, _ *http.Request) {
		m.faults.clear()
		answer(w, ok)
	})
	mux.HandleFunc("DELETE /hung", func(w http.ResponseWriter, _ *http.Request) {
		m.answerHung()
		answer(w, ok)
	})
	mux.HandleFunc("POST /faults", func(w http.ResponseWriter, r *http.Request) {
		var fault Fault
		decoder := json.NewDecoder(r.Body)
		decoder.DisallowUnknownFields()
		err := decoder.Decode(&fault)
		if err == nil {
			err = fault.check()
		}
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			answer(w, map[string]string{"error": err.Error()})
			return
		}
		m.faults.add(fault)
		answer(w, ok)
	})
	return mux
}

// Control talks to a running machine.
type Control struct{ address, base string }

// NewControl takes the address that the machine was given.
func NewControl(address string) Control { return Control{address, "http://tee"} }

// Counters asks what the machine has seen.
func (c Control) Counters() (Counters, error) {
	var counters Counters
	return counters, c.do("GET", "/counters", nil, &counters)
}

// Arm arms a fault, in its text form.
func (c Control) Arm(text string) error {
	fault, err := ParseFault(text)
	if err != nil {
		return err
	}
	return c.do("POST", "/faults", fault, nil)
}

// Disarm disarms all faults.
func (c Control) Disarm() error { return c.do("DELETE", "/faults", nil, nil) }

// Release lets the requests that hang now fail with EIO.
func (c Control) Release() error { return c.do("DELETE", "/hung", nil, nil) }

func (c Control) do(method, path string, body, into any) error {
	network, address, err := controlAddress(c.address)
	if err != nil {
		return err
	}
	transport := &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, address)
		},
	}
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	request, err := http.NewRequest(method, c.base+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return errors.New(strings.TrimSpace(string(answer)))
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(answer, into)
}
