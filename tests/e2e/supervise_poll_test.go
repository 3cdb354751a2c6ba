// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"crypto/ecdsa"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/spiffe/go-spiffe/v2/workloadapi"
	"golang.org/x/sys/unix"

	"sealpod.test/e2e/lab"
)

// poller asks the Workload API every 50 ms as this very process, and counts the answers
// without an SVID. Beside that it counts the lifetimes of the agent: each attestation gives it
// a certificate with another serial number.
type poller struct {
	t               *testing.T
	good, bad       atomic.Int64
	lifetimes       atomic.Int64
	looks           atomic.Int64  // at the credential's file
	longest, atOnce time.Duration // an answer took, and may take
	last            error
	gaps            []gap
	stop            context.CancelFunc
	done            sync.WaitGroup
}

// gap is a time without an SVID: from the first answer that failed to the next that did not.
type gap struct{ from, to time.Time }

// poll starts once an SVID is there.
func poll(t *testing.T, server *lab.Server, agentID, socket string) *poller {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	p := &poller{t: t, stop: cancel, atOnce: lab.Patience(3 * time.Second)}
	p.done.Add(2)
	go p.ask(ctx, socket)
	go p.count(ctx, server, agentID)
	return p
}

// fetch asks once. After a failure the next one is asked over a new connection: an old one would be in a pause of its own.
func (p *poller) fetch(ctx context.Context, socket string, client **workloadapi.Client) (err error) {
	call, end := context.WithTimeout(ctx, p.atOnce)
	defer end()
	if *client == nil {
		if *client, err = workloadapi.New(call, workloadapi.WithAddr("unix://"+socket)); err != nil {
			*client = nil
			return err
		}
	}
	if _, err = (*client).FetchX509SVID(call); err != nil {
		(*client).Close()
		*client = nil
	}
	return err
}

func (p *poller) ask(ctx context.Context, socket string) {
	defer p.done.Done()
	var client *workloadapi.Client
	defer func() {
		if client != nil {
			client.Close()
		}
	}()
	open := false // a gap
	for ticks := time.NewTicker(50 * time.Millisecond); ctx.Err() == nil; <-ticks.C {
		began := time.Now()
		err := p.fetch(ctx, socket, &client)
		switch {
		case ctx.Err() != nil:
		case err == nil:
			p.good.Add(1)
			p.longest = max(p.longest, time.Since(began))
			if open {
				p.gaps[len(p.gaps)-1].to = time.Now()
			}
			open = false
		default:
			p.bad.Add(1)
			p.last = err
			if !open {
				p.gaps = append(p.gaps, gap{from: time.Now()})
			}
			open = true
		}
	}
}

func (p *poller) count(ctx context.Context, server *lab.Server, agentID string) {
	defer p.done.Done()
	before := server.AgentSerial(agentID)
	for ticks := time.NewTicker(500 * time.Millisecond); ctx.Err() == nil; <-ticks.C {
		if now := server.AgentSerial(agentID); now != "" && now != before {
			before = now
			p.lifetimes.Add(1)
		}
	}
}

// end stops it; there must have been no gap.
func (p *poller) end() {
	p.t.Helper()
	p.stop()
	p.done.Wait()
	p.t.Logf("%d answers with an SVID over %d lifetimes of the agent, the slowest after %v", p.good.Load(), p.lifetimes.Load(), p.longest)
	if p.bad.Load() != 0 || p.good.Load() < 20 {
		p.t.Errorf("%d answers with an SVID, %d without; the last: %v", p.good.Load(), p.bad.Load(), p.last)
	}
}

// endWithOneGap stops it where an agent was away: there must have been one gap, which neither began before `from` nor
// lasted beyond `to`.
func (p *poller) endWithOneGap(from, to time.Time) {
	p.t.Helper()
	p.stop()
	p.done.Wait()
	if len(p.gaps) != 1 || p.gaps[0].to.IsZero() || p.gaps[0].from.Before(from) || p.gaps[0].to.After(to) || p.good.Load() < 20 {
		p.t.Errorf("%d answers with an SVID, %d without, in the gaps %v; want one between %v and %v; the last failure: %v",
			p.good.Load(), p.bad.Load(), p.gaps, from, to, p.last)
		return
	}
	p.t.Logf("%d answers with an SVID, none for %v", p.good.Load(), p.gaps[0].to.Sub(p.gaps[0].from))
}

// awaitAnswers waits until it has been answered so many times more.
func (p *poller) awaitAnswers(n int64) {
	p.t.Helper()
	before := p.good.Load()
	lab.Eventually(p.t, 30*time.Second, "answers with an SVID", func() (bool, string) {
		return p.good.Load() >= before+n, fmt.Sprintf("%d more, %d failed", p.good.Load()-before, p.bad.Load())
	})
}

// pollSupervised gives this very process an entry, and polls once it has its SVID.
func pollSupervised(s *supervised, server *lab.Server) *poller {
	s.t.Helper()
	path, uid := "/poller/"+strings.ToLower(s.t.Name()), uint32(syscall.Getuid())
	server.Entry(s.t, s.f.Credential.AgentID(), path, uid)
	lab.FetchID(s.t, s.f.Socket, uid, "spiffe://"+lab.TrustDomain+path, 20*time.Second)
	p := poll(s.t, server, s.f.Credential.AgentID(), s.f.Socket)
	p.awaitAnswers(10)
	return p
}

