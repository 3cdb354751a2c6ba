// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"sealpod.test/e2e/lab"
	"sealpod.test/kbs"
)

const pathIssuer = "default/x509pop/issuer"

// mintLines makes a configuration mint instead of fetch.
func mintLines(c *lab.Config) {
	c.Combined = ""
	c.CredentialLines = "issuer = \"kbs:///" + pathIssuer + "\"\nclass = \"alpha\"\n"
}

// issuer is an intermediate CA for one workload class.
type issuer struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newIssuer(t *testing.T, root *lab.Authority, name string, end time.Time) *issuer {
	t.Helper()
	return (&issuer{key: lab.NewKey(t)}).renewed(t, root, name, end)
}

// renewed is the same key and name in another certificate.
func (i *issuer) renewed(t *testing.T, root *lab.Authority, name string, end time.Time) *issuer {
	t.Helper()
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-time.Hour), NotAfter: end,
	}, root.Cert, i.key.Public(), root.Key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &issuer{cert: cert, key: i.key}
}

func (i *issuer) combined() []byte {
	der, err := x509.MarshalPKCS8PrivateKey(i.key)
	if err != nil {
		panic(err)
	}
	return append(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: i.cert.Raw})...)
}

// leaf is the certificate that the agent would attest with now.
func (s *supervised) leaf() *x509.Certificate {
	s.t.Helper()
	text, err := os.ReadFile(s.credentialPath())
	if err != nil {
		s.t.Fatal(err)
	}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			s.t.Fatal(err)
		}
		return cert
	}
	s.t.Fatalf("no certificate in '%s'", s.credentialPath())
	return nil
}

func fingerprint(cert *x509.Certificate) string {
	sum := sha1.Sum(cert.Raw)
	return hex.EncodeToString(sum[:])
}

// put changes a resource of the fixture's broker.
func put(t *testing.T, f *lab.Fixture, path string, content []byte) {
	t.Helper()
	if err := f.KBS.SetResource(path, content); err != nil {
		t.Fatal(err)
	}
}

// A credential that is about to end is fetched again by a new worker; the agent
// that runs attests with it, unharmed.
func TestFetchedCredentialIsRenewed(t *testing.T) {
	t.Parallel()
	for _, uid := range []uint32{0, nobodyUID} {
		t.Run(fmt.Sprintf("uid-%d", uid), func(t *testing.T) {
			t.Parallel()
			f := lab.NewFixture(t, lab.FixtureOptions{RealAgent: true, AgentTTL: "20s", Leaf: lab.LeafOptions{NotAfter: soon(15 * time.Second)}})
			f.Config.UID = uid
			s, id := startSupervised(t, f)
			lab.FetchID(t, f.Socket, workloadUID, id, 15*time.Second)
			first, _ := s.status()
			renewed := f.Spire.CA.Issue(t, lab.LeafOptions{})
			f.Spire.Entry(t, renewed.AgentID(), "/w/"+strings.ToLower(t.Name())+"/renewed", workloadUID)
			put(t, f, lab.PathCombined, renewed.Combined())
			authority := lab.NewAuthority(t, "another", nil)
			bundle := append(append([]byte{}, f.Spire.Bundle...), authority.PEM...)
			put(t, f, lab.PathBundle, bundle)
			now := s.awaitRenewals(1)
			if fingerprint(s.leaf()) != fingerprint(renewed.Leaf) {
				t.Error("the credential is not the renewed one")
			}
			checkMode(t, s.credentialPath(), 0o400, uid)
			checkBundle(t, f, bundle)
			lab.Eventually(t, 60*time.Second, "the agent attests with the renewed credential", func() (bool, string) {
				return f.Spire.AgentSerial(renewed.AgentID()) != "", s.p.Stderr.String()
			})
			lab.FetchID(t, f.Socket, workloadUID, "spiffe://"+lab.TrustDomain+"/w/"+strings.ToLower(t.Name())+"/renewed", 30*time.Second)
			if last, _ := s.status(); last.AgentPID != first.AgentPID || last.Restarts != 0 || now.Trouble != "" {
				t.Errorf("the agent was touched: %+v, then %+v", first, last)
			}
			if seen := f.KBS.Counters(); lab.Handshakes(seen) != 2 {
				t.Errorf("the broker saw %d attestations, want two", lab.Handshakes(seen))
			}
			s.stop(syscall.SIGTERM, 0)
		})
	}
}

