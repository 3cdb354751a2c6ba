// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"sealpod.test/e2e/lab"
)

// stop ends it by a signal and checks its status, and that nothing is left.
func (s *supervised) stop(signal syscall.Signal, status int) {
	s.t.Helper()
	s.p.Signal(signal)
	s.p.Wait(s.t, 20*time.Second)
	if s.p.Status() != status {
		s.t.Errorf("sealpod ended with %d, want %d\n%s", s.p.Status(), status, s.p)
	}
	s.f.CheckNothingLeft(s.t, s.p)
}

// The agent is a child with its credential in a file in memory; others can see that
// it serves; a signal ends both and leaves nothing.
func TestSupervisedAgentServes(t *testing.T) {
	t.Parallel()
	f := lab.NewFixture(t, lab.FixtureOptions{RealAgent: true})
	f.Config.UID = nobodyUID
	notify := filepath.Join(f.Dir, "notify")
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: notify, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	s, id := startSupervised(t, f, "/usr/bin/env", "NOTIFY_SOCKET="+notify)
	status, _ := s.status()
	if status.PID != s.p.Pid || lab.StatusField(status.AgentPID, "PPid") != strconv.Itoa(s.p.Pid) {
		t.Errorf("the agent %d is not a child of sealpod %d: %+v", status.AgentPID, s.p.Pid, status)
	}
	if want, _ := filepath.EvalSymlinks(f.Config.AgentPath); lab.Exe(status.AgentPID) != want {
		t.Errorf("process %d executes '%s', want '%s'", status.AgentPID, lab.Exe(status.AgentPID), want)
	}
	lab.FetchID(t, f.Socket, workloadUID, id, 15*time.Second)
	checkMode(t, s.credentialPath(), 0o400, nobodyUID)
	for fd, target := range lab.Fds(t, status.AgentPID) {
		if strings.Contains(target, "memfd") || strings.Contains(target, "signalfd") {
			t.Errorf("the agent has descriptor %d, '%s'", fd, target)
		}
	}
	traces := f.Credential.Traces()
	if found := append(lab.FindInMemory(t, s.p.Pid, traces), lab.FindInMemfds(t, s.p.Pid, traces)...); len(found) != 0 {
		t.Errorf("sealpod has the key: %s", strings.Join(found, "; "))
	}
	if found := lab.FindInMemory(t, status.AgentPID, traces); len(found) == 0 {
		t.Error("the search finds no key in the agent, which has it: it proves nothing")
	}
	checkManager(t, manager, "READY=1\n")
	s.wantHealth(0, "")
	s.stop(syscall.SIGTERM, 0)
	checkManager(t, manager, "STOPPING=1\n")
	s.wantHealth(111, "no 'sealpod run --supervise' is at work")
}

func checkManager(t *testing.T, manager *net.UnixConn, want string) {
	t.Helper()
	buf := make([]byte, 512)
	if err := manager.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	n, err := manager.Read(buf)
	if err != nil || !strings.HasPrefix(string(buf[:n]), want) {
		t.Errorf("the service manager was told '%s' (%v), want '%s'", buf[:n], err, want)
	}
}

// An agent that is killed is started again with an empty data directory, and serves. A client that polls is without an
// SVID once, from then on until another agent serves.
func TestSupervisedAgentIsStartedAgain(t *testing.T) {
	t.Parallel()
	f := lab.NewFixture(t, lab.FixtureOptions{RealAgent: true})
	s, id := startSupervised(t, f)
	lab.FetchID(t, f.Socket, workloadUID, id, 15*time.Second)
	mark := filepath.Join(f.Config.RuntimeDir, "agent", "data", "of-the-first")
	lab.WriteFile(t, mark, nil, 0o600)
	first, _ := s.status()
	client, killed := pollSupervised(s, f.Spire), time.Now()
	syscall.Kill(first.AgentPID, syscall.SIGKILL)
	second := s.await(30*time.Second, "another agent", func(st supervisorStatus) bool { return st.Restarts == 1 && st.Ready })
	if second.AgentPID == first.AgentPID {
		t.Errorf("the agent is still process %d", first.AgentPID)
	}
	if _, err := os.Stat(mark); !os.IsNotExist(err) {
		t.Errorf("the data directory is the first agent's: %v", err)
	}
	lab.FetchID(t, f.Socket, workloadUID, id, 15*time.Second)
	client.awaitAnswers(20)
	client.endWithOneGap(killed, killed.Add(lab.Patience(30*time.Second)))
	if seen := f.KBS.Counters(); lab.Handshakes(seen) != 1 {
		t.Errorf("the broker saw %d attestations, want one: the credential was there", lab.Handshakes(seen))
	}
	s.stop(syscall.SIGINT, 0)
}

