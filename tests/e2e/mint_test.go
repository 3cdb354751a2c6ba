// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha1"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sealpod.test/e2e/lab"
	"sealpod.test/guest"
	"sealpod.test/tee"
)

// replica is a VM of a class.
type replica struct {
	machine  *machine
	fixture  *lab.Fixture
	process  *lab.Process
	reportID string
	agentID  string
}

// startReplica starts sealpod on a machine of its own; all replicas of a class ask the
// same KBS.
func startReplica(t *testing.T, roots, issuer, class, reportID string, f *lab.Fixture) *replica {
	t.Helper()
	r := &replica{
		machine: boot(t, tee.Options{Kind: tee.KindSNP, Roots: roots, Set: map[string]string{"report_id": reportID}}),
		fixture: f, reportID: reportID, agentID: agentName(issuer, reportID),
	}
	mintFor(f, class)
	makePublicDir(t, f)
	r.process = r.machine.startRun(t, f)
	return r
}

// serves waits until the replica's workloads are given an SVID.
func (r *replica) serves(t *testing.T, id string) {
	t.Helper()
	lab.Eventually(t, 60*time.Second, "the agent's socket is there", func() (bool, string) {
		if !r.process.Running() {
			t.Fatalf("sealpod ended with %d\n%s", r.process.Status(), r.process)
		}
		_, err := os.Stat(r.fixture.Socket)
		return err == nil, fmt.Sprint(err)
	})
	if svid := lab.FetchID(t, r.fixture.Socket, workloadUID, id, 40*time.Second); !svid.Verified {
		t.Error("the SVID does not verify against the trust bundle")
	}
}

func reportID(text string) string {
	return hex.EncodeToString(append([]byte(text), make([]byte, 32)...)[:32])
}

// class is an issuer with its node alias and the entry that its workloads get.
type class struct {
	issuer *lab.Authority
	name   string
	id     string
}

func newClass(t *testing.T, server *lab.Server, name string) *class {
	t.Helper()
	c := &class{issuer: newClassIssuer(t, "issuer-"+name, server.CA, issuerOptions{}), name: name, id: "spiffe://" + lab.TrustDomain + "/w/" + name}
	alias := server.Alias(t, "/class/"+name, fmt.Sprintf("ca:fingerprint:%x", sha1.Sum(c.issuer.Cert.Raw)))
	server.Entry(t, alias, "/w/"+name, workloadUID)
	return c
}

// Three VMs of one class at the same time: each is its own agent, named by issuer and
// REPORT_ID; one node alias on the issuer's fingerprint covers them; all serve the same
// entry, and none evicts another.
func TestReplicasOfAClass(t *testing.T) {
	t.Parallel()
	server, roots := lab.TemplateServer(t), ownRoots(t)
	c := newClass(t, server, "replicas")
	first := onMachine(t, withIssuer(t, issuerPEM(t, c.issuer), lab.FixtureOptions{RealAgent: true}), anyTEE, roots)
	var replicas []*replica
	for i := range 3 {
		f := first
		if i > 0 {
			f = lab.NewFixture(t, lab.FixtureOptions{RealAgent: true, Server: server})
			f.Config.URL, f.Config.CA, f.Config.Deadline = first.Config.URL, first.Config.CA, first.Config.Deadline
		}
		replicas = append(replicas, startReplica(t, roots, "issuer-replicas", c.name, reportID(fmt.Sprintf("replica %d", i)), f))
	}
	var want []string
	for _, r := range replicas {
		r.serves(t, c.id)
		r.machine.checkCost(t, 1)
		want = append(want, r.agentID)
	}
	got := agentsOf(t, server, "issuer-replicas")
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("the server knows the agents %q, want %q", got, want)
	}
	checkSelectors(t, server, replicas[0], c)
	checkUndisturbed(t, server, c.id, replicas...)
}

