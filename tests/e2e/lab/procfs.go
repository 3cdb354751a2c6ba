// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"bytes"
	"encoding/binary"
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

// The program itself maps some megabytes.
const mostMapped = 4 << 30

// FindInMemory looks through every page that a process has in memory, guarded and
// unreadable ones included, and tells in which mappings the traces are.
func FindInMemory(t testing.TB, pid int, traces map[string][]byte) []string {
	t.Helper()
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		t.Fatal(err)
	}
	memory := openProc(t, pid, "mem")
	defer memory.Close()
	pagemap := openProc(t, pid, "pagemap")
	defer pagemap.Close()
	var found []string
	read, unseen := 0, 0
	for _, line := range strings.Split(strings.TrimSpace(string(maps)), "\n") {
		var from, to int64
		if _, err := fmt.Sscanf(line, "%x-%x", &from, &to); err != nil || to < from {
			continue // vsyscall lies in the other half of the address space
		}
		if to-from > mostMapped {
			unseen++
			continue
		}
		for _, run := range residentRuns(t, pagemap, from, to) {
			region := make([]byte, run.to-run.from)
			n, _ := memory.ReadAt(region, run.from)
			read += n
			for name, trace := range traces {
				if bytes.Contains(region, trace) {
					found = append(found, name+" in "+line)
				}
			}
		}
	}
	if unseen > 0 {
		t.Logf("%d mappings of process %d are too large to look into: sanitizers make such", unseen, pid)
	}
	if read < 64<<10 {
		t.Fatalf("only %d bytes of process %d could be read: is it still there?", read, pid)
	}
	return found
}

func openProc(t testing.TB, pid int, name string) *os.File {
	t.Helper()
	file, err := os.Open(fmt.Sprintf("/proc/%d/%s", pid, name))
	if err != nil {
		t.Fatal(err)
	}
	return file
}

type addressRange struct{ from, to int64 }

// residentRuns are the runs of pages of [from, to) that exist, in memory or in
// swap: a mapping may be terabytes of nothing.
func residentRuns(t testing.TB, pagemap *os.File, from, to int64) []addressRange {
	t.Helper()
	const page, entrySize, atOnce, existing = 4096, 8, 64 << 10, 0b11 << 62
	var runs []addressRange
	entries := make([]byte, entrySize*atOnce)
	for at := from; at < to; {
		n, err := pagemap.ReadAt(entries[:min(int64(len(entries)), (to-at)/page*entrySize)], at/page*entrySize)
		if n < entrySize {
			if err == io.EOF {
				return runs // beyond what processes can map: vsyscall, vvar
			}
			t.Fatal(err)
		}
		for i := 0; i+entrySize <= n; i += entrySize {
			if binary.NativeEndian.Uint64(entries[i:])&existing != 0 {
				if last := len(runs) - 1; last >= 0 && runs[last].to == at {
					runs[last].to += page
				} else {
					runs = append(runs, addressRange{at, at + page})
				}
			}
			at += page
		}
	}
	return runs
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
