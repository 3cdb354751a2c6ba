// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"sealpod.test/e2e/lab"
)

// A configuration with many mistakes: one run tells them all, each with file,
// line and key, and no packet is sent.
func TestAllConfigurationProblemsInOneRun(t *testing.T) {
	t.Parallel()
	f := lab.NewFixture(t, lab.FixtureOptions{})
	text := strings.Join([]string{
		/* 1 */ "[kbs]",
		/* 2 */ fmt.Sprintf("url = %q", f.KBS.URL()),
		/* 3 */ "ca = 7",
		/* 4 */ "ulr = 'x'",
		/* 5 */ "tee_key = 'ROT13'",
		/* 6 */ "[credential]",
		/* 7 */ "pem = 'http://example.test/x'",
		/* 8 */ "[spire]",
		/* 9 */ "trust_domain = 'Not A Trust Domain'",
		/* 10 */ "server_port = 65536",
		/* 11 */ "server_address = '127.0.0.1'",
		/* 12 */ "trust_bundle = 'kbs:///default/spire/bundle'",
		/* 13 */ "[agent]",
		/* 14 */ "uid = 'nobody'",
		/* 15 */ "path = 'spire-agent'",
		/* 16 */ "[agent.settings]",
		/* 17 */ "retry_bootstrap = true",
		/* 18 */ "log_level = 3",
		/* 19 */ "[run]",
		/* 20 */ "deadline = 'soon'",
		/* 21 */ "[extra]",
		/* 22 */ "x = 1",
	}, "\n")
	path := filepath.Join(f.Dir, "bad.toml")
	lab.WriteFile(t, path, []byte(text), 0o644)
	p := lab.StartSealpod(t, f.Dir, "run", "--unmeasured-config", path)
	p.Wait(t, waitLimit)
	lab.CheckFailure(t, p, 100, "'"+path+"' has ")
	for line, key := range map[int]string{
		3: "kbs.ca", 4: "kbs.ulr", 5: "kbs.tee_key", 7: "credential.pem", 9: "spire.trust_domain", 10: "spire.server_port",
		14: "agent.uid", 15: "agent.path", 17: "agent.settings.retry_bootstrap", 18: "agent.settings.log_level",
		20: "run.deadline", 21: "extra",
	} {
		want := fmt.Sprintf("%s:%d: key '%s'", path, line, key)
		if !strings.Contains(p.Stderr.String(), want) {
			t.Errorf("no line says \"%s\"", want)
		}
	}
	if seen := f.KBS.Counters(); seen.Connections != 0 {
		t.Errorf("the broker saw %d connections, want none", seen.Connections)
	}
	if t.Failed() {
		t.Logf("stderr:\n%s", p.Stderr.String())
	}
}

