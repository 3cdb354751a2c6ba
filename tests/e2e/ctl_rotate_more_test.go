// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"os"
	"strings"
	"testing"

	"sealpod.test/e2e/lab"
	"sealpod.test/kbs"
	"sealpod.test/kbs/hardware"
)

// Another trust bundle in init-data is another init-data. While that is rotated, VMs with what was before it (emulated here) are
// attested as those with what is now; afterwards they are not.
func TestCtlRotateInitData(t *testing.T) {
	t.Parallel()
	roots := ownRoots(t)
	verifiers, err := hardware.Load(roots)
	if err != nil {
		t.Fatal(err)
	}
	l := newApplyLab(t, "trustee-1.1", func(o *kbs.Options) { o.Verifiers = append(verifiers.Verifiers(), kbs.Sample{}) })
	l.edit("[spire]\n", "[spire]\ntrust_bundle_from = \"init-data\"\n")
	before := l.initDataDigest("web")
	says(t, l.run(100, "rotate", "init-data", "web", "--finish"), "is not being rotated")
	says(t, l.run(100, "rotate", "init-data", "nobody"), "has no class 'nobody'")
	l.write("deployment.toml", strings.Replace(l.read("deployment.toml"), `server_address = "`, `server_address = "x.`, 1))
	says(t, l.run(0, "build"), "the init-data of class 'web' changes")
	l.write("deployment.toml", strings.Replace(l.read("deployment.toml"), `server_address = "x.`, `server_address = "`, 1))
	l.run(0, "build")
	l.run(0, "rotate", "init-data", "web")
	says(t, l.run(100, "rotate", "init-data", "web"), "being rotated already")
	lab.RunCtl(t, 0, l.dir, "issue", "root", "another")
	l.write("bundle.pem", l.read("bundle.pem")+l.read("another.pem"))
	l.run(0, "build")
	now := l.initDataDigest("web")
	if now == before {
		t.Fatal("nothing was changed")
	}
	l.applyOn(0, "rated 'affirming'", before, roots, nil)
	l.applyOn(0, "rated 'affirming'", now, roots, nil)
	l.run(0, "rotate", "init-data", "web", "--finish")
	says(t, l.run(100, "plan"), "run 'sealpodctl build' first")
	l.run(0, "build")
	l.applyOn(102, "'warning' ( configuration 36 )", before, roots, nil)
	l.applyOn(0, "rated 'affirming'", now, roots, nil)

	if err := os.RemoveAll(l.path("out/initdata")); err != nil {
		t.Fatal(err)
	}
	says(t, l.run(100, "rotate", "init-data", "web"), "there is nothing to rotate yet")
}

