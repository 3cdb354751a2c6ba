// SPDX-License-Identifier: Apache-2.0

package kbs

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha512"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"io"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const allowAll = "package policy\nallow = true\n"

func start(t *testing.T, o Options) *Server {
	t.Helper()
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// startOpen is a broker that releases one resource, repo/type/tag, to anyone attested.
func startOpen(t *testing.T) *Server {
	t.Helper()
	return start(t, Options{ResourcePolicy: allowAll, Resources: map[string][]byte{"repo/type/tag": []byte("the secret")}})
}

// testClient is a guest of its own: it shares no code with the broker but JSON.
type testClient struct {
	t      *testing.T
	s      *Server
	http   *http.Client
	key    crypto.PrivateKey
	jwk    map[string]string
	cookie string
	nonce  string
	token  string
}

func newClient(t *testing.T, s *Server) *testClient {
	t.Helper()
	c := &testClient{t: t, s: s, http: &http.Client{
		Transport:     transport(s),
		Timeout:       30 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	t.Cleanup(c.http.CloseIdleConnections)
	c.useEC(elliptic.P256(), "P-256")
	return c
}

func transport(s *Server) *http.Transport {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(s.CAPEM())
	return &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true}
}

func (c *testClient) useEC(curve elliptic.Curve, name string) {
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		c.t.Fatal(err)
	}
	point, err := key.PublicKey.Bytes()
	if err != nil {
		c.t.Fatal(err)
	}
	half := len(point) / 2
	enc := base64.RawURLEncoding.EncodeToString
	c.key = key
	c.jwk = map[string]string{"kty": "EC", "crv": name, "alg": "ECDH-ES+A256KW", "x": enc(point[1 : 1+half]), "y": enc(point[1+half:])}
}

func (c *testClient) useRSA(alg string) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		c.t.Fatal(err)
	}
	enc := base64.RawURLEncoding.EncodeToString
	c.key = key
	c.jwk = map[string]string{"kty": "RSA", "alg": alg, "n": enc(key.N.Bytes()), "e": enc(big.NewInt(int64(key.E)).Bytes())}
}

type answer struct {
	status int
	header http.Header
	body   []byte
}

// kind is the last part of a problem document's type.
func (a answer) kind() string {
	var p struct{ Type string }
	json.Unmarshal(a.body, &p)
	return strings.TrimPrefix(p.Type, errorTypePrefix)
}

func (c *testClient) try(method, path, body string, header http.Header) (answer, error) {
	req, err := http.NewRequest(method, c.s.URL()+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	for name, values := range header {
		req.Header[name] = values
	}
	if c.cookie != "" {
		req.Header.Set("Cookie", c.cookie)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, data}, err
}

func (c *testClient) do(method, path, body string) answer {
	c.t.Helper()
	a, err := c.try(method, path, body, nil)
	if err != nil {
		c.t.Fatalf("%s %s: %v", method, path, err)
	}
	return a
}

const goodAuth = `{"version":"0.4.0","tee":"sample","extra-params":{"supported-hash-algorithms":["sha384"]}}`

func (c *testClient) auth() answer {
	c.t.Helper()
	a := c.do("POST", "/kbs/v0/auth", goodAuth)
	var challenge struct{ Nonce string }
	json.Unmarshal(a.body, &challenge)
	c.nonce = challenge.Nonce
	c.cookie, _, _ = strings.Cut(a.header.Get("Set-Cookie"), ";")
	return a
}

// reportData hashes what the protocol says, by another road than the broker:
// encoding/json sorts map keys, and nothing here needs an escape.
func (c *testClient) reportData(additional string) string {
	text, err := json.Marshal(map[string]any{"additional-evidence": additional, "nonce": c.nonce, "tee-pubkey": c.jwk})
	if err != nil {
		c.t.Fatal(err)
	}
	sum := sha512.Sum384(text)
	return base64.StdEncoding.EncodeToString(sum[:])
}

// attestBody is a good request, as nested maps for tests to spoil.
func (c *testClient) attestBody() map[string]any {
	return map[string]any{
		"init-data":    nil,
		"runtime-data": map[string]any{"nonce": c.nonce, "tee-pubkey": c.jwk},
		"tee-evidence": map[string]any{
			"primary_evidence":    map[string]any{"svn": "1", "report_data": c.reportData("")},
			"additional_evidence": "",
		},
	}
}

func (c *testClient) attestWith(body map[string]any) answer {
	c.t.Helper()
	a := c.do("POST", "/kbs/v0/attest", string(compactJSON(body)))
	var got struct{ Token string }
	json.Unmarshal(a.body, &got)
	c.token = got.Token
	return a
}

func (c *testClient) handshake() {
	c.t.Helper()
	c.auth()
	if a := c.attestWith(c.attestBody()); a.status != 200 || c.token == "" {
		c.t.Fatalf("attest: %d %s (%s)", a.status, a.body, c.s.Counters().LastRefusal)
	}
}

func (c *testClient) get(path string) answer {
	c.t.Helper()
	return c.do("GET", "/kbs/v0/resource/"+path, "")
}

func (c *testClient) open(jwe []byte) ([]byte, error) { return openJWE(jwe, c.jwk["alg"], c.key) }

func openJWE(jwe []byte, alg string, key crypto.PrivateKey) ([]byte, error) {
	parsed, err := jose.ParseEncryptedJSON(string(jwe), []jose.KeyAlgorithm{jose.KeyAlgorithm(alg)}, []jose.ContentEncryption{jose.A256GCM})
	if err != nil {
		return nil, err
	}
	return parsed.Decrypt(key)
}

// wantProblem checks status, type and that nothing says a content type.
func wantProblem(t *testing.T, a answer, status int, kind string) {
	t.Helper()
	if a.status != status || a.kind() != kind {
		t.Fatalf("got %d %s, want %d %s", a.status, a.body, status, kind)
	}
	if _, found := a.header["Content-Type"]; found {
		t.Fatalf("a problem document with Content-Type '%s'", a.header.Get("Content-Type"))
	}
}

// adminKeys is an administrator's key pair and a signer of tokens with it.
func adminKeys(t *testing.T) (ed25519.PublicKey, func(claims string) string) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return public, func(claims string) string {
		enc := base64.RawURLEncoding.EncodeToString
		signed := enc([]byte(`{"alg":"EdDSA","typ":"JWT"}`)) + "." + enc([]byte(claims))
		return signed + "." + enc(ed25519.Sign(private, []byte(signed)))
	}
}

func payloadOf(t *testing.T, token string) []byte {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("'%s' is no compact JWS", token)
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	return bytes.TrimSpace(payload)
}
