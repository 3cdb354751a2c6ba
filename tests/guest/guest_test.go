// SPDX-License-Identifier: Apache-2.0

package guest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/containerd/ttrpc"
	"github.com/go-jose/go-jose/v4"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"sealpod.test/kbs"
)

const (
	allowAll = "package policy\nallow = true\n"
	denyAll  = "package policy\nallow = false\n"
)

// lab is a KBS and a guest that is configured for it.
type lab struct {
	t       *testing.T
	kbs     *kbs.Server
	guest   *Components
	sealing *ecdsa.PrivateKey
}

func newLab(t *testing.T, policy string, o Options) *lab {
	t.Helper()
	sealing, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	jwk, err := json.Marshal(jose.JSONWebKey{Key: sealing.Public(), Algorithm: "ES256"})
	if err != nil {
		t.Fatal(err)
	}
	server, err := kbs.New(kbs.Options{TLS: true, ResourcePolicy: policy,
		Resources: map[string][]byte{"default/x509pop/key": []byte("the key"), "default/sealing/pub": jwk}})
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	o.KBSURL, o.CAPEM, o.Dir = server.URL(), server.CAPEM(), t.TempDir()
	guest, err := Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(guest.Close)
	return &lab{t, server, guest, sealing}
}

func (l *lab) call(socket, service, method string, request, answer any) error {
	l.t.Helper()
	conn, err := net.Dial("unix", socket)
	if err != nil {
		l.t.Fatal(err)
	}
	client := ttrpc.NewClient(conn)
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	return client.Call(ctx, service, method, request, answer)
}

func (l *lab) resource(uri string) (string, error) {
	var answer wrapperspb.BytesValue
	err := l.call(l.guest.HubSocket, resourceService, "GetResource", wrapperspb.String(uri), &answer)
	return string(answer.Value), err
}

func wantStatus(t *testing.T, err error, code codes.Code, text string) {
	t.Helper()
	if status.Code(err) != code || status.Convert(err).Message() != text {
		t.Fatalf("got '%v', want %v '%s'", err, code, text)
	}
}

func TestAgentTokenOpensResources(t *testing.T) {
	l := newLab(t, allowAll, Options{InitData: "version = \"0.1.0\"\nalgorithm = \"sha256\"\n[data]\n"})
	var answer wrapperspb.BytesValue
	keys := map[string]bool{}
	for range 2 {
		if err := l.call(l.guest.AgentSocket, agentService, "GetToken", wrapperspb.String("kbs"), &answer); err != nil {
			t.Fatal(err)
		}
		var token Token
		if err := json.Unmarshal(answer.Value, &token); err != nil {
			t.Fatal(err)
		}
		keys[token.KeyPair] = true
		b, err := newBroker(l.kbs.URL(), l.kbs.CAPEM())
		if err != nil {
			t.Fatal(err)
		}
		secret, err := b.resource(context.Background(), "resource/default/x509pop/key", &token)
		if err != nil || string(secret) != "the key" {
			t.Fatalf("got '%s', %v", secret, err)
		}
	}
	if len(keys) != 2 {
		t.Fatal("two tokens with one key")
	}
	counters := l.kbs.Counters()
	if counters.Attest != 2 || l.guest.Counts().Tokens != 2 {
		t.Fatalf("%+v, %+v", counters, l.guest.Counts())
	}
	if counters.Last == nil || !strings.Contains(string(mustJSON(t, counters.Last)), "0.1.0") {
		t.Fatal("the init-data did not reach the KBS")
	}
}