// checkSelectors checks what the server made of a minted leaf.
func checkSelectors(t *testing.T, server *lab.Server, r *replica, c *class) {
	t.Helper()
	selectors := server.Agents(t)[r.agentID]
	for _, want := range []string{"x509pop:san:class:" + c.name, "x509pop:san:instance:" + r.reportID, "x509pop:subject:cn:" + r.reportID,
		fmt.Sprintf("x509pop:ca:fingerprint:%x", sha1.Sum(c.issuer.Cert.Raw))} {
		if !slices.Contains(selectors, want) {
			t.Errorf("the agent has not the selector '%s': %q", want, selectors)
		}
	}
}

// checkUndisturbed watches over several synchronisations of the agents, one a second:
// all serve at each look, and none attests again, as one does that was evicted.
func checkUndisturbed(t *testing.T, server *lab.Server, id string, replicas ...*replica) {
	t.Helper()
	before := map[string]string{}
	for _, r := range replicas {
		before[r.agentID] = server.AgentSerial(r.agentID)
	}
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end) && !t.Failed(); {
		for _, r := range replicas {
			if now := server.AgentSerial(r.agentID); now == "" || now != before[r.agentID] {
				t.Errorf("agent '%s' has the serial '%s', had '%s'", r.agentID, now, before[r.agentID])
			}
			if answer := lab.Fetch(t, r.fixture.Socket, workloadUID); len(answer.SVIDs) != 1 || answer.SVIDs[0].ID != id {
				t.Errorf("a workload of '%s' was answered %+v", r.agentID, answer)
			}
		}
	}
}

// A holder of one class's issuer that mints the instance name of another class, with
// its class SAN too, becomes an agent of its own: it evicts nobody and is given nothing
// of the other class. A leaf without the SANs attests as well, by its fingerprint.
func TestIssuerReachesItsOwnClassOnly(t *testing.T) {
	t.Parallel()
	server, roots := lab.TemplateServer(t), ownRoots(t)
	alpha, beta := newClass(t, server, "alpha"), newClass(t, server, "beta")
	f := onMachine(t, withIssuer(t, issuerPEM(t, alpha.issuer), lab.FixtureOptions{RealAgent: true}), anyTEE, roots)
	victim := startReplica(t, roots, "issuer-alpha", "alpha", reportID("victim"), f)
	victim.serves(t, alpha.id)
	before := server.AgentSerial(victim.agentID)

	intruder := lab.NewFixture(t, lab.FixtureOptions{RealAgent: true, Server: server,
		Credential: forged(t, beta.issuer, "class/alpha", "instance/"+victim.reportID)})
	startIntruder(t, intruder)
	lab.FetchID(t, intruder.Socket, workloadUID, beta.id, 40*time.Second)
	if answer := lab.Fetch(t, intruder.Socket, workloadUID); len(answer.SVIDs) != 1 {
		t.Errorf("the holder of the other issuer was given %+v", answer)
	}
	if server.AgentSerial(agentName("issuer-beta", victim.reportID)) == "" {
		t.Errorf("the holder of the other issuer is none of %q", agentsOf(t, server, "issuer-beta"))
	}

	plain := lab.NewFixture(t, lab.FixtureOptions{RealAgent: true, Server: server, Credential: forged(t, alpha.issuer)})
	startIntruder(t, plain)
	lab.FetchID(t, plain.Socket, workloadUID, alpha.id, 40*time.Second)
	if server.AgentSerial(plain.Credential.AgentID()) == "" {
		t.Error("the leaf without SANs is no agent by its fingerprint")
	}

	if now := server.AgentSerial(victim.agentID); now != before {
		t.Errorf("the agent had to attest again: serial '%s', had '%s'", now, before)
	}
	checkUndisturbed(t, server, alpha.id, victim)
}

// startIntruder starts an agent by hand.
func startIntruder(t *testing.T, f *lab.Fixture) {
	t.Helper()
	makePublicDir(t, f)
	startPlainAgent(t, f)
}

