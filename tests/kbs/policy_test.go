// SPDX-License-Identifier: Apache-2.0

package kbs

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestResourcePolicies(t *testing.T) {
	for name, test := range map[string]struct{ policy, want string }{
		"default denies the sample TEE": {"", "PolicyDeny"},
		"allow":                         {allowAll, ""},
		"deny":                          {"package policy\ndefault allow = false", "PolicyDeny"},
		"undefined":                     {"package policy\n", "PolicyDeny"},
		"other package":                 {"package other\nallow = true", "PolicyDeny"},
		"not a boolean":                 {"package policy\nallow = \"true\"", "PolicyDeny"},
		"plugin":                        {"package policy\nallow if data.plugin == \"resource\"", ""},
		"path is an array":              {"package policy\nallow if data[\"resource-path\"] == [\"repo\", \"type\", \"tag\"]", ""},
		"query":                         {"package policy\nallow if data.query.who == \"me\"", ""},
		"query of another value":        {"package policy\nallow if data.query.who == \"you\"", "PolicyDeny"},
		"claims are input":              {"package policy\nallow if input.submods.cpu0[\"ear.veraison.annotated-evidence\"].sample.svn == \"1\"", ""},
		"status":                        {"package policy\nallow if input.submods.cpu0[\"ear.status\"] == \"affirming\"", "PolicyDeny"},
		"number":                        {"package policy\nallow if input.exp - input.iat == 300", ""},
		"cannot be compiled":            {"package policy\nallow if nowhere(1)", "PolicyEngineError"},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, Options{ResourcePolicy: test.policy, Resources: map[string][]byte{"repo/type/tag": []byte("x")}})
			c := newClient(t, s)
			c.handshake()
			a := c.get("repo/type/tag?who=me")
			if test.want != "" {
				wantProblem(t, a, 401, test.want)
			} else if a.status != 200 {
				t.Fatalf("%d %s", a.status, a.body)
			}
		})
	}
}

func TestPoliciesHaveNoNetwork(t *testing.T) {
	asked := 0
	site := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked++ }))
	defer site.Close()
	s := start(t, Options{ResourcePolicy: "package policy\nallow if http.send({\"method\": \"get\", \"url\": \"" + site.URL + "\"}).status_code == 200"})
	c := newClient(t, s)
	c.handshake()
	if a := c.get("repo/type/tag"); a.status != 401 || asked != 0 {
		t.Fatalf("%d %s; the policy reached the network %d times", a.status, a.body, asked)
	}
}

// A stand-in for a hardware TEE's verifier: the default resource policy must let
// anything but the sample TEE through.
type stubVerifier struct{ Sample }

func (stubVerifier) Name() string { return "snp" }

func TestDefaultPolicyReleasesToOtherTEEs(t *testing.T) {
	s := start(t, Options{Resources: map[string][]byte{"repo/type/tag": []byte("x")}, Verifiers: []Verifier{stubVerifier{}}})
	c := newClient(t, s)
	c.auth()
	wantProblem(t, c.attestWith(c.attestBody()), 401, "AttestationError") // no verifier for "sample" now
	a := c.do("POST", "/kbs/v0/auth", strings.Replace(goodAuth, "sample", "snp", 1))
	var challenge struct{ Nonce string }
	json.Unmarshal(a.body, &challenge)
	c.nonce = challenge.Nonce
	c.cookie, _, _ = strings.Cut(a.header.Get("Set-Cookie"), ";")
	if a := c.attestWith(c.attestBody()); a.status != 200 {
		t.Fatalf("%d %s", a.status, s.Counters().LastRefusal)
	}
	if a := c.get("repo/type/tag"); a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}
}

// appraised returns the status and the vector of the token that one handshake gives.
func appraised(t *testing.T, s *Server) (string, trustVector) {
	t.Helper()
	c := newClient(t, s)
	c.handshake()
	var claims struct {
		Submods map[string]struct {
			Status string      `json:"ear.status"`
			Vector trustVector `json:"ear.trustworthiness-vector"`
		} `json:"submods"`
	}
	if err := json.Unmarshal(payloadOf(t, c.token), &claims); err != nil {
		t.Fatal(err)
	}
	return claims.Submods["cpu0"].Status, claims.Submods["cpu0"].Vector
}

