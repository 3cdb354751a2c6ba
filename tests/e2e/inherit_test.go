// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"sealpod.test/e2e/lab"
)

const waitLimit = 60 * time.Second

// What the process that becomes the agent hands on, told by a stand-in.
func TestWhatTheAgentInherits(t *testing.T) {
	t.Parallel()
	for _, uid := range []uint32{0, nobodyUID} {
		t.Run(fmt.Sprintf("uid %d", uid), func(t *testing.T) {
			t.Parallel()
			f := lab.NewFixture(t, lab.FixtureOptions{})
			f.Config.UID = uid
			p := f.Run(t)
			seen := lab.CheckExec(t, p)
			if seen.Pid != p.Pid {
				t.Errorf("the agent is process %d, sealpod was %d", seen.Pid, p.Pid)
			}
			config := filepath.Join(f.RuntimeDir, "agent", "agent.json")
			if want := []string{"run", "-config", config}; len(seen.Args) != 4 || !slices.Equal(seen.Args[1:], want) {
				t.Errorf("command line %q, want %q", seen.Args, want)
			}
			checkEnvironment(t, seen.Env)
			checkPrivileges(t, seen, uid)
			checkDescriptors(t, seen)
			checkCredentialFile(t, f, seen, uid)
			if seen.CoreSoft != 0 || seen.CoreHard != 0 {
				t.Errorf("RLIMIT_CORE is %d/%d, want 0", seen.CoreSoft, seen.CoreHard)
			}
			if left := lab.Mentioning(f.Dir); len(left) != 0 {
				t.Errorf("processes beside the agent: %v", left)
			}
		})
	}
}

// checkEnvironment: a PATH that the program chose, and nothing of the host's.
func checkEnvironment(t *testing.T, env []string) {
	t.Helper()
	for _, variable := range env {
		if name, _, _ := strings.Cut(variable, "="); name != "PATH" {
			t.Errorf("the environment has '%s'", variable)
		}
	}
	for _, text := range env {
		if strings.Contains(text, "from-the-host") || strings.Contains(text, "127.0.0.1") {
			t.Errorf("the host's value in '%s'", text)
		}
	}
}

func checkPrivileges(t *testing.T, seen lab.Inherited, uid uint32) {
	t.Helper()
	if seen.UID != int(uid) || seen.GID != int(uid) {
		t.Errorf("uid %d, gid %d, want %d", seen.UID, seen.GID, uid)
	}
	field := func(name string) string { return seen.StatusField(name) }
	if uid != 0 {
		id := fmt.Sprint(uid)
		if want := strings.Join([]string{id, id, id, id}, "\t"); field("Uid") != want || field("Gid") != want {
			t.Errorf("ids %q and %q, want all %d", field("Uid"), field("Gid"), uid)
		}
		for _, set := range []string{"CapEff", "CapPrm", "CapInh", "CapAmb"} {
			if strings.Trim(field(set), "0") != "" {
				t.Errorf("%s is %s, want none", set, field(set))
			}
		}
	}
	if len(seen.Groups) != 0 {
		t.Errorf("groups %v, want none", seen.Groups)
	}
	for _, name := range []string{"SigBlk", "SigPnd", "Seccomp"} {
		if strings.Trim(field(name), "0") != "" {
			t.Errorf("%s is %s, want 0", name, field(name))
		}
	}
	if seen.Umask&0o022 != 0o022 || seen.Umask&0o700 != 0 {
		t.Errorf("umask %#o", seen.Umask)
	}
}

// checkDescriptors: 0, 1, 2, the credential, and what the stand-in's own runtime
// opens before anybody can look.
func checkDescriptors(t *testing.T, seen lab.Inherited) {
	t.Helper()
	for fd, target := range seen.Fds {
		own := strings.HasPrefix(target, "/sys/fs/cgroup/") || strings.HasPrefix(target, "anon_inode:[event")
		if fd > 3 && !own {
			t.Errorf("stray descriptor %d: %s", fd, target)
		}
	}
	for fd := range 4 {
		if seen.Fds[fd] == "" {
			t.Errorf("descriptor %d is closed", fd)
		}
	}
	if !strings.HasPrefix(seen.Fds[3], "/memfd:") {
		t.Errorf("descriptor 3 is '%s', not a memory file", seen.Fds[3])
	}
}

const (
	allSeals   = 0x1 | 0x2 | 0x4 | 0x8 // SEAL, SHRINK, GROW, WRITE
	sealsExec  = 0x20
	permission = 0o777
)

func checkCredentialFile(t *testing.T, f *lab.Fixture, seen lab.Inherited, uid uint32) {
	t.Helper()
	file := seen.Fd3
	if file.Seals&^sealsExec != allSeals {
		t.Errorf("seals %#x, want at least %#x", file.Seals, allSeals)
	}
	if file.Mode&permission&0o177 != 0 || file.Mode&0o400 == 0 || file.UID != uid {
		t.Errorf("mode %#o of uid %d, want 0400 or 0600 of uid %d", file.Mode&permission, file.UID, uid)
	}
	for what, want := range map[string][]byte{"the key": f.Credential.KeyPEM, "the chain": f.Credential.ChainPEM} {
		if !bytes.Contains([]byte(seen.PrivateKey), bytes.TrimSpace(want)) {
			t.Errorf("%s is not in what the agent reads: %d bytes", what, len(seen.PrivateKey))
		}
	}
}

