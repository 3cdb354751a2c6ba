// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	bpf "github.com/elastic/go-seccomp-bpf"
	"github.com/elastic/go-seccomp-bpf/arch"
	profile "github.com/moby/profiles/seccomp"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"sealpod.test/e2e/lab"
)

// A container as a kubelet makes it for a pod of the restricted profile: arbitrary
// user, no capability, none to be had, read-only root but for what is mounted, the
// container runtime's own seccomp filter, 64 KiB of lockable memory, and a network of
// its own. Namespaces of processes and users are the test's.

// containerPart is the first argument of this binary where it is to be the container.
const containerPart = "be-a-container"

// container says what one is. Writable directories are its emptyDir volumes.
type container struct {
	UID      int
	GID      int   // 0: the number of the user
	Groups   []int // further ones
	Writable []string
	Network  string // path of the namespace; empty: the test's
	Agent    string // a spire-agent, which is then where SPIRE's own image has it
}

// stockAgent is the agent of SPIRE's own image.
const stockAgent = "/opt/spire/bin/spire-agent"

// devices are all that a runtime gives to a container that asks for none.
var devices = []string{"full", "null", "random", "tty", "urandom", "zero"}

const memoryLock = 64 << 10

// start starts a program in the container. The process becomes it.
func (c container) start(t *testing.T, argv ...string) *lab.Process {
	t.Helper()
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return lab.Start(t, 0, "/", append([]string{self, containerPart, string(text)}, argv...)...)
}

// playContainer turns this process into a container's if that is its part.
func playContainer() {
	if len(os.Args) < 4 || os.Args[1] != containerPart {
		return
	}
	var c container
	err := json.Unmarshal([]byte(os.Args[2]), &c)
	if err == nil {
		err = c.enter(os.Args[3:])
	}
	fmt.Fprintln(os.Stderr, "container:", err)
	os.Exit(1)
}

// enter returns on failure only. What it sets belongs to this thread, which becomes
// the process.
func (c container) enter(argv []string) error {
	runtime.LockOSThread()
	for _, step := range []func() error{c.mounts, c.network, limits, noCapabilities, c.user, runtimeDefault, c.check} {
		if err := step(); err != nil {
			return err
		}
	}
	path, err := exec.LookPath(argv[0])
	if err != nil {
		return err
	}
	return syscall.Exec(path, argv, os.Environ())
}

// mounts leaves nothing writable but the volumes.
func (c container) mounts() error {
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return err
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	for _, dir := range c.Writable {
		if err := unix.Mount(dir, dir, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("volume '%s': %w", dir, err)
		}
	}
	// Nothing of the guest is seen: no device of the TEE, no socket of its components.
	for _, dir := range []string{"/run", "/sys/kernel", "/sys/firmware"} {
		if err := hide(dir); err != nil {
			return err
		}
	}
	if err := ownDevices(); err != nil {
		return err
	}
	if err := c.image(); err != nil {
		return err
	}
	if err := unix.MountSetattr(unix.AT_FDCWD, "/", unix.AT_RECURSIVE, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}); err != nil {
		return fmt.Errorf("make the root read-only: %w", err)
	}
	for _, dir := range c.Writable {
		if err := unix.MountSetattr(unix.AT_FDCWD, dir, 0, &unix.MountAttr{Attr_clr: unix.MOUNT_ATTR_RDONLY}); err != nil {
			return fmt.Errorf("make '%s' writable: %w", dir, err)
		}
	}
	return os.Chdir("/")
}

func hide(dir string) error {
	if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_NOSUID, "mode=0755"); err != nil {
		return fmt.Errorf("hide '%s': %w", dir, err)
	}
	return nil
}

// ownDevices makes a /dev of the container's own.
func ownDevices() error {
	fds := map[string]int{}
	for _, name := range devices {
		fd, err := unix.Open("/dev/"+name, unix.O_PATH|unix.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("device '%s': %w", name, err)
		}
		defer unix.Close(fd)
		fds[name] = fd
	}
	if err := hide("/dev"); err != nil {
		return err
	}
	for name, fd := range fds {
		if err := os.WriteFile("/dev/"+name, nil, 0o666); err != nil {
			return err
		}
		if err := unix.Mount(fmt.Sprintf("/proc/self/fd/%d", fd), "/dev/"+name, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("device '%s': %w", name, err)
		}
	}
	return nil
}

