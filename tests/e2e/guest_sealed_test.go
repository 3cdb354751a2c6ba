// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"sealpod.test/e2e/lab"
	"sealpod.test/guest"
)

// Where the sealed text and the public key lie in the KBS.
const (
	pathSealed  = "default/sealed/agent"
	pathSealing = "default/sealing/public"
)

// sealer is who may seal.
type sealer struct{ key *ecdsa.PrivateKey }

func newSealer(t *testing.T) sealer { return sealer{lab.NewKey(t)} }

// vault is a secret that lies in the KBS at that path.
func (s sealer) vault(t *testing.T, path string) string {
	t.Helper()
	text, err := guest.Seal(s.key, "kbs:///"+pathSealing, "kbs:///"+path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// sign makes a sealed secret of any payload.
func (s sealer) sign(t *testing.T, payload string) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: s.key},
		(&jose.SignerOptions{}).WithHeader("kid", "kbs:///"+pathSealing))
	if err != nil {
		t.Fatal(err)
	}
	jws, err := signer.Sign([]byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	compact, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return "sealed." + compact
}

// envelope is a secret that a key management service of a cloud encrypted.
func (s sealer) envelope(t *testing.T) string {
	t.Helper()
	return s.sign(t, `{"version":"0.1.0","type":"envelope","provider":"aliyun","key_id":"key-hzz","encrypted_key":"YWJj","encrypted_data":"ZGVm",`+
		`"wrap_type":"A256GCM","iv":"Z2hp","provider_settings":{"client_type":"ecs_ram_role"},"annotations":{}}`)
}

