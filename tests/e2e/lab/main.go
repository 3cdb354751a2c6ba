// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// What the environment says is under test.
var (
	Sealpod        = os.Getenv("SEALPOD")         // test build, with the sample attester
	SealpodRelease = os.Getenv("SEALPOD_RELEASE") // release build, without
	SpireServer    = os.Getenv("SPIRE_SERVER")
	SpireAgent     = os.Getenv("SPIRE_AGENT")
	Long           = os.Getenv("SEALPOD_LONG") == "1"
)

// Words before the program under test, say a valgrind command line.
var prefixText = os.Getenv("SEALPOD_PREFIX")

// The same binary plays several parts; the environment names the part.
const (
	stageVariable = "SEALPOD_E2E_STAGE"
	stageInit     = "init"  // first process of the namespaces
	stageTests    = "tests" // the tests themselves
	stageFetch    = "fetch" // a workload that asks for its SVID
	stageTrace    = "trace" // a tracer
)

// Main is to be called by TestMain. It runs the tests within budget, says how
// much of it they took, and ends the process.
func Main(m *testing.M, budget time.Duration) {
	if isStandIn() {
		standInMain() // its environment is the program's, and names no part
	}
	switch os.Getenv(stageVariable) {
	case "":
		os.Exit(enterNamespaces())
	case stageInit:
		os.Exit(initMain())
	case stageFetch:
		fetchMain()
	case stageTrace:
		traceMain()
	case stageTests:
		os.Exit(testsMain(m, budget))
	}
	die("unknown part '%s' in %s", os.Getenv(stageVariable), stageVariable)
}

func die(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "e2e: "+format+"\n", args...)
	os.Exit(1)
}

// enterNamespaces starts this binary again as first process of a new PID
// namespace and hands its exit status through.
func enterNamespaces() int {
	if os.Geteuid() != 0 {
		die("the end-to-end tests need root: they run processes as several users, in namespaces of their own")
	}
	// The kernel kills the child when this thread ends, so it must not end early.
	runtime.LockOSThread()
	// By its path: /proc/self/exe would be the file as the old mount namespace has it, which in a chroot has
	// another name in the new one.
	cmd := exec.Command(executable(), os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), stageVariable+"="+stageInit)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS,
		Pdeathsig:  syscall.SIGKILL,
	}
	if err := cmd.Start(); err != nil {
		die("start in a PID and mount namespace: %v", err)
	}
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT)
	go func() {
		for s := range signals {
			cmd.Process.Signal(s)
		}
	}()
	return exitStatus(cmd.Wait())
}

func executable() string {
	self, err := os.Executable()
	if err != nil {
		die("%v", err)
	}
	return self
}

func exitStatus(err error) int {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit) && exit.ExitCode() >= 0:
		return exit.ExitCode()
	}
	fmt.Fprintf(os.Stderr, "e2e: %v\n", err)
	return 1
}

// initMain is what a PID namespace needs as its first process: it starts the
// tests and reaps whatever is orphaned. The kernel ends the rest with it.
func initMain() int {
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		die("make mounts private: %v", err)
	}
	if err := syscall.Mount("proc", "/proc", "proc", syscall.MS_NOSUID|syscall.MS_NODEV|syscall.MS_NOEXEC, ""); err != nil {
		die("mount /proc: %v", err)
	}
	os.Setenv(stageVariable, stageTests)
	tests, err := syscall.ForkExec(executable(), os.Args, &syscall.ProcAttr{Env: os.Environ(), Files: []uintptr{0, 1, 2}})
	if err != nil {
		die("start the tests: %v", err)
	}
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT)
	go func() {
		for s := range signals {
			syscall.Kill(tests, s.(syscall.Signal))
		}
	}()
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		if err == syscall.EINTR || (err == nil && pid != tests) {
			continue
		}
		if err != nil || !status.Exited() {
			fmt.Fprintf(os.Stderr, "e2e: the tests ended by %v (%v)\n", status.Signal(), err)
			return 1
		}
		return status.ExitStatus()
	}
}

// Root is the directory of this run: world-readable, gone at the end. Disk in it
// is on a disk, Mem on a tmpfs.
var Root, Mem, Disk string

