// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/bundle/x509bundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
	bundlev1 "github.com/spiffe/spire-api-sdk/proto/spire/api/server/bundle/v1"
	entryv1 "github.com/spiffe/spire-api-sdk/proto/spire/api/server/entry/v1"
	"github.com/spiffe/spire-api-sdk/proto/spire/api/types"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"

	"sealpod.test/e2e/lab"
)

// svidLab is a real agent of its own, started without sealpod, and a directory
// for what is delivered.
type svidLab struct {
	t       *testing.T
	server  *lab.Server
	dir     string // on whatever TMPDIR is
	certs   string // on a tmpfs
	socket  string
	agentID string
	agent   *lab.Process
	conn    *grpc.ClientConn

	verifiers bool // agents from now on answer callers without an entry, as far as bundles go
}

// quickTTL makes the agent renew at each synchronisation, four times a second:
// notBefore lies ten seconds back, so that half of such a life is always over.
const quickTTL = 6

func newSVIDLab(t *testing.T) *svidLab {
	t.Helper()
	l := &svidLab{t: t, server: lab.SharedServer(t, "1h"), dir: svidDir(t, lab.Root), certs: svidDir(t, lab.Mem)}
	l.socket = filepath.Join(l.dir, "api.sock")
	var err error
	l.conn, err = grpc.NewClient("unix:"+filepath.Join(lab.Root, "server-1h", "s.sock"),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.conn.Close() })
	l.newAgent("a")
	return l
}

