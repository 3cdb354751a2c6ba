// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spiffe/spire-api-sdk/proto/spire/api/types"

	"sealpod.test/e2e/lab"
	"sealpod.test/kbs"
	"sealpod.test/kbs/hardware"
	"sealpod.test/tee"
)

// applyLab is a deployment that was built, and its broker.
type applyLab struct {
	t      *testing.T
	dir    string
	broker *kbs.Server
}

const applyDeployment = `name = "hello"
trust_domain = "example.test"
tees = ["snp"]
[spire]
version = "1.15.2"
server_address = "spire.example.test"
trust_bundle_file = "bundle.pem"
[kbs]
url = "%s"
ca_file = "ca.pem"
generation = "%s"
[image.reference_values]
snp_launch_measurement = ["%s"]
[[class]]
name = "web"
[[class.workload]]
spiffe_id = "/web"
selectors = ["unix:uid:1"]
[[class]]
name = "db"
credential = "fetch"
[[class.workload]]
spiffe_id = "/db"
selectors = ["unix:uid:2"]
[[secret]]
path = "status/all"
value = "the-status-itself"
[[secret]]
path = "password/db"
random = 32
classes = ["db"]
`

func newApplyLab(t *testing.T, generation string, change func(*kbs.Options)) *applyLab {
	t.Helper()
	l := &applyLab{t: t, dir: t.TempDir()}
	l.broker = lab.StartKBS(t, nil, func(o *kbs.Options) {
		o.Personas = generation == "trustee-1.0"
		if change != nil {
			change(o)
		}
	})
	l.write("ca.pem", string(l.broker.CAPEM()))
	l.write("bundle.pem", string(l.broker.CAPEM()))
	l.write("deployment.toml", fmt.Sprintf(applyDeployment, l.broker.URL(), generation, goodLaunch))
	l.run(0, "build")
	l.admit()
	return l
}

// forget makes the broker lose what it holds.
func (l *applyLab) forget() {
	l.t.Helper()
	if err := l.broker.Forget(); err != nil {
		l.t.Fatal(err)
	}
}

func (l *applyLab) path(name string) string { return filepath.Join(l.dir, name) }

func (l *applyLab) write(name, text string) {
	l.t.Helper()
	if err := os.WriteFile(l.path(name), []byte(text), 0o600); err != nil {
		l.t.Fatal(err)
	}
}

func (l *applyLab) read(name string) string {
	l.t.Helper()
	text, err := os.ReadFile(l.path(name))
	if err != nil {
		l.t.Fatal(err)
	}
	return string(text)
}

// edit changes a line of the deployment and builds again.
func (l *applyLab) edit(old, new string) {
	l.t.Helper()
	text := l.read("deployment.toml")
	if !strings.Contains(text, old) {
		l.t.Fatalf("'%s' is not in the deployment", old)
	}
	l.write("deployment.toml", strings.Replace(text, old, new, 1))
	l.run(0, "build")
}

// admit gives the broker the administrator's key that build made.
func (l *applyLab) admit() {
	l.t.Helper()
	key, err := kbs.ParseAdminKey([]byte(l.read("out/kbs-admin.pub")))
	if err != nil {
		l.t.Fatal(err)
	}
	l.broker.SetAdminKey(key)
}

func (l *applyLab) run(status int, words ...string) *lab.Process {
	l.t.Helper()
	p := lab.RunCtl(l.t, status, l.dir, words...)
	// Whatever is said, no secret is.
	said := p.Stdout.String() + p.Stderr.String()
	for _, secret := range []string{"the-status-itself", "PRIVATE KEY", "eyJ"} {
		if strings.Contains(said, secret) {
			l.t.Errorf("sealpodctl %v shows '%s'", words, secret)
		}
	}
	if password, err := os.ReadFile(l.path("out/kbs/resources/default/password/db")); err == nil && strings.Contains(said, strings.TrimSpace(string(password))) {
		l.t.Errorf("sealpodctl %v shows the password", words)
	}
	return p
}