// One mistake each, in a file that is good otherwise.
func TestOneConfigurationProblem(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change func(*lab.Config)
		words  []string
	}{
		{"plain http", func(c *lab.Config) { c.URL, c.CA = strings.Replace(c.URL, "https:", "http:", 1), "" }, []string{"kbs.url", "allow_http"}},
		{"no CA", func(c *lab.Config) { c.CA = "" }, []string{"kbs.ca"}},
		{"CA is no PEM", func(c *lab.Config) { c.CA = "hello\n" }, []string{"kbs.ca"}},
		{"no URL", func(c *lab.Config) { c.URL = "" }, []string{"kbs.url"}},
		{"URL with a path", func(c *lab.Config) { c.URL += "/kbs/v0" }, []string{"kbs.url"}},
		{"URL with a user", func(c *lab.Config) { c.URL = strings.Replace(c.URL, "://", "://me:pw@", 1) }, []string{"kbs.url"}},
		{"URL of another scheme", func(c *lab.Config) { c.URL = "file:///etc/passwd" }, []string{"kbs.url"}},
		{"no credential", func(c *lab.Config) { c.Combined = "" }, []string{"credential"}},
		{"both forms of the credential", func(c *lab.Config) { c.Key = "kbs:///" + lab.PathKey }, []string{"credential"}},
		{"key without certificate", func(c *lab.Config) { c.Combined, c.Key = "", "kbs:///"+lab.PathKey }, []string{"credential.certificate"}},
		{"URI with four segments", func(c *lab.Config) { c.Combined = "kbs:///a/b/c/d" }, []string{"credential.pem"}},
		{"URI with a leading dot", func(c *lab.Config) { c.Combined = "kbs:///a/../c" }, []string{"credential.pem"}},
		{"no trust domain", func(c *lab.Config) { c.TrustDomain = "" }, []string{"spire.trust_domain"}},
		{"no bundle", func(c *lab.Config) { c.Bundle = "" }, []string{"spire.trust_bundle"}},
		{"two bundles", func(c *lab.Config) { c.BundlePEM = "x\n" }, []string{"spire.trust_bundle"}},
		{"relative socket", func(c *lab.Config) { c.SocketPath = "api.sock" }, []string{"agent.socket_path"}},
		{"relative runtime directory", func(c *lab.Config) { c.RuntimeDir = "run" }, []string{"agent.runtime_dir"}},
		{"no deadline at all", func(c *lab.Config) { c.Deadline, c.RunLines = 0, "deadline = \"0s\"\n" }, []string{"run.deadline"}},
		{"no TOML", func(c *lab.Config) { c.Settings = "log_level = = 1\n" }, []string{"line "}},
		{"a key twice", func(c *lab.Config) { c.Settings = "log_level = 'INFO'\nlog_level = 'INFO'\n" }, []string{"line ", "log_level"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := lab.NewFixture(t, lab.FixtureOptions{})
			runtimeDir := f.Config.RuntimeDir
			c.change(&f.Config)
			p := f.Run(t)
			f.Config.RuntimeDir = runtimeDir
			f.Check(t, p, lab.Refusal{Status: 100, Message: append(c.words, "sealpod.toml"), NoAnswer: true})
		})
	}
}

// Plain http works where the configuration says so, with a warning.
func TestPlainHTTPAllowed(t *testing.T) {
	t.Parallel()
	f := lab.NewFixture(t, lab.FixtureOptions{KBS: plainHTTP})
	f.Config.CA, f.Config.AllowHTTP = "", true
	p := f.Run(t)
	lab.CheckExec(t, p)
	checkWarning(t, p, "http")
}

func checkWarning(t *testing.T, p *lab.Process, words ...string) {
	t.Helper()
	for _, line := range lab.Lines(p.Stderr.String(), "sealpod: warning: ") {
		all := true
		for _, word := range words {
			all = all && strings.Contains(line, word)
		}
		if all {
			return
		}
	}
	t.Errorf("no warning says %q; stderr:\n%s", words, p.Stderr.String())
}

// Every run says what it cannot vouch for.
func TestWarningsOfATestRun(t *testing.T) {
	t.Parallel()
	f := lab.NewFixture(t, lab.FixtureOptions{})
	p := f.Run(t)
	lab.CheckExec(t, p)
	checkWarning(t, p, "sample")
	checkWarning(t, p, "not measured", f.Dir)
}

// A release build has no TEE here, and says so before a packet is sent.
func TestReleaseBuildOutsideATEE(t *testing.T) {
	t.Parallel()
	f := lab.NewFixture(t, lab.FixtureOptions{})
	p := lab.Start(t, 0, f.Dir, lab.SealpodRelease, "run", "--unmeasured-config", f.ConfigPath(t))
	p.Wait(t, waitLimit)
	f.Check(t, p, lab.Refusal{Status: 101, Message: []string{"TEE"}, NoAnswer: true})
}

func TestReleaseBuildHasNoSampleAttester(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]bool{lab.Sealpod: true, lab.SealpodRelease: false} {
		p := lab.Start(t, 0, "/", path, "version")
		p.Wait(t, waitLimit)
		if has := strings.Contains(p.Stdout.String(), "sample"); p.Status() != 0 || has != want {
			t.Errorf("'%s version' says '%s' (status %d)", path, p.Stdout.String(), p.Status())
		}
	}
}

