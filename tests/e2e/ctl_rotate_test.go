// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"crypto/sha1"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sealpod.test/e2e/lab"
)

const rotateTTL = "20s"

// rotateLab is a deployment that is built, its server, and a real agent of its class "web".
type rotateLab struct {
	t       *testing.T
	dir     string
	server  *lab.Server
	agentID string
	leaves  int
}

func (l *rotateLab) ctl(status int, words ...string) *lab.Process {
	l.t.Helper()
	if words[0] != "build" && words[0] != "issue" && !slices.Contains(words, "--api") {
		words = append(words, "--api", l.server.API())
	}
	return lab.RunCtl(l.t, status, l.dir, words...)
}

func (l *rotateLab) read(name string) []byte {
	l.t.Helper()
	content, err := os.ReadFile(filepath.Join(l.dir, name))
	if err != nil {
		l.t.Fatal(err)
	}
	return content
}

// fingerprint is the selector of whoever is below the first certificate in a file.
func (l *rotateLab) fingerprint(name string) string {
	l.t.Helper()
	block, _ := pem.Decode(l.read(name))
	return fmt.Sprintf("x509pop:ca:fingerprint:%x", sha1.Sum(block.Bytes))
}

// renew gives the agent a leaf below the issuer of now, as sealpod does in the guest.
func (l *rotateLab) renew() {
	l.t.Helper()
	l.leaves++
	stem := fmt.Sprintf("leaf%d", l.leaves)
	l.ctl(0, "issue", "leaf", "--ca", "out/x509pop/web", "--trust-domain", lab.TrustDomain, "--class", "web", "--cn", "vm-1", stem)
	path := filepath.Join(l.dir, "agent.pem")
	lab.WriteFile(l.t, path+".new", append(l.read(stem+".key"), l.read(stem+".pem")...), 0o600)
	if err := os.Rename(path+".new", path); err != nil {
		l.t.Fatal(err)
	}
}

// attestsBelow waits until the server knows the agent by the selector, and no more by the others.
func (l *rotateLab) attestsBelow(selector string, others ...string) {
	l.t.Helper()
	lab.Eventually(l.t, time.Minute, "the agent attests below "+selector, func() (bool, string) {
		has := l.server.Agents(l.t)[l.agentID]
		return slices.Contains(has, selector) && !slices.ContainsFunc(others, func(s string) bool { return slices.Contains(has, s) }), fmt.Sprint(has)
	})
}

func (l *rotateLab) attestsAgain() {
	l.t.Helper()
	before := l.server.AgentSerial(l.agentID)
	lab.Eventually(l.t, time.Minute, "the agent attests again", func() (bool, string) {
		now := l.server.AgentSerial(l.agentID)
		return now != "" && now != before, now
	})
}

func (l *rotateLab) startAgent(bundle []byte) (socket string) {
	l.t.Helper()
	type object = map[string]any
	lab.WriteFile(l.t, filepath.Join(l.dir, "bootstrap.pem"), bundle, 0o644)
	socket = filepath.Join(l.dir, "a.sock")
	credential := filepath.Join(l.dir, "agent.pem")
	config, err := json.Marshal(object{
		"agent": object{
			"data_dir": filepath.Join(l.dir, "data"), "server_address": "127.0.0.1", "server_port": l.server.Port, "socket_path": socket,
			"trust_bundle_path": filepath.Join(l.dir, "bootstrap.pem"), "trust_domain": lab.TrustDomain,
			"experimental": object{"sync_interval": "250ms"},
		},
		"plugins": object{
			"KeyManager":       object{"memory": object{"plugin_data": object{}}},
			"NodeAttestor":     object{"x509pop": object{"plugin_data": object{"private_key_path": credential, "certificate_path": credential}}},
			"WorkloadAttestor": object{"unix": object{"plugin_data": object{}}},
		},
	})
	if err != nil {
		l.t.Fatal(err)
	}
	lab.WriteFile(l.t, filepath.Join(l.dir, "agent.json"), config, 0o644)
	agent := lab.Start(l.t, 0, l.dir, lab.SpireAgent, "run", "-config", filepath.Join(l.dir, "agent.json"))
	lab.Eventually(l.t, time.Minute, "the agent's socket is there", func() (bool, string) {
		if !agent.Running() {
			l.t.Fatalf("the agent ended: %v", agent)
		}
		_, err := os.Stat(socket)
		return err == nil, fmt.Sprint(err)
	})
	lab.FetchID(l.t, socket, uint32(os.Getuid()), "spiffe://"+lab.TrustDomain+"/web", time.Minute)
	return socket
}

