// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// Exe is the program that a process runs, "" if there is no such process.
func Exe(pid int) string {
	path, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	if err != nil {
		return ""
	}
	return path
}

// pids are all processes of this PID namespace, zombies left out.
func pids() []int {
	entries, _ := filepath.Glob("/proc/[0-9]*")
	var found []int
	for _, entry := range entries {
		pid, err := strconv.Atoi(filepath.Base(entry))
		if err == nil && Exe(pid) != "" {
			found = append(found, pid)
		}
	}
	return found
}

// StatusField is one line of /proc/PID/status, without its name.
func StatusField(pid int, name string) string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return ""
	}
	return statusField(text, name)
}

func statusField(status []byte, name string) string {
	for _, line := range strings.Split(string(status), "\n") {
		if value, found := strings.CutPrefix(line, name+":"); found {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// Children are the processes whose parent is pid.
func Children(pid int) []int {
	var found []int
	for _, p := range pids() {
		if StatusField(p, "PPid") == strconv.Itoa(pid) {
			found = append(found, p)
		}
	}
	return found
}

// Mentioning are the processes whose command line has text in it, this one left
// out. A forked process keeps the command line of its parent.
func Mentioning(text string) []string {
	var found []string
	for _, pid := range pids() {
		line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if err == nil && pid != os.Getpid() && bytes.Contains(line, []byte(text)) {
			found = append(found, fmt.Sprintf("%d: %s", pid, bytes.ReplaceAll(line, []byte{0}, []byte{' '})))
		}
	}
	return found
}

// Orphans are the processes that the namespace's first process had to adopt.
func Orphans() []string {
	var found []string
	for _, pid := range Children(1) {
		if pid != os.Getpid() {
			line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
			found = append(found, fmt.Sprintf("%d: %s", pid, bytes.ReplaceAll(line, []byte{0}, []byte{' '})))
		}
	}
	return found
}

// Fds are the open descriptors of a process and what each is.
func Fds(t testing.TB, pid int) map[int]string {
	t.Helper()
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	fds := map[int]string{}
	for _, entry := range entries {
		fd, err := strconv.Atoi(entry.Name())
		if err != nil {
			t.Fatal(err)
		}
		if target, err := os.Readlink(filepath.Join(dir, entry.Name())); err == nil {
			fds[fd] = target
		}
	}
	return fds
}

// Limit is soft and hard limit of a process, by the name in /proc/PID/limits.
func Limit(t testing.TB, pid int, name string) string {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(string(text), "\n") {
		if rest, ok := strings.CutPrefix(line, name); ok {
			return strings.Join(strings.Fields(rest)[:2], " ")
		}
	}
	return ""
}

// FindInMemory looks through everything that a process has mapped, guarded and
// unreadable pages included, and tells where the traces are.
func FindInMemory(t testing.TB, pid int, traces map[string][]byte) []string {
	t.Helper()
	maps, err := os.Open(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		t.Fatal(err)
	}
	defer maps.Close()
	memory, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		t.Fatal(err)
	}
	defer memory.Close()
	var found []string
	read := 0
	lines := bufio.NewScanner(maps)
	for lines.Scan() {
		var from, to int64
		if _, err := fmt.Sscanf(lines.Text(), "%x-%x", &from, &to); err != nil || to < from {
			continue // vsyscall lies in the other half of the address space
		}
		region := readRegion(memory, from, to)
		read += len(region)
		for name, trace := range traces {
			if bytes.Contains(region, trace) {
				found = append(found, name+" in "+lines.Text())
			}
		}
	}
	if read < 64<<10 {
		t.Fatalf("only %d bytes of process %d could be read: is it still there?", read, pid)
	}
	return found
}

// FindInMemfds looks through the memory files that a process has open.
func FindInMemfds(t testing.TB, pid int, traces map[string][]byte) []string {
	t.Helper()
	var found []string
	for fd, target := range Fds(t, pid) {
		if !strings.HasPrefix(target, "/memfd:") {
			continue
		}
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/fd/%d", pid, fd))
		if err != nil {
			t.Fatal(err)
		}
		for name, trace := range traces {
			if bytes.Contains(text, trace) {
				found = append(found, name+" in "+target)
			}
		}
	}
	return found
}

// readRegion reads what can be read of [from, to), as zeros what cannot.
func readRegion(memory io.ReaderAt, from, to int64) []byte {
	region := make([]byte, to-from)
	if n, err := memory.ReadAt(region, from); err == nil || n == len(region) {
		return region
	}
	const page = 4096
	for at := int64(0); at < int64(len(region)); at += page {
		memory.ReadAt(region[at:min(at+page, int64(len(region)))], from+at) //nolint:errcheck // holes stay zero
	}
	return region
}
