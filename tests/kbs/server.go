// SPDX-License-Identifier: Apache-2.0

package kbs

import (
	"context"
	"crypto"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Options say how a Server is made. The zero value is a plain-HTTP broker on
// 127.0.0.1, any port, without control port, resources or administrators.
type Options struct {
	Listen         string            // HOST:PORT, loopback only; default 127.0.0.1:0
	Control        string            // HOST:PORT of the control port, loopback only; empty: none
	TLS            bool              // TLS 1.2 and 1.3 with a throw-away CA, ALPN h2 and http/1.1
	Nagle          bool              // see Server.SetNagle
	ResourceDir    string            // files repo/type/tag, read once by New
	Resources      map[string][]byte // "repo/type/tag" to content
	ResourcePolicy string            // Rego; default: the real broker's, which denies the sample TEE
	AdminKey       crypto.PublicKey  // Ed25519 or P-256, verifies admin tokens; nil refuses them all
	Personas       bool              // admin tokens as Trustee 0.18 to 0.20 takes them: EdDSA, no role
	Verifiers      []Verifier        // default: Sample alone
	Now            func() time.Time  // default time.Now; also dates tokens, cookies and answers
	Nonce          func() string     // default 32 random bytes in base64
}

// Server is one key broker. Its methods may be called from any goroutine.
type Server struct {
	now       func() time.Time
	nonce     func() string
	adminKey  crypto.PublicKey
	personas  bool
	verifiers map[string]Verifier
	useTLS    bool
	nagle     atomic.Bool

	pki       *throwAwayPKI
	tokens    *tokenIssuer
	sessions  *sessionStore
	resources *resourceStore
	policies  *policyStore
	refs      *referenceStore
	faults    *faultList
	counters  *counters

	mu          sync.Mutex // guards what follows
	addr        string
	controlAddr string
	running     []*http.Server
	stopped     chan struct{}
}

// New makes a broker that does not listen yet.
func New(o Options) (*Server, error) {
	s := &Server{
		now: o.Now, nonce: o.Nonce, adminKey: o.AdminKey, personas: o.Personas, useTLS: o.TLS,
		verifiers: map[string]Verifier{},
		sessions:  newSessionStore(), refs: newReferenceStore(),
		faults: &faultList{}, counters: newCounters(),
		addr: o.Listen, controlAddr: o.Control,
	}
	if s.addr == "" {
		s.addr = "127.0.0.1:0"
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.nonce == nil {
		s.nonce = randomNonce
	}
	if len(o.Verifiers) == 0 {
		o.Verifiers = []Verifier{Sample{}}
	}
	for _, v := range o.Verifiers {
		s.verifiers[v.Name()] = v
	}
	s.nagle.Store(o.Nagle)
	if err := s.load(o); err != nil {
		return nil, err
	}
	return s, nil
}

// load does the part of New that can fail.
func (s *Server) load(o Options) (err error) {
	if s.pki, err = newThrowAwayPKI(); err != nil {
		return err
	}
	if s.tokens, err = newTokenIssuer(); err != nil {
		return err
	}
	if s.policies, err = newPolicyStore(); err != nil {
		return err
	}
	if s.resources, err = newResourceStore(o.ResourceDir, o.Resources); err != nil {
		return err
	}
	if o.ResourcePolicy != "" {
		return s.SetResourcePolicy(o.ResourcePolicy)
	}
	return nil
}

// Start listens and serves. After Close it may be called again: the broker then
// comes back on the same address with the same CA, resources and sessions.
func (s *Server) Start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.running) > 0 {
		return errors.New("the broker runs already: call Close before another Start")
	}
	ln, err := listenLoopback(s.addr)
	if err != nil {
		return err
	}
	var controlLn net.Listener
	if s.controlAddr != "" {
		if controlLn, err = listenLoopback(s.controlAddr); err != nil {
			ln.Close()
			return err
		}
	}
	s.stopped = make(chan struct{})
	s.addr = ln.Addr().String()
	s.serve(&brokerListener{Listener: ln, server: s, stopped: s.stopped})
	if controlLn != nil {
		s.controlAddr = controlLn.Addr().String()
		control := &http.Server{Handler: s.controlHandler(), ErrorLog: quiet}
		s.running = append(s.running, control)
		go control.Serve(controlLn)
	}
	return nil
}

// quiet swallows the HTTP server's own log: refused handshakes and cut
// connections are what the tests ask for.
var quiet = log.New(io.Discard, "", 0)

type connKey struct{}

func (s *Server) serve(ln net.Listener) {
	srv := &http.Server{
		Handler:        s.handler(s.stopped),
		ErrorLog:       quiet,
		MaxHeaderBytes: 128 << 10,
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, c)
		},
	}
	s.running = append(s.running, srv)
	if !s.useTLS {
		go srv.Serve(ln)
		return
	}
	srv.TLSConfig = s.tlsConfig()
	go srv.ServeTLS(ln, "", "")
}

func (s *Server) tlsConfig() *tls.Config {
	ordinary := &tls.Config{
		Certificates: []tls.Certificate{s.pki.leaf},
		NextProtos:   []string{"h2", "http/1.1"},
		MinVersion:   tls.VersionTLS12,
	}
	config := ordinary.Clone()
	config.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if c, isTardy := hello.Conn.(*tardyConn); isTardy {
			return tardyConfig(ordinary, c), nil
		}
		return ordinary, nil
	}
	return config
}

// Close stops listening and cuts every connection.
func (s *Server) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	if len(s.running) > 0 {
		close(s.stopped)
	}
	for _, srv := range s.running {
		errs = append(errs, srv.Close())
	}
	s.running = nil
	return errors.Join(errs...)
}

// URL is the base URL that clients are given, without a trailing slash.
func (s *Server) URL() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.useTLS {
		return "https://" + s.addr
	}
	return "http://" + s.addr
}

// ControlURL is the control port's base URL, or "" without one.
func (s *Server) ControlURL() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.controlAddr == "" {
		return ""
	}
	return "http://" + s.controlAddr
}

// CAPEM is the certificate of the throw-away CA, to be pinned by clients.
func (s *Server) CAPEM() []byte { return s.pki.caPEM }

// SetNagle switches TCP_NODELAY off (or on again) for connections accepted from
// now on. With Nagle on, the first answer on a new TLS 1.3 connection waits for the
// client's delayed ACK of the session ticket, about 40 ms, as the real broker's does.
func (s *Server) SetNagle(on bool) { s.nagle.Store(on) }

// ForgetSessions drops every session, as a restarted broker has.
func (s *Server) ForgetSessions() { s.sessions.forgetAll() }
