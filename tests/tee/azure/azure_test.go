// SPDX-License-Identifier: Apache-2.0

package azure_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
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

func optionsText(t *testing.T, o azure.Options) string {
	t.Helper()
	o.Roots = rootsDir
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// on runs a command on a machine.
func on(t *testing.T, o azure.Options, argv ...string) result {
	t.Helper()
	cmd := exec.Command("/proc/self/exe", argv...)
	cmd.Env = append(os.Environ(), "SEALPOD_AZURE_TEST="+optionsText(t, o))
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	began := time.Now()
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return result{status: cmd.ProcessState.ExitCode(), stdout: stdout.Bytes(), stderr: stderr.Bytes(), took: time.Since(began)}
}

// attest runs `sealpod attest` and leaves the machine's counters behind.
func attest(t *testing.T, o azure.Options, deadline string) result {
	t.Helper()
	o.Counters = filepath.Join(t.TempDir(), "counters")
	r := on(t, o, needs(t), "attest", "--format", "json", "--report-data", hex.EncodeToString(reportData), "--deadline", deadline)
	text, err := os.ReadFile(o.Counters)
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

func hclSize(t *testing.T, evidence []byte) int {
	t.Helper()
	var e struct {
		HCL string `json:"hcl_report"`
	}
	err := json.Unmarshal(evidence, &e)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := base64.URLEncoding.DecodeString(e.HCL)
	if err != nil {
		t.Fatal(err)
	}
	return len(raw)
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
		"snp, 2600 bytes":     {Kind: azure.KindSNP, LongHCL: true},
		"tdx, 2600 bytes":     {Kind: azure.KindTDX, LongHCL: true, Snake: true},
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
			if got := hclSize(t, r.stdout); got != map[bool]int{false: 2048, true: 2600}[o.LongHCL] {
				t.Errorf("the HCL report is %d bytes long", got)
			}
			if r.counters.Reports != 2 || len(r.counters.ReportData) != 1 {
				t.Errorf("one report data were to be written: %+v", r.counters)
			}
			t.Logf("%d TPM commands: %v; %v", r.counters.Total, r.counters.Commands, r.counters.IMDS)
		})
	}
}

