// SPDX-License-Identifier: Apache-2.0

package kbs

import (
	"crypto/elliptic"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestRuntimeDataVectors(t *testing.T) {
	none := ""
	r := runtimeData{nonce: "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", additional: &none, key: teeKey{
		"kty": "EC", "crv": "P-256", "alg": "ECDH-ES+A256KW",
		"x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
	}}
	if n := len(r.canonical()); n != 244 {
		t.Errorf("canonical text of %d bytes, want 244", n)
	}
	if got := hex.EncodeToString(r.digest()); got != "dfa65d498315212bdaf8857231cf0482172933db271f15856bf30db447227eb5b1dd9e29fcc1fb9076fb00792c3bb7e7" {
		t.Errorf("R = %s", got)
	}
	r.additional = nil
	if got := hex.EncodeToString(r.digest()); got != "cc12bca78af3e46d9ddb68eb97122047abb52703f1cec34bd0adc12c5ac8c860b1ada6c8729e54f2172908b77572364a" {
		t.Errorf("D_dev = %s", got)
	}
	if got := jcsString("<\"\\\n\x01/\u2028é>"); got != "\"<\\\"\\\\\\n\\u0001/\u2028é>\"" {
		t.Errorf("jcsString: %s", got)
	}
}

func TestReleaseForEachKeyType(t *testing.T) {
	s := startOpen(t)
	for name, use := range map[string]func(*testClient){
		"P-256":        func(c *testClient) { c.useEC(elliptic.P256(), "P-256") },
		"P-521":        func(c *testClient) { c.useEC(elliptic.P521(), "P-521") },
		"RSA-OAEP-256": func(c *testClient) { c.useRSA("RSA-OAEP-256") },
	} {
		t.Run(name, func(t *testing.T) {
			c := newClient(t, s)
			use(c)
			c.handshake()
			a := c.get("repo/type/tag")
			if a.header.Get("Set-Cookie") != "" {
				t.Error("a resource answer sets a cookie")
			}
			if plain, err := c.open(a.body); err != nil || string(plain) != "the secret" {
				t.Fatalf("%s opens to %q, %v", a.body, plain, err)
			}
		})
	}
}

func TestUnusableKeyFailsOnlyAtRelease(t *testing.T) {
	s := startOpen(t)
	for name, spoil := range map[string]func(*testClient){
		"P-384":       func(c *testClient) { c.useEC(elliptic.P384(), "P-384") },
		"wrong alg":   func(c *testClient) { c.jwk["alg"] = "ECDH-ES" },
		"short x":     func(c *testClient) { c.jwk["x"] = c.jwk["x"][:40] },
		"off curve":   func(c *testClient) { c.jwk["y"] = c.jwk["x"] },
		"AKP":         func(c *testClient) { c.jwk = map[string]string{"kty": "AKP", "alg": "ML-KEM-768+A192KW", "pub": "AA"} },
		"padded base": func(c *testClient) { c.jwk["x"] += "=" },
	} {
		t.Run(name, func(t *testing.T) {
			c := newClient(t, s)
			spoil(c)
			c.handshake()
			wantProblem(t, c.get("repo/type/tag"), 401, "JweError")
		})
	}
}

// go-jose makes this document but refuses to open it, so its parts are looked at.
func TestEmptyResource(t *testing.T) {
	s := startOpen(t)
	if err := s.SetResource("repo/type/empty", nil); err != nil {
		t.Fatal(err)
	}
	c := newClient(t, s)
	c.handshake()
	a := c.get("repo/type/empty")
	var jwe map[string]string
	if err := json.Unmarshal(a.body, &jwe); err != nil || a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if text, found := jwe["ciphertext"]; !found || text != "" || len(jwe["tag"]) != 22 {
		t.Fatalf("%s", a.body)
	}
}

func TestAuthRefusals(t *testing.T) {
	const prefix = "Attestation error: RCAR handshake Auth failed: "
	const mismatch = prefix + "KBS Client Protocol Version Mismatch: expect =0.4.0 while the request is "
	s := startOpen(t)
	c := newClient(t, s)
	for body, want := range map[string]string{
		`{"version":"0.2.0","tee":"sample","extra-params":""}`:                  mismatch + "0.2.0",
		`{"version":"0.4.1","tee":"sample","extra-params":null}`:                mismatch + "0.4.1",
		`{"version":"0.4.0-rc1","tee":"sample","extra-params":{}}`:              mismatch + "0.4.0-rc1",
		`{"version":"0.4","tee":"sample","extra-params":""}`:                    prefix + "failed to parse KBS version",
		`{"version":"v0.4.0","tee":"sample","extra-params":""}`:                 prefix + "failed to parse KBS version",
		`{"version":"0.4.0","tee":"Sample","extra-params":""}`:                  prefix + "deserialize Request",
		`{"version":"0.4.0","tee":"abacus","extra-params":""}`:                  prefix + "deserialize Request",
		`{"version":"0.4.0","tee":"sample"}`:                                    prefix + "deserialize Request",
		`{"version":"0.4.0","tee":"sample","Extra-Params":""}`:                  prefix + "deserialize Request",
		`{"version":"0.4.0","version":"0.4.0","tee":"sample","extra-params":0}`: prefix + "deserialize Request",
		`{"version":"0.4.0","tee":"sample","extra-params":""} x`:                prefix + "deserialize Request",
		`{"version":0.4,"tee":"sample","extra-params":""}`:                      prefix + "deserialize Request",
		`not json`: prefix + "deserialize Request",
		``:         prefix + "deserialize Request",
	} {
		a := c.do("POST", "/kbs/v0/auth", body)
		wantProblem(t, a, 401, "AttestationError")
		var p struct{ Detail string }
		if json.Unmarshal(a.body, &p); p.Detail != want {
			t.Errorf("%s: detail '%s', want '%s'", body, p.Detail, want)
		}
	}
	for _, body := range []string{
		`{"version":"0.4.0","tee":"snp","extra-params":null,"unknown":[1]}`,
		`{"version":"0.4.0+build.7","tee":"az-snp-vtpm","extra-params":""}`,
	} {
		if a := c.do("POST", "/kbs/v0/auth", body); a.status != 200 {
			t.Errorf("%s: %d %s", body, a.status, a.body)
		}
	}
	if k := s.Counters(); k.AuthRefused != 14 || k.Auth != 2 {
		t.Errorf("counted %d refused and %d good /auth, want 14 and 2", k.AuthRefused, k.Auth)
	}
}

// Each case spoils one thing in a request that is good otherwise, as the last
// line of the test shows.
func TestAttestRefusals(t *testing.T) {
	s := startOpen(t)
	runtime := func(b map[string]any) map[string]any { return b["runtime-data"].(map[string]any) }
	evidence := func(b map[string]any) map[string]any { return b["tee-evidence"].(map[string]any) }
	primary := func(b map[string]any) map[string]any { return evidence(b)["primary_evidence"].(map[string]any) }
	for name, spoil := range map[string]func(*testClient, map[string]any){
		"no cookie":      func(c *testClient, _ map[string]any) { c.cookie = "" },
		"unknown cookie": func(c *testClient, _ map[string]any) { c.cookie = "kbs-session-id=" + strings.Repeat("0", 32) },
		"other nonce": func(c *testClient, b map[string]any) {
			c.nonce = randomNonce() // evidence and runtime data agree, but not with the session
			runtime(b)["nonce"], primary(b)["report_data"] = c.nonce, c.reportData("")
		},
		"other report data": func(c *testClient, b map[string]any) { primary(b)["report_data"] = c.reportData("x") },
		"padded report data": func(c *testClient, b map[string]any) {
			primary(b)["report_data"] = c.reportData("") + strings.Repeat("A", 20) + "AA=="
		},
		"no svn":                 func(_ *testClient, b map[string]any) { delete(primary(b), "svn") },
		"no additional_evidence": func(_ *testClient, b map[string]any) { delete(evidence(b), "additional_evidence") },
		"additional-evidence": func(_ *testClient, b map[string]any) {
			delete(evidence(b), "additional_evidence")
			evidence(b)["additional-evidence"] = ""
		},
		"no primary_evidence": func(_ *testClient, b map[string]any) { delete(evidence(b), "primary_evidence") },
		"unknown kty":         func(_ *testClient, b map[string]any) { runtime(b)["tee-pubkey"] = map[string]string{"kty": "OKP"} },
		"no alg":              func(c *testClient, _ map[string]any) { delete(c.jwk, "alg") },
		"init-data json": func(_ *testClient, b map[string]any) {
			b["init-data"] = initDataOf("sha256")
			b["init-data"].(map[string]any)["format"] = "json"
		},
		"init-data bad toml":      func(_ *testClient, b map[string]any) { b["init-data"] = map[string]any{"format": "toml", "body": "=="} },
		"init-data bad algorithm": func(_ *testClient, b map[string]any) { b["init-data"] = initDataOf("sha-256") },
	} {
		t.Run(name, func(t *testing.T) {
			c := newClient(t, s)
			c.auth()
			body := c.attestBody()
			spoil(c, body)
			a := c.attestWith(body)
			wantProblem(t, a, 401, "AttestationError")
			if !strings.HasSuffix(string(a.body), `"detail":"Attestation error: RCAR handshake Attest failed"}`) {
				t.Errorf("body %s", a.body)
			}
		})
	}
	newClient(t, s).handshake()
	if k := s.Counters(); k.AttestRefused != 14 || k.Attest != 1 {
		t.Errorf("counted %d refused and %d good /attest, want 14 and 1", k.AttestRefused, k.Attest)
	}
}

func initDataOf(algorithm string) map[string]any {
	return map[string]any{"format": "toml", "body": "version = \"0.1.0\"\nalgorithm = \"" + algorithm + "\"\n[data]\n" +
		"\"aa.toml\" = 'answer = 42'\n\"policy.rego\" = 'policy_data := {\"containers\":[]}'\n\"own\" = \"text\"\n"}
}

func TestExtraKeyMembersAreDroppedBeforeHashing(t *testing.T) {
	s := startOpen(t)
	c := newClient(t, s)
	c.auth()
	good := c.attestBody() // hashed without kid
	sent := map[string]string{"kid": "k1", "use": "enc"}
	for name, value := range c.jwk {
		sent[name] = value
	}
	good["runtime-data"].(map[string]any)["tee-pubkey"] = sent
	if a := c.attestWith(good); a.status != 200 {
		t.Fatalf("%d %s", a.status, s.Counters().LastRefusal)
	}
	c.auth()
	c.jwk["kid"] = "k1" // hashed with kid
	wantProblem(t, c.attestWith(c.attestBody()), 401, "AttestationError")
}

func TestInitDataReachesTokenAndRecord(t *testing.T) {
	s := startOpen(t)
	c := newClient(t, s)
	c.auth()
	body := c.attestBody()
	body["init-data"] = initDataOf("sha256")
	if a := c.attestWith(body); a.status != 200 {
		t.Fatalf("%d %s", a.status, s.Counters().LastRefusal)
	}
	payload := string(payloadOf(t, c.token))
	for _, want := range []string{`"init_data":"`, `"aa.toml":{"answer":42}`, `"agent_policy_claims":{"containers":[]}`, `"own":"text"`} {
		if !strings.Contains(payload, want) {
			t.Errorf("no %s in %s", want, payload)
		}
	}
	last := s.Counters().Last
	if last == nil || last.TEE != "sample" || last.InitData == nil || !strings.HasPrefix(*last.InitData, "version") ||
		!strings.Contains(string(last.Evidence), c.reportData("")) {
		t.Errorf("last attestation %+v", last)
	}
}

func TestAdditionalEvidenceIsBoundToTwoMembers(t *testing.T) {
	s := startOpen(t)
	c := newClient(t, s)
	c.auth()
	device := runtimeData{nonce: c.nonce, key: teeKey(c.jwk)}
	additional := string(compactJSON(map[string]any{"sample": map[string]any{"svn": "2", "report_data": device.digest()}}))
	body := c.attestBody()
	body["tee-evidence"] = map[string]any{
		"primary_evidence":    map[string]any{"svn": "1", "report_data": c.reportData(additional)},
		"additional_evidence": additional,
	}
	if a := c.attestWith(body); a.status != 200 || !strings.Contains(string(payloadOf(t, c.token)), `"cpu1"`) {
		t.Fatalf("%d %s", a.status, s.Counters().LastRefusal)
	}
	c.auth() // the device evidence now has an old nonce
	body["runtime-data"] = map[string]any{"nonce": c.nonce, "tee-pubkey": c.jwk}
	body["tee-evidence"].(map[string]any)["primary_evidence"] = map[string]any{"svn": "1", "report_data": c.reportData(additional)}
	wantProblem(t, c.attestWith(body), 401, "AttestationError")
}

func TestSessionAndTokenLifetimes(t *testing.T) {
	now := time.Now()
	s := start(t, Options{ResourcePolicy: allowAll, Resources: map[string][]byte{"a/b/c": nil}, Now: func() time.Time { return now }})
	c := newClient(t, s)
	wantProblem(t, c.get("a/b/c"), 401, "TokenNotFound")
	c.auth()
	wantProblem(t, c.get("a/b/c"), 401, "TokenNotFound") // a session, not attested
	c.attestWith(c.attestBody())
	first := c.token
	if a := c.attestWith(map[string]any{"runtime-data": map[string]any{"nonce": "", "tee-pubkey": c.jwk},
		"tee-evidence": map[string]any{"primary_evidence": 0, "additional_evidence": ""}}); a.status != 200 || c.token != first {
		t.Fatalf("a second attest gives %d and another token", a.status)
	}
	if s.Counters().Attest != 1 {
		t.Error("a repeated attest was counted as verified")
	}
	bearerOnly := func() answer {
		plain := newClient(t, s)
		a, err := plain.try("GET", "/kbs/v0/resource/a/b/c", "", http.Header{"Authorization": {"Bearer " + first}})
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	now = now.Add(sessionLifetime) // the session ends; the token has a minute's leeway
	wantProblem(t, c.get("a/b/c"), 401, "TokenNotFound")
	if a := bearerOnly(); a.status != 200 {
		t.Fatalf("bearer: %d %s", a.status, a.body)
	}
	now = now.Add(tokenLeeway + time.Second)
	wantProblem(t, bearerOnly(), 401, "TokenVerifierError")
}

func TestForeignOrAlteredTokenIsRefused(t *testing.T) {
	s, other := startOpen(t), startOpen(t)
	c := newClient(t, other)
	c.handshake()
	plain := newClient(t, s)
	altered := strings.Replace(c.token, ".", ".e30", 1)
	for _, token := range []string{c.token, altered, "abc"} {
		a, err := plain.try("GET", "/kbs/v0/resource/repo/type/tag", "", http.Header{"Authorization": {"Bearer " + token}})
		if err != nil {
			t.Fatal(err)
		}
		wantProblem(t, a, 401, "TokenVerifierError")
	}
	a, err := plain.try("GET", "/kbs/v0/resource/repo/type/tag", "", http.Header{"Authorization": {"bearer " + c.token}})
	if err != nil {
		t.Fatal(err)
	}
	wantProblem(t, a, 401, "TokenNotFound")
}

func TestPathsAndMethods(t *testing.T) {
	s := startOpen(t)
	c := newClient(t, s)
	c.handshake()
	for path, want := range map[string]string{
		"/kbs/v0/":                            "404 PluginNotFound",
		"/kbs/v0/nothing":                     "404 PluginNotFound",
		"/kbs/v0/auth":                        "404 PluginNotFound", // GET
		"/kbs/v0":                             "404 ",
		"/":                                   "404 ",
		"/healthz":                            "200 ",
		"/kbs/v0/resource/repo/type/tag?a=b":  "200 ",
		"/kbs/v0/resource/repo/type/%74ag":    "200 ",
		"/kbs/v0/resource/repo/type/missing":  "401 PluginInternalError",
		"/kbs/v0/resource/repo/type":          "401 PluginInternalError",
		"/kbs/v0/resource/repo/type/tag/more": "401 PluginInternalError",
		"/kbs/v0/resource/repo%2Ftype/tag/x":  "401 PluginInternalError",
		"/kbs/v0/resource/repo/type%2Ftag":    "401 PluginInternalError",
		"/kbs/v0/resource//repo/type/tag":     "401 PluginInternalError",
		"/kbs/v0/resource/.repo/type/tag":     "401 PluginInternalError",
		"/kbs/v0/resource":                    "401 PluginInternalError",
	} {
		a := c.do("GET", path, "")
		if got := strconv.Itoa(a.status) + " " + a.kind(); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
	wantProblem(t, c.do("PUT", "/kbs/v0/resource/repo/type/tag", ""), 401, "PluginInternalError")
	if a := c.do("PATCH", "/kbs/v0/resource/repo/type/tag", ""); a.status != 405 {
		t.Errorf("PATCH: %d", a.status)
	}
}

func TestBodyLimit(t *testing.T) {
	s := startOpen(t)
	c := newClient(t, s)
	wantProblem(t, c.do("POST", "/kbs/v0/auth", strings.Repeat(" ", maxBody)), 401, "AttestationError")
	a := c.do("POST", "/kbs/v0/auth", strings.Repeat(" ", maxBody+1))
	if a.status != 413 || !strings.HasPrefix(a.header.Get("Content-Type"), "text/plain") {
		t.Errorf("%d %v", a.status, a.header)
	}
	before := s.Counters().Connections
	c.auth()
	if after := s.Counters().Connections; after != before+1 {
		t.Errorf("the connection was kept after a 413")
	}
}
