// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"sealpod.test/e2e/lab"
)

// check runs --check on the lab's directory and returns its status.
func (l *svidLab) check(args ...string) *lab.Process {
	l.t.Helper()
	p := lab.Start(l.t, 0, l.dir, append(append(svidCommand(), "--check", "--directory", l.certs), args...)...)
	p.Wait(l.t, 20*time.Second)
	return p
}

// once delivers and waits for the end.
func (l *svidLab) once(args ...string) *lab.Process {
	l.t.Helper()
	p := l.deliver(append([]string{"--once"}, args...)...)
	p.Wait(l.t, 30*time.Second)
	return p
}

// awaitNoIdentity waits until the agent refuses root.
func (l *svidLab) awaitNoIdentity() {
	l.t.Helper()
	lab.Eventually(l.t, 20*time.Second, "the agent refuses", func() (bool, string) {
		answer := lab.Fetch(l.t, l.socket, 0)
		return answer.Code == "PermissionDenied", answer.Code
	})
}

// TestSVIDOneOfSeveralExpires: the end of one SVID, or of a token, is the end of its
// own files alone.
func TestSVIDOneOfSeveralExpires(t *testing.T) {
	t.Parallel()
	names := []string{"--svid-file", "{hint}.pem", "--key-file", "{hint}.key", "--margin", "1s"}
	for _, policy := range []string{"withdraw", "keep"} {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			l := newSVIDLab(t)
			l.startAgent("a")
			l.entry(svidEntry{path: "/short", uid: 0, ttl: 4, hint: "short"})
			l.entry(svidEntry{path: "/long", uid: 0, hint: "long"})
			p := l.deliver(append(names, "--jwt", "token=x", "--on-deletion", policy)...)
			lab.Eventually(t, 20*time.Second, "two SVIDs and a token", func() (bool, string) {
				return visible(t, l.certs) == "long.key long.pem short.key short.pem svid_bundle.pem token", p.Stderr.String()
			})
			l.agent.Kill()
			event := waitEvent(t, p, "expired", 1, 20*time.Second)
			if !strings.Contains(event.Text, svidID("/short")) || event.Cause != "x509" || len(event.SVIDs) != 2 {
				t.Errorf("the event says %+v", event)
			}
			delivered(t, l.certs, "long.pem", "long.key", "svid_bundle.pem")
			if policy == "withdraw" {
				event = waitEvent(t, p, "withdrawn", 1, 5*time.Second)
				if len(event.SVIDs) != 1 || event.SVIDs[0].SPIFFEID != svidID("/long") {
					t.Errorf("the event says %+v", event)
				}
				if got := visible(t, l.certs); got != "long.key long.pem svid_bundle.pem token" {
					t.Errorf("the directory shows '%s'", got)
				}
				if check := l.check(append(names, "--jwt", "token=x")...); check.Status() != 0 {
					t.Errorf("--check of what is left ends with %d\n%s", check.Status(), check)
				}
				return
			}
			if got := visible(t, l.certs); !strings.Contains(got, "short.key short.pem") {
				t.Errorf("the directory shows '%s'", got)
			}
			if check := l.check(names...); check.Status() != 104 || !strings.Contains(check.Stderr.String(), "short.pem") {
				t.Errorf("--check ends with %d, want 104\n%s", check.Status(), check)
			}
			for _, svid := range event.SVIDs {
				if svid.Expired != (svid.SPIFFEID == svidID("/short")) {
					t.Errorf("the event marks %+v", svid)
				}
			}
			p.Signal(syscall.SIGTERM)
			p.Wait(t, 5*time.Second)
			if n := countEvents(t, p, "expired"); n != 1 {
				t.Errorf("it was said %d times", n)
			}
		})
	}
}

// TestSVIDTokenExpiresAlone: with the agent gone a token ends, and X.509 stays.
func TestSVIDTokenExpiresAlone(t *testing.T) {
	t.Parallel()
	l := newSVIDLab(t)
	l.startAgent("a")
	l.entry(svidEntry{path: "/token-ends", uid: 0, jwtTTL: 4})
	p := l.deliver("--jwt", "token=x")
	lab.Eventually(t, 20*time.Second, "an SVID and a token", func() (bool, string) {
		return visible(t, l.certs) == "svid.pem svid_bundle.pem svid_key.pem token", p.String()
	})
	l.agent.Kill()
	event := waitEvent(t, p, "expired", 1, 20*time.Second)
	if event.Cause != "jwt" || !strings.HasPrefix(event.Text, "'token'") {
		t.Errorf("the event says %+v", event)
	}
	waitEvent(t, p, "withdrawn", 1, 5*time.Second)
	if got := visible(t, l.certs); got != "svid.pem svid_bundle.pem svid_key.pem" {
		t.Errorf("the directory shows '%s'\n%s", got, p)
	}
}