func (s sealer) jwk(t *testing.T) []byte {
	t.Helper()
	text, err := json.Marshal(jose.JSONWebKey{Key: s.key.Public(), Algorithm: "ES256", Use: "sig"})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func (s sealer) pem(t *testing.T) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(s.key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

// How the configuration names the key.
func keyByReference(sealer, *testing.T) string {
	return "[secrets]\nsealed_key = 'kbs:///" + pathSealing + "'\n"
}
func keyAsPEM(s sealer, t *testing.T) string {
	return fmt.Sprintf("[secrets]\nsealed_key_pem = '''\n%s'''\n", s.pem(t))
}
func keyAsJWK(s sealer, t *testing.T) string {
	return fmt.Sprintf("[secrets]\nsealed_key_pem = '%s'\n", s.jwk(t))
}
func noKey(sealer, *testing.T) string { return "" }

// sealedGuest has the sealed text where the configuration looks for the credential.
func sealedGuest(t *testing.T, s sealer, text, secrets string) *guestLab {
	t.Helper()
	f := lab.NewFixture(t, lab.FixtureOptions{Resources: map[string][]byte{pathSealed: []byte(text), pathSealing: s.jwk(t)}})
	f.Config.Combined = "kbs:///" + pathSealed
	f.Config.More = secrets
	f.Config.Deadline = 5 * time.Second
	return startGuest(t, f, guest.Options{Features: "all"})
}

// A vault secret is opened whatever the way and however the key is configured: the
// sealed text in the KBS, in a file, and by `sealpod unseal`.
func TestSealedSecretIsOpened(t *testing.T) {
	t.Parallel()
	for _, way := range ways {
		for _, k := range []struct {
			name      string
			configure func(sealer, *testing.T) string
		}{{"key by reference", keyByReference}, {"key as PEM", keyAsPEM}, {"key as JWK", keyAsJWK}} {
			t.Run(way.name+", "+k.name, func(t *testing.T) {
				t.Parallel()
				s := newSealer(t)
				text := s.vault(t, lab.PathCombined)
				g := sealedGuest(t, s, text, k.configure(s, t))
				way.force(g)
				want := g.Credential.Combined()
				file := filepath.Join(g.Dir, "sealed")
				lab.WriteFile(t, file, []byte(text), 0o644)
				lab.WriteFile(t, file+"-edited", []byte(text+"\n"), 0o644)
				uris := []string{"file://" + file}
				uris = append(uris, "kbs:///"+pathSealed)
				checkGot(t, g.verb(t, "unseal", file), want)
				checkGot(t, g.verb(t, "unseal", file+"-edited"), want)
				p := lab.Start(t, 0, g.Dir, "sh", "-c", `exec "$0" unseal --unmeasured-config "$1" - <"$2"`, lab.SealpodRelease, g.configPath(t), file)
				p.Wait(t, waitLimit)
				checkGot(t, p, want)
				for _, uri := range uris {
					checkGot(t, g.verb(t, "get", uri), want)
					g.Config.Combined = uri
					if seen := lab.CheckExec(t, g.verb(t, "run")); seen.PrivateKey != string(want) {
						t.Errorf("'%s' as credential: the agent got another key", uri)
					}
				}
			})
		}
	}
}

// What must not be opened, and why.
var sealedRefusals = []struct {
	name      string
	text      func(*testing.T, sealer) string
	configure func(sealer, *testing.T) string
	status    int
	words     []string
}{
	{"sealed with another key", func(t *testing.T, _ sealer) string { return newSealer(t).vault(t, lab.PathCombined) },
		keyAsPEM, 103, []string{"not by the configured key"}},
	{"placeholder for a signature", func(t *testing.T, s sealer) string { return resign(s.vault(t, lab.PathCombined), "fakesignature") },
		keyAsPEM, 103, []string{"placeholder"}},
	{"signature of another text", func(t *testing.T, s sealer) string {
		other := s.vault(t, lab.PathKey)
		return resign(s.vault(t, lab.PathCombined), other[strings.LastIndexByte(other, '.')+1:])
	}, keyAsPEM, 103, []string{"not by the configured key"}},
	{"no signature", func(t *testing.T, s sealer) string { return resign(s.vault(t, lab.PathCombined), "") }, keyAsPEM, 103, []string{"signature"}},
	{"signature part cut off", func(t *testing.T, s sealer) string {
		text := s.vault(t, lab.PathCombined)
		return text[:strings.LastIndexByte(text, '.')]
	}, keyAsPEM, 103, []string{"four parts"}},
	{"alg none", func(t *testing.T, s sealer) string {
		parts := strings.Split(s.vault(t, lab.PathCombined), ".")
		parts[1] = base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","kid":"kbs:///` + pathSealing + `"}`))
		return strings.Join(parts, ".")
	}, keyAsPEM, 103, []string{"'none'"}},
	{"white space behind it", func(t *testing.T, s sealer) string { return s.vault(t, lab.PathCombined) + "\n" }, keyAsPEM, 103, []string{"white space"}},
	{"white space in front of it", func(t *testing.T, s sealer) string { return "\n " + s.vault(t, lab.PathCombined) }, keyAsPEM, 103,
		[]string{"does not begin with 'sealed.'"}},
	{"sealed once more inside", func(t *testing.T, s sealer) string { return s.vault(t, pathSealed) }, keyAsPEM, 103, []string{"nobody has unsealed"}},
	{"no key configured", func(t *testing.T, s sealer) string { return s.vault(t, lab.PathCombined) }, noKey, 100, []string{"secrets.sealed_key"}},
}

func resign(text, signature string) string {
	return text[:strings.LastIndexByte(text, '.')+1] + signature
}

// Whatever is wrong with sealed text: nothing that it names is fetched, and it is
// never passed on in the secret's place, from the KBS, out of a file or by
// `sealpod unseal`.
func TestSealedSecretIsRefused(t *testing.T) {
	t.Parallel()
	for _, way := range ways[:3] {
		for _, c := range sealedRefusals {
			t.Run(c.name+", "+way.name, func(t *testing.T) {
				t.Parallel()
				s := newSealer(t)
				text := c.text(t, s)
				g := sealedGuest(t, s, text, c.configure(s, t))
				way.force(g)
				file := filepath.Join(g.Dir, "sealed")
				lab.WriteFile(t, file, []byte(text), 0o644)
				check := func(p *lab.Process) {
					t.Helper()
					lab.CheckFailure(t, p, c.status, c.words...)
					if strings.Contains(p.Stderr.String(), text) {
						t.Error("standard error shows the sealed text")
					}
				}
				if !strings.HasPrefix(c.name, "white space") { // which there is cut off, as editors leave it
					check(g.verb(t, "unseal", file))
				}
				for _, uri := range []string{"kbs:///" + pathSealed, "file://" + file} {
					check(g.verb(t, "get", uri))
					g.Config.Combined = uri
					p := g.verb(t, "run")
					check(p)
					g.CheckNothingLeft(t, p)
				}
				if seen := g.KBS.Counters(); seen.Resources[lab.PathCombined] != 0 {
					t.Errorf("the broker was asked for what the text names: %v", seen.Resources)
				}
			})
		}
	}
}

// An envelope can be opened by the data hub over ttrpc alone: it is refused with the
// reason on the other ways, and handed to the hub on that one.
func TestEnvelope(t *testing.T) {
	t.Parallel()
	for _, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			s := newSealer(t)
			g := sealedGuest(t, s, s.envelope(t), keyAsJWK(s, t))
			way.force(g)
			file := filepath.Join(g.Dir, "sealed")
			lab.WriteFile(t, file, []byte(s.envelope(t)), 0o644)
			status, unsealed, words := 100, int64(0), []string{"'aliyun'", "envelope", "only the confidential data hub by ttrpc"}
			if way.name == "hub by ttrpc" { // this one was built without that service
				status, unsealed, words = 111, 2, []string{"hides"}
			}
			for _, args := range [][]string{{"get", "file://" + file}, {"unseal", file}} {
				lab.CheckFailure(t, g.verb(t, args[0], args[1:]...), status, words...)
			}
			if got := g.components.Counts().Unsealed; got != unsealed {
				t.Errorf("the hub was given %d envelopes, want %d", got, unsealed)
			}
			p := g.verb(t, "get", "kbs:///"+pathSealed)
			lab.CheckFailure(t, p, status, words...)
			unsealed = g.components.Counts().Unsealed
			// One with a signature that is not by the configured key does not even reach the hub.
			lab.WriteFile(t, file, []byte(newSealer(t).envelope(t)), 0o644)
			lab.CheckFailure(t, g.verb(t, "unseal", file), 103, "not by the configured key")
			if got := g.components.Counts().Unsealed; got != unsealed {
				t.Error("the hub was given an envelope that somebody else sealed")
			}
		})
	}
}