func checkBundle(t *testing.T, f *lab.Fixture, want []byte) {
	t.Helper()
	got, err := os.ReadFile(filepath.Join(f.Config.RuntimeDir, "agent", "bundle.pem"))
	if err != nil || strings.Count(string(got), "BEGIN CERTIFICATE") != strings.Count(string(want), "BEGIN CERTIFICATE") {
		t.Errorf("the trust bundle is not the renewed one (%v):\n%s", err, got)
	}
}

// A minted credential is renewed for the same instance, so the agent keeps its ID
// and a client that polls sees no gap, over the agent's lifetimes and renewals: three and
// two here, ten and five in the long form.
func TestMintedCredentialIsRenewedWithoutAGap(t *testing.T) {
	t.Parallel()
	lifetimes, renewals := 3, 2
	if lab.Long {
		lifetimes, renewals = 10, 5
	}
	m := startMinted(t, "issuer-of-renewals", 15*time.Second)
	for i := range renewals {
		before := m.leaf()
		next := 48 * time.Hour
		if i+1 < renewals {
			next = time.Hour + 15*time.Second
		}
		m.renewIssuer(next)
		m.awaitRenewals(i + 1)
		m.checkRenewed(before)
	}
	lab.Eventually(t, 300*time.Second, fmt.Sprintf("%d lifetimes of the agent", lifetimes), func() (bool, string) {
		return m.polls.lifetimes.Load() >= int64(lifetimes), fmt.Sprintf("%d so far\n%s", m.polls.lifetimes.Load(), m.p.Stderr.String())
	})
	m.polls.end()
	m.checkRenames(renewals)
	if status, _ := m.status(); status.Restarts != 0 || status.Renewals != renewals {
		t.Errorf("want %d renewals and no restart: %+v", renewals, status)
	}
	m.endWithInstance()
}

// The KBS is away for longer than one renewal: it is tried until it succeeds, and
// meanwhile the agent attests with what it has, so that a client that polls sees no gap.
// The file and the termination log tell of the failure until it is mended.
func TestBrokerAwayOverARenewal(t *testing.T) {
	t.Parallel()
	var d *door
	path, log := filepath.Join(lab.DiskDir(t), "report.json"), filepath.Join(lab.DiskDir(t), "termination-log")
	lab.WriteFile(t, log, nil, 0o644)
	m := startMinted(t, "issuer-of-an-absence", 15*time.Second, func(f *lab.Fixture) []string {
		f.Config.Deadline = 3 * time.Second
		d = newDoor(t, f)
		return []string{"--report", path, "--termination-log", log}
	})
	before := m.leaf()
	d.lock()
	m.renewIssuer(48 * time.Hour)
	lab.Eventually(t, 60*time.Second, "a second renewal fails", func() (bool, string) {
		text := m.p.Stderr.String()
		return strings.Count(text, "is not renewed; next try in") >= 2, text
	})
	m.await(5*time.Second, "the trouble is said", func(st supervisorStatus) bool { return st.Trouble == "network" || st.Trouble == "timeout" })
	if r := readReport(t, path); r.Status != "failed" || !r.Renewal || r.ExitStatus != 111 {
		t.Errorf("the report says %+v", r)
	}
	if line, err := os.ReadFile(log); err != nil || !strings.HasPrefix(string(line), "sealpod run: the credential is not renewed, ") {
		t.Errorf("the termination log says '%s' (%v)", line, err)
	}
	lived := m.polls.lifetimes.Load()
	lab.Eventually(t, 60*time.Second, "the agent attests without the broker", func() (bool, string) {
		return m.polls.lifetimes.Load() > lived, m.p.Stderr.String()
	})
	m.wantHealth(0, "")
	m.wantHealth(111, "within the margin of 7200 s", "--margin=2h")
	d.unlock(t)
	last := m.awaitRenewals(1)
	m.checkRenewed(before)
	if last.Restarts != 0 || last.Trouble != "" {
		t.Errorf("after the broker came back: %+v", last)
	}
	lab.Eventually(t, 5*time.Second, "the failure is taken back", func() (bool, string) {
		line, err := os.ReadFile(log)
		r := readReport(t, path)
		return err == nil && len(line) == 0 && r.Status == "ok" && r.Renewal, fmt.Sprintf("'%s' (%v), %+v", line, err, r)
	})
	lived = m.polls.lifetimes.Load()
	lab.Eventually(t, 60*time.Second, "the agent attests with the renewed credential", func() (bool, string) {
		return m.polls.lifetimes.Load() > lived, m.p.Stderr.String()
	})
	m.polls.end()
	m.endWithInstance()
}