func newRotateLab(t *testing.T, server *lab.Server) *rotateLab {
	t.Helper()
	l := &rotateLab{t: t, dir: newDeployment(t), server: server, agentID: agentName("hello.web", "vm-1")}
	text := strings.Replace(string(l.read("deployment.toml")), `"unix:uid:1"`, fmt.Sprintf(`"unix:uid:%d"`, os.Getuid()), 1)
	lab.WriteFile(t, filepath.Join(l.dir, "deployment.toml"), []byte(text), 0o600)
	l.ctl(0, "build")
	return l
}

// The issuer and then the root are rotated under an agent that runs. Its workload asks all the time, and is always given
// its SVID; the agent keeps its id.
func TestCtlRotateUnderARunningAgent(t *testing.T) {
	t.Parallel()
	l := newRotateLab(t, lab.OwnTemplateServer(t, rotateTTL))
	l.server.Trust(t, l.read("out/spire/ca-bundle.pem"), rotateTTL)
	l.ctl(0, "entries", "apply")
	l.renew()
	polls := poll(t, l.server, l.agentID, l.startAgent(l.server.Bundle))
	first, firstRoot := l.fingerprint("out/x509pop/web.pem"), l.fingerprint("out/x509pop/root.pem")
	l.attestsBelow(first)

	says(t, l.ctl(100, "rotate", "issuer", "web", "--finish"), "is not being rotated")
	l.ctl(0, "rotate", "issuer", "web")
	second := l.fingerprint("out/x509pop/web.pem")
	says(t, l.ctl(100, "rotate", "issuer", "web"), "being rotated already")
	l.ctl(0, "build")
	l.ctl(0, "entries", "apply", "--prune") // which must leave the old alias
	says(t, l.ctl(100, "rotate", "issuer", "web", "--finish"), "would lose their identity", l.agentID)
	l.renew()
	l.attestsBelow(second, first)
	l.ctl(0, "rotate", "issuer", "web", "--finish")
	l.ctl(0, "build")
	l.ctl(0, "entries", "apply", "--prune")
	l.ctl(0, "entries", "plan")
	l.attestsAgain()

	says(t, l.ctl(100, "rotate", "root", "--switch"), "there is no new root")
	l.ctl(0, "rotate", "root")
	says(t, l.ctl(100, "rotate", "root", "--finish"), "does not count yet")
	l.ctl(0, "build")
	l.server.Trust(t, l.read("out/spire/ca-bundle.pem"), rotateTTL)
	l.attestsAgain() // below the old root
	l.ctl(0, "rotate", "root", "--switch")
	third, secondRoot := l.fingerprint("out/x509pop/web.pem"), l.fingerprint("out/x509pop/root.pem")
	says(t, l.ctl(100, "rotate", "root"), "being rotated already")
	l.ctl(0, "build")
	l.ctl(0, "entries", "apply", "--prune")
	says(t, l.ctl(100, "rotate", "root", "--finish"), "would lose their identity", l.agentID)
	l.renew()
	l.attestsBelow(third, second, firstRoot)
	l.ctl(0, "rotate", "root", "--finish")
	l.ctl(0, "build")
	l.ctl(0, "entries", "apply", "--prune")
	l.server.Trust(t, l.read("out/spire/ca-bundle.pem"), rotateTTL)
	l.attestsAgain()
	l.attestsBelow(secondRoot, firstRoot)
	if first == second || second == third || firstRoot == secondRoot {
		t.Error("nothing was rotated")
	}
	polls.end()
}

// pair checks that key and certificate belong together and are below the root, and returns the certificate.
func (l *rotateLab) pair(name string) *x509.Certificate {
	l.t.Helper()
	pair, err := tls.X509KeyPair(l.read("out/x509pop/"+name+".pem"), l.read("out/x509pop/"+name+".key"))
	if err != nil {
		l.t.Fatalf("%s: %v", name, err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(l.read("out/x509pop/root.pem"))
	if _, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}); err != nil {
		l.t.Fatalf("%s: %v", name, err)
	}
	return pair.Leaf
}