// Data of version 2 are read and sent, with a warning that tells why the verifier says no:
// like Trustee's, it looks for the claims where version 1 has them.
func TestDataOfVersion2(t *testing.T) {
	for _, kind := range []string{azure.KindSNP, azure.KindTDX} {
		r := attest(t, azure.Options{Kind: kind, DataV2: true}, "60s")
		if r.status != 0 || !strings.Contains(string(r.stderr), "the data of the HCL report are of version 2") {
			t.Errorf("%s: status %d: %s", kind, r.status, r.stderr)
		}
		if _, err := verify(t, kind, r.stdout, reportData, nil); err == nil || !strings.Contains(err.Error(), "not version 1") {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

// A plain TPM is attested where somebody says so, and is found by nobody: whatever else
// this machine lacks.
func TestPlainTPM(t *testing.T) {
	sealpod := needs(t)
	digest := sha256.Sum256([]byte(document))
	o := azure.Options{Kind: azure.KindTPM, PCRs: []string{"8=" + hex.EncodeToString(digest[:])}}
	argv := []string{sealpod, "attest", "--format", "json", "--report-data", hex.EncodeToString(reportData), "--deadline", "20s"}
	if r := on(t, o, argv...); r.status != 101 || !strings.Contains(string(r.stderr), "HCL report: none") || len(r.stdout) > 0 {
		t.Errorf("found: status %d: %s%s", r.status, r.stdout, r.stderr)
	}
	argv = append(argv, "--tee", "tpm")
	r := on(t, o, argv...)
	if r.status != 0 || !strings.Contains(string(r.stderr), "'tpm' is no TEE") {
		t.Fatalf("status %d: %s", r.status, r.stderr)
	}
	verifiers, err := trusted()
	if err != nil {
		t.Fatal(err)
	}
	v := verifiers["tpm"]
	claims, err := v.Verify(r.stdout, reportData, digest[:])
	if err != nil || claims["report_data"] != hex.EncodeToString(reportData[:32]) {
		t.Errorf("%v, %v", claims, err)
	}
	if _, err := v.Verify(r.stdout, append([]byte{1}, reportData[1:]...), nil); err == nil {
		t.Error("it was taken for other report data")
	}
	// Azure's vTPM has no key where a plain TPM has one, and there is no TPM here.
	for name, c := range map[string]struct {
		r    result
		says string
	}{
		"on Azure":      {on(t, azure.Options{Kind: azure.KindSNP}, argv...), "no attestation key at 0x81010002"},
		"without a TPM": {on(t, azure.Options{Kind: azure.KindTPM}, append([]string{"/bin/sh", "-c", `umount /dev/tpmrm0 && rm /dev/tpmrm0 && exec "$0" "$@"`}, argv...)...), "this is no TEE 'tpm'"},
	} {
		if c.r.status != 101 || !strings.Contains(string(c.r.stderr), c.says) || len(c.r.stdout) > 0 {
			t.Errorf("%s: status %d: %s", name, c.r.status, c.r.stderr)
		}
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

// Two at once: one measures, the others find it done. Each reads before it extends, and
// here all would read before any of them extends.
func TestMeasureInitDataAtOnce(t *testing.T) {
	sealpod := needs(t)
	file := filepath.Join(t.TempDir(), "initdata.toml")
	if err := os.WriteFile(file, []byte(document), 0o644); err != nil {
		t.Fatal(err)
	}
	slow, err := azure.ParseFault("tpm-slow=100ms")
	if err != nil {
		t.Fatal(err)
	}
	script := `for i in 1 2 3; do { "$0" measure-initdata "$1"; echo "status $?" >&2; } & done; wait; "$0" attest --format json --report-data ` +
		hex.EncodeToString(reportData)
	r := on(t, azure.Options{Kind: azure.KindSNP, Faults: []azure.Fault{slow}}, "/bin/sh", "-c", script, sealpod, file)
	says := string(r.stderr)
	if strings.Count(says, "status 0\n") != 1 || strings.Count(says, "status 101\n") != 2 || strings.Count(says, "this very init-data already") != 2 {
		t.Errorf("%s", says)
	}
	digest := sha256.Sum256([]byte(document))
	if _, err := verify(t, azure.KindSNP, r.stdout, reportData, digest[:]); err != nil {
		t.Error(err)
	}
}

// What cannot be measured, and what measures: each with a status of its own.
func TestMeasureInitDataFails(t *testing.T) {
	sealpod := needs(t)
	file := filepath.Join(t.TempDir(), "initdata.toml")
	if err := os.WriteFile(file, []byte(document), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		fault, script string
		status        int
		says          string
	}{
		"no init-data":         {"", `mount -t tmpfs run /run && exec "$0" measure-initdata`, 100, "no init-data to measure"},
		"no TPM":               {"", `umount /dev/tpmrm0 && rm /dev/tpmrm0 && exec "$0" measure-initdata "$1"`, 101, "cannot open '/dev/tpmrm0'"},
		"a TPM that is broken": {"tpm-error=0x101", `exec "$0" measure-initdata "$1"`, 111, "the TPM says"},
		"a TPM that is busy":   {"tpm-error=0x922", `exec "$0" measure-initdata "$1"`, 111, "the TPM says"},
		"extended in between":  {"pcr8-race", `exec "$0" measure-initdata "$1"`, 101, "at the same time"},
		"a TPM that is locked": {"", `flock --no-fork /dev/tpmrm0 sleep 30 & while flock -n /dev/tpmrm0 true; do :; done; "$0" measure-initdata --deadline 2s "$1"; s=$?; kill $!; exit $s`,
			111, "another program holds '/dev/tpmrm0' locked, as sealpod does while it attests"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := azure.Options{Kind: azure.KindSNP}
			if c.fault != "" {
				fault, err := azure.ParseFault(c.fault)
				if err != nil {
					t.Fatal(err)
				}
				o.Faults = []azure.Fault{fault}
			}
			if r := on(t, o, "/bin/sh", "-c", c.script, sealpod, file); r.status != c.status || !strings.Contains(string(r.stderr), c.says) {
				t.Errorf("status %d, want %d with '%s': %s", r.status, c.status, c.says, r.stderr)
			}
		})
	}
}

// atOnce runs this many `sealpod attest` together on one machine, and one before them;
// each for report data of its own. A node of its own is one that others do not lock.
func atOnce(t *testing.T, kind string, programs int, ownNodes bool) {
	sealpod := needs(t)
	delay, err := azure.ParseFault("delay=1s")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	attest := func(i int) string {
		words := fmt.Sprintf(`"$0" attest --format json --deadline 60s --report-data %s > %s/%d`, hex.EncodeToString(ownData(i)), dir, i)
		if ownNodes && i > 1 {
			return fmt.Sprintf(`unshare --mount sh -c 'mount --bind /dev/tpmrm0.container /dev/tpmrm0 && %s' "$0"`, words)
		}
		return words
	}
	o := azure.Options{Kind: kind, Faults: []azure.Fault{delay}, Counters: filepath.Join(dir, "counters")}
	alone := on(t, azure.Options{Kind: kind, Faults: o.Faults}, "/bin/sh", "-c", attest(0), sealpod)
	script := ""
	for i := 1; i <= programs; i++ {
		script += "{ " + attest(i) + `; echo "status $?" >&2; } & `
	}
	together := on(t, o, "/bin/sh", "-c", script+"wait", sealpod)
	if alone.status != 0 || strings.Count(string(together.stderr), "status 0\n") != programs {
		t.Fatalf("alone: status %d: %s; together: %s", alone.status, alone.stderr, together.stderr)
	}
	for i := 0; i <= programs; i++ {
		evidence, err := os.ReadFile(fmt.Sprintf("%s/%d", dir, i))
		if err == nil {
			_, err = verify(t, kind, evidence, ownData(i), nil)
		}
		if err != nil {
			t.Errorf("evidence %d: %v", i, err)
		}
	}
	// One after the other; and each that was overtaken leaves the other its three seconds and a half.
	limit := time.Duration(programs) * alone.took
	if ownNodes {
		limit += time.Duration(programs-1) * (4500 * time.Millisecond)
	}
	if together.took > limit+3*time.Second {
		t.Errorf("%d together took %s, one alone %s: %s", programs, together.took, alone.took, together.stderr)
	}
	var counters azure.Counters
	if text, err := os.ReadFile(o.Counters); err != nil || json.Unmarshal(text, &counters) != nil || counters.ServerFaults != nil || counters.BadRequests != nil {
		t.Errorf("the emulation: %v: %s", err, text)
	}
	if written := len(counters.ReportData); !ownNodes && written != programs || written < programs || written > 2*programs {
		t.Errorf("report data were written %d times by %d programs", written, programs)
	}
	if ownNodes != strings.Contains(string(together.stderr), "asks for an HCL report, too") {
		t.Errorf("somebody was overtaken, or nobody: %s", together.stderr)
	}
	t.Logf("one alone: %s, %d together: %s, report data written %d times", alone.took, programs, together.took, len(counters.ReportData))
}

// ownData differ in length, too.
func ownData(i int) []byte { return bytes.Repeat([]byte{byte(0xA0 + i)}, 48+8*(i%3)) }

// The report data of the whole VM are in one place. Programs that ask at once queue up at the
// device's lock; where they see no common one, as in containers, each lets the other have its
// report and comes after it.
func TestAttestAtOnce(t *testing.T) {
	for _, kind := range []string{azure.KindSNP, azure.KindTDX} {
		for _, own := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, nodes of their own: %v", kind, own), func(t *testing.T) {
				t.Parallel()
				atOnce(t, kind, 2, own)
			})
		}
	}
	t.Run("four", func(t *testing.T) {
		t.Parallel()
		atOnce(t, azure.KindSNP, 4, false)
	})
}

// The lock is a courtesy: who holds it for ever keeps nobody out.
func TestAttestWhereTheTPMIsLocked(t *testing.T) {
	sealpod := needs(t)
	script := `flock --no-fork /dev/tpmrm0 sleep 60 & while flock -n /dev/tpmrm0 true; do :; done; "$0" attest --format json --deadline 6s --report-data "$1"; s=$?; kill $!; exit $s`
	r := on(t, azure.Options{Kind: azure.KindTDX}, "/bin/sh", "-c", script, sealpod, hex.EncodeToString(reportData))
	if r.status != 0 || !strings.Contains(string(r.stderr), "going on without") {
		t.Errorf("status %d: %s", r.status, r.stderr)
	}
	if _, err := verify(t, azure.KindTDX, r.stdout, reportData, nil); err != nil {
		t.Error(err)
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
		{azure.Options{Kind: azure.KindTDX}, "foreign-quote", patient, 101, "REPORTDATA is", 2},
		{azure.Options{Kind: azure.KindTDX}, "quote-set=rtmr_2=77", patient, 101, "RTMR2 is 77", 2},
		{azure.Options{Kind: azure.KindTDX}, "quote-set=mr_td=77", patient, 101, "MRTD is 77", 2},
		{azure.Options{Kind: azure.KindTDX}, "quote-set=mr_config_id=77", patient, 101, "MRCONFIGID is 77", 2},
		{azure.Options{Kind: azure.KindTDX}, "quote-set=td_attributes=0x1", patient, 101, "TDATTRIBUTES is 01", 2},
		{azure.Options{Kind: azure.KindSNP}, "imds-html", patient, 111, "web page", 1},
		{azure.Options{Kind: azure.KindTDX}, "imds-html", patient, 111, "web page", 2},
		{azure.Options{Kind: azure.KindSNP}, "imds-text", patient, 111, "type 'text/plain'", 1},
		{azure.Options{Kind: azure.KindTDX}, "imds-text", patient, 111, "type 'text/plain'", 2},
		{azure.Options{Kind: azure.KindSNP}, "imds-empty", patient, 111, "vcekCert", 1},
		{azure.Options{Kind: azure.KindTDX}, "imds-empty", patient, 111, "quote", 2},
		{azure.Options{Kind: azure.KindSNP}, "imds-status=404", patient, 111, "status 404", 1},
		{azure.Options{Kind: azure.KindSNP}, "imds-status=503", "3s", 111, "status 503", 1},
		{azure.Options{Kind: azure.KindSNP, NoIMDS: true}, "", "3s", 111, "metadata service", 1},
		{azure.Options{Kind: azure.KindTDX, NoIMDS: true}, "", "3s", 111, "metadata service", 0},
		{azure.Options{Kind: azure.KindSNP, NoHCL: true}, "", patient, 101, "HCL report: none", 0},
		{azure.Options{Kind: azure.KindSNP, HCLType: 1}, "", patient, 101, "HCL report: VBS", 0},
		{azure.Options{Kind: azure.KindTDX, HCLType: 3}, "", patient, 101, "HCL report: TVM", 0},
		{azure.Options{Kind: azure.KindTDX, HCLType: 99}, "", patient, 101, "HCL report: unknown", 0},
		// The type is not signed; the report inside is of the other kind.
		{azure.Options{Kind: azure.KindSNP, HCLType: 4}, "", patient, 101, "does not carry the hash", 2},
		{azure.Options{Kind: azure.KindTDX, HCLType: 2}, "", patient, 101, "does not carry the hash", 2},
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

// The machine is refused where the metadata service's address could mean something:
// in the network namespace of others, be it cut off, and in one that leads elsewhere.
func TestRefusedOutside(t *testing.T) {
	needs(t)
	t.Setenv("SEALPOD_AZURE_TEST", optionsText(t, azure.Options{Kind: azure.KindSNP, JoinNet: true}))
	const up = "ip link set lo up; "
	for name, c := range map[string]struct {
		script string
		status int
		says   string
	}{
		"that of these tests":          {`exec "$0" true`, 2, "the test's own"},
		"that of the first process":    {`exec unshare --net --pid --fork --mount-proc sh -c '` + up + `"$0" true' "$0"`, 2, "it is that of process 1"},
		"one that leads elsewhere":     {`exec unshare --net sh -c '` + up + `ip link add out type veth peer name other && ip link set out up; "$0" true' "$0"`, 2, "'out' leads out"},
		"one of its own":               {`exec unshare --net sh -c '` + up + `"$0" grep -q 169.254.169.254 /proc/self/net/fib_trie' "$0"`, 0, ""},
		"and the address is gone then": {`exec unshare --net sh -c '` + up + `"$0" true && grep 169.254 /proc/self/net/fib_trie' "$0"`, 1, ""},
	} {
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("/bin/sh", "-c", c.script, self)
		out, _ := cmd.CombinedOutput()
		if cmd.ProcessState.ExitCode() != c.status || !strings.Contains(string(out), c.says) || (c.says == "" && len(out) > 0) {
			t.Errorf("%s: status %d: %s", name, cmd.ProcessState.ExitCode(), out)
		}
	}
}

// The second stage alone must not give any interface that address.
func TestSecondStageAloneIsRefused(t *testing.T) {
	needs(t)
	for _, join := range []bool{false, true} {
		cmd := exec.Command("/proc/self/exe", "/bin/true")
		cmd.Env = append(os.Environ(), "SEALPOD_AZURE_STAGE="+optionsText(t, azure.Options{Kind: azure.KindSNP, JoinNet: join}))
		out, _ := cmd.CombinedOutput()
		if cmd.ProcessState.ExitCode() != 1 || !strings.Contains(string(out), "refused: the namespace (net)") {
			t.Errorf("join %v: status %d: %s", join, cmd.ProcessState.ExitCode(), out)
		}
	}
	if text, err := os.ReadFile("/proc/self/net/fib_trie"); err != nil || strings.Contains(string(text), "169.254.169.254") {
		t.Errorf("the address is here: %v", err)
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
