// SPDX-License-Identifier: Apache-2.0

package hardware

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"sealpod.test/kbs"
	"sealpod.test/tee/forge"
)

// strictPolicy is what a relying party would write: every claim must have the type
// that the real broker gives it.
const strictPolicy = `package policy
import rego.v1
default allow := false
evidence := input.submods.cpu0["ear.veraison.annotated-evidence"]
allow if {
	evidence.snp.policy_debug_allowed == false
	evidence.snp.policy_migrate_ma == false
	evidence.snp.reported_tcb_snp >= 23
	count(evidence.snp.measurement) == 96
	evidence.init_data != ""
}
allow if {
	evidence.tdx.td_attributes.debug == false
	evidence.tdx.tcb_status == "UpToDate"
	startswith(evidence.tdx.quote.body.mr_td, "7d")
	some event in evidence.tdx.uefi_event_logs
	event.type_name == "EV_EFI_ACTION"
	event.digests[0].alg == "SHA-384"
}
`

// attest speaks the protocol as far as the release of one resource; evidence is
// made for the report data that the session asks for. It returns the statuses of
// the attestation and of the resource.
func attest(t *testing.T, server *kbs.Server, tee, initDataText string, evidence func(reportData []byte) json.RawMessage) (attested, released int) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	jwk := map[string]string{"kty": "EC", "crv": "P-256", "alg": "ECDH-ES+A256KW",
		"x": b64(key.X.FillBytes(make([]byte, 32))), "y": b64(key.Y.FillBytes(make([]byte, 32)))}
	cookie := ""
	call := func(method, path string, body any) (int, []byte) {
		text, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		request, _ := http.NewRequest(method, server.URL()+"/kbs/v0"+path, bytes.NewReader(text))
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("Cookie", cookie)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		if set := response.Header.Get("Set-Cookie"); set != "" {
			cookie, _, _ = strings.Cut(set, ";")
		}
		answer, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, answer
	}
	_, answer := call("POST", "/auth", map[string]any{"version": "0.4.0", "tee": tee, "extra-params": ""})
	var challenge struct{ Nonce string }
	if err := json.Unmarshal(answer, &challenge); err != nil {
		t.Fatal(err)
	}
	bound, _ := json.Marshal(map[string]any{"additional-evidence": "", "nonce": challenge.Nonce, "tee-pubkey": jwk})
	digest := sha512.Sum384(bound)
	body := map[string]any{
		"runtime-data": map[string]any{"nonce": challenge.Nonce, "tee-pubkey": jwk},
		"tee-evidence": map[string]any{"primary_evidence": evidence(digest[:]), "additional_evidence": ""},
	}
	if initDataText != "" {
		body["init-data"] = map[string]any{"format": "toml", "body": initDataText}
	}
	attested, _ = call("POST", "/attest", body)
	released, _ = call("GET", "/resource/a/b/c", nil)
	return attested, released
}

func startBroker(t *testing.T) *kbs.Server {
	t.Helper()
	server, err := kbs.New(kbs.Options{
		Resources: map[string][]byte{"a/b/c": []byte("secret")}, ResourcePolicy: strictPolicy,
		Verifiers: append(trusted().Verifiers(), kbs.Sample{}),
	})
	if err == nil {
		err = server.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	return server
}

func TestBrokerAndPolicies(t *testing.T) {
	document := "version = \"0.1.0\"\nalgorithm = \"sha384\"\n[data]\n"
	digest := sha512.Sum384([]byte(document))
	snp := func(change func(*forge.Report)) func([]byte) json.RawMessage {
		return func(reportData []byte) json.RawMessage {
			return snpCase{report: func(r *forge.Report) {
				if err := errors.Join(r.Set("report_data", reportData), r.Set("host_data", digest[:32])); err != nil {
					t.Error(err)
				}
				apply(change, r)
			}}.evidence(t)
		}
	}
	tdx := func(c tdxCase) func([]byte) json.RawMessage {
		return func(reportData []byte) json.RawMessage {
			change := c.body
			c.body = func(b *forge.Body) {
				if err := errors.Join(b.Set("report_data", reportData), b.Set("mr_config_id", digest[:])); err != nil {
					t.Error(err)
				}
				apply(change, b)
			}
			return c.evidence(t)
		}
	}
	for name, c := range map[string]struct {
		tee, init string
		evidence  func([]byte) json.RawMessage
		want      string
	}{
		"snp":              {"snp", document, snp(nil), "200 200"},
		"snp, no init":     {"snp", "", snp(nil), "200 200"},
		"snp, other init":  {"snp", document + "\n", snp(nil), "401 401"},
		"snp, debug":       {"snp", document, snp(func(r *forge.Report) { r.SetText("policy", "0xb0000") }), "200 401"},
		"snp, replayed":    {"snp", document, snp(func(r *forge.Report) { r.Set("report_data", wantData[:]) }), "401 401"},
		"snp as tdx":       {"tdx", document, snp(nil), "401 401"},
		"tdx":              {"tdx", document, tdx(tdxCase{}), "200 200"},
		"tdx 1.5":          {"tdx", document, tdx(tdxCase{version: 5, v15: true}), "200 200"},
		"tdx, debug":       {"tdx", document, tdx(tdxCase{body: bodyText("td_attributes", "0x10000001")}), "200 401"},
		"tdx, no log":      {"tdx", document, tdx(tdxCase{log: "none"}), "200 401"},
		"tdx, broken log":  {"tdx", document, tdx(tdxCase{log: "broken"}), "401 401"},
		"tdx, out of date": {"tdx", document, tdx(tdxCase{body: bodyText("tcb_svn", "020102")}), "200 401"},
		"tdx, other init":  {"tdx", document + "\n", tdx(tdxCase{}), "401 401"},
	} {
		t.Run(name, func(t *testing.T) {
			server := startBroker(t)
			attested, released := attest(t, server, c.tee, c.init, c.evidence)
			if got := fmt.Sprint(attested, released); got != c.want {
				t.Errorf("statuses %s, want %s; %s", got, c.want, server.Counters().LastRefusal)
			}
		})
	}
}