// items are the plan's, by kind and name; those that are the same too.
func (l *applyLab) items(status int, words ...string) map[string]string {
	l.t.Helper()
	p := l.run(status, append([]string{"plan", "--json"}, words...)...)
	var plan struct {
		KBS struct {
			Items []struct{ Kind, Name, State string }
		}
	}
	if err := json.Unmarshal([]byte(p.Stdout.String()), &plan); err != nil {
		l.t.Fatalf("%v: %v", err, p)
	}
	items := map[string]string{}
	for _, item := range plan.KBS.Items {
		items[item.Kind+" "+item.Name] = item.State
	}
	return items
}

var allItems = []string{
	"resource-policy resource-policy", "attestation-policy default_cpu",
	"reference-value snp_launch_measurement", "reference-value init_data",
	"resource default/x509pop-issuer-web/pem", "resource default/spire-key-db/key", "resource default/spire-cert-db/cert",
	"resource default/sealpod-config-web/toml", "resource default/sealpod-config-db/toml",
	"resource default/signing-key/sealed-secret", "resource default/spire-trust-bundle/pem", "resource default/status/all", "resource default/password/db",
}

func wantItems(t *testing.T, got map[string]string, otherwise string, but map[string]string) {
	t.Helper()
	for _, name := range allItems {
		want := otherwise
		if state, found := but[name]; found {
			want = state
		}
		if got[name] != want {
			t.Errorf("%s is '%s', want '%s'", name, got[name], want)
		}
		delete(got, name)
	}
	for name, state := range got {
		if but[name] != state {
			t.Errorf("%s is '%s', and should not be there", name, state)
		}
	}
}

// wantContents compares what the broker holds with what was built.
func (l *applyLab) wantContents() {
	l.t.Helper()
	c := l.broker.Contents()
	if c.ResourcePolicy != l.read("out/kbs/resource-policy.rego") || c.AttestationPolicies["default_cpu"] != l.read("out/kbs/attestation-policy.rego") {
		l.t.Error("the broker's policies are not those that were built")
	}
	for _, item := range allItems {
		if path, isResource := strings.CutPrefix(item, "resource "); isResource &&
			!bytes.Equal(c.Resources[path], []byte(l.read("out/kbs/resources/"+path))) {
			l.t.Errorf("resource '%s' is not what was built", path)
		}
	}
	if c.ReferenceValues["snp_launch_measurement"] != `["`+goodLaunch+`"]` || !strings.HasPrefix(c.ReferenceValues["init_data"], `["`) {
		l.t.Errorf("reference values: %v", c.ReferenceValues)
	}
}

func TestCtlApply(t *testing.T) {
	t.Parallel()
	for _, generation := range []string{"trustee-1.1", "trustee-1.0"} {
		t.Run(generation, func(t *testing.T) {
			t.Parallel()
			l := newApplyLab(t, generation, nil)
			before := l.broker.Contents()
			wantItems(t, l.items(2), "new", nil)
			if now := l.broker.Contents(); len(now.Resources) != 0 || now.ResourcePolicy != before.ResourcePolicy {
				t.Error("plan changed something")
			}
			l.run(0, "apply")
			l.wantContents()
			wantItems(t, l.items(0), "same", nil)
			l.broker.ResetCounters()
			l.run(0, "apply")
			if n := l.broker.Counters().Requests["admin"]; n != 2 {
				t.Errorf("%d admin calls where two reference values had to be read", n)
			}

			// One thing changes, one is changed.
			l.edit("the-status-itself", "another-status")
			wantItems(t, l.items(2), "same", map[string]string{"resource default/status/all": "changed"})
			if p := l.run(2, "plan"); !strings.Contains(p.Stdout.String(), "not readable; last applied 2") {
				t.Errorf("%v", p)
			}
			l.edit(goodLaunch, wrong48)
			wantItems(t, l.items(2), "same", map[string]string{
				"resource default/status/all": "changed", "reference-value snp_launch_measurement": "changed",
			})
			p := l.run(2, "plan")
			if !strings.Contains(p.Stdout.String(), goodLaunch) || !strings.Contains(p.Stdout.String(), wrong48) {
				t.Errorf("no diff of the reference value: %v", p)
			}
			if p := l.run(2, "plan", "--json"); !strings.Contains(p.Stdout.String(), `"found":["`+goodLaunch+`"],"wanted":["`+wrong48+`"]`) ||
				strings.Contains(p.Stdout.String(), "applied\":true") {
				t.Errorf("no lists of reference values, or said to be applied: %v", p)
			}
			if p := l.run(0, "apply", "--json"); !strings.HasSuffix(p.Stdout.String(), `,"applied":true,"pruned":false}`+"\n") || strings.Count(p.Stdout.String(), "\n") != 1 {
				t.Errorf("it is not said what was done: %v", p)
			}
			if got := string(l.broker.Contents().Resources["default/status/all"]); got != "another-status" {
				t.Errorf("the status is '%s'", got)
			}
			wantItems(t, l.items(0), "same", nil)
		})
	}
}

