// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/bundle/x509bundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"sealpod.test/e2e/lab"
)

func svidID(path string) string { return "spiffe://" + lab.TrustDomain + path }

func TestSVIDFirstDelivery(t *testing.T) {
	t.Parallel()
	l := newSVIDLab(t)
	l.startAgent("a")
	l.entry(svidEntry{path: "/first", uid: 0})
	p := l.deliver("--combined-file", "all.pem", "--key-mode", "0640", "--gid", "4")
	event := waitEvent(t, p, "delivered", 1, 15*time.Second)
	if event.Cause != "x509" || event.Generation != 1 || len(event.SVIDs) != 1 || event.SVIDs[0].SPIFFEID != svidID("/first") {
		t.Errorf("the event says %+v", event)
	}
	svid := delivered(t, l.certs, "svid.pem", "svid_key.pem", "svid_bundle.pem")
	if svid.ID.String() != svidID("/first") {
		t.Errorf("delivered was %s", svid.ID)
	}
	delivered(t, l.certs, "all.pem", "all.pem", "svid_bundle.pem")
	opensslVerify(t, l.certs, "svid.pem", "svid_bundle.pem")
	for name, mode := range map[string]os.FileMode{"svid.pem": 0o644, "svid_bundle.pem": 0o644, "svid_key.pem": 0o640, "all.pem": 0o640} {
		checkMode(t, filepath.Join(l.certs, name), mode, 0)
		if target, _ := os.Readlink(filepath.Join(l.certs, name)); target != "..data/"+name {
			t.Errorf("'%s' points to '%s'", name, target)
		}
		if gid := statOf(t, filepath.Join(l.certs, name)).Gid; gid != 4 {
			t.Errorf("'%s' belongs to group %d", name, gid)
		}
	}
	if got := visible(t, l.certs); got != "all.pem svid.pem svid_bundle.pem svid_key.pem" {
		t.Errorf("the directory shows '%s'", got)
	}
	key, err := os.ReadFile(filepath.Join(l.certs, "svid_key.pem"))
	if err != nil || !strings.HasPrefix(string(key), "-----BEGIN PRIVATE KEY-----\n") {
		t.Errorf("the key file begins with '%.40s' (%v)", key, err)
	}
	if strings.Contains(p.Stderr.String(), strings.Split(string(key), "\n")[1]) {
		t.Error("standard error shows the key")
	}
	p.Signal(syscall.SIGTERM)
	p.Wait(t, 2*time.Second)
	if p.Status() != 0 {
		t.Errorf("status %d on SIGTERM\n%s", p.Status(), p)
	}
	if got := visible(t, l.certs); !strings.Contains(got, "svid.pem") {
		t.Errorf("the files did not stay: '%s'", got)
	}
}

func statOf(t *testing.T, path string) *syscall.Stat_t {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Sys().(*syscall.Stat_t)
}

// TestSVIDOnce takes the address from the environment, in all its spellings.
func TestSVIDOnce(t *testing.T) {
	t.Parallel()
	l := newSVIDLab(t)
	l.startAgent("a")
	l.entry(svidEntry{path: "/once", uid: 0})
	for i, address := range []string{"unix://" + l.socket, "unix:" + l.socket, l.socket} {
		dir := filepath.Join(l.certs, fmt.Sprint(i), "made")
		argv := append([]string{"/usr/bin/env", "SPIFFE_ENDPOINT_SOCKET=" + address}, svidCommand()...)
		p := lab.Start(t, 0, l.dir, append(argv, "--once", "--directory", dir)...)
		p.Wait(t, 20*time.Second)
		if p.Status() != 0 {
			t.Fatalf("'%s': status %d\n%s", address, p.Status(), p)
		}
		delivered(t, dir, "svid.pem", "svid_key.pem", "svid_bundle.pem")
	}
}

