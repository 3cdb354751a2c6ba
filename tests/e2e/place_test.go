// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"sealpod.test/e2e/lab"
)

// A runtime directory on a disk would leave trust bundle and configuration in
// the host's hands: refused unless the configuration insists.
func TestRuntimeDirectoryOnADisk(t *testing.T) {
	t.Parallel()
	f := lab.NewFixture(t, lab.FixtureOptions{})
	f.Config.RuntimeDir = lab.DiskDir(t)
	f.Expect(t, lab.Refusal{Status: 100, Message: []string{"agent.runtime_dir", "tmpfs"}, NoAnswer: true})
}

func TestRuntimeDirectoryOnADiskAllowed(t *testing.T) {
	t.Parallel()
	f := lab.NewFixture(t, lab.FixtureOptions{})
	f.Config.RuntimeDir, f.Config.AllowDisk = lab.DiskDir(t), true
	p := f.Run(t)
	lab.CheckExec(t, p)
	checkWarning(t, p, "allow_disk")
}

// A runtime directory that is not there is made, and taken away after a failure.
func TestRuntimeDirectoryIsMade(t *testing.T) {
	t.Parallel()
	f := lab.NewFixture(t, lab.FixtureOptions{KBS: denyAll})
	above := f.RuntimeDir
	f.Config.RuntimeDir = filepath.Join(above, "a", "b")
	f.Expect(t, lab.Refusal{Status: 102, Attests: 1, MinGets: 1})
	if entries, err := os.ReadDir(above); err != nil || len(entries) != 0 {
		t.Errorf("left in '%s': %v, %v", above, entries, err)
	}
	if err := f.KBS.SetResourcePolicy(lab.AllowSample); err != nil {
		t.Fatal(err)
	}
	lab.CheckExec(t, f.Run(t))
}

// What an earlier start left is replaced as a whole, its data directory above all:
// a cached bundle would win over the new one.
func TestEarlierStartIsReplaced(t *testing.T) {
	t.Parallel()
	f := lab.NewFixture(t, lab.FixtureOptions{})
	old := filepath.Join(f.RuntimeDir, "agent", "data", "deep")
	if err := os.MkdirAll(old, 0o755); err != nil {
		t.Fatal(err)
	}
	lab.WriteFile(t, filepath.Join(f.RuntimeDir, "agent", "data", "agent-data.json"), []byte("{}"), 0o600)
	lab.WriteFile(t, filepath.Join(f.RuntimeDir, "other"), []byte("not ours"), 0o600)
	if err := os.Symlink("/etc", filepath.Join(old, "link")); err != nil {
		t.Fatal(err)
	}
	lab.CheckExec(t, f.Run(t))
	if entries, err := os.ReadDir(filepath.Join(f.RuntimeDir, "agent", "data")); err != nil || len(entries) != 0 {
		t.Errorf("the data directory is not fresh: %v, %v", entries, err)
	}
	for _, path := range []string{filepath.Join(f.RuntimeDir, "other"), "/etc/passwd"} {
		if _, err := os.Stat(path); err != nil {
			t.Errorf("somebody else's file is gone: %v", err)
		}
	}
}

// A failed start must not take away what an earlier one put in place: its agent
// may still run on it.
func TestFailureSparesAnEarlierStart(t *testing.T) {
	t.Parallel()
	f := lab.NewFixture(t, lab.FixtureOptions{})
	lab.CheckExec(t, f.Run(t))
	if err := f.KBS.SetResourcePolicy(lab.DenyAll); err != nil {
		t.Fatal(err)
	}
	f.KBS.ResetCounters()
	f.Expect(t, lab.Refusal{Status: 102, Attests: 1, MinGets: 1})
	if _, err := os.Stat(filepath.Join(f.RuntimeDir, "agent", "agent.json")); err != nil {
		t.Errorf("the earlier start's configuration: %v", err)
	}
}

// Nor does one whose exec fails, when its own files are in place already.
func TestFailedExecSparesAnEarlierStart(t *testing.T) {
	t.Parallel()
	if lab.Wrapped() {
		t.Skip("valgrind does not survive a failed execve")
	}
	f := lab.NewFixture(t, lab.FixtureOptions{})
	lab.CheckExec(t, f.Run(t))
	name := filepath.Join(f.RuntimeDir, "agent", "data", "of the earlier agent")
	lab.WriteFile(t, name, []byte("x"), 0o600)
	f.Config.AgentPath = script(t, f.Dir, "\x7fELF and nothing more", 0o755)
	f.KBS.ResetCounters()
	f.Expect(t, lab.Refusal{Status: 126, Message: []string{"'" + f.Config.AgentPath + "'"}, Attests: 1, MinGets: 2})
	if _, err := os.Stat(name); err != nil {
		t.Errorf("the earlier agent's data: %v", err)
	}
}