func TestCommandLine(t *testing.T) {
	t.Parallel()
	config := "--unmeasured-config"
	for _, c := range []struct {
		args   []string
		status int
		words  string
	}{
		{[]string{}, 100, "verb"},
		{[]string{"attack"}, 100, "'attack'"},
		{[]string{"run"}, 100, config},
		{[]string{"run", config}, 100, config},
		{[]string{"run", config, ""}, 100, config},
		{[]string{"run", config, "/no/such/file"}, 100, "/no/such/file"},
		{[]string{"run", config, "/"}, 100, "'/'"},
		{[]string{"run", "--unmeasured"}, 100, "'--unmeasured'"},
		{[]string{"run", config, "/x", "--deadline", "never"}, 100, "--deadline"},
		{[]string{"run", config, "/x", "--deadline=-5s"}, 100, "--deadline"},
		{[]string{"run", config, "/x", "extra"}, 100, "'extra'"},
		{[]string{"get", config, "/x"}, 100, "URI"},
		{[]string{"get", config, "/x", "https://example.test/a/b/c"}, 100, "https://example.test/a/b/c"},
		{[]string{"get", config, "/x", "kbs:///a/b/c", "kbs:///a/b/d"}, 100, "kbs:///a/b/d"},
		{[]string{"version", "-v"}, 100, "'-v'"},
		{[]string{"help", "me"}, 100, "'me'"},
	} {
		t.Run(strings.Join(c.args, " "), func(t *testing.T) {
			t.Parallel()
			p := lab.StartSealpod(t, "/", c.args...)
			p.Wait(t, waitLimit)
			lab.CheckFailure(t, p, c.status, c.words)
		})
	}
}

// The table that `help exit-codes` prints is the one in base/err.h.
func TestExitCodesAreTheTables(t *testing.T) {
	t.Parallel()
	header, err := os.ReadFile("../../base/err.h")
	if err != nil {
		t.Fatal(err)
	}
	statuses := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^\s*(EXIT_\w+) = (\d+),`).FindAllStringSubmatch(string(header), -1) {
		statuses[m[1]] = m[2]
	}
	rows := regexp.MustCompile(`X\(ERR_\w+, "([\w-]+)", (EXIT_\w+), (true|false), "([^"]+)"\)`).FindAllStringSubmatch(string(header), -1)
	if len(rows) < 15 || len(statuses) < 8 {
		t.Fatalf("read %d rows and %d statuses from base/err.h", len(rows), len(statuses))
	}
	p := lab.StartSealpod(t, "/", "help", "exit-codes")
	p.Wait(t, waitLimit)
	got := map[string]bool{}
	for _, line := range strings.Split(p.Stdout.String(), "\n") {
		got[strings.Join(strings.Fields(line), " ")] = true
	}
	for _, row := range rows {
		retry := map[string]string{"true": "yes", "false": "no"}[row[3]]
		if want := strings.Join([]string{statuses[row[2]], row[1], retry, row[4]}, " "); !got[want] {
			t.Errorf("no row '%s'", want)
		}
	}
	if lines := strings.Count(p.Stdout.String(), "\n"); lines != len(rows)+2 || p.Status() != 0 {
		t.Errorf("%d lines, want %d; status %d:\n%s", lines, len(rows)+2, p.Status(), p.Stdout.String())
	}
}

func TestHelp(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args         []string
		with, absent string
	}{
		{[]string{"help"}, "sealpod run|sealpod get|--unmeasured-config|--deadline", ""},
		{[]string{"--help"}, "sealpod run|sealpod get|--unmeasured-config|--deadline", ""},
		{[]string{"-h"}, "sealpod run|sealpod get|--unmeasured-config|--deadline", ""},
		{[]string{"help", "run"}, "sealpod run|--unmeasured-config|--supervise", "sealpod get|--margin"},
		{[]string{"run", "--help"}, "sealpod run|--unmeasured-config|--supervise", "sealpod get|--margin"},
		{[]string{"get", "-h"}, "sealpod get|--unmeasured-config", "sealpod run|--supervise"},
		{[]string{"svid", "--once", "--help"}, "sealpod svid|--once|--key-mode", "--supervise"},
	} {
		p := lab.StartSealpod(t, "/", c.args...)
		p.Wait(t, waitLimit)
		checkHelp(t, p, c.with, c.absent)
	}
	for _, c := range []struct {
		args         []string
		with, absent string
	}{
		{[]string{"--help"}, "sealpodctl build|sealpodctl rotate issuer", ""},
		{[]string{"build", "--help"}, "sealpodctl build|--layout", "sealpodctl apply"},
		{[]string{"build", "--json", "-h"}, "sealpodctl build|--layout", "sealpodctl apply"},
		{[]string{"rotate", "-h"}, "sealpodctl rotate issuer|sealpodctl rotate admin-key|--switch", "sealpodctl build"},
		{[]string{"help", "rotate"}, "sealpodctl rotate issuer|sealpodctl rotate admin-key|--switch", "sealpodctl build"},
		{[]string{"rotate", "issuer", "--help"}, "sealpodctl rotate issuer|--finish", "--switch"},
	} {
		checkHelp(t, lab.RunCtl(t, 0, "/", c.args...), c.with, c.absent)
	}
	says(t, lab.RunCtl(t, 100, "/", "nothing", "--help"), "no help on 'nothing'")
}

