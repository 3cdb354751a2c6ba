// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/bundle/jwtbundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/svid/jwtsvid"

	"sealpod.test/e2e/lab"
)

// program writes a shell script that a test lets sealpod run or signal.
func (l *svidLab) program(name, text string) string {
	l.t.Helper()
	path := filepath.Join(l.dir, name)
	lab.WriteFile(l.t, path, []byte("#!/bin/sh\n"+text), 0o755)
	return path
}

// wait until the file has that many lines.
func waitLines(t *testing.T, path string, n int, limit time.Duration) []string {
	t.Helper()
	var lines []string
	lab.Eventually(t, limit, fmt.Sprintf("%d lines in '%s'", n, path), func() (bool, string) {
		text, _ := os.ReadFile(path)
		lines = strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
		return len(text) > 0 && len(lines) >= n, string(text)
	})
	return lines
}

// onHUP notes signals until it is ended; the sleep is what the shell waits in.
const onHUP = `trap 'echo hup >>"$0.out"' HUP
trap 'echo term >>"$0.out"; exit 7' TERM
echo "start $*" >>"$0.out"
while :; do sleep 0.05; done
`

func TestSVIDSignalsByPidFile(t *testing.T) {
	t.Parallel()
	l := newSVIDLab(t)
	l.startAgent("a")
	l.entry(svidEntry{path: "/pidfile", uid: 0, ttl: quickTTL})
	workload := l.program("workload", onHUP)
	pidFile := filepath.Join(l.dir, "pid")
	p := l.deliver("--signal", "SIGHUP", "--pid-file", pidFile)
	waitEvent(t, p, "delivered", 1, 15*time.Second)
	lab.WriteFile(t, pidFile, []byte("none\n"), 0o644)
	w := lab.Start(t, 0, l.dir, workload)
	waitLines(t, workload+".out", 1, 5*time.Second)
	lab.WriteFile(t, pidFile, []byte(strconv.Itoa(w.Pid)+"\n"), 0o644)
	waitLines(t, workload+".out", 4, 15*time.Second)
	// A number that is nobody's, and sealpod's own, disturb nothing.
	for _, number := range []string{"99999999", strconv.Itoa(p.Pid), "0", "-1"} {
		lab.WriteFile(t, pidFile, []byte(number), 0o644)
		n := countEvents(t, p, "delivered")
		waitEvent(t, p, "delivered", n+2, 15*time.Second)
	}
	if !p.Running() {
		t.Fatalf("sealpod ended\n%s", p)
	}
}

func TestSVIDRunsCommands(t *testing.T) {
	t.Parallel()
	l := newSVIDLab(t)
	l.startAgent("a")
	l.entry(svidEntry{path: "/command", uid: 0, ttl: quickTTL})
	command := l.program("command", `[ -s "$3/svid.pem" ] && echo "$1|$2|$LEAK_CANARY|$(umask)" >>"$0.out"`)
	p := l.deliver("--command", command, "--command", "two words", "--command", "", "--command", l.certs)
	p.Wait(t, 10*time.Second)
	if p.Status() != 100 {
		t.Fatalf("an empty argument: status %d\n%s", p.Status(), p)
	}
	p = l.deliver("--command", command, "--command", "two words", "--command", "x=\"\\", "--command", l.certs)
	for _, line := range waitLines(t, command+".out", 3, 20*time.Second) {
		if line != "two words|x=\"\\|from-the-host|0022" {
			t.Errorf("the command was given '%s'", line)
		}
	}
	p.Signal(syscall.SIGTERM)
	p.Wait(t, 10*time.Second)
	once := l.deliver("--once", "--command", l.program("once", `sleep 0.3; echo done >>"$0.out"`))
	once.Wait(t, 20*time.Second)
	if text, _ := os.ReadFile(filepath.Join(l.dir, "once.out")); once.Status() != 0 || string(text) != "done\n" {
		t.Errorf("--once did not wait for its command: status %d, '%s'", once.Status(), text)
	}
}

