// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"crypto/tls"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"sealpod.test/e2e/lab"
	"sealpod.test/kbs"
)

func TestBrokerDownThenUp(t *testing.T) {
	t.Parallel()
	f := lab.NewFixture(t, lab.FixtureOptions{})
	if err := f.KBS.Close(); err != nil {
		t.Fatal(err)
	}
	p := f.Start(t)
	lab.Eventually(t, 10*time.Second, "a message that it tries again", func() (bool, string) {
		return strings.Contains(p.Stderr.String(), "trying again"), p.Stderr.String()
	})
	if err := f.KBS.Start(); err != nil {
		t.Fatal(err)
	}
	p.Wait(t, 25*time.Second)
	lab.CheckExec(t, p)
	if got := lab.Handshakes(f.KBS.Counters()); got != 1 {
		t.Errorf("the broker saw %d attestations, want 1", got)
	}
}

// A broker that restarts between the resources has forgotten the session.
func TestBrokerRestartsInTheMiddle(t *testing.T) {
	t.Parallel()
	f := lab.NewFixture(t, lab.FixtureOptions{})
	lab.AddFault(t, f.KBS, kbs.Fault{Kind: "silent", Step: "resource", Path: lab.PathBundle, Count: 1})
	p := f.Start(t)
	waitForGet(t, f, lab.PathBundle)
	if err := f.KBS.Close(); err != nil {
		t.Fatal(err)
	}
	f.KBS.ForgetSessions()
	if err := f.KBS.Start(); err != nil {
		t.Fatal(err)
	}
	p.Wait(t, 25*time.Second)
	lab.CheckExec(t, p)
	if got := lab.Handshakes(f.KBS.Counters()); got != 2 {
		t.Errorf("the broker saw %d attestations, want 2: one for each session", got)
	}
}

func waitForGet(t *testing.T, f *lab.Fixture, path string) {
	t.Helper()
	lab.Eventually(t, 15*time.Second, "the program asks for "+path, func() (bool, string) {
		return f.KBS.Counters().Resources[path] > 0, "not asked yet"
	})
}

// Whoever does not answer is given up at the deadline, not much later.
func TestBrokerThatNeverAnswers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		faults []kbs.Fault
		down   bool
		want   lab.Refusal
	}{
		{name: "down", down: true, want: lab.Refusal{Status: 111, Message: []string{"refused"}}},
		{name: "silent before TLS", faults: []kbs.Fault{{Kind: "silent", Step: "connect"}}, want: lab.Refusal{Status: 111}},
		{name: "silent at auth", faults: []kbs.Fault{{Kind: "silent", Step: "auth"}}, want: lab.Refusal{Status: 111, Message: []string{"auth"}}},
		{name: "silent at attest", faults: []kbs.Fault{{Kind: "silent", Step: "attest"}}, want: lab.Refusal{Status: 111, Message: []string{"attest"}, Attests: 1}},
		{
			name: "silent at a resource", faults: []kbs.Fault{{Kind: "silent", Step: "resource"}},
			want: lab.Refusal{Status: 111, Message: []string{"resource"}, Attests: 1, MinGets: 1},
		},
		{name: "503 for ever", faults: []kbs.Fault{{Kind: "status", Status: 503, Step: "auth"}}, want: lab.Refusal{Status: 111, Message: []string{"503"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := lab.NewFixture(t, lab.FixtureOptions{})
			f.Config.Deadline = 3 * time.Second
			lab.AddFault(t, f.KBS, c.faults...)
			if c.down {
				if err := f.KBS.Close(); err != nil {
					t.Fatal(err)
				}
			}
			p := f.Expect(t, c.want)
			if p.Elapsed() > lab.Patience(5*time.Second) {
				t.Errorf("gave up after %v with a deadline of 3 s", p.Elapsed())
			}
		})
	}
}

// --deadline beats the file.
func TestDeadlineOption(t *testing.T) {
	t.Parallel()
	f := lab.NewFixture(t, lab.FixtureOptions{})
	f.Config.Deadline = 60 * time.Second
	lab.AddFault(t, f.KBS, kbs.Fault{Kind: "silent", Step: "auth"})
	p := f.Expect(t, lab.Refusal{Status: 111}, "--deadline", "2s")
	if p.Elapsed() < 1500*time.Millisecond || p.Elapsed() > lab.Patience(4*time.Second) {
		t.Errorf("gave up after %v with --deadline 2s", p.Elapsed())
	}
}

