// SPDX-License-Identifier: Apache-2.0

package azure_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"sealpod.test/azure"
	"sealpod.test/kbs"
	"sealpod.test/kbs/hardware"
)

// visit is what happens on the machine: a broker stands in its network namespace,
// init-data names it, and sealpod asks it for a resource.
type visit struct {
	Sealpod, Roots string
	Algorithm      string // of the init-data
	Measured       string // this is measured instead of the init-data; "-": nothing is
}

type visited struct {
	Measure, Get int // exit statuses
	Secret, Says string
	Refusal      string
}

const visitVariable = "SEALPOD_AZURE_VISIT"

const policy = `package policy
import rego.v1
default allow := false
evidence := input.submods.cpu0["ear.veraison.annotated-evidence"]
allow if {
	some tee in ["az-snp-vtpm", "az-tdx-vtpm"]
	count(evidence[tee].tpm.pcr03) == 64
	evidence.init_data == evidence[tee].tpm.pcr08
}
`

// visitHere does it, in the process that the machine runs.
func visitHere(text string) error {
	var v visit
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		return err
	}
	roots, err := hardware.Load(v.Roots)
	if err != nil {
		return err
	}
	server, err := kbs.New(kbs.Options{
		Resources: map[string][]byte{"a/b/c": []byte("the secret")}, ResourcePolicy: policy, Verifiers: roots.Verifiers(),
	})
	if err == nil {
		err = server.Start()
	}
	if err != nil {
		return err
	}
	defer server.Close()
	document := fmt.Sprintf("version = \"0.1.0\"\nalgorithm = \"%s\"\n[data]\n\"sealpod.toml\" = '''\n[kbs]\nurl = \"%s\"\nallow_http = true\n'''\n",
		v.Algorithm, server.URL())
	err = errors.Join(
		unix.Mount("run", "/run", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=0755"),
		os.Mkdir("/run/peerpod", 0o755), os.WriteFile("/run/peerpod/initdata", []byte(document), 0o644),
	)
	if err != nil {
		return err
	}
	out := visited{}
	argv := []string{"measure-initdata"}
	if v.Measured != "" && v.Measured != "-" {
		err = os.WriteFile("/run/other", []byte(v.Measured), 0o644)
		argv = append(argv, "/run/other")
	}
	if err != nil {
		return err
	}
	if v.Measured != "-" {
		out.Measure, _, out.Says = call(v.Sealpod, argv...)
	}
	var says string
	out.Get, out.Secret, says = call(v.Sealpod, "get", "--deadline", "30s", "kbs:///a/b/c")
	out.Says += says
	counters := server.Counters()
	out.Refusal = fmt.Sprint(counters.LastRefusal)
	return json.NewEncoder(os.Stdout).Encode(out)
}

func call(program string, argv ...string) (status int, stdout, stderr string) {
	var o, e bytes.Buffer
	cmd := exec.Command(program, argv...)
	cmd.Stdout, cmd.Stderr = &o, &e
	if err := cmd.Run(); cmd.ProcessState == nil {
		return -1, "", err.Error()
	}
	return cmd.ProcessState.ExitCode(), o.String(), e.String()
}

func visitOn(t *testing.T, o azure.Options, v visit) visited {
	t.Helper()
	v.Sealpod = needs(t)
	v.Roots = rootsDir
	if v.Algorithm == "" {
		v.Algorithm = "sha256"
	}
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(visitVariable, string(text))
	program, err := filepath.EvalSymlinks("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	r := on(t, o, program)
	var out visited
	if err := json.Unmarshal(r.stdout, &out); err != nil {
		t.Fatalf("status %d: %v: %s %s", r.status, err, r.stdout, r.stderr)
	}
	return out
}

// The whole way: init-data measured, evidence verified, resource released.
func TestResourceIsReleased(t *testing.T) {
	for _, kind := range []string{azure.KindSNP, azure.KindTDX} {
		got := visitOn(t, azure.Options{Kind: kind}, visit{})
		if got.Measure != 0 || got.Get != 0 || got.Secret != "the secret" {
			t.Errorf("%s: %+v", kind, got)
		}
	}
}

// What does not fit is seen in the guest, before anything is sent.
func TestInitDataThatWasNotMeasured(t *testing.T) {
	for name, c := range map[string]struct {
		o            azure.Options
		v            visit
		measure, get int
		says         string
	}{
		"nothing measured":  {azure.Options{Kind: azure.KindSNP}, visit{Measured: "-"}, 0, 101, "measure-initdata"},
		"another measured":  {azure.Options{Kind: azure.KindSNP}, visit{Measured: document}, 0, 101, "another init-data"},
		"TDX, another":      {azure.Options{Kind: azure.KindTDX}, visit{Measured: document}, 0, 101, "another init-data"},
		"PCR 8 swapped":     {azure.Options{Kind: azure.KindTDX, PCRs: []string{"8=" + strings.Repeat("5a", 32)}}, visit{}, 101, 101, "PCR 8"},
		"another algorithm": {azure.Options{Kind: azure.KindSNP}, visit{Algorithm: "sha384"}, 100, 100, "must be sha256"},
	} {
		t.Run(name, func(t *testing.T) {
			got := visitOn(t, c.o, c.v)
			if got.Measure != c.measure || got.Get != c.get || got.Secret != "" || !strings.Contains(got.Says, c.says) {
				t.Errorf("%+v", got)
			}
		})
	}
}
