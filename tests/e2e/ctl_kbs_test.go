// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sealpod.test/e2e/lab"
	"sealpod.test/guest"
	"sealpod.test/kbs"
)

// ctlLab is a broker with an administrator, and what sealpodctl needs to be one.
type ctlLab struct {
	t      *testing.T
	dir    string
	broker *kbs.Server
	args   []string
}

func newCtlLab(t *testing.T, key crypto.Signer, change func(*kbs.Options)) *ctlLab {
	t.Helper()
	l := &ctlLab{t: t, dir: t.TempDir()}
	l.broker = lab.StartKBS(t, nil, func(o *kbs.Options) {
		o.AdminKey = key.Public()
		if change != nil {
			change(o)
		}
	})
	l.writeKey(key)
	l.write("ca.pem", string(l.broker.CAPEM()))
	l.args = []string{"--url", l.broker.URL(), "--ca", "ca.pem", "--admin-key", "admin.key"}
	return l
}

func (l *ctlLab) writeKey(key crypto.Signer) {
	l.t.Helper()
	l.write("admin.key", pkcs8(l.t, key))
}

func (l *ctlLab) write(name, text string) {
	l.t.Helper()
	if err := os.WriteFile(filepath.Join(l.dir, name), []byte(text), 0o600); err != nil {
		l.t.Fatal(err)
	}
}

// run is `sealpodctl kbs words…` with the lab's target.
func (l *ctlLab) run(status int, words ...string) *lab.Process {
	l.t.Helper()
	return lab.RunCtl(l.t, status, l.dir, append(append([]string{"kbs"}, words...), l.args...)...)
}

func pkcs8(t *testing.T, key crypto.Signer) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

func ed25519Key(t *testing.T) crypto.Signer {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func p256Key(t *testing.T) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestCtlKBSResources(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		key      crypto.Signer
		personas bool
	}{
		"ed25519": {ed25519Key(t), false}, "p256": {p256Key(t), false}, "personas": {ed25519Key(t), true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newCtlLab(t, row.key, func(o *kbs.Options) { o.Personas = row.personas })
			l.write("secret", "first secret\x00with a NUL")
			said := l.run(0, "put", "kbs:///default/db/password", "secret")
			if got := string(l.broker.Contents().Resources["default/db/password"]); got != "first secret\x00with a NUL" {
				t.Fatalf("the broker holds %q", got)
			}
			if strings.Contains(said.Stderr.String()+said.Stdout.String(), "first") {
				t.Errorf("the secret was shown: %v", said)
			}
			l.write("secret", "second")
			l.run(0, "put", "kbs:///default/db/password", "secret")
			if got := string(l.broker.Contents().Resources["default/db/password"]); got != "second" {
				t.Fatalf("the broker holds %q", got)
			}
			l.run(0, "delete", "kbs:///default/db/password")
			if len(l.broker.Contents().Resources) != 0 {
				t.Error("the resource is still there")
			}
			l.run(111, "delete", "kbs:///default/db/password")
		})
	}
}

func TestCtlKBSPoliciesAndValues(t *testing.T) {
	t.Parallel()
	l := newCtlLab(t, ed25519Key(t), nil)
	before := l.broker.Contents()
	refused := func(text, words string, argv ...string) {
		t.Helper()
		l.write("p.rego", text)
		if p := l.run(100, append(argv, "p.rego")...); !strings.Contains(p.Stderr.String(), words) {
			t.Errorf("%v does not say '%s'", p, words)
		}
	}
	refused("package policy\ndefault executables := 3\n", "no rule 'trust_claims'", "attestation-policy")
	refused("package policy\n# trust_claims := {}\n", "no rule 'trust_claims'", "attestation-policy")
	refused("package policy\nallowed := true\n", "no rule 'allow'", "resource-policy")
	refused("package kbs\nallow := true\n", "package policy", "resource-policy")
	refused("package policy\nallow := {\n", "the KBS does not take this", "resource-policy")
	refused("package policy\ntrust_claims := {\n", "its log says why", "attestation-policy")
	if now := l.broker.Contents(); now.ResourcePolicy != before.ResourcePolicy ||
		now.AttestationPolicies["default_cpu"] != before.AttestationPolicies["default_cpu"] {
		t.Error("a refused policy is in force")
	}

	const good = "package policy\nallow := false\ntrust_claims := {\"hardware\": 2}\n# \u00e4 and \u20ac\n"
	l.write("p.rego", good)
	l.run(0, "resource-policy", "p.rego")
	l.run(0, "attestation-policy", "p.rego")
	if now := l.broker.Contents(); now.ResourcePolicy != good || now.AttestationPolicies["default_cpu"] != good {
		t.Errorf("the broker holds %+v", now)
	}
	if p := l.run(0, "attestation-policy", "p.rego", "--id", "default"); !strings.Contains(p.Stderr.String(), "never asks it") {
		t.Errorf("no warning of an unused id: %v", p)
	}
	if p := l.run(0, "list", "--json"); !strings.Contains(p.Stdout.String(), `"id":"resource-policy"`) {
		t.Errorf("%v", p)
	}

	l.write("values.json", `{"snp_launch_measurement":["aa","bb"],"minimum":4}`)
	l.run(0, "reference-values", "--set", "values.json")
	if p := l.run(0, "reference-values", "minimum", "snp_launch_measurement"); p.Stdout.String() != `{"minimum":4,"snp_launch_measurement":["aa","bb"]}`+"\n" {
		t.Errorf("%v", p)
	}
	if p := l.run(111, "reference-values", "minimum", "unknown"); p.Stdout.String() != "" {
		t.Errorf("half of it was printed: %v", p)
	}
	l.run(100, "reference-values", "minimum", "minimum")
	for _, bad := range []string{`["a"]`, `{`, `{"a/b":1}`, `{"a":1,"a":2}`} {
		l.write("values.json", bad)
		l.run(100, "reference-values", "--set", "values.json")
	}
	l.run(100, "reference-values")
}