// image puts the agent where its own image has it.
func (c container) image() error {
	if c.Agent == "" {
		return nil
	}
	if err := hide("/opt"); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(stockAgent), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(stockAgent, nil, 0o755); err != nil {
		return err
	}
	return unix.Mount(c.Agent, stockAgent, "", unix.MS_BIND, "")
}

func (c container) network() error {
	if c.Network == "" {
		return nil
	}
	fd, err := unix.Open(c.Network, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	return unix.Setns(fd, unix.CLONE_NEWNET)
}

func limits() error {
	return unix.Setrlimit(unix.RLIMIT_MEMLOCK, &unix.Rlimit{Cur: memoryLock, Max: memoryLock})
}

func noCapabilities() error {
	for capability := uintptr(0); ; capability++ {
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, capability, 0, 0, 0); errors.Is(err, unix.EINVAL) {
			return nil // past the last one
		} else if err != nil {
			return err
		}
	}
}

func (c container) user() error {
	group := cmp.Or(c.GID, c.UID)
	if err := syscall.Setgroups(append([]int{group}, c.Groups...)); err != nil {
		return err
	}
	if err := syscall.Setresgid(group, group, group); err != nil {
		return err
	}
	return syscall.Setresuid(c.UID, c.UID, c.UID)
}

// runtimeDefault loads the profile that Docker and containerd are built with, as it
// is for a container without capabilities.
func runtimeDefault() error {
	rules, err := profile.GetDefaultProfile(&specs.Spec{Process: &specs.Process{Capabilities: &specs.LinuxCapabilities{}}})
	if err != nil {
		return err
	}
	policy := bpf.Policy{DefaultAction: bpf.ActionErrno}
	for _, rule := range rules.Syscalls {
		group, err := groupOf(rule)
		if err != nil {
			return err
		}
		if len(group.Names)+len(group.NamesWithCondtions) > 0 {
			policy.Syscalls = append(policy.Syscalls, group)
		}
	}
	return bpf.LoadFilter(bpf.Filter{NoNewPrivs: true, Policy: policy})
}

// operations are the profile's in the assembler's words; of the masked comparison only
// that with zero.
var operations = map[specs.LinuxSeccompOperator]bpf.Operation{
	specs.OpEqualTo: bpf.Equal, specs.OpNotEqual: bpf.NotEqual, specs.OpMaskedEqual: bpf.BitsNotSet,
	specs.OpLessThan: bpf.LessThan, specs.OpLessEqual: bpf.LessOrEqual,
	specs.OpGreaterThan: bpf.GreaterThan, specs.OpGreaterEqual: bpf.GreaterOrEqual,
}

// groupOf writes a rule for the assembler. Names that this architecture does not have
// are left out, as container runtimes do.
func groupOf(rule specs.LinuxSyscall) (group bpf.SyscallGroup, err error) {
	switch {
	case rule.Action == specs.ActAllow:
		group.Action = bpf.ActionAllow
	case rule.Action == specs.ActErrno && rule.ErrnoRet != nil:
		group.Action = bpf.ActionErrno | bpf.Action(*rule.ErrnoRet)
	default:
		return group, fmt.Errorf("seccomp: no action '%s'", rule.Action)
	}
	conditions := bpf.ArgumentConditions{}
	for _, arg := range rule.Args {
		operation, known := operations[arg.Op]
		if !known || arg.Op == specs.OpMaskedEqual && arg.ValueTwo != 0 {
			return group, fmt.Errorf("seccomp: no operation '%s'", arg.Op)
		}
		conditions = append(conditions, bpf.Condition{Argument: uint32(arg.Index), Value: arg.Value, Operation: operation})
	}
	info, err := arch.GetInfo("")
	if err != nil {
		return group, err
	}
	for _, name := range rule.Names {
		_, known := info.SyscallNames[name]
		switch {
		case !known:
		case len(conditions) == 0:
			group.Names = append(group.Names, name)
		default:
			group.NamesWithCondtions = append(group.NamesWithCondtions, bpf.NameWithConditions{Name: name, Conditions: conditions})
		}
	}
	return group, nil
}