// block makes a rename onto a key fail, and returns what ends that.
func (l *rotateLab) block(key string) (free func()) {
	l.t.Helper()
	path := filepath.Join(l.dir, "out/x509pop", key)
	if err := os.Rename(path, path+".away"); err != nil {
		l.t.Fatal(err)
	}
	if err := os.Mkdir(path, 0o700); err != nil {
		l.t.Fatal(err)
	}
	return func() {
		if err := os.Remove(path); err != nil {
			l.t.Fatal(err)
		}
		if err := os.Rename(path+".away", path); err != nil {
			l.t.Fatal(err)
		}
	}
}

// A step that is cut off at any point is completed by the same step.
func TestCtlRotateCutOff(t *testing.T) {
	t.Parallel()
	l := newRotateLab(t, lab.SharedServer(t, "1h"))
	old := l.pair("web")
	free := l.block("web.key")
	says(t, l.ctl(111, "rotate", "issuer", "web"), "cannot move")
	free()
	if !l.pair("web").Equal(old) {
		t.Fatal("half of a new pair")
	}
	// The key was moved, the certificate not.
	if err := os.Rename(filepath.Join(l.dir, "out/x509pop-next/web.key"), filepath.Join(l.dir, "out/x509pop/web.key")); err != nil {
		t.Fatal(err)
	}
	l.ctl(0, "rotate", "issuer", "web")
	if l.pair("web").Equal(old) {
		t.Fatal("nothing was rotated")
	}
	if got := l.read("out/x509pop-previous/web.pem"); !strings.HasPrefix(string(got), "-----BEGIN CERTIFICATE") || string(got) == string(l.read("out/x509pop/web.pem")) {
		t.Fatal("the certificate before it is not kept")
	}
	// Nobody attests by it, and the server does not even know the new one.
	l.ctl(0, "build")
	says(t, l.ctl(100, "rotate", "issuer", "web", "--finish"), "the SPIRE server lacks 4 of the deployment's entries")
	l.ctl(0, "rotate", "issuer", "web", "--finish", "--force")

	// A key whose certificate was never written is no next issuer.
	lab.WriteFile(t, filepath.Join(l.dir, "out/x509pop-next/web.key"), []byte("half"), 0o600)
	l.ctl(0, "rotate", "issuer", "web")
	l.pair("web")
	l.ctl(0, "rotate", "root")
	l.ctl(0, "build")
	says(t, l.ctl(100, "rotate", "root", "--switch"), "finish that first")
}

func TestCtlRotateRootCutOff(t *testing.T) {
	t.Parallel()
	l := newRotateLab(t, lab.SharedServer(t, "1h"))
	oldRoot := l.pair("root")
	l.ctl(0, "rotate", "root")
	l.ctl(0, "rotate", "root") // as often as one likes
	l.ctl(0, "build")
	lab.WriteFile(t, filepath.Join(l.dir, "out/x509pop-next/switching"), nil, 0o644) // it began, and no more
	for _, key := range []string{"db.key", "root.key"} {
		free := l.block(key)
		says(t, l.ctl(111, "rotate", "root", "--switch"), "cannot move")
		says(t, l.ctl(100, "rotate", "root"), "being switched")
		says(t, l.ctl(100, "rotate", "issuer", "db"), "being switched")
		says(t, l.ctl(100, "rotate", "root", "--finish"), "being switched")
		free()
	}
	l.ctl(0, "rotate", "root", "--switch")
	if l.pair("root").Equal(oldRoot) {
		t.Error("the root is the old one")
	}
	l.pair("web")
	l.pair("db")
	l.ctl(0, "build")
	if n := strings.Count(string(l.read("out/spire/ca-bundle.pem")), "BEGIN CERTIFICATE"); n != 2 {
		t.Errorf("%d roots in the bundle, want 2", n)
	}
	says(t, l.ctl(111, "rotate", "root", "--finish", "--api", "unix:///nowhere/s", "--timeout", "1"), "--force does not ask")
	l.ctl(0, "rotate", "root", "--finish", "--force", "--api", "unix:///nowhere/s")
	l.ctl(0, "build")
	if n := strings.Count(string(l.read("out/spire/ca-bundle.pem")), "BEGIN CERTIFICATE"); n != 1 {
		t.Errorf("%d roots in the bundle, want 1", n)
	}
	says(t, l.ctl(100, "rotate", "issuer", "nobody"), "has no class 'nobody'")
	says(t, l.ctl(100, "rotate", "root", "--finish", "--switch"), "one at a time")
}
