// SPDX-License-Identifier: Apache-2.0

package tee

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// shell runs a script on a machine.
func shell(t *testing.T, o Options, script string) *exec.Cmd {
	t.Helper()
	cmd := on(t, o, "steps")
	cmd.Args = []string{"tee", "/bin/sh", "-c", script}
	return cmd
}

// TestRefusesTheNamespaceOfOthers: the second stage alone must not mount anything.
func TestRefusesTheNamespaceOfOthers(t *testing.T) {
	before := mounts(t)
	cmd := exec.Command("/proc/self/exe", "/bin/true")
	o := Options{Kind: KindSNP, Roots: rootsDir()}
	cmd.Env = append(os.Environ(), staged.Variable+"="+encode(o))
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "refused") {
		t.Errorf("%v: %s", err, out)
	}
	if mounts(t) != before {
		t.Error("something was mounted")
	}
}

func TestStatusIsTheCommands(t *testing.T) {
	for script, want := range map[string]int{"exit 0": 0, "exit 101": 101, "kill -TERM $$": 128 + 15} {
		err := shell(t, Options{Kind: KindSNP}, script).Run()
		var exit *exec.ExitError
		got := 0
		if errors.As(err, &exit) {
			got = exit.ExitCode()
		}
		if got != want {
			t.Errorf("'%s': %d, want %d (%v)", script, got, want, err)
		}
	}
	if out, err := on(t, Options{Kind: KindSNP}, "steps").CombinedOutput(); err != nil || len(out) != 0 {
		t.Errorf("%v: %s", err, out)
	}
}

func TestEnvironmentAndSignalsPassThrough(t *testing.T) {
	address := control(t)
	o := Options{Kind: KindSNP, Control: address}
	cmd := shell(t, o, `trap 'exit 7' TERM; echo "$CANARY${SEALPOD_TEE_STAGE-}"; while :; do read x; done`)
	cmd.Env = append(cmd.Env, "CANARY=sings")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stdout)
	lines.Scan() // the trap is set by now
	said := lines.Text()
	// The command may speak before its starter has noted its number.
	c, err := NewControl(address).Counters()
	for limit := time.Now().Add(10 * time.Second); err == nil && c.CommandPID == 0 && time.Now().Before(limit); {
		time.Sleep(5 * time.Millisecond)
		c, err = NewControl(address).Counters()
	}
	if err != nil || c.CommandPID == 0 {
		t.Errorf("%v, counters %+v", err, c)
	}
	cmd.Process.Signal(syscall.SIGTERM)
	for lines.Scan() {
	}
	err = cmd.Wait()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 7 || said != "sings" {
		t.Errorf("%v: '%s'", err, said)
	}
}

func TestOrphansAreEnded(t *testing.T) {
	var out bytes.Buffer
	cmd := shell(t, Options{Kind: KindSNP}, `setsid sleep 1000 >/dev/null 2>&1 & echo $!`)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	pid, rest, _ := strings.Cut(out.String(), "\n")
	if !strings.Contains(rest, "left behind: "+pid+" (s") {
		t.Errorf("output: %s", out.String())
	}
	if _, err := os.Stat("/proc/" + pid); err == nil {
		t.Errorf("process %s is still there", pid)
	}
}

func TestControl(t *testing.T) {
	address := control(t)
	o := Options{Kind: KindSNP, Control: address}
	cmd := shell(t, o, "read x; exec mkdir "+dirConfigfs+"/a")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	cmd.Stderr = &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, address, "the command runs", func(c Counters) bool { return c.CommandPID > 0 })
	c := NewControl(address)
	for _, step := range []error{c.Arm("outblob=EIO"), c.Disarm(), c.Arm("mkdir=EBUSY*2")} {
		if step != nil {
			t.Error(step)
		}
	}
	if err := c.Arm("nonsense"); err == nil {
		t.Error("an unknown fault was armed")
	}
	io.WriteString(stdin, "\n")
	if err := cmd.Wait(); err == nil || !strings.Contains(out.String(), "busy") {
		t.Errorf("%v: %s", err, out.String())
	}
}

func TestWritesBesideTheKernelsFilesFail(t *testing.T) {
	out, _ := shell(t, Options{Kind: KindTDX}, "mkdir /sys/kernel/config/tsm/other; : > /sys/firmware/acpi/tables/data/CCEL; echo $?").CombinedOutput()
	if strings.Count(string(out), "Read-only") != 2 {
		t.Errorf("%s", out)
	}
}

func TestMeasurementsAndLogAreTheQuotes(t *testing.T) {
	script := `cd ` + dirConfigfs + ` && mkdir a && printf '%064d' 0 > a/inblob && cat a/outblob '` + dirMeasurements + `/rtmr2:sha384' ` + dirMeasurements + `/mrconfigid`
	out, err := shell(t, Options{Kind: KindTDX, MRConfigID: strings.Repeat("1f", 48)}, script).Output()
	if err != nil {
		t.Fatal(err)
	}
	quote, files := out[:len(out)-96], out[len(out)-96:]
	if !bytes.Equal(files[:48], quote[48+424:48+472]) || hex.EncodeToString(files[48:]) != strings.Repeat("1f", 48) {
		t.Errorf("%x", files)
	}
}

func TestOptionsRefuse(t *testing.T) {
	for name, o := range map[string]Options{
		"kind": {Kind: "sgx"}, "part": {Kind: KindSNP, With: []string{"tpm"}}, "product": {Kind: KindSNP, Product: "Rome"},
		"floor": {Kind: KindSNP, Floor: 4}, "fault": {Kind: KindSNP, Faults: []Fault{{Kind: "outblob", Value: "EWHAT"}}},
	} {
		if err := o.check(); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	for _, o := range []Options{
		{Kind: KindSNP, Set: map[string]string{"polcy": "0x1"}}, {Kind: KindSNP, HostData: "x"}, {Kind: KindTDX, MRConfigID: strings.Repeat("00", 49)},
		{Kind: KindTDX, Set: map[string]string{"mr_servicetd": "01"}}, {Kind: KindSNP, Roots: "/no/such"}, {Kind: KindSNP, Control: "0.0.0.0:80"},
	} {
		out, err := shell(t, o, "true").CombinedOutput()
		if err == nil {
			t.Errorf("%+v was taken: %s", o, out)
		}
	}
	if err := Enter(&Options{Kind: KindSNP}, nil); err == nil {
		t.Error("no command was taken")
	}
}

func TestFaultText(t *testing.T) {
	f, err := ParseFault("outblob=EBUSY*3")
	if err != nil || f != (Fault{Kind: "outblob", Value: "EBUSY", Count: 3}) {
		t.Errorf("%v %+v", err, f)
	}
	for _, text := range []string{"", "outblob", "outblob=EX", "hang=1", "delay=long", "certs=odd", "mkdir=EBUSY*0", "mkdir=EBUSY*x", "set=policy", "status=x", "trailing=no"} {
		if _, err := ParseFault(text); err == nil {
			t.Errorf("'%s' was taken", text)
		}
	}
}