// The files beside the credential: exactly these, private to the agent's user,
// without a secret in them.
func TestFilesForTheAgent(t *testing.T) {
	t.Parallel()
	for _, uid := range []uint32{0, nobodyUID} {
		t.Run(fmt.Sprintf("uid %d", uid), func(t *testing.T) {
			t.Parallel()
			f := lab.NewFixture(t, lab.FixtureOptions{})
			f.Config.UID = uid
			lab.CheckExec(t, f.Run(t))
			dir := filepath.Join(f.RuntimeDir, "agent")
			checkFile(t, f.RuntimeDir, 0o755|os.ModeDir, 0)
			checkFile(t, dir, 0o700|os.ModeDir, uid)
			checkFile(t, filepath.Join(dir, "data"), 0o700|os.ModeDir, uid)
			checkFile(t, filepath.Join(dir, "agent.json"), 0o400, uid)
			checkFile(t, filepath.Join(dir, "bundle.pem"), 0o400, uid)
			checkTree(t, f, "agent", "agent/agent.json", "agent/bundle.pem", "agent/data")
		})
	}
}

func checkFile(t *testing.T, path string, mode os.FileMode, uid uint32) {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Error(err)
		return
	}
	if owner := info.Sys().(*syscall.Stat_t).Uid; info.Mode() != mode || owner != uid {
		t.Errorf("'%s' is %v of uid %d, want %v of uid %d", path, info.Mode(), owner, mode, uid)
	}
}