func TestSVIDWrapsAProgram(t *testing.T) {
	t.Parallel()
	l := newSVIDLab(t)
	l.startAgent("a")
	program := l.program("program", onHUP)
	p := l.deliver("--signal", "HUP", "--", program, "-x", "--once")
	lab.Eventually(t, 10*time.Second, "the wait for an identity", func() (bool, string) {
		return strings.Contains(p.Stderr.String(), "no identity issued"), p.Stderr.String()
	})
	if _, err := os.Stat(program + ".out"); err == nil {
		t.Fatal("the program was started before the first delivery")
	}
	l.entry(svidEntry{path: "/wrap", uid: 0, ttl: quickTTL})
	lines := waitLines(t, program+".out", 4, 20*time.Second)
	if lines[0] != "start -x --once" || lines[1] != "hup" {
		t.Errorf("the program saw %q", lines)
	}
	begin := time.Now()
	p.Signal(syscall.SIGTERM)
	p.Wait(t, 5*time.Second)
	if p.Status() != 7 || time.Since(begin) > 2*time.Second {
		t.Errorf("status %d after %v, want the program's 7\n%s", p.Status(), time.Since(begin), p)
	}
	waitLines(t, program+".out", 5, time.Second)
}

func TestSVIDWrapperStatus(t *testing.T) {
	t.Parallel()
	l := newSVIDLab(t)
	l.startAgent("a")
	l.entry(svidEntry{path: "/status", uid: 0})
	for _, c := range []struct {
		name, text string
		args       []string
		status     int
		runs       int
	}{
		{"good", "exit 0", nil, 0, 1},
		{"bad", "exit 3", nil, 3, 1},
		{"killed", "kill -KILL $$", nil, 137, 1},
		{"on-failure", `[ $(wc -l <"$0.out") -ge 3 ] && exit 0; exit 9`, []string{"--restart", "on-failure"}, 0, 3},
		{"never", "exit 9", []string{"--restart", "never"}, 9, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			program := l.program("p-"+c.name, "echo run >>\"$0.out\"\n"+c.text)
			p := lab.Start(t, 0, l.dir, append(append(append(svidCommand(), "--socket", l.socket, "--directory", filepath.Join(l.certs, c.name)), c.args...), "--", program)...)
			p.Wait(t, 20*time.Second)
			if p.Status() != c.status {
				t.Errorf("status %d, want %d\n%s", p.Status(), c.status, p)
			}
			if runs := len(waitLines(t, program+".out", 1, time.Second)); runs != c.runs {
				t.Errorf("it ran %d times, want %d", runs, c.runs)
			}
		})
	}
	p := l.deliverUnexecutable("nowhere")
	p.Wait(t, 20*time.Second)
	if p.Status() != 127 {
		t.Errorf("a program that is not there: status %d\n%s", p.Status(), p)
	}
	lab.WriteFile(t, filepath.Join(l.dir, "plain"), []byte("x"), 0o644)
	p = l.deliverUnexecutable("plain")
	p.Wait(t, 20*time.Second)
	if p.Status() != 126 {
		t.Errorf("a program that cannot be executed: status %d\n%s", p.Status(), p)
	}
}

// deliverUnexecutable wraps a program whose exec fails. The forked process that fails has the memory of
// threads which it has not: valgrind would call that lost.
func (l *svidLab) deliverUnexecutable(name string) *lab.Process {
	l.t.Helper()
	argv := svidCommand()
	if lab.Wrapped() {
		argv = slices.Insert(argv, len(argv)-2, "--leak-check=no")
	}
	argv = append(argv, "--socket", "unix://"+l.socket, "--directory", l.certs, "--", filepath.Join(l.dir, name))
	return lab.Start(l.t, 0, l.dir, argv...)
}

