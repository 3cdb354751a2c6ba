// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"sealpod.test/kbs"
)

// Config is sealpod.toml; what is empty is left out.
type Config struct {
	URL, CA, TEEKey             string
	AllowHTTP                   bool
	Combined, Key, Certificate  string // resource URIs
	TrustDomain                 string
	ServerPort                  int
	Bundle, BundlePEM           string
	AgentPath, AgentVersion     string
	RuntimeDir                  string
	SocketPath, AdminSocketPath string
	UID                         uint32
	AllowDisk                   bool
	Settings                    string        // lines of [agent.settings]
	Deadline                    time.Duration // stretched by Patience
	RunLines                    string        // more of [run]
	CredentialLines             string        // more of [credential]
	More                        string        // more tables
}

// TOML is the text of the file.
func (c Config) TOML() string {
	var out strings.Builder
	section := func(name string, lines ...string) {
		fmt.Fprintf(&out, "[%s]\n%s\n", name, strings.Join(lines, ""))
	}
	section("kbs", str("url", c.URL), multiline("ca", c.CA), toggle("allow_http", c.AllowHTTP), str("tee_key", c.TEEKey))
	section("credential", str("pem", c.Combined), str("key", c.Key), str("certificate", c.Certificate), c.CredentialLines)
	section("spire", str("trust_domain", c.TrustDomain), str("server_address", "127.0.0.1"),
		number("server_port", c.ServerPort), str("trust_bundle", c.Bundle), multiline("trust_bundle_pem", c.BundlePEM))
	section("agent", str("path", c.AgentPath), str("version", c.AgentVersion), number("uid", int(c.UID)), str("runtime_dir", c.RuntimeDir),
		toggle("allow_disk", c.AllowDisk), str("socket_path", c.SocketPath),
		str("admin_socket_path", c.AdminSocketPath))
	section("agent.settings", c.Settings)
	section("run", duration("deadline", c.Deadline), c.RunLines)
	return out.String() + c.More
}

func str(key, value string) string {
	if value == "" {
		return ""
	}
	return key + " = " + strconv.Quote(value) + "\n"
}

func multiline(key, value string) string {
	if value == "" {
		return ""
	}
	return key + " = '''\n" + value + "'''\n"
}

func duration(key string, value time.Duration) string {
	if value == 0 {
		return ""
	}
	return fmt.Sprintf("%s = \"%ds\"\n", key, int(Patience(value).Seconds()))
}

func number(key string, value int) string {
	if value == 0 {
		return ""
	}
	return fmt.Sprintf("%s = %d\n", key, value)
}

func toggle(key string, value bool) string {
	if !value {
		return ""
	}
	return key + " = true\n"
}

// Fixture is all that one run of sealpod needs: a broker with a good credential
// and bundle, directories, and a configuration that names them. Tests spoil what
// they want to see fail.
type Fixture struct {
	Dir        string // on whatever TMPDIR is; the socket and the configuration are here
	RuntimeDir string // on a tmpfs, empty
	Socket     string
	Spire      *Server
	Credential *Credential
	KBS        *kbs.Server
	Config     Config
	RunAs      uint32 // user that runs sealpod

	before []string // entries of RuntimeDir before the run
}

// FixtureOptions change how a fixture is made.
type FixtureOptions struct {
	Leaf       LeafOptions
	Credential *Credential // instead of one issued by the server's CA
	Bundle     []byte      // instead of the server's
	AgentTTL   string      // default 1h
	RealAgent  bool        // default: a stand-in that says what it was given
	KBS        func(*kbs.Options)
	Resources  map[string][]byte // beside those of the credential and the bundle
	Without    []string          // resources to leave out
	Server     *Server           // default the shared one with AgentTTL
}