// TestSVIDRotation lets hundreds of generations pass (in the long form) and looks
// that nothing is left of the old ones.
func TestSVIDRotation(t *testing.T) {
	t.Parallel()
	rotations := 12
	if lab.Long {
		rotations = 400
	}
	l := newSVIDLab(t)
	l.startAgent("a")
	l.entry(svidEntry{path: "/rotation", uid: 0, ttl: quickTTL})
	p := l.deliver()
	waitEvent(t, p, "delivered", rotations, time.Duration(rotations)*time.Second+20*time.Second)
	serials := map[string]bool{}
	for _, event := range svidEvents(t, p) {
		if event.Event == "delivered" {
			serials[event.SVIDs[0].Serial] = true
		}
	}
	if len(serials) < rotations-1 {
		t.Errorf("%d deliveries had %d serial numbers", rotations, len(serials))
	}
	if n := generations(t, l.certs); n > 2 {
		t.Errorf("%d generations lie there", n)
	}
	p.Signal(syscall.SIGTERM)
	p.Wait(t, 2*time.Second)
	delivered(t, l.certs, "svid.pem", "svid_key.pem", "svid_bundle.pem")
}

func TestSVIDEntryAddedLater(t *testing.T) {
	t.Parallel()
	l := newSVIDLab(t)
	l.startAgent("a")
	p := l.deliver()
	lab.Eventually(t, 10*time.Second, "the refusal is seen", func() (bool, string) {
		return strings.Contains(p.Stderr.String(), "no identity issued"), p.Stderr.String()
	})
	if got := visible(t, l.certs); got != "" || !p.Running() {
		t.Fatalf("without an identity the directory shows '%s'\n%s", got, p)
	}
	l.entry(svidEntry{path: "/later", uid: 0})
	waitEvent(t, p, "delivered", 1, 15*time.Second)
	delivered(t, l.certs, "svid.pem", "svid_key.pem", "svid_bundle.pem")
}

func TestSVIDEntryDeleted(t *testing.T) {
	t.Parallel()
	for _, policy := range []string{"withdraw", "keep"} {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			l := newSVIDLab(t)
			l.startAgent("a")
			id := l.entry(svidEntry{path: "/deleted", uid: 0})
			p := l.deliver("--on-deletion", policy, "--deletion-grace", "1s")
			waitEvent(t, p, "delivered", 1, 15*time.Second)
			l.deleteEntry(id)
			if policy == "keep" {
				waitEvent(t, p, "kept", 1, 15*time.Second)
				delivered(t, l.certs, "svid.pem", "svid_key.pem", "svid_bundle.pem")
			} else {
				waitEvent(t, p, "withdrawn", 1, 15*time.Second)
				if got := visible(t, l.certs); got != "" || generations(t, l.certs) != 0 {
					t.Errorf("after withdrawal the directory shows '%s' and has %d generations", got, generations(t, l.certs))
				}
			}
			l.entry(svidEntry{path: "/back", uid: 0})
			waitEvent(t, p, "delivered", 2, 20*time.Second)
			if svid := delivered(t, l.certs, "svid.pem", "svid_key.pem", "svid_bundle.pem"); svid.ID.String() != svidID("/back") {
				t.Errorf("delivered was %s", svid.ID)
			}
		})
	}
}

func TestSVIDExpires(t *testing.T) {
	t.Parallel()
	for _, policy := range []string{"withdraw", "keep"} {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			l := newSVIDLab(t)
			l.startAgent("a")
			l.entry(svidEntry{path: "/expires", uid: 0, ttl: 3})
			p := l.deliver("--on-deletion", policy)
			waitEvent(t, p, "delivered", 1, 15*time.Second)
			l.agent.Kill()
			waitEvent(t, p, "expired", 1, 15*time.Second)
			check := lab.Start(t, 0, l.dir, append(svidCommand(), "--check", "--directory", l.certs)...)
			check.Wait(t, 10*time.Second)
			want, left := 111, ""
			if policy == "keep" {
				want, left = 104, "svid.pem svid_bundle.pem svid_key.pem"
			} else {
				waitEvent(t, p, "withdrawn", 1, 5*time.Second)
			}
			if got := visible(t, l.certs); got != left {
				t.Errorf("the directory shows '%s', want '%s'", got, left)
			}
			if policy == "withdraw" {
				check = lab.Start(t, 0, l.dir, append(svidCommand(), "--check", "--directory", l.certs)...)
				check.Wait(t, 10*time.Second)
			}
			if check.Status() != want {
				t.Errorf("--check ends with %d, want %d\n%s", check.Status(), want, check)
			}
		})
	}
}