// TestSVIDRestartsAlways: a program that is to run always is started again whatever its
// status, and no more once a signal was to end it.
func TestSVIDRestartsAlways(t *testing.T) {
	t.Parallel()
	l := newSVIDLab(t)
	l.startAgent("a")
	l.entry(svidEntry{path: "/always", uid: 0})
	program := l.program("program", `trap 'echo term >>"$0.out"; exit 4' TERM
echo run >>"$0.out"
[ $(wc -l <"$0.out") -ge 3 ] || exit $(( $(wc -l <"$0.out") - 1 ))
while :; do sleep 0.05; done
`)
	p := l.deliver("--restart", "always", "--", program)
	waitLines(t, program+".out", 3, 20*time.Second)
	p.Signal(syscall.SIGTERM)
	p.Wait(t, 5*time.Second)
	lines := waitLines(t, program+".out", 4, time.Second)
	if p.Status() != 4 || len(lines) != 4 || lines[3] != "term" {
		t.Errorf("status %d, the program ran %q\n%s", p.Status(), lines, p)
	}
	for _, words := range []string{"ended with status 0 and is started again", "ended with status 1 and is started again"} {
		if !strings.Contains(p.Stderr.String(), words) {
			t.Errorf("standard error does not say '%s'\n%s", words, p.Stderr.String())
		}
	}
}

// TestSVIDAsProcessOne runs the wrapper as first process of a PID namespace: it
// must reap what is orphaned, pass signals on and hand the status through.
func TestSVIDAsProcessOne(t *testing.T) {
	t.Parallel()
	l := newSVIDLab(t)
	l.startAgent("a")
	l.entry(svidEntry{path: "/one", uid: 0})
	program := l.program("program", `trap 'exit 5' TERM
i=0; while [ $i -lt 20 ]; do (sleep 0.01 &); i=$((i+1)); done
sleep 1
echo "$PPID zombies $(grep -l '^State:.Z' /proc/[0-9]*/status 2>/dev/null | wc -l)" >>"$0.out"
while :; do sleep 0.05; done
`)
	// The agent must see the caller: the namespace is below its own.
	argv := append(append([]string{"/usr/bin/unshare", "--pid", "--fork", "--mount-proc", "--kill-child", "--"}, svidCommand()...),
		"--socket", l.socket, "--directory", l.certs, "--", program)
	p := lab.Start(t, 0, l.dir, argv...)
	if line := waitLines(t, program+".out", 1, 20*time.Second)[0]; line != "1 zombies 0" {
		t.Errorf("the program says '%s'", line)
	}
	children := lab.Children(p.Pid)
	if len(children) != 1 {
		t.Fatalf("unshare has the children %v", children)
	}
	syscall.Kill(children[0], syscall.SIGTERM)
	p.Wait(t, 5*time.Second)
	if p.Status() != 5 {
		t.Errorf("status %d\n%s", p.Status(), p)
	}
}

// TestSVIDCommandThatHangs: an update's command is given a minute, then it is killed with
// its children, and the update that came meanwhile gets a command of its own.
func TestSVIDCommandThatHangs(t *testing.T) {
	if !lab.Long {
		t.Skip("a minute long")
	}
	t.Parallel()
	l := newSVIDLab(t)
	l.startAgent("a")
	l.entry(svidEntry{path: "/hangs", uid: 0, ttl: quickTTL})
	command := l.program("command", `echo $$ >>"$0.out"; sleep 600 & echo $! >>"$0.out"; wait
`)
	p := l.deliver("--command", command)
	first := waitLines(t, command+".out", 2, 20*time.Second)
	lines := waitLines(t, command+".out", 4, 80*time.Second)
	if took := time.Since(p.Started); took < 60*time.Second {
		t.Errorf("the second command came after %v", took)
	}
	for _, number := range first[:2] {
		pid, err := strconv.Atoi(number)
		if err != nil {
			t.Fatal(err)
		}
		if lab.StatusField(pid, "State") != "" && !strings.HasPrefix(lab.StatusField(pid, "State"), "Z") {
			t.Errorf("process %d still runs", pid)
		}
	}
	if len(lines) != 4 || !strings.Contains(p.Stderr.String(), "still runs after 60 s and is killed") {
		t.Errorf("%q\n%s", lines, p)
	}
	p.Signal(syscall.SIGTERM)
	p.Wait(t, 5*time.Second)
}

