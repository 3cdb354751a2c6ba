// SPDX-License-Identifier: Apache-2.0

package stage

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Run runs the command to its end and kills what it left behind. Status is the
// command's, 128 and the signal's number for one that was killed. Started is called
// with its pid; ended when it is over and what it left behind still runs.
func Run(name string, argv []string, started func(pid int), ended func()) (int, error) {
	// Orphans come to us, so that they can be ended.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return 1, err
	}
	before := ownChildren() // the machine's own helpers
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2)
	runtime.LockOSThread() // the command dies with the thread that started it
	defer runtime.UnlockOSThread()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return 127, err
	}
	started(cmd.Process.Pid)
	go func() {
		for s := range signals {
			cmd.Process.Signal(s)
		}
	}()
	err := cmd.Wait()
	signal.Stop(signals)
	// What hangs in the machine may end as soon as the machine lets go of it.
	left := running(before, nil)
	ended()
	if left = endOrphans(before, left); len(left) > 0 {
		fmt.Fprintf(os.Stderr, "%s: the command left behind: %s\n", name, strings.Join(left, ", "))
	}
	return statusOf(cmd, err)
}

func statusOf(cmd *exec.Cmd, err error) (int, error) {
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return 1, err
	}
	ws := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if ws.Signaled() {
		return 128 + int(ws.Signal()), nil
	}
	return ws.ExitStatus(), nil
}

// endOrphans kills what the command left running and adds it to those that were seen.
func endOrphans(helpers []int, left []string) []string {
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); {
		left = running(helpers, left)
		children := orphans(helpers)
		if len(children) == 0 {
			break
		}
		for _, pid := range children {
			syscall.Kill(pid, syscall.SIGKILL)
			syscall.Wait4(pid, nil, syscall.WNOHANG, nil)
		}
		time.Sleep(2 * time.Millisecond)
	}
	return left
}

// running adds the orphans that have not ended by themselves; those that have are reaped.
func running(helpers []int, seen []string) []string {
	for _, pid := range orphans(helpers) {
		if ended, err := syscall.Wait4(pid, nil, syscall.WNOHANG, nil); err == nil && ended == pid {
			continue
		}
		if name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid)); err == nil {
			if what := fmt.Sprintf("%d (%s)", pid, strings.TrimSpace(string(name))); !slices.Contains(seen, what) {
				seen = append(seen, what)
			}
		}
	}
	return seen
}

func orphans(helpers []int) []int {
	return slices.DeleteFunc(ownChildren(), func(pid int) bool { return slices.Contains(helpers, pid) })
}

// ownChildren are those of every thread.
func ownChildren() (pids []int) {
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return nil
	}
	for _, task := range tasks {
		text, _ := os.ReadFile("/proc/self/task/" + task.Name() + "/children")
		for _, word := range strings.Fields(string(text)) {
			if pid, err := strconv.Atoi(word); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}