func svidDir(t *testing.T, parent string) string {
	t.Helper()
	dir, err := os.MkdirTemp(parent, "v-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// newAgent gives the lab another agent identity and its configuration.
func (l *svidLab) newAgent(name string) {
	l.t.Helper()
	credential := l.server.CA.Issue(l.t, lab.LeafOptions{})
	l.agentID = credential.AgentID()
	base := filepath.Join(l.dir, name)
	lab.WriteFile(l.t, base+".key", credential.KeyPEM, 0o600)
	lab.WriteFile(l.t, base+".pem", credential.ChainPEM, 0o644)
	lab.WriteFile(l.t, base+".bundle", l.server.Bundle, 0o644)
	type object = map[string]any
	plugin := func(name string, data object) []object { return []object{{name: object{"plugin_data": data}}} }
	text, err := json.Marshal(struct {
		Agent   object              `json:"agent"`
		Plugins map[string][]object `json:"plugins"`
	}{
		object{
			"data_dir": base + ".data", "log_level": "DEBUG", "server_address": "127.0.0.1",
			"server_port": fmt.Sprint(l.server.Port), "socket_path": l.socket, "trust_bundle_path": base + ".bundle",
			"trust_domain": lab.TrustDomain, "allow_unauthenticated_verifiers": l.verifiers, "experimental": object{"sync_interval": "250ms"},
		},
		map[string][]object{
			"KeyManager":       plugin("memory", object{}),
			"NodeAttestor":     plugin("x509pop", object{"private_key_path": base + ".key", "certificate_path": base + ".pem"}),
			"WorkloadAttestor": plugin("unix", object{}),
		},
	})
	if err != nil {
		l.t.Fatal(err)
	}
	lab.WriteFile(l.t, base+".json", text, 0o644)
}

// startAgent starts the agent of that name and waits until its socket answers.
func (l *svidLab) startAgent(name string) *lab.Process {
	l.t.Helper()
	os.RemoveAll(filepath.Join(l.dir, name+".data"))
	before, _ := os.Stat(l.socket)
	l.agent = lab.Start(l.t, 0, l.dir, lab.SpireAgent, "run", "-config", filepath.Join(l.dir, name+".json"))
	lab.Eventually(l.t, 20*time.Second, "the agent's socket", func() (bool, string) {
		if !l.agent.Running() {
			l.t.Fatalf("the agent ended\n%s", l.agent)
		}
		now, err := os.Stat(l.socket)
		// The number of a file that is gone may be given to the next one.
		return err == nil && (before == nil || !os.SameFile(before, now) || !before.ModTime().Equal(now.ModTime())), "no new socket; the agent says " + l.agent.Stdout.String() + l.agent.Stderr.String()
	})
	return l.agent
}

type svidEntry struct {
	path     string
	uid      uint32
	ttl      int32
	jwtTTL   int32
	hint, id string
	federate string
}

// entry registers a workload and returns the entry's id.
func (l *svidLab) entry(e svidEntry) string {
	l.t.Helper()
	entry := &types.Entry{
		Id:       e.id,
		ParentId: &types.SPIFFEID{TrustDomain: lab.TrustDomain, Path: strings.TrimPrefix(l.agentID, "spiffe://"+lab.TrustDomain)},
		SpiffeId: &types.SPIFFEID{TrustDomain: lab.TrustDomain, Path: e.path}, X509SvidTtl: e.ttl, JwtSvidTtl: e.jwtTTL, Hint: e.hint,
		Selectors: []*types.Selector{{Type: "unix", Value: fmt.Sprintf("uid:%d", e.uid)}},
	}
	if e.federate != "" {
		entry.FederatesWith = []string{e.federate}
	}
	reply, err := entryv1.NewEntryClient(l.conn).BatchCreateEntry(l.t.Context(), &entryv1.BatchCreateEntryRequest{Entries: []*types.Entry{entry}})
	if err != nil {
		l.t.Fatal(err)
	}
	if status := reply.Results[0].Status; status.Code != int32(codes.OK) {
		l.t.Fatalf("create entry %s: %s", e.path, status.Message)
	}
	return reply.Results[0].Entry.Id
}

func (l *svidLab) deleteEntry(id string) {
	l.t.Helper()
	reply, err := entryv1.NewEntryClient(l.conn).BatchDeleteEntry(l.t.Context(), &entryv1.BatchDeleteEntryRequest{Ids: []string{id}})
	if err != nil || reply.Results[0].Status.Code != int32(codes.OK) {
		l.t.Fatalf("delete entry %s: %v %v", id, err, reply)
	}
}

// federate gives the server the bundle of a foreign trust domain.
func (l *svidLab) federate(domain string) *lab.Authority {
	l.t.Helper()
	authority := lab.NewAuthority(l.t, domain, nil)
	reply, err := bundlev1.NewBundleClient(l.conn).BatchSetFederatedBundle(l.t.Context(), &bundlev1.BatchSetFederatedBundleRequest{
		Bundle: []*types.Bundle{{TrustDomain: domain, X509Authorities: []*types.X509Certificate{{Asn1: authority.Cert.Raw}}}},
	})
	if err != nil || reply.Results[0].Status.Code != int32(codes.OK) {
		l.t.Fatalf("set the bundle of %s: %v %v", domain, err, reply)
	}
	return authority
}

// deliver starts `sealpod svid` on the lab's socket and directory.
func (l *svidLab) deliver(args ...string) *lab.Process {
	l.t.Helper()
	return l.deliverAs(0, args...)
}

func (l *svidLab) deliverAs(uid uint32, args ...string) *lab.Process {
	l.t.Helper()
	if uid != 0 {
		if err := os.Chown(l.certs, int(uid), int(uid)); err != nil {
			l.t.Fatal(err)
		}
	}
	argv := append(svidCommand(), "--socket", "unix://"+l.socket, "--directory", l.certs)
	return lab.Start(l.t, uid, l.dir, append(argv, args...)...)
}

// deadline is one of so many seconds, or of more where everything takes longer.
func deadline(seconds int) string { return lab.Patience(time.Duration(seconds) * time.Second).String() }

// svidCommand is the program under test and its verb.
func svidCommand() []string {
	return append(strings.Fields(os.Getenv("SEALPOD_PREFIX")), lab.Sealpod, "svid")
}

// svidEvent is a line of JSON on standard error.
type svidEvent struct {
	Event, Time, Cause, Directory, Text string
	Generation, Federated               int
	JWTBundles                          int `json:"jwt_bundles"`
	SVIDs                               []struct {
		SPIFFEID string `json:"spiffe_id"`
		Hint     string
		Serial   string
		Expired  bool
		NotAfter time.Time `json:"not_after"`
	}
	Tokens []struct {
		File     string
		SPIFFEID string `json:"spiffe_id"`
		Expires  time.Time
	}
}

func svidEvents(t *testing.T, p *lab.Process) []svidEvent {
	t.Helper()
	var events []svidEvent
	text := p.Stderr.String()
	for _, line := range strings.SplitAfter(text, "\n") {
		if !strings.HasPrefix(line, "{") || !strings.HasSuffix(line, "\n") {
			continue
		}
		var event svidEvent
		if err := json.Unmarshal([]byte(line), &event); err != nil {
			t.Fatalf("'%s' is no JSON: %v", line, err)
		}
		events = append(events, event)
	}
	return events
}

func countEvents(t *testing.T, p *lab.Process, name string) int {
	t.Helper()
	n := 0
	for _, event := range svidEvents(t, p) {
		if event.Event == name {
			n++
		}
	}
	return n
}

// waitEvent waits for the n-th event of that name and returns it.
func waitEvent(t *testing.T, p *lab.Process, name string, n int, limit time.Duration) svidEvent {
	t.Helper()
	var found svidEvent
	lab.Eventually(t, limit, fmt.Sprintf("event %d '%s'", n, name), func() (bool, string) {
		count := 0
		for _, event := range svidEvents(t, p) {
			if event.Event == name {
				if count++; count == n {
					found = event
				}
			}
		}
		if count < n && !p.Running() {
			t.Fatalf("sealpod ended with %d\n%s", p.Status(), p)
		}
		return count >= n, p.Stderr.String()
	})
	return found
}

// delivered reads one generation as a careful reader does: the directory is
// opened once. It must hold a key, its chain and a bundle that verifies it.
func delivered(t *testing.T, dir, cert, key, bundle string) *x509svid.SVID {
	t.Helper()
	read := func(name string) []byte {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	svid, err := x509svid.Parse(read(cert), read(key))
	if err != nil {
		t.Fatalf("go-spiffe refuses '%s' with '%s': %v", cert, key, err)
	}
	td := spiffeid.RequireTrustDomainFromString(lab.TrustDomain)
	set, err := x509bundle.Parse(td, read(bundle))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := x509svid.Verify(svid.Certificates, set); err != nil {
		t.Fatalf("go-spiffe does not verify '%s': %v", cert, err)
	}
	return svid
}

// opensslVerify asks openssl whether the chain verifies.
func opensslVerify(t *testing.T, dir, cert, bundle string) {
	t.Helper()
	chain := filepath.Join(dir, cert)
	out, err := exec.CommandContext(t.Context(), "openssl", "verify", "-CAfile", filepath.Join(dir, bundle), "-untrusted", chain, chain).CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte(": OK")) {
		t.Fatalf("openssl verify: %v\n%s", err, out)
	}
}

func checkMode(t *testing.T, path string, mode os.FileMode, uid uint32) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != mode || info.Sys().(*syscall.Stat_t).Uid != uid {
		t.Errorf("'%s' has mode %04o and uid %d, want %04o and %d", path, info.Mode().Perm(), info.Sys().(*syscall.Stat_t).Uid, mode, uid)
	}
}

// visible are the names in a directory that a workload would look at.
func visible(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name(), ".") {
			names = append(names, entry.Name())
		}
	}
	return strings.Join(names, " ")
}

