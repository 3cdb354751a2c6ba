// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sealpod.test/e2e/lab"
)

// built is a deployment that was built once.
type built struct {
	t   *testing.T
	dir string
}

func newBuilt(t *testing.T) *built {
	t.Helper()
	b := &built{t, newDeployment(t)}
	b.ctl(0, "build")
	return b
}

func (b *built) ctl(status int, words ...string) *lab.Process {
	b.t.Helper()
	return lab.RunCtl(b.t, status, b.dir, words...)
}

func (b *built) path(name string) string { return filepath.Join(b.dir, name) }

func (b *built) read(name string) string { return readText(b.t, b.dir, name) }

func (b *built) remove(name string) {
	b.t.Helper()
	if err := os.Remove(b.path(name)); err != nil {
		b.t.Fatal(err)
	}
}

func (b *built) move(from, to string) {
	b.t.Helper()
	if err := os.Rename(b.path(from), b.path(to)); err != nil {
		b.t.Fatal(err)
	}
}

func (b *built) edit(from, to string) {
	b.t.Helper()
	text := b.read("deployment.toml")
	if !strings.Contains(text, from) {
		b.t.Fatalf("'%s' is not in the deployment", from)
	}
	writeFile(b.t, b.dir, "deployment.toml", []byte(strings.Replace(text, from, to, 1)))
}

// foreign makes a pair with the names of one of the deployment's, as files "foreign.key" and "foreign.pem".
func (b *built) foreign(kind, cn string, words ...string) {
	b.t.Helper()
	b.ctl(0, append([]string{"issue", kind, "foreign", "--cn", cn}, words...)...)
}

// Halves of two pairs are never built into anything, whatever their names.
func TestBuildRefusesWhatDoesNotBelongTogether(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(b *built)
		status int
		says   string
	}{
		"issuer's key": {func(b *built) {
			b.foreign("issuer", "hello.web", "--ca", "out/x509pop/root")
			b.move("foreign.key", "out/x509pop/web.key")
		}, 103, "web.pem' (put the right one back, or have another made, with an overlap: 'sealpodctl rotate issuer web'): is not the certificate of the key beside it"},
		"leaf's key": {func(b *built) {
			b.foreign("issuer", "hello.db", "--ca", "out/x509pop/root")
			b.move("foreign.key", "out/x509pop/db.key")
		}, 103, "is not the certificate of the key beside it"},
		"root's key": {func(b *built) {
			b.foreign("root", "hello.root")
			b.move("foreign.key", "out/x509pop/root.key")
		}, 103, "root.pem' (put the right one back, or move away all that hangs below it): is not the certificate"},
		"root's certificate": {func(b *built) {
			b.foreign("root", "hello.root")
			b.move("foreign.pem", "out/x509pop/root.pem")
		}, 103, "root.pem' (put the right one back, or move away all that hangs below it): is not the certificate"},
		"root's certificate, its key in a safe": {func(b *built) {
			b.foreign("root", "hello.root")
			b.move("foreign.pem", "out/x509pop/root.pem")
			b.remove("out/x509pop/root.key")
		}, 103, "'CN=hello.web' is not signed by the key of 'CN=hello.root'"},
		"root": {func(b *built) {
			b.foreign("root", "hello.root")
			b.move("foreign.pem", "out/x509pop/root.pem")
			b.move("foreign.key", "out/x509pop/root.key")
		}, 103, "'CN=hello.web' is not signed by the key of 'CN=hello.root'"},
		"issuer": {func(b *built) {
			b.ctl(0, "issue", "root", "other", "--cn", "hello.root")
			b.foreign("issuer", "hello.web", "--ca", "other")
			b.move("foreign.key", "out/x509pop/web.key")
			b.move("foreign.pem", "out/x509pop/web.pem")
		}, 103, "'CN=hello.web' is not signed by the key of 'CN=hello.root'"},
		"next root's certificate": {func(b *built) {
			b.ctl(0, "rotate", "root")
			b.ctl(0, "build")
			b.foreign("root", "hello.root")
			b.move("foreign.pem", "out/x509pop-next/root.pem")
		}, 103, "x509pop-next/root.pem' (put the right one back"},
		"administrator's public half": {func(b *built) {
			b.ctl(0, "keygen", "--type", "ed25519", "other")
			b.move("other.pub", "out/kbs-admin.pub")
		}, 103, "kbs-admin.pub' is not the public half of 'kbs-admin.key'"},
		"sealed secrets' public half": {func(b *built) {
			b.ctl(0, "keygen", "--jwk", "kbs:///default/signing-key/sealed-secret", "other")
			b.move("other.jwk", "out/sealed-secret.jwk")
		}, 103, "sealed-secret.jwk' is not the public half of 'sealed-secret.key'"},
		"sealed secrets' public half that is none": {func(b *built) {
			writeFile(b.t, b.dir, "out/sealed-secret.jwk", []byte("{}\n"))
		}, 103, "sealed-secret.jwk' is not the public half of 'sealed-secret.key'"},
		"a key that is none": {func(b *built) {
			writeFile(b.t, b.dir, "out/x509pop/web.key", []byte("x\n"))
		}, 103, "its key is none that can be read"},
		"a root's key that others can read": {func(b *built) {
			if err := os.Chmod(b.path("out/x509pop/root.key"), 0o644); err != nil {
				b.t.Fatal(err)
			}
		}, 100, "root.key': is open to others (mode 0644); chmod 600 it"},
		"an issuer without its key": {func(b *built) { b.remove("out/x509pop/web.key") }, 100, "if it is lost, 'sealpodctl rotate issuer web' makes another pair"},
		"a key without its issuer":  {func(b *built) { b.remove("out/x509pop/web.pem") }, 100, "remove it then and build again; otherwise put the certificate back"},
		"public half alone":         {func(b *built) { b.remove("out/kbs-admin.key") }, 100, "put the key back"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBuilt(t)
			c.change(b)
			before := contents(t, b.path("out"))
			says(t, b.ctl(c.status, "build"), c.says)
			says(t, b.ctl(c.status, "apply", "--timeout", "1"), c.says)
			for name, text := range contents(t, b.path("out")) {
				if before[name] != text {
					t.Errorf("%s was written", name)
				}
			}
		})
	}
}