func testsMain(m *testing.M, budget time.Duration) int {
	start := time.Now()
	flag.Parse()
	// Most tests wait more than they compute.
	if parallel := flag.Lookup("test.parallel"); parallel.Value.String() == strconv.Itoa(runtime.GOMAXPROCS(0)) {
		many := "8"
		if Wrapped() {
			many = "3"
		}
		if err := parallel.Value.Set(many); err != nil {
			die("%v", err)
		}
	}
	if missing := Missing(); missing != "" {
		fmt.Printf("FAIL: %s\n", missing)
		return 1
	}
	if err := makeRoot(); err != nil {
		die("%v", err)
	}
	defer os.RemoveAll(Root)
	defer os.RemoveAll(Disk)
	defer syscall.Unmount(Mem, syscall.MNT_DETACH)
	status := 1
	if err := publish(&Sealpod, &SealpodRelease, &SpireAgent); err != nil {
		fmt.Printf("FAIL: %v\n", err)
	} else {
		status = m.Run()
		stopServers()
		if left := Orphans(); len(left) > 0 {
			fmt.Printf("FAIL: processes were left behind: %v\n", left)
			status = 1
		}
	}
	fmt.Printf("e2e: %.0f s of %.0f s\n", time.Since(start).Seconds(), budget.Seconds())
	return status
}

func makeRoot() (err error) {
	if Root, err = os.MkdirTemp("", "se-"); err != nil {
		return err
	}
	if err = os.Chmod(Root, 0o755); err != nil {
		return err
	}
	Mem = filepath.Join(Root, "m")
	if err = os.Mkdir(Mem, 0o755); err != nil {
		return err
	}
	if err = syscall.Mount("tmpfs", Mem, "tmpfs", syscall.MS_NOSUID|syscall.MS_NODEV, "mode=0755,size=64m"); err != nil {
		return fmt.Errorf("mount a tmpfs: %w", err)
	}
	Disk, err = diskDir()
	return err
}

// publish links or copies programs to where every user may execute them.
func publish(paths ...*string) error {
	for i, path := range paths {
		dir := filepath.Join(Root, fmt.Sprint(i))
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
		public := filepath.Join(dir, filepath.Base(*path))
		resolved, err := filepath.EvalSymlinks(*path)
		if err != nil {
			return err
		}
		if os.Link(resolved, public) != nil {
			text, err := os.ReadFile(resolved)
			if err != nil {
				return err
			}
			if err := os.WriteFile(public, text, 0o755); err != nil {
				return err
			}
		}
		*path = public
	}
	return nil
}

// diskDir makes a directory on a file system that is not in memory.
func diskDir() (string, error) {
	wd, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for _, parent := range []string{os.TempDir(), "/var/tmp", "/root", wd} {
		var fs syscall.Statfs_t
		if syscall.Statfs(parent, &fs) != nil || fs.Type == tmpfsMagic || fs.Type == ramfsMagic {
			continue
		}
		dir, err := os.MkdirTemp(parent, "se-disk-")
		if err == nil {
			return dir, os.Chmod(dir, 0o755)
		}
	}
	return "", errors.New("found no directory on a disk: the test of a runtime directory on one needs it")
}

const (
	tmpfsMagic = 0x01021994
	ramfsMagic = 0x858458f6
)

// Missing says which program the environment does not name, and how to get it.
func Missing() string {
	for _, p := range []struct{ variable, path, build string }{
		{"SEALPOD", Sealpod, "meson setup build/e2e-sample -Dsample_attester=true && ninja -C build/e2e-sample"},
		{"SEALPOD_RELEASE", SealpodRelease, "meson setup build/e2e-release && ninja -C build/e2e-release"},
		{"SPIRE_SERVER", SpireServer, "tests/spire/build.sh (prints the directory)"},
		{"SPIRE_AGENT", SpireAgent, "tests/spire/build.sh (prints the directory)"},
	} {
		if p.path == "" {
			return fmt.Sprintf("%s is not set: it must name a program; build it with: %s", p.variable, p.build)
		}
		if !filepath.IsAbs(p.path) {
			return fmt.Sprintf("%s='%s' is not an absolute path", p.variable, p.path)
		}
		if info, err := os.Stat(p.path); err != nil || !info.Mode().IsRegular() || info.Mode()&0o111 == 0 {
			return fmt.Sprintf("%s='%s' is not a program; build it with: %s", p.variable, p.path, p.build)
		}
	}
	return ""
}