// What was applied once goes with --prune; what others have put there never does.
func TestCtlApplyPrunes(t *testing.T) {
	t.Parallel()
	l := newApplyLab(t, "trustee-1.1", nil)
	if err := l.broker.SetResource("default/foreign/secret", []byte("theirs")); err != nil {
		t.Fatal(err)
	}
	l.run(0, "apply")
	l.edit("[[secret]]\npath = \"password/db\"\nrandom = 32\nclasses = [\"db\"]\n", "")
	left := map[string]string{"resource default/password/db": "left", "resource-policy resource-policy": "changed"}
	wantItems(t, l.items(2), "same", left)
	l.run(0, "apply")
	if _, found := l.broker.Contents().Resources["default/password/db"]; !found {
		t.Fatal("pruned without being asked to")
	}
	delete(left, "resource-policy resource-policy")
	wantItems(t, l.items(0), "same", left)
	l.items(2, "--prune")
	l.run(0, "apply", "--prune")
	c := l.broker.Contents()
	if _, found := c.Resources["default/password/db"]; found {
		t.Error("not pruned")
	}
	if string(c.Resources["default/foreign/secret"]) != "theirs" {
		t.Error("what is foreign was touched")
	}
	delete(left, "resource default/password/db")
	left["resource default/password/db"] = "" // neither wanted nor left
	wantItems(t, l.items(0, "--prune"), "same", left)
}

// A run that was stopped may have deleted already what the record still has.
func TestCtlApplyPrunesWhatIsGone(t *testing.T) {
	t.Parallel()
	l := newApplyLab(t, "trustee-1.1", nil)
	l.run(0, "apply")
	l.edit("[[secret]]\npath = \"password/db\"\nrandom = 32\nclasses = [\"db\"]\n", "")
	if err := l.broker.DeleteResource("default/password/db"); err != nil {
		t.Fatal(err)
	}
	if p := l.run(0, "apply", "--prune"); !strings.Contains(p.Stderr.String(), "was not there any more") {
		t.Errorf("%v", p)
	}
	l.run(0, "plan", "--prune")
}

// A KBS whose storage is in memory, started anew: the record alone would say that all is well.
func TestCtlApplySeesThatTheKBSForgot(t *testing.T) {
	t.Parallel()
	l := newApplyLab(t, "trustee-1.1", nil)
	l.run(0, "apply")
	l.forget()
	items := l.items(2)
	for _, name := range allItems {
		if items[name] == "same" {
			t.Errorf("%s is said to be the same", name)
		}
	}
	l.run(0, "apply")
	l.wantContents()
}

