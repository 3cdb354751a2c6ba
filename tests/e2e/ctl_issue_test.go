// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"crypto/ecdsa"
	"crypto/sha1"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sealpod.test/e2e/lab"
)

func certificatesIn(t *testing.T, path string) []*x509.Certificate {
	t.Helper()
	rest, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var found []*x509.Certificate
	for block, rest := pem.Decode(rest); block != nil; block, rest = pem.Decode(rest) {
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, cert)
	}
	return found
}

// A root, an issuer and a leaf, each made by the one before, by the rules of openssl and of Go, which is SPIRE's.
func TestIssuedCertificatesVerify(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	lab.RunCtl(t, 0, dir, "issue", "root", "root", "--cn", "hello.root")
	lab.RunCtl(t, 0, dir, "issue", "issuer", "issuer", "--ca", "root", "--cn", "hello.web")
	lab.RunCtl(t, 0, dir, "issue", "leaf", "below-issuer", "--ca", "issuer", "--trust-domain", "example.test", "--class", "web", "--days", "5")
	lab.RunCtl(t, 0, dir, "issue", "leaf", "below-root", "--ca", "root", "--trust-domain", "example.test", "--class", "web", "--days", "7000")
	var told map[string]string
	p := lab.RunCtl(t, 0, dir, "issue", "issuer", "told", "--ca", "root", "--json")
	sum := sha1.Sum(certificatesIn(t, filepath.Join(dir, "told.pem"))[0].Raw)
	if err := json.Unmarshal([]byte(p.Stdout.String()), &told); err != nil || told["key"] != "told.key" || told["certificate"] != "told.pem" ||
		told["fingerprint"] != hex.EncodeToString(sum[:]) {
		t.Errorf("issue --json says %v (%v)", p.Stdout.String(), err)
	}
	roots := x509.NewCertPool()
	root := certificatesIn(t, filepath.Join(dir, "root.pem"))[0]
	roots.AddCert(root)
	for name, count := range map[string]int{"issuer": 1, "below-issuer": 2, "below-root": 1} {
		file := filepath.Join(dir, name+".pem")
		openssl(t, "verify", "-x509_strict", "-CAfile", filepath.Join(dir, "root.pem"), "-untrusted", file, file)
		chain := certificatesIn(t, file)
		if len(chain) != count {
			t.Fatalf("%s has %d certificates", name, len(chain))
		}
		between := x509.NewCertPool()
		for _, cert := range chain[1:] {
			between.AddCert(cert)
		}
		if _, err := chain[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	issuer, leaf := certificatesIn(t, filepath.Join(dir, "issuer.pem"))[0], certificatesIn(t, filepath.Join(dir, "below-issuer.pem"))[0]
	if !issuer.IsCA || !issuer.MaxPathLenZero || issuer.Subject.CommonName != "hello.web" {
		t.Errorf("the issuer is %+v", issuer.Subject)
	}
	var uris []string
	for _, uri := range leaf.URIs {
		uris = append(uris, uri.String())
	}
	if !slices.Equal(uris, []string{"x509pop://example.test/class/web", "x509pop://example.test/instance/below-issuer"}) {
		t.Errorf("the leaf's names are %v", uris)
	}
	if life := time.Until(leaf.NotAfter); life > 5*24*time.Hour || life < 5*24*time.Hour-time.Minute {
		t.Errorf("the leaf lives for %v", life)
	}
	if long := certificatesIn(t, filepath.Join(dir, "below-root.pem"))[0]; long.NotAfter.After(root.NotAfter) {
		t.Error("a leaf outlives its root")
	}
}

func TestIssueRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	lab.RunCtl(t, 0, dir, "issue", "root", "root")
	lab.RunCtl(t, 0, dir, "issue", "root", "other")
	lab.RunCtl(t, 0, dir, "issue", "issuer", "issuer", "--ca", "root")
	lab.RunCtl(t, 0, dir, "issue", "leaf", "leaf", "--ca", "root", "--trust-domain", "example.test", "--class", "web")
	swap := func(name, key, chain string) {
		for from, to := range map[string]string{key + ".key": name + ".key", chain + ".pem": name + ".pem"} {
			text, err := os.ReadFile(filepath.Join(dir, from))
			if err != nil {
				t.Fatal(err)
			}
			writeFile(t, dir, to, text)
		}
	}
	swap("mixed", "root", "other")
	swap("readable", "root", "root")
	if err := os.Chmod(filepath.Join(dir, "readable.key"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		status int
		says   string
		argv   []string
	}{
		"issuer below an issuer": {103, "pathlen is 0", []string{"issuer", "x", "--ca", "issuer"}},
		"issuer below a leaf":    {103, "is no CA", []string{"issuer", "x", "--ca", "leaf"}},
		"key of another CA":      {103, "does not match", []string{"issuer", "x", "--ca", "mixed"}},
		"key open to others":     {100, "chmod 600", []string{"issuer", "x", "--ca", "readable"}},
		"no such CA":             {100, "none.key", []string{"issuer", "x", "--ca", "none"}},
		"a CN with a blank":      {100, "a b", []string{"root", "x", "--cn", "a b"}},
		"a CN that is too long":  {100, "64", []string{"root", "x", "--cn", strings.Repeat("a", 65)}},
		"no days":                {100, "--days", []string{"root", "x", "--days", "0"}},
		"days for ever":          {100, "999999", []string{"root", "x", "--days", "999999"}},
		"a bad trust domain":     {100, "A!", []string{"leaf", "x", "--ca", "root", "--trust-domain", "A!", "--class", "web"}},
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			p := lab.RunCtl(t, c.status, dir, append([]string{"issue"}, c.argv...)...)
			if !strings.Contains(p.Stderr.String(), c.says) {
				t.Errorf("'%s' is not in: %v", c.says, p.Stderr.String())
			}
			if _, err := os.Stat(filepath.Join(dir, "x.key")); err == nil {
				t.Error("a key was left behind")
			}
		})
	}
}

