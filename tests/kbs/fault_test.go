// SPDX-License-Identifier: Apache-2.0

package kbs

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

func arm(t *testing.T, s *Server, f Fault) {
	t.Helper()
	if err := s.AddFault(f); err != nil {
		t.Fatal(err)
	}
}

// attested is an open broker and a client that has a session with it.
func attested(t *testing.T) (*Server, *testClient) {
	t.Helper()
	s := startOpen(t)
	c := newClient(t, s)
	c.handshake()
	return s, c
}

func wantSecret(t *testing.T, c *testClient) {
	t.Helper()
	a := c.get("repo/type/tag")
	if plain, err := c.open(a.body); err != nil || string(plain) != "the secret" {
		t.Fatalf("%d %s: %q, %v", a.status, a.body, plain, err)
	}
}

func TestFaultCountStepAndPath(t *testing.T) {
	s, c := attested(t)
	if err := s.SetResource("repo/type/other", []byte("the secret")); err != nil {
		t.Fatal(err)
	}
	arm(t, s, Fault{Kind: "status", Step: "resource", Path: "repo/type/tag", Count: 2, Status: 503})
	arm(t, s, Fault{Kind: "status", Step: "admin"})
	for i := range 2 {
		if a := c.get("repo/type/tag"); a.status != 503 || len(a.body) != 0 {
			t.Fatalf("request %d: %d %s", i, a.status, a.body)
		}
		if a := c.get("repo/type/other"); a.status != 200 {
			t.Fatalf("another path: %d", a.status)
		}
	}
	wantSecret(t, c)
	if a := c.do("GET", "/kbs/v0/resource-policy", ""); a.status != 500 {
		t.Errorf("admin: %d", a.status)
	}
	if left := s.Faults(); len(left) != 1 || left[0].Step != "admin" {
		t.Errorf("left: %+v", left)
	}
	s.ClearFaults()
	wantProblem(t, c.do("GET", "/kbs/v0/resource-policy", ""), 401, "AdminAuthAccess")
	if k := s.Counters(); k.Resources["repo/type/tag"] != 3 || k.Resources["repo/type/other"] != 2 || k.Requests["resource"] != 5 {
		t.Errorf("counters %+v", k)
	}
}

func TestFaultDelay(t *testing.T) {
	s, c := attested(t)
	arm(t, s, Fault{Kind: "delay", Step: "resource", DelayMS: 150, Count: 1})
	begin := time.Now()
	wantSecret(t, c)
	if took := time.Since(begin); took < 150*time.Millisecond {
		t.Errorf("answered after %v", took)
	}
}

// silentFor sends a request that may wait long for the client's deadline only.
func silentFor(t *testing.T, c *testClient, path string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "POST", c.s.URL()+path, strings.NewReader(goodAuth))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.http.Do(req)
	if err == nil {
		resp.Body.Close()
	}
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("got %v, want to wait until the deadline", err)
	}
}

func TestFaultSilent(t *testing.T) {
	s := startOpen(t)
	c := newClient(t, s)
	arm(t, s, Fault{Kind: "silent", Step: "auth", Count: 1})
	silentFor(t, c, "/kbs/v0/auth")
	arm(t, s, Fault{Kind: "silent", Step: "connect", Count: 1})
	c.http.CloseIdleConnections()
	silentFor(t, c, "/kbs/v0/auth")
	c.http.CloseIdleConnections()
	c.handshake()
	arm(t, s, Fault{Kind: "silent"})
	asked := make(chan error, 1)
	go func() {
		_, err := c.try("POST", "/kbs/v0/auth", goodAuth, nil)
		asked <- err
	}()
	for begin := time.Now(); s.Counters().Requests["auth"] < 3; {
		if time.Since(begin) > 10*time.Second {
			t.Fatal("the silent request never arrived")
		}
		time.Sleep(time.Millisecond)
	}
	s.Close() // must not wait for the silent request
	if err := <-asked; err == nil {
		t.Error("a silent broker answered")
	}
}