func TestSVIDHints(t *testing.T) {
	t.Parallel()
	l := newSVIDLab(t)
	l.startAgent("a")
	l.entry(svidEntry{path: "/one", uid: 0, hint: "internal", id: "b-" + filepath.Base(l.dir)})
	l.entry(svidEntry{path: "/two/deep", uid: 0, hint: "external", id: "a-" + filepath.Base(l.dir)})
	both := l.deliver("--svid-file", "svid-{hint}.pem", "--key-file", "key-{hint}.pem", "--combined-file", "{id}.both.pem")
	lab.Eventually(t, 15*time.Second, "two SVIDs", func() (bool, string) {
		events := svidEvents(t, both)
		return len(events) > 0 && len(events[len(events)-1].SVIDs) == 2, both.Stderr.String()
	})
	for hint, path := range map[string]string{"internal": "/one", "external": "/two/deep"} {
		svid := delivered(t, l.certs, "svid-"+hint+".pem", "key-"+hint+".pem", "svid_bundle.pem")
		if svid.ID.String() != svidID(path) {
			t.Errorf("with the hint '%s' came %s", hint, svid.ID)
		}
	}
	delivered(t, l.certs, "two_deep.both.pem", "two_deep.both.pem", "svid_bundle.pem")
	check := lab.Start(t, 0, l.dir, append(svidCommand(), "--check", "--directory", l.certs, "--svid-file", "svid-{hint}.pem",
		"--key-file", "key-{hint}.pem")...)
	check.Wait(t, 10*time.Second)
	if check.Status() != 0 {
		t.Errorf("--check of two ends with %d\n%s", check.Status(), check)
	}
	for hint, path := range map[string]string{"internal": "/one", "external": "/two/deep"} {
		dir := filepath.Join(l.certs, "only-"+hint)
		p := lab.Start(t, 0, l.dir, append(svidCommand(), "--once", "--socket", l.socket, "--directory", dir, "--hint", hint)...)
		p.Wait(t, 10*time.Second)
		if svid := delivered(t, dir, "svid.pem", "svid_key.pem", "svid_bundle.pem"); svid.ID.String() != svidID(path) {
			t.Errorf("the hint '%s' chose %s", hint, svid.ID)
		}
	}
	p := lab.Start(t, 0, l.dir, append(svidCommand(), "--once", "--deadline", deadline(1), "--socket", l.socket, "--directory", l.certs+"/none", "--hint", "nobody")...)
	p.Wait(t, 10*time.Second)
	if p.Status() != 111 || !strings.Contains(p.Stderr.String(), "has the hint 'nobody'") {
		t.Errorf("a hint that nobody has: status %d\n%s", p.Status(), p)
	}
}

// TestSVIDOneOfSeveralDeleted: an update is the complete state; what is absent in it goes.
func TestSVIDOneOfSeveralDeleted(t *testing.T) {
	t.Parallel()
	l := newSVIDLab(t)
	l.startAgent("a")
	gone := l.entry(svidEntry{path: "/gone", uid: 0, hint: "gone"})
	l.entry(svidEntry{path: "/stays", uid: 0, hint: "stays"})
	p := l.deliver("--svid-file", "{hint}.pem", "--key-file", "{hint}.key", "--on-deletion", "keep")
	lab.Eventually(t, 20*time.Second, "two SVIDs", func() (bool, string) {
		return visible(t, l.certs) == "gone.key gone.pem stays.key stays.pem svid_bundle.pem", p.String()
	})
	l.deleteEntry(gone)
	lab.Eventually(t, 20*time.Second, "one SVID", func() (bool, string) {
		return visible(t, l.certs) == "stays.key stays.pem svid_bundle.pem", p.String()
	})
	delivered(t, l.certs, "stays.pem", "stays.key", "svid_bundle.pem")
}