func TestKeygenMakesWhatItSays(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	lab.RunCtl(t, 0, dir, "keygen", "--jwk", "kbs:///default/signing-key/sealed-secret", "signing")
	lab.RunCtl(t, 0, dir, "keygen", "--type", "ed25519", "admin")
	var jwk map[string]string
	text, err := os.ReadFile(filepath.Join(dir, "signing.jwk"))
	if err != nil || json.Unmarshal(text, &jwk) != nil {
		t.Fatalf("%v: %s", err, text)
	}
	keyPEM, err := os.ReadFile(filepath.Join(dir, "signing"))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(keyPEM)
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	key := parsed.(*ecdsa.PrivateKey)
	coordinate := func(value []byte) string { return base64.RawURLEncoding.EncodeToString(value) }
	if jwk["kty"] != "EC" || jwk["crv"] != "P-256" || jwk["alg"] != "ES256" || jwk["kid"] != "kbs:///default/signing-key/sealed-secret" ||
		jwk["x"] != coordinate(key.X.FillBytes(make([]byte, 32))) || jwk["y"] != coordinate(key.Y.FillBytes(make([]byte, 32))) || jwk["d"] != "" {
		t.Errorf("the JWK is %s", text)
	}
	if out := openssl(t, "pkey", "-in", filepath.Join(dir, "admin"), "-text", "-noout"); !strings.Contains(out, "ED25519") {
		t.Errorf("the key is %s", out)
	}
	public := openssl(t, "pkey", "-in", filepath.Join(dir, "admin"), "-pubout")
	if text, err := os.ReadFile(filepath.Join(dir, "admin.pub")); err != nil || string(text) != public {
		t.Errorf("the public half is %q, not %q (%v)", text, public, err)
	}
	for _, name := range []string{"signing", "admin"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v (%v)", name, info.Mode(), err)
		}
	}
	says(t, lab.RunCtl(t, 100, dir, "keygen", "--type", "ed25519", "--jwk", "x", "none"), "'--jwk' is for ES256")
	if _, err := os.Stat(filepath.Join(dir, "none")); err == nil {
		t.Error("a key was made for a refused command line")
	}
}

// An operator is no administrator of his machine.
func TestBuildAsAnOrdinaryUser(t *testing.T) {
	t.Parallel()
	dir := newDeployment(t)
	file := filepath.Join(dir, "deployment.toml")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, dir, "deployment.toml", []byte(strings.Replace(string(text), "[spire]\n", "[spire]\nagent_uid = 4711\n", 1)))
	if out, err := exec.Command("chown", "-R", "65534:65534", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	program := filepath.Join(dir, "sealpodctl")
	if out, err := exec.Command("cp", lab.Sealpodctl, program).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for parent := filepath.Dir(dir); parent != "/" && parent != os.TempDir(); parent = filepath.Dir(parent) {
		if err := os.Chmod(parent, 0o711); err != nil {
			t.Fatal(err)
		}
	}
	command := exec.Command("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", program, "build")
	command.Dir = dir
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}