// mintedAgent is a supervised agent with a minted credential, named by issuer and instance, and
// a client that polls.
type mintedAgent struct {
	*supervised
	server     *lab.Server
	issuer     *issuer
	issuerName string
	instance   string
	agentID    string
	polls      *poller
	watch      int // for renames
}

// watchRenames watches the directory of the agent's files.
func watchRenames(t *testing.T, dir string) int {
	t.Helper()
	watch, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(watch) })
	const changes = unix.IN_CREATE | unix.IN_MODIFY | unix.IN_ATTRIB | unix.IN_DELETE | unix.IN_MOVED_FROM | unix.IN_MOVED_TO
	if _, err := unix.InotifyAddWatch(watch, dir, changes); err != nil {
		t.Fatal(err)
	}
	return watch
}

// checkRenames checks that the credential's file was replaced so often, by renames and by nothing
// else: it was there at any moment, whole.
func (m *mintedAgent) checkRenames(renewals int) {
	m.t.Helper()
	renames := 0
	buf := make([]byte, 64<<10)
	for {
		n, err := unix.Read(m.watch, buf)
		if err != nil {
			break // nothing more
		}
		for at := 0; at < n; {
			event := (*unix.InotifyEvent)(unsafe.Pointer(&buf[at]))
			name := strings.TrimRight(string(buf[at+unix.SizeofInotifyEvent:][:event.Len]), "\x00")
			at += unix.SizeofInotifyEvent + int(event.Len)
			switch {
			case name == "agent.json":
				m.t.Errorf("a renewal changed '%s'", name)
			case name != "credential.pem":
			case event.Mask == unix.IN_MOVED_TO:
				renames++
			default:
				m.t.Errorf("the credential's file was changed by another way than a rename: %#x", event.Mask)
			}
		}
	}
	if renames != renewals {
		m.t.Errorf("the credential's file was replaced %d times, want %d", renames, renewals)
	}
}

// startMinted starts one; its first renewal is due `after` from now. What changes the fixture
// returns options of the command.
func startMinted(t *testing.T, issuerName string, after time.Duration, change ...func(*lab.Fixture) []string) *mintedAgent {
	t.Helper()
	return startMintedOn(t, lab.TemplateServerWithTTL(t, "20s"), issuerName, after, change...)
}

func startMintedOn(t *testing.T, server *lab.Server, issuerName string, after time.Duration, change ...func(*lab.Fixture) []string) *mintedAgent {
	t.Helper()
	f := lab.NewFixture(t, lab.FixtureOptions{RealAgent: true, Server: server})
	mintLines(&f.Config)
	m := &mintedAgent{server: server, issuerName: issuerName, issuer: newIssuer(t, server.CA, issuerName, soon(after))}
	put(t, f, pathIssuer, m.issuer.combined())
	var args []string
	for _, c := range change {
		args = append(args, c(f)...)
	}
	m.supervised = superviseWith(t, f, nil, args...)
	m.awaitReady()
	m.instance = m.leaf().Subject.CommonName
	m.agentID = "spiffe://" + lab.TrustDomain + "/spire/agent/x509pop/" + issuerName + "/" + m.instance
	server.Entry(t, m.agentID, "/w/"+issuerName, uint32(syscall.Getuid()))
	lab.FetchID(t, f.Socket, uint32(syscall.Getuid()), "spiffe://"+lab.TrustDomain+"/w/"+issuerName, 20*time.Second)
	m.watch = watchRenames(t, filepath.Dir(m.credentialPath()))
	m.polls = poll(t, server, m.agentID, f.Socket)
	return m
}

// renewIssuer makes the broker release the same issuer with another end.
func (m *mintedAgent) renewIssuer(life time.Duration) {
	m.t.Helper()
	put(m.t, m.f, pathIssuer, m.issuer.renewed(m.t, m.server.CA, m.issuerName, time.Now().Add(life)).combined())
}

// checkRenewed checks that another leaf with another key is there for the same instance.
func (m *mintedAgent) checkRenewed(before *x509.Certificate) {
	m.t.Helper()
	after := m.leaf()
	if after.Subject.CommonName != m.instance || fingerprint(before) == fingerprint(after) {
		m.t.Errorf("renewed '%s' as '%s'", m.instance, after.Subject.CommonName)
	}
	if before.PublicKey.(*ecdsa.PublicKey).Equal(after.PublicKey) {
		m.t.Error("the key is not a fresh one")
	}
}

// endWithInstance ends it; its instance's name is all that stays.
func (m *mintedAgent) endWithInstance() {
	m.t.Helper()
	m.p.Signal(syscall.SIGTERM)
	m.p.Wait(m.t, 20*time.Second)
	kept, err := os.ReadFile(filepath.Join(m.f.Config.RuntimeDir, "instance"))
	if m.p.Status() != 0 || err != nil || string(kept) != m.instance {
		m.t.Errorf("ended with %d; the instance is '%s' (%v), want '%s'\n%s", m.p.Status(), kept, err, m.instance, m.p)
	}
	if left, err := os.ReadDir(m.f.Config.RuntimeDir); err != nil || len(left) != 1 {
		m.t.Errorf("left behind: %v (%v)", left, err)
	}
}
