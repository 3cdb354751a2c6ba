// SPDX-License-Identifier: Apache-2.0

package tee

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

var (
	data64 = strings.Repeat("ab", 64)
	text   = func(s string) string { return "= " + hexOf(s) }
)

func hexOf(s string) string {
	const digits = "0123456789abcdef"
	var out strings.Builder
	for _, b := range []byte(s) {
		out.WriteByte(digits[b>>4])
		out.WriteByte(digits[b&15])
	}
	return out.String()
}

// check runs steps; want has one line a step. A line that ends in … is a prefix.
func check(t *testing.T, o Options, stepsAndWant ...string) {
	t.Helper()
	var steps, want []string
	for i := 0; i < len(stepsAndWant); i += 2 {
		steps, want = append(steps, stepsAndWant[i]), append(want, stepsAndWant[i+1])
	}
	got := strings.Split(strings.TrimSuffix(run(t, o, "steps", steps...), "\n"), "\n")
	for i := range steps {
		prefix, isPrefix := strings.CutSuffix(want[i], "…")
		if i >= len(got) || (isPrefix && !strings.HasPrefix(got[i], prefix)) || (!isPrefix && got[i] != want[i]) {
			t.Errorf("step '%.40s': got '%.200s', want '%.200s'", steps[i], strings.Join(got[min(i, len(got)-1):], "|"), want[i])
		}
	}
}

func snpWith(faults ...string) Options { return with(Options{Kind: KindSNP}, faults...) }

func tdxWith(faults ...string) Options { return with(Options{Kind: KindTDX}, faults...) }

func with(o Options, faults ...string) Options {
	for _, text := range faults {
		fault, err := ParseFault(text)
		if err != nil {
			panic(err)
		}
		o.Faults = append(o.Faults, fault)
	}
	return o
}

func TestGenerationCountsWrites(t *testing.T) {
	check(t, snpWith(),
		"mkdir a", "ok", "mkdir a", "errno 17",
		"read a/generation", text("0\n"), "read a/outblob", "EINVAL", "read a/auxblob", "EINVAL",
		"write a/inblob "+data64, "written", "read a/generation", text("1\n"),
		"read a/outblob", "= 03000000…", "read a/generation", text("1\n"),
		"text a/privlevel 1", "written", "read a/generation", text("2\n"),
		"text a/privlevel 4", "EINVAL", "text a/privlevel x", "EINVAL", "read a/generation", text("2\n"),
		"read a/provider", text("sev_guest\n"), "read a/privlevel_floor", text("0\n"),
		"rmdir a", "ok", "rmdir a", "ENOENT", "read a/generation", "open: ENOENT")
}

func TestAttributesRefuseWhatTheyCannot(t *testing.T) {
	check(t, snpWith(), "mkdir a", "ok", "read a/inblob", "open: EACCES", "read a/privlevel", "open: EACCES",
		"write a/outblob 00", "EACCES", "write a/generation 00", "EACCES", "unlink a/inblob", "EPERM", "unlink a", "errno 21", "mkdir a/b", "EPERM")
}

func TestRefusedInblobIsNotReported(t *testing.T) {
	check(t, snpWith(), "mkdir a", "ok", "write a/inblob "+data64+"00", "EFBIG", "read a/generation", text("0\n"),
		"write a/inblob "+data64[2:], "written", "read a/generation", text("1\n"), "read a/outblob", "EINVAL",
		"write a/inblob "+data64, "written", "read a/outblob", "= 03…")
	check(t, snpWith("refuse-inblob*1"), "mkdir a", "ok", "write a/inblob "+data64, "written", "read a/generation", text("0\n"),
		"read a/outblob", "EINVAL", "write a/inblob "+data64, "written", "read a/generation", text("1\n"))
}

