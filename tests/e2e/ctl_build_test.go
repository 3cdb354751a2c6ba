// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sealpod.test/e2e/lab"
)

const buildDeployment = `name = "hello"
trust_domain = "example.test"
tees = ["snp", "az-tdx-vtpm"]
[spire]
version = "1.15.2"
server_address = "spire.example.test"
trust_bundle_file = "bundle.pem"
[kbs]
url = "https://kbs.example.test"
ca_file = "kbs-ca.pem"
[image]
measurements_file = "measurements.json"
[image.reference_values]
snp_launch_measurement = ["%s"]
[[class]]
name = "web"
[[class.workload]]
spiffe_id = "/web"
selectors = ["unix:uid:1"]
[[class]]
name = "db"
credential = "fetch"
[[class.workload]]
spiffe_id = "/db"
selectors = ["unix:uid:2"]
[[secret]]
path = "status/fixed"
value = "attested"
[[secret]]
path = "status/random"
random = 32
[[secret]]
path = "status/file"
file = "secret.txt"
classes = ["db"]
`

// newDeployment is a directory with a deployment.toml and the files that it names.
func newDeployment(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("deployment.toml", fmt.Sprintf(buildDeployment, goodLaunch))
	write("secret.txt", "from a file")
	write("measurements.json", `{"measurements":{"sha256":{"pcr03":"`+goodPCR+`","pcr09":"`+goodPCR+`","pcr11":"`+goodPCR+`","pcr12":"`+goodPCR+`"}}}`)
	lab.RunCtl(t, 0, dir, "issue", "root", "kbs-ca")
	lab.RunCtl(t, 0, dir, "issue", "root", "bundle")
	return dir
}

// contents are all files below dir with their modes.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		text, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		found[name] = info.Mode().Perm().String() + " " + string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func openssl(t *testing.T, argv ...string) string {
	t.Helper()
	out, err := exec.Command("openssl", argv...).CombinedOutput()
	if err != nil {
		t.Fatalf("openssl %v: %v\n%s", argv, err, out)
	}
	return string(out)
}

func TestBuildIsTheSameTwice(t *testing.T) {
	t.Parallel()
	dir := newDeployment(t)
	lab.RunCtl(t, 0, dir, "build")
	first := contents(t, filepath.Join(dir, "out"))
	again := lab.RunCtl(t, 0, dir, "build")
	if !strings.Contains(again.Stdout.String(), "0 files written") {
		t.Errorf("the second build wrote: %v", again)
	}
	var told struct {
		Directory          string
		Written, Unchanged int
	}
	machine := lab.RunCtl(t, 0, dir, "build", "--json").Stdout.String()
	if err := json.Unmarshal([]byte(machine), &told); err != nil || told.Directory != "./out" || told.Written != 0 || told.Unchanged == 0 {
		t.Errorf("build --json says %v (%v)", machine, err)
	}
	if second := contents(t, filepath.Join(dir, "out")); !maps.Equal(first, second) {
		t.Error("the second build changed something")
	}
	for name, text := range first {
		private := strings.HasSuffix(name, ".key") || strings.HasPrefix(name, "secrets/") || strings.HasPrefix(name, "kbs/resources/")
		if private != strings.HasPrefix(text, "-rw------- ") {
			t.Errorf("%s is %.10s", name, text)
		}
		if !private && strings.Contains(text, "PRIVATE KEY") {
			t.Errorf("%s holds a private key", name)
		}
	}
	if info, _ := os.Stat(filepath.Join(dir, "out")); info.Mode().Perm() != 0o700 {
		t.Errorf("out has mode %v", info.Mode())
	}
	for _, secret := range []string{"secrets/status/random", "sealed-secret.key"} {
		text := strings.SplitN(first[secret], " ", 2)[1]
		if strings.Contains(again.Stdout.String()+again.Stderr.String(), text) || text == "" {
			t.Errorf("%s was printed or is empty", secret)
		}
	}
}