func checkHelp(t *testing.T, p *lab.Process, with, absent string) {
	t.Helper()
	if p.Status() != 0 {
		t.Errorf("status %d\n%s", p.Status(), p)
	}
	for _, word := range strings.Split(with, "|") {
		if !strings.Contains(p.Stdout.String(), word) {
			t.Errorf("does not mention '%s': %s", word, p)
		}
	}
	for _, word := range strings.Split(absent, "|") {
		if word != "" && strings.Contains(p.Stdout.String(), word) {
			t.Errorf("mentions '%s': %s", word, p)
		}
	}
}

func TestGet(t *testing.T) {
	t.Parallel()
	f := lab.NewFixture(t, lab.FixtureOptions{})
	p := startGet(t, f, "kbs:///"+lab.PathCombined)
	if p.Status() != 0 || p.Stdout.String() != string(f.Credential.Combined()) {
		t.Errorf("status %d, %d bytes on standard output, want the %d of the resource; stderr:\n%s",
			p.Status(), len(p.Stdout.String()), len(f.Credential.Combined()), p.Stderr.String())
	}
	if seen := f.KBS.Counters(); lab.Handshakes(seen) != 1 || lab.Gets(seen) != 1 {
		t.Errorf("the broker saw %d attestations and %d resource requests, want one each", lab.Handshakes(seen), lab.Gets(seen))
	}
	f.CheckNothingLeft(t, p)
}

func startGet(t *testing.T, f *lab.Fixture, uri string) *lab.Process {
	t.Helper()
	p := lab.StartSealpod(t, f.Dir, "get", "--unmeasured-config", f.ConfigPath(t), uri)
	p.Wait(t, waitLimit)
	return p
}

func TestGetDenied(t *testing.T) {
	t.Parallel()
	f := lab.NewFixture(t, lab.FixtureOptions{KBS: denyAll})
	p := startGet(t, f, "kbs:///"+lab.PathCombined)
	f.Check(t, p, lab.Refusal{Status: 102, Message: []string{"PolicyDeny"}, Attests: 1, MinGets: 1})
}

// A resource is any bytes, of any length that is taken.
func TestGetBinary(t *testing.T) {
	t.Parallel()
	content := make([]byte, 200<<10)
	for i := range content {
		content[i] = byte(i * 7)
	}
	f := lab.NewFixture(t, lab.FixtureOptions{Bundle: content})
	p := startGet(t, f, "kbs:///"+lab.PathBundle)
	if p.Status() != 0 || p.Stdout.String() != string(content) {
		t.Errorf("status %d, %d bytes, want the %d of the resource; stderr:\n%s", p.Status(), len(p.Stdout.String()), len(content), p.Stderr.String())
	}
}

// What the command line says of the agent holds for a configuration from any place, before a packet is sent; a user
// that it confirms keeps the group of such a configuration.
func TestAgentOfTheCommandLine(t *testing.T) {
	t.Parallel()
	f := lab.NewFixture(t, lab.FixtureOptions{})
	f.Expect(t, lab.Refusal{Status: 100, Message: []string{"key 'agent.path' is '" + f.Config.AgentPath + "'", "'--agent-path' says '/opt/other'"}, NoAnswer: true},
		"--agent-path", "/opt/other")
	f.Expect(t, lab.Refusal{Status: 100, Message: []string{"to run as user 0", "'--agent-uid' says 65533"}, NoAnswer: true}, "--agent-uid", "65533")
	f.Config.UID = nobodyUID
	p := f.Run(t, "--agent-path", f.Config.AgentPath, "--agent-uid", strconv.Itoa(nobodyUID))
	if seen := lab.CheckExec(t, p); seen.UID != nobodyUID {
		t.Errorf("the agent runs as %d", seen.UID)
	}
}