// Why each replica is its own agent: two live agents with one fetched certificate are
// one to the server, which deactivates the one when the other attests, for ever. They are supervised:
// an agent that is deactivated before its very first synchronisation attests no more, but ends.
func TestSharedCertificateMakesAgentsTakeTurns(t *testing.T) {
	t.Parallel()
	first := startGuest(t, lab.NewFixture(t, lab.FixtureOptions{RealAgent: true}), guest.Options{})
	second := startGuest(t, lab.NewFixture(t, lab.FixtureOptions{RealAgent: true, Credential: first.Credential}), guest.Options{})
	id := first.Credential.AgentID()
	var agents []*lab.Process
	t.Cleanup(func() {
		if !t.Failed() {
			return
		}
		for i, p := range agents {
			t.Logf("agent %d, running %v: %s", i+1, p.Running(), p)
		}
		for _, line := range strings.Split(first.Spire.Log(), "\n") {
			if strings.Contains(line, id) {
				t.Log(line)
			}
		}
	})
	for _, g := range []*guestLab{first, second} {
		makePublicDir(t, g.Fixture)
		agents = append(agents, g.startVerb(t, "run", "--supervise"))
	}
	seen := map[string]bool{}
	lab.Eventually(t, 60*time.Second, "the two agents attest in turns", func() (bool, string) {
		if serial := first.Spire.AgentSerial(id); serial != "" {
			seen[serial] = true
		}
		return len(seen) >= 6, fmt.Sprintf("%d SVIDs of the one agent so far", len(seen))
	})
	// The server writes its line after the serial number has changed.
	lab.Eventually(t, 30*time.Second, "the server's log tells of them", func() (bool, string) {
		attested := 0
		for _, line := range strings.Split(first.Spire.Log(), "\n") {
			if strings.Contains(line, id) && strings.Contains(line, "attestation request completed") {
				attested++
			}
		}
		return attested >= 6, fmt.Sprintf("%d attestations of '%s' so far", attested, id)
	})
}

// An issuer that cannot issue is refused with the reason, before the agent starts.
func TestUnusableIssuer(t *testing.T) {
	t.Parallel()
	roots, now := ownRoots(t), time.Now()
	m := boot(t, tee.Options{Kind: tee.KindSNP, Roots: roots})
	server := lab.TemplateServer(t)
	for _, c := range []struct {
		name   string
		pem    func(*testing.T) []byte
		status int
		words  []string
	}{
		{"about to end", func(t *testing.T) []byte {
			return issuerPEM(t, newClassIssuer(t, "issuer", server.CA, issuerOptions{notAfter: now.Add(30 * time.Minute)}))
		}, 103, []string{"minutes"}},
		{"expired", func(t *testing.T) []byte {
			return issuerPEM(t, newClassIssuer(t, "issuer", server.CA, issuerOptions{notBefore: now.Add(-48 * time.Hour), notAfter: now.Add(-time.Hour)}))
		}, 103, []string{"expired"}},
		{"not yet valid", func(t *testing.T) []byte {
			return issuerPEM(t, newClassIssuer(t, "issuer", server.CA, issuerOptions{notBefore: now.Add(time.Hour)}))
		}, 104, []string{"not valid before"}},
		{"a leaf in its place", func(t *testing.T) []byte {
			return issuerPEM(t, newClassIssuer(t, "leaf", server.CA, issuerOptions{noCA: true}))
		}, 103, []string{"is no CA", "was a leaf stored in its place?"}},
		{"key of another", func(t *testing.T) []byte {
			return append(privateKeyPEM(t, lab.NewKey(t)), newClassIssuer(t, "issuer", server.CA, issuerOptions{}).PEM...)
		}, 103, []string{"does not match"}},
		{"no key", func(t *testing.T) []byte { return newClassIssuer(t, "issuer", server.CA, issuerOptions{}).PEM }, 103, []string{"key"}},
		{"no certificate", func(t *testing.T) []byte { return privateKeyPEM(t, lab.NewKey(t)) }, 103, []string{"ertificate"}},
		{"garbage", func(*testing.T) []byte { return []byte("no PEM\n") }, 103, []string{"key"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := onMachine(t, withIssuer(t, c.pem(t), lab.FixtureOptions{}), anyTEE, roots)
			mintFor(f, "alpha")
			p := m.run(t, f)
			f.Check(t, p, lab.Refusal{Status: c.status, Message: c.words, Attests: 1, MinGets: 1, MaxGets: 2})
		})
	}
}

