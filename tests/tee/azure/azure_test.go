// SPDX-License-Identifier: Apache-2.0

package azure_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"sealpod.test/azure"
	"sealpod.test/kbs"
	"sealpod.test/kbs/hardware"
	"sealpod.test/tee/forge"
)

// TestMain lets the test binary be the machine: it executes itself again.
func TestMain(m *testing.M) {
	status, ran, err := azure.Inside()
	if ran {
		if err != nil {
			fmt.Fprintln(os.Stderr, "azure:", err)
		}
		os.Exit(status)
	}
	if options := os.Getenv("SEALPOD_AZURE_TEST"); options != "" {
		os.Unsetenv("SEALPOD_AZURE_TEST")
		o := &azure.Options{}
		if err := json.Unmarshal([]byte(options), o); err == nil {
			err = azure.Enter(o, os.Args[1:])
			fmt.Fprintln(os.Stderr, "azure:", err)
		}
		os.Exit(2)
	}
	if text := os.Getenv(visitVariable); text != "" {
		if err := visitHere(text); err != nil {
			fmt.Fprintln(os.Stderr, "visit:", err)
			os.Exit(3)
		}
		os.Exit(0)
	}
	code := m.Run()
	os.RemoveAll(rootsDir)
	os.Exit(code)
}

var rootsDir string

// trusted are throw-away roots and who trusts them.
var trusted = sync.OnceValues(func() (map[string]kbs.Verifier, error) {
	var err error
	if rootsDir, err = os.MkdirTemp("", "sealpod-azure-roots-"); err != nil {
		return nil, err
	}
	made, err := forge.NewRoots()
	if err == nil {
		err = made.Write(rootsDir)
	}
	if err != nil {
		return nil, err
	}
	roots, err := hardware.Load(rootsDir)
	if err != nil {
		return nil, err
	}
	verifiers := map[string]kbs.Verifier{}
	for _, v := range roots.Verifiers() {
		verifiers[v.Name()] = v
	}
	return verifiers, nil
})

// needs skips where a test cannot be made.
func needs(t *testing.T) string {
	t.Helper()
	sealpod := os.Getenv("SEALPOD")
	if sealpod == "" {
		t.Skip("SEALPOD names no program")
	}
	if os.Geteuid() != 0 {
		t.Skip("this needs root")
	}
	if _, err := exec.LookPath("swtpm"); err != nil {
		t.Skip("swtpm is not installed")
	}
	if _, err := trusted(); err != nil {
		t.Fatal(err)
	}
	return sealpod
}

var reportData = []byte("the report data of these tests, 48 bytes long...")

type result struct {
	status         int
	stdout, stderr []byte
	took           time.Duration
	counters       azure.Counters
}

// on runs a command on a machine.
func on(t *testing.T, o azure.Options, argv ...string) result {
	t.Helper()
	o.Roots = rootsDir
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/proc/self/exe", argv...)
	cmd.Env = append(os.Environ(), "SEALPOD_AZURE_TEST="+string(text))
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	began := time.Now()
	err = cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return result{status: cmd.ProcessState.ExitCode(), stdout: stdout.Bytes(), stderr: stderr.Bytes(), took: time.Since(began)}
}

// attest runs `sealpod attest` and leaves the machine's counters behind.
func attest(t *testing.T, o azure.Options, deadline string) result {
	t.Helper()
	dir := t.TempDir()
	o.Control = filepath.Join(dir, "control")
	// The counters are asked for by the shell, while the machine still exists.
	script := `"$1" attest --format json --report-data "$2" --deadline "$3"; status=$?; curl -sf --unix-socket "$4" http://azure/counters >"$5"; exit $status`
	r := on(t, o, "/bin/sh", "-c", script, "sh", needs(t), hex.EncodeToString(reportData), deadline, o.Control, dir+"/counters")
	text, err := os.ReadFile(dir + "/counters")
	if err == nil {
		err = json.Unmarshal(text, &r.counters)
	}
	if err != nil {
		t.Fatalf("counters: %v; status %d: %s", err, r.status, r.stderr)
	}
	if r.counters.ServerFaults != nil || r.counters.BadRequests != nil {
		t.Errorf("the emulation: %v %v", r.counters.ServerFaults, r.counters.BadRequests)
	}
	return r
}

