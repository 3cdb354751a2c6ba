// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestMain lets the test binary be the command: it executes itself again.
func TestMain(m *testing.M) {
	if os.Getenv("SEALPOD_TEE_TEST_COMMAND") == "1" || isStaged() {
		main()
	}
	os.Exit(m.Run())
}

func isStaged() bool {
	for _, variable := range os.Environ() {
		if strings.HasPrefix(variable, "SEALPOD_TEE_STAGE=") {
			return true
		}
	}
	return false
}

func command(args ...string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), "SEALPOD_TEE_TEST_COMMAND=1")
	return cmd
}

func TestCommandLine(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "roots")
	if out, err := command("--make-roots", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	script := "cd /sys/kernel/config/tsm/report && mkdir a && printf %064d 0 > a/inblob && od -An -tx1 -j192 -N2 a/outblob && od -An -tx1 -j8 -N4 a/outblob"
	out, err := command("--roots", dir, "--kind", "snp", "--host-data", "beef", "--set", "policy=0xb0000", "--fault", "mkdir=EBUSY*1",
		"--without", "sev-guest,sev-marker", "--", "/bin/sh", "-c", "mkdir /sys/kernel/config/tsm/report/b; test ! -e /dev/sev-guest && "+script).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "be ef\n 00 00 0b 00\n") || !strings.Contains(string(out), "busy") {
		t.Errorf("%v: %s", err, out)
	}
	stored, _ := filepath.Glob(dir + "/amd/vcek/*/*_vcek.der")
	if len(stored) != 1 {
		t.Errorf("the store of VCEKs has %v", stored)
	}
}

func TestCommandRefuses(t *testing.T) {
	for _, args := range [][]string{
		{}, {"--kind", "sgx", "--", "true"}, {"--fault", "odd", "--", "true"}, {"--set", "policy", "--", "true"}, {"--unknown"},
		{"--roots", "/no/such", "--", "true"}, {"--", "/no/such/program"},
	} {
		out, err := command(args...).CombinedOutput()
		if err == nil || !strings.Contains(string(out), "tee: ") {
			t.Errorf("%v: %v: %s", args, err, out)
		}
	}
}
