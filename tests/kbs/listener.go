// SPDX-License-Identifier: Apache-2.0

package kbs

import (
	"fmt"
	"net"
	"time"
)

// listenLoopback listens on HOST:PORT and refuses a host that is not loopback.
// A host must be written as an address (or as "localhost"): a name that resolves
// to loopback now may not do so at the next start.
func listenLoopback(addr string) (net.Listener, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("listen address '%s' is not HOST:PORT: %w", addr, err)
	}
	if host == "localhost" {
		host = "127.0.0.1"
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return nil, fmt.Errorf("listen address '%s' is not loopback: this broker holds throw-away keys and serves tests only", addr)
	}
	return net.Listen("tcp", net.JoinHostPort(host, port))
}

// brokerListener counts connections, applies the faults of step "connect" and
// sets TCP_NODELAY. Go switches it on for every accepted connection.
type brokerListener struct {
	net.Listener
	server  *Server
	stopped <-chan struct{}
}

func (l *brokerListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		l.server.counters.connection()
		if l.server.nagle.Load() {
			if err := conn.(*net.TCPConn).SetNoDelay(false); err != nil {
				conn.Close()
				continue
			}
			conn = &tardyConn{Conn: conn}
		}
		if l.serveConnect(conn) {
			return conn, nil
		}
	}
}

// serveConnect applies the faults of step "connect" and tells whether the
// connection may still be served.
func (l *brokerListener) serveConnect(conn net.Conn) bool {
	for _, f := range l.server.faults.take(stepConnect, "") {
		switch f.Kind {
		case "cut":
			conn.Close()
			return false
		case "silent":
			go func() {
				<-l.stopped
				conn.Close()
			}()
			return false
		case "delay":
			// Holds up the accepting of later connections too, as a busy broker does.
			select {
			case <-l.stopped:
			case <-time.After(f.delay()):
			}
		}
	}
	return true
}