func verify(t *testing.T, kind string, evidence, reportData, initData []byte) (map[string]any, error) {
	t.Helper()
	verifiers, err := trusted()
	if err != nil {
		t.Fatal(err)
	}
	return verifiers["az-"+kind+"-vtpm"].Verify(evidence, reportData, initData)
}

func TestEvidenceIsTaken(t *testing.T) {
	for name, o := range map[string]azure.Options{
		"snp":                 {Kind: azure.KindSNP},
		"snp, other spelling": {Kind: azure.KindSNP, Snake: true, Lower: true, HCLv2: true},
		"tdx":                 {Kind: azure.KindTDX},
		"tdx, quote v5":       {Kind: azure.KindTDX, TDQuote5: true, HCLv2: true, Base64: "url-padded"},
		"tdx, standard":       {Kind: azure.KindTDX, Base64: "std"},
		"tdx, unpadded":       {Kind: azure.KindTDX, Base64: "std-raw"},
	} {
		t.Run(name, func(t *testing.T) {
			r := attest(t, o, "60s")
			if r.status != 0 {
				t.Fatalf("status %d: %s", r.status, r.stderr)
			}
			claims, err := verify(t, o.Kind, r.stdout, reportData, nil)
			if err != nil {
				t.Fatalf("%v: %s", err, r.stdout)
			}
			if claims["report_data"] != hex.EncodeToString(reportData) || claims["init_data"] != strings.Repeat("00", 32) {
				t.Errorf("claims: %v", claims)
			}
			if _, err := verify(t, o.Kind, r.stdout, append([]byte{1}, reportData[1:]...), nil); err == nil {
				t.Error("it was taken for other report data")
			}
			if r.counters.Reports != 2 || len(r.counters.ReportData) != 1 {
				t.Errorf("one report data were to be written: %+v", r.counters)
			}
			t.Logf("%d TPM commands: %v; %v", r.counters.Total, r.counters.Commands, r.counters.IMDS)
		})
	}
}

func TestInitDataInPCR8(t *testing.T) {
	digest := sha256.Sum256([]byte(document))
	o := azure.Options{Kind: azure.KindSNP, PCRs: []string{"8=" + hex.EncodeToString(digest[:])}}
	r := attest(t, o, "60s")
	if _, err := verify(t, o.Kind, r.stdout, reportData, digest[:]); err != nil {
		t.Errorf("%v: %s", err, r.stderr)
	}
	other := sha256.Sum256(digest[:])
	if _, err := verify(t, o.Kind, r.stdout, reportData, other[:]); err == nil {
		t.Error("other init-data were taken")
	}
	if _, err := verify(t, o.Kind, r.stdout, reportData, append(digest[:], 0)); err == nil {
		t.Error("a digest of another length was taken")
	}
}

const document = "version = \"0.1.0\"\nalgorithm = \"sha256\"\n[data]\n"