// TestSVIDFilesOfAnEarlierRun: what an earlier run left is flagged and withdrawn as
// if it were this run's own, with the agent gone and in both ways of replacing.
func TestSVIDFilesOfAnEarlierRun(t *testing.T) {
	t.Parallel()
	const all = "all.pem svid.p12 svid.pem svid_bundle.pem svid_key.pem"
	for _, replace := range []string{"directory", "files"} {
		for _, policy := range []string{"withdraw", "keep"} {
			t.Run(replace+"-"+policy, func(t *testing.T) {
				t.Parallel()
				l := newSVIDLab(t)
				l.startAgent("a")
				l.entry(svidEntry{path: "/earlier", uid: 0, ttl: 4})
				password := filepath.Join(l.dir, "password")
				lab.WriteFile(t, password, []byte("p\n"), 0o600)
				args := []string{"--replace", replace, "--on-deletion", policy, "--combined-file", "all.pem", "--pkcs12-file", "svid.p12", "--pkcs12-password-file", password}
				if p := l.once(args...); p.Status() != 0 {
					t.Fatalf("status %d\n%s", p.Status(), p)
				}
				before := serialOf(t, filepath.Join(l.certs, "svid.pem"))
				l.agent.Kill()
				// One run sees them expire, the next finds them expired.
				p := l.deliver(args...)
				event := waitEvent(t, p, "expired", 1, 20*time.Second)
				if event.Generation != 0 || !strings.Contains(event.Text, "left by an earlier run:") || !strings.Contains(event.Text, "svid_key.pem") {
					t.Errorf("the event says %+v", event)
				}
				if policy == "withdraw" {
					waitEvent(t, p, "withdrawn", 1, 5*time.Second)
					if got := visible(t, l.certs); got != "" || generations(t, l.certs) != 0 {
						t.Errorf("the directory shows '%s' and has %d generations", got, generations(t, l.certs))
					}
					return
				}
				p.Signal(syscall.SIGTERM)
				p.Wait(t, 5*time.Second)
				p = l.deliver(args...)
				waitEvent(t, p, "expired", 1, 20*time.Second)
				if got := visible(t, l.certs); got != all || serialOf(t, filepath.Join(l.certs, "svid.pem")) != before {
					t.Errorf("the directory shows '%s'", got)
				}
				l.startAgent("a")
				waitEvent(t, p, "delivered", 1, 30*time.Second)
				if serialOf(t, filepath.Join(l.certs, "svid.pem")) == before {
					t.Error("the files are still the old ones")
				}
			})
		}
	}
}

// TestSVIDEntryDeletedBetweenRuns: who starts after the deletion finds out, too.
func TestSVIDEntryDeletedBetweenRuns(t *testing.T) {
	t.Parallel()
	l := newSVIDLab(t)
	l.startAgent("a")
	id := l.entry(svidEntry{path: "/between", uid: 0})
	if p := l.once("--jwt", "token=x", "--jwt-bundle-file", "jwks.json"); p.Status() != 0 {
		t.Fatalf("status %d\n%s", p.Status(), p)
	}
	l.deleteEntry(id)
	l.awaitNoIdentity()
	kept := l.deliver("--on-deletion", "keep", "--deletion-grace", "1s")
	waitEvent(t, kept, "kept", 1, 20*time.Second)
	// The agent says it again and again; once is enough.
	lab.Eventually(t, 20*time.Second, "more refusals", func() (bool, string) {
		return strings.Count(kept.Stderr.String(), "no identity issued") > 0 && time.Since(kept.Started) > 5*time.Second, kept.String()
	})
	kept.Signal(syscall.SIGTERM)
	kept.Wait(t, 5*time.Second)
	if n := countEvents(t, kept, "kept"); n != 1 {
		t.Errorf("it was said %d times\n%s", n, kept)
	}
	if got := visible(t, l.certs); got != "jwks.json svid.pem svid_bundle.pem svid_key.pem token" {
		t.Errorf("the directory shows '%s'", got)
	}
	p := l.deliver("--deletion-grace", "1s")
	waitEvent(t, p, "withdrawn", 1, 20*time.Second)
	if got := visible(t, l.certs); got != "" {
		t.Errorf("the directory shows '%s'", got)
	}
}

