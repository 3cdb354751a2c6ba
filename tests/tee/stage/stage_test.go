// SPDX-License-Identifier: Apache-2.0

package stage

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestFaultsAsText(t *testing.T) {
	for text, want := range map[string]Fault{
		"a": {Kind: "a"}, "a=b": {Kind: "a", Value: "b"}, "a=b=c*2": {Kind: "a", Value: "b=c", Count: 2}, "a*1": {Kind: "a", Count: 1},
	} {
		if got, err := ParseFault(text); err != nil || got != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"a*0", "a*x", "a*"} {
		if got, err := ParseFault(text); err == nil {
			t.Errorf("'%s' was taken: %+v", text, got)
		}
	}
}

func TestFaultsAreUsed(t *testing.T) {
	var l Faults
	l.Add(Fault{Kind: "a", Value: "7", Count: 2})
	l.Add(Fault{Kind: "set", Value: "x"})
	l.Add(Fault{Kind: "set", Value: "y", Count: 1})
	l.Add(Fault{Kind: "slow", Value: "2s"})
	for range 2 {
		if n, armed := l.Number("a"); !armed || n != 7 {
			t.Errorf("%d, %v", n, armed)
		}
	}
	if l.Armed("a") {
		t.Error("used twice, it is still armed")
	}
	if got := l.TakeAll("set"); !reflect.DeepEqual(got, []string{"x", "y"}) {
		t.Errorf("%v", got)
	}
	if got := l.TakeAll("set"); !reflect.DeepEqual(got, []string{"x"}) {
		t.Errorf("%v", got)
	}
	if l.Duration("slow") != 2*time.Second || l.Duration("fast") != 0 {
		t.Error("durations")
	}
	l.Clear()
	if len(l.All()) != 0 {
		t.Errorf("%v", l.All())
	}
}

func TestPort(t *testing.T) {
	var l Faults
	more := 0
	port := Port{
		Counters: func() any { return map[string]int{"seen": 3} }, Faults: &l,
		Check: func(f Fault) error {
			return CheckFault(map[string]func(string) error{"slow": IsDuration, "odd": IsEmpty}, f)
		},
		More: map[string]func(){"DELETE /hung": func() { more++ }},
	}
	address := "unix:" + filepath.Join(t.TempDir(), "c")
	stop, err := port.Serve(address)
	if err != nil {
		t.Fatal(err)
	}
	c := Client(address)
	var seen map[string]int
	for _, step := range []error{c.Counters(&seen), c.Arm("slow=1s*2"), c.Arm("odd"), c.Do("DELETE", "/hung", nil, nil)} {
		if step != nil {
			t.Error(step)
		}
	}
	if seen["seen"] != 3 || more != 1 || len(l.All()) != 2 {
		t.Errorf("%v, %d, %v", seen, more, l.All())
	}
	for _, text := range []string{"slow", "slow=x", "odd=1", "other", "odd*0"} {
		if c.Arm(text) == nil {
			t.Errorf("'%s' was armed", text)
		}
	}
	if err := c.Disarm(); err != nil || len(l.All()) != 0 {
		t.Errorf("%v, %v", err, l.All())
	}
	stop()
	if c.Disarm() == nil {
		t.Error("it is still served")
	}
	for _, address := range []string{"0.0.0.0:80", "127.0.0.1:0", "localhost", "/tmp/x"} {
		if stop, err := port.Serve(address); err == nil {
			stop()
			t.Errorf("'%s' was taken", address)
		}
	}
}

// The namespaces of these tests are not their own: whoever started them is in the same.
func TestNamespacesOfOthers(t *testing.T) {
	for _, kind := range []string{"mnt", "net"} {
		if err := NotOfParent(kind); err == nil || !strings.Contains(err.Error(), "refused") {
			t.Errorf("%s: %v", kind, err)
		}
	}
	if err := OwnMounts(); err == nil {
		t.Error("the mounts of others were taken for our own")
	}
}

// What the test binary is to say, of which namespace, where it is started by itself.
const askVariable = "SEALPOD_STAGE_TEST_ASK"

func TestMain(m *testing.M) {
	if kind := os.Getenv(askVariable); kind != "" {
		fmt.Print(Own(kind) == nil, NotOfParent(kind) == nil)
		return
	}
	os.Exit(m.Run())
}

func TestNamespacesOfOnesOwn(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("this needs root: it makes namespaces")
	}
	// Someone above may have made one for all tests.
	ours := fmt.Sprint(Own("mnt") == nil)
	for _, c := range []struct{ kind, command, want string }{
		{"net", `exec unshare --net "$0"`, "true true"},
		{"mnt", `exec unshare --mount "$0"`, "true true"},
		{"mnt", `exec unshare --net "$0"`, ours + " false"},
		{"net", `exec unshare --net sh -c '"$0"; :' "$0"`, "true false"}, // a shell in it, too
		// There the first process is the one that owns the namespace, and what is above is not seen.
		{"mnt", `exec unshare --mount --pid --fork --mount-proc sh -c '"$0"; :' "$0"`, "false false"},
		{"net", `exec unshare --net --pid --fork --mount-proc sh -c '"$0"; :' "$0"`, "false false"},
	} {
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("/bin/sh", "-c", c.command, self)
		cmd.Env = append(os.Environ(), askVariable+"="+c.kind)
		if out, err := cmd.CombinedOutput(); err != nil || string(out) != c.want {
			t.Errorf("%s: %s: '%s', want '%s' (%v)", c.kind, c.command, out, c.want, err)
		}
	}
}
