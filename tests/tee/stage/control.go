// SPDX-License-Identifier: Apache-2.0

package stage

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

// Port is where a test arms faults and reads counters, on a Unix socket or on
// loopback: GET /counters; GET, POST and DELETE /faults.
type Port struct {
	Counters func() any
	Faults   *Faults
	Check    func(Fault) error
	More     map[string]func() // by method and path
}

// Serve serves until stop is called. Without an address it does nothing.
func (p Port) Serve(control string) (stop func(), err error) {
	if control == "" {
		return func() {}, nil
	}
	network, address, err := controlAddress(control)
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
	server := &http.Server{Handler: p.handler()}
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

func (p Port) handler() http.Handler {
	mux := http.NewServeMux()
	answer := func(w http.ResponseWriter, value any) {
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(value)
	}
	does := func(what func()) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			what()
			answer(w, map[string]bool{"ok": true})
		}
	}
	mux.HandleFunc("GET /counters", func(w http.ResponseWriter, _ *http.Request) { answer(w, p.Counters()) })
	mux.HandleFunc("GET /faults", func(w http.ResponseWriter, _ *http.Request) { answer(w, p.Faults.All()) })
	mux.HandleFunc("DELETE /faults", does(p.Faults.Clear))
	for what, do := range p.More {
		mux.HandleFunc(what, does(do))
	}
	mux.HandleFunc("POST /faults", func(w http.ResponseWriter, r *http.Request) {
		fault, err := p.read(r.Body)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			answer(w, map[string]string{"error": err.Error()})
			return
		}
		does(func() { p.Faults.Add(fault) })(w, r)
	})
	return mux
}

func (p Port) read(body io.Reader) (fault Fault, err error) {
	decoder := json.NewDecoder(body)
	decoder.DisallowUnknownFields()
	if err = decoder.Decode(&fault); err == nil {
		err = p.Check(fault)
	}
	return fault, err
}

// Client talks to a running machine by the address that it was given.
type Client string

// Counters asks what the machine has seen.
func (c Client) Counters(into any) error { return c.Do("GET", "/counters", nil, into) }

// Arm arms a fault, in its text form.
func (c Client) Arm(text string) error {
	fault, err := ParseFault(text)
	if err != nil {
		return err
	}
	return c.Do("POST", "/faults", fault, nil)
}

// Disarm disarms all faults.
func (c Client) Disarm() error { return c.Do("DELETE", "/faults", nil, nil) }

// Do asks for anything.
func (c Client) Do(method, path string, body, into any) error {
	network, address, err := controlAddress(string(c))
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
	request, err := http.NewRequest(method, "http://machine"+path, bytes.NewReader(text))
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
