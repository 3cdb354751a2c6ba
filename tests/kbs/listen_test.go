// SPDX-License-Identifier: Apache-2.0

package kbs

import (
	"crypto/tls"
	"net/http"
	"os"
	"testing"
)

func TestLoopbackOnly(t *testing.T) {
	for _, addr := range []string{":0", "0.0.0.0:0", "[::]:0", "192.0.2.1:0", "example.com:0", "127.0.0.1"} {
		for _, o := range []Options{{Listen: addr}, {Control: addr}} {
			s, err := New(o)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Start(); err == nil {
				s.Close()
				t.Errorf("%+v was taken", o)
			}
		}
	}
	if url := start(t, Options{Listen: "localhost:0"}).URL(); url[:17] != "http://127.0.0.1:" {
		t.Error(url)
	}
}

func TestTLSVersionsAndALPN(t *testing.T) {
	s := start(t, Options{TLS: true})
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for proto, http2 := range map[string]bool{"HTTP/2.0": true, "HTTP/1.1": false} {
			tr := transport(s)
			tr.ForceAttemptHTTP2 = http2
			tr.TLSClientConfig.MinVersion, tr.TLSClientConfig.MaxVersion = version, version
			resp, err := (&http.Client{Transport: tr}).Get(s.URL() + "/healthz")
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			tr.CloseIdleConnections()
			if resp.Proto != proto || resp.TLS.Version != version {
				t.Errorf("%s with %s, want %s with %s", resp.Proto, tls.VersionName(resp.TLS.Version), proto, tls.VersionName(version))
			}
		}
	}
	old := transport(s)
	old.ForceAttemptHTTP2 = false // HTTP/2 would refuse old TLS by itself
	old.TLSClientConfig.MinVersion, old.TLSClientConfig.MaxVersion = tls.VersionTLS11, tls.VersionTLS11
	if _, err := (&http.Client{Transport: old}).Get(s.URL() + "/healthz"); err == nil {
		t.Error("TLS 1.1 was taken")
	}
	stranger := transport(start(t, Options{TLS: true}))
	if _, err := (&http.Client{Transport: stranger}).Get(s.URL() + "/healthz"); err == nil {
		t.Error("a client that pins another CA connected")
	}
}

func TestRestartKeepsAddressCAAndResources(t *testing.T) {
	s := start(t, Options{TLS: true, ResourcePolicy: allowAll, Resources: map[string][]byte{"repo/type/tag": []byte("the secret")}})
	c := newClient(t, s)
	c.handshake()
	url := s.URL()
	if err := s.Start(); err == nil {
		t.Error("a second Start was taken")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.try("POST", "/kbs/v0/auth", goodAuth, nil); err == nil {
		t.Fatal("a closed broker answers")
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	if s.URL() != url {
		t.Errorf("came back on %s, not %s", s.URL(), url)
	}
	wantSecret(t, c)
}

func TestResourceDir(t *testing.T) {
	dir := t.TempDir()
	os.MkdirAll(dir+"/default/x509pop", 0o700)
	os.WriteFile(dir+"/default/x509pop/key", []byte("the key"), 0o600)
	s := start(t, Options{ResourceDir: dir, ResourcePolicy: allowAll})
	c := newClient(t, s)
	c.handshake()
	if plain, err := c.open(c.get("default/x509pop/key").body); err != nil || string(plain) != "the key" {
		t.Errorf("%q, %v", plain, err)
	}
	os.WriteFile(dir+"/default/flat", nil, 0o600)
	if _, err := New(Options{ResourceDir: dir}); err == nil {
		t.Error("a file that is not repo/type/tag was taken")
	}
	if _, err := New(Options{ResourceDir: dir + "/missing"}); err == nil {
		t.Error("a missing directory was taken")
	}
	if _, err := New(Options{Resources: map[string][]byte{"../x/y": nil}}); err == nil {
		t.Error("a bad resource path was taken")
	}
}
