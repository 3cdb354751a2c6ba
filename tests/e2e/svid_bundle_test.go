// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/bundle/jwtbundle"
	"github.com/spiffe/go-spiffe/v2/bundle/x509bundle"
	"github.com/spiffe/go-spiffe/v2/proto/spiffe/workload"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"google.golang.org/protobuf/proto"

	"sealpod.test/e2e/lab"
)

func (l *svidLab) ownAuthority() *x509bundle.Bundle {
	l.t.Helper()
	bundle, err := x509bundle.Parse(spiffeid.RequireTrustDomainFromString(lab.TrustDomain), l.server.Bundle)
	if err != nil {
		l.t.Fatal(err)
	}
	return bundle
}

func holds(t *testing.T, path string, wanted *x509bundle.Bundle) {
	t.Helper()
	bundle, err := x509bundle.Load(spiffeid.RequireTrustDomainFromString(lab.TrustDomain), path)
	if err != nil {
		t.Fatal(err)
	}
	for _, authority := range wanted.X509Authorities() {
		if !bundle.HasX509Authority(authority) {
			t.Errorf("'%s' lacks an authority", path)
		}
	}
}

// TestSVIDBundlesOnly: a program that only verifies others needs no entry, where the
// agent allows that, and gets no key in any case.
func TestSVIDBundlesOnly(t *testing.T) {
	t.Parallel()
	l := newSVIDLab(t)
	l.verifiers = true
	l.newAgent("v")
	l.startAgent("v")
	bundles := l.deliver("--bundles-only", "--jwt-bundle-file", "jwks.json")
	lab.Eventually(t, 20*time.Second, "the bundles", func() (bool, string) {
		return visible(t, l.certs) == "jwks.json svid_bundle.pem", bundles.String()
	})
	holds(t, filepath.Join(l.certs, "svid_bundle.pem"), l.ownAuthority())
	if _, err := jwtbundle.Load(spiffeid.RequireTrustDomainFromString(lab.TrustDomain), filepath.Join(l.certs, "jwks.json")); err != nil {
		t.Error(err)
	}
	if check := l.check("--bundles-only", "--jwt-bundle-file", "jwks.json"); check.Status() != 0 {
		t.Errorf("--check ends with %d\n%s", check.Status(), check)
	}
	if check := l.check(); check.Status() != 111 || !strings.Contains(check.Stderr.String(), "svid.pem") {
		t.Errorf("--check for SVIDs ends with %d\n%s", check.Status(), check)
	}

	// With an entry the agent names federated trust domains too, and not which is the own one.
	domain := strings.ToLower(filepath.Base(l.dir)) + ".example"
	foreign := l.federate(domain)
	l.entry(svidEntry{path: "/verifier", uid: 0, federate: domain})
	awaitBundles(t, l, domain)
	l.certs = svidDir(t, lab.Mem)
	refused := l.once("--bundles-only", "--deadline", deadline(2))
	lab.CheckFailure(t, refused, 111, "set svid.trust_domain")
	told := l.once("--bundles-only", "--trust-domain", lab.TrustDomain, "--federated-file", "{trust_domain}.pem")
	if told.Status() != 0 {
		t.Fatalf("status %d\n%s", told.Status(), told)
	}
	if got := visible(t, l.certs); got != sorted("svid_bundle.pem "+domain+".pem") {
		t.Errorf("the directory shows '%s'", got)
	}
	holds(t, filepath.Join(l.certs, "svid_bundle.pem"), l.ownAuthority())
	holds(t, filepath.Join(l.certs, domain+".pem"), x509bundle.FromX509Authorities(spiffeid.RequireTrustDomainFromString(domain), certsOf(foreign)))
	if check := l.check("--bundles-only"); check.Status() != 0 {
		t.Errorf("--check ends with %d\n%s", check.Status(), check)
	}
	lab.WriteFile(t, filepath.Join(l.certs, "..data", domain+".pem"), []byte("nothing"), 0o644)
	if check := l.check("--bundles-only"); check.Status() != 103 || !strings.Contains(check.Stderr.String(), domain) {
		t.Errorf("--check of a spoilt federated bundle ends with %d\n%s", check.Status(), check)
	}
}