// Once, and only into a register that nothing was measured into.
func TestMeasureInitData(t *testing.T) {
	sealpod := needs(t)
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	file, other := write("initdata.toml", document), write("other.toml", document+"\n")
	long, odd := write("long.toml", strings.Replace(document, "sha256", "sha384", 1)), write("odd.toml", "version = 1\n")
	script := `for file in "$@"; do "$0" measure-initdata "$file" || echo "$?"; done; "$0" attest --format json --report-data ` + hex.EncodeToString(reportData)
	measured := func(files ...string) (statuses string, evidence []byte, says string) {
		r := on(t, azure.Options{Kind: azure.KindSNP}, append([]string{"/bin/sh", "-c", script, sealpod}, files...)...)
		at := bytes.IndexByte(r.stdout, '{')
		if r.status != 0 || at < 0 {
			t.Fatalf("status %d: %s", r.status, r.stderr)
		}
		return strings.ReplaceAll(string(r.stdout[:at]), "\n", " "), r.stdout[at:], string(r.stderr)
	}
	digest := sha256.Sum256([]byte(document))
	statuses, evidence, says := measured(long, odd, file, file, other)
	if statuses != "100 100 101 101 " || !strings.Contains(says, "this very init-data") || !strings.Contains(says, "not in its reset state") {
		t.Errorf("statuses '%s': %s", statuses, says)
	}
	if _, err := verify(t, azure.KindSNP, evidence, reportData, digest[:]); err != nil {
		t.Error(err)
	}
	if statuses, _, says := measured(dir + "/absent"); statuses != "100 " {
		t.Errorf("absent: '%s': %s", statuses, says)
	}
	used := azure.Options{Kind: azure.KindSNP, PCRs: []string{"8=" + strings.Repeat("ab", 32)}}
	if r := on(t, used, sealpod, "measure-initdata", file); r.status != 101 {
		t.Errorf("used register: status %d: %s", r.status, r.stderr)
	}
	// A vTPM is enough: the host's, too, which binds nothing.
	if r := on(t, azure.Options{Kind: azure.KindSNP, NoHCL: true}, sealpod, "measure-initdata", file); r.status != 0 {
		t.Errorf("without an HCL report: status %d: %s", r.status, r.stderr)
	}
}

func TestWaiting(t *testing.T) {
	for _, delay := range []string{"200ms", "3s"} {
		fault, _ := azure.ParseFault("delay=" + delay)
		r := attest(t, azure.Options{Kind: azure.KindTDX, Faults: []azure.Fault{fault}}, "60s")
		if r.status != 0 {
			t.Fatalf("delay %s: status %d: %s", delay, r.status, r.stderr)
		}
		if _, err := verify(t, azure.KindTDX, r.stdout, reportData, nil); err != nil {
			t.Errorf("delay %s: %v", delay, err)
		}
	}
}