// A renewal that the KBS denies is reported as a start is: the screen behind its line,
// the file, and the redacted line for whoever finds the container ended. The agent goes on.
func TestDeniedRenewalIsReported(t *testing.T) {
	t.Parallel()
	f := lab.NewFixture(t, lab.FixtureOptions{Leaf: lab.LeafOptions{NotAfter: soon(12 * time.Second)}})
	agentScript(t, f, "exec sleep 600\n")
	path, log := filepath.Join(f.Dir, "report.json"), filepath.Join(f.Dir, "termination-log")
	lab.WriteFile(t, log, nil, 0o644)
	s := superviseWith(t, f, nil, "--report", path, "--termination-log", log)
	s.await(20*time.Second, "the agent", func(st supervisorStatus) bool { return st.AgentPID > 0 })
	if r := readReport(t, path); r.Status != "ok" || r.Renewal || strings.Contains(s.p.Stderr.String(), "appraisal") {
		t.Errorf("the report of the start says %+v", r)
	}
	lab.AddFault(t, f.KBS, kbs.Fault{Kind: "problem", Step: "resource", Type: "PolicyDeny", Detail: "not any more"})
	s.await(40*time.Second, "the renewal is refused", func(st supervisorStatus) bool { return st.Trouble == "denied" })
	_, screen, _ := strings.Cut(s.p.Stderr.String(), "is not renewed; next try in")
	for _, word := range []string{"PolicyDeny: not any more", "sent as TEE              sample", "init-data                none",
		"this guest's clock agrees with the KBS's", "appraisal", "unmeasured file"} {
		if !strings.Contains(screen, word) {
			t.Errorf("the screen does not say '%s':\n%s", word, screen)
		}
	}
	r := readReport(t, path)
	if !r.Renewal || r.Status != "failed" || r.ExitStatus != 102 || r.Error != "denied" || r.Facts == nil || r.Facts.KBS.Type != "PolicyDeny" ||
		len(r.Facts.Appraisal.Submods) == 0 {
		t.Errorf("the report says %+v", r)
	}
	line, err := os.ReadFile(log)
	if want := "sealpod run: the credential is not renewed, denied: the KBS or its policy said no\n"; err != nil || string(line) != want {
		t.Errorf("the termination log says '%s' (%v), want '%s'", line, err, want)
	}
	text, _ := os.ReadFile(path)
	checkNoTrace(t, f, "the report", string(text)+s.p.Stderr.String())
	if status, _ := s.status(); status.AgentPID == 0 || status.Restarts != 0 {
		t.Errorf("the agent was touched: %+v", status)
	}
	s.stop(syscall.SIGTERM, 143)
}