// The two renames of a pair were not both done.
func TestBuildRefusesARotationThatWasCutOff(t *testing.T) {
	t.Parallel()
	b := newBuilt(t)
	if err := os.Mkdir(b.path("out/x509pop-next"), 0o700); err != nil {
		t.Fatal(err)
	}
	b.ctl(0, "issue", "issuer", "out/x509pop-next/web", "--cn", "hello.web", "--ca", "out/x509pop/root")
	b.move("out/x509pop-next/web.key", "out/x509pop/web.key")
	for _, verb := range []string{"build", "plan", "apply"} {
		says(t, b.ctl(100, verb), "'sealpodctl rotate issuer web' was cut off; finish it: run the same once more")
	}
	b.ctl(0, "rotate", "issuer", "web")
	b.ctl(0, "build")

	b = newBuilt(t)
	b.ctl(0, "rotate", "root")
	b.ctl(0, "build")                                      // which a step that was not cut off does not keep from
	writeFile(t, b.dir, "out/x509pop-next/switching", nil) // it began, and no more
	says(t, b.ctl(100, "build"), "'sealpodctl rotate root --switch' was cut off; finish it")
	b.ctl(0, "rotate", "root", "--switch")
	b.ctl(0, "build")

	b = newBuilt(t)
	b.ctl(0, "rotate", "admin-key")
	b.ctl(0, "build")
	b.move("out/kbs-admin-next.key", "out/kbs-admin.key")
	says(t, b.ctl(100, "build"), "'sealpodctl rotate admin-key --switch' was cut off; finish it")
	b.move("out/kbs-admin-next.pub", "out/kbs-admin.pub")
	b.ctl(0, "build")
}

// What can be read out of a key is written again, where a build was cut off behind the key.
func TestBuildGoesOnBehindAKey(t *testing.T) {
	t.Parallel()
	b := newBuilt(t)
	before := contents(t, b.path("out"))
	for _, name := range []string{"out/kbs-admin.pub", "out/sealed-secret.jwk"} {
		b.remove(name)
		says(t, b.ctl(100, "plan"), "is not what would be made now")
		b.ctl(0, "build")
	}
	for name, text := range contents(t, b.path("out")) {
		if before[name] != text {
			t.Errorf("%s is another", name)
		}
	}
}

// The kid says where the public half is at the KBS.
func TestBuildFollowsTheRepositorysName(t *testing.T) {
	t.Parallel()
	b := newBuilt(t)
	key, jwk := b.read("out/sealed-secret.key"), b.read("out/sealed-secret.jwk")
	b.edit("ca_file = \"kbs-ca.pem\"\n", "ca_file = \"kbs-ca.pem\"\nrepository = \"team\"\n")
	b.ctl(0, "build")
	if b.read("out/sealed-secret.key") != key {
		t.Error("the key was made anew")
	}
	want := strings.Replace(jwk, "kbs:///default/", "kbs:///team/", 1)
	if got := b.read("out/sealed-secret.jwk"); got != want || got == jwk || b.read("out/kbs/resources/team/signing-key/sealed-secret") != want {
		t.Errorf("the public half is %s", got)
	}
	if !strings.Contains(b.read("out/initdata/web.toml"), "kbs:///team/signing-key/sealed-secret") {
		t.Error("init-data has the kid of before")
	}
}