func mustJSON(t *testing.T, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestAgentSaysWhatItIs(t *testing.T) {
	l := newLab(t, allowAll, Options{})
	var tee wrapperspb.StringValue
	if err := l.call(l.guest.AgentSocket, agentService, "GetTeeType", &emptypb.Empty{}, &tee); err != nil || tee.Value != "sample" {
		t.Fatalf("'%s', %v", tee.Value, err)
	}
	var evidence wrapperspb.BytesValue
	if err := l.call(l.guest.AgentSocket, agentService, "GetEvidence", wrapperspb.Bytes([]byte{1, 2, 3}), &evidence); err != nil {
		t.Fatal(err)
	}
	if string(evidence.Value) != `{"report_data":"AQID","svn":"1"}` {
		t.Fatalf("'%s'", evidence.Value)
	}
	err := l.call(l.guest.AgentSocket, agentService, "BindInitData", wrapperspb.Bytes(nil), &emptypb.Empty{})
	if status.Code(err) != codes.NotFound {
		t.Fatal(err)
	}
}

func TestAgentHidesItsFailures(t *testing.T) {
	l := newLab(t, allowAll, Options{})
	var answer wrapperspb.BytesValue
	const text = "[ERROR:attestation-agent] AA-KBC get token failed"
	wantStatus(t, l.call(l.guest.AgentSocket, agentService, "GetToken", wrapperspb.String("other"), &answer), codes.Internal, text)
	l.kbs.Close()
	wantStatus(t, l.call(l.guest.AgentSocket, agentService, "GetToken", wrapperspb.String("kbs"), &answer), codes.Internal, text)
}

func TestHubAttestsAnewForEachResource(t *testing.T) {
	l := newLab(t, allowAll, Options{})
	for i := 1; i <= 3; i++ {
		if secret, err := l.resource("kbs:///default/x509pop/key"); err != nil || secret != "the key" {
			t.Fatalf("'%s', %v", secret, err)
		}
		if got := l.kbs.Counters().Attest; got != i {
			t.Fatalf("%d attestations after %d resources", got, i)
		}
	}
}

func TestHubCannotTellDeniedFromMissing(t *testing.T) {
	const text = "[CDH] [ERROR]: Get Resource failed"
	l := newLab(t, denyAll, Options{})
	_, err := l.resource("kbs:///default/x509pop/key")
	wantStatus(t, err, codes.Internal, text)
	if got := l.kbs.Counters().Attest; got != attempts {
		t.Fatalf("%d attestations for one denied resource, want %d", got, attempts)
	}
	open := newLab(t, allowAll, Options{})
	for _, uri := range []string{"kbs:///default/x509pop/nope", "default/x509pop/key", "kbs:///a/b"} {
		_, err := open.resource(uri)
		wantStatus(t, err, codes.Internal, text)
	}
}

func (l *lab) unseal(text string) (string, error) {
	var answer wrapperspb.BytesValue
	err := l.call(l.guest.HubSocket, sealedService, "UnsealSecret", wrapperspb.Bytes([]byte(text)), &answer)
	return string(answer.Value), err
}

func TestHubUnsealsWhatWasSigned(t *testing.T) {
	l := newLab(t, allowAll, Options{})
	text, err := Seal(l.sealing, "kbs:///default/sealing/pub", "kbs:///default/x509pop/key")
	if err != nil {
		t.Fatal(err)
	}
	if secret, err := l.unseal(text); err != nil || secret != "the key" {
		t.Fatalf("'%s', %v", secret, err)
	}
	forger, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	forged, err := Seal(forger, "kbs:///default/sealing/pub", "kbs:///default/x509pop/key")
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{forged, text + "\n", "sealed.a.b", "x", strings.Replace(text, "sealed.", "sealed..", 1)} {
		_, err := l.unseal(bad)
		wantStatus(t, err, codes.Internal, "[CDH] [ERROR]: Unseal Secret failed")
	}
	lax := newLab(t, allowAll, Options{SkipVerify: true})
	parts := strings.Split(text, ".")
	if secret, err := lax.unseal("sealed.fake." + parts[2] + ".fake"); err != nil || secret != "the key" {
		t.Fatalf("'%s', %v", secret, err)
	}
}

// ask is one request to api-server-rest.
func (l *lab) ask(method, path string) (int, string) {
	l.t.Helper()
	req, err := http.NewRequest(method, l.guest.RESTURL+path, nil)
	if err != nil {
		l.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		l.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		l.t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func TestRESTAnswersAsTheRealOne(t *testing.T) {
	all := newLab(t, allowAll, Options{Features: "all"})
	resource := newLab(t, allowAll, Options{})
	attestation := newLab(t, allowAll, Options{Features: "attestation"})
	for _, row := range []struct {
		lab          *lab
		method, path string
		status       int
		body         string
	}{
		{all, "GET", "/cdh/resource/default/x509pop/key", 200, "the key"},
		{all, "GET", "/cdh/resource/default/x509pop/key?x=1", 200, "the key"},
		{all, "POST", "/cdh/resource/default/x509pop/key", 200, "the key"},
		{all, "GET", "/cdh/resource/default/x509pop/nope", 500, "ttrpc request error"},
		{all, "GET", "/cdh/other", 404, "URL NOT FOUND"},
		{all, "GET", "/", 404, "URL NOT FOUND"},
		{all, "GET", "/aa/token", 400, "BAD REQUEST"},
		{all, "GET", "/aa/token?token_type=other", 500, "ttrpc request error"},
		{all, "POST", "/aa/token?token_type=kbs", 404, "URL NOT FOUND"},
		{all, "GET", "/aa/evidence?runtime_data=test", 200, `{"report_data":"dGVzdA==","svn":"1"}`},
		{all, "GET", "/aa/evidence?runtime_data=AQID&encoding=base64", 200, `{"report_data":"AQID","svn":"1"}`},
		{all, "GET", "/aa/evidence?runtime_data=AQID&encoding=hex", 400, "BAD REQUEST"},
		{all, "GET", "/info", 200, `{"feature":"all","tee":"sample","version":"v0.21.0"}` + "\n"},
		{all, "POST", "/info", 405, "Method Not Allowed"},
		{resource, "GET", "/aa/token?token_type=kbs", 404, "Attestation Feature Not Enabled"},
		{resource, "GET", "/info", 200, `{"feature":"resource","version":"v0.21.0"}` + "\n"},
		{attestation, "GET", "/cdh/resource/default/x509pop/key", 404, "Resource Feature Not Enabled"},
	} {
		if status, body := row.lab.ask(row.method, row.path); status != row.status || body != row.body {
			t.Errorf("%s %s: got %d '%s', want %d '%s'", row.method, row.path, status, body, row.status, row.body)
		}
	}
	status, body := all.ask("GET", "/aa/token?token_type=kbs")
	var token Token
	if status != 200 || json.Unmarshal([]byte(body), &token) != nil || !strings.HasPrefix(token.KeyPair, "-----BEGIN PRIVATE KEY") {
		t.Fatalf("%d '%s'", status, body)
	}
}

func TestEvidenceIsTheCallers(t *testing.T) {
	var seen []byte
	l := newLab(t, allowAll, Options{Evidence: func(data []byte) (json.RawMessage, error) {
		seen = data
		return Sample(data)
	}})
	if _, err := l.resource("kbs:///default/x509pop/key"); err != nil {
		t.Fatal(err)
	}
	if len(seen) != 48 {
		t.Fatalf("report data '%s'", base64.StdEncoding.EncodeToString(seen))
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for _, o := range []Options{
		{Features: "some"}, {REST: "0.0.0.0:0"}, {REST: "nonsense"}, {CAPEM: []byte("no certificate")}, {Dir: "/nonexistent"},
	} {
		if o.Dir == "" {
			o.Dir = t.TempDir()
		}
		o.KBSURL = "http://127.0.0.1:1"
		if c, err := Start(o); err == nil {
			c.Close()
			t.Errorf("%+v: started", o)
		}
	}
}

func TestCloseAndStartAgain(t *testing.T) {
	l := newLab(t, allowAll, Options{Features: "none"})
	if l.guest.RESTURL != "" {
		t.Fatal("api-server-rest runs")
	}
	l.guest.Close()
	if _, err := net.Dial("unix", l.guest.HubSocket); err == nil {
		t.Fatal("the hub still listens")
	}
	again, err := Start(Options{KBSURL: l.kbs.URL(), CAPEM: l.kbs.CAPEM(), Dir: strings.TrimSuffix(l.guest.HubSocket, "/cdh.sock")})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	l.guest = again
	if secret, err := l.resource("kbs:///default/x509pop/key"); err != nil || secret != "the key" {
		t.Fatalf("'%s', %v", secret, err)
	}
}

// Whoever closes them has the port of api-server-rest at once, even if nobody served it yet.
func TestCloseFreesThePort(t *testing.T) {
	l := newLab(t, allowAll, Options{})
	for try := range 50 {
		c, err := Start(Options{KBSURL: l.kbs.URL(), CAPEM: l.kbs.CAPEM(), Dir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		again, err := net.Listen("tcp", strings.TrimPrefix(c.RESTURL, "http://"))
		if err != nil {
			t.Fatalf("try %d: %v", try, err)
		}
		again.Close()
	}
}