// awaitBundles waits until the agent has told of a federated trust domain.
func awaitBundles(t *testing.T, l *svidLab, domain string) {
	t.Helper()
	dir := svidDir(t, lab.Mem)
	lab.Eventually(t, 20*time.Second, "the federated bundle", func() (bool, string) {
		p := lab.Start(t, 0, l.dir, append(svidCommand(), "--once", "--socket", l.socket, "--directory", dir, "--federated-file", "{trust_domain}.pem")...)
		p.Wait(t, 20*time.Second)
		_, err := os.Stat(filepath.Join(dir, domain+".pem"))
		return err == nil, p.String()
	})
}

// TestSVIDBundlesOnlyWithoutEntry: an agent that does not allow it refuses.
func TestSVIDBundlesOnlyWithoutEntry(t *testing.T) {
	t.Parallel()
	l := newSVIDLab(t)
	l.startAgent("a")
	p := l.once("--bundles-only", "--deadline", deadline(2))
	lab.CheckFailure(t, p, 111, "no identity issued")
}

// TestSVIDKeySetAlone: one file for a JWKS and several trust domains: without an
// identity nothing says which is the own one, and --once does not end well with no
// file.
func TestSVIDKeySetAlone(t *testing.T) {
	t.Parallel()
	l := newSVIDLab(t)
	l.startAgent("a")
	domain := strings.ToLower(filepath.Base(l.dir)) + ".example"
	l.federate(domain)
	l.entry(svidEntry{path: "/jwks", uid: 0, federate: domain})
	awaitBundles(t, l, domain)
	alone := []string{"--no-x509", "--jwt-bundle-file"}
	lab.CheckFailure(t, l.once(append(alone, "jwks", "--deadline", deadline(2))...), 111, "set svid.trust_domain")
	lab.CheckFailure(t, l.once(append(alone, "jwks", "--trust-domain", "elsewhere.example", "--deadline", deadline(2))...), 111, "no bundle of 'elsewhere.example'")
	if got := visible(t, l.certs); got != "" {
		t.Errorf("the directory shows '%s'", got)
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{append(alone, "jwks", "--trust-domain", lab.TrustDomain), "jwks"},
		{append(alone, "{trust_domain}.json"), lab.TrustDomain + ".json " + domain + ".json"},
		{append(alone, "jwks", "--jwt", "token=x"), "jwks token"},
	} {
		if p := l.once(c.args...); p.Status() != 0 {
			t.Fatalf("%q: status %d\n%s", c.args, p.Status(), p)
		}
		if got := visible(t, l.certs); got != sorted(c.want) {
			t.Errorf("%q: the directory shows '%s'", c.args, got)
		}
		if check := l.check(c.args...); check.Status() != 0 {
			t.Errorf("%q: --check ends with %d\n%s", c.args, check.Status(), check)
		}
	}
	lab.WriteFile(t, filepath.Join(l.certs, "..data", "jwks"), []byte(`{"keys":[]}`), 0o644)
	if check := l.check("--no-x509", "--jwt-bundle-file", "jwks"); check.Status() != 103 || !strings.Contains(check.Stderr.String(), "'jwks' holds no key") {
		t.Errorf("--check of an empty JWKS ends with %d\n%s", check.Status(), check)
	}
}

// TestSVIDBadKeySets: what is no JWKS is left out, and does not make another trust
// domain the only one.
func TestSVIDBadKeySets(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		bundles map[string][]byte
		args    []string
		status  int
		files   string
		words   string
	}{
		{"none", nil, nil, 111, "", "knows no trust domain's JWKS"},
		{"bad", map[string][]byte{"spiffe://a": []byte("x")}, nil, 111, "", "the JWKS of 'a' is left out"},
		{"own-bad", map[string][]byte{"spiffe://a": []byte("{}"), "spiffe://b": []byte(`{"keys":[]}`)}, nil, 111, "", "set svid.trust_domain"},
		{"foreign-bad", map[string][]byte{"spiffe://a": []byte("{}"), "spiffe://b": []byte(`{"keys":[{"kty":"EC"}]}`)}, []string{"--trust-domain", "b"}, 0, "jwks", "the JWKS of 'a' is left out"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			api := newFake(t, func(call *call) {
				text, err := proto.Marshal(&workload.JWTBundlesResponse{Bundles: c.bundles})
				if err != nil {
					panic(err)
				}
				call.begin()
				call.data(framed(text), 16384)
			})
			p := api.deliver(append(c.args, "--once", "--deadline", deadline(1), "--no-x509", "--jwt-bundle-file", "jwks")...)
			p.Wait(t, 20*time.Second)
			if p.Status() != c.status || !strings.Contains(p.Stderr.String(), c.words) {
				t.Errorf("status %d, want %d and '%s'\n%s", p.Status(), c.status, c.words, p)
			}
			if got := visible(t, api.certs); got != c.files {
				t.Errorf("the directory shows '%s'", got)
			}
		})
	}
}