func TestBuildSaysThatARandomSecretStays(t *testing.T) {
	t.Parallel()
	b := newBuilt(t)
	before := b.read("out/secrets/status/random")
	b.edit("random = 32", "random = 64")
	says(t, b.ctl(0, "build"), "'./out/secrets/status/random' has 43 letters, where 64 random bytes are 86: it stays")
	if b.read("out/secrets/status/random") != before {
		t.Error("it was made anew")
	}
}

// Another mode of credential is a rotation: who lives by the issuer of before keeps its alias.
func TestBuildNamesTheRotationForAnotherMode(t *testing.T) {
	t.Parallel()
	b := newBuilt(t)
	b.edit("name = \"web\"\n", "name = \"web\"\ncredential = \"fetch\"\n")
	says(t, b.ctl(100, "build"), "'sealpodctl rotate issuer web'): is a CA, not a leaf")
	before := b.read("out/spire/entries.json")
	i := strings.Index(before, "ca:fingerprint:")
	b.ctl(0, "rotate", "issuer", "web")
	b.ctl(0, "build")
	if after := b.read("out/spire/entries.json"); i < 0 || !strings.Contains(after, before[i:i+55]) || !strings.Contains(after, "x509pop/") {
		t.Errorf("the alias of before is not kept, or the leaf has no agent: %s", after)
	}
}

// What VMs are going to trust and is over soon is told of; init-data by hand goes through the same reader.
func TestBuildTellsOfWhatEnds(t *testing.T) {
	t.Parallel()
	b := newBuilt(t)
	b.foreign("root", "soon", "--days", "5")
	b.ctl(0, "issue", "root", "late")
	b.move("foreign.pem", "bundle.pem")
	p := b.ctl(0, "build")
	says(t, p, "trust bundle 'bundle.pem': 'CN=soon' ends at", "days ahead: get the server's next one")
	if strings.Contains(p.Stderr.String(), "CN=kbs-ca") {
		t.Errorf("ten years are told of: %v", p)
	}
	b.edit("[kbs]\n", "trust_bundle_from = \"init-data\"\n[kbs]\n")
	says(t, b.ctl(0, "build"), "init-data of class 'web'", "trust bundle: 'CN=soon' ends at")

	for _, name := range []string{"sealpod.toml", "aa.toml"} {
		writeFile(t, b.dir, name, []byte(b.ctl(0, "initdata", "show", "--entry", name, "out/initdata/web.toml").Stdout.String()))
	}
	b.ctl(0, "initdata", "build", "aa.toml", "sealpod.toml")
	says(t, b.ctl(100, "initdata", "build", "sealpod.toml"), "key 'kbs.url': is missing", "entry 'sealpod.toml'")
	text := b.read("sealpod.toml")
	const end = "-----END CERTIFICATE-----\n"
	i, j := strings.Index(text, "-----BEGIN CERT"), strings.Index(text, end)
	if i < 0 || j < 0 {
		t.Fatalf("no bundle in %s", text)
	}
	writeFile(t, b.dir, "sealpod.toml", []byte(text[:i]+b.read("late.key")+text[j+len(end):]))
	p = b.ctl(103, "initdata", "build", "aa.toml", "sealpod.toml")
	says(t, p, "entry 'sealpod.toml': key 'spire.trust_bundle_pem': a private key begins in line 1")
	if p.Stdout.String() != "" {
		t.Errorf("it was printed: %v", p)
	}
}

// What was half written when a run was killed holds keys, too.
func TestBuildRemovesWhatAKilledRunLeft(t *testing.T) {
	t.Parallel()
	b := newBuilt(t)
	writeFile(t, b.dir, "out/x509pop/.root.key.0123abcd", []byte("half"))
	b.ctl(0, "build")
	if _, found := contents(t, b.path("out"))["x509pop/.root.key.0123abcd"]; found {
		t.Error("it is still there")
	}
}

// A pipeline that gets no output must not go on as if it had.
func TestOutputThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	b := newBuilt(t)
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	for _, argv := range [][]string{{lab.Sealpodctl, "build"}, {lab.Sealpodctl, "version"}, {lab.Sealpodctl, "help"}, {lab.SealpodRelease, "version"}} {
		cmd := exec.Command(argv[0], argv[1:]...)
		cmd.Dir, cmd.Stdout = b.dir, full
		if err := cmd.Run(); cmd.ProcessState.ExitCode() != 111 {
			t.Errorf("%v: %v, want status 111", argv, err)
		}
	}
}