func TestFaults(t *testing.T) {
	const patient = "30s" // where it must not wait that long
	for _, c := range []struct {
		o        azure.Options
		fault    string
		deadline string
		status   int
		says     string
		reports  int // that were made at most; 0: any number
	}{
		{azure.Options{Kind: azure.KindSNP}, "stale", "3s", 111, "stale", 0},
		{azure.Options{Kind: azure.KindTDX}, "stale", "3s", 111, "stale", 0},
		{azure.Options{Kind: azure.KindSNP}, "overwritten", "3s", 111, "another program", 0},
		{azure.Options{Kind: azure.KindSNP}, "no-user-data", patient, 101, "too old", 2},
		{azure.Options{Kind: azure.KindSNP}, "foreign-ak", patient, 101, "HCLAkPub", 2},
		{azure.Options{Kind: azure.KindTDX}, "foreign-ak", patient, 101, "HCLAkPub", 2},
		{azure.Options{Kind: azure.KindSNP}, "bad-hash", patient, 101, "does not carry the hash", 2},
		{azure.Options{Kind: azure.KindTDX}, "bad-hash", patient, 101, "does not carry the hash", 2},
		{azure.Options{Kind: azure.KindSNP}, "pcr-race", "3s", 111, "something extends them all the time", 0},
		{azure.Options{Kind: azure.KindTDX}, "pcr-race", "3s", 111, "something extends them all the time", 0},
		{azure.Options{Kind: azure.KindSNP}, "tpm-error=0x903", "3s", 111, "cannot be told, for its vTPM fails", 0},
		{azure.Options{Kind: azure.KindSNP}, "vmpl=2", patient, 101, "VMPL 2", 2},
		{azure.Options{Kind: azure.KindSNP}, "debug", patient, 101, "debug", 2},
		{azure.Options{Kind: azure.KindTDX}, "debug", patient, 101, "debug", 2},
		{azure.Options{Kind: azure.KindSNP}, "bad-signature", "3s", 111, "not signed by the key in the certificate", 0},
		{azure.Options{Kind: azure.KindSNP}, "foreign-vcek", "3s", 111, "not signed by the key in the certificate", 0},
		{azure.Options{Kind: azure.KindTDX}, "foreign-quote", patient, 101, "report data", 2},
		{azure.Options{Kind: azure.KindSNP}, "imds-html", patient, 111, "web page", 1},
		{azure.Options{Kind: azure.KindTDX}, "imds-html", patient, 111, "web page", 2},
		{azure.Options{Kind: azure.KindSNP}, "imds-empty", patient, 111, "vcekCert", 1},
		{azure.Options{Kind: azure.KindTDX}, "imds-empty", patient, 111, "quote", 2},
		{azure.Options{Kind: azure.KindSNP}, "imds-status=404", patient, 111, "status 404", 1},
		{azure.Options{Kind: azure.KindSNP}, "imds-status=503", "3s", 111, "status 503", 1},
		{azure.Options{Kind: azure.KindSNP, NoIMDS: true}, "", "3s", 111, "metadata service", 1},
		{azure.Options{Kind: azure.KindTDX, NoIMDS: true}, "", "3s", 111, "metadata service", 0},
		{azure.Options{Kind: azure.KindSNP, NoHCL: true}, "", patient, 101, "HCL report: none", 0},
		{azure.Options{Kind: azure.KindSNP, HCLType: 1}, "", patient, 101, "HCL report: VBS", 0},
	} {
		name := fmt.Sprintf("%s %s imds=%v hcl=%v type=%d", c.o.Kind, c.fault, !c.o.NoIMDS, !c.o.NoHCL, c.o.HCLType)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := c.o
			if c.fault != "" {
				fault, err := azure.ParseFault(c.fault)
				if err != nil {
					t.Fatal(err)
				}
				o.Faults = []azure.Fault{fault}
			}
			r := attest(t, o, c.deadline)
			if r.status != c.status || !strings.Contains(string(r.stderr), c.says) {
				t.Errorf("status %d, want %d with '%s': %s", r.status, c.status, c.says, r.stderr)
			}
			if c.deadline == patient && r.took > 15*time.Second {
				t.Errorf("it waited %s for what does not heal", r.took)
			}
			if len(r.stdout) > 0 {
				t.Errorf("evidence came out: %s", r.stdout)
			}
			if c.reports > 0 && r.counters.Reports > c.reports {
				t.Errorf("%d HCL reports, at most %d", r.counters.Reports, c.reports)
			}
		})
	}
}

// Failures that pass are overcome without a second report.
func TestFailuresThatPass(t *testing.T) {
	for _, text := range []string{"imds-status=503*2", "imds-status=429*1", "imds-slow=1s*1"} {
		fault, err := azure.ParseFault(text)
		if err != nil {
			t.Fatal(err)
		}
		for _, kind := range []string{azure.KindSNP, azure.KindTDX} {
			r := attest(t, azure.Options{Kind: kind, Faults: []azure.Fault{fault}}, "60s")
			if r.status != 0 || r.counters.Reports != 2 {
				t.Errorf("%s %s: status %d after %d reports: %s", kind, text, r.status, r.counters.Reports, r.stderr)
			}
		}
	}
}

// The machine is refused where the metadata service's address could mean something.
func TestRefusedOutside(t *testing.T) {
	needs(t)
	r := on(t, azure.Options{Kind: azure.KindSNP, JoinNet: true}, "/bin/true")
	if r.status != 2 || !strings.Contains(string(r.stderr), "refused") {
		t.Errorf("status %d: %s", r.status, r.stderr)
	}
}

func TestNothingOfTheMachineIsLeft(t *testing.T) {
	needs(t)
	before, _ := os.ReadFile("/proc/self/mounts")
	if r := on(t, azure.Options{Kind: azure.KindSNP}, "/bin/sh", "-c", "test -e /dev/tpmrm0 && test -e /dev/null && exit 7"); r.status != 7 {
		t.Errorf("status %d: %s", r.status, r.stderr)
	}
	after, _ := os.ReadFile("/proc/self/mounts")
	if !bytes.Equal(before, after) {
		t.Errorf("mounts were left:\n%s", after)
	}
	left, _ := filepath.Glob(os.TempDir() + "/sealpod-vtpm-*")
	if len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}
