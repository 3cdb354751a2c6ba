// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"sealpod.test/e2e/lab"
)

// supervised is a sealpod that stays as the parent of its agent.
type supervised struct {
	t *testing.T
	f *lab.Fixture
	p *lab.Process
}

// supervise starts it; the prefix are words before the command line.
func supervise(t *testing.T, f *lab.Fixture, prefix ...string) *supervised {
	t.Helper()
	return superviseWith(t, f, prefix)
}

// superviseWith starts it with further options.
func superviseWith(t *testing.T, f *lab.Fixture, prefix []string, args ...string) *supervised {
	t.Helper()
	argv := append(append(prefix, lab.Sealpod, "run", "--supervise", "--unmeasured-config", f.ConfigPath(t)), args...)
	return &supervised{t, f, lab.Start(t, f.RunAs, f.Dir, argv...)}
}

// supervisorStatus is what lies in runtime_dir for others to read.
type supervisorStatus struct {
	PID      int  `json:"pid"`
	AgentPID int  `json:"agent_pid"`
	Ready    bool `json:"ready"`
	Socket   string
	Ends     int64 `json:"credential_ends"`
	Due      int64 `json:"renewal_due"`
	Renewals int
	Restarts int
	Trouble  string
}

func (s *supervised) status() (status supervisorStatus, ok bool) {
	text, err := os.ReadFile(filepath.Join(s.f.Config.RuntimeDir, "supervisor.json"))
	return status, err == nil && json.Unmarshal(text, &status) == nil
}

// await waits for a state of the supervisor that the condition likes.
func (s *supervised) await(limit time.Duration, what string, condition func(supervisorStatus) bool) supervisorStatus {
	s.t.Helper()
	var status supervisorStatus
	lab.Eventually(s.t, limit, what, func() (bool, string) {
		if !s.p.Running() {
			s.t.Fatalf("sealpod ended with %d\n%s", s.p.Status(), s.p)
		}
		var ok bool
		status, ok = s.status()
		return ok && condition(status), fmt.Sprintf("%+v\n%s", status, s.p.Stderr.String())
	})
	return status
}

func (s *supervised) awaitReady() supervisorStatus {
	s.t.Helper()
	return s.await(30*time.Second, "an agent that serves", func(st supervisorStatus) bool { return st.Ready })
}

func (s *supervised) awaitRenewals(n int) supervisorStatus {
	s.t.Helper()
	return s.await(60*time.Second, fmt.Sprintf("%d renewals", n), func(st supervisorStatus) bool { return st.Renewals >= n })
}

// health runs `sealpod health` as another user.
func (s *supervised) health(args ...string) *lab.Process {
	s.t.Helper()
	argv := append([]string{lab.Sealpod, "health", s.f.Config.RuntimeDir}, args...)
	p := lab.Start(s.t, strangerUID, "/", argv...)
	p.Wait(s.t, 10*time.Second)
	return p
}

func (s *supervised) wantHealth(status int, word string, args ...string) {
	s.t.Helper()
	p := s.health(args...)
	if p.Status() != status || !strings.Contains(p.Stderr.String(), word) {
		s.t.Errorf("'sealpod health %v' ended with %d, want %d and '%s'\n%s", args, p.Status(), status, word, p)
	}
}

func (s *supervised) credentialPath() string {
	return filepath.Join(s.f.Config.RuntimeDir, "agent", "credential.pem")
}

// startSupervised starts it with an entry for workloadUID and returns the
// workload's SPIFFE ID.
func startSupervised(t *testing.T, f *lab.Fixture, prefix ...string) (*supervised, string) {
	t.Helper()
	path := "/w/" + strings.ToLower(t.Name())
	f.Spire.Entry(t, f.Credential.AgentID(), path, workloadUID)
	makePublicDir(t, f)
	s := supervise(t, f, prefix...)
	s.awaitReady()
	return s, "spiffe://" + lab.TrustDomain + path
}

// soon is the end of a certificate for which renewal is due in about that time.
func soon(after time.Duration) time.Time { return time.Now().Add(time.Hour + after) }

// agentScript makes a program in the agent's place.
func agentScript(t *testing.T, f *lab.Fixture, text string) {
	t.Helper()
	f.Config.AgentPath = script(t, f.Dir, "#!/bin/sh\n"+text, 0o755)
}

// door stands before the broker and can be shut.
type door struct {
	address, target string
	mu              sync.Mutex
	listener        net.Listener
	open            []net.Conn
	held            sync.Mutex // who holds it keeps those waiting that come
}

func newDoor(t *testing.T, f *lab.Fixture) *door {
	t.Helper()
	d := &door{target: strings.TrimPrefix(f.Config.URL, "https://"), address: fmt.Sprintf("127.0.0.1:%d", lab.ReservePort(t))}
	d.unlock(t)
	f.Config.URL = "https://" + d.address
	t.Cleanup(d.lock)
	return d
}

func (d *door) unlock(t *testing.T) {
	t.Helper()
	listener, err := net.Listen("tcp", d.address)
	if err != nil {
		t.Fatal(err)
	}
	d.listener = listener
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			d.held.Lock()
			broker, err := net.Dial("tcp", d.target)
			d.held.Unlock()
			if err != nil {
				client.Close()
				return
			}
			d.mu.Lock()
			d.open = append(d.open, client, broker)
			d.mu.Unlock()
			go passOn(client, broker)
			go passOn(broker, client)
		}
	}()
}

func (d *door) lock() {
	d.listener.Close()
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, conn := range d.open {
		conn.Close()
	}
	d.open = nil
}