// TestSVIDKeptIsSaidOnce: while the entry stays away the agent refuses every few
// seconds, and nobody wants to read that each time.
func TestSVIDKeptIsSaidOnce(t *testing.T) {
	t.Parallel()
	calls := make(chan int64, 64)
	api := newFake(t, func(c *call) {
		calls <- c.number
		if c.number > 1 {
			c.trailersOnly(7, "no identity issued")
			return
		}
		c.begin()
		c.data(framed(c.api.message("/once", fakeSVID{})), 16384)
		c.status(7, "no identity issued")
	})
	p := api.deliver("--on-deletion", "keep", "--deletion-grace", "1s")
	waitEvent(t, p, "kept", 1, 20*time.Second)
	for n := int64(0); n < 9; n = <-calls {
	}
	p.Signal(syscall.SIGTERM)
	p.Wait(t, 5*time.Second)
	if n := countEvents(t, p, "kept"); n != 1 || !api.delivered("/once") {
		t.Errorf("it was said %d times\n%s", n, p)
	}
}

// TestSVIDPlainFilesOfAKilledRun: what a run that was killed left, in the way of plain
// files, the next one knows: half a generation, and files of SVIDs that have vanished.
func TestSVIDPlainFilesOfAKilledRun(t *testing.T) {
	t.Parallel()
	l := newSVIDLab(t)
	l.startAgent("a")
	gone := l.entry(svidEntry{path: "/gone", uid: 0, hint: "gone"})
	l.entry(svidEntry{path: "/stays", uid: 0, hint: "stays", ttl: quickTTL})
	args := []string{"--svid-file", "{hint}.pem", "--key-file", "{hint}.key"}
	theirs := filepath.Join(l.certs, "theirs.pem")
	lab.WriteFile(t, theirs, []byte("x"), 0o600)
	p := l.deliver(append(args, "--replace", "files")...)
	lab.Eventually(t, 20*time.Second, "two SVIDs", func() (bool, string) {
		return visible(t, l.certs) == "gone.key gone.pem stays.key stays.pem svid_bundle.pem theirs.pem", p.String()
	})
	p.Kill()
	half := filepath.Join(l.certs, "..svid-0123456789abcdef")
	if err := os.Mkdir(half, 0o700); err != nil {
		t.Fatal(err)
	}
	lab.WriteFile(t, filepath.Join(half, "stays.key"), []byte("half of a key"), 0o600)
	l.deleteEntry(gone)
	elsewhere := svidDir(t, lab.Mem)
	lab.Eventually(t, 20*time.Second, "the agent knows one SVID alone", func() (bool, string) {
		os.RemoveAll(elsewhere)
		p := lab.Start(t, 0, l.dir, append(append(svidCommand(), "--once", "--socket", l.socket, "--directory", elsewhere), args...)...)
		p.Wait(t, 20*time.Second)
		return visible(t, elsewhere) == "stays.key stays.pem svid_bundle.pem", p.String()
	})
	for _, replace := range []string{"files", "directory", "files"} {
		if p := l.once(append(args, "--replace", replace)...); p.Status() != 0 {
			t.Fatalf("status %d\n%s", p.Status(), p)
		}
		if got := visible(t, l.certs); got != "stays.key stays.pem svid_bundle.pem theirs.pem" {
			t.Errorf("%s: the directory shows '%s'", replace, got)
		}
		delivered(t, l.certs, "stays.pem", "stays.key", "svid_bundle.pem")
		if n := generations(t, l.certs); (n > 1 && replace == "directory") || (n > 0 && replace == "files") {
			t.Errorf("%s: %d generations", replace, n)
		}
		_, err := os.Lstat(filepath.Join(l.certs, "..data"))
		if (err == nil) != (replace == "directory") {
			t.Errorf("%s: ..data: %v", replace, err)
		}
	}
}
