// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"

	"sealpod.test/guest"
	"sealpod.test/kbs"
)

func TestRunSaysWhereAndCounts(t *testing.T) {
	server, err := kbs.New(kbs.Options{ResourcePolicy: "package policy\nallow = true\n",
		Resources: map[string][]byte{"a/b/c": []byte("secret")}})
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	ctx, cancel := context.WithCancel(context.Background())
	in, out := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := run(ctx, []string{"-kbs", server.URL(), "-dir", t.TempDir(), "-features", "all"}, out)
		out.CloseWithError(err)
		ended <- err
	}()
	lines := bufio.NewScanner(in)
	if !lines.Scan() {
		t.Fatal(<-ended)
	}
	var where struct{ AA, CDH, REST string }
	if err := json.Unmarshal(lines.Bytes(), &where); err != nil || where.REST == "" || where.AA == "" || where.CDH == "" {
		t.Fatalf("'%s', %v", lines.Text(), err)
	}
	resp, err := http.Get(where.REST + "/cdh/resource/a/b/c")
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	if string(body) != "secret" {
		t.Fatalf("%d '%s'", resp.StatusCode, body)
	}
	if err := syscall.Kill(os.Getpid(), syscall.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	if !lines.Scan() {
		t.Fatal("no counts")
	}
	var counts guest.Counts
	if err := json.Unmarshal(lines.Bytes(), &counts); err != nil || counts != (guest.Counts{Tokens: 1, Resources: 1}) {
		t.Fatalf("'%s', %v", lines.Text(), err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
}

func TestBadArgumentsAreRefused(t *testing.T) {
	for _, args := range [][]string{{}, {"-kbs", "http://x"}, {"-dir", "/tmp"}, {"-kbs", "http://x", "-dir", "/tmp", "more"},
		{"-kbs", "http://x", "-dir", "/tmp", "-ca", "/nonexistent"}, {"-kbs", "http://x", "-dir", "/tmp", "-init-data", "/nonexistent"}} {
		if err := run(context.Background(), args, io.Discard); err == nil {
			t.Errorf("'%s' runs", strings.Join(args, " "))
		}
	}
}
