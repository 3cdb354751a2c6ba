// SPDX-License-Identifier: Apache-2.0

package tee

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// stageVariable carries the options to the same program in its own namespace.
const stageVariable = "SEALPOD_TEE_STAGE"

// Enter moves this process to a mount namespace of its own, by executing the
// program again there. It returns only on failure. The second time round Inside
// tells so; a program that uses this package calls Inside first.
func Enter(o *Options, argv []string) error {
	if err := o.check(); err != nil {
		return err
	}
	if len(argv) == 0 {
		return errors.New("name the command to run")
	}
	if os.Geteuid() != 0 {
		return errors.New("this needs root: it mounts file systems in a namespace of its own")
	}
	runtime.LockOSThread() // namespaces belong to threads, and this one will be the process
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("enter a mount namespace: %w", err)
	}
	env := append(os.Environ(), stageVariable+"="+o.encode())
	return syscall.Exec("/proc/self/exe", append([]string{os.Args[0]}, argv...), env)
}

// Inside builds the machine and runs the command, if this is the process that Enter
// made; ran is false if it is not. Status is the command's, 128 and the signal's
// number for one that was killed.
func Inside() (status int, ran bool, err error) {
	text, staged := os.LookupEnv(stageVariable)
	if !staged {
		return 0, false, nil
	}
	o, err := decodeOptions(text)
	if err != nil {
		return 1, true, err
	}
	if _, err := exec.LookPath(os.Args[1]); err != nil {
		return 127, true, err
	}
	m, err := newMachine(*o)
	if err != nil {
		return 1, true, err
	}
	if err := m.setUp(); err != nil {
		return 1, true, err
	}
	stop, err := m.startControl()
	if err != nil {
		return 1, true, err
	}
	defer stop()
	status, err = m.run(os.Args[1:])
	return status, true, err
}

// run runs the command and ends what it left behind.
func (m *machine) run(argv []string) (int, error) {
	// Orphans come to us, so that they can be ended.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return 1, err
	}
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, stageVariable+"=") {
			cmd.Env = append(cmd.Env, variable)
		}
	}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2)
	runtime.LockOSThread() // the command dies with the thread that started it
	defer runtime.UnlockOSThread()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return 127, err
	}
	m.count(func(c *Counters) { c.CommandPID = cmd.Process.Pid })
	go func() {
		for s := range signals {
			cmd.Process.Signal(s)
		}
	}()
	err := cmd.Wait()
	signal.Stop(signals)
	close(m.release) // hung requests end now, and with them those who wait for them
	if left := endOrphans(); len(left) > 0 {
		fmt.Fprintf(os.Stderr, "tee: the command left behind: %s\n", strings.Join(left, ", "))
	}
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

// endOrphans kills what the command left running and says what it was.
func endOrphans() (left []string) {
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); {
		children := ownChildren()
		if len(children) == 0 {
			break
		}
		for _, pid := range children {
			if name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid)); err == nil {
				left = appendNew(left, fmt.Sprintf("%d (%s)", pid, strings.TrimSpace(string(name))))
			}
			syscall.Kill(pid, syscall.SIGKILL)
			var status syscall.WaitStatus
			syscall.Wait4(pid, &status, syscall.WNOHANG, nil)
		}
		time.Sleep(2 * time.Millisecond)
	}
	return left
}

func appendNew(list []string, item string) []string {
	for _, have := range list {
		if have == item {
			return list
		}
	}
	return append(list, item)
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