// Killed at each of its calls, the next run goes on, and what comes out is the same.
func TestCtlApplyIsResumed(t *testing.T) {
	t.Parallel()
	l := newApplyLab(t, "trustee-1.1", nil)
	for calls := 1; ; calls++ {
		if calls > 40 {
			t.Fatal("does not come to an end")
		}
		l.forget()
		if err := os.Remove(l.path("out/record.json")); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		l.broker.ResetCounters()
		lab.AddFault(t, l.broker, kbs.Fault{Kind: "delay", Step: "admin", DelayMS: 30})
		p := lab.Ctl(t, l.dir, "apply")
		lab.Eventually(t, 30*time.Second, "the call at which it is killed, or the end", func() (bool, string) {
			n := l.broker.Counters().Requests["admin"]
			return n >= calls || !p.Running(), fmt.Sprint(n)
		})
		wasRunning := p.Running()
		p.Signal(syscall.SIGKILL)
		p.Wait(t, 10*time.Second)
		l.broker.ClearFaults()
		l.broker.ResetCounters()
		l.run(0, "apply")
		// Two values are read; the call at which it was killed may have come through or not.
		if n := l.broker.Counters().Requests["admin"]; wasRunning && n > 2+len(allItems)-max(calls-3, 0) {
			t.Errorf("killed at call %d, and then %d more: what was done was done again", calls, n)
		}
		l.wantContents()
		wantItems(t, l.items(0), "same", nil)
		if !wasRunning {
			break
		}
	}
}

// initDataDigest is what a VM of the class is measured with now.
func (l *applyLab) initDataDigest(class string) string {
	digest := sha256.Sum256([]byte(l.read("out/initdata/" + class + ".toml")))
	return hex.EncodeToString(digest[:])
}

// applyOn applies on an emulated machine with this HOST_DATA, which attests afterwards.
func (l *applyLab) applyOn(status int, words, hostData string, roots string, set map[string]string) {
	l.t.Helper()
	o := tee.Options{Kind: tee.KindSNP, Roots: roots, HostData: hostData, Set: map[string]string{"measurement": goodLaunch}}
	maps.Copy(o.Set, set)
	m := boot(l.t, o)
	p := lab.Start(l.t, 0, l.dir, append(m.enter(), lab.Sealpodctl, "apply", "--tee", "snp", "--deployment", l.path("deployment.toml"))...)
	p.Wait(l.t, time.Minute)
	if p.Status() != status || !strings.Contains(p.Stderr.String(), words) {
		l.t.Errorf("status %d, want %d and '%s'\n%v", p.Status(), status, words, p)
	}
}

// An attestation policy that the KBS takes may mean nothing: one attestation after
// the apply shows what it is worth. The machine is emulated.
func TestCtlApplyLooksAtAToken(t *testing.T) {
	t.Parallel()
	roots := ownRoots(t)
	verifiers, err := hardware.Load(roots)
	if err != nil {
		t.Fatal(err)
	}
	l := newApplyLab(t, "trustee-1.1", func(o *kbs.Options) { o.Verifiers = append(verifiers.Verifiers(), kbs.Sample{}) })
	applyOn := func(status int, words string, set map[string]string) {
		t.Helper()
		l.applyOn(status, words, l.initDataDigest("web"), roots, set)
	}
	applyOn(0, "rated 'affirming'", nil)
	l.wantContents()
	applyOn(102, "'warning' ( executables 33 )", map[string]string{"measurement": wrong48})
	applyOn(101, "allows debugging", map[string]string{"policy": "0xb0000"}) // is not even sent
	applyOn(102, "'warning' ( configuration 36 )", map[string]string{"host_data": wrong32})
	// Somebody sets another policy, which rates nothing.
	if err := l.broker.SetAttestationPolicy("default_cpu", "package policy\nexecutables := 3\n"); err != nil {
		t.Fatal(err)
	}
	applyOn(102, "defines no trust_claims", nil)
	l.run(101, "apply", "--tee", "snp") // not on this machine
	l.run(100, "apply", "--tee", "unknown")
}

