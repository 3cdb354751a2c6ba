// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"encoding/json"
	"path/filepath"
	"testing"
	"time"

	"sealpod.test/e2e/lab"
)

// TestLab checks the ground itself: an agent started by hand, without sealpod,
// attests, re-attests and serves. When it fails, the other failures mean little.
func TestLab(t *testing.T) {
	f := lab.NewFixture(t, lab.FixtureOptions{RealAgent: true})
	f.Spire.Entry(t, f.Credential.AgentID(), "/w/plain", workloadUID)
	p := startPlainAgent(t, f)
	lab.FetchID(t, f.Socket, workloadUID, "spiffe://"+lab.TrustDomain+"/w/plain", 20*time.Second)
	if answer := lab.Fetch(t, f.Socket, strangerUID); answer.Code != "PermissionDenied" {
		t.Errorf("a process of another user was answered %+v, want PermissionDenied", answer)
	}
	if found := lab.FindInMemory(t, p.Pid, f.Credential.Traces()); len(found) == 0 {
		t.Error("the key of a running agent was not found in its memory: the search for traces is blind")
	}
	if !p.Running() {
		t.Fatalf("the agent ended\n%s", p)
	}
}

// startPlainAgent starts the agent on files, as people do without sealpod.
func startPlainAgent(t *testing.T, f *lab.Fixture) *lab.Process {
	t.Helper()
	type object = map[string]any
	file := func(name string, content []byte) string {
		path := filepath.Join(f.Dir, name)
		lab.WriteFile(t, path, content, 0o600)
		return path
	}
	plugin := func(name string, data object) object { return object{name: object{"plugin_data": data}} }
	config := struct {
		Agent   object `json:"agent"`
		Plugins object `json:"plugins"`
	}{
		object{
			"data_dir": filepath.Join(f.Dir, "data"), "server_address": "127.0.0.1", "server_port": f.Spire.Port,
			"socket_path": f.Socket, "trust_bundle_path": file("bundle.pem", f.Spire.Bundle), "trust_domain": lab.TrustDomain,
			"experimental": object{"sync_interval": "1s"},
		},
		object{
			"KeyManager": plugin("memory", object{}), "WorkloadAttestor": plugin("unix", object{}),
			"NodeAttestor": plugin("x509pop", object{
				"private_key_path": file("key.pem", f.Credential.KeyPEM), "certificate_path": file("chain.pem", f.Credential.ChainPEM),
			}),
		},
	}
	text, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	return lab.Start(t, 0, f.Dir, lab.SpireAgent, "run", "-config", file("agent.json", text))
}
