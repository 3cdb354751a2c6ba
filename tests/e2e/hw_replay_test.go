// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha512"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"sealpod.test/e2e/lab"
	"sealpod.test/kbs"
	"sealpod.test/tee"
)

// thief speaks to the broker as a guest would, with evidence that is not his.
type thief struct {
	t      *testing.T
	server *kbs.Server
	client *http.Client
	cookie string
	nonce  string
	key    map[string]string // his own
}

// newThief opens a session of his own.
func newThief(t *testing.T, server *kbs.Server, kind string) *thief {
	t.Helper()
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(server.CAPEM())
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
	t.Cleanup(transport.CloseIdleConnections)
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := private.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	th := &thief{t: t, server: server, client: &http.Client{Transport: transport, Timeout: 20 * time.Second},
		key: map[string]string{"kty": "EC", "crv": "P-256", "alg": "ECDH-ES+A256KW", "x": b64(point[1:33]), "y": b64(point[33:])}}
	var challenge struct{ Nonce string }
	status := th.post("auth", map[string]any{"version": "0.4.0", "tee": kind, "extra-params": map[string]any{}}, &challenge)
	if th.nonce = challenge.Nonce; status != 200 || th.nonce == "" || th.cookie == "" {
		t.Fatalf("no session: status %d", status)
	}
	return th
}

func (th *thief) post(step string, body, answer any) int {
	th.t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		th.t.Fatal(err)
	}
	request, err := http.NewRequest("POST", th.server.URL()+"/kbs/v0/"+step, bytes.NewReader(text))
	if err != nil {
		th.t.Fatal(err)
	}
	request.Header.Set("Cookie", th.cookie)
	response, err := th.client.Do(request)
	if err != nil {
		th.t.Fatal(err)
	}
	defer response.Body.Close()
	if cookie, _, _ := strings.Cut(response.Header.Get("Set-Cookie"), ";"); cookie != "" {
		th.cookie = cookie
	}
	data, _ := io.ReadAll(response.Body)
	if response.StatusCode == 200 {
		err = json.Unmarshal(data, answer)
	}
	if err != nil {
		th.t.Fatal(err)
	}
	return response.StatusCode
}

// runtimeData is what the report data must be the digest of, with these.
func runtimeData(nonce string, key any) map[string]any {
	return map[string]any{"additional-evidence": "", "nonce": nonce, "tee-pubkey": key}
}

// present presents evidence with this nonce and key, and tells why it was refused.
func (th *thief) present(evidence any, nonce string, key any) string {
	th.t.Helper()
	var answer struct{ Token string }
	status := th.post("attest", map[string]any{
		"runtime-data": map[string]any{"nonce": nonce, "tee-pubkey": key},
		"tee-evidence": map[string]any{"primary_evidence": evidence, "additional_evidence": ""},
	}, &answer)
	if (status == 200) != (answer.Token != "") {
		th.t.Errorf("status %d, token '%s'", status, answer.Token)
	}
	if status == 200 {
		return ""
	}
	return th.server.Counters().LastRefusal
}

// Evidence that was good once is good for nobody else and for no other time: neither
// with the old nonce, nor with a new one, nor with another key. What was made for the
// thief's own session passes, so it is not for his manners that he is refused.
func TestReplayedEvidenceIsRefused(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{tee.KindSNP, tee.KindSNPIoctl, tee.KindTDX, tee.KindTDX15} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			roots := ownRoots(t)
			m := boot(t, tee.Options{Kind: kind, Roots: roots})
			f := onMachine(t, lab.FixtureOptions{}, anyTEE, roots)
			lab.CheckExec(t, m.run(t, f))
			seen := f.KBS.Counters().Last
			var stolen struct {
				Runtime struct {
					Nonce string
					Key   map[string]string `json:"tee-pubkey"`
				} `json:"runtime-data"`
			}
			if err := json.Unmarshal(seen.Request, &stolen); err != nil || stolen.Runtime.Nonce == "" || len(stolen.Runtime.Key) == 0 {
				t.Fatalf("the request that was recorded: %v\n%s", err, seen.Request)
			}
			th := newThief(t, f.KBS, seen.TEE)
			guest := stolen.Runtime
			for name, c := range map[string]struct {
				nonce string
				key   any
				why   string
			}{
				"the whole, as it was":     {guest.Nonce, guest.Key, "the nonce is not the session's"},
				"with the new nonce":       {th.nonce, guest.Key, "REPORT_DATA"},
				"with the thief's key":     {guest.Nonce, th.key, "the nonce is not the session's"},
				"with both of the thief's": {th.nonce, th.key, "REPORT_DATA"},
			} {
				if why := th.present(seen.Evidence, c.nonce, c.key); !strings.Contains(why, c.why) {
					t.Errorf("%s: refused because of '%s', want '%s'", name, why, c.why)
				}
			}
			m.checkCost(t, 1)

			text, err := json.Marshal(runtimeData(th.nonce, th.key))
			if err != nil {
				t.Fatal(err)
			}
			digest := sha512.Sum384(text)
			p := m.attest(t, "--format", "json", "--report-data", hex.EncodeToString(digest[:]))
			if why := th.present(json.RawMessage(p.Stdout.String()), th.nonce, th.key); why != "" {
				t.Errorf("what was made for this session is refused: %s", why)
			}
		})
	}
}
