// SPDX-License-Identifier: Apache-2.0

package guest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/containerd/ttrpc"
)

// Options say which guest. KBSURL and Dir are needed.
type Options struct {
	KBSURL     string
	CAPEM      []byte // of the KBS; empty: plain HTTP
	Dir        string // where the sockets go: attestation-agent.sock, cdh.sock
	REST       string // loopback ADDR:PORT of api-server-rest; empty: 127.0.0.1, any port
	Features   string // resource (the real default), attestation, all; "none": no api-server-rest
	TEE        string // default "sample"
	Evidence   func(reportData []byte) (json.RawMessage, error)
	InitData   string            // TOML text that the agent sends along; empty: none
	SkipVerify bool              // the hub takes sealed secrets unverified
	Providers  map[string][]byte // other than the KBS that the hub is built with, and what each gives
	SocketMode os.FileMode       // default 0666, so that any user of a test may connect
}

// Components are running.
type Components struct {
	AgentSocket, HubSocket, RESTURL string

	agent     *agent
	hub       *hub
	listeners []net.Listener
	servers   []*ttrpc.Server
	clients   []*ttrpc.Client
	rest      *http.Server
}

// Counts say what was asked for so far.
type Counts struct {
	Tokens    int64 `json:"tokens"`    // handshakes that the agent began for a token
	Resources int64 `json:"resources"` // GetResource of the hub
	Unsealed  int64 `json:"unsealed"`  // UnsealSecret of the hub
}

func (c *Components) Counts() Counts {
	return Counts{c.agent.tokens.Load(), c.hub.resources.Load(), c.hub.seal.Load()}
}

// Start brings them up in the order of kata's agent: each finds the one before it listening.
func Start(o Options) (*Components, error) {
	b, err := newBroker(o.KBSURL, o.CAPEM)
	if err != nil {
		return nil, err
	}
	o = o.complete()
	c := &Components{
		AgentSocket: filepath.Join(o.Dir, "attestation-agent.sock"),
		HubSocket:   filepath.Join(o.Dir, "cdh.sock"),
		agent:       &agent{broker: b, tee: o.TEE, evidence: o.Evidence, initData: o.InitData},
	}
	if err := c.start(o, b); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func (o Options) complete() Options {
	if o.TEE == "" {
		o.TEE = "sample"
	}
	if o.Evidence == nil {
		o.Evidence = Sample
	}
	if o.Features == "" {
		o.Features = "resource"
	}
	if o.REST == "" {
		o.REST = "127.0.0.1:0"
	}
	if o.SocketMode == 0 {
		o.SocketMode = 0o666
	}
	return o
}

func (c *Components) start(o Options, b *broker) error {
	if err := c.listen(c.AgentSocket, o.SocketMode, map[string]*ttrpc.ServiceDesc{agentService: c.agent.service()}); err != nil {
		return err
	}
	toAgent, err := c.dial(c.AgentSocket)
	if err != nil {
		return err
	}
	c.hub = &hub{broker: b, tokens: tokensFrom(toAgent), skipVerify: o.SkipVerify, providers: o.Providers}
	if err := c.listen(c.HubSocket, o.SocketMode, c.hub.services()); err != nil {
		return err
	}
	if o.Features == "none" {
		return nil
	}
	toHub, err := c.dial(c.HubSocket)
	if err != nil {
		return err
	}
	return c.serveREST(o, &restServer{features: o.Features, agent: toAgent, hub: toHub, tee: o.TEE})
}

func (c *Components) listen(path string, mode os.FileMode, services map[string]*ttrpc.ServiceDesc) error {
	server, err := ttrpc.NewServer()
	if err != nil {
		return err
	}
	for name, desc := range services {
		server.RegisterService(name, desc)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return err
	}
	if err := os.Chmod(path, mode); err != nil {
		l.Close()
		return err
	}
	c.servers = append(c.servers, server)
	c.listeners = append(c.listeners, l)
	go server.Serve(context.Background(), l)
	return nil
}

func (c *Components) dial(path string) (*ttrpc.Client, error) {
	conn, err := net.Dial("unix", path)
	if err != nil {
		return nil, err
	}
	client := ttrpc.NewClient(conn)
	c.clients = append(c.clients, client)
	return client, nil
}

func (c *Components) serveREST(o Options, s *restServer) error {
	if o.Features != "resource" && o.Features != "attestation" && o.Features != "all" {
		return fmt.Errorf("features '%s': resource, attestation, all or none", o.Features)
	}
	host, _, err := net.SplitHostPort(o.REST)
	if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsLoopback() {
		return fmt.Errorf("'%s' is no loopback address", o.REST)
	}
	l, err := net.Listen("tcp", o.REST)
	if err != nil {
		return err
	}
	c.listeners = append(c.listeners, l)
	c.RESTURL = "http://" + l.Addr().String()
	c.rest = &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	go c.rest.Serve(l)
	return nil
}

// Close ends them, the sockets included.
func (c *Components) Close() {
	if c.rest != nil {
		c.rest.Close()
	}
	for _, client := range c.clients {
		client.Close()
	}
	for _, server := range c.servers {
		server.Close()
	}
	// a server that was closed before its goroutine began leaves its listener open
	for _, l := range c.listeners {
		l.Close()
	}
}
