// SPDX-License-Identifier: Apache-2.0

package kbs

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
)

// control sends one request to the control port and returns status and body.
func control(t *testing.T, s *Server, method, path, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequest(method, s.ControlURL()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

func wantOK(t *testing.T, s *Server, method, path, body string) {
	t.Helper()
	if status, text := control(t, s, method, path, body); status != 200 {
		t.Fatalf("%s %s: %d %s", method, path, status, text)
	}
}

func TestControlPort(t *testing.T) {
	s := start(t, Options{Control: "127.0.0.1:0"})
	c := newClient(t, s)
	wantOK(t, s, "PUT", "/resource-policy", allowAll)
	wantOK(t, s, "PUT", "/resource/repo/type/tag", "the secret")
	c.handshake()
	wantSecret(t, c)

	wantOK(t, s, "POST", "/faults", `{"kind":"status","step":"resource","status":503,"count":2}`)
	if a := c.get("repo/type/tag"); a.status != 503 {
		t.Errorf("the fault does nothing: %d", a.status)
	}
	if _, text := control(t, s, "GET", "/faults", ""); text != `[{"kind":"status","step":"resource","count":1,"status":503}]`+"\n" {
		t.Errorf("faults %s", text)
	}
	wantOK(t, s, "DELETE", "/faults", "")
	if _, text := control(t, s, "GET", "/faults", ""); text != "[]\n" {
		t.Errorf("faults %s", text)
	}
	wantSecret(t, c)

	_, text := control(t, s, "GET", "/counters", "")
	var k Counters
	if err := json.Unmarshal([]byte(text), &k); err != nil {
		t.Fatal(err)
	}
	if k.Auth != 1 || k.Attest != 1 || k.Resources["repo/type/tag"] != 3 || k.Connections != 1 || k.Last == nil || k.Last.TEE != "sample" {
		t.Errorf("counters %s", text)
	}
	wantOK(t, s, "DELETE", "/counters", "")
	if k := s.Counters(); k.Auth != 0 || len(k.Resources) != 0 || k.Last != nil {
		t.Errorf("after the reset %+v", k)
	}

	wantOK(t, s, "DELETE", "/resource/repo/type/tag", "")
	wantProblem(t, c.get("repo/type/tag"), 401, "PluginInternalError")
	wantOK(t, s, "DELETE", "/sessions", "")
	wantProblem(t, c.get("repo/type/tag"), 401, "TokenNotFound")
	wantOK(t, s, "PUT", "/nagle", "true")
	if !s.nagle.Load() {
		t.Error("nagle is still off")
	}
}

func TestControlPortRefusals(t *testing.T) {
	s := start(t, Options{Control: "127.0.0.1:0"})
	for _, bad := range [][3]string{
		{"POST", "/faults", `{"kind":"unknown"}`},
		{"POST", "/faults", `{"kind":"cut","stepp":"auth"}`},
		{"POST", "/faults", `{"kind":"cut"} {}`},
		{"PUT", "/nagle", `"on"`},
		{"PUT", "/resource-policy", "package"},
		{"PUT", "/resource/a/b", "x"},
		{"DELETE", "/resource/a/b/c", ""},
	} {
		if status, text := control(t, s, bad[0], bad[1], bad[2]); status != 400 || !strings.HasPrefix(text, `{"error":"`) {
			t.Errorf("%v: %d %s", bad, status, text)
		}
	}
	// What the control port serves, the broker's own port must not.
	c := newClient(t, s)
	for _, path := range []string{"/counters", "/faults", "/kbs/v0/counters", "/kbs/v0/faults"} {
		if a := c.do("GET", path, ""); a.status != 404 {
			t.Errorf("%s on the broker's port: %d", path, a.status)
		}
	}
}

func TestAdminWithoutKeyIsRefused(t *testing.T) {
	s := startOpen(t)
	_, sign := adminKeys(t)
	c := newClient(t, s)
	for _, token := range []string{"", "Bearer " + sign(`{"role":"admin","exp":4102444800}`)} {
		a, err := c.try("POST", "/kbs/v0/resource/repo/type/tag", "x", http.Header{"Authorization": {token}})
		if err != nil {
			t.Fatal(err)
		}
		wantProblem(t, a, 401, "AdminAuthInitialization")
	}
	c.handshake()
	wantSecret(t, c)
}