func TestSVIDFederation(t *testing.T) {
	t.Parallel()
	l := newSVIDLab(t)
	l.startAgent("a")
	domain := strings.ToLower(filepath.Base(l.dir)) + ".example"
	foreign := l.federate(domain)
	l.entry(svidEntry{path: "/federated", uid: 0, federate: domain})
	p := l.deliver("--federated-file", "bundle-{trust_domain}.pem", "--include-federated")
	lab.Eventually(t, 15*time.Second, "the foreign bundle", func() (bool, string) {
		_, err := os.Stat(filepath.Join(l.certs, "bundle-"+domain+".pem"))
		return err == nil, p.Stderr.String()
	})
	for _, name := range []string{"bundle-" + domain + ".pem", "svid_bundle.pem"} {
		bundle, err := x509bundle.Load(spiffeid.RequireTrustDomainFromString(domain), filepath.Join(l.certs, name))
		if err != nil {
			t.Fatal(err)
		}
		if !bundle.HasX509Authority(foreign.Cert) {
			t.Errorf("'%s' lacks the foreign authority", name)
		}
	}
	delivered(t, l.certs, "svid.pem", "svid_key.pem", "svid_bundle.pem")
}

// TestSVIDAgentAbsentAtStartKilledAndBack: an agent may come after sealpod, go and come
// back; without one the files stay.
func TestSVIDAgentAbsentAtStartKilledAndBack(t *testing.T) {
	t.Parallel()
	l := newSVIDLab(t)
	p := l.deliver()
	lab.Eventually(t, 10*time.Second, "the agent's absence is seen", func() (bool, string) {
		return strings.Contains(p.Stderr.String(), "no connection to"), p.Stderr.String()
	})
	l.startAgent("a")
	id := l.entry(svidEntry{path: "/comes", uid: 0})
	waitEvent(t, p, "delivered", 1, 15*time.Second)
	first := serialOf(t, filepath.Join(l.certs, "svid.pem"))

	l.agent.Kill()
	lab.Eventually(t, 10*time.Second, "the end of the stream is seen", func() (bool, string) {
		return strings.Count(p.Stderr.String(), "warning: x509") > 1, p.Stderr.String()
	})
	if serialOf(t, filepath.Join(l.certs, "svid.pem")) != first {
		t.Error("the files changed while there was no agent")
	}
	l.startAgent("a")
	waitEvent(t, p, "delivered", 2, 20*time.Second)
	if serialOf(t, filepath.Join(l.certs, "svid.pem")) == first {
		t.Error("the new agent's SVID was not delivered")
	}
	delivered(t, l.certs, "svid.pem", "svid_key.pem", "svid_bundle.pem")
	l.deleteEntry(id)
	p.Signal(syscall.SIGTERM)
	p.Wait(t, 2*time.Second)
}

// TestSVIDSocketReplaced lets another agent take the socket's place while the
// first still serves.
func TestSVIDSocketReplaced(t *testing.T) {
	t.Parallel()
	l := newSVIDLab(t)
	first := l.startAgent("a")
	l.entry(svidEntry{path: "/old", uid: 0})
	p := l.deliver()
	waitEvent(t, p, "delivered", 1, 15*time.Second)
	l.newAgent("b")
	l.startAgent("b")
	l.entry(svidEntry{path: "/new", uid: 0})
	if svid := delivered(t, l.certs, "svid.pem", "svid_key.pem", "svid_bundle.pem"); svid.ID.String() != svidID("/old") {
		t.Errorf("delivered was %s", svid.ID)
	}
	first.Signal(syscall.SIGKILL)
	waitEvent(t, p, "delivered", 2, 20*time.Second)
	if svid := delivered(t, l.certs, "svid.pem", "svid_key.pem", "svid_bundle.pem"); svid.ID.String() != svidID("/new") {
		t.Errorf("delivered was %s", svid.ID)
	}
}

// mountSmall puts a tmpfs of that many pages over the lab's directory.
func (l *svidLab) mountSmall(pages int) {
	l.t.Helper()
	if err := syscall.Mount("tmpfs", l.certs, "tmpfs", 0, fmt.Sprintf("mode=0755,nr_blocks=%d", pages)); err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { syscall.Unmount(l.certs, syscall.MNT_DETACH) })
}

func (l *svidLab) remount(flags uintptr, options string) {
	l.t.Helper()
	if err := syscall.Mount("tmpfs", l.certs, "tmpfs", syscall.MS_REMOUNT|flags, options); err != nil {
		l.t.Fatal(err)
	}
}