func TestBuildMakesTheSameOutOfTheSameKeys(t *testing.T) {
	t.Parallel()
	dir := newDeployment(t)
	lab.RunCtl(t, 0, dir, "build")
	first := contents(t, filepath.Join(dir, "out"))
	for name := range first {
		if strings.HasPrefix(name, "initdata/") || strings.HasPrefix(name, "kbs/") || strings.HasPrefix(name, "spire/") {
			if err := os.Remove(filepath.Join(dir, "out", name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	lab.RunCtl(t, 0, dir, "build")
	if second := contents(t, filepath.Join(dir, "out")); !maps.Equal(first, second) {
		t.Error("the same keys gave other outputs")
	}
}

func TestBuiltCertificatesVerify(t *testing.T) {
	t.Parallel()
	dir := newDeployment(t)
	lab.RunCtl(t, 0, dir, "build")
	pki := filepath.Join(dir, "out", "x509pop")
	for _, class := range []string{"web", "db"} {
		openssl(t, "verify", "-x509_strict", "-CAfile", filepath.Join(pki, "root.pem"), filepath.Join(pki, class+".pem"))
	}
	issuer := openssl(t, "x509", "-noout", "-text", "-nameopt", "RFC2253", "-in", filepath.Join(pki, "web.pem"))
	leaf := openssl(t, "x509", "-noout", "-text", "-nameopt", "RFC2253", "-in", filepath.Join(pki, "db.pem"))
	for text, parts := range map[string][]string{
		issuer: {"CA:TRUE, pathlen:0", "CN=hello.web", "Certificate Sign"},
		leaf:   {"CA:FALSE", "CN=hello.db", "Digital Signature", "URI:x509pop://example.test/class/db"},
	} {
		for _, part := range parts {
			if !strings.Contains(text, part) {
				t.Errorf("'%s' is not in\n%s", part, text)
			}
		}
	}
}

func TestBuiltInitdataIsWhatItsDigestsSay(t *testing.T) {
	t.Parallel()
	dir := newDeployment(t)
	lab.RunCtl(t, 0, dir, "build")
	read := func(name string) []byte {
		text, err := os.ReadFile(filepath.Join(dir, "out", "initdata", name))
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	toml := read("web.toml")
	packed, err := base64.StdEncoding.DecodeString(string(read("web.annotation")))
	if err != nil {
		t.Fatal(err)
	}
	reader, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(reader); err != nil || !bytes.Equal(text, toml) {
		t.Errorf("the annotation is not the document (%v)", err)
	}
	var digests map[string]string
	if err := json.Unmarshal(read("web.digests.json"), &digests); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(toml)
	pcr8 := sha256.Sum256(append(make([]byte, 32), sum[:]...))
	want := map[string]string{
		"digest":     hex.EncodeToString(sum[:]),
		"host_data":  hex.EncodeToString(sum[:]),
		"mrconfigid": hex.EncodeToString(sum[:]) + strings.Repeat("0", 32),
		"pcr8":       hex.EncodeToString(pcr8[:]),
	}
	if !maps.Equal(digests, want) {
		t.Errorf("digests are %v, not %v", digests, want)
	}
}

func TestBuildRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		break_ func(dir string) error
		says   string
	}{
		"half_a_pair":      {func(dir string) error { return os.Remove(filepath.Join(dir, "out/x509pop/web.pem")) }, "is there without"},
		"open_directory":   {func(dir string) error { return os.Chmod(filepath.Join(dir, "out"), 0o755) }, "chmod 700"},
		"no_bundle":        {func(dir string) error { return os.Remove(filepath.Join(dir, "bundle.pem")) }, "bundle.pem"},
		"open_secret_file": {func(dir string) error { return os.Chmod(filepath.Join(dir, "secret.txt"), 0o644) }, "chmod 600"},
		"bad_deployment": {func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "deployment.toml"), []byte("name = 1\n"), 0o600)
		}, "deployment.toml:1: key 'name': is of type integer"},
		"empty_secret": {func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "secret.txt"), nil, 0o600)
		}, "KBS resource 'default/status/file': has 0 bytes"},
		"key_in_bundle": {func(dir string) error {
			return os.Rename(filepath.Join(dir, "bundle.key"), filepath.Join(dir, "bundle.pem"))
		}, "trust bundle 'bundle.pem': a private key begins in line 1: a trust bundle is public"},
		"no_certificate_in_bundle": {func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "bundle.pem"), []byte("hi\n"), 0o600)
		}, "trust bundle 'bundle.pem': no PEM block 'CERTIFICATE' in it"},
		"open_agent_policy": {func(dir string) error {
			deployment := strings.Replace(fmt.Sprintf(buildDeployment, goodLaunch), "name = \"web\"", "name = \"web\"\nagent_policy_file = \"p.rego\"", 1)
			policy := "package agent_policy\ndefault A := false default SetPolicyRequest := true\n"
			return errors.Join(os.WriteFile(filepath.Join(dir, "deployment.toml"), []byte(deployment), 0o600),
				os.WriteFile(filepath.Join(dir, "p.rego"), []byte(policy), 0o600))
		}, "sealpodctl: error: init-data of class 'web': policy.rego line 2: SetPolicyRequest is allowed without"},
		"bad_ca": {func(dir string) error { return os.WriteFile(filepath.Join(dir, "kbs-ca.pem"), []byte("x\n"), 0o600) }, "holds no certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := newDeployment(t)
			lab.RunCtl(t, 0, dir, "build")
			if err := c.break_(dir); err != nil {
				t.Fatal(err)
			}
			status := 100
			if strings.HasSuffix(name, "_bundle") && name != "no_bundle" {
				status = 103
			}
			p := lab.RunCtl(t, status, dir, "build")
			if !strings.Contains(p.Stderr.String(), c.says) {
				t.Errorf("'%s' is not in: %v", c.says, p.Stderr.String())
			}
			for name, text := range contents(t, filepath.Join(dir, "out")) {
				if strings.HasPrefix(name, "initdata/") && strings.Contains(text, "PRIVATE KEY") {
					t.Errorf("%s holds a key", name)
				}
			}
		})
	}
}