func TestCtlKBSRefusals(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		change func(l *ctlLab, options map[string]string)
		status int
		words  string
	}{
		"another key":  {func(l *ctlLab, _ map[string]string) { l.writeKey(ed25519Key(t)) }, 102, "public half of this key"},
		"no CA":        {func(_ *ctlLab, o map[string]string) { delete(o, "--ca") }, 100, "https wants '--ca FILE'"},
		"no PEM as CA": {func(_ *ctlLab, o map[string]string) { o["--ca"] = "secret" }, 100, "option '--ca'"},
		"no key":       {func(_ *ctlLab, o map[string]string) { delete(o, "--admin-key") }, 100, "'--admin-key' is missing"},
		"public key":   {func(_ *ctlLab, o map[string]string) { o["--admin-key"] = "ca.pem" }, 103, "not an unencrypted private key"},
		"no URL":       {func(_ *ctlLab, o map[string]string) { clear(o) }, 100, "which KBS? There is no 'deployment.toml' here"},
		"two ways":     {func(_ *ctlLab, o map[string]string) { delete(o, "--url"); o["--deployment"] = "x.toml" }, 100, "'--ca' goes with '--url'"},
		"key of a deployment": {func(_ *ctlLab, o map[string]string) {
			delete(o, "--url")
			delete(o, "--ca")
			o["--deployment"] = "x.toml"
		}, 100, "'--admin-key' and '--role' go with '--url'"},
		"URL and deployment": {func(_ *ctlLab, o map[string]string) { o["--deployment"] = "x.toml" }, 100, "exclude each other: give '--url' with '--admin-key'"},
		"bad time":           {func(_ *ctlLab, o map[string]string) { o["--timeout"] = "1m" }, 100, "is not a number"},
		"role":               {func(_ *ctlLab, o map[string]string) { o["--role"] = "guest" }, 102, "Role guest not allowed"},
		"nobody listens":     {func(_ *ctlLab, o map[string]string) { o["--url"], o["--timeout"] = "https://127.0.0.1:1", "1" }, 111, "gave up at the deadline"},
		"another CA": {func(l *ctlLab, _ map[string]string) {
			l.write("ca.pem", string(lab.StartKBS(t, nil, nil).CAPEM()))
		}, 100, "certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newCtlLab(t, ed25519Key(t), nil)
			l.write("secret", "x")
			options := map[string]string{"--url": l.broker.URL(), "--ca": "ca.pem", "--admin-key": "admin.key"}
			row.change(l, options)
			words := []string{"kbs", "put", "kbs:///a/b/c", "secret"}
			for option, value := range options {
				words = append(words, option, value)
			}
			p := lab.RunCtl(t, row.status, l.dir, words...)
			if !strings.Contains(p.Stderr.String(), row.words) {
				t.Errorf("%v does not say '%s'", p, row.words)
			}
			if len(l.broker.Contents().Resources) != 0 {
				t.Error("the resource was stored")
			}
		})
	}
}

