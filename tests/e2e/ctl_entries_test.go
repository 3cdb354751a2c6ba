// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"crypto/sha1"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spiffe/spire-api-sdk/proto/spire/api/types"
	"google.golang.org/protobuf/proto"

	"sealpod.test/e2e/lab"
)

// entriesLab is a deployment with one issuer for all its classes' names, and a real server.
type entriesLab struct {
	t      *testing.T
	dir    string
	server *lab.Server
	issuer *lab.Authority
}

const entriesHead = `name = "shop"
trust_domain = "` + lab.TrustDomain + `"
tees = ["snp"]
[spire]
version = "1.15.2"
server_address = "spire.example.test"
trust_bundle_file = "bundle.pem"
%s
[kbs]
url = "http://kbs.example.test:8080"
[image.reference_values]
launch_measurement = ["00"]
`

func newEntriesLab(t *testing.T, server *lab.Server) *entriesLab {
	t.Helper()
	l := &entriesLab{t: t, dir: t.TempDir(), server: server}
	l.issuer = newClassIssuer(t, "shop-web", server.CA, issuerOptions{})
	if err := os.MkdirAll(filepath.Join(l.dir, "out", "x509pop"), 0o700); err != nil {
		t.Fatal(err)
	}
	lab.WriteFile(t, filepath.Join(l.dir, "out", "x509pop", "web.pem"), l.issuer.PEM, 0o644)
	return l
}

// deploy writes deployment.toml with one class of these workloads.
func (l *entriesLab) deploy(workloads ...string) {
	l.t.Helper()
	text := fmt.Sprintf(entriesHead, `api = "`+l.server.API()+`"`) + "[[class]]\nname = \"web\"\n"
	for _, workload := range workloads {
		text += "[[class.workload]]\n" + workload + "\n"
	}
	lab.WriteFile(l.t, filepath.Join(l.dir, "deployment.toml"), []byte(text), 0o644)
}

// edit replaces a piece of deployment.toml.
func (l *entriesLab) edit(old, new string) {
	l.t.Helper()
	path := filepath.Join(l.dir, "deployment.toml")
	text, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(text), old) {
		l.t.Fatalf("%v: no %q in\n%s", err, old, text)
	}
	lab.WriteFile(l.t, path, []byte(strings.Replace(string(text), old, new, 1)), 0o644)
}

func (l *entriesLab) run(status int, words ...string) *lab.Process {
	l.t.Helper()
	return lab.RunCtl(l.t, status, l.dir, append([]string{"entries"}, words...)...)
}

// counts runs a verb with --json and returns its numbers.
func (l *entriesLab) counts(status int, words ...string) map[string]float64 {
	l.t.Helper()
	p := l.run(status, append(words, "--json")...)
	var doc map[string]any
	if err := json.Unmarshal([]byte(p.Stdout.String()), &doc); err != nil {
		l.t.Fatalf("%v\n%v", err, p)
	}
	if plan, ok := doc["entries"].(map[string]any); ok {
		doc = plan
	}
	numbers := map[string]float64{}
	for name, value := range doc {
		if number, ok := value.(float64); ok && number != 0 {
			numbers[name] = number
		}
	}
	return numbers
}

func (l *entriesLab) want(status int, want map[string]float64, words ...string) {
	l.t.Helper()
	if got := l.counts(status, words...); !maps.Equal(got, want) {
		l.t.Fatalf("entries %v: %v, want %v", words, got, want)
	}
}

// ours are the entries that carry the deployment's prefix.
func (l *entriesLab) ours() map[string]*types.Entry {
	found := l.server.Entries(l.t)
	maps.DeleteFunc(found, func(id string, _ *types.Entry) bool { return !strings.HasPrefix(id, "shop.") })
	return found
}

func (l *entriesLab) others() map[string]*types.Entry {
	found := l.server.Entries(l.t)
	maps.DeleteFunc(found, func(id string, _ *types.Entry) bool { return strings.HasPrefix(id, "shop.") })
	return found
}

func unixEntry(parent, path string, uid int) *types.Entry {
	return &types.Entry{ParentId: lab.ID(parent), SpiffeId: lab.ID(path), Selectors: []*types.Selector{{Type: "unix", Value: fmt.Sprint("uid:", uid)}}}
}

func withID(entry *types.Entry, id string) *types.Entry {
	entry.Id = id
	return entry
}