// A server that runs changes its CA: prepared, activated, the old one tainted and revoked. SVIDs
// flow without a gap, and the bundle that a renewal brings lets an agent that starts anew attest.
func TestRunningServerChangesItsCA(t *testing.T) {
	t.Parallel()
	server := lab.OwnTemplateServer(t, "20s")
	m := startMintedOn(t, server, "issuer-of-a-rotation", 15*time.Second)
	id, uid := "spiffe://"+lab.TrustDomain+"/w/issuer-of-a-rotation", uint32(os.Getuid())
	first := lab.FetchID(t, m.f.Socket, uid, id, 10*time.Second).Signer
	prepared := server.PrepareAuthority(t)
	bundle := server.CurrentBundle(t)
	put(t, m.f, lab.PathBundle, bundle)
	m.renewIssuer(48 * time.Hour)
	m.awaitRenewals(1)
	checkBundle(t, m.f, bundle)
	server.ActivateAuthority(t, prepared)
	old := server.RetireAuthority(t)
	if old != first || old == prepared {
		t.Fatalf("the SVID was signed by '%s', the old authority is '%s', the new one '%s'", first, old, prepared)
	}
	lab.Eventually(t, 60*time.Second, "an SVID by the new CA", func() (bool, string) {
		svid := lab.FetchID(t, m.f.Socket, uid, id, 10*time.Second)
		return svid.Verified && svid.Signer == prepared, fmt.Sprintf("%+v", svid)
	})
	lived := m.polls.lifetimes.Load()
	lab.Eventually(t, 60*time.Second, "the agent attests with the new CA", func() (bool, string) {
		return m.polls.lifetimes.Load() >= lived+2, m.p.Stderr.String()
	})
	server.RevokeAuthority(t, old)
	lived = m.polls.lifetimes.Load()
	lab.Eventually(t, 60*time.Second, "the agent attests without the old CA", func() (bool, string) {
		return m.polls.lifetimes.Load() > lived, m.p.Stderr.String()
	})
	m.polls.end()

	before, _ := m.status()
	syscall.Kill(before.AgentPID, syscall.SIGKILL)
	after := m.await(60*time.Second, "another agent that serves", func(st supervisorStatus) bool { return st.Restarts == 1 && st.Ready })
	svid := lab.FetchID(t, m.f.Socket, uid, id, 20*time.Second)
	if !svid.Verified || svid.Signer != prepared || after.Renewals != 1 {
		t.Errorf("after the change: %+v, %+v", svid, after)
	}
	m.endWithInstance()
}

// The server goes away and comes back with another CA, which the agent's bundle does
// not know: the agent that cannot attest makes sealpod fetch the new one.
func TestServerComesBackWithAnotherCA(t *testing.T) {
	t.Parallel()
	server := lab.OwnServer(t, "20s")
	f := lab.NewFixture(t, lab.FixtureOptions{RealAgent: true, Server: server})
	s, id := startSupervised(t, f)
	lab.FetchID(t, f.Socket, workloadUID, id, 15*time.Second)
	server.Stop()
	status, _ := s.status()
	syscall.Kill(status.AgentPID, syscall.SIGKILL)
	s.await(30*time.Second, "the agent ends", func(st supervisorStatus) bool { return st.Restarts == 1 })
	server.StartAnew(t, "20s")
	server.Entry(t, f.Credential.AgentID(), "/w/another", workloadUID)
	put(t, f, lab.PathBundle, server.Bundle)
	last := s.await(240*time.Second, "an agent that serves", func(st supervisorStatus) bool { return st.Ready && st.Renewals > 0 })
	lab.FetchID(t, f.Socket, workloadUID, "spiffe://"+lab.TrustDomain+"/w/another", 20*time.Second)
	if seen := f.KBS.Counters(); lab.Handshakes(seen) > 3 {
		t.Errorf("the broker saw %d attestations: %+v", lab.Handshakes(seen), last)
	}
	s.stop(syscall.SIGTERM, 0)
}