// TestOneReportPerWish: reading twice, and both blobs, makes one report.
func TestOneReportPerWish(t *testing.T) {
	address := control(t)
	o := snpWith()
	o.Control = address
	cmd := on(t, o, "steps", "mkdir a", "write a/inblob "+data64, "read a/outblob", "read2 a/outblob", "read a/auxblob", "linger")
	out, err := lingering(t, cmd, address, func(c Counters) bool { return c.Reports >= 1 && c.Writes == 1 })
	if err != nil {
		t.Fatal(err, out)
	}
	lines := strings.Split(out, "\n")
	if lines[2] != lines[3] || len(lines[2]) != 2+2*1184 || len(lines[4]) < 5000 {
		t.Errorf("%d, %d and %d characters", len(lines[2]), len(lines[3]), len(lines[4]))
	}
}

// lingering runs a client that waits for its standard input to end, checks the
// counters meanwhile, and lets it end.
func lingering(t *testing.T, cmd *exec.Cmd, address string, want func(Counters) bool) (string, error) {
	t.Helper()
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	eventually(t, address, "counters", want)
	stdin.Close()
	err = cmd.Wait()
	return out.String(), err
}

func TestFaultsOfConfigfs(t *testing.T) {
	start := []string{"mkdir a", "ok", "write a/inblob " + data64, "written"}
	for fault, steps := range map[string][]string{
		"mkdir=EBUSY*1":    {"mkdir b", "EBUSY", "mkdir b", "ok"},
		"rmdir=EBUSY*1":    append(start, "rmdir a", "EBUSY", "rmdir a", "ok"),
		"inblob=EBUSY*1":   {"mkdir a", "ok", "write a/inblob " + data64, "EBUSY", "write a/inblob " + data64, "written"},
		"outblob=ENXIO":    append(start, "read a/outblob", "ENXIO", "read a/outblob", "ENXIO"),
		"outblob=EINTR*2":  append(start, "read a/outblob", "EINTR", "read a/outblob", "EINTR", "read a/outblob", "= 03…"),
		"auxblob=EIO":      append(start, "read a/auxblob", "EIO"),
		"generation=EIO*1": append(start, "read a/generation", "EIO", "read a/generation", text("1\n")),
		"empty*1":          append(start, "read a/outblob", "= "),
		"short=100":        append(start, "read a/outblob", "= 03…"),
		"status=0x16*1":    append(start, "read a/outblob", "EINVAL", "read a/outblob", "= 03…"),
		"status=0x5*1":     append(start, "read a/outblob", "ENXIO"),
		"certs=none":       append(start, "read a/auxblob", "= "),
		"other-writer*1":   append(start, "read a/outblob", "= 03…", "read a/generation", text("2\n")),
	} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			check(t, snpWith(fault), steps...)
		})
	}
}

func TestNoProvider(t *testing.T) {
	check(t, Options{Kind: KindSNP, Provider: "none"}, "mkdir a", "ENXIO")
	check(t, Options{Kind: KindSNP, Provider: "arm_cca_guest"}, "mkdir a", "ok", "read a/provider", text("arm_cca_guest\n"))
}

func TestFloor(t *testing.T) {
	check(t, Options{Kind: KindSNP, Floor: 2}, "mkdir a", "ok", "read a/privlevel_floor", text("2\n"),
		"write a/inblob "+data64, "written", "read a/outblob", "EINVAL", "text a/privlevel 1", "EINVAL",
		"text a/privlevel 2", "written", "read a/outblob", "= 03…")
}

func TestTDXHasNoAuxblob(t *testing.T) {
	check(t, tdxWith(), "mkdir a", "ok", "read a/provider", text("tdx_guest\n"), "read a/auxblob", "open: ENOENT",
		"text a/privlevel 0", "ENOENT", "write a/inblob "+data64, "written", "read a/outblob", "= 04000200…")
	check(t, with(Options{Kind: KindTDX15}, "trailing=pad"), "mkdir a", "ok", "write a/inblob "+data64, "written", "read a/outblob", "= 05000200…")
	check(t, tdxWith("empty"), "mkdir a", "ok", "write a/inblob "+data64, "written", "read a/outblob", "= ", "read a/generation", text("1\n"))
}