// What was done, for machines, in each verb's words.
func TestCtlKBSSaysWhatWasDone(t *testing.T) {
	t.Parallel()
	l := newCtlLab(t, ed25519Key(t), nil)
	const policy = "package policy\nallow := false\ntrust_claims := {\"hardware\": 2}\n"
	l.write("p.rego", policy)
	l.write("secret", "four")
	l.write("values.json", `{"a":["b"]}`)
	for _, row := range []struct{ words, want string }{
		{"put kbs:///a/b/c secret", `{"stored":"kbs:///a/b/c","bytes":4}`},
		{"delete kbs:///a/b/c", `{"deleted":"kbs:///a/b/c"}`},
		{"resource-policy p.rego", fmt.Sprintf(`{"set":"resource-policy","bytes":%d}`, len(policy))},
		{"attestation-policy p.rego", fmt.Sprintf(`{"set":"attestation-policy","id":"default_cpu","bytes":%d}`, len(policy))},
		{"reference-values --set values.json", `{"set":"reference-values","values":{"a":["b"]}}`},
		{"reference-values a", `{"a":["b"]}`},
	} {
		words := strings.Fields(row.words)
		if p := l.run(0, append(words, "--json")...); p.Stdout.String() != row.want+"\n" {
			t.Errorf("%s: %v, want %s", row.words, p, row.want)
		}
		if row.words[0] != 'd' && words[len(words)-1] != "a" {
			if p := l.run(0, words...); p.Stdout.String() != "" {
				t.Errorf("%s without --json: %v", row.words, p)
			}
		}
	}
}

// Without TLS all in between see the token: said, but for this machine itself, where nobody is in between.
func TestCtlKBSWarnsOfAPlainURL(t *testing.T) {
	t.Parallel()
	l := newCtlLab(t, ed25519Key(t), nil)
	for url, warned := range map[string]bool{
		"http://kbs.invalid":       true,
		"http://127.evil.invalid":  true,
		"http://localhost.invalid": true,
		"http://127.0.0.1:1":       false,
		"http://localhost:1":       false,
		"http://[::1]:1":           false,
	} {
		p := lab.RunCtl(t, 111, l.dir, "kbs", "list", "--url", url, "--admin-key", "admin.key", "--timeout", "1")
		if strings.Contains(p.Stderr.String(), "has no TLS") != warned {
			t.Errorf("%s, want a warning: %v: %v", url, warned, p)
		}
	}
}

// Without --url a call is to the KBS of the deployment in this directory, as --help says.
func TestCtlKBSTakesTheDeploymentOfTheDirectory(t *testing.T) {
	t.Parallel()
	l := newApplyLab(t, "trustee-1.1", nil)
	for _, how := range [][]string{nil, {"--deployment", "deployment.toml"}, {"--out", "out"}} {
		if p := l.run(0, append([]string{"kbs", "list", "--json"}, how...)...); !strings.Contains(p.Stdout.String(), `"resource_policies":`) {
			t.Errorf("%v: %v", how, p)
		}
	}
	says(t, l.run(100, "kbs", "get", "kbs:///a/b/c", "--tee", "snp", "--url", "http://127.0.0.1:1", "--out", "out"), "exclude each other: give '--url' with '--ca'")
}

// The token that a guest's attestation agent gives, with its key, opens resources
// for whoever holds it.
func TestCtlKBSGetsWithAGuestsToken(t *testing.T) {
	t.Parallel()
	broker := lab.StartKBS(t, map[string][]byte{"default/db/password": []byte("a\x00b")}, nil)
	components, err := guest.Start(guest.Options{KBSURL: broker.URL(), CAPEM: broker.CAPEM(), Dir: machineDir(t), Features: "all"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(components.Close)
	answer, err := http.Get(components.RESTURL + "/aa/token?token_type=kbs")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	token, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%v, %s", err, answer.Status)
	}
	dir := t.TempDir()
	lab.WriteFile(t, filepath.Join(dir, "token"), token, 0o600)
	lab.WriteFile(t, filepath.Join(dir, "ca.pem"), broker.CAPEM(), 0o600)
	get := []string{"kbs", "get", "kbs:///default/db/password", "--url", broker.URL(), "--ca", "ca.pem", "--token", "token"}
	p := lab.RunCtl(t, 0, dir, get...)
	if p.Stdout.String() != "a\x00b" || strings.Contains(p.Stderr.String(), "eyJ") {
		t.Errorf("%v", p)
	}
	if err := broker.SetResourcePolicy(lab.DenyAll); err != nil {
		t.Fatal(err)
	}
	if p := lab.RunCtl(t, 102, dir, get...); p.Stdout.String() != "" {
		t.Errorf("%v", p)
	}
}
