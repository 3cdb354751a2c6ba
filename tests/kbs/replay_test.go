// SPDX-License-Identifier: Apache-2.0

package kbs

import (
	"bufio"
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// exchange is one line of a recorded conversation of the real broker.
type exchange struct {
	Method      string      `json:"method"`
	Path        string      `json:"path"`
	ReqHeaders  [][2]string `json:"req_headers"`
	ReqBody     *string     `json:"req_body"`
	Status      int         `json:"status"`
	RespHeaders [][2]string `json:"resp_headers"`
	RespBody    string      `json:"resp_body"`
	Note        string      `json:"note"`
	KeyPEM      string      `json:"tee_private_key_pem"`
	Plaintext   string      `json:"expected_plaintext"`
}

func (x exchange) reqHeader(name string) string  { return findHeader(x.ReqHeaders, name) }
func (x exchange) respHeader(name string) string { return findHeader(x.RespHeaders, name) }

func findHeader(headers [][2]string, name string) string {
	for _, h := range headers {
		if strings.EqualFold(h[0], name) {
			return h[1]
		}
	}
	return ""
}

func readExchanges(t *testing.T, file string) []exchange {
	t.Helper()
	data, err := os.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	var all []exchange
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var x exchange
		if err := json.Unmarshal(lines.Bytes(), &x); err != nil {
			t.Fatal(err)
		}
		all = append(all, x)
	}
	if len(all) < 4 {
		t.Fatalf("%s holds %d exchanges only", file, len(all))
	}
	return all
}

// The replay sends each recorded request, with two things exchanged: a recorded
// session cookie for the one that our broker gave in its place, and an admin
// token for one of the same claims (to the byte) signed by our administrator. The
// broker's clock stands at the recorded Date and its nonces are the recorded ones,
// so that recorded evidence and recorded admin token times hold.
//
// Compared exactly: the status; the Date; the presence and value of Content-Type;
// Content-Length; whether a cookie is set, and its text but for the id; the body,
// but for the exceptions in compareBody.
func TestReplay(t *testing.T) {
	for file, policy := range map[string]string{
		"success-p256.jsonl":   allowAll,
		"policy-deny.jsonl":    "package policy\ndefault allow = false\n",
		"admin-resource.jsonl": "", "admin-resource-policy.jsonl": "", "admin-attestation-policy.jsonl": "",
		"admin-auth-errors.jsonl": "", "admin-reference-value.jsonl": "",
	} {
		t.Run(file, func(t *testing.T) { replay(t, readExchanges(t, file), policy) })
	}
}

type replayer struct {
	t       *testing.T
	client  *testClient
	clock   time.Time
	nonces  []string
	cookies map[string]string // recorded id to ours
	sign    func(string) string
}

func replay(t *testing.T, all []exchange, policy string) {
	public, sign := adminKeys(t)
	r := &replayer{t: t, cookies: map[string]string{}, sign: sign}
	for _, x := range all {
		if x.Path == "/kbs/v0/auth" {
			var challenge struct{ Nonce string }
			if err := json.Unmarshal([]byte(x.RespBody), &challenge); err != nil {
				t.Fatal(err)
			}
			r.nonces = append(r.nonces, challenge.Nonce)
		}
	}
	o := Options{AdminKey: public, ResourcePolicy: policy, Now: func() time.Time { return r.clock }}
	o.Nonce = func() string {
		next := r.nonces[0]
		r.nonces = r.nonces[1:]
		return next
	}
	if last := all[len(all)-1]; last.Plaintext != "" {
		o.Resources = map[string][]byte{"default/x509pop/key": []byte(last.Plaintext)}
	}
	r.client = newClient(t, start(t, o))
	for i, x := range all {
		r.one(fmt.Sprintf("line %d (%s)", i+1, x.Note), x)
	}
}

func (r *replayer) one(name string, x exchange) {
	r.t.Helper()
	date, err := http.ParseTime(x.respHeader("date"))
	if err != nil {
		r.t.Fatalf("%s: recorded date: %v", name, err)
	}
	r.clock = date
	header := http.Header{}
	for _, h := range x.ReqHeaders {
		switch strings.ToLower(h[0]) {
		case "host", "content-length", "cookie":
		case "authorization":
			header.Set("Authorization", r.resigned(h[1]))
		default:
			header.Set(h[0], h[1])
		}
	}
	r.client.cookie = ""
	if recorded := x.reqHeader("cookie"); recorded != "" {
		r.client.cookie = r.cookies[recorded]
	}
	body := ""
	if x.ReqBody != nil {
		body = *x.ReqBody
	}
	got, err := r.client.try(x.Method, x.Path, body, header)
	if err != nil {
		r.t.Fatalf("%s: %v", name, err)
	}
	r.compareHead(name, x, got)
	r.compareBody(name, x, got)
}

// resigned signs the claims of a recorded token anew; what is no token stays.
func (r *replayer) resigned(authorization string) string {
	scheme, token, _ := strings.Cut(authorization, " ")
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return authorization
	}
	claims, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		r.t.Fatal(err)
	}
	return scheme + " " + r.sign(string(claims))
}