// TestSVIDFullAndReadOnly: a delivery that cannot be made leaves what was
// there, is reported, and is made when it can.
func TestSVIDFullAndReadOnly(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, replace string
		pages         int
		spoil, mend   func(*svidLab)
	}{
		{"full", "directory", 16, func(l *svidLab) { l.fill() }, func(l *svidLab) { os.Remove(filepath.Join(l.certs, ".filler")) }},
		{"full-files", "files", 16, func(l *svidLab) { l.fill() }, func(l *svidLab) { os.Remove(filepath.Join(l.certs, ".filler")) }},
		{"read-only", "directory", 16, func(l *svidLab) { l.remount(syscall.MS_RDONLY, "") }, func(l *svidLab) { l.remount(0, "") }},
		{"read-only-files", "files", 16, func(l *svidLab) { l.remount(syscall.MS_RDONLY, "") }, func(l *svidLab) { l.remount(0, "") }},
		{"taken-files", "files", 16, func(l *svidLab) { l.take("svid_key.pem") }, func(l *svidLab) { l.giveBack("svid_key.pem") }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := newSVIDLab(t)
			l.t = t
			l.mountSmall(c.pages)
			l.startAgent("a")
			id := l.entry(svidEntry{path: "/trouble", uid: 0})
			p := l.deliver("--replace", c.replace)
			waitEvent(t, p, "delivered", 1, 15*time.Second)
			c.spoil(l)
			before := serialOf(t, filepath.Join(l.certs, "svid.pem"))
			l.entry(svidEntry{path: "/after", uid: 0})
			l.deleteEntry(id)
			waitEvent(t, p, "failed", 2, 20*time.Second)
			if serialOf(t, filepath.Join(l.certs, "svid.pem")) != before {
				t.Error("the certificate changed")
			}
			key := "svid_key.pem"
			if strings.HasPrefix(c.name, "taken") {
				key = "svid_key.pem/svid_key.pem"
			}
			delivered(t, l.certs, "svid.pem", key, "svid_bundle.pem")
			c.mend(l)
			lab.Eventually(t, 20*time.Second, "the new SVID", func() (bool, string) {
				if _, err := os.Stat(filepath.Join(l.certs, "svid_key.pem")); err != nil {
					return false, err.Error()
				}
				return delivered(t, l.certs, "svid.pem", "svid_key.pem", "svid_bundle.pem").ID.String() == svidID("/after"), p.Stderr.String()
			})
			if stray, _ := filepath.Glob(filepath.Join(l.certs, ".s*")); len(stray) > 0 {
				t.Errorf("left over: %v", stray)
			}
		})
	}
}

// take puts a directory in the place of a file, and the file into it.
func (l *svidLab) take(name string) {
	l.t.Helper()
	path := filepath.Join(l.certs, name)
	if err := os.Mkdir(path+".d", 0o755); err != nil {
		l.t.Fatal(err)
	}
	if err := os.Rename(path, filepath.Join(path+".d", name)); err != nil {
		l.t.Fatal(err)
	}
	if err := os.Rename(path+".d", path); err != nil {
		l.t.Fatal(err)
	}
}

func (l *svidLab) giveBack(name string) {
	l.t.Helper()
	if err := os.RemoveAll(filepath.Join(l.certs, name)); err != nil {
		l.t.Fatal(err)
	}
}

// fill takes all space that is left.
func (l *svidLab) fill() {
	l.t.Helper()
	file, err := os.Create(filepath.Join(l.certs, ".filler"))
	if err != nil {
		l.t.Fatal(err)
	}
	defer file.Close()
	for page := make([]byte, 4096); ; {
		if _, err := file.Write(page); err != nil {
			return
		}
	}
}