// Each end of an agent leads where it must.
func TestEndsOfASupervisedAgent(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, script string
		status       int
		restarts     int
	}{
		{"fails", "exit 1", 143, 2},
		{"crashes", "kill -SEGV $$", 143, 2},
		{"ends well", "exit 0", 0, 0},
		{"cannot be executed", "", 126, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := lab.NewFixture(t, lab.FixtureOptions{})
			agentScript(t, f, c.script+"\n")
			if c.script == "" {
				lab.WriteFile(t, f.Config.AgentPath, []byte("#!/no/such/interpreter\n"), 0o755)
			}
			s := supervise(t, f)
			if c.restarts > 0 {
				s.await(40*time.Second, "restarts", func(st supervisorStatus) bool { return st.Restarts >= c.restarts })
				s.wantHealth(111, "does not answer")
				s.p.Signal(syscall.SIGTERM)
			}
			s.p.Wait(t, 30*time.Second)
			// A signal may also come while one of its lives ends by itself.
			if s.p.Status() != c.status && !(c.restarts > 0 && s.p.Status() == 1) {
				t.Errorf("sealpod ended with %d, want %d\n%s", s.p.Status(), c.status, s.p)
			}
			f.CheckNothingLeft(t, s.p)
		})
	}
}

// Signals reach the agent; its status becomes sealpod's.
func TestSignalsReachTheSupervisedAgent(t *testing.T) {
	t.Parallel()
	f := lab.NewFixture(t, lab.FixtureOptions{})
	mark := filepath.Join(f.Dir, "usr1")
	agentScript(t, f, fmt.Sprintf("trap ': > %s' USR1\ntrap 'exit 7' TERM\n: > %s.up\nwhile :; do sleep 0.1; done\n", mark, mark))
	s := supervise(t, f)
	wait := func(path string) {
		lab.Eventually(t, 20*time.Second, path, func() (bool, string) {
			_, err := os.Stat(path)
			return err == nil, s.p.Stderr.String()
		})
	}
	wait(mark + ".up")
	s.p.Signal(syscall.SIGUSR1)
	wait(mark)
	s.stop(syscall.SIGTERM, 7)
}

// As process 1 sealpod reaps what is orphaned, and obeys signals.
func TestSupervisorAsProcessOne(t *testing.T) {
	t.Parallel()
	if lab.Wrapped() {
		t.Skip("the wrapper would be process 1")
	}
	f := lab.NewFixture(t, lab.FixtureOptions{})
	agentScript(t, f, "for i in 1 2 3 4 5 6 7 8; do (sleep 0.2 & : ) ; done\nexec sleep 600\n")
	s := supervise(t, f, "unshare", "--pid", "--fork", "--kill-child", "--mount-proc")
	s.await(20*time.Second, "the agent", func(st supervisorStatus) bool { return st.AgentPID > 0 })
	status, _ := s.status()
	if status.PID != 1 {
		t.Fatalf("sealpod is process %d, want 1", status.PID)
	}
	children := lab.Children(s.p.Pid)
	if len(children) != 1 {
		t.Fatalf("unshare has children %v, want one", children)
	}
	init := children[0]
	seen := 0
	lab.Eventually(t, 20*time.Second, "only the agent is left", func() (bool, string) {
		left := lab.Children(init)
		seen = max(seen, len(left))
		return seen > 1 && len(left) == 1, fmt.Sprintf("%v", left)
	})
	syscall.Kill(init, syscall.SIGTERM)
	s.p.Wait(t, 10*time.Second)
	if s.p.Status() != 143 {
		t.Errorf("ended with %d, want the agent's 143\n%s", s.p.Status(), s.p)
	}
	f.CheckNothingLeft(t, s.p)
}