// Two starts in one directory do not meet: the second says so before it spends anything.
func TestOneStartPerDirectory(t *testing.T) {
	t.Parallel()
	f := lab.NewFixture(t, lab.FixtureOptions{})
	dir, err := os.Open(f.RuntimeDir)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	if err := syscall.Flock(int(dir.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	f.Expect(t, lab.Refusal{Status: 111, Message: []string{"another sealpod", "'" + f.RuntimeDir + "'"}})
}

// An agent that cannot be started is noticed before a hardware report is spent.
func TestAgentThatCannotBeStarted(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		make   func(*testing.T, string) string
		status int
	}{
		{"missing", func(_ *testing.T, dir string) string { return filepath.Join(dir, "nothing") }, 127},
		{"in a missing directory", func(_ *testing.T, dir string) string { return filepath.Join(dir, "no", "thing") }, 127},
		{"not executable", func(t *testing.T, dir string) string { return script(t, dir, "#!/bin/sh\n", 0o644) }, 126},
		{"a directory", func(_ *testing.T, dir string) string { return dir }, 126},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := lab.NewFixture(t, lab.FixtureOptions{})
			f.Config.AgentPath = c.make(t, f.Dir)
			f.Expect(t, lab.Refusal{Status: c.status, Message: []string{"'" + f.Config.AgentPath + "'", "agent.path"}})
		})
	}
}

func script(t *testing.T, dir, text string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(dir, "agent-script")
	lab.WriteFile(t, path, []byte(text), mode)
	return path
}

// What only execve(2) notices is noticed at the very end; then everything that
// was in place goes away again.
func TestAgentThatExecRefuses(t *testing.T) {
	t.Parallel()
	if lab.Wrapped() {
		t.Skip("valgrind does not survive a failed execve")
	}
	for _, c := range []struct {
		name, text string
		uid        uint32
		mode       os.FileMode
		status     int
		attests    int
	}{
		{"no program", "\x7fELF and nothing more", 0, 0o755, 126, 1},
		{"interpreter missing", "#!/no/such/interpreter\n", 0, 0o755, 126, 1},
		{"not executable for the agent's user", "#!/bin/sh\n", nobodyUID, 0o700, 126, 0},
		{"no program, other user", "\x7fELF and nothing more", nobodyUID, 0o755, 126, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := lab.NewFixture(t, lab.FixtureOptions{})
			f.Config.UID = c.uid
			f.Config.AgentPath = script(t, f.Dir, c.text, c.mode)
			f.Expect(t, lab.Refusal{Status: c.status, Message: []string{"'" + f.Config.AgentPath + "'"}, Attests: c.attests, MinGets: 2 * c.attests})
			if _, err := os.Stat(filepath.Dir(f.Socket)); !os.IsNotExist(err) {
				t.Errorf("the socket's directory is left behind: %v", err)
			}
		})
	}
}

// What fails while the files are put in place leaves none of them.
func TestFilesThatCannotBePlaced(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		spoil  func(*testing.T, *lab.Fixture)
		status int
		word   string
	}{
		{"no space", func(t *testing.T, f *lab.Fixture) { mountTmpfs(t, f.RuntimeDir, "size=4k") }, 111, "space"},
		{"no inodes", func(t *testing.T, f *lab.Fixture) { mountTmpfs(t, f.RuntimeDir, "nr_inodes=3") }, 111, "space"},
		{"a mount where the directory goes", func(t *testing.T, f *lab.Fixture) {
			dir := filepath.Join(f.RuntimeDir, "agent")
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			mountTmpfs(t, dir, "size=4k")
		}, 111, "agent"},
		{"no place for the socket", func(t *testing.T, f *lab.Fixture) {
			lab.WriteFile(t, filepath.Dir(f.Socket), nil, 0o644)
		}, 100, "socket"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := lab.NewFixture(t, lab.FixtureOptions{})
			c.spoil(t, f)
			f.Expect(t, lab.Refusal{Status: c.status, Message: []string{c.word}, Attests: 1, MinGets: 2})
		})
	}
}

func mountTmpfs(t *testing.T, dir, options string) {
	t.Helper()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, options); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
}