// TestSVIDObeysAtOnce: SIGTERM ends it in whatever state it is.
func TestSVIDObeysAtOnce(t *testing.T) {
	t.Parallel()
	l := newSVIDLab(t)
	said := func(words string) func(*lab.Process) bool {
		return func(p *lab.Process) bool { return strings.Contains(p.Stderr.String(), words) }
	}
	for _, c := range []struct {
		name  string
		args  []string
		want  int
		ready func(*lab.Process) bool
	}{
		{"no-agent", nil, 0, said("no connection to")},
		{"no-agent-once", []string{"--once"}, 143, said("no connection to")},
		{"no-agent-wrapper", []string{"--", "/bin/true"}, 143, said("no connection to")},
	} {
		obeys(t, c.name, l.deliver(c.args...), c.want, c.ready)
	}
	l.startAgent("a")
	for _, c := range []struct {
		name string
		args []string
		want int
	}{{"no-entry", nil, 0}, {"no-entry-once", []string{"--once"}, 143}, {"no-entry-wrapper", []string{"--", "/bin/true"}, 143}} {
		obeys(t, c.name, l.deliver(c.args...), c.want, said("no identity issued"))
	}
	l.entry(svidEntry{path: "/obeys", uid: 0, ttl: quickTTL})
	hanging := l.program("hanging", "exec sleep 60\n")
	ending := l.program("ending", "exit 3\n")
	nobody := filepath.Join(l.dir, "nobody")
	lab.WriteFile(t, nobody, []byte("99999999"), 0o644)
	delivers := said(`"event":"delivered"`)
	for _, c := range []struct {
		name  string
		args  []string
		want  int
		ready func(*lab.Process) bool
	}{
		{"delivering", nil, 0, delivers},
		{"waits-for-the-rest", []string{"--once", "--hint", "nobody's", "--no-x509", "--jwt", "token=x"}, 143, said("has the hint")},
		{"command-runs", []string{"--command", hanging}, 0, func(p *lab.Process) bool { return delivers(p) && len(lab.Children(p.Pid)) > 0 }},
		{"command-runs-once", []string{"--once", "--command", hanging}, 143, func(p *lab.Process) bool { return delivers(p) && len(lab.Children(p.Pid)) > 0 }},
		{"signal-is-tried-again", []string{"--signal", "HUP", "--pid-file", nobody}, 0, delivers},
		{"pause-before-a-restart", []string{"--restart", "always", "--", ending}, 143, said("is started again in")},
		{"delivery-fails", []string{"--svid-file", "taken"}, 0, said(`"event":"failed"`)},
	} {
		dir := filepath.Join(l.certs, c.name)
		if err := os.MkdirAll(filepath.Join(dir, "taken"), 0o755); err != nil {
			t.Fatal(err)
		}
		p := lab.Start(t, 0, l.dir, append(append(svidCommand(), "--socket", l.socket, "--directory", dir), c.args...)...)
		obeys(t, c.name, p, c.want, c.ready)
	}
	silent := newFake(t, func(*call) {})
	called := func(*lab.Process) bool { return silent.calls.Load() > 0 }
	obeys(t, "no-answer", silent.deliver(), 0, called)
	streaming := newFake(t, func(c *call) {
		c.begin()
		c.data(framed(c.api.message("/idle", fakeSVID{})), 16384)
	})
	obeys(t, "idle-stream", streaming.deliver(), 0, delivers)
}

// obeys ends it by SIGTERM when it is ready.
func obeys(t *testing.T, name string, p *lab.Process, want int, ready func(*lab.Process) bool) {
	t.Helper()
	lab.Eventually(t, 20*time.Second, name+" is ready", func() (bool, string) { return ready(p), p.String() })
	begin := time.Now()
	p.Signal(syscall.SIGTERM)
	p.Wait(t, 5*time.Second)
	if took := time.Since(begin); p.Status() != want || (took > 500*time.Millisecond && !lab.Wrapped()) {
		t.Errorf("%s: status %d after %v, want %d at once\n%s", name, p.Status(), took, want, p)
	}
}