// What can be seen to be wrong without the issuer is, and costs nothing.
func TestUnusableMintConfiguration(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, lines, key string }{
		{"no class", "issuer = 'kbs:///a/b/c'\n", "credential.class"},
		{"class that is no path segment", "issuer = 'kbs:///a/b/c'\nclass = 'a/b'\n", "credential.class"},
		{"class that leads elsewhere", "issuer = 'kbs:///a/b/c'\nclass = '..'\n", "credential.class"},
		{"a life too short to attest again", "issuer = 'kbs:///a/b/c'\nclass = 'a'\nlifetime = '1h'\n", "credential.lifetime"},
		{"fetched too", "issuer = 'kbs:///a/b/c'\nclass = 'a'\npem = 'kbs:///a/b/d'\n", "credential.issuer"},
		{"class without issuer", "pem = 'kbs:///a/b/c'\nclass = 'a'\n", "credential.class"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			g := newGuest(t, lab.NewFixture(t, lab.FixtureOptions{}), guest.Options{})
			g.Config.Combined, g.Config.CredentialLines = "", c.lines
			p := g.verb(t, "run")
			g.Check(t, p, lab.Refusal{Status: 100, NoAnswer: true})
			checkSaid(t, p, "key '"+c.key+"'")
		})
	}
}

// What is minted: a new P-256 key at each start, the names of class and instance, a life
// within the issuer's and clear of clocks that lag, and nothing of the issuer's key. The
// instance is kept over starts where no report names it.
func TestMintedCredential(t *testing.T) {
	t.Parallel()
	server := lab.TemplateServer(t)
	issuer := newClassIssuer(t, "issuer-content", server.CA, issuerOptions{notAfter: time.Now().Add(5 * time.Hour)})
	g := startGuest(t, lab.NewFixture(t, withIssuer(t, issuerPEM(t, issuer), lab.FixtureOptions{})), guest.Options{})
	mintFor(g.Fixture, "content")
	var keys, instances []string
	for range 2 {
		p := g.verb(t, "run", "--exec")
		seen := lab.CheckExec(t, p)
		key, leaf, chain := minted(t, seen.PrivateKey)
		public, isEC := key.Public().(*ecdsa.PublicKey)
		if !isEC || public.Curve != elliptic.P256() || !public.Equal(leaf.PublicKey) {
			t.Errorf("the key is no P-256 key of the leaf")
		}
		if len(chain) != 1 || !chain[0].Equal(issuer.Cert) || leaf.CheckSignatureFrom(issuer.Cert) != nil {
			t.Errorf("the leaf is not signed by the issuer, which follows it")
		}
		checkProfile(t, leaf, issuer)
		for what, trace := range (&lab.Credential{Key: issuer.Key, KeyPEM: privateKeyPEM(t, issuer.Key)}).Traces() {
			if strings.Contains(seen.PrivateKey+seen.Config, string(trace)) {
				t.Errorf("the agent was given the %s of the issuer's key", what)
			}
		}
		checkSaid(t, p, "minted", "not renewed")
		keys = append(keys, fmt.Sprintf("%x", leaf.RawSubjectPublicKeyInfo))
		instances = append(instances, leaf.Subject.CommonName)
	}
	if keys[0] == keys[1] || instances[0] != instances[1] || len(instances[0]) < 32 {
		t.Errorf("the instances are %q, want one, and two keys", instances)
	}
	kept, err := os.ReadFile(filepath.Join(g.RuntimeDir, "instance"))
	if err != nil || string(kept) != instances[0] {
		t.Errorf("the instance was kept as '%s' (%v), want '%s'", kept, err, instances[0])
	}
}

