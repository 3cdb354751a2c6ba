// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sealpod.test/e2e/lab"
)

const measureAnnotation = "io.github.confidential-containers.measurements."

// registry serves manifests by reference, and counts what it is asked for.
type registry struct {
	*httptest.Server
	manifests map[string]string
	user      string // "name:password"; empty: everybody may read
	asked     []string
}

func newRegistry(t *testing.T) *registry {
	t.Helper()
	r := &registry{manifests: map[string]string{}}
	mux := http.NewServeMux()
	mux.HandleFunc("/token", func(w http.ResponseWriter, request *http.Request) {
		name, password, _ := request.BasicAuth()
		if name+":"+password != r.user || request.URL.Query().Get("scope") != "repository:podvm/image:pull" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		fmt.Fprint(w, `{"token":"the-token"}`)
	})
	mux.HandleFunc("/v2/podvm/image/manifests/", func(w http.ResponseWriter, request *http.Request) {
		r.asked = append(r.asked, request.URL.Path)
		if r.user != "" && request.Header.Get("Authorization") != "Bearer the-token" {
			w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="%s/token",service="test",scope="repository:podvm/image:pull"`, r.URL))
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		manifest, found := r.manifests[strings.TrimPrefix(request.URL.Path, "/v2/podvm/image/manifests/")]
		if !found {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		fmt.Fprint(w, manifest)
	})
	r.Server = httptest.NewServer(mux)
	t.Cleanup(r.Close)
	return r
}

func (r *registry) image(reference string) string {
	return strings.TrimPrefix(r.URL, "http://") + "/podvm/image" + reference
}

// add is a manifest under a tag and its digest, which it returns.
func (r *registry) add(tag, manifest string) string {
	sum := sha256.Sum256([]byte(manifest))
	digest := "sha256:" + hex.EncodeToString(sum[:])
	r.manifests[tag], r.manifests[digest] = manifest, manifest
	return digest
}

func measuredManifest(pcr string) string {
	return strings.ReplaceAll(fmt.Sprintf(`{"schemaVersion":2,"annotations":{"@algorithm":"sha256","@pcr03":"0x%s","@pcr09":"%s",`+
		`"@pcr11":"%s","@pcr12":"%s"}}`, pcr, pcr, pcr, pcr), "@", measureAnnotation)
}

func measureWant(pcr string) string {
	return strings.ReplaceAll(`{"measurements":{"sha256":{"pcr03":"@","pcr09":"@","pcr11":"@","pcr12":"@"}}}`+"\n", "@", pcr)
}

func TestMeasureReadsTheManifestAlone(t *testing.T) {
	t.Parallel()
	r := newRegistry(t)
	digest := r.add("1.11.1", measuredManifest(goodPCR))
	p := lab.RunCtl(t, 0, t.TempDir(), "measure", "--plain-http", r.image(":1.11.1"))
	if p.Stdout.String() != measureWant(goodPCR) {
		t.Errorf("it printed %s", p.Stdout.String())
	}
	if !strings.Contains(p.Stderr.String(), "is a tag") {
		t.Error("nothing warns of the tag")
	}
	p = lab.RunCtl(t, 0, t.TempDir(), "measure", "--plain-http", r.image("@"+digest))
	if p.Stdout.String() != measureWant(goodPCR) || p.Stderr.String() != "" {
		t.Errorf("by digest: %v", p)
	}
	if len(r.asked) != 2 {
		t.Errorf("the registry was asked for %v", r.asked)
	}
}

// A register that the policy compares and nobody has measured is told at once.
func TestMeasureTellsOfWhatIsAbsent(t *testing.T) {
	t.Parallel()
	r := newRegistry(t)
	whole := measuredManifest(goodPCR)
	digest := r.add("t", strings.Replace(whole, measureAnnotation+"pcr12", measureAnnotation+"pcr13", 1))
	p := lab.RunCtl(t, 0, t.TempDir(), "measure", "--plain-http", r.image("@"+digest))
	if said := p.Stderr.String(); strings.Count(said, "names no") != 1 || !strings.Contains(said, "names no 'pcr12'") {
		t.Errorf("%v", p)
	}
}

func TestMeasureFollowsAnIndex(t *testing.T) {
	t.Parallel()
	r := newRegistry(t)
	digest := r.add("inner", measuredManifest(goodPCR))
	r.add("index", fmt.Sprintf(`{"manifests":[{"digest":"sha256:%064d","platform":{"os":"linux","architecture":"s390x"}},`+
		`{"digest":"%s","platform":{"os":"linux","architecture":"amd64"}}]}`, 1, digest))
	p := lab.RunCtl(t, 0, t.TempDir(), "measure", "--plain-http", r.image(":index"))
	if p.Stdout.String() != measureWant(goodPCR) {
		t.Errorf("it printed %s", p.Stdout.String())
	}
}

func TestMeasureLogsIn(t *testing.T) {
	t.Parallel()
	r := newRegistry(t)
	r.user = "name:password"
	r.add("t", measuredManifest(goodPCR))
	dir := t.TempDir()
	host := strings.TrimPrefix(r.URL, "http://")
	write := func(auth string, mode os.FileMode) {
		lab.WriteFile(t, filepath.Join(dir, "pull-secret.json"), []byte(fmt.Sprintf(`{"auths":{"%s":{"auth":"%s"}}}`, host, auth)), mode)
	}
	write("bmFtZTpwYXNzd29yZA==", 0o600)
	p := lab.RunCtl(t, 0, dir, "measure", "--plain-http", "--pull-secret", "pull-secret.json", r.image(":t"))
	if strings.Contains(p.Stdout.String()+p.Stderr.String(), "bmFtZ") || p.Stdout.String() == "" {
		t.Errorf("it printed %v", p)
	}
	lab.RunCtl(t, 102, dir, "measure", "--plain-http", r.image(":t"))
	write("b3RoZXI6cGFzc3dvcmQ=", 0o600)
	lab.RunCtl(t, 102, dir, "measure", "--plain-http", "--pull-secret", "pull-secret.json", r.image(":t"))
	if err := os.Chmod(filepath.Join(dir, "pull-secret.json"), 0o644); err != nil {
		t.Fatal(err)
	}
	lab.RunCtl(t, 100, dir, "measure", "--plain-http", "--pull-secret", "pull-secret.json", r.image(":t"))
}

func TestMeasureFails(t *testing.T) {
	t.Parallel()
	r := newRegistry(t)
	r.add("none", `{"schemaVersion":2}`)
	r.add("sha384", `{"annotations":{"`+measureAnnotation+`algorithm":"sha384"}}`)
	r.add("html", "<html>")
	wrong := fmt.Sprintf("sha256:%064d", 7)
	r.manifests[wrong] = measuredManifest(goodPCR)
	for reference, c := range map[string]struct {
		status int
		says   string
	}{
		":none":     {100, "no measurements"},
		":sha384":   {111, "another algorithm"},
		":html":     {111, "manifest"},
		":absent":   {100, "has no 'absent'"},
		"@" + wrong: {111, "is not '" + wrong},
	} {
		p := lab.RunCtl(t, c.status, t.TempDir(), "measure", "--plain-http", r.image(reference))
		if !strings.Contains(p.Stderr.String(), c.says) || p.Stdout.String() != "" {
			t.Errorf("%s: '%s' is not in %v", reference, c.says, p)
		}
	}
	lab.RunCtl(t, 100, t.TempDir(), "measure", "podvm")
	r.Close()
	lab.RunCtl(t, 111, t.TempDir(), "measure", "--plain-http", r.image(":none"))
}