// TestDelayEndsWithASignal: the program is killed while the report is being made.
func TestDelayEndsWithASignal(t *testing.T) {
	start := time.Now()
	err := on(t, snpWith("delay=60s"), "steps", "mkdir a", "write a/inblob "+data64, "sigkill 50ms", "read a/outblob").Run()
	status, _ := err.(*exec.ExitError)
	if status == nil || status.ExitCode() != 128+int(syscall.SIGKILL) || time.Since(start) > 20*time.Second {
		t.Errorf("%v after %v", err, time.Since(start))
	}
}

func TestDelayIsOver(t *testing.T) {
	start := time.Now()
	check(t, snpWith("delay=300ms*1"), "mkdir a", "ok", "write a/inblob "+data64, "written", "read a/outblob", "= 03…")
	if took := time.Since(start); took < 300*time.Millisecond {
		t.Errorf("took %v", took)
	}
}

// TestHangIgnoresSignals: the reader cannot even be killed, nor can his instance be
// removed, and yet everything is gone when the command has ended.
func TestHangIgnoresSignals(t *testing.T) {
	address := control(t)
	o := snpWith("hang")
	o.Control = address
	cmd := on(t, o, "steps")
	script := `mkdir ` + dirConfigfs + `/a && printf '%064d' 0 > ` + dirConfigfs + `/a/inblob
cat ` + dirConfigfs + `/a/outblob & reader=$!
read go; kill -9 $reader; sleep 0.3; kill -0 $reader && grep -q '^State:.D' /proc/$reader/status && echo stuck
rmdir ` + dirConfigfs + `/a & sleep 0.3; kill -0 $! && echo waits`
	cmd.Args = []string{"/proc/self/exe", "/bin/sh", "-c", script}
	out := hangingOutput(t, cmd, address)
	if !strings.Contains(out, "stuck\nwaits\n") || !strings.Contains(out, "left behind") {
		t.Errorf("output: %s", out)
	}
}

func hangingOutput(t *testing.T, cmd *exec.Cmd, address string) string {
	t.Helper()
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	eventually(t, address, "a hung read", func(c Counters) bool { return c.Hung == 1 })
	stdin.Write([]byte("go\n"))
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v: %s", err, out.String())
	}
	return out.String()
}

func TestParts(t *testing.T) {
	paths := []string{dirConfigfs, "/dev/sev-guest", "/dev/tdx_guest", dirPlatform + "/sev-guest", dirMeasurements, dirACPI + "/CCEL", dirACPI + "/data/CCEL", "/dev/null"}
	for _, c := range []struct {
		o    Options
		want string
	}{
		{Options{Kind: KindSNP}, "yy-y---y"}, {Options{Kind: KindSNPIoctl}, "-y-y---y"}, {Options{Kind: KindTDX}, "y-y-yyyy"},
		{Options{Kind: KindSNP, With: []string{PartTDXGuest}, Without: []string{PartConfigfs, PartSEVMarker}}, "-yy----y"},
	} {
		got := ""
		for _, line := range strings.Split(strings.TrimSpace(run(t, c.o, "look", paths...)), "\n") {
			if strings.HasSuffix(line, " -") {
				got += "-"
			} else {
				got += "y"
			}
		}
		if got != c.want {
			t.Errorf("%s: %s, want %s", c.o.Kind, got, c.want)
		}
	}
}

func TestNothingIsLeftOutside(t *testing.T) {
	before := mounts(t)
	run(t, Options{Kind: KindSNP}, "look", "/dev/sev-guest")
	if after := mounts(t); after != before {
		t.Errorf("mounts before:\n%s\nafter:\n%s", before, after)
	}
	for _, path := range []string{dirConfigfs, "/dev/sev-guest"} {
		if _, err := os.Stat(path); err == nil {
			t.Errorf("'%s' exists outside", path)
		}
	}
}

func mounts(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
