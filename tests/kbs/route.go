// SPDX-License-Identifier: Apache-2.0

package kbs

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	pathPrefix = "/kbs/v0"
	maxBody    = 2 << 20 // payload_request_size of the real broker, by default
)

// Steps that a fault can be tied to.
const (
	stepConnect  = "connect"
	stepAuth     = "auth"
	stepAttest   = "attest"
	stepResource = "resource"
	stepAdmin    = "admin"
)

// call is one request under /kbs/v0, with the knobs that faults turn.
type call struct {
	ctx      context.Context
	stopped  <-chan struct{}
	method   string
	uri      string   // path and query as sent, for the ACL and its message
	plugin   string   // first path segment
	segments []string // the rest, decoded
	query    map[string]string
	header   http.Header
	cookie   string
	body     []byte

	wantVersion string        // protocol version that /auth takes
	tokenAge    time.Duration // added to the clock when a token is checked
	jwe         jweMode
}

// resourcePath is "repo/type/tag" for a resource call.
func (c *call) resourcePath() string { return strings.Join(c.segments, "/") }

// step is the step that faults and counters know the call by, or "".
func (c *call) step() string {
	switch {
	case c.plugin == "auth" && c.method == http.MethodPost:
		return stepAuth
	case c.plugin == "attest" && c.method == http.MethodPost:
		return stepAttest
	case c.plugin == "resource" && c.method == http.MethodGet:
		return stepResource
	case c.plugin == "resource", c.plugin == "resource-policy",
		c.plugin == "attestation-policy", c.plugin == "reference-value":
		return stepAdmin
	}
	return ""
}

func (s *Server) handler(stopped <-chan struct{}) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.write(w, r, s.answer(r, stopped))
	})
}

func (s *Server) answer(r *http.Request, stopped <-chan struct{}) response {
	escaped := r.URL.EscapedPath()
	if escaped == "/healthz" && r.Method == http.MethodGet {
		return ok("", nil)
	}
	rest, under := strings.CutPrefix(escaped, pathPrefix+"/")
	if !under {
		return response{status: http.StatusNotFound, header: http.Header{}}
	}
	switch r.Method {
	case http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete:
	default:
		return response{status: http.StatusMethodNotAllowed, header: http.Header{}}
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil {
		return response{abort: true}
	}
	if len(body) > maxBody {
		return tooLarge()
	}
	c := newCall(r, rest, body)
	c.stopped = stopped
	return s.countedAndFaulted(c)
}

func newCall(r *http.Request, rest string, body []byte) *call {
	c := &call{
		ctx: r.Context(), method: r.Method, uri: r.URL.RequestURI(),
		query: map[string]string{}, header: r.Header, body: body,
		wantVersion: protocolVersion,
	}
	// Decoded after the split: an escaped slash must not make a new segment.
	for i, part := range strings.Split(rest, "/") {
		if decoded, err := url.PathUnescape(part); err == nil {
			part = decoded
		}
		if i == 0 {
			c.plugin = part
		} else {
			c.segments = append(c.segments, part)
		}
	}
	for name, values := range r.URL.Query() {
		c.query[name] = values[len(values)-1]
	}
	if cookie, err := r.Cookie(sessionCookie); err == nil {
		c.cookie = cookie.Value
	}
	return c
}

// tooLarge is what the real broker's HTTP framework sends, not the broker.
func tooLarge() response {
	r := response{status: http.StatusRequestEntityTooLarge, header: http.Header{}, body: []byte("A payload reached size limit.")}
	r.header.Set("Content-Type", "text/plain; charset=utf-8")
	r.header.Set("Connection", "close")
	return r
}

func (s *Server) countedAndFaulted(c *call) response {
	step := c.step()
	path := ""
	if step == stepResource {
		path = c.resourcePath()
	}
	s.counters.request(step, path)
	next := func() response { return s.dispatch(c) }
	for _, f := range s.faults.take(step, path) {
		inner, fault := next, f
		next = func() response { return faultKinds[fault.Kind](s, fault, c, inner) }
	}
	return next()
}

func (s *Server) dispatch(c *call) response {
	switch {
	case c.step() == stepAuth:
		return s.auth(c)
	case c.step() == stepAttest:
		return s.attest(c)
	case c.plugin == "attestation-policy" && c.method == http.MethodPost:
		return s.endpointAdmin(c, s.postAttestationPolicy)
	case c.plugin == "resource-policy" && c.method == http.MethodPost:
		return s.endpointAdmin(c, s.postResourcePolicy)
	case c.plugin == "resource-policy" && c.method == http.MethodGet:
		return s.endpointAdmin(c, s.listResourcePolicies)
	case c.plugin == "reference-value" && c.method == http.MethodPost:
		return s.endpointAdmin(c, s.postReferenceValue)
	case c.plugin == "reference-value" && c.method == http.MethodGet:
		return s.endpointAdmin(c, s.getReferenceValue)
	case c.plugin == "resource":
		return s.resource(c)
	}
	return problem(pluginNotFound, "Plugin "+c.plugin+" not found")
}

func (s *Server) write(w http.ResponseWriter, r *http.Request, resp response) {
	if resp.abort {
		panic(http.ErrAbortHandler)
	}
	releaseFor(r)
	h := w.Header()
	h["Content-Type"] = nil // Go would guess one where the real broker sends none
	h.Set("Date", s.now().UTC().Format(http.TimeFormat))
	for name, values := range resp.header {
		h[name] = values
	}
	if resp.stream == 0 {
		h.Set("Content-Length", strconv.Itoa(len(resp.body)))
	}
	w.WriteHeader(resp.status)
	if resp.cut {
		w.Write(resp.body[:len(resp.body)/2])
		http.NewResponseController(w).Flush()
		cutConnection(r)
	}
	w.Write(resp.body)
	writeFiller(w, resp.stream)
}

// cutConnection closes the TCP connection under TLS and HTTP, without a word.
func cutConnection(r *http.Request) {
	if conn, found := r.Context().Value(connKey{}).(net.Conn); found {
		if t, isTLS := conn.(*tls.Conn); isTLS {
			conn = t.NetConn()
		}
		conn.Close()
	}
	panic(http.ErrAbortHandler)
}

func writeFiller(w io.Writer, left int64) {
	chunk := bytes.Repeat([]byte("A"), 32<<10)
	for left > 0 {
		n, err := w.Write(chunk[:min(left, int64(len(chunk)))])
		if err != nil {
			return
		}
		left -= int64(n)
	}
}