// Failures end a run with what to do; what was done stays recorded.
func TestCtlApplyFails(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		change func(l *applyLab)
		status int
		words  string
	}{
		"not built": {func(l *applyLab) { os.RemoveAll(l.path("out")) }, 100, "run 'sealpodctl build' first"},
		"built before a change": {func(l *applyLab) {
			l.write("deployment.toml", strings.Replace(l.read("deployment.toml"), "status/all", "status/each", 1))
		}, 100, "run 'sealpodctl build' first: KBS resources: KBS resource 'default/status/each'"},
		"another trust bundle": {func(l *applyLab) {
			lab.RunCtl(l.t, 0, l.dir, "issue", "root", "another")
			l.write("bundle.pem", l.read("bundle.pem")+l.read("another.pem"))
		}, 100, "run 'sealpodctl build' first: KBS resources: KBS resource 'default/spire-trust-bundle/pem': './out/kbs"},
		"another class": {func(l *applyLab) {
			l.write("deployment.toml", strings.Replace(l.read("deployment.toml"), "name = \"web\"", "name = \"shop\"", 1))
		}, 100, "run 'sealpodctl build' first: keys and certificates: './out/x509pop/shop.key' is not what would be made now"},
		"resource not built": {func(l *applyLab) { os.Remove(l.path("out/kbs/resources/default/status/all")) }, 100, "resource 'default/status/all'"},
		"resource empty":     {func(l *applyLab) { l.write("out/kbs/resources/default/status/all", "") }, 100, "run 'sealpodctl build' first"},
		"another key":        {func(l *applyLab) { l.broker.SetAdminKey(ed25519Key(l.t).Public()) }, 102, "public half of this key"},
		"broken record":      {func(l *applyLab) { l.write("out/record.json", "{") }, 100, "without it all is applied again"},
		"open directory":     {func(l *applyLab) { os.Chmod(l.path("out"), 0o755) }, 100, "open to others"},
		"KBS away":           {func(l *applyLab) { l.broker.Close() }, 111, "gave up at the deadline"},
		"KBS in trouble": {func(l *applyLab) {
			lab.AddFault(l.t, l.broker, kbs.Fault{Kind: "status", Step: "admin", Status: 503})
		}, 111, "answered 503"},
		"P-256 with personas": {func(l *applyLab) {
			l.write("p256.key", pkcs8(l.t, p256Key(l.t)))
			l.edit("generation = \"trustee-1.1\"", "generation = \"trustee-1.0\"\nadmin_key_file = \"p256.key\"")
		}, 100, "takes an Ed25519 admin key only"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newApplyLab(t, "trustee-1.1", nil)
			row.change(l)
			for _, verb := range []string{"plan", "apply"} {
				p := l.run(row.status, verb, "--timeout", "1")
				if !strings.Contains(p.Stderr.String(), row.words) {
					t.Errorf("%v does not say '%s'", p, row.words)
				}
			}
		})
	}
}

// spireItems are the numbers of the plan's entries.
func (l *applyLab) spireItems(status int, words ...string) map[string]float64 {
	l.t.Helper()
	p := l.run(status, append([]string{"plan", "--json"}, words...)...)
	var plan struct{ Entries map[string]any }
	if err := json.Unmarshal([]byte(p.Stdout.String()), &plan); err != nil {
		l.t.Fatalf("%v: %v", err, p)
	}
	numbers := map[string]float64{}
	for name, value := range plan.Entries {
		if number, isNumber := value.(float64); isNumber && number != 0 {
			numbers[name] = number
		}
	}
	return numbers
}

