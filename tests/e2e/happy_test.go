// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"sealpod.test/e2e/lab"
)

// Users that exist nowhere but in registration entries.
const (
	workloadUID = 1001
	strangerUID = 1002
	nobodyUID   = 65534
)

// startAgent runs sealpod until it has become the agent, registers a workload
// for workloadUID, and returns the process and the workload's SPIFFE ID.
func startAgent(t *testing.T, f *lab.Fixture) (*lab.Process, string) {
	t.Helper()
	if f.RunAs != 0 {
		f.GiveTo(t, f.RunAs)
	}
	path := "/w/" + strings.ToLower(strings.NewReplacer("/", "-", "_", "-", "=", "-", ",", "-").Replace(t.Name()))
	f.Spire.Entry(t, f.Credential.AgentID(), path, workloadUID)
	makePublicDir(t, f)
	p := f.Start(t)
	f.WaitForExec(t, p, 20*time.Second)
	return p, "spiffe://" + lab.TrustDomain + path
}

// makePublicDir makes the directory of the agent's socket, for the agent's user.
func makePublicDir(t *testing.T, f *lab.Fixture) {
	t.Helper()
	dir := filepath.Dir(f.Socket)
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	owner := int(max(f.Config.UID, f.RunAs))
	if err := os.Chown(dir, owner, owner); err != nil {
		t.Fatal(err)
	}
}

func TestSVIDReachesTheWorkload(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change func(*lab.Fixture)
		leaf   func(*testing.T) lab.LeafOptions
	}{
		{name: "combined", change: func(*lab.Fixture) {}},
		{name: "separate", change: (*lab.Fixture).Separate},
		{name: "unprivileged", change: func(f *lab.Fixture) { f.Config.UID = nobodyUID }},
		{name: "not-root", change: func(f *lab.Fixture) { f.RunAs = nobodyUID }},
		{name: "tee-key-p521", change: func(f *lab.Fixture) { f.Config.TEEKey = "ECDH-ES+A256KW-P521" }},
		{name: "tee-key-rsa", change: func(f *lab.Fixture) { f.Config.TEEKey = "RSA-OAEP-256" }},
		{name: "sec1-key", change: (*lab.Fixture).Separate, leaf: func(*testing.T) lab.LeafOptions { return lab.LeafOptions{SEC1: true} }},
		{name: "rsa-credential", change: func(*lab.Fixture) {}, leaf: rsaLeaf},
		{name: "p384-credential", change: func(*lab.Fixture) {}, leaf: p384Leaf},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			options := lab.FixtureOptions{RealAgent: true}
			if c.leaf != nil {
				options.Leaf = c.leaf(t)
			}
			f := lab.NewFixture(t, options)
			c.change(f)
			checkSVID(t, f)
		})
	}
}

func rsaLeaf(t *testing.T) lab.LeafOptions {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return lab.LeafOptions{Key: key}
}

func p384Leaf(t *testing.T) lab.LeafOptions {
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return lab.LeafOptions{Key: key}
}

// checkSVID runs the whole way and checks who gets which identity, and what it
// cost at the broker.
func checkSVID(t *testing.T, f *lab.Fixture) {
	t.Helper()
	p, id := startAgent(t, f)
	strangerPath := strings.TrimPrefix(id, "spiffe://"+lab.TrustDomain) + "-stranger"
	svid := lab.FetchID(t, f.Socket, workloadUID, id, 15*time.Second)
	if !svid.Verified {
		t.Error("the SVID does not verify against the trust bundle")
	}
	if left := time.Until(svid.NotAfter); left < 30*time.Minute || left > time.Hour {
		t.Errorf("the SVID is valid for %v more, want about an hour", left)
	}
	if answer := lab.Fetch(t, f.Socket, strangerUID); answer.Code != "PermissionDenied" || len(answer.SVIDs) != 0 {
		t.Errorf("a process of another user was answered %+v, want PermissionDenied", answer)
	}
	f.Spire.Entry(t, f.Credential.AgentID(), strangerPath, strangerUID)
	lab.FetchID(t, f.Socket, strangerUID, "spiffe://"+lab.TrustDomain+strangerPath, 15*time.Second)
	if answer := lab.Fetch(t, f.Socket, strangerUID); len(answer.SVIDs) != 1 {
		t.Errorf("a process of another user was given %+v, want its own SVID alone", answer)
	}
	checkOneAttestation(t, f)
	p.Signal(syscall.SIGTERM)
	p.Wait(t, 10*time.Second)
	if p.Status() != 0 {
		t.Errorf("the agent ended with %d on SIGTERM\n%s", p.Status(), p)
	}
}

// checkOneAttestation checks that one session on one connection served it all.
func checkOneAttestation(t *testing.T, f *lab.Fixture) {
	t.Helper()
	seen := f.KBS.Counters()
	wanted := []string{f.Config.Combined, f.Config.Key, f.Config.Certificate, f.Config.Bundle}
	resources := 0
	for _, uri := range wanted {
		if path, ok := strings.CutPrefix(uri, "kbs:///"); ok {
			resources++
			if seen.Resources[path] != 1 {
				t.Errorf("'%s' was asked for %d times, want once", path, seen.Resources[path])
			}
		}
	}
	want := fmt.Sprintf("1 connections, 1 auth, 1 attest, %d resources", resources)
	got := fmt.Sprintf("%d connections, %d auth, %d attest, %d resources",
		seen.Connections, seen.Requests["auth"], lab.Handshakes(seen), lab.Gets(seen))
	if got != want {
		t.Errorf("the broker saw %s, want %s", got, want)
	}
	if seen.Attest != 1 || seen.Last == nil || seen.Last.TEE != "sample" {
		t.Errorf("the broker verified %d attestations, the last %+v; want one of TEE sample", seen.Attest, seen.Last)
	}
}

// TestAgentReattests waits until the server has issued the agent another SVID.
// An x509pop agent has no other renewal than a whole attestation, for which it
// reads key and certificate again.
func TestAgentReattests(t *testing.T) {
	t.Parallel()
	times := 1
	if lab.Long {
		times = 4
	}
	for _, uid := range []uint32{0, nobodyUID} {
		t.Run(fmt.Sprintf("uid-%d", uid), func(t *testing.T) {
			t.Parallel()
			f := lab.NewFixture(t, lab.FixtureOptions{RealAgent: true, AgentTTL: "20s"})
			f.Config.UID = uid
			p, id := startAgent(t, f)
			lab.FetchID(t, f.Socket, workloadUID, id, 15*time.Second)
			for i := range times {
				before := f.Spire.AgentSerial(f.Credential.AgentID())
				lab.Eventually(t, 40*time.Second, "another attestation", func() (bool, string) {
					now := f.Spire.AgentSerial(f.Credential.AgentID())
					if !p.Running() {
						t.Fatalf("the agent ended\n%s", p)
					}
					return now != "" && now != before, fmt.Sprintf("round %d: still serial '%s'", i, now)
				})
			}
			lab.FetchID(t, f.Socket, workloadUID, id, 15*time.Second)
			if strings.Contains(p.Stdout.String()+p.Stderr.String(), "Could not reattest") {
				t.Errorf("a re-attestation failed\n%s", p)
			}
			checkOneAttestation(t, f)
		})
	}
}