func TestSVIDRefusesDisk(t *testing.T) {
	t.Parallel()
	dir := lab.DiskDir(t)
	p := lab.Start(t, 0, dir, append(svidCommand(), "--once", "--deadline", deadline(1), "--socket", "/nowhere/x", "--directory", dir)...)
	p.Wait(t, 10*time.Second)
	if p.Status() != 100 || !strings.Contains(p.Stderr.String(), "allow_disk") {
		t.Errorf("status %d\n%s", p.Status(), p)
	}
	l := newSVIDLab(t)
	l.startAgent("a")
	l.entry(svidEntry{path: "/disk", uid: 0})
	p = lab.Start(t, 0, dir, append(svidCommand(), "--once", "--socket", l.socket, "--directory", dir, "--allow-disk")...)
	p.Wait(t, 20*time.Second)
	if p.Status() != 0 {
		t.Fatalf("status %d\n%s", p.Status(), p)
	}
	delivered(t, dir, "svid.pem", "svid_key.pem", "svid_bundle.pem")
}

// TestSVIDUidChange: who runs it decides which identity it gets, --uid whose the
// files are, and another user cannot take over a directory.
func TestSVIDUidChange(t *testing.T) {
	t.Parallel()
	l := newSVIDLab(t)
	l.startAgent("a")
	l.entry(svidEntry{path: "/workload", uid: workloadUID})
	l.entry(svidEntry{path: "/stranger", uid: strangerUID})
	l.entry(svidEntry{path: "/root", uid: 0})
	once := l.deliverAs(workloadUID, "--once")
	once.Wait(t, 20*time.Second)
	if svid := delivered(t, l.certs, "svid.pem", "svid_key.pem", "svid_bundle.pem"); svid.ID.String() != svidID("/workload") {
		t.Errorf("uid %d got %s", workloadUID, svid.ID)
	}
	checkMode(t, filepath.Join(l.certs, "svid_key.pem"), 0o600, workloadUID)

	// The directory is still the first one's.
	argv := append(svidCommand(), "--once", "--deadline", deadline(2), "--socket", l.socket, "--directory", l.certs)
	other := lab.Start(t, strangerUID, "/", argv...)
	other.Wait(t, 20*time.Second)
	if other.Status() != 111 || !strings.Contains(other.Stderr.String(), "Permission denied") {
		t.Errorf("another user in this directory: status %d\n%s", other.Status(), other)
	}
	checkMode(t, filepath.Join(l.certs, "svid_key.pem"), 0o600, workloadUID)

	// After a change of the user the directory is made that user's, and goes on.
	changed := l.deliverAs(strangerUID, "--once")
	changed.Wait(t, 20*time.Second)
	if svid := delivered(t, l.certs, "svid.pem", "svid_key.pem", "svid_bundle.pem"); svid.ID.String() != svidID("/stranger") {
		t.Errorf("uid %d got %s\n%s", strangerUID, svid.ID, changed)
	}
	checkMode(t, filepath.Join(l.certs, "svid_key.pem"), 0o600, strangerUID)
	if !strings.Contains(changed.Stderr.String(), "what an earlier run left is not kept up") {
		t.Errorf("nothing is said of the other user's files\n%s", changed)
	}
	// What the other user's run left cannot be removed by this one, nor its key be read.
	left, err := filepath.Glob(filepath.Join(l.certs, "..svid-*", "svid_key.pem"))
	if err != nil || len(left) != 2 {
		t.Fatalf("keys: %v %v", left, err)
	}
	for _, key := range left {
		if info := statOf(t, key); info.Mode&0o777 != 0o600 {
			t.Errorf("'%s' has mode %04o", key, info.Mode&0o777)
		}
	}

	root := l.deliver("--once", "--uid", fmt.Sprint(nobodyUID))
	root.Wait(t, 20*time.Second)
	if svid := delivered(t, l.certs, "svid.pem", "svid_key.pem", "svid_bundle.pem"); svid.ID.String() != svidID("/root") {
		t.Errorf("root got %s\n%s", svid.ID, root)
	}
	checkMode(t, filepath.Join(l.certs, "svid_key.pem"), 0o600, nobodyUID)
	if n := generations(t, l.certs); n > 2 {
		t.Errorf("root left %d generations", n)
	}
	cat := exec.Command("/bin/cat", filepath.Join(l.certs, "svid_key.pem"))
	cat.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobodyUID, Gid: nobodyUID}}
	if out, err := cat.CombinedOutput(); err != nil {
		t.Errorf("the owner cannot read the key: %v %s", err, out)
	}
}