// checkProfile checks a minted leaf against what SPIRE takes and the issuer allows.
func checkProfile(t *testing.T, leaf *x509.Certificate, issuer *lab.Authority) {
	t.Helper()
	var sans []string
	for _, uri := range leaf.URIs {
		sans = append(sans, uri.String())
	}
	want := []string{"x509pop://" + lab.TrustDomain + "/class/content", "x509pop://" + lab.TrustDomain + "/instance/" + leaf.Subject.CommonName}
	if !slices.Equal(sans, want) {
		t.Errorf("the leaf has the names %q, want %q", sans, want)
	}
	if leaf.KeyUsage != x509.KeyUsageDigitalSignature || leaf.IsCA || !leaf.BasicConstraintsValid || leaf.Version != 3 {
		t.Errorf("the leaf has key usage %b, CA %v, version %d", leaf.KeyUsage, leaf.IsCA, leaf.Version)
	}
	if !leaf.NotAfter.Equal(issuer.Cert.NotAfter) {
		t.Errorf("the leaf ends at %v, the issuer at %v", leaf.NotAfter, issuer.Cert.NotAfter)
	}
	if lag := time.Since(leaf.NotBefore); lag < 4*time.Minute || lag > 10*time.Minute {
		t.Errorf("the leaf begins %v ago, want about five minutes", lag)
	}
	if bits := leaf.SerialNumber.BitLen(); bits < 64 || bits > 159 {
		t.Errorf("the serial number has %d bits", bits)
	}
}

// An issuer that is not the server's own CA's child: its chain comes with its key, and goes on to
// the server behind the leaf.
func TestIssuerWithAChain(t *testing.T) {
	t.Parallel()
	server := lab.TemplateServer(t)
	middle := newClassIssuer(t, "middle", server.CA, issuerOptions{mayHaveCAs: true})
	ca := newClassIssuer(t, "issuer-below", middle, issuerOptions{})
	f := lab.NewFixture(t, withIssuer(t, append(issuerPEM(t, ca), middle.PEM...), lab.FixtureOptions{RealAgent: true}))
	mintFor(f, "below")
	makePublicDir(t, f)
	p := f.Start(t, "--exec")
	f.WaitForExec(t, p, 60*time.Second)
	instance := readInstance(t, f.RuntimeDir)
	server.Entry(t, agentName("issuer-below", instance), "/w/below", workloadUID)
	lab.FetchID(t, f.Socket, workloadUID, "spiffe://"+lab.TrustDomain+"/w/below", 40*time.Second)
}

// A refused mint leaves no name for the instance behind in a directory that sealpod made.
func TestRefusedMintLeavesNoName(t *testing.T) {
	t.Parallel()
	f := lab.NewFixture(t, withIssuer(t, []byte("no PEM\n"), lab.FixtureOptions{}))
	mintFor(f, "alpha")
	made := filepath.Join(f.RuntimeDir, "made")
	f.Config.RuntimeDir = filepath.Join(made, "by sealpod")
	p := f.Start(t)
	p.Wait(t, waitLimit)
	lab.CheckFailure(t, p, 103, "no private key")
	if _, err := os.Stat(made); !os.IsNotExist(err) {
		t.Errorf("'%s' is left behind (%v)", made, err)
	}
}

// Where no report names the instance, its name stays over starts, also in a directory that
// sealpod made itself: after an exec, and after a supervised start has taken away the rest.
func TestInstanceIsKeptInADirectoryThatSealpodMade(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"--exec", "--supervise"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			server := lab.TemplateServer(t)
			ca := newClassIssuer(t, "issuer-kept", server.CA, issuerOptions{})
			f := lab.NewFixture(t, withIssuer(t, issuerPEM(t, ca), lab.FixtureOptions{}))
			mintFor(f, "kept")
			f.Config.RuntimeDir = filepath.Join(f.RuntimeDir, "made", "by sealpod")
			var instances []string
			for range 2 {
				p := f.Run(t, mode) // the stand-in ends at once, and well
				seen := lab.CheckExec(t, p)
				_, leaf, _ := minted(t, seen.PrivateKey)
				instances = append(instances, leaf.Subject.CommonName, readInstance(t, f.Config.RuntimeDir))
				if left, err := os.ReadDir(f.Config.RuntimeDir); mode == "--supervise" && (err != nil || len(left) != 1) {
					t.Errorf("left behind: %v (%v)", left, err)
				}
			}
			if len(slices.Compact(instances)) != 1 {
				t.Errorf("two starts had the instances %q", instances)
			}
		})
	}
}