// A supervisor that is killed takes the agent along.
func TestKilledSupervisorLeavesNoAgent(t *testing.T) {
	t.Parallel()
	for _, uid := range []uint32{0, nobodyUID} {
		t.Run(fmt.Sprintf("uid-%d", uid), func(t *testing.T) {
			t.Parallel()
			f := lab.NewFixture(t, lab.FixtureOptions{})
			f.Config.UID = uid
			agentScript(t, f, "exec sleep 600\n")
			s := supervise(t, f)
			status := s.await(20*time.Second, "the agent", func(st supervisorStatus) bool { return st.AgentPID > 0 })
			s.p.Signal(syscall.SIGKILL)
			s.p.Wait(t, 10*time.Second)
			lab.Eventually(t, 10*time.Second, "the agent is gone", func() (bool, string) {
				err := syscall.Kill(status.AgentPID, 0)
				return err == syscall.ESRCH, fmt.Sprint(err)
			})
		})
	}
}

// A file with the key on a disk is refused, whatever else the configuration insists on.
func TestSupervisedAgentNeedsMemory(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change func(*lab.Config)
		args   []string
		words  []string
	}{
		{"by option", func(*lab.Config) {}, []string{"--supervise"}, []string{"agent.allow_disk", "--exec"}},
		{"by configuration", func(c *lab.Config) { c.RunLines = "mode = \"supervise\"\n" }, nil, []string{"agent.allow_disk"}},
		{"minted", mintLines, nil, []string{"agent.allow_disk"}},
		{"disk alone", func(c *lab.Config) { c.AllowDisk = false }, []string{"--supervise"}, []string{"agent.runtime_dir", "memory file system"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := lab.NewFixture(t, lab.FixtureOptions{})
			f.Config.RuntimeDir, f.Config.AllowDisk = lab.DiskDir(t), true
			c.change(&f.Config)
			f.Expect(t, lab.Refusal{Status: 100, Message: c.words, NoAnswer: true}, c.args...)
		})
	}
}

// Which of the two ways is taken.
func TestModeOfRun(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name      string
		change    func(*lab.Config)
		args      []string
		supervise bool
	}{
		{"fetched", func(*lab.Config) {}, nil, false},
		{"fetched, by configuration", func(c *lab.Config) { c.RunLines = "mode = \"supervise\"\n" }, nil, true},
		{"fetched, overridden", func(c *lab.Config) { c.RunLines = "mode = \"supervise\"\n" }, []string{"--exec"}, false},
		{"minted", mintLines, nil, true},
		{"minted, by configuration", func(c *lab.Config) { mintLines(c); c.RunLines = "mode = \"exec\"\n" }, nil, false},
		{"minted, overridden", mintLines, []string{"--exec"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := lab.NewFixture(t, lab.FixtureOptions{})
			issuer := newIssuer(t, f.Spire.CA, "issuer-of-modes", time.Now().Add(48*time.Hour))
			f.KBS.SetResource(pathIssuer, issuer.combined()) //nolint:errcheck // its absence is seen
			c.change(&f.Config)
			p := f.Run(t, c.args...)
			seen := lab.CheckExec(t, p)
			if got := strings.Contains(seen.Config, "credential.pem"); got != c.supervise {
				t.Errorf("supervised: %v, want %v\n%s", got, c.supervise, seen.Config)
			}
			minted := f.Config.CredentialLines != ""
			ends := regexp.MustCompile(`it ends in 14[0-9]{2} minutes and is not renewed`) // in a day
			if minted && !c.supervise && !ends.MatchString(p.Stderr.String()) {
				t.Errorf("the end of its life is not said\n%s", p)
			}
		})
	}
}