func TestBrokerCertificate(t *testing.T) {
	t.Parallel()
	now := time.Now()
	good := lab.NewAuthority(t, "the broker's CA", nil)
	other := lab.NewAuthority(t, "another CA", nil)
	for _, c := range []struct {
		name                string
		pinned, issuer      *lab.Authority
		notBefore, notAfter time.Time
		status              int
		message             string
	}{
		{"another CA", other, good, now.Add(-time.Hour), now.Add(time.Hour), 100, "CA"},
		{"expired", good, good, now.Add(-48 * time.Hour), now.Add(-24 * time.Hour), 104, "valid from"},
		{"not yet valid", good, good, now.Add(24 * time.Hour), now.Add(48 * time.Hour), 104, "valid from"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := lab.NewFixture(t, lab.FixtureOptions{})
			f.Config.CA = string(c.pinned.PEM)
			f.Config.URL = "https://" + tlsListener(t, c.issuer, c.notBefore, c.notAfter)
			p := f.Expect(t, lab.Refusal{Status: c.status, Message: []string{c.message}, NoAnswer: true})
			if p.Elapsed() > lab.Patience(5*time.Second) {
				t.Errorf("took %v: another try cannot help", p.Elapsed())
			}
		})
	}
}

// tlsListener completes handshakes with a certificate and hangs up.
func tlsListener(t *testing.T, issuer *lab.Authority, notBefore, notAfter time.Time) string {
	t.Helper()
	cert, key := issuer.ServerCertificate(t, notBefore, notAfter)
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{cert.Raw}, PrivateKey: key}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func(conn net.Conn) {
				conn.(*tls.Conn).Handshake() //nolint:errcheck // the client's verdict counts
				conn.Close()
			}(conn)
		}
	}()
	return listener.Addr().String()
}

// The name in the certificate counts too: it is made out to 127.0.0.1 and localhost.
func TestBrokerCertificateOfAnotherName(t *testing.T) {
	t.Parallel()
	f := lab.NewFixture(t, lab.FixtureOptions{})
	f.Config.URL = strings.Replace(f.KBS.URL(), "127.0.0.1", "127.0.0.2", 1)
	forward(t, f)
	f.Expect(t, lab.Refusal{Status: 100, Message: []string{"127.0.0.2"}})
}

// A redirect leads away from the broker whose CA is pinned: it is not followed.
func TestRedirectIsNotFollowed(t *testing.T) {
	t.Parallel()
	for _, step := range []string{"auth", "attest", "resource"} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			f := lab.NewFixture(t, lab.FixtureOptions{})
			trap := lab.NewTrap(t)
			lab.AddFault(t, f.KBS, kbs.Fault{Kind: "redirect", Step: step, Location: trap.URL + "/kbs/v0/" + step})
			want := lab.Refusal{Status: 111, Message: []string{"307"}}
			if step != "auth" {
				want.Attests = 1
			}
			if step == "resource" {
				want.MinGets = 1
			}
			f.Expect(t, want)
			if trap.Connections() != 0 {
				t.Errorf("the redirect was followed: %d connections", trap.Connections())
			}
		})
	}
}

// A signal to the parent ends the worker too, at once, in any phase.
func TestSignalWhileWaiting(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		signal syscall.Signal
		fault  kbs.Fault
	}{
		{"TERM at auth", syscall.SIGTERM, kbs.Fault{Kind: "silent", Step: "auth"}},
		{"INT at attest", syscall.SIGINT, kbs.Fault{Kind: "silent", Step: "attest"}},
		{"TERM at the last resource", syscall.SIGTERM, kbs.Fault{Kind: "silent", Step: "resource", Path: lab.PathBundle}},
		{"TERM during a pause", syscall.SIGTERM, kbs.Fault{Kind: "attest-refused", Step: "attest"}},
		{"KILL at auth", syscall.SIGKILL, kbs.Fault{Kind: "silent", Step: "auth"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := lab.NewFixture(t, lab.FixtureOptions{})
			f.Config.Deadline = 60 * time.Second
			lab.AddFault(t, f.KBS, c.fault)
			p := f.Start(t)
			lab.Eventually(t, 15*time.Second, "the program waits for the broker", func() (bool, string) {
				seen := f.KBS.Counters()
				return seen.Requests[c.fault.Step] > 0 && (c.fault.Path == "" || seen.Resources[c.fault.Path] > 0), p.Stderr.String()
			})
			workers := lab.Children(p.Pid)
			if len(workers) != 1 {
				t.Errorf("the program has the children %v, want one worker", workers)
			}
			sent := time.Now()
			p.Signal(c.signal)
			p.Wait(t, 5*time.Second)
			if took := time.Since(sent); took > lab.Patience(time.Second) {
				t.Errorf("ended %v after the signal", took)
			}
			if p.Status() == 0 {
				t.Error("a start that a signal ended must not look like success")
			}
			lab.Eventually(t, time.Second, "the worker ends", func() (bool, string) {
				left := lab.Mentioning(f.Dir)
				return len(left) == 0, strings.Join(left, "\n")
			})
			f.CheckNothingLeft(t, p)
		})
	}
}
