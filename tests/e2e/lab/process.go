// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Output collects what a process writes and may be read while it does.
type Output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *Output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// Process is a child with its output, in a process group of its own.
type Process struct {
	Pid            int
	Started        time.Time
	Stdout, Stderr Output

	done    chan struct{}
	state   *os.ProcessState
	elapsed time.Duration
}

// starts are carried out by one thread that never ends: the kernel sends the
// parent-death signal when the thread ends, not the process.
var starts = make(chan func())

func init() {
	go func() {
		runtime.LockOSThread()
		for start := range starts {
			start()
		}
	}()
}

// Start runs a program; uid other than 0 drops to that user and its group. The
// process and its group are killed when the test ends.
func Start(t testing.TB, uid uint32, dir string, argv ...string) *Process {
	t.Helper()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir = dir
	cmd.Env = workloadEnvironment()
	p, err := start(cmd, uid)
	if err != nil {
		t.Fatalf("start %v: %v", argv, err)
	}
	t.Cleanup(func() {
		p.Kill()
		for _, checker := range []string{"AddressSanitizer", "LeakSanitizer", "runtime error:", "== Invalid ", "== Conditional jump", "definitely lost"} {
			if strings.Contains(p.Stderr.String(), checker) {
				t.Errorf("a checker complains:\n%s", p.Stderr.String())
			}
		}
	})
	return p
}

// workloadEnvironment carries what must not reach the agent: the tests look for it.
func workloadEnvironment() []string {
	return []string{
		"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8",
		"HTTPS_PROXY=http://127.0.0.1:1", "https_proxy=http://127.0.0.1:1", "ALL_PROXY=http://127.0.0.1:1",
		"SSLKEYLOGFILE=" + Root + "/keylog", "OPENSSL_CONF=" + Root + "/no-such.cnf",
		"SSL_CERT_FILE=" + Root + "/no-such.pem", "LEAK_CANARY=from-the-host",
	}
}

func start(cmd *exec.Cmd, uid uint32) (*Process, error) {
	p := &Process{done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = &p.Stdout, &p.Stderr
	cmd.WaitDelay = 2 * time.Second // an orphan may hold the pipes
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uid, Gid: uid}
	if uid == 0 {
		cmd.SysProcAttr.Credential.Groups = []uint32{0, 4} // for tests that they are dropped
		cmd.SysProcAttr.AmbientCaps = []uintptr{12}        // CAP_NET_ADMIN, likewise
	}
	started := make(chan error)
	starts <- func() {
		p.Started = time.Now()
		started <- cmd.Start()
	}
	if err := <-started; err != nil {
		return nil, err
	}
	p.Pid = cmd.Process.Pid
	go func() {
		cmd.Wait() //nolint:errcheck // the state says it all
		p.state, p.elapsed = cmd.ProcessState, time.Since(p.Started)
		close(p.done)
	}()
	return p, nil
}

// Kill ends the process, and what it left in its group, for good.
func (p *Process) Kill() {
	syscall.Kill(-p.Pid, syscall.SIGKILL)
	<-p.done
}

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Running tells whether the process has not ended yet.
func (p *Process) Running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// Wait waits for the process to end; the test fails if it takes longer than limit.
func (p *Process) Wait(t testing.TB, limit time.Duration) {
	t.Helper()
	select {
	case <-p.done:
	case <-time.After(Patience(limit)):
		t.Fatalf("process %d still runs after %v; stderr:\n%s", p.Pid, limit, p.Stderr.String())
	}
}

// Status is the exit status of an ended process, or 128 and the signal's number.
func (p *Process) Status() int {
	ws := p.state.Sys().(syscall.WaitStatus)
	if ws.Signaled() {
		return 128 + int(ws.Signal())
	}
	return ws.ExitStatus()
}

// Elapsed is how long an ended process ran.
func (p *Process) Elapsed() time.Duration { return p.elapsed }

// Signal sends a signal to the process alone.
func (p *Process) Signal(s syscall.Signal) { syscall.Kill(p.Pid, s) }

// Eventually polls until what holds; the test fails after limit with the last
// reason that the condition gave.
func Eventually(t testing.TB, limit time.Duration, what string, condition func() (bool, string)) {
	t.Helper()
	if reason, ok := poll(Patience(limit), condition); !ok {
		t.Fatalf("not within %v: %s; last seen: %s", limit, what, reason)
	}
}

func poll(limit time.Duration, condition func() (bool, string)) (string, bool) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	for pause := time.Millisecond; ; pause = min(2*pause, 40*time.Millisecond) {
		ok, reason := condition()
		if ok {
			return "", true
		}
		select {
		case <-ctx.Done():
			return reason, false
		case <-time.After(pause):
		}
	}
}

func (p *Process) String() string {
	return fmt.Sprintf("process %d\nstdout: %s\nstderr: %s", p.Pid, p.Stdout.String(), p.Stderr.String())
}