// generations are the directories that hold files, the current one included.
func generations(t *testing.T, dir string) int {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "..svid-*"))
	if err != nil {
		t.Fatal(err)
	}
	return len(found)
}

func serialOf(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		t.Fatalf("no PEM in '%s'", path)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert.SerialNumber.String()
}

// sorted puts names into the order in which visible shows them.
func sorted(names string) string {
	list := strings.Fields(names)
	slices.Sort(list)
	return strings.Join(list, " ")
}

func certsOf(authority *lab.Authority) []*x509.Certificate {
	return []*x509.Certificate{authority.Cert}
}

var helperBuild struct {
	sync.Once
	path, problem string
}

// spiffeHelper is the real spiffe-helper.
func spiffeHelper(t *testing.T) string {
	t.Helper()
	helperBuild.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, "../spiffe-helper/build.sh")
		var problem bytes.Buffer
		cmd.Stderr = &problem
		out, err := cmd.Output()
		if err != nil {
			helperBuild.problem = fmt.Sprintf("%v\n%s", err, problem.String())
			return
		}
		helperBuild.path = filepath.Join(strings.TrimSpace(string(out)), "spiffe-helper")
	})
	if helperBuild.problem != "" {
		t.Fatalf("no spiffe-helper: %s", helperBuild.problem)
	}
	return helperBuild.path
}

// startHelper starts spiffe-helper on the lab's socket and the directory.
func (l *svidLab) startHelper(dir, more string) *lab.Process {
	l.t.Helper()
	config := filepath.Join(l.dir, "helper.conf")
	lab.WriteFile(l.t, config, []byte(fmt.Sprintf(`agent_address = "%s"
cert_dir = "%s"
svid_file_name = "svid.pem"
svid_key_file_name = "svid_key.pem"
svid_bundle_file_name = "svid_bundle.pem"
%s
`, l.socket, dir, more)), 0o644)
	return lab.Start(l.t, 0, l.dir, spiffeHelper(l.t), "-config", config)
}