func (r *replayer) compareHead(name string, x exchange, got answer) {
	r.t.Helper()
	if got.status != x.Status {
		r.t.Fatalf("%s: status %d, recorded %d; body %s", name, got.status, x.Status, got.body)
	}
	for _, header := range []string{"Date", "Content-Type"} {
		if want := x.respHeader(header); got.header.Get(header) != want {
			r.t.Errorf("%s: %s '%s', recorded '%s'", name, header, got.header.Get(header), want)
		}
	}
	// The one length that may differ is that of a Rego syntax error.
	if want := x.respHeader("content-length"); got.header.Get("Content-Length") != want && !isRegoError(x) {
		r.t.Errorf("%s: Content-Length '%s', recorded '%s'", name, got.header.Get("Content-Length"), want)
	}
	recordedID, recordedRest, _ := strings.Cut(x.respHeader("set-cookie"), ";")
	ourID, ourRest, _ := strings.Cut(got.header.Get("Set-Cookie"), ";")
	if recordedRest != ourRest || len(recordedID) != len(ourID) {
		r.t.Errorf("%s: Set-Cookie '%s', recorded '%s'", name, got.header.Get("Set-Cookie"), x.respHeader("set-cookie"))
	}
	if recordedID != "" {
		r.cookies[recordedID] = ourID
	}
}

func isRegoError(x exchange) bool {
	return strings.Contains(x.RespBody, "Policy engine error: Failed to load policy: ")
}

// compareBody compares byte for byte, with three exceptions: of a Rego syntax
// error the type and the start of the detail (another Rego parser words it); of a
// token the claims, byte for byte, and the header but for the key (the signature
// is another); of a JWE the members and their lengths and the header's names, and
// that it opens to what the recorded one opens to.
func (r *replayer) compareBody(name string, x exchange, got answer) {
	r.t.Helper()
	switch {
	case isRegoError(x):
		var p struct{ Type, Detail string }
		json.Unmarshal(got.body, &p)
		if p.Type != errorTypePrefix+"PolicyEngineError" || !strings.HasPrefix(p.Detail, "Policy engine error: Failed to load policy: ") {
			r.t.Errorf("%s: body %s, recorded %s", name, got.body, x.RespBody)
		}
	case x.Path == "/kbs/v0/attest":
		compareTokens(r.t, name, []byte(x.RespBody), got.body)
	case x.KeyPEM != "":
		compareJWEs(r.t, name, x, got.body)
	case string(got.body) != x.RespBody:
		r.t.Errorf("%s: body\n%s, recorded\n%s", name, got.body, x.RespBody)
	}
}

func compareTokens(t *testing.T, name string, recorded, got []byte) {
	t.Helper()
	var tokens [2]struct{ Token string }
	for i, body := range [][]byte{recorded, got} {
		if err := json.Unmarshal(body, &tokens[i]); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	want, ours := payloadOf(t, tokens[0].Token), payloadOf(t, tokens[1].Token)
	if !bytes.Equal(want, ours) {
		t.Errorf("%s: claims\n%s, recorded\n%s", name, ours, want)
	}
	var headers [2]map[string]any
	for i := range tokens {
		raw, err := base64.RawURLEncoding.DecodeString(strings.Split(tokens[i].Token, ".")[0])
		if err != nil {
			t.Fatal(err)
		}
		json.Unmarshal(raw, &headers[i])
		jwk := headers[i]["jwk"].(map[string]any)
		jwk["x"], jwk["y"] = len(jwk["x"].(string)), len(jwk["y"].(string))
	}
	if a, b := string(compactJSON(headers[0])), string(compactJSON(headers[1])); a != b {
		t.Errorf("%s: token header %s, recorded %s", name, b, a)
	}
}

func compareJWEs(t *testing.T, name string, x exchange, got []byte) {
	t.Helper()
	block, _ := pem.Decode([]byte(x.KeyPEM))
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	for _, jwe := range [][]byte{[]byte(x.RespBody), got} {
		if plain, err := openJWE(jwe, "ECDH-ES+A256KW", key); err != nil || string(plain) != x.Plaintext {
			t.Errorf("%s: JWE %s opens to %q, %v", name, jwe, plain, err)
		}
	}
	recorded, ours := jweShape(t, []byte(x.RespBody)), jweShape(t, got)
	if !slices.Equal(recorded, ours) {
		t.Errorf("%s: JWE of %v, recorded %v", name, ours, recorded)
	}
}

// jweShape lists a JWE's members with their lengths and its header's names.
func jweShape(t *testing.T, jwe []byte) []string {
	t.Helper()
	var members map[string]string
	if err := json.Unmarshal(jwe, &members); err != nil {
		t.Fatal(err)
	}
	raw, err := base64.RawURLEncoding.DecodeString(members["protected"])
	if err != nil {
		t.Fatal(err)
	}
	var header struct {
		Alg, Enc string
		EPK      map[string]string
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&header); err != nil {
		t.Fatalf("JWE header %s: %v", raw, err)
	}
	shape := []string{"alg " + header.Alg, "enc " + header.Enc}
	for name, value := range members {
		shape = append(shape, fmt.Sprintf("%s %d", name, len(value)))
	}
	for name, value := range header.EPK {
		shape = append(shape, fmt.Sprintf("epk.%s %d", name, len(value)))
	}
	slices.Sort(shape)
	return shape
}
