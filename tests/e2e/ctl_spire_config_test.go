// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sealpod.test/e2e/lab"
)

// validate lets the real server load a configuration, plugins included.
func validate(t *testing.T, dir, name, text string) (output string, valid bool) {
	t.Helper()
	path := filepath.Join(dir, name)
	lab.WriteFile(t, path, []byte(text), 0o644)
	said, err := exec.CommandContext(t.Context(), lab.SpireServer, "validate", "-config", path).CombinedOutput()
	return string(said), err == nil
}

// The rest of a configuration, as the server wants it.
const (
	configHCL = `server {
  bind_address = "127.0.0.1"
  bind_port = "8081"
  trust_domain = "example.test"
  data_dir = "%[1]s"
}
plugins {
  DataStore "sql" { plugin_data { database_type = "sqlite3" connection_string = "%[1]s/db" } }
  KeyManager "memory" { plugin_data {} }
%[2]s}
`
	configJSON = `{
  "server": {
    "bind_address": "127.0.0.1",
    "bind_port": "8081",
    "trust_domain": "example.test",
    "data_dir": "%[1]s"
  },
  "plugins": {
    "DataStore": [{"sql": {"plugin_data": {"database_type": "sqlite3", "connection_string": "%[1]s/db"}}}],
    "KeyManager": [{"memory": {"plugin_data": {}}}],
    "NodeAttestor": [
      {
        "join_token": {"plugin_data": {}}
      }%[2]s
    ]
  }
}
`
)

func TestCtlSpireConfig(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ca := filepath.Join(dir, "ca.pem")
	lab.WriteFile(t, ca, lab.NewAuthority(t, "root", nil).PEM, 0o644)
	config := func(words ...string) string {
		return lab.RunCtl(t, 0, dir, append([]string{"spire-config", "--ca-bundle", ca}, words...)...).Stdout.String()
	}
	element := config("--format", "json")
	var plugin map[string]map[string]map[string]string
	if err := json.Unmarshal([]byte(element), &plugin); err != nil {
		t.Fatal(err)
	}
	if got := plugin["x509pop"]["plugin_data"]["agent_path_template"]; got != lab.InstanceTemplate {
		t.Errorf("the agent path template is %q", got)
	}
	lab.WriteFile(t, filepath.Join(dir, "server.conf"), fmt.Appendf(nil, configJSON, dir, ""), 0o644)
	merged := config("--merge", "server.conf")
	for name, text := range map[string]string{
		"hcl.conf":    fmt.Sprintf(configHCL, dir, config()),
		"json.conf":   fmt.Sprintf(configJSON, dir, ","+element),
		"merged.conf": merged,
	} {
		if said, valid := validate(t, dir, name, text); !valid {
			t.Errorf("%s is not valid: %s\n%s", name, said, text)
		}
		// The server looked at it: without the CA it objects.
		if said, valid := validate(t, dir, "broken-"+name, strings.ReplaceAll(text, ca, ca+".absent")); valid || !strings.Contains(said, "x509pop") {
			t.Errorf("%s: the server did not look at the settings: %s", name, said)
		}
	}
	if merged != fmt.Sprintf(configJSON, dir, ",\n      "+strings.TrimSpace(element)) {
		t.Errorf("more than the plugin changed:\n%s", merged)
	}
	lab.WriteFile(t, filepath.Join(dir, "server.conf"), []byte(merged), 0o644)
	if again := config("--merge", "server.conf"); again != merged {
		t.Errorf("merging again changes it:\n%s", again)
	}

	// As `oc get configmap -o json` prints it, by way of standard input and back.
	object, err := json.Marshal(map[string]any{"kind": "ConfigMap", "data": map[string]string{"server.conf": fmt.Sprintf(configJSON, dir, "")}})
	if err != nil {
		t.Fatal(err)
	}
	lab.WriteFile(t, filepath.Join(dir, "map.json"), object, 0o644)
	var back struct{ Data map[string]string }
	if err := json.Unmarshal([]byte(config("--merge", "map.json")), &back); err != nil || back.Data["server.conf"] != merged {
		t.Errorf("the ConfigMap holds (%v):\n%s", err, back.Data["server.conf"])
	}
	says(t, lab.RunCtl(t, 100, dir, "spire-config", "--merge", "hcl.conf"), "no JSON", "--format hcl", "kubectl get configmap NAME -o json")
	says(t, lab.RunCtl(t, 100, dir, "spire-config", "--format", "yaml"), "no format 'yaml'")
	says(t, lab.RunCtl(t, 100, dir, "spire-config", "--format", "hcl", "--merge", "map.json"), "leave out")
	says(t, lab.RunCtl(t, 100, dir, "spire-config", "--ca-bundle", "ca.pem"), "'--ca-bundle'")
}

// What build leaves for a SPIRE server.
func TestCtlBuildForSpire(t *testing.T) {
	t.Parallel()
	dir := newDeployment(t)
	lab.RunCtl(t, 0, dir, "build")
	read := func(name string) string {
		t.Helper()
		text, err := os.ReadFile(filepath.Join(dir, "out", name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	if read("spire/ca-bundle.pem") != read("x509pop/root.pem") {
		t.Error("the CA bundle is not the root")
	}
	for name, words := range map[string][]string{
		"spire/x509pop.hcl":               {"NodeAttestor \"x509pop\"", "/run/spire/x509pop-ca/ca-bundle.pem"},
		"spire/x509pop.json":              {`{"x509pop":{"plugin_data":`},
		"spire/entries.json":              {`"entry_id":"hello.web.node.`, `"entry_id":"hello.db.work.`, `"parent_id":"spiffe://example.test/spire/agent/x509pop/hello.root/hello.db"`},
		"spire/clusterstaticentries.yaml": {"kind: ClusterStaticEntry", `parentID: "spiffe://example.test/sealpod/hello/web"`},
	} {
		for _, word := range words {
			if !strings.Contains(read(name), word) {
				t.Errorf("%s lacks %s:\n%s", name, word, read(name))
			}
		}
	}
}