// What is not made any more goes, with a word; keys, certificates and what others put there stay.
func TestBuildTakesAwayWhatItDoesNotMakeAnyMore(t *testing.T) {
	t.Parallel()
	dir := newDeployment(t)
	out := filepath.Join(dir, "out")
	edit := func(from, to string) {
		text := readText(t, dir, "deployment.toml")
		lab.WriteFile(t, filepath.Join(dir, "deployment.toml"), []byte(strings.ReplaceAll(text, from, to)), 0o600)
	}
	lab.RunCtl(t, 0, dir, "build")
	lab.WriteFile(t, filepath.Join(out, "pods/mine.yaml"), nil, 0o644)
	before := contents(t, out)
	edit(`"db"`, `"store"`)
	p := lab.RunCtl(t, 0, dir, "build")
	after := contents(t, out)
	for _, name := range []string{"initdata/db.toml", "initdata/db.annotation", "initdata/db.digests.json", "pods/db.yaml",
		"kbs/resources/default/spire-key-db/key", "kbs/resources/default/spire-cert-db/cert", "kbs/resources/default/sealpod-config-db/toml"} {
		if before[name] == "" || after[name] != "" {
			t.Errorf("%s: '%.20s', then '%.20s'", name, before[name], after[name])
		}
		if !strings.Contains(p.Stderr.String(), "out/"+name+"' is not made any more") {
			t.Errorf("%s is not named in %v", name, p)
		}
		delete(before, name)
	}
	for name := range before {
		if after[name] == "" {
			t.Errorf("%s is gone", name)
		}
	}
	built := filepath.Join(out, "built")
	for _, line := range []string{"x509pop/web.key", "kbs/../secrets/status/random", "/etc/hosts", "pods/", ""} {
		lab.WriteFile(t, built, []byte("pods/mine.yaml\n"+line+"\n"), 0o644)
		p := lab.RunCtl(t, 100, dir, "build")
		if !strings.Contains(p.Stderr.String(), "'"+line+"' is nothing that build makes") {
			t.Errorf("'%s': %v", line, p)
		}
	}
	if now := contents(t, out); now["pods/mine.yaml"] == "" || now["x509pop/web.key"] != after["x509pop/web.key"] {
		t.Error("a bad list removed something")
	}
	if err := os.Remove(built); err != nil {
		t.Fatal(err)
	}
	lab.RunCtl(t, 0, dir, "build")
}