// NewFixture makes a fixture.
func NewFixture(t testing.TB, o FixtureOptions) *Fixture {
	t.Helper()
	if o.AgentTTL == "" {
		o.AgentTTL = "1h"
	}
	if o.Server == nil {
		o.Server = SharedServer(t, o.AgentTTL)
	}
	f := &Fixture{Dir: tempDir(t, Root), RuntimeDir: tempDir(t, Mem), Spire: o.Server, Credential: o.Credential}
	f.Socket = filepath.Join(f.Dir, "pub", "api.sock")
	if f.Credential == nil {
		f.Credential = f.Spire.CA.Issue(t, o.Leaf)
	}
	if o.Bundle == nil {
		o.Bundle = f.Spire.Bundle
	}
	resources := map[string][]byte{
		PathKey: f.Credential.KeyPEM, PathCertificate: f.Credential.ChainPEM,
		PathCombined: f.Credential.Combined(), PathBundle: o.Bundle,
	}
	maps.Copy(resources, o.Resources)
	for _, path := range o.Without {
		delete(resources, path)
	}
	f.KBS = StartKBS(t, resources, o.KBS)
	f.Config = Config{
		URL: f.KBS.URL(), CA: string(f.KBS.CAPEM()), Combined: "kbs:///" + PathCombined,
		TrustDomain: TrustDomain, ServerPort: f.Spire.Port, Bundle: "kbs:///" + PathBundle,
		AgentPath: SpireAgent, RuntimeDir: f.RuntimeDir, SocketPath: f.Socket, Deadline: 20 * time.Second,
		Settings: "log_level = \"INFO\"\n[agent.settings.experimental]\nsync_interval = \"1s\"\n",
	}
	if !o.RealAgent {
		f.Config.AgentPath = StandIn(t)
	}
	return f
}