// The server is down for an SVID's life and, in the long form, until agents have given
// up twice; when it is back, an agent serves again, whatever became of the others. A client that polls
// has its SVID for as long as the first agent lives, and is without it once.
func TestServerDownForLifetimes(t *testing.T) {
	t.Parallel()
	ends := 1 // at the end of its SVID
	if lab.Long {
		ends = 3 // two more for want of a server
	}
	server := lab.OwnServer(t, "20s")
	f := lab.NewFixture(t, lab.FixtureOptions{RealAgent: true, Server: server})
	s, id := startSupervised(t, f)
	lab.FetchID(t, f.Socket, workloadUID, id, 15*time.Second)
	client := pollSupervised(s, server)
	server.Stop()
	s.await(120*time.Second, "the first agent ends", func(st supervisorStatus) bool { return st.Restarts >= 1 })
	ended := time.Now()
	s.await(300*time.Second, "the agent ends", func(st supervisorStatus) bool { return st.Restarts >= ends })
	s.wantHealth(111, "does not answer")
	server.StartAgain(t, "20s")
	s.await(120*time.Second, "an agent that serves", func(st supervisorStatus) bool { return st.Ready })
	lab.FetchID(t, f.Socket, workloadUID, id, 20*time.Second)
	client.awaitAnswers(20)
	client.endWithOneGap(ended.Add(-lab.Patience(2*time.Second)), time.Now())
	s.stop(syscall.SIGTERM, 0)
}

// A configuration that names another agent or another trust domain now changes nothing:
// neither what runs nor what it runs on.
func TestChangedConfigurationIsNotFollowed(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*lab.Config){
		"user":         func(c *lab.Config) { c.UID = nobodyUID },
		"trust domain": func(c *lab.Config) { c.TrustDomain = "another.test" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := lab.NewFixture(t, lab.FixtureOptions{Leaf: lab.LeafOptions{NotAfter: soon(12 * time.Second)}})
			agentScript(t, f, "exec sleep 600\n")
			s := supervise(t, f)
			s.await(20*time.Second, "the agent", func(st supervisorStatus) bool { return st.AgentPID > 0 })
			before := fingerprint(s.leaf())
			put(t, f, lab.PathCombined, f.Spire.CA.Issue(t, lab.LeafOptions{}).Combined())
			change(&f.Config)
			f.ConfigPath(t)
			s.await(40*time.Second, "the renewal is refused", func(st supervisorStatus) bool { return st.Trouble == "configuration" })
			if status, _ := s.status(); fingerprint(s.leaf()) != before || status.Renewals != 0 {
				t.Errorf("something changed: %+v", status)
			}
			if seen := f.KBS.Counters(); lab.Handshakes(seen) != 1 {
				t.Errorf("the broker saw %d attestations, want one: the refusal comes first", lab.Handshakes(seen))
			}
			s.stop(syscall.SIGTERM, 143)
		})
	}
}

// Settings of the agent that change meanwhile are said, and neither followed by half nor a
// reason to let the credential run out: an agent that is started again has those of the start.
func TestChangedSettingsWaitForANewStart(t *testing.T) {
	t.Parallel()
	f := lab.NewFixture(t, lab.FixtureOptions{Leaf: lab.LeafOptions{NotAfter: soon(12 * time.Second)}})
	agentScript(t, f, "exec sleep 600\n")
	s := supervise(t, f)
	first := s.await(20*time.Second, "the agent", func(st supervisorStatus) bool { return st.AgentPID > 0 })
	agentJSON := filepath.Join(f.Config.RuntimeDir, "agent", "agent.json")
	before, err := os.ReadFile(agentJSON)
	if err != nil || !strings.Contains(string(before), "\"INFO\"") {
		t.Fatalf("agent.json is '%s' (%v)", before, err)
	}
	put(t, f, lab.PathCombined, f.Spire.CA.Issue(t, lab.LeafOptions{}).Combined())
	f.Config.Settings = strings.Replace(f.Config.Settings, "INFO", "DEBUG", 1)
	f.ConfigPath(t)
	status := s.awaitRenewals(1)
	syscall.Kill(first.AgentPID, syscall.SIGKILL)
	s.await(20*time.Second, "another agent", func(st supervisorStatus) bool { return st.Restarts == 1 && st.AgentPID > 0 })
	after, err := os.ReadFile(agentJSON)
	if err != nil || string(after) != string(before) {
		t.Errorf("agent.json has become '%s' (%v)", after, err)
	}
	checkSaid(t, s.p, "the configuration has changed the agent's settings: they come into force when sealpod starts anew")
	if status.Trouble != "" {
		t.Errorf("the supervisor says %+v", status)
	}
	s.stop(syscall.SIGTERM, 143)
}
