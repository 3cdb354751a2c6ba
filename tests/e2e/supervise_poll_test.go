// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"crypto/ecdsa"
	"crypto/x509"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/workloadapi"

	"sealpod.test/e2e/lab"
)

// poller asks the Workload API every 50 ms as this very process, and counts the answers
// without an SVID. Beside that it counts the lifetimes of the agent: each attestation gives it
// a certificate with another serial number.
type poller struct {
	t               *testing.T
	good, bad       atomic.Int64
	lifetimes       atomic.Int64
	longest, atOnce time.Duration // an answer took, and may take
	last            error
	stop            context.CancelFunc
	done            sync.WaitGroup
}

// poll starts once an SVID is there.
func poll(t *testing.T, server *lab.Server, agentID, socket string) *poller {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	p := &poller{t: t, stop: cancel, atOnce: lab.Patience(3 * time.Second)}
	client, err := workloadapi.New(ctx, workloadapi.WithAddr("unix://"+socket))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	p.done.Add(2)
	go p.ask(ctx, client)
	go p.count(ctx, server, agentID)
	return p
}

func (p *poller) ask(ctx context.Context, client *workloadapi.Client) {
	defer p.done.Done()
	for ticks := time.NewTicker(50 * time.Millisecond); ctx.Err() == nil; <-ticks.C {
		began := time.Now()
		call, end := context.WithTimeout(ctx, p.atOnce)
		_, err := client.FetchX509SVID(call)
		end()
		switch {
		case ctx.Err() != nil:
		case err == nil:
			p.good.Add(1)
			p.longest = max(p.longest, time.Since(began))
		default:
			p.bad.Add(1)
			p.last = err
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
