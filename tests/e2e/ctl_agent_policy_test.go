// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"sealpod.test/e2e/lab"
)

// The policy for Kata's agent that build writes, as OPA reads it: in Rego of version 0 with the
// keywords of the future, as the agent does, and in version 1.
func TestAgentPolicyDeniesByDefault(t *testing.T) {
	t.Parallel()
	dir := newDeployment(t)
	lab.RunCtl(t, 0, dir, "build")
	policy := lab.RunCtl(t, 0, dir, "initdata", "show", "--entry", "policy.rego", "out/initdata/web.toml").Stdout.String()
	type object = map[string]any
	shared := "/run/kata-containers/shared/containers/"
	args := func(words ...string) object { return object{"process": object{"Args": words}} }
	for name, c := range map[string]struct {
		request string
		input   object
		allowed bool
	}{
		"create container":        {"CreateContainerRequest", object{}, true},
		"wait":                    {"WaitProcessRequest", object{}, true},
		"signal":                  {"SignalProcessRequest", object{}, true},
		"set policy":              {"SetPolicyRequest", object{"policy": "x"}, false},
		"failing policy":          {"AllowRequestsFailingPolicy", object{}, false},
		"a request of tomorrow":   {"NewRequest", object{}, false},
		"read output":             {"ReadStreamRequest", object{}, false},
		"write input":             {"WriteStreamRequest", object{}, false},
		"set clock":               {"SetGuestDateTimeRequest", object{}, false},
		"add memory":              {"MemHotplugByProbeRequest", object{}, false},
		"exec a shell":            {"ExecProcessRequest", args("sh"), false},
		"exec nothing":            {"ExecProcessRequest", object{}, false},
		"exec the agent's probe":  {"ExecProcessRequest", args("/opt/sealpod/sealpod", "health"), true},
		"exec the svid probe":     {"ExecProcessRequest", args("/sealpod", "svid", "--directory", "/svids", "--check"), true},
		"exec more than a probe":  {"ExecProcessRequest", args("/opt/sealpod/sealpod", "health", "--x"), false},
		"exec another verb":       {"ExecProcessRequest", args("/opt/sealpod/sealpod", "get"), false},
		"copy a pod's file":       {"CopyFileRequest", object{"path": shared + "x-resolv.conf"}, true},
		"copy into a ConfigMap":   {"CopyFileRequest", object{"path": shared + "x/..2026_01/key", "symlink_src": ""}, true},
		"link within a ConfigMap": {"CopyFileRequest", object{"path": shared + "x/..data", "symlink_src": "..2026_01"}, true},
		"link to elsewhere":       {"CopyFileRequest", object{"path": shared + "x/y", "symlink_src": "/etc"}, false},
		"link upwards":            {"CopyFileRequest", object{"path": shared + "x/y", "symlink_src": "../../../../etc"}, false},
		"link one up":             {"CopyFileRequest", object{"path": shared + "x/y", "symlink_src": ".."}, false},
		"copy upwards":            {"CopyFileRequest", object{"path": shared + "../../../../etc/passwd"}, false},
		"copy to the parent":      {"CopyFileRequest", object{"path": shared + "x/.."}, false},
		"copy over the agent":     {"CopyFileRequest", object{"path": "/usr/bin/kata-agent"}, false},
		"copy a relative path":    {"CopyFileRequest", object{"path": "etc"}, false},
		"copy without a path":     {"CopyFileRequest", object{}, false},
	} {
		for _, version := range []ast.RegoVersion{ast.RegoV0, ast.RegoV1} {
			result, err := rego.New(
				rego.Query("data.agent_policy."+c.request),
				rego.SetRegoVersion(version),
				rego.Module("policy.rego", policy),
				rego.Input(c.input),
			).Eval(context.Background())
			if err != nil {
				t.Fatalf("%v: %v\n%s", version, err, policy)
			}
			if result.Allowed() != c.allowed {
				t.Errorf("%s: allowed is %v", name, result.Allowed())
			}
		}
	}
}

// What the manifest lets the kubelet run must be what the policy lets the host run.
func TestProbesAreWhatThePolicyAllows(t *testing.T) {
	t.Parallel()
	dir := newDeployment(t)
	lab.RunCtl(t, 0, dir, "build")
	files := contents(t, dir)
	for _, probe := range []string{`["/opt/sealpod/sealpod", "health"]`, `["/sealpod", "svid", "--directory", "/svids", "--check"]`} {
		for _, file := range []string{"out/pods/web.yaml", "out/initdata/web.toml"} {
			if !strings.Contains(files[file], probe) {
				t.Errorf("%s has no %s", file, probe)
			}
		}
	}
	if count := strings.Count(files["out/pods/web.yaml"], "exec:"); count != 2 {
		t.Errorf("the manifest has %d exec probes", count)
	}
}

func opaAllows(request, policy string, input any) bool {
	for _, version := range []ast.RegoVersion{ast.RegoV0, ast.RegoV1} {
		result, err := rego.New(
			rego.Query("data.agent_policy."+request),
			rego.SetRegoVersion(version),
			rego.Module("policy.rego", policy),
			rego.Input(input),
		).Eval(context.Background())
		if err == nil && result.Allowed() {
			return true
		}
	}
	return false
}

// What OPA finds open, lint speaks of: whatever stands in front of the rule, and however it is spelled.
func TestInitdataLintMissesNothingThatOPAAllows(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	open := 0
	for _, front := range []string{"", "default A := [1] ", "A if { false } ", "A := \"# {\" ", "import future.keywords.if\n"} {
		for _, value := range []string{"", " := true", "=true", ":=\ntrue", " := input.x == 1", " = {true}[_]", " := false"} {
			for _, body := range []string{"", "{true}", " if { true }", " if true", " { 1 == 1 }", " if input.x == 1", " { false } else := true", " if { print(\"x\", input) }", " { input.x == 1 } { true }"} {
				for _, request := range []string{"SetPolicyRequest", "ExecProcessRequest"} {
					policy := "package agent_policy\n" + front + request + value + body
					empty, one := opaAllows(request, policy, map[string]any{}), opaAllows(request, policy, map[string]any{"x": 1})
					if !(empty && one) && !(request == "SetPolicyRequest" && (empty || one)) {
						continue
					}
					open++
					writeFile(t, dir, "policy.rego", []byte(policy))
					built := lab.RunCtl(t, 0, dir, "initdata", "build", "policy.rego").Stdout.String()
					writeFile(t, dir, "built", []byte(built))
					p := lab.Ctl(t, dir, "initdata", "lint", "built")
					p.Wait(t, time.Minute)
					if !strings.Contains(p.Stdout.String(), request) || (request == "SetPolicyRequest" && p.Status() != 100) {
						t.Errorf("OPA allows %q, lint ends with %d: %v", policy, p.Status(), p.Stdout.String())
					}
				}
			}
		}
	}
	if open < 100 {
		t.Errorf("only %d policies are open: this looks at nothing", open)
	}
}