// check refuses to be a container that is none.
func (c container) check() error {
	if err := os.WriteFile("/sealpod-container", nil, 0o600); !errors.Is(err, unix.EROFS) && !errors.Is(err, unix.EACCES) {
		return fmt.Errorf("the root can be written to: %v", err)
	}
	var fs unix.Statfs_t
	target := "/tmp"
	if len(c.Writable) > 0 {
		target = c.Writable[0]
	}
	for _, dir := range []string{"/", "/tmp", "/run", "/dev", filepath.Dir(target)} {
		if err := unix.Statfs(dir, &fs); err != nil || fs.Flags&unix.ST_RDONLY == 0 {
			return fmt.Errorf("'%s' is writable (%v)", dir, err)
		}
	}
	seen, err := filepath.Glob("/dev/*")
	if err != nil || strings.Join(seen, " ") != "/dev/"+strings.Join(devices, " /dev/") {
		return fmt.Errorf("it sees the devices %v (%v)", seen, err)
	}
	for _, try := range []struct {
		name string
		err  error
	}{
		{"unshare", unix.Unshare(unix.CLONE_NEWUSER)},
		{"mount", unix.Mount("tmpfs", target, "tmpfs", 0, "")},
		{"keyctl", func() error { _, err := unix.KeyctlGetKeyringID(unix.KEY_SPEC_SESSION_KEYRING, false); return err }()},
		{"bpf", func() error { _, _, e := unix.Syscall(unix.SYS_BPF, 0, 0, 0); return e }()},
	} {
		if !errors.Is(try.err, unix.EPERM) {
			return fmt.Errorf("%s: %v, want it forbidden", try.name, try.err)
		}
	}
	return nil
}

// podNetwork is a network namespace in which nothing is but a loopback interface.
type podNetwork struct {
	path  string
	calls chan func()
}

// newPodNetwork makes one; it lasts as long as the test.
func newPodNetwork(t *testing.T) *podNetwork {
	t.Helper()
	n := &podNetwork{calls: make(chan func())}
	ready := make(chan error)
	go n.live(ready)
	if err := <-ready; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { close(n.calls) })
	return n
}

// live keeps a thread in the namespace; the thread ends with it.
func (n *podNetwork) live(ready chan<- error) {
	runtime.LockOSThread()
	err := unix.Unshare(unix.CLONE_NEWNET)
	if err == nil {
		n.path = fmt.Sprintf("/proc/%d/task/%d/ns/net", os.Getpid(), unix.Gettid())
		err = loopbackUp()
	}
	ready <- err
	for call := range n.calls {
		call()
	}
}

func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	request, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	request.SetUint16(unix.IFF_UP)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, request)
}

// do carries something out in the namespace: sockets that it opens stay there.
func (n *podNetwork) do(call func() error) error {
	done := make(chan error)
	n.calls <- func() { done <- call() }
	return <-done
}

// forward makes a port of the namespace lead to one of the test, and counts who came.
func (n *podNetwork) forward(t *testing.T, port, target int) *atomic.Int64 {
	t.Helper()
	var listener net.Listener
	err := n.do(func() (err error) {
		listener, err = net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	came := new(atomic.Int64)
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			came.Add(1)
			server, err := net.Dial("tcp", "127.0.0.1:"+strconv.Itoa(target))
			if err != nil {
				client.Close()
				continue
			}
			go passOn(client, server)
			go passOn(server, client)
		}
	}()
	return came
}

// checkContained checks from outside what the process may do.
func checkContained(t *testing.T, pid int, uid int) {
	t.Helper()
	id := strconv.Itoa(uid)
	for name, want := range map[string]string{
		"Uid": strings.Join([]string{id, id, id, id}, "\t"), "Gid": strings.Join([]string{id, id, id, id}, "\t"), "Groups": id,
		"CapInh": strings.Repeat("0", 16), "CapPrm": strings.Repeat("0", 16), "CapEff": strings.Repeat("0", 16),
		"CapBnd": strings.Repeat("0", 16), "CapAmb": strings.Repeat("0", 16), "NoNewPrivs": "1", "Seccomp": "2",
	} {
		if got := lab.StatusField(pid, name); got != want {
			t.Errorf("process %d: %s '%s', want '%s'", pid, name, got, want)
		}
	}
	if got := lab.Limit(t, pid, "Max locked memory"); got != "65536 65536" {
		t.Errorf("process %d: lockable memory '%s'", pid, got)
	}
	routes, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/route", pid))
	if err != nil {
		t.Fatal(err)
	}
	devices, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/dev", pid))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Count(string(routes), "\n") != 1 || strings.Count(string(devices), ":") != 1 || !strings.Contains(string(devices), "lo:") {
		t.Errorf("process %d sees more than loopback:\n%s%s", pid, routes, devices)
	}
}