func TestSVIDOnceGivesUp(t *testing.T) {
	t.Parallel()
	l := newSVIDLab(t)
	l.startAgent("a")
	p := l.deliver("--once", "--deadline", deadline(2))
	p.Wait(t, 20*time.Second)
	lab.CheckFailure(t, p, 111, "not all is delivered in time", "no identity issued")
	if took := p.Elapsed(); took < 1900*time.Millisecond || took > lab.Patience(5*time.Second) {
		t.Errorf("it gave up after %v", took)
	}
}

func TestSVIDTokens(t *testing.T) {
	t.Parallel()
	l := newSVIDLab(t)
	l.startAgent("a")
	l.entry(svidEntry{path: "/token", uid: 0, jwtTTL: 5})
	noted := l.program("noted", `echo told >>"$0.out"`)
	p := l.deliver("--jwt", "one.jwt=https://one.example/?a=b", "--jwt", "two.jwt=spiffe://x/y second", "--jwt-bundle-file", "jwks.json",
		"--command", noted)
	lab.Eventually(t, 20*time.Second, "two tokens and a bundle", func() (bool, string) {
		events := svidEvents(t, p)
		if len(events) == 0 {
			return false, p.Stderr.String()
		}
		last := events[len(events)-1]
		return len(last.Tokens) == 2 && last.JWTBundles > 0 && len(last.SVIDs) == 1, p.Stderr.String()
	})
	bundle, err := jwtbundle.Load(spiffeid.RequireTrustDomainFromString(lab.TrustDomain), filepath.Join(l.certs, "jwks.json"))
	if err != nil {
		t.Fatal(err)
	}
	token := func(name string) string {
		text, err := os.ReadFile(filepath.Join(l.certs, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	for name, audiences := range map[string][]string{"one.jwt": {"https://one.example/?a=b"}, "two.jwt": {"spiffe://x/y", "second"}} {
		for _, audience := range audiences {
			svid, err := jwtsvid.ParseAndValidate(token(name), bundle, []string{audience})
			if err != nil {
				t.Fatalf("'%s' for '%s': %v", name, audience, err)
			}
			if svid.ID.String() != svidID("/token") {
				t.Errorf("'%s' is of %s", name, svid.ID)
			}
		}
		checkMode(t, filepath.Join(l.certs, name), 0o600, 0)
		if strings.Contains(p.Stderr.String(), strings.Split(token(name), ".")[2]) {
			t.Errorf("standard error shows '%s'", name)
		}
	}
	delivered(t, l.certs, "svid.pem", "svid_key.pem", "svid_bundle.pem")
	told := len(waitLines(t, noted+".out", 1, 5*time.Second))
	before := token("one.jwt")
	lab.Eventually(t, 15*time.Second, "another token", func() (bool, string) { return token("one.jwt") != before, p.Stderr.String() })
	waitLines(t, noted+".out", told+1, 5*time.Second)
}

func TestSVIDTokensAlone(t *testing.T) {
	t.Parallel()
	l := newSVIDLab(t)
	l.startAgent("a")
	l.entry(svidEntry{path: "/alone", uid: 0})
	config := filepath.Join(l.dir, "sealpod.toml")
	lab.WriteFile(t, config, []byte(fmt.Sprintf(`[svid]
socket = "%s"
directory = "%s"
no_x509 = true
jwt = ["token=aud"]
jwt_bundle_file = "{trust_domain}.json"
`, l.socket, l.certs)), 0o644)
	argv := append(svidCommand(), "--unmeasured-config", config)
	p := lab.Start(t, 0, l.dir, append(argv, "--once")...)
	p.Wait(t, 20*time.Second)
	if p.Status() != 0 {
		t.Fatalf("status %d\n%s", p.Status(), p)
	}
	if got := visible(t, l.certs); got != lab.TrustDomain+".json token" {
		t.Errorf("the directory shows '%s'", got)
	}
	check := lab.Start(t, 0, l.dir, append(argv, "--check")...)
	check.Wait(t, 10*time.Second)
	if check.Status() != 0 {
		t.Errorf("--check ends with %d\n%s", check.Status(), check)
	}
}

func TestSVIDOptionsRefused(t *testing.T) {
	t.Parallel()
	l := newSVIDLab(t)
	l.startAgent("a")
	l.entry(svidEntry{path: "/refused", uid: 0})
	for _, args := range [][]string{
		{"--jwt", "x.jwt"}, {"--jwt", "x/y=a"}, {"--jwt", "svid.pem.=a", "--key-mode", "0604"}, {"--svid-file", "{hint}.pem"},
		{"--pkcs12-file", "x.p12"}, {"--uid", "x"}, {"--pid-file", "/x"}, {"--federated-file", "x.pem"}, {"--key-file", "svid.pem"},
	} {
		p := l.deliver(append([]string{"--once"}, args...)...)
		p.Wait(t, 10*time.Second)
		if p.Status() != 100 {
			t.Errorf("%q: status %d\n%s", args, p.Status(), p)
		}
	}
}

func TestSVIDPkcs12(t *testing.T) {
	t.Parallel()
	l := newSVIDLab(t)
	l.startAgent("a")
	l.entry(svidEntry{path: "/p12", uid: 0})
	password := filepath.Join(l.dir, "password")
	lab.WriteFile(t, password, []byte("correct horse\n"), 0o600)
	p := l.deliver("--once", "--pkcs12-file", "svid.p12", "--pkcs12-password-file", password)
	p.Wait(t, 20*time.Second)
	if p.Status() != 0 {
		t.Fatalf("status %d\n%s", p.Status(), p)
	}
	checkMode(t, filepath.Join(l.certs, "svid.p12"), 0o600, 0)
	out, err := exec.Command("openssl", "pkcs12", "-in", filepath.Join(l.certs, "svid.p12"), "-passin", "file:"+password, "-nodes").CombinedOutput()
	if err != nil || strings.Count(string(out), "BEGIN CERTIFICATE") < 2 || !strings.Contains(string(out), "BEGIN PRIVATE KEY") {
		t.Errorf("openssl pkcs12: %v\n%s", err, out)
	}
	wrong, err := exec.Command("openssl", "pkcs12", "-in", filepath.Join(l.certs, "svid.p12"), "-passin", "pass:wrong", "-nodes").CombinedOutput()
	if err == nil {
		t.Errorf("a wrong password opens it:\n%s", wrong)
	}
}

func TestSVIDCheck(t *testing.T) {
	t.Parallel()
	l := newSVIDLab(t)
	l.startAgent("a")
	domain := strings.ToLower(filepath.Base(l.dir)) + ".example"
	l.federate(domain)
	l.entry(svidEntry{path: "/check", uid: 0, federate: domain})
	awaitBundles(t, l, domain)
	password := filepath.Join(l.dir, "password")
	lab.WriteFile(t, password, []byte("good\n"), 0o600)
	check := func(want int, words string, args ...string) {
		t.Helper()
		if p := l.check(args...); p.Status() != want || !strings.Contains(p.Stderr.String(), words) {
			t.Errorf("--check %v ends with %d, want %d and '%s'\n%s", args, p.Status(), want, words, p)
		}
	}
	check(111, "svid.pem")
	p12 := []string{"--pkcs12-file", "svid.p12", "--pkcs12-password-file", password}
	all := append([]string{"--combined-file", "all.pem", "--federated-file", "{trust_domain}.pem", "--jwt", "token=here there", "--jwt-bundle-file", "jwks"}, p12...)
	if p := l.once(); p.Status() != 0 {
		t.Fatalf("status %d\n%s", p.Status(), p)
	}
	check(0, "valid for")
	check(104, "within the margin", "--margin", "2h")
	check(111, "'all.pem' is not there", "--combined-file", "all.pem")
	check(111, "'svid.p12' is not there", p12...)
	check(111, "'x.jwt' is not there", "--jwt", "x.jwt=a")
	check(111, "'jwks' is not there", "--jwt-bundle-file", "jwks")
	check(111, "'other.pem' is not there", "--svid-file", "other.pem")
	if p := l.once(all...); p.Status() != 0 {
		t.Fatalf("status %d\n%s", p.Status(), p)
	}
	check(0, "valid for", all...)
	check(103, "'token': the token is not for the audience 'elsewhere'", "--jwt", "token=here elsewhere")
	other := lab.NewAuthority(t, "another", nil)
	stranger := other.Issue(t, lab.LeafOptions{})
	lab.WriteFile(t, filepath.Join(l.dir, "wrong"), []byte("wrong\n"), 0o600)
	check(103, "'svid.p12': the password does not open it", "--pkcs12-file", "svid.p12", "--pkcs12-password-file", filepath.Join(l.dir, "wrong"))
	for _, c := range []struct {
		name    string
		content []byte
		status  int
		words   string
	}{
		{"svid_bundle.pem", other.PEM, 103, "does not verify with the bundle"},
		{"svid_bundle.pem", []byte("nothing"), 103, "no PEM block"},
		{"svid_key.pem", stranger.KeyPEM, 103, "does not match"},
		{"svid_key.pem", nil, 103, "no private key"},
		{"all.pem", stranger.KeyPEM, 103, "'all.pem': no certificate"},
		{"svid.p12", []byte("nothing"), 103, "'svid.p12': no PKCS#12 file"},
		{"svid.p12", nil, 103, "'svid.p12': no PKCS#12 file"},
		{"jwks", []byte("{}"), 103, "'jwks': no JWKS"},
		{"jwks", []byte(`{"keys":[{}]}`), 103, "'jwks': no JWKS"},
		{"token", []byte("a.b.c"), 103, "'token': the token's claims"},
		{"token", []byte("e30.eyJleHAiOjF9.x"), 103, "'token': the token is not for"},
		{"token", []byte("e30.eyJleHAiOjEsImF1ZCI6WyJoZXJlIiwidGhlcmUiXX0.x"), 104, "'token' expired"},
		{domain + ".pem", []byte("nothing"), 103, domain + ".pem'"},
		{"..list", []byte("nothing"), 103, "..list"},
	} {
		path := filepath.Join(l.certs, "..data", c.name)
		good, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		lab.WriteFile(t, path, c.content, 0o600)
		check(c.status, c.words, all...)
		lab.WriteFile(t, path, good, 0o600)
		if err := os.Rename(path, path+".away"); err != nil {
			t.Fatal(err)
		}
		check(111, strings.Replace(c.name, "..list", "nothing is delivered", 1), all...)
		if err := os.Rename(path+".away", path); err != nil {
			t.Fatal(err)
		}
	}
	check(0, "valid for", all...)
	// What the workload opens is the name in the directory, whatever is behind "..data".
	key := filepath.Join(l.certs, "svid_key.pem")
	for name, change := range map[string]func() error{
		"gone":         func() error { return nil },
		"a file":       func() error { return os.WriteFile(key, stranger.KeyPEM, 0o600) },
		"another link": func() error { return os.Symlink("..data/svid.pem", key) },
		"a directory":  func() error { return os.Mkdir(key, 0o700) },
	} {
		if err := os.Rename(key, key+".away"); err != nil {
			t.Fatal(err)
		}
		if err := change(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		check(111, "'svid_key.pem' is not the link to what was delivered", all...)
		if err := os.RemoveAll(key); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(key+".away", key); err != nil {
			t.Fatal(err)
		}
	}
	check(0, "valid for", all...)
}

// TestSVIDDirectoryIsKeptByOne: a second one, whose files are others, would take the first one's away.
func TestSVIDDirectoryIsKeptByOne(t *testing.T) {
	t.Parallel()
	l := newSVIDLab(t)
	l.startAgent("a")
	l.entry(svidEntry{path: "/one-keeper", uid: 0})
	p := l.deliver()
	waitEvent(t, p, "delivered", 1, 15*time.Second)
	second := l.once("--no-x509", "--jwt", "token=here")
	if second.Status() != 111 || !strings.Contains(second.Stderr.String(), "another 'sealpod svid' keeps svid.directory") {
		t.Errorf("%v", second)
	}
	delivered(t, l.certs, "svid.pem", "svid_key.pem", "svid_bundle.pem")
	p.Signal(syscall.SIGTERM)
	p.Wait(t, 5*time.Second)
	if second = l.once("--no-x509", "--jwt", "token=here"); second.Status() != 0 {
		t.Errorf("%v", second)
	}
}

// TestSVIDOwnerBesideTheDirectorys: an emptyDir gives the files in it its own group; one that was asked for beats it.
func TestSVIDOwnerBesideTheDirectorys(t *testing.T) {
	t.Parallel()
	l := newSVIDLab(t)
	l.startAgent("a")
	l.entry(svidEntry{path: "/setgid", uid: 0})
	if err := os.Chown(l.certs, 0, 1234); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(l.certs, 0o770|os.ModeSetgid); err != nil {
		t.Fatal(err)
	}
	for want, args := range map[uint32][]string{0: {"--gid", "0", "--key-mode", "0640"}, 7: {"--gid", "7"}, 1234: nil} {
		if p := l.once(args...); p.Status() != 0 {
			t.Fatalf("%v", p)
		}
		if gid := statOf(t, filepath.Join(l.certs, "svid_key.pem")).Gid; gid != want {
			t.Errorf("%v: the key belongs to group %d", args, gid)
		}
	}
}

// TestSVIDCheckOfSeveral: the key of one of several SVIDs is missed, too.
func TestSVIDCheckOfSeveral(t *testing.T) {
	t.Parallel()
	l := newSVIDLab(t)
	l.startAgent("a")
	l.entry(svidEntry{path: "/one", uid: 0})
	l.entry(svidEntry{path: "/two", uid: 0})
	names := []string{"--svid-file", "{index}.pem", "--key-file", "{index}.{id}.key", "--combined-file", "{id}.all"}
	p := l.deliver(names...)
	lab.Eventually(t, 20*time.Second, "two SVIDs", func() (bool, string) {
		events := svidEvents(t, p)
		return len(events) > 0 && len(events[len(events)-1].SVIDs) == 2, p.String()
	})
	if check := l.check(names...); check.Status() != 0 || strings.Count(check.Stderr.String(), "is valid for") != 4 {
		t.Fatalf("--check ends with %d\n%s", check.Status(), check)
	}
	keys, err := filepath.Glob(filepath.Join(l.certs, "1.*.key"))
	if err != nil || len(keys) != 1 {
		t.Fatalf("'%s' holds the keys %v", visible(t, l.certs), keys)
	}
	// The index says which of them it is.
	id := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(keys[0]), "1."), ".key")
	if svid := delivered(t, l.certs, "1.pem", filepath.Base(keys[0]), "svid_bundle.pem"); svid.ID.String() != svidID("/"+id) {
		t.Errorf("'1.pem' is of %s, its key of '%s'", svid.ID, id)
	}
	p.Signal(syscall.SIGTERM)
	p.Wait(t, 5*time.Second)
	if err := os.Remove(filepath.Join(l.certs, "..data", filepath.Base(keys[0]))); err != nil {
		t.Fatal(err)
	}
	if check := l.check(names...); check.Status() != 111 || !strings.Contains(check.Stderr.String(), filepath.Base(keys[0])) {
		t.Errorf("--check ends with %d\n%s", check.Status(), check)
	}
}