const (
	workloadA = "spiffe_id = \"/ns/shop/sa/a\"\nselectors = [\"unix:uid:1000\", \"unix:gid:1000\"]\nttl = \"10m\"\ndns_names = [\"b.example.test\", \"a.example.test\"]\nhint = \"first\""
	workloadB = "spiffe_id = \"/ns/shop/sa/b\"\nselectors = [\"unix:uid:1001\"]"
)

// says wants these words in what a program said.
func says(t *testing.T, p *lab.Process, words ...string) {
	t.Helper()
	for _, word := range words {
		if !strings.Contains(p.Stderr.String(), word) {
			t.Errorf("nothing said of %q: %v", word, p)
		}
	}
}

func TestCtlEntriesApply(t *testing.T) {
	t.Parallel()
	l := newEntriesLab(t, lab.OwnServer(t, "1h"))
	foreign := []*types.Entry{
		unixEntry("/sealpod/shop/web", "/ns/shop/sa/c", 7),                   // under our alias, but not ours
		unixEntry("/elsewhere", "/ns/other", 8),                              // nothing to do with us
		withID(unixEntry("/elsewhere", "/ns/other/2", 8), "shop-2.web.work"), // a longer name
	}
	for _, entry := range foreign {
		l.server.CreateEntry(t, entry)
	}
	before := l.others()

	l.deploy(workloadA, workloadB)
	l.want(2, map[string]float64{"create": 3, "foreign": 3}, "plan")
	if p := l.run(2, "plan", "--json"); !strings.Contains(p.Stdout.String(), `"selectors":["unix:gid:1000","unix:uid:1000"]`) ||
		!strings.Contains(p.Stdout.String(), `"dns_names":["a.example.test","b.example.test"]`) {
		t.Errorf("%v", p)
	}
	if p := l.run(2, "plan"); !strings.Contains(p.Stdout.String(), " unix:gid:1000, unix:uid:1000\n") {
		t.Errorf("%v", p)
	}
	if len(l.ours()) != 0 {
		t.Fatal("plan made entries")
	}
	l.want(0, map[string]float64{"created": 3}, "apply")
	l.want(0, map[string]float64{"same": 3, "foreign": 3}, "plan")
	l.want(0, map[string]float64{"same": 3}, "apply")
	l.checkEntries()

	// What is beside the key is changed in place, and the key by a new entry.
	ids := slices.Sorted(maps.Keys(l.ours()))
	l.deploy(strings.Replace(workloadA, "10m", "20m", 1), strings.Replace(workloadB, "1001", "1002", 1))
	l.want(2, map[string]float64{"update": 1, "create": 1, "left": 1, "same": 1, "foreign": 3}, "plan")
	l.want(0, map[string]float64{"updated": 1, "created": 1, "left": 1, "same": 1}, "apply")
	l.want(0, map[string]float64{"left": 1, "same": 3, "foreign": 3}, "plan")
	l.want(2, map[string]float64{"left": 1, "same": 3, "foreign": 3}, "plan", "--prune")
	if got := l.ours(); len(got) != 4 || got[ids[1]] == nil || got[ids[2]] == nil {
		t.Fatalf("an entry went without --prune: %v", got)
	}
	l.want(0, map[string]float64{"deleted": 1, "same": 3}, "apply", "--prune")
	l.want(0, map[string]float64{"same": 3, "foreign": 3}, "plan")

	// Somebody tampers with an entry of ours: it is mended.
	l.deploy(workloadA)
	l.want(0, map[string]float64{"updated": 1, "deleted": 1, "same": 1}, "apply", "--prune")
	if now := l.others(); !maps.EqualFunc(before, now, func(a, b *types.Entry) bool { return proto.Equal(a, b) }) {
		t.Errorf("entries of others changed:\n%v\n%v", before, now)
	}
}

func (l *entriesLab) checkEntries() {
	l.t.Helper()
	fingerprint := fmt.Sprintf("ca:fingerprint:%x", sha1.Sum(l.issuer.Cert.Raw))
	for id, entry := range l.ours() {
		switch {
		case strings.HasPrefix(id, "shop.web.node."):
			if entry.ParentId.Path != "/spire/server" || entry.SpiffeId.Path != "/sealpod/shop/web" ||
				len(entry.Selectors) != 1 || entry.Selectors[0].Type != "x509pop" || entry.Selectors[0].Value != fingerprint {
				l.t.Errorf("the alias is %v", entry)
			}
		case entry.SpiffeId.Path == "/ns/shop/sa/a":
			if entry.ParentId.Path != "/sealpod/shop/web" || len(entry.Selectors) != 2 || entry.X509SvidTtl != 600 ||
				entry.Hint != "first" || !slices.Contains(entry.DnsNames, "a.example.test") || len(entry.DnsNames) != 2 {
				l.t.Errorf("workload a is %v", entry)
			}
		}
	}
}