// TestValidateJWT: the real agent says whose token it is, or that it is none.
func TestValidateJWT(t *testing.T) {
	t.Parallel()
	l := newSVIDLab(t)
	l.startAgent("a")
	l.entry(svidEntry{path: "/caller", uid: 0, jwtTTL: 30})
	if p := l.once("--no-x509", "--jwt", "token=here there"); p.Status() != 0 {
		t.Fatalf("status %d\n%s", p.Status(), p)
	}
	text, err := os.ReadFile(filepath.Join(l.certs, "token"))
	if err != nil {
		t.Fatal(err)
	}
	token := string(text)
	parts := strings.Split(token, ".")
	other := map[bool]string{true: "B", false: "A"}[parts[1][20] == 'A']
	claims := parts[0] + "." + parts[1][:20] + other + parts[1][21:] + "." + parts[2]
	for _, c := range []struct {
		name, token, audience string
		uid                   uint32
		status                int
		words                 string
	}{
		{"good", token, "here", 0, 0, ""},
		{"second-audience-and-newline", token + "\n", "there", 0, 0, ""},
		{"other-audience", token, "elsewhere", 0, 102, "not valid for 'elsewhere'"},
		{"changed", claims, "here", 0, 102, "not valid for 'here'"},
		{"cut", token[:len(token)-4], "here", 0, 102, "not valid for 'here'"},
		{"garbage", "x.y.z", "here", 0, 102, "not valid for 'here'"},
		{"nul", token + "\x00x", "here", 0, 102, "is no JWT"},
		{"blank", token[:9] + " " + token[9:], "here", 0, 102, "is no JWT"},
		{"empty", "", "here", 0, 100, "no token"},
		{"huge", strings.Repeat("a", 70000), "here", 0, 111, "larger than the limit"},
		{"from-a-caller-without-entry", token, "here", strangerUID, 0, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := l.validate(c.uid, c.token, "--socket", "unix:"+l.socket, c.audience)
			if c.status == 0 {
				if p.Status() != 0 || p.Stdout.String() != svidID("/caller")+"\n" {
					t.Errorf("status %d\n%s", p.Status(), p)
				}
				return
			}
			lab.CheckFailure(t, p, c.status, c.words)
			if len(c.token) > 20 && strings.Contains(p.String(), parts[2][:20]) {
				t.Error("the token's signature is shown")
			}
		})
	}
	lab.CheckFailure(t, l.validate(0, token, "--socket", l.dir+"/none", "here"), 111, "no connection to")
	api := newFake(t, func(c *call) { c.trailersOnly(7, "not you") })
	lab.CheckFailure(t, l.validate(0, token, "--socket", api.socket, "here"), 111, "registration entry", "not you")
	silent := newFake(t, func(*call) {})
	lab.CheckFailure(t, l.validate(0, token, "--socket", silent.socket, "--deadline", deadline(1), "here"), 111)
	for _, args := range [][]string{{}, {"a", "b"}, {"--socket", "rel", "a"}} {
		lab.CheckFailure(t, l.validate(0, token, args...), 100)
	}
}

// validate runs `sealpod validate-jwt` with the token on standard input.
func (l *svidLab) validate(uid uint32, token string, args ...string) *lab.Process {
	l.t.Helper()
	input := filepath.Join(l.dir, "input")
	lab.WriteFile(l.t, input, []byte(token), 0o644)
	argv := append([]string{"/bin/sh", "-c", `exec "$@" <"$0"`, input}, strings.Fields(os.Getenv("SEALPOD_PREFIX"))...)
	p := lab.Start(l.t, uid, "/", append(append(argv, lab.Sealpod, "validate-jwt"), args...)...)
	p.Wait(l.t, 20*time.Second)
	return p
}