// Of trust bundle and CA the certificates are taken and nothing else, whatever stands beside them.
func TestBuildTakesCertificatesAlone(t *testing.T) {
	dir := newDeployment(t)
	lab.RunCtl(t, 0, dir, "build")
	want := contents(t, filepath.Join(dir, "out"))
	lab.RunCtl(t, 0, dir, "keygen", "spare.key")
	var body []string
	for _, line := range strings.Split(strings.TrimSpace(readText(t, dir, "spare.key")), "\n") {
		if !strings.Contains(line, "---") {
			body = append(body, line)
		}
	}
	key := strings.Join(body, "\n") + "\n"
	for name, beside := range map[string]string{
		"headless key": key, "indented key": "  -----BEGIN PRIVATE KEY-----\n  " + key + "  -----END PRIVATE KEY-----\n",
		"a comment": "subject=CN = x\n", "CRLF": "\r\n",
	} {
		for _, file := range []string{"bundle.pem", "kbs-ca.pem"} {
			text := readText(t, dir, file)
			lab.WriteFile(t, filepath.Join(dir, file), []byte(beside+strings.ReplaceAll(text, "\n", "\r\n")+beside), 0o600)
			p := lab.Ctl(t, dir, "build")
			p.Wait(t, waitLimit)
			if p.Status() != 0 && p.Status() != 103 {
				t.Errorf("%s beside %s: %v", name, file, p)
			}
			if now := contents(t, filepath.Join(dir, "out")); !maps.Equal(now, want) {
				t.Errorf("%s beside %s: other outputs", name, file)
			}
			lab.WriteFile(t, filepath.Join(dir, file), []byte(text), 0o600)
		}
	}
}