func tempDir(t testing.TB, parent string) string {
	t.Helper()
	dir, err := os.MkdirTemp(parent, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// DiskDir makes a directory for this test on a disk-backed file system.
func DiskDir(t testing.TB) string { return tempDir(t, Disk) }

// Separate makes the configuration name key and certificate instead of one PEM.
func (f *Fixture) Separate() {
	f.Config.Combined = ""
	f.Config.Key, f.Config.Certificate = "kbs:///"+PathKey, "kbs:///"+PathCertificate
}

// ConfigPath writes sealpod.toml and returns its path.
func (f *Fixture) ConfigPath(t testing.TB) string {
	t.Helper()
	path := filepath.Join(f.Dir, "sealpod.toml")
	WriteFile(t, path, []byte(f.Config.TOML()), 0o644)
	return path
}

// Start starts `sealpod run` on the fixture's configuration.
func (f *Fixture) Start(t testing.TB, args ...string) *Process {
	t.Helper()
	f.before = list(t, f.Config.RuntimeDir)
	argv := append([]string{"run", "--unmeasured-config", f.ConfigPath(t)}, args...)
	return Start(t, f.RunAs, f.Dir, commandLine(argv...)...)
}

// StartSealpod starts the test build.
func StartSealpod(t testing.TB, dir string, args ...string) *Process {
	t.Helper()
	return Start(t, 0, dir, commandLine(args...)...)
}

func commandLine(args ...string) []string {
	return append(append(strings.Fields(prefixText), Sealpod), args...)
}

// Patience is how long to allow for what takes this long as a rule.
func Patience(d time.Duration) time.Duration {
	if Wrapped() {
		return 10 * d
	}
	return d
}

// Wrapped tells whether the test build runs inside of another program, such as
// valgrind: then what its processes look like from outside is not its own.
func Wrapped() bool { return prefixText != "" }

// GiveTo makes a user run sealpod, on directories of its own.
func (f *Fixture) GiveTo(t testing.TB, uid uint32) {
	t.Helper()
	f.RunAs = uid
	for _, dir := range []string{f.Dir, f.RuntimeDir} {
		if err := os.Chown(dir, int(uid), int(uid)); err != nil {
			t.Fatal(err)
		}
	}
}

// Run runs `sealpod run` (and the stand-in, if it gets there) to its end.
func (f *Fixture) Run(t testing.TB, args ...string) *Process {
	t.Helper()
	p := f.Start(t, args...)
	p.Wait(t, 90*time.Second)
	return p
}

// Refusal is what a failed run must look like.
type Refusal struct {
	Status   int
	Message  []string // each must be in the error line
	Attests  int      // POSTs to /attest that the broker saw
	MinGets  int      // GETs of resources, at least
	MaxGets  int      // … and at most; 0: MinGets
	NoAnswer bool     // the broker must not even see a connection
}

// Expect runs sealpod and holds the outcome against a refusal.
func (f *Fixture) Expect(t testing.TB, want Refusal, args ...string) *Process {
	t.Helper()
	p := f.Run(t, args...)
	f.Check(t, p, want)
	return p
}

// Check holds an ended run against a refusal: exit status, one error line that
// says the wanted things, what the broker saw, and nothing left behind.
func (f *Fixture) Check(t testing.TB, p *Process, want Refusal) {
	t.Helper()
	CheckFailure(t, p, want.Status, want.Message...)
	seen := f.KBS.Counters()
	if got := Handshakes(seen); got != want.Attests {
		t.Errorf("the broker saw %d attestations, want %d", got, want.Attests)
	}
	if most := max(want.MinGets, want.MaxGets); Gets(seen) < want.MinGets || Gets(seen) > most {
		t.Errorf("the broker saw %d resource requests, want %d to %d: %v", Gets(seen), want.MinGets, most, seen.Resources)
	}
	if want.NoAnswer && seen.Connections != 0 {
		t.Errorf("the broker saw %d connections, want none", seen.Connections)
	}
	f.CheckNothingLeft(t, p)
	for what, trace := range f.Credential.Traces() {
		if strings.Contains(p.Stderr.String(), string(trace)) {
			t.Errorf("standard error shows the %s of the key", what)
		}
	}
	if t.Failed() {
		t.Logf("status %d after %v; stderr:\n%s", p.Status(), p.Elapsed(), p.Stderr.String())
	}
}

// CheckFailure checks exit status and output of a failed command.
func CheckFailure(t testing.TB, p *Process, status int, message ...string) {
	t.Helper()
	if got := p.Status(); got != status {
		t.Errorf("exit status %d, want %d; stderr:\n%s", got, status, p.Stderr.String())
	}
	if out := p.Stdout.String(); out != "" {
		t.Errorf("a failed command printed on standard output: '%s'", out)
	}
	errors := Lines(p.Stderr.String(), "sealpod: error: ")
	if len(errors) == 0 {
		t.Errorf("no line 'sealpod: error: …'; stderr:\n%s", p.Stderr.String())
	}
	all := strings.Join(errors, "\n")
	for _, part := range message {
		if !strings.Contains(all, part) {
			t.Errorf("no error line says '%s'; stderr:\n%s", part, p.Stderr.String())
		}
	}
}

// CheckExec checks that a run on the stand-in came to the point where an agent
// would run, and returns what the agent would have been given.
func CheckExec(t testing.TB, p *Process) Inherited {
	t.Helper()
	var seen Inherited
	if err := json.Unmarshal([]byte(p.Stdout.String()), &seen); err != nil || p.Status() != 0 {
		t.Fatalf("the agent was not started (%v): status %d after %v; stderr:\n%s", err, p.Status(), p.Elapsed(), p.Stderr.String())
	}
	return seen
}

// Lines are those that begin with prefix, without it.
func Lines(text, prefix string) []string {
	var found []string
	for _, line := range strings.Split(text, "\n") {
		if rest, ok := strings.CutPrefix(line, prefix); ok {
			found = append(found, rest)
		}
	}
	return found
}

// CheckNothingLeft looks for processes of an ended run and for files in the
// runtime directory that were not there before.
func (f *Fixture) CheckNothingLeft(t testing.TB, p *Process) {
	t.Helper()
	if left := Mentioning(f.Dir); len(left) > 0 {
		t.Errorf("processes were left behind: %v", left)
	}
	// An orphan that has ended takes the namespace's first process a moment to reap.
	Eventually(t, time.Second, "the process group is empty", func() (bool, string) {
		err := syscall.Kill(-p.Pid, 0)
		return err == syscall.ESRCH, fmt.Sprint(err)
	})
	if after := list(t, f.Config.RuntimeDir); strings.Join(after, " ") != strings.Join(f.before, " ") {
		t.Errorf("the runtime directory has %v, had %v", after, f.before)
	}
}

// list names what is in a directory; nothing if there is none.
func list(t testing.TB, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

// WaitForExec waits until the process has become the agent.
func (f *Fixture) WaitForExec(t testing.TB, p *Process, limit time.Duration) {
	t.Helper()
	want, err := filepath.EvalSymlinks(f.Config.AgentPath)
	if err != nil {
		t.Fatal(err)
	}
	Eventually(t, limit, "the process becomes the agent", func() (bool, string) {
		if !p.Running() {
			t.Fatalf("sealpod ended with %d; stderr:\n%s", p.Status(), p.Stderr.String())
		}
		exe := Exe(p.Pid)
		return exe == want, exe
	})
}