// An overlap in which VMs of before could not fetch what they are configured for would be none.
func TestCtlRotateInitDataKeepsWhatIsFetched(t *testing.T) {
	t.Parallel()
	l := newApplyLab(t, "trustee-1.1", nil)
	l.run(0, "rotate", "init-data", "web")
	text := l.read("deployment.toml")
	for old, c := range map[string][2]string{
		"[spire]\n":        {"[spire]\ntrust_bundle_from = \"init-data\"\n", "default/spire-trust-bundle/pem"},
		"[kbs]\n":          {"[kbs]\nrepository = \"other\"\n", "default/"},
		"name = \"web\"\n": {"name = \"web\"\ncredential = \"fetch\"\n", "default/x509pop-issuer-web/pem"},
	} {
		changed := strings.Replace(text, old, c[0], 1)
		if changed == text {
			t.Fatalf("'%s' is not in the deployment", old)
		}
		if strings.Contains(c[0], "fetch") {
			l.write("deployment.toml", text)
			l.run(0, "build")
			for _, name := range []string{"web.key", "web.pem"} {
				if err := os.Rename(l.path("out/x509pop/"+name), l.path(name)); err != nil {
					t.Fatal(err)
				}
			}
		}
		l.write("deployment.toml", changed)
		says(t, l.run(100, "build"), "VMs of class 'web' that run with the init-data of before fetch 'kbs:///"+c[1], "rotate init-data web --finish")
		if strings.Contains(c[0], "fetch") {
			for _, name := range []string{"web.key", "web.pem"} {
				if err := os.Rename(l.path(name), l.path("out/x509pop/"+name)); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	// A class that is gone can be finished.
	l.write("deployment.toml", strings.Replace(text, `name = "web"`, `name = "shop"`, 1))
	l.run(0, "rotate", "init-data", "web", "--finish")
	says(t, l.run(100, "rotate", "init-data", "../web", "--finish"), "is not being rotated")
	l.write("deployment.toml", strings.Replace(text, "[spire]\n", "[spire]\ntrust_bundle_from = \"init-data\"\n", 1))
	l.run(0, "build")
}

// A new key takes the old one's place when the KBS knows it, not before.
func TestCtlRotateAdminKey(t *testing.T) {
	t.Parallel()
	l := newApplyLab(t, "trustee-1.1", nil)
	l.run(0, "apply")
	old := l.read("out/kbs-admin.key")
	says(t, l.run(100, "rotate", "admin-key", "--switch"), "there is no new key")
	l.run(0, "rotate", "admin-key")
	next := l.read("out/kbs-admin-next.key")
	l.run(0, "rotate", "admin-key") // as often as one likes
	says(t, l.run(102, "rotate", "admin-key", "--switch"), "the KBS must know the new key")
	l.run(0, "plan")
	if l.read("out/kbs-admin.key") != old || l.read("out/kbs-admin-next.key") != next {
		t.Fatal("a key was changed too early")
	}
	key, err := kbs.ParseAdminKey([]byte(l.read("out/kbs-admin-next.pub")))
	if err != nil {
		t.Fatal(err)
	}
	l.broker.SetAdminKey(key)
	// Cut off when the key was moved, and its public half not.
	if err := os.Rename(l.path("out/kbs-admin-next.key"), l.path("out/kbs-admin.key")); err != nil {
		t.Fatal(err)
	}
	says(t, l.run(100, "rotate", "admin-key"), "is being switched")
	l.run(0, "rotate", "admin-key", "--switch")
	if l.read("out/kbs-admin.key") != next {
		t.Error("the key is not the next one")
	}
	l.admit()
	l.run(0, "plan")

	// A key whose public half was never written is none.
	l.write("out/kbs-admin-next.key", "half")
	l.run(0, "rotate", "admin-key")
	l.run(0, "rotate", "admin-key", "--switch", "--force")
	says(t, l.run(102, "plan"), "public half of this key")

	l.write("own.key", l.read("out/kbs-admin.key"))
	l.edit("[kbs]\n", "[kbs]\nadmin_key_file = \"own.key\"\n")
	says(t, l.run(100, "rotate", "admin-key"), "names a key of your own")
}

// A rotation does not end while the KBS hands out what was before.
func TestCtlRotateEndsAfterAnApply(t *testing.T) {
	t.Parallel()
	l := newApplyLab(t, "trustee-1.1", nil)
	l.run(0, "apply")
	l.run(0, "rotate", "issuer", "web")
	l.run(0, "build")
	l.run(0, "apply")
	if err := os.Rename(l.path("out/record.json"), l.path("record.json")); err != nil {
		t.Fatal(err)
	}
	says(t, l.run(100, "rotate", "issuer", "web", "--finish"), "nothing was ever applied to a KBS from here", "whether agents still need")
	if err := os.Rename(l.path("record.json"), l.path("out/record.json")); err != nil {
		t.Fatal(err)
	}
	l.run(0, "rotate", "issuer", "web", "--finish", "--force")
	l.run(0, "build")
	l.run(0, "apply")
	for _, class := range []string{"web", "db"} {
		l.run(0, "rotate", "issuer", class)
		says(t, l.run(100, "rotate", "issuer", class, "--finish"), "run 'sealpodctl build' first")
		l.run(0, "build")
		says(t, l.run(100, "rotate", "issuer", class, "--finish"), "the KBS was not given 'default/", "-"+class+"/")
		l.run(0, "apply")
		says(t, l.run(100, "rotate", "issuer", class, "--finish"), "whether agents still need the old certificate is not known")
		l.run(0, "rotate", "issuer", class, "--finish", "--force")
		l.run(0, "build")
		l.run(0, "apply")
	}
	l.run(0, "rotate", "root")
	says(t, l.run(100, "rotate", "root", "--switch"), "run 'sealpodctl build' first")
	l.run(0, "build")
	if err := os.Rename(l.path("out/x509pop-next/root.key"), l.path("root.key")); err != nil {
		t.Fatal(err)
	}
	l.run(100, "rotate", "root", "--switch")
	if err := os.Rename(l.path("root.key"), l.path("out/x509pop-next/root.key")); err != nil {
		t.Fatal(err)
	}
	l.run(0, "rotate", "root", "--switch")
	l.run(0, "build")
	says(t, l.run(100, "rotate", "root", "--finish"), "the KBS was not given")
}