// What was made by an earlier state of the file, or is over, is not taken for what is wanted now.
func TestBuildLooksAtWhatIsThere(t *testing.T) {
	t.Parallel()
	change := func(dir, from, to string) {
		file := filepath.Join(dir, "deployment.toml")
		text, err := os.ReadFile(file)
		if err != nil || !strings.Contains(string(text), from) {
			t.Fatalf("%v: no %s", err, from)
		}
		writeFile(t, dir, "deployment.toml", []byte(strings.Replace(string(text), from, to, 1)))
	}
	reissue := func(dir, days string) {
		for _, name := range []string{"out/x509pop/web.key", "out/x509pop/web.pem"} {
			if err := os.Remove(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
		lab.RunCtl(t, 0, dir, "issue", "issuer", "out/x509pop/web", "--ca", "out/x509pop/root", "--cn", "hello.web", "--days", days)
	}
	for name, c := range map[string]struct {
		change func(dir string)
		status int
		says   string
	}{
		"mint_to_fetch":  {func(dir string) { change(dir, "name = \"web\"\n", "name = \"web\"\ncredential = \"fetch\"\n") }, 100, "is a CA, not a leaf"},
		"fetch_to_mint":  {func(dir string) { change(dir, "\"fetch\"", "\"mint\"") }, 100, "is a leaf, not a CA"},
		"another_name":   {func(dir string) { change(dir, "\"hello\"", "\"bye\"") }, 100, "is of 'CN=hello.root', not of 'CN=bye.root'"},
		"another_domain": {func(dir string) { change(dir, "\"example.test\"", "\"other.test\"") }, 100, "trust domain 'other.test'"},
		"ends_soon":      {func(dir string) { reissue(dir, "5") }, 0, "web.pem' ends in "},
		"ends_later":     {func(dir string) { reissue(dir, "40") }, 0, ""},
		"root_key_in_a_safe": {func(dir string) {
			if err := os.Remove(filepath.Join(dir, "out/x509pop/root.key")); err != nil {
				t.Fatal(err)
			}
		}, 0, ""},
		"root_key_needed": {func(dir string) {
			for _, name := range []string{"root.key", "web.key", "web.pem"} {
				if err := os.Remove(filepath.Join(dir, "out/x509pop", name)); err != nil {
					t.Fatal(err)
				}
			}
		}, 100, "root.key"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := newDeployment(t)
			lab.RunCtl(t, 0, dir, "build")
			c.change(dir)
			p := lab.RunCtl(t, c.status, dir, "build")
			if !strings.Contains(p.Stderr.String(), c.says) || c.says == "" && strings.Contains(p.Stderr.String(), "ends in") {
				t.Errorf("'%s' is not in: %v", c.says, p.Stderr.String())
			}
		})
	}
}

func TestNewWritesWhatCanBeBuilt(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	lab.RunCtl(t, 0, dir, "new", "hello")
	lab.RunCtl(t, 0, filepath.Join(dir, "hello"), "issue", "root", "kbs-ca")
	lab.RunCtl(t, 0, filepath.Join(dir, "hello"), "issue", "root", "bundle")
	p := lab.RunCtl(t, 0, dir, "build", "--deployment", "hello/deployment.toml")
	says(t, p, "trust_domain is still 'example.org'", "spire.server_address is still 'spire.example.org'", "kbs.url is still 'https://kbs.example.org'",
		"image.reference_values.snp_launch_measurement is zero")
	if p := lab.RunCtl(t, 100, dir, "new", "hello"); !strings.Contains(p.Stderr.String(), "File exists") {
		t.Errorf("a second 'new' says: %v", p.Stderr.String())
	}
	lab.RunCtl(t, 100, dir, "new", "a b")
	lab.RunCtl(t, 100, dir, "new", "a.b")
}

func TestKeysAreNotOverwritten(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	lab.RunCtl(t, 0, dir, "keygen", "k")
	first := contents(t, dir)
	lab.RunCtl(t, 100, dir, "keygen", "k")
	lab.RunCtl(t, 0, dir, "issue", "root", "r")
	lab.RunCtl(t, 100, dir, "issue", "root", "r")
	lab.RunCtl(t, 100, dir, "issue", "leaf", "l", "--ca", "r")
	lab.RunCtl(t, 100, dir, "issue", "issuer", "i")
	lab.RunCtl(t, 100, dir, "keygen", "--type", "rsa", "x")
	second := contents(t, dir)
	if first["k"] != second["k"] || len(second) != 4 {
		t.Errorf("files are %v", second)
	}
	openssl(t, "pkey", "-in", filepath.Join(dir, "k"), "-check", "-noout")
}

func TestCompletionKnowsTheVerbs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	script := lab.RunCtl(t, 0, dir, "completion", "bash").Stdout.String()
	run := script + `
complete_line() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _sealpodctl; echo "${COMPREPLY[*]}"; }
complete_line sealpodctl b
complete_line sealpodctl initdata l
complete_line sealpodctl initdata lint --t
complete_line sealpodctl build --layout ''
complete_line sealpodctl initdata lint --tee az
complete_line sealpodctl apply --tee = s
complete_line sealpodctl apply --only =
complete_line sealpodctl initdata convert --to ''
complete_line sealpodctl initdata build --form g
complete_line sealpodctl entries print --format ''
complete_line sealpodctl keygen --type ''
complete_line sealpodctl completion ''
complete_line sealpodctl kbs generate r
complete_line sealpodctl kbs put --admin-key ''
complete_line sealpodctl kbs put ''
complete_line sealpodctl entries plan --prune ''
`
	want := []string{
		"build", "lint", "--tee",
		"layered-zero-trust coco-pattern", "az-snp-vtpm az-tdx-vtpm", "snp", "kbs spire",
		"toml annotation gzip image", "gzip", "data clusterstaticentry", "p256 ed25519",
		"bash zsh fish", "resource-policy reference-values",
		"", "", // files, by the shell itself
		"--deployment --out --api --timeout --json --prune --help",
		"",
	}
	out, err := exec.Command("bash", "-c", run).CombinedOutput()
	if err != nil || string(out) != strings.Join(want, "\n") {
		t.Errorf("%v: %s\nwant %s", err, out, strings.Join(want, "\n"))
	}
	if zsh := lab.RunCtl(t, 0, dir, "completion", "zsh").Stdout.String(); !strings.Contains(zsh, script) {
		t.Error("zsh does not complete as bash does")
	}
	fish := lab.RunCtl(t, 0, dir, "completion", "fish").Stdout.String()
	for _, line := range []string{
		"complete -c sealpodctl -n '__fish_seen_subcommand_from build' -l layout -x -a 'layered-zero-trust coco-pattern'",
		"complete -c sealpodctl -n '__fish_seen_subcommand_from build' -l out -r",
		"complete -c sealpodctl -n '__fish_seen_subcommand_from build' -l json",
		"complete -c sealpodctl -n '__fish_seen_subcommand_from completion' -f -a 'bash zsh fish'",
	} {
		if !strings.Contains(fish, line+"\n") {
			t.Errorf("fish is not told %q", line)
		}
	}
	lab.RunCtl(t, 100, dir, "completion", "csh")
}