func TestFaultCut(t *testing.T) {
	for _, tls := range []bool{false, true} {
		s := start(t, Options{TLS: tls, ResourcePolicy: allowAll, Resources: map[string][]byte{"repo/type/tag": []byte("the secret")}})
		c := newClient(t, s)
		c.handshake()
		arm(t, s, Fault{Kind: "cut", Step: "resource", Count: 1})
		a, err := c.try("GET", "/kbs/v0/resource/repo/type/tag", "", nil)
		// Go's HTTP/2 client may drop what came before the cut.
		if half := len(a.body) > 0 || tls; !errors.Is(err, io.ErrUnexpectedEOF) || a.status != 200 || !half {
			t.Errorf("tls %v: %v, status %d, %d bytes", tls, err, a.status, len(a.body))
		}
		before := s.Counters().Connections
		wantSecret(t, c)
		if s.Counters().Connections != before+1 {
			t.Errorf("tls %v: the connection survived the cut", tls)
		}
		arm(t, s, Fault{Kind: "cut", Step: "connect", Count: 1})
		conn, err := net.Dial("tcp", strings.SplitAfter(s.URL(), "://")[1])
		if err != nil {
			t.Fatal(err)
		}
		conn.SetDeadline(time.Now().Add(5 * time.Second))
		if n, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("read %d, %v after a cut at connect", n, err)
		}
		conn.Close()
	}
}

func TestFaultOversized(t *testing.T) {
	s := startOpen(t)
	c := newClient(t, s)
	arm(t, s, Fault{Kind: "oversized", Step: "auth", Count: 1})
	a := c.do("POST", "/kbs/v0/auth", goodAuth)
	if a.status != 200 || len(a.body) < 64<<20 || a.header.Get("Content-Length") != "" || !bytes.HasPrefix(a.body, []byte(`{"nonce":"AAAA`)) {
		t.Errorf("%d, %d bytes, %v", a.status, len(a.body), a.header)
	}
	arm(t, s, Fault{Kind: "oversized", Step: "auth", Count: 1, Bytes: 100})
	if a := c.do("POST", "/kbs/v0/auth", goodAuth); len(a.body) != 100+len(`{"nonce":"`) {
		t.Errorf("%d bytes", len(a.body))
	}
}