// startAdmin is a broker with an administrator, and a function that posts as he.
func startAdmin(t *testing.T) (*Server, func(path, body string)) {
	t.Helper()
	public, sign := adminKeys(t)
	s := start(t, Options{AdminKey: public})
	c := newClient(t, s)
	return s, func(path, body string) {
		t.Helper()
		header := map[string][]string{"Authorization": {"Bearer " + sign(`{"role":"admin","exp":4102444800}`)}}
		if a, err := c.try("POST", "/kbs/v0/"+path, body, header); err != nil || a.status != 200 {
			t.Fatalf("POST %s: %v %d %s", path, err, a.status, a.body)
		}
	}
}

func TestReferenceValuesMakeTheSampleAffirming(t *testing.T) {
	s, post := startAdmin(t)
	if status, v := appraised(t, s); status != "contraindicated" || v.Executables != 33 || v.Hardware != 97 || v.Configuration != 2 {
		t.Errorf("without values: %s %+v", status, v)
	}
	reference := func(values string) {
		post("reference-value", `{"type":"sample","payload":"`+base64.StdEncoding.EncodeToString([]byte(values))+`"}`)
	}
	reference(`{"svn":["1"],"major_version":1,"minimum_minor_version":4}`)
	if status, v := appraised(t, s); status != "warning" || v.Hardware != 2 {
		t.Errorf("without the launch digest: %s %+v", status, v)
	}
	reference(`{"launch_digest":["abcde"]}`)
	if status, v := appraised(t, s); status != "affirming" || v.Executables != 3 {
		t.Errorf("with all values: %s %+v", status, v)
	}
	reference(`{"minimum_minor_version":5}`)
	if status, _ := appraised(t, s); status != "contraindicated" {
		t.Errorf("with a newer minimum: %s", status)
	}
}

func TestOwnAttestationPolicy(t *testing.T) {
	s, post := startAdmin(t)
	policy := func(id, text string) {
		post("attestation-policy", string(compactJSON(map[string]string{"policy_id": id, "policy": base64.RawURLEncoding.EncodeToString([]byte(text))})))
	}
	affirming := "package policy\ntrust_claims := {\"hardware\": 2}"
	policy("default", affirming) // stored, never used
	if status, _ := appraised(t, s); status != "contraindicated" {
		t.Errorf("a policy of another id was used: %s", status)
	}
	policy("default_cpu", affirming)
	if status, v := appraised(t, s); status != "affirming" || v != (trustVector{Hardware: 2}) {
		t.Errorf("%s %+v", status, v)
	}
	policy("default_cpu", "package policy\ndefault executables := 3")
	if status, _ := appraised(t, s); status != "none" {
		t.Errorf("without trust_claims: %s", status)
	}
	for _, bad := range []string{`{"hardwear": 2}`, `{"hardware": 200}`, `{"hardware": "2"}`, `{"hardware": 1.5}`, `[2]`} {
		policy("default_cpu", "package policy\ntrust_claims := "+bad)
		c := newClient(t, s)
		c.auth()
		wantProblem(t, c.attestWith(c.attestBody()), 401, "AttestationError")
	}
}

func TestTiers(t *testing.T) {
	for value, want := range map[int]int{0: 0, 1: 0, -1: 0, 2: 1, 31: 1, -2: 1, -32: 1, 32: 2, 95: 2, -33: 2, -96: 2, 96: 3, 127: 3, -97: 3, -128: 3} {
		if got := tier(value); got != want {
			t.Errorf("tier of %d is %d, want %d", value, got, want)
		}
	}
}

func TestDecodeB64uWords(t *testing.T) {
	for text, want := range map[string]string{
		"YQ": "", "YWI": "", "": "", "a-_0": "",
		"YQ==": "Invalid padding", "Y=": "Invalid symbol 61, offset 1.", "YWIj+": "Invalid symbol 43, offset 4.",
		"YWIjY": "Invalid input length: 5", "YR": "Invalid last symbol 82, offset 1.",
	} {
		_, err := decodeB64u(text)
		if got := errText(err); got != want {
			t.Errorf("'%s': '%s', want '%s'", text, got, want)
		}
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