// What lies at another provider than the KBS is the hub's to fetch, as an envelope is to open: over
// ttrpc it is handed to it, and its answer is the secret. The other ways refuse it with the reason.
func TestSealedByAnotherProvider(t *testing.T) {
	t.Parallel()
	secret := []byte("of the other provider\n")
	for _, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			s := newSealer(t)
			f := lab.NewFixture(t, lab.FixtureOptions{Resources: map[string][]byte{pathSealing: s.jwk(t)}})
			f.Config.More = keyAsJWK(s, t)
			g := startGuest(t, f, guest.Options{Features: "all", Providers: map[string][]byte{"aliyun": secret}})
			way.force(g)
			vault := s.sign(t, `{"version":"0.1.0","type":"vault","provider":"aliyun","name":"agent-key","provider_settings":{},"annotations":{}}`)
			for kind, text := range map[string]string{"envelope": s.envelope(t), "vault": vault} {
				file := filepath.Join(g.Dir, kind)
				lab.WriteFile(t, file, []byte(text), 0o644)
				p := g.verb(t, "unseal", file)
				if way.name == "hub by ttrpc" {
					checkGot(t, p, secret)
					continue
				}
				lab.CheckFailure(t, p, 100, "'aliyun'", "only the confidential data hub by ttrpc", "source '"+g.source["kind"]+"'")
			}
			want := guest.Counts{}
			if way.name == "hub by ttrpc" {
				want = guest.Counts{Unsealed: 2, Tokens: 2}
			}
			if got := g.components.Counts(); got.Unsealed != want.Unsealed || got.Resources != 0 {
				t.Errorf("the hub was asked for %+v, want %d times to unseal", got, want.Unsealed)
			}
		})
	}
}

// What kata has unsealed into a mount already is taken as it is, and needs no key.
func TestFileThatIsUnsealedAlready(t *testing.T) {
	t.Parallel()
	g := startGuest(t, lab.NewFixture(t, lab.FixtureOptions{}), guest.Options{})
	file := filepath.Join(g.Dir, "agent.pem")
	lab.WriteFile(t, file, g.Credential.Combined(), 0o600)
	g.Config.Combined = "file://" + file
	if seen := lab.CheckExec(t, g.verb(t, "run")); seen.PrivateKey != string(g.Credential.Combined()) {
		t.Error("the agent got another key")
	}
	if got := g.KBS.Counters().Resources[lab.PathCombined]; got != 0 {
		t.Error("the broker was asked for it too")
	}
	g.Config.Combined = "file://" + file + "-not"
	lab.CheckFailure(t, g.verb(t, "run"), 100, file+"-not")
	lab.WriteFile(t, file, nil, 0o600)
	g.Config.Combined = "file://" + file
	lab.CheckFailure(t, g.verb(t, "run"), 103, "empty")
}

// `sealpod unseal` opens sealed secrets, and takes nothing else.
func TestUnsealTakesSealedTextOnly(t *testing.T) {
	t.Parallel()
	s := newSealer(t)
	g := sealedGuest(t, s, "", keyAsPEM(s, t))
	file := filepath.Join(g.Dir, "plain")
	lab.WriteFile(t, file, []byte("-----BEGIN PRIVATE KEY-----\n"), 0o644)
	p := g.verb(t, "unseal", file)
	g.Check(t, p, lab.Refusal{Status: 103, Message: []string{"'" + file + "' is no sealed secret"}, NoAnswer: true})
	p = g.verb(t, "unseal", file+"-not")
	g.Check(t, p, lab.Refusal{Status: 100, Message: []string{"'" + file + "-not'"}, NoAnswer: true})
}