// Entries with a key that we want: the same content will do, another is a conflict that is told and left alone.
func TestCtlEntriesOfOthersWithOurKeys(t *testing.T) {
	t.Parallel()
	l := newEntriesLab(t, lab.OwnServer(t, "1h"))
	id := l.server.CreateEntry(t, unixEntry("/sealpod/shop/web", "/ns/shop/sa/b", 1001))
	l.deploy(workloadA, workloadB)
	l.want(0, map[string]float64{"created": 2, "same": 1}, "apply")
	l.want(0, map[string]float64{"same": 3, "foreign": 1}, "plan")
	l.deploy(workloadB + "\nttl = \"5m\"")
	l.want(2, map[string]float64{"same": 1, "conflict": 1, "left": 1, "foreign": 1}, "plan")
	says(t, l.run(100, "apply", "--prune"), "could not be made", "nothing was deleted")
	if len(l.ours()) != 2 || l.server.Entries(t)[id].X509SvidTtl != 0 {
		t.Error("a conflict was followed by changes")
	}
}

// `spire-server entry create -data` takes what `entries print` gives, and it is what apply would have made.
func TestCtlEntriesData(t *testing.T) {
	t.Parallel()
	l := newEntriesLab(t, lab.OwnServer(t, "1h"))
	l.deploy(workloadA, workloadB)
	data := l.run(0, "print").Stdout.String()
	if again := l.run(0, "print", "--format", "data").Stdout.String(); again != data {
		t.Error("printing twice gives two texts")
	}
	l.server.CLI(t, data, "entry", "create", "-data", "-")
	l.want(0, map[string]float64{"same": 3}, "plan")
	if listed := l.counts(0, "list"); listed["shown"] != 3 {
		t.Errorf("list shows %v", listed)
	}
}

// A server that is restarted while 2,000 entries are on their way, and an apply that is killed: nothing is lost, nothing
// is made twice.
func TestCtlEntriesManyAndRestart(t *testing.T) {
	t.Parallel()
	l := newEntriesLab(t, lab.OwnServer(t, "1h"))
	const many = 2000
	workloads := []string{}
	for i := range many {
		workloads = append(workloads, fmt.Sprintf("spiffe_id = \"/w/%d\"\nselectors = [\"unix:uid:%d\"]", i, 1000+i))
	}
	l.deploy(workloads...)
	apply := lab.Ctl(t, l.dir, "entries", "apply", "--json")
	lab.Eventually(t, time.Minute, "the first entries are there", func() (bool, string) {
		n := len(l.ours())
		return n > 0, fmt.Sprint(n)
	})
	if !apply.Running() {
		t.Fatalf("too fast to be interrupted: %v", apply)
	}
	l.server.Stop()
	l.server.StartAgain(t, "1h")
	apply.Wait(t, time.Minute)
	if apply.Status() != 0 {
		t.Fatalf("apply: %v", apply)
	}
	if n := len(l.ours()); n != many+1 {
		t.Fatalf("%d entries, want %d", n, many+1)
	}
	l.want(0, map[string]float64{"same": many + 1}, "plan")

	// All of them go; that run is killed on its way, and the next one finishes.
	l.deploy(workloads[:1]...)
	apply = lab.Ctl(t, l.dir, "entries", "apply", "--prune")
	lab.Eventually(t, time.Minute, "the first entries are gone", func() (bool, string) {
		n := len(l.ours())
		return n < many, fmt.Sprint(n)
	})
	apply.Kill()
	l.run(0, "apply", "--prune")
	l.want(0, map[string]float64{"same": 2}, "plan")
}

