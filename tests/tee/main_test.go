// SPDX-License-Identifier: Apache-2.0

package tee

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"sealpod.test/tee/forge"
)

// The test binary plays three parts: the tests, the command tee, and the program
// that runs on the emulated machine.
const (
	enterVariable  = "SEALPOD_TEE_TEST_ENTER"  // options in JSON
	clientVariable = "SEALPOD_TEE_TEST_CLIENT" // name of a client
)

func TestMain(m *testing.M) {
	if status, ran, err := Inside(); ran {
		if err != nil {
			fmt.Fprintln(os.Stderr, "tee:", err)
		}
		os.Exit(status)
	}
	if text, set := os.LookupEnv(enterVariable); set {
		os.Unsetenv(enterVariable)
		o := &Options{}
		err := json.Unmarshal([]byte(text), o)
		if err == nil {
			err = Enter(o, os.Args[1:])
		}
		fmt.Fprintln(os.Stderr, "tee:", err)
		os.Exit(2)
	}
	if name, set := os.LookupEnv(clientVariable); set {
		os.Exit(clients[name](os.Args[1:]))
	}
	status := m.Run()
	os.RemoveAll(rootsDir())
	os.Exit(status)
}

// rootsDir holds the roots of the whole run.
var rootsDir = sync.OnceValue(func() string {
	dir, err := os.MkdirTemp("", "tee-roots-")
	if err != nil {
		panic(err)
	}
	roots, err := forge.NewRoots()
	if err == nil {
		err = roots.Write(dir)
	}
	if err != nil {
		panic(err)
	}
	return dir
})

func encode(o Options) string {
	text, err := json.Marshal(o)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// on prepares a client of this binary on a machine.
func on(t *testing.T, o Options, client string, args ...string) *exec.Cmd {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("these tests need root: they mount file systems in a namespace of their own")
	}
	if o.Roots == "" {
		o.Roots = rootsDir()
	}
	cmd := exec.Command("/proc/self/exe", append([]string{"/proc/self/exe"}, args...)...)
	cmd.Env = append(os.Environ(), enterVariable+"="+encode(o), clientVariable+"="+client)
	return cmd
}

// run runs a client to its end.
func run(t *testing.T, o Options, client string, args ...string) string {
	t.Helper()
	cmd := on(t, o, client, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %v\n%s%s", args, err, out.String(), errs.String())
	}
	if errs.Len() > 0 {
		t.Errorf("standard error: %s", errs.String())
	}
	return out.String()
}

var clients = map[string]func(args []string) int{
	"steps": stepsClient, "google-snp": googleSNP, "google-ioctl": googleIoctl, "google-tdx": googleTDX, "look": lookClient,
	"ioctl": ioctlClient, "tdreport": tdreportClient,
}

// stepsClient carries out steps and says what came of each, a line a step:
//
//	mkdir N, rmdir N, unlink N/A
//	write N/A HEX    open, write, close: "written", and what failed
//	read N/A         the bytes in hexadecimal
//	read2 N/A        reads a second time from the same descriptor
//	text N/A TEXT    likewise, of text
//	sigkill D        kills ourselves after D
//	linger           waits for the end of standard input
func stepsClient(args []string) int {
	os.Chdir(dirConfigfs)
	for _, step := range args {
		fmt.Println(oneStep(strings.Fields(step)))
	}
	return 0
}

func oneStep(words []string) string {
	var err error
	switch words[0] {
	case "mkdir":
		err = syscall.Mkdir(words[1], 0o755)
	case "rmdir":
		err = syscall.Rmdir(words[1])
	case "unlink":
		err = syscall.Unlink(words[1])
	case "write":
		data, _ := hex.DecodeString(words[2])
		return writeStep(words[1], data)
	case "text":
		return writeStep(words[1], []byte(words[2]))
	case "read":
		return readStep(words[1], 1)
	case "read2":
		return readStep(words[1], 2)
	case "linger":
		io.Copy(io.Discard, os.Stdin)
	case "sigkill":
		delay, _ := time.ParseDuration(words[1])
		pid := os.Getpid()
		time.AfterFunc(delay, func() { syscall.Kill(pid, syscall.SIGKILL) })
	}
	return outcome("ok", err)
}

func outcome(good string, err error) string {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		for name, value := range errnos {
			if value == errno {
				return name
			}
		}
		return "errno " + strconv.Itoa(int(errno))
	}
	return good
}

func writeStep(path string, data []byte) string {
	fd, err := syscall.Open(path, syscall.O_WRONLY, 0)
	if err != nil {
		return outcome("", err)
	}
	_, err = syscall.Write(fd, data)
	if closed := syscall.Close(fd); closed != nil {
		return "close: " + outcome("", closed)
	}
	return outcome("written", err)
}

func readStep(path string, times int) string {
	fd, err := syscall.Open(path, syscall.O_RDONLY, 0)
	if err != nil {
		return "open: " + outcome("", err)
	}
	defer syscall.Close(fd)
	var all []byte
	chunk := make([]byte, 700)
	for range times {
		for {
			n, err := syscall.Read(fd, chunk)
			if err != nil {
				return outcome("", err)
			}
			if n == 0 {
				break
			}
			all = append(all, chunk[:n]...)
		}
	}
	return "= " + hex.EncodeToString(all)
}

// lookClient lists paths: "PATH MODE SIZE" or "PATH -".
func lookClient(args []string) int {
	for _, path := range args {
		info, err := os.Stat(path)
		if err != nil {
			fmt.Println(path, "-")
			continue
		}
		fmt.Println(path, info.Mode(), info.Size())
	}
	return 0
}

// control is an address for the control port of one test.
func control(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "tee-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return "unix:" + filepath.Join(dir, "c")
}

// eventually polls the counters until what is wanted is seen.
func eventually(t *testing.T, address, what string, seen func(Counters) bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		c, err := NewControl(address).Counters()
		if err == nil && seen(c) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not seen: %s; %v, %+v", what, err, c)
		}
		runtime.Gosched()
		time.Sleep(5 * time.Millisecond)
	}
}
