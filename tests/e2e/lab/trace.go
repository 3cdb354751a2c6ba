// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Tracer stops a process, or one that it forks, at the kernel's boundary in the instant before
// it becomes another program: its memory is still as it was. Another process does that, because
// whoever traces a child gets its stops in the place of its end.
type Tracer struct {
	t     testing.TB
	stdin io.Closer
	lines chan string
	ended chan struct{}
}

// TraceUntilExec attaches to a process. What it has forked before is left alone.
func TraceUntilExec(t testing.TB, pid int) *Tracer {
	t.Helper()
	cmd := exec.Command("/proc/self/exe", strconv.Itoa(pid))
	cmd.Env = []string{stageVariable + "=" + stageTrace}
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	tracer := &Tracer{t: t, stdin: stdin, lines: make(chan string, 4), ended: make(chan struct{})}
	go func() {
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			tracer.lines <- lines.Text()
		}
		close(tracer.lines)
		cmd.Wait() //nolint:errcheck // its lines say it all
		close(tracer.ended)
	}()
	t.Cleanup(tracer.Release)
	tracer.await("seized")
	return tracer
}

func (tr *Tracer) await(word string) (pid int) {
	tr.t.Helper()
	select {
	case line := <-tr.lines:
		if _, err := fmt.Sscanf(line, word+" %d", &pid); err != nil {
			tr.t.Fatalf("the tracer says '%s', not '%s'", line, word)
		}
	case <-time.After(Patience(60 * time.Second)):
		tr.t.Fatalf("the tracer does not say '%s'", word)
	}
	return pid
}

// AtExec waits until a process is about to execute a program, and keeps it there.
func (tr *Tracer) AtExec() (pid int) {
	tr.t.Helper()
	return tr.await("exec")
}

// Release lets it go on. May be called twice.
func (tr *Tracer) Release() {
	tr.stdin.Close()
	<-tr.ended
}

// traceMain is the tracer's side. At its end the kernel lets all go on that it has stopped.
func traceMain() {
	runtime.LockOSThread()
	pid, err := strconv.Atoi(os.Args[1])
	if err != nil {
		die("%v", err)
	}
	const options = unix.PTRACE_O_TRACESYSGOOD | unix.PTRACE_O_TRACEFORK | unix.PTRACE_O_TRACEVFORK | unix.PTRACE_O_TRACECLONE
	if err := ptrace(unix.PTRACE_SEIZE, pid, 0, options); err != nil {
		die("seize %d: %v", pid, err)
	}
	if err := ptrace(unix.PTRACE_INTERRUPT, pid, 0, 0); err != nil {
		die("interrupt %d: %v", pid, err)
	}
	for first := true; ; first = false {
		var status unix.WaitStatus
		stopped, err := unix.Wait4(-1, &status, unix.WALL, nil)
		if err != nil {
			die("nothing is left to trace: %v", err)
		}
		if first {
			fmt.Println("seized", pid)
		}
		if status.Stopped() {
			goOn(stopped, status)
		}
	}
}

// goOn handles one stop.
func goOn(pid int, status unix.WaitStatus) {
	var pass uintptr
	switch signal := status.StopSignal(); {
	case signal == unix.SIGTRAP|0x80:
		if entersExec(pid) {
			fmt.Println("exec", pid)
			io.Copy(io.Discard, os.Stdin) //nolint:errcheck // its end is what is waited for
			os.Exit(0)
		}
	case status>>16 == 0: // a signal of its own
		pass = uintptr(signal)
	}
	if err := ptrace(unix.PTRACE_SYSCALL, pid, 0, pass); err != nil && err != unix.ESRCH {
		die("go on with %d: %v", pid, err)
	}
}

var syscallInfo [88]byte // not on a stack, which may move

func entersExec(pid int) bool {
	const entry = 1 // PTRACE_SYSCALL_INFO_ENTRY
	if err := ptrace(unix.PTRACE_GET_SYSCALL_INFO, pid, uintptr(len(syscallInfo)), uintptr(unsafe.Pointer(&syscallInfo[0]))); err != nil {
		return false
	}
	number := binary.NativeEndian.Uint64(syscallInfo[24:])
	return syscallInfo[0] == entry && (number == unix.SYS_EXECVE || number == unix.SYS_EXECVEAT)
}

func ptrace(request, pid int, address, data uintptr) error {
	if _, _, errno := unix.Syscall6(unix.SYS_PTRACE, uintptr(request), uintptr(pid), address, data, 0, 0); errno != 0 {
		return errno
	}
	return nil
}