// Over TCP, as an administrator: the server is known by its SPIFFE ID, and so is the caller.
func TestCtlEntriesOverTCP(t *testing.T) {
	t.Parallel()
	l := newEntriesLab(t, lab.OwnServer(t, "1h"))
	for _, name := range []string{"admin", "nobody"} {
		if err := os.Mkdir(filepath.Join(l.dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
		l.server.CLI(t, "", "x509", "mint", "-spiffeID", "spiffe://"+lab.TrustDomain+"/"+name, "-write", filepath.Join(l.dir, name))
	}
	admin := unixEntry("/elsewhere", "/admin", 0)
	admin.Admin = true
	l.server.CreateEntry(t, admin)
	deploy := func(who, bundle, domain string) {
		text := fmt.Sprintf(entriesHead, fmt.Sprintf("api = \"tcp://127.0.0.1:%d\"\napi_certificate = \"%s/svid.pem\"\napi_key = \"%s/key.pem\"\napi_bundle = \"%s\"",
			l.server.Port, who, who, bundle)) + "[[class]]\nname = \"web\"\n[[class.workload]]\n" + workloadA + "\n"
		text = strings.Replace(text, `trust_domain = "`+lab.TrustDomain, `trust_domain = "`+domain, 1)
		lab.WriteFile(t, filepath.Join(l.dir, "deployment.toml"), []byte(text), 0o644)
	}
	lab.WriteFile(t, filepath.Join(l.dir, "bundle.pem"), l.server.Bundle, 0o644)
	deploy("admin", "bundle.pem", lab.TrustDomain)
	lab.Eventually(t, 20*time.Second, "the server knows its administrator", func() (bool, string) {
		p := lab.Ctl(t, l.dir, "entries", "plan")
		p.Wait(t, time.Minute)
		return p.Status() == 2, p.String()
	})
	l.want(0, map[string]float64{"created": 2}, "apply")
	if len(l.ours()) != 2 {
		t.Error("no entries")
	}

	deploy("nobody", "bundle.pem", lab.TrustDomain)
	says(t, l.run(102, "plan"), "PermissionDenied")
	lab.WriteFile(t, filepath.Join(l.dir, "other.pem"), lab.NewAuthority(t, "other", nil).PEM, 0o644)
	deploy("admin", "other.pem", lab.TrustDomain)
	says(t, l.run(100, "plan"), "is refused")
	// Whom the same CA certified is not yet the server of that name.
	deploy("admin", "bundle.pem", "other.test")
	says(t, l.run(100, "plan"), "is not that of 'spiffe://other.test/spire/server'")
}

func TestCtlEntriesFailures(t *testing.T) {
	t.Parallel()
	l := newEntriesLab(t, lab.SharedServer(t, "1h"))
	l.deploy(workloadA)
	says(t, l.run(111, "plan", "--api", "unix:///nowhere/api.sock", "--timeout", "1"), "/nowhere/api.sock")
	path := filepath.Join(l.dir, "deployment.toml")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	rewrite := func(old, new string) {
		lab.WriteFile(t, path, []byte(strings.Replace(string(text), old, new, 1)), 0o644)
	}
	rewrite(lab.TrustDomain, "other.test")
	says(t, l.run(100, "plan"), "serves the trust domain 'example.test', not 'other.test'")
	rewrite(`name = "shop"`, `name = "shop.eu"`)
	says(t, l.run(100, "plan"), "'shop.eu' cannot be part of certificates'")
	rewrite("api = ", "# ")
	says(t, l.run(100, "plan"), "names no 'spire.api'")
	rewrite("", "")
	pemFile := filepath.Join(l.dir, "out", "x509pop", "web.pem")
	for words, content := range map[string][]byte{
		"is a root":            l.server.CA.PEM,
		"holds no certificate": {},
	} {
		lab.WriteFile(t, pemFile, content, 0o644)
		says(t, l.run(103, "print"), words)
	}
	// A leaf alone is that of one agent.
	leaf := l.issuer.Issue(t, lab.LeafOptions{})
	lab.WriteFile(t, pemFile, leaf.ChainPEM, 0o644)
	if printed := l.run(0, "print").Stdout.String(); !strings.Contains(printed, `"parent_id":"`+leaf.AgentID()+`"`) || strings.Contains(printed, ".node.") {
		t.Errorf("not below the agent %s:\n%s", leaf.AgentID(), printed)
	}
	// One in front of its issuer has the issuer's alias.
	lab.WriteFile(t, pemFile, l.issuer.Issue(t, lab.LeafOptions{ExtraCA: l.issuer}).ChainPEM, 0o644)
	block, _ := pem.Decode(l.issuer.PEM)
	if want := fmt.Sprintf("%x", sha1.Sum(block.Bytes)); !strings.Contains(l.run(0, "print").Stdout.String(), want) {
		t.Errorf("the alias does not carry %s", want)
	}
}
