// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"
)

// started runs the command and returns the line that it prints.
func started(t *testing.T, args ...string) map[string]string {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	read, write := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := run(ctx, args, write)
		write.CloseWithError(err)
		ended <- err
	}()
	line, err := bufio.NewReader(read).ReadBytes('\n')
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	var said map[string]string
	if err := json.Unmarshal(line, &said); err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return said
}

func adminKeyFile(t *testing.T) string {
	t.Helper()
	public, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "admin.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestRunServesTLSAndControl(t *testing.T) {
	ca := filepath.Join(t.TempDir(), "ca.pem")
	said := started(t, "--tls", ca, "--control", "127.0.0.1:0", "--admin-key", adminKeyFile(t), "--resource-dir", t.TempDir())
	text, err := os.ReadFile(said["ca"])
	if err != nil || said["ca"] != ca {
		t.Fatalf("%v, said %v", err, said)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(text)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	for _, url := range []string{said["url"] + "/healthz", said["control"] + "/counters"} {
		resp, err := client.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != 200 {
			t.Errorf("%s: %s", url, resp.Status)
		}
	}
}

func TestRunPlainSaysOnlyItsURL(t *testing.T) {
	said := started(t)
	if len(said) != 1 || said["url"] == "" {
		t.Errorf("said %v", said)
	}
}

func TestRunRefuses(t *testing.T) {
	over, cancel := context.WithCancel(context.Background())
	cancel() // a command that takes the arguments ends at once
	noKey := filepath.Join(t.TempDir(), "no-key")
	if err := os.WriteFile(noKey, []byte("no key"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"--listen", "0.0.0.0:0"}, {"--control", "0.0.0.0:0"}, {"surplus"}, {"--unknown"},
		{"--admin-key", noKey}, {"--admin-key", "missing"}, {"--resource-policy", "missing"},
		{"--resource-policy", noKey}, {"--resource-dir", "missing"}, {"--roots", "missing"}, {"--tls", "missing/ca.pem"},
	} {
		if err := run(over, args, io.Discard); err == nil {
			t.Errorf("%v was taken", args)
		}
	}
}
