// SPDX-License-Identifier: Apache-2.0

package kbs

import (
	"crypto/tls"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// The real broker's session tickets leave after the client's Finished, as packets
// of their own; its first answer then waits, by Nagle's algorithm, for their ACK,
// which the client delays by some 40 ms. Whether a client meets this depends on a
// race: a packet that it sends after the ticket came carries the ACK. Here the
// race is decided: a tardyConn keeps back what the server writes from the end of
// the handshake on, until the first answer is to be written, and only then sends
// the ticket and, in writes of their own, the rest.
type tardyConn struct {
	net.Conn
	mu      sync.Mutex // held over writes too: their order is TLS's
	holding bool
	held    [][]byte
}

// holdAtMost bounds the wait for a request: an HTTP/2 client may need the server's
// WINDOW_UPDATE to go on with a long one.
const holdAtMost = 200 * time.Millisecond

func (c *tardyConn) hold() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.holding = true
	time.AfterFunc(holdAtMost, c.release)
}

// release leaves errors to the next Write, which meets them again.
func (c *tardyConn) release() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, b := range c.held {
		c.Conn.Write(b)
	}
	c.holding, c.held = false, nil
}

func (c *tardyConn) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.holding {
		c.held = append(c.held, slices.Clone(b))
		return len(b), nil
	}
	return c.Conn.Write(b)
}

// releaseFor lets a request's connection speak, if it is one that keeps back.
func releaseFor(r *http.Request) {
	if t, isTLS := r.Context().Value(connKey{}).(*tls.Conn); isTLS {
		if c, isTardy := t.NetConn().(*tardyConn); isTardy {
			c.release()
		}
	}
}

// tardyConfig is the configuration for one connection that keeps back. Go puts its
// session ticket into the server's first flight unless it asks for a client
// certificate (none is needed) and the session is not a resumed one.
func tardyConfig(ordinary *tls.Config, c *tardyConn) *tls.Config {
	config := ordinary.Clone()
	config.ClientAuth = tls.RequestClientCert
	config.UnwrapSession = func([]byte, tls.ConnectionState) (*tls.SessionState, error) { return nil, nil }
	// Called after the server's first flight and before the ticket is written.
	config.VerifyConnection = func(state tls.ConnectionState) error {
		if state.Version == tls.VersionTLS13 {
			c.hold()
		}
		return nil
	}
	return config
}
