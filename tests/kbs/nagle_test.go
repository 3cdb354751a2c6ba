// SPDX-License-Identifier: Apache-2.0

package kbs

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// firstAnswer times a fresh connection's first answer, from the last byte of the
// request to the first byte of the answer.
func firstAnswer(t *testing.T, s *Server, http2 bool) time.Duration {
	t.Helper()
	tr := transport(s)
	tr.ForceAttemptHTTP2 = http2
	// Without a cache Go's client asks for no session tickets.
	tr.TLSClientConfig.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	defer tr.CloseIdleConnections()
	var sent, first time.Time
	trace := &httptrace.ClientTrace{
		WroteRequest:         func(httptrace.WroteRequestInfo) { sent = time.Now() },
		GotFirstResponseByte: func() { first = time.Now() },
	}
	req, err := http.NewRequest("GET", s.URL()+"/healthz", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := tr.RoundTrip(req.WithContext(httptrace.WithClientTrace(req.Context(), trace)))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return first.Sub(sent)
}

func median(measure func() time.Duration) time.Duration {
	var all []time.Duration
	for range 9 {
		all = append(all, measure())
	}
	slices.Sort(all)
	return all[len(all)/2]
}

// The emulation is true if a plain client, without any cure, waits for its own
// delayed ACK with Nagle on and does not with Nagle off.
func TestNagleStallsTheFirstAnswer(t *testing.T) {
	s := start(t, Options{TLS: true})
	for _, http2 := range []bool{false, true} {
		s.SetNagle(true)
		on := median(func() time.Duration { return firstAnswer(t, s, http2) })
		s.SetNagle(false)
		off := median(func() time.Duration { return firstAnswer(t, s, http2) })
		t.Logf("http2 %v: median of the first answer %v with Nagle on, %v with Nagle off", http2, on, off)
		if on < 25*time.Millisecond {
			t.Errorf("http2 %v: no stall with Nagle on: %v", http2, on)
		}
		if off > 25*time.Millisecond {
			t.Errorf("http2 %v: a stall with Nagle off: %v", http2, off)
		}
	}
}

// quickAnswer is firstAnswer for a client that sets TCP_QUICKACK once its request
// is sent.
func quickAnswer(t *testing.T, s *Server) time.Duration {
	t.Helper()
	config := transport(s).TLSClientConfig
	config.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	conn, err := tls.Dial("tcp", strings.TrimPrefix(s.URL(), "https://"), config)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET /healthz HTTP/1.1\r\nHost: kbs\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	sent := time.Now()
	raw, err := conn.NetConn().(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) { err = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_QUICKACK, 1) })
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	return time.Since(sent)
}

func TestQuickACKCuresTheStall(t *testing.T) {
	s := start(t, Options{TLS: true, Nagle: true})
	if cured := median(func() time.Duration { return quickAnswer(t, s) }); cured > 20*time.Millisecond {
		t.Errorf("the first answer still takes %v", cured)
	}
}

// A request that is larger than HTTP/2's first window needs the server's
// WINDOW_UPDATE before it can be answered.
func TestNagleLetsLongRequestsThrough(t *testing.T) {
	s := start(t, Options{TLS: true, Nagle: true})
	a := newClient(t, s).do("POST", "/kbs/v0/auth", goodAuth+strings.Repeat(" ", 1<<20))
	if a.status != 200 {
		t.Errorf("%d %s", a.status, a.body)
	}
}