func TestFaultAnswers(t *testing.T) {
	s, c := attested(t)
	for name, test := range map[string]struct {
		fault Fault
		check func(*testing.T, answer)
	}{
		"garbage": {Fault{Kind: "garbage"}, func(t *testing.T, a answer) {
			if a.status != 200 || len(a.body) == 0 || json.Valid(a.body) {
				t.Errorf("%d %q", a.status, a.body)
			}
		}},
		"status": {Fault{Kind: "status"}, func(t *testing.T, a answer) {
			if a.status != 500 {
				t.Errorf("%d", a.status)
			}
		}},
		"redirect": {Fault{Kind: "redirect", Location: "https://127.0.0.1:1/x"}, func(t *testing.T, a answer) {
			if a.status != 307 || a.header.Get("Location") != "https://127.0.0.1:1/x" {
				t.Errorf("%d %v", a.status, a.header)
			}
		}},
		"redirect 302": {Fault{Kind: "redirect", Location: "/", Status: 302}, func(t *testing.T, a answer) {
			if a.status != 302 {
				t.Errorf("%d", a.status)
			}
		}},
		"problem": {Fault{Kind: "problem", Type: "PolicyDeny", Detail: "<no>"}, func(t *testing.T, a answer) {
			wantProblem(t, a, 401, "PolicyDeny")
			if !strings.HasSuffix(string(a.body), `"detail":"<no>"}`) {
				t.Errorf("%s", a.body)
			}
		}},
		"plugin-internal-error": {Fault{Kind: "plugin-internal-error"}, func(t *testing.T, a answer) { wantProblem(t, a, 401, "PluginInternalError") }},
		"token-expired":         {Fault{Kind: "token-expired"}, func(t *testing.T, a answer) { wantProblem(t, a, 401, "TokenVerifierError") }},
		"truncated": {Fault{Kind: "truncated"}, func(t *testing.T, a answer) {
			if a.status != 200 || len(a.body) < 100 || json.Valid(a.body) {
				t.Errorf("%d %q", a.status, a.body)
			}
		}},
		"date-offset": {Fault{Kind: "date-offset", Seconds: -7200}, func(t *testing.T, a answer) {
			date, err := http.ParseTime(a.header.Get("Date"))
			if off := time.Until(date); err != nil || off > -7190*time.Second || off < -7210*time.Second {
				t.Errorf("Date '%s'", a.header.Get("Date"))
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			test.fault.Step, test.fault.Count = "resource", 1
			arm(t, s, test.fault)
			test.check(t, c.get("repo/type/tag"))
			wantSecret(t, c) // the next request is served again, by the same session
		})
	}
}

func TestFaultVersion(t *testing.T) {
	s := startOpen(t)
	c := newClient(t, s)
	arm(t, s, Fault{Kind: "version", Step: "auth", Version: "0.2.0"})
	a := c.auth()
	wantProblem(t, a, 401, "AttestationError")
	if !strings.Contains(string(a.body), "expect =0.2.0 while the request is 0.4.0") {
		t.Errorf("%s", a.body)
	}
	if a := c.do("POST", "/kbs/v0/auth", strings.Replace(goodAuth, "0.4.0", "0.2.0", 1)); a.status != 200 {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestFaultAttestRefused(t *testing.T) {
	s := startOpen(t)
	c := newClient(t, s)
	arm(t, s, Fault{Kind: "attest-refused", Step: "attest", Count: 1})
	c.auth()
	wantProblem(t, c.attestWith(c.attestBody()), 401, "AttestationError")
	c.handshake()
	if k := s.Counters(); k.AttestRefused != 1 || k.Attest != 1 {
		t.Errorf("counters %+v", k)
	}
}

func TestFaultSessionLost(t *testing.T) {
	s, c := attested(t)
	arm(t, s, Fault{Kind: "session-lost", Step: "resource", Count: 1})
	wantProblem(t, c.get("repo/type/tag"), 401, "TokenNotFound")
	wantProblem(t, c.get("repo/type/tag"), 401, "TokenNotFound") // it stays lost
	c.handshake()
	wantSecret(t, c)
	s.ForgetSessions()
	wantProblem(t, c.get("repo/type/tag"), 401, "TokenNotFound")
}

func TestFaultDuplicateKeys(t *testing.T) {
	s, c := attested(t)
	arm(t, s, Fault{Kind: "duplicate-keys"})
	for name, a := range map[string]answer{"nonce": c.auth(), "token": c.attestWith(c.attestBody()), "protected": c.get("repo/type/tag")} {
		if a.status != 200 || !json.Valid(a.body) || bytes.Count(a.body, []byte(`"`+name+`":`)) != 2 {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
}

func jweHeader(t *testing.T, body []byte) string {
	t.Helper()
	var jwe struct{ Protected string }
	if err := json.Unmarshal(body, &jwe); err != nil {
		t.Fatal(err)
	}
	header, err := base64.RawURLEncoding.DecodeString(jwe.Protected)
	if err != nil {
		t.Fatal(err)
	}
	return string(header)
}

func TestFaultJWE(t *testing.T) {
	s := startOpen(t)
	for _, key := range []struct{ alg, other string }{{"ECDH-ES+A256KW", "ECDH-ES+A128KW"}, {"RSA-OAEP-256", "RSA-OAEP"}} {
		c := newClient(t, s)
		if strings.HasPrefix(key.alg, "RSA") {
			c.useRSA(key.alg)
		}
		c.handshake()
		for kind, mark := range map[string]string{
			"jwe-short-ciphertext": `"alg":"` + key.alg + `"`, "jwe-tag": `"alg":"` + key.alg + `"`, "jwe-short-tag": `"alg":"` + key.alg + `"`,
			"jwe-alg": `"alg":"` + key.other + `"`, "jwe-curve": `"crv":"P-384"`,
		} {
			arm(t, s, Fault{Kind: kind, Step: "resource", Count: 1})
			a := c.get("repo/type/tag")
			if header := jweHeader(t, a.body); a.status != 200 || !strings.Contains(header, mark) {
				t.Errorf("%s, %s: %d, header %s", key.alg, kind, a.status, header)
			}
			if plain, err := c.open(a.body); err == nil {
				t.Errorf("%s, %s: opens to %q", key.alg, kind, plain)
			}
			wantSecret(t, c)
		}
	}
}

func TestUselessFaultsAreRefused(t *testing.T) {
	s := startOpen(t)
	for _, f := range []Fault{
		{}, {Kind: "unknown"}, {Kind: "cut", Step: "nowhere"}, {Kind: "garbage", Step: "connect"},
		{Kind: "cut", Step: "auth", Path: "a/b/c"}, {Kind: "status", Status: 99}, {Kind: "cut", Count: -1},
		{Kind: "delay"}, {Kind: "version"}, {Kind: "redirect"}, {Kind: "problem"}, {Kind: "date-offset"},
	} {
		if err := s.AddFault(f); err == nil {
			t.Errorf("%+v was taken", f)
		}
	}
}