func checkTree(t *testing.T, f *lab.Fixture, want ...string) {
	t.Helper()
	var got []string
	err := filepath.WalkDir(f.RuntimeDir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || path == f.RuntimeDir {
			return err
		}
		relative, err := filepath.Rel(f.RuntimeDir, path)
		got = append(got, relative)
		if entry.Type().IsRegular() {
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			for what, trace := range f.Credential.Traces() {
				if bytes.Contains(text, trace) {
					t.Errorf("'%s' holds the %s of the key", relative, what)
				}
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, want) {
		t.Errorf("the runtime directory holds %q, want %q", got, want)
	}
}

func TestAgentConfiguration(t *testing.T) {
	t.Parallel()
	f := lab.NewFixture(t, lab.FixtureOptions{})
	f.Config.AgentVersion = "1.15.2"
	f.Config.Settings = "log_level = \"WARN\"\nworkload_x509_svid_key_type = \"ec-p384\"\n[agent.settings.experimental]\nsync_interval = \"2s\"\n"
	seen := lab.CheckExec(t, f.Run(t))
	config, err := lab.ParseAgentConfig([]byte(seen.Config))
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(f.RuntimeDir, "agent")
	for key, want := range map[string]string{
		"server_address": "127.0.0.1", "server_port": strconv.Itoa(f.Spire.Port), "trust_domain": lab.TrustDomain,
		"socket_path": f.Socket, "data_dir": filepath.Join(dir, "data"), "trust_bundle_path": filepath.Join(dir, "bundle.pem"),
		"log_level": "WARN", "workload_x509_svid_key_type": "ec-p384",
	} {
		if got := fmt.Sprint(config.Agent[key]); got != want {
			t.Errorf("agent.%s is '%s', want '%s'", key, got, want)
		}
	}
	if text := fmt.Sprint(config.Agent["experimental"]); !strings.Contains(text, "sync_interval:2s") {
		t.Errorf("agent.experimental is %s", text)
	}
	if insecure := config.Agent["insecure_bootstrap"]; insecure != nil && insecure != false {
		t.Errorf("agent.insecure_bootstrap is %v", insecure)
	}
	if strings.Index(seen.Config, `"agent"`) > strings.Index(seen.Config, `"plugins"`) || strings.Contains(seen.Config, `\/`) {
		t.Errorf("SPIRE's parser does not take this: %s", seen.Config)
	}
	checkPlugin(t, config, "KeyManager", "memory", nil)
	checkPlugin(t, config, "WorkloadAttestor", "unix", nil)
	checkPlugin(t, config, "NodeAttestor", "x509pop", map[string]string{
		"private_key_path": "/proc/self/fd/3", "certificate_path": "/proc/self/fd/3",
	})
	bundle, err := os.ReadFile(filepath.Join(dir, "bundle.pem"))
	if err != nil || !bytes.Equal(bytes.TrimSpace(bundle), bytes.TrimSpace(f.Spire.Bundle)) {
		t.Errorf("bundle.pem is not the server's bundle (%v): %s", err, bundle)
	}
}

func checkPlugin(t *testing.T, config *lab.AgentConfig, kind, name string, data map[string]string) {
	t.Helper()
	gotName, gotData, err := config.Plugin(kind)
	if err != nil {
		t.Error(err)
		return
	}
	got := map[string]string{}
	for key, value := range gotData {
		got[key] = fmt.Sprint(value)
	}
	if gotName != name || fmt.Sprint(got) != fmt.Sprint(data) {
		t.Errorf("%s is %s %v, want %s %v", kind, gotName, got, name, data)
	}
}

// The parent's ignored and blocked signals do not reach the agent. A shell tells,
// for it touches no signal before it starts anything.
func TestSignalsAreAsTheKernelSetsThem(t *testing.T) {
	t.Parallel()
	f := lab.NewFixture(t, lab.FixtureOptions{})
	f.Config.AgentPath = script(t, f.Dir, "#!/bin/sh\nexec cat /proc/self/status\n", 0o755)
	config := f.ConfigPath(t)
	p := lab.Start(t, 0, f.Dir, "/bin/sh", "-c", "trap '' PIPE HUP USR1; exec "+lab.Sealpod+" run --unmeasured-config "+config)
	p.Wait(t, waitLimit)
	for _, name := range []string{"SigIgn", "SigBlk"} {
		if value := (lab.Inherited{Status: p.Stdout.String()}).StatusField(name); strings.Trim(value, "0") != "" || value == "" {
			t.Errorf("%s is '%s', want none; status %d, stderr:\n%s", name, value, p.Status(), p.Stderr.String())
		}
	}
}

// Descriptors that whoever started sealpod left open do not reach the agent, and
// closed standard ones are not taken by something else. ls adds the directory
// that it reads.
func TestDescriptorsOfTheCaller(t *testing.T) {
	t.Parallel()
	f := lab.NewFixture(t, lab.FixtureOptions{})
	f.Config.AgentPath = script(t, f.Dir, "#!/bin/sh\nexec ls -l /proc/self/fd\n", 0o755)
	config := f.ConfigPath(t)
	p := lab.Start(t, 0, f.Dir, "/bin/sh", "-c",
		"exec 3</etc/passwd 4<&3 9<&3 0<&-; exec "+lab.Sealpod+" run --unmeasured-config "+config)
	p.Wait(t, waitLimit)
	var got []string
	for _, line := range strings.Split(p.Stdout.String(), "\n") {
		if left, target, ok := strings.Cut(line, " -> "); ok {
			number := left[strings.LastIndexByte(left, ' ')+1:]
			kind, _, _ := strings.Cut(target, ":")
			got = append(got, number+" "+regexp.MustCompile(`/proc/\d+/fd`).ReplaceAllString(kind, "directory"))
		}
	}
	if want := []string{"0 /dev/null", "1 pipe", "2 pipe", "3 /memfd", "4 directory"}; !slices.Equal(got, want) {
		t.Errorf("descriptors %q, want %q; status %d, stderr:\n%s", got, want, p.Status(), p.Stderr.String())
	}
}

// The real agent, started by sealpod, has the descriptors of one started by hand
// and the credential.
func TestDescriptorsOfTheRealAgent(t *testing.T) {
	t.Parallel()
	plain := lab.NewFixture(t, lab.FixtureOptions{RealAgent: true})
	byHand := startPlainAgent(t, plain)
	f := lab.NewFixture(t, lab.FixtureOptions{RealAgent: true})
	p, id := startAgent(t, f)
	lab.FetchID(t, f.Socket, workloadUID, id, 15*time.Second)
	if lab.Exe(p.Pid) != lab.Exe(byHand.Pid) {
		t.Errorf("process %d runs '%s', want '%s'", p.Pid, lab.Exe(p.Pid), lab.Exe(byHand.Pid))
	}
	environment, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", p.Pid))
	if err != nil {
		t.Fatal(err)
	}
	checkEnvironment(t, strings.FieldsFunc(string(environment), func(r rune) bool { return r == 0 }))
	if core := lab.Limit(t, p.Pid, "Max core file size"); core != "0 0" {
		t.Errorf("the agent's core file limit is '%s', want 0 0", core)
	}
	if workers := lab.Children(p.Pid); len(workers) != 0 {
		t.Errorf("the agent has children: %v", workers)
	}
	lab.Eventually(t, 15*time.Second, "both agents have the same kinds of descriptors", func() (bool, string) {
		got, want := kinds(lab.Fds(t, p.Pid)), kinds(lab.Fds(t, byHand.Pid))
		delete(got, "/memfd")
		return fmt.Sprint(got) == fmt.Sprint(want), fmt.Sprintf("%v, by hand %v", got, want)
	})
	fds := lab.Fds(t, p.Pid)
	if !strings.HasPrefix(fds[3], "/memfd:") || strings.Count(fmt.Sprint(fds), "/memfd:") != 1 {
		t.Errorf("descriptor 3 is '%s'; all: %v", fds[3], fds)
	}
}

// kinds counts descriptors by what they are; sockets to server and workloads come
// and go, so of them only their presence counts.
func kinds(fds map[int]string) map[string]bool {
	found := map[string]bool{}
	for _, target := range fds {
		kind, _, _ := strings.Cut(target, ":")
		found[kind] = true
	}
	return found
}