// One plan and one apply for KBS and SPIRE server, which is the real one.
func TestCtlApplyToBoth(t *testing.T) {
	t.Parallel()
	server := lab.OwnServer(t, "1h")
	l := newApplyLab(t, "trustee-1.1", nil)
	l.edit(`trust_domain = "example.test"`, `trust_domain = "`+lab.TrustDomain+`"`)
	l.edit("version = \"1.15.2\"\n", "version = \"1.15.2\"\napi = \""+server.API()+"\"\n")
	foreign := server.CreateEntry(t, &types.Entry{
		SpiffeId: lab.ID("/foreign"), ParentId: lab.ID("/foreign-agent"), Selectors: []*types.Selector{{Type: "unix", Value: "uid:77"}},
	})
	ours := func() int {
		n := 0
		for id := range server.Entries(t) {
			if strings.HasPrefix(id, "hello.") {
				n++
			}
		}
		return n
	}
	if got := l.spireItems(2); got["create"] != 3 {
		t.Fatalf("%v", got)
	}
	l.run(0, "apply", "--only", "kbs")
	l.wantContents()
	if ours() != 0 {
		t.Fatal("--only kbs made entries")
	}
	l.run(2, "plan")
	l.run(0, "plan", "--only", "kbs")
	l.run(2, "plan", "--only", "spire")
	l.run(0, "apply")
	if ours() != 3 {
		t.Fatalf("%d entries", ours())
	}
	l.run(0, "plan")

	// Of the second class only the workload's identity changes: one new, one left.
	l.edit(`spiffe_id = "/db"`, `spiffe_id = "/database"`)
	l.run(2, "plan")
	l.run(0, "apply")
	if ours() != 4 {
		t.Fatalf("%d entries", ours())
	}
	l.run(0, "plan")
	l.run(2, "plan", "--prune")
	l.run(0, "apply", "--prune")
	l.run(0, "plan", "--prune")
	if _, found := server.Entries(t)[foreign]; !found || ours() != 3 {
		t.Errorf("%d entries of ours, the foreign one is there: %v", ours(), found)
	}

	// Who cannot be asked is known before anything is done.
	l.broker.ResetCounters()
	l.edit("the-status-itself", "another-status")
	p := l.run(111, "apply", "--api", "unix:///nobody/listens/here", "--timeout", "1")
	if strings.Contains(p.Stderr.String(), "applied") || string(l.broker.Contents().Resources["default/status/all"]) != "the-status-itself" {
		t.Errorf("something was applied: %v", p)
	}
	l.run(100, "plan", "--only", "both")
}

// The single calls take URL, CA and key out of the deployment; get asks as a TEE.
func TestCtlKBSByDeployment(t *testing.T) {
	t.Parallel()
	roots := ownRoots(t)
	verifiers, err := hardware.Load(roots)
	if err != nil {
		t.Fatal(err)
	}
	l := newApplyLab(t, "trustee-1.1", func(o *kbs.Options) { o.Verifiers = verifiers.Verifiers() })
	l.run(0, "apply")
	l.write("more", "more")
	l.run(0, "kbs", "put", "kbs:///default/more/1", "more", "--deployment", "deployment.toml")
	if got := string(l.broker.Contents().Resources["default/more/1"]); got != "more" {
		t.Errorf("'%s' was stored", got)
	}

	// What the policies release to a real report of a class, on an emulated machine.
	initData := sha256.Sum256([]byte(l.read("out/initdata/web.toml")))
	m := boot(t, tee.Options{Kind: tee.KindSNP, Roots: roots, HostData: hex.EncodeToString(initData[:]), Set: map[string]string{"measurement": goodLaunch}})
	get := func(status int, path string, how ...string) string {
		t.Helper()
		argv := append(m.enter(), lab.Sealpodctl, "kbs", "get", "kbs:///"+path, "--deployment", l.path("deployment.toml"))
		p := lab.Start(t, 0, l.dir, append(argv, how...)...)
		p.Wait(t, time.Minute)
		if p.Status() != status {
			t.Errorf("'%s': status %d, want %d\n%s", path, p.Status(), status, p.Stderr.String())
		}
		return p.Stdout.String()
	}
	for _, path := range []string{"default/status/all", "default/x509pop-issuer-web/pem"} {
		if got := get(0, path, "--tee", "snp"); got != l.read("out/kbs/resources/"+path) {
			t.Errorf("'%s' is not what was built", path)
		}
	}
	for _, path := range []string{"default/password/db", "default/spire-key-db/key", "default/more/1"} {
		if got := get(102, path, "--tee", "snp"); got != "" {
			t.Errorf("'%s' was released", path)
		}
	}
	get(100, "default/status/all")
	l.write("token", `{"token":"a.b.c"}`)
	get(100, "default/status/all", "--token", l.path("token"))
	get(100, "default/status/all", "--token", l.path("token"), "--tee", "snp")
}
