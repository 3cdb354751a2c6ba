// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"sealpod.test/e2e/lab"
	"sealpod.test/guest"
)

// Users as an admission controller gives them out; they exist nowhere.
const (
	installUID = 1000730000
	sidecarUID = 1000740000
	restPort   = 8006 // of api-server-rest
	serverPort = 8081
	pathConfig = "default/sealpod/config"
)

// volume is a memory emptyDir: whoever is in the pod may write to it.
func volume(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp(lab.Mem, "volume-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// install runs `sealpod install` as an init container does, and returns the path of
// the copy.
func install(t *testing.T, dir string) string {
	t.Helper()
	p := container{UID: installUID, Writable: []string{dir}}.start(t, lab.SealpodRelease, "install", dir)
	p.Wait(t, waitLimit)
	if p.Status() != 0 {
		t.Fatalf("install: status %d\n%s", p.Status(), p)
	}
	return filepath.Join(dir, "sealpod")
}

// sidecar is a pod: a volume with the installed program, one for the runtime
// directory, one for the agent's socket, and a network in which 127.0.0.1:8006 is
// api-server-rest, as kata's guest has it, and one port leads to the SPIRE server.
type sidecar struct {
	*guestLab
	network   *podNetwork
	container container
	program   string
}

func newSidecar(t *testing.T, o lab.FixtureOptions) *sidecar {
	t.Helper()
	return newSidecarWith(t, o, guest.Options{})
}

func newSidecarWith(t *testing.T, o lab.FixtureOptions, components guest.Options) *sidecar {
	t.Helper()
	components.REST = "127.0.0.1:8006"
	f := lab.NewFixture(t, o)
	network := newPodNetwork(t)
	s := &sidecar{guestLab: newGuest(t, f, components), network: network}
	s.upInPod(t)
	network.forward(t, serverPort, f.Spire.Port)
	programs := volume(t)
	s.program = install(t, programs)
	f.Config.RuntimeDir = volume(t)
	f.Socket = filepath.Join(volume(t), "api.sock")
	f.Config.SocketPath, f.Config.ServerPort = f.Socket, serverPort
	f.Config.URL, f.Config.CA = "", "" // it is not told where the KBS is
	s.container = container{UID: sidecarUID, Network: network.path,
		Writable: []string{f.Config.RuntimeDir, filepath.Dir(f.Socket)}}
	return s
}

// upInPod brings the components up; their sockets are elsewhere, api-server-rest is in the
// pod's network.
func (s *sidecar) upInPod(t *testing.T) {
	t.Helper()
	if err := s.network.do(func() (err error) { s.components, err = guest.Start(s.options); return err }); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.components.Close)
}

// release makes the KBS hold the configuration.
func (s *sidecar) release(t *testing.T) {
	t.Helper()
	if err := s.KBS.SetResource(pathConfig, []byte(s.Config.TOML())); err != nil {
		t.Fatal(err)
	}
}

// run has an agent that is not SPIRE's own image confirmed.
func (s *sidecar) run(t *testing.T, args ...string) *lab.Process {
	t.Helper()
	return s.runVerb(t, "run", append([]string{"--agent-path", s.Config.AgentPath}, args...)...)
}

func (s *sidecar) runVerb(t *testing.T, verb string, args ...string) *lab.Process {
	t.Helper()
	return s.container.start(t, append([]string{s.program, verb, "--config", "kbs:///" + pathConfig}, args...)...)
}

// saysPlain is the warning of a configuration that anybody in the pod could have written.
const saysPlain = "whatever container of the pod binds that port first decides whom this agent trusts"

// checkWarnedOnce checks that it stands there, and nothing else that is a warning.
func checkWarnedOnce(t *testing.T, p *lab.Process) {
	t.Helper()
	text := p.Stderr.String()
	if strings.Count(text, saysPlain) != 1 || strings.Count(text, "warning") != 1 || !strings.Contains(text, "plain http from http://127.0.0.1:8006") {
		t.Errorf("want one warning, of the plain way\n%s", text)
	}
}

// As a sidecar: any user, no capability, read-only root, no new privileges, the
// runtime's seccomp filter, 64 KiB of lockable memory, and nothing in sight but
// 127.0.0.1:8006. Configuration, credential and bundle come through it, and the SVID is
// served.
func TestSidecarServesSVIDs(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change func(*sidecar)
		gets   int64
	}{
		{"credential in one", func(*sidecar) {}, 3},
		{"credential in two, bundle in the configuration", func(s *sidecar) {
			s.Separate()
			s.Config.Bundle, s.Config.BundlePEM = "", string(s.Spire.Bundle)
		}, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newSidecar(t, lab.FixtureOptions{RealAgent: true})
			c.change(s)
			s.release(t)
			path := "/sidecar/" + strings.ReplaceAll(strings.ReplaceAll(c.name, " ", "-"), ",", "")
			s.Spire.Entry(t, s.Credential.AgentID(), path, workloadUID)
			p := s.run(t)
			s.WaitForExec(t, p, 60*time.Second)
			svid := lab.FetchID(t, s.Socket, workloadUID, "spiffe://"+lab.TrustDomain+path, 40*time.Second)
			if !svid.Verified {
				t.Error("the SVID does not verify against the trust bundle")
			}
			checkContained(t, p.Pid, sidecarUID)
			checkSaid(t, p, saysHubREST)
			checkUnsaid(t, p, "not measured")
			checkWarnedOnce(t, p)
			if got := s.components.Counts(); got != (guest.Counts{Tokens: c.gets, Resources: c.gets}) {
				t.Errorf("the guest's components were asked for %+v, want %d resources", got, c.gets)
			}
			p.Signal(syscall.SIGTERM)
			p.Wait(t, 20*time.Second)
			if p.Status() != 0 {
				t.Errorf("the agent ended with %d on SIGTERM\n%s", p.Status(), p)
			}
		})
	}
}

// In the container of SPIRE's own image nothing has to be said about the agent: it is where a configuration
// without a word of it has it, and runs as the container does.
func TestSidecarInTheStockImage(t *testing.T) {
	t.Parallel()
	s := newSidecar(t, lab.FixtureOptions{RealAgent: true})
	s.container.Agent = s.Config.AgentPath
	s.Config.AgentPath = stockAgent
	s.Config.UID = sidecarUID // what is so anyhow may be said
	s.release(t)
	s.Spire.Entry(t, s.Credential.AgentID(), "/sidecar/stock", workloadUID)
	p := s.runVerb(t, "run", "--supervise")
	status := (&supervised{t, s.Fixture, p}).awaitReady()
	lab.FetchID(t, s.Socket, workloadUID, "spiffe://"+lab.TrustDomain+"/sidecar/stock", 40*time.Second)
	for _, pid := range []int{p.Pid, status.AgentPID} {
		checkContained(t, pid, sidecarUID)
	}
	checkWarnedOnce(t, p)
}

// What comes over plain REST chooses neither the program nor the user: the command line confirms it, or the start
// ends before a credential is asked for. doctor sees the same.
func TestPlainRESTDoesNotChooseTheAgent(t *testing.T) {
	t.Parallel()
	const otherUID = 1000750000
	for _, c := range []struct {
		name   string
		path   string // empty: the stand-in's
		uid    uint32
		more   string // under [agent]
		root   bool
		args   []string
		status int // 0: it becomes the agent
		words  []string
	}{
		{name: "path, unconfirmed", uid: sidecarUID, status: 100, words: []string{"key 'agent.path'", "plain REST", "'--agent-path' confirms another than '" + stockAgent + "'"}},
		{name: "path, confirmed", uid: sidecarUID, args: []string{"--agent-path", "PATH"}},
		{name: "path, another confirmed", uid: sidecarUID, args: []string{"--agent-path", "/opt/other"}, status: 100,
			words: []string{"key 'agent.path'", "'--agent-path' says '/opt/other'"}},
		{name: "stock path, another confirmed", path: stockAgent, uid: sidecarUID, args: []string{"--agent-path", "PATH"}, status: 100,
			words: []string{"key 'agent.path' is '" + stockAgent + "'", "'--agent-path' says"}},
		{name: "user, unconfirmed", uid: otherUID, root: true, args: []string{"--agent-path", "PATH"}, status: 100,
			words: []string{"'agent.uid'", "1000750000", "'--agent-uid' confirms another user than 0"}},
		{name: "user, confirmed", uid: otherUID, root: true, args: []string{"--agent-path", "PATH", "--agent-uid", "1000750000"}},
		{name: "user, another confirmed", uid: otherUID, root: true, args: []string{"--agent-path", "PATH", "--agent-uid=1000760000"}, status: 100,
			words: []string{"as user 1000750000", "'--agent-uid' says 1000760000"}},
		{name: "group beside a confirmed user", uid: otherUID, more: "gid = 0\n", root: true,
			args: []string{"--agent-path", "PATH", "--agent-uid", "1000750000"}, status: 100, words: []string{"group 0", "'--agent-uid' says 1000750000"}},
		{name: "group of root's own", more: "uid = 0\ngid = 1000750000\n", root: true, args: []string{"--agent-path", "PATH"}, status: 100,
			words: []string{"'agent.gid' are 0 and 1000750000"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newSidecar(t, lab.FixtureOptions{})
			args := slices.Clone(c.args)
			for i := range args {
				args[i] = strings.Replace(args[i], "PATH", s.Config.AgentPath, 1)
			}
			if c.path != "" {
				s.Config.AgentPath = c.path
			}
			s.Config.UID = c.uid
			text := strings.Replace(s.Config.TOML(), "[agent]\n", "[agent]\n"+c.more, 1)
			put(t, s.Fixture, pathConfig, []byte(text))
			if c.root { // of the guest: an agent of another user is nothing for a container without capabilities
				s.container.UID = 0
			}
			start := func(verb string, more ...string) *lab.Process {
				argv := append([]string{s.program, verb, "--config", "kbs:///" + pathConfig}, append(args, more...)...)
				var p *lab.Process
				if !c.root {
					p = s.container.start(t, argv...)
				} else {
					p = lab.Start(t, 0, "/", append([]string{"nsenter", "--net=" + s.network.path, "--"}, argv...)...)
				}
				p.Wait(t, waitLimit)
				return p
			}
			diagnosis := start("doctor", "--attest")
			gets := lab.Gets(s.KBS.Counters())
			p := start("run")
			if c.status == 0 {
				lab.CheckExec(t, p)
				checkWarnedOnce(t, p)
				return
			}
			lab.CheckFailure(t, p, c.status, c.words...)
			if now := lab.Gets(s.KBS.Counters()); now != gets+1 {
				t.Errorf("the broker was asked for %d resources, want the configuration alone", now-gets)
			}
			if diagnosis.Status() != c.status {
				t.Errorf("doctor ended with %d\n%s", diagnosis.Status(), diagnosis)
			}
			checkSaid(t, diagnosis, c.words[len(c.words)-1])
		})
	}
}

// Another container of the pod has bound the port before the guest's component: it is believed, and the warning
// says so, but the program that it names is not executed.
func TestImpostorAtTheRESTPort(t *testing.T) {
	t.Parallel()
	s := newSidecar(t, lab.FixtureOptions{})
	s.components.Close()
	shared := filepath.Dir(s.Socket) // a volume that both containers have
	program, mark := filepath.Join(shared, "program"), filepath.Join(shared, "it-ran")
	lab.WriteFile(t, program, []byte("#!/bin/sh\n: > "+mark+"\n"), 0o755)
	s.Config.AgentPath = program
	s.impostor(t, s.Config.TOML())
	p := s.runVerb(t, "run")
	p.Wait(t, waitLimit)
	lab.CheckFailure(t, p, 100, "'"+program+"', which is not executed")
	checkWarnedOnce(t, p)
	diagnosis := s.runVerb(t, "doctor", "--attest", "--json", "--agent-path", program)
	diagnosis.Wait(t, waitLimit)
	d := parseDiagnosis(t, diagnosis)
	if result, detail, _ := d.result("configuration"); result != "warning" || !strings.Contains(detail, "over plain http: whoever binds the port") {
		t.Errorf("doctor says of the configuration: %s (%s)", result, detail)
	}
	if _, err := os.Stat(mark); err == nil {
		t.Error("the program was executed")
	}
	p = s.run(t) // the command line confirms it
	p.Wait(t, waitLimit)
	if _, err := os.Stat(mark); err != nil || p.Status() != 0 {
		t.Errorf("a program that is confirmed was not executed (%v)\n%s", err, p)
	}
}

// impostor answers as api-server-rest does, with resources of its own.
func (s *sidecar) impostor(t *testing.T, config string) {
	t.Helper()
	resources := map[string][]byte{pathConfig: []byte(config), lab.PathCombined: s.Credential.Combined(), lab.PathBundle: s.Spire.Bundle}
	mux := http.NewServeMux()
	mux.HandleFunc("/info", func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, `{"version":"v0","feature":"resource"}`)
	})
	mux.HandleFunc("/cdh/resource/", func(w http.ResponseWriter, r *http.Request) {
		w.Write(resources[strings.TrimPrefix(r.URL.Path, "/cdh/resource/")])
	})
	var listener net.Listener
	if err := s.network.do(func() (err error) { listener, err = net.Listen("tcp", "127.0.0.1:8006"); return err }); err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: mux}
	go server.Serve(listener)
	t.Cleanup(func() { server.Close() })
}

// The same with a credential that is born in the sidecar: issuer, leaf and key together
// fit into 64 KiB of locked memory. No report names the instance here.
func TestSidecarMints(t *testing.T) {
	t.Parallel()
	c := newClass(t, lab.TemplateServer(t), "sidecar")
	s := newSidecar(t, withIssuer(t, issuerPEM(t, c.issuer), lab.FixtureOptions{RealAgent: true}))
	mintFor(s.Fixture, c.name)
	s.release(t)
	p := s.run(t, "--exec")
	s.WaitForExec(t, p, 60*time.Second)
	lab.FetchID(t, s.Socket, workloadUID, c.id, 40*time.Second)
	checkContained(t, p.Pid, sidecarUID)
	instance := readInstance(t, s.Config.RuntimeDir)
	if got := agentsOf(t, s.Spire, "issuer-sidecar"); len(got) != 1 || got[0] != agentName("issuer-sidecar", instance) {
		t.Errorf("the server knows the agents %q, want that of instance '%s'", got, instance)
	}
}

// What mint does by default, under the same limits: sealpod stays as the agent's parent, renews the
// credential by another worker, tells a probe in the container, and ends with the agent.
func TestSidecarMintsAndSupervises(t *testing.T) {
	t.Parallel()
	server := lab.TemplateServer(t)
	const name = "issuer-of-a-supervising-sidecar"
	ca := newIssuer(t, server.CA, name, soon(15*time.Second))
	s := newSidecar(t, withIssuer(t, ca.combined(), lab.FixtureOptions{RealAgent: true}))
	mintFor(s.Fixture, "supervised")
	s.release(t)
	p := &supervised{t, s.Fixture, s.run(t)}
	ready := p.awaitReady()
	instance := readInstance(t, s.Config.RuntimeDir)
	s.Spire.Entry(t, agentName(name, instance), "/w/"+name, workloadUID)
	lab.FetchID(t, s.Socket, workloadUID, "spiffe://"+lab.TrustDomain+"/w/"+name, 40*time.Second)
	for _, pid := range []int{p.p.Pid, ready.AgentPID} {
		checkContained(t, pid, sidecarUID)
	}
	before := p.leaf()
	put(t, s.Fixture, pathClassIssuer, ca.renewed(t, server.CA, name, time.Now().Add(48*time.Hour)).combined())
	renewed := p.awaitRenewals(1)
	if after := p.leaf(); fingerprint(after) == fingerprint(before) || after.Subject.CommonName != instance {
		t.Errorf("instance '%s' was renewed as '%s'", instance, after.Subject.CommonName)
	}
	if renewed.AgentPID != ready.AgentPID || renewed.Restarts != 0 {
		t.Errorf("the agent was touched: %+v, then %+v", ready, renewed)
	}
	health := s.container.start(t, s.program, "health", s.Config.RuntimeDir)
	health.Wait(t, waitLimit)
	if health.Status() != 0 {
		t.Errorf("the probe: %s", health)
	}
	checkSaid(t, p.p, saysHubREST, "and is renewed before")
	checkUnsaid(t, p.p, "not measured")
	p.p.Signal(syscall.SIGTERM)
	p.p.Wait(t, 20*time.Second)
	if left, err := os.ReadDir(s.Config.RuntimeDir); p.p.Status() != 0 || err != nil || len(left) != 1 {
		t.Errorf("ended with %d, left %v (%v), want the instance's name alone\n%s", p.p.Status(), left, err, p.p)
	}
}

// readInstance is the name that was kept.
func readInstance(t *testing.T, runtimeDir string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(runtimeDir, "instance"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// What is installed is the program itself, for every user of the pod to execute, and
// replaces what was there.
func TestInstall(t *testing.T) {
	t.Parallel()
	dir := volume(t)
	lab.WriteFile(t, filepath.Join(dir, "other"), nil, 0o644)
	for range 2 {
		path := install(t, dir)
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(lab.SealpodRelease)
		if err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) || info.Mode() != 0o755 || info.Sys().(*syscall.Stat_t).Uid != installUID {
			t.Errorf("%d bytes of mode %v, want the program's %d of 0755", len(got), info.Mode(), len(want))
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 2 {
		t.Errorf("the volume holds %v (%v), want the program and what was there", entries, err)
	}
	p := container{UID: sidecarUID, Writable: []string{dir}}.start(t, filepath.Join(dir, "sealpod"), "version")
	p.Wait(t, waitLimit)
	if p.Status() != 0 || !strings.HasPrefix(p.Stdout.String(), "sealpod ") {
		t.Errorf("another user cannot run it\n%s", p)
	}
}

// A directory that is none, cannot be written to or is full: one line says which.
func TestInstallThatCannotBe(t *testing.T) {
	t.Parallel()
	dir := volume(t)
	closed, full := filepath.Join(dir, "closed"), filepath.Join(dir, "full")
	for _, name := range []string{closed, full} {
		if err := os.Mkdir(name, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	mountTmpfs(t, full, "size=64k,mode=0777")
	for _, c := range []struct {
		path   string
		status int
	}{{filepath.Join(dir, "absent"), 100}, {closed, 111}, {full, 111}} {
		p := container{UID: installUID, Writable: []string{dir, full}}.start(t, lab.SealpodRelease, "install", c.path)
		p.Wait(t, waitLimit)
		lab.CheckFailure(t, p, c.status, "'"+c.path+"'")
		if entries, _ := os.ReadDir(c.path); len(entries) != 0 {
			t.Errorf("left in '%s': %v", c.path, entries)
		}
	}
}

// What a configuration out of the KBS says wrong is told with its URI, line and key,
// and nothing is fetched by it.
func TestReleasedConfigurationThatIsWrong(t *testing.T) {
	t.Parallel()
	s := newSidecar(t, lab.FixtureOptions{})
	if err := s.KBS.SetResource(pathConfig, []byte(strings.Replace(s.Config.TOML(), "trust_domain =", "trust_domian =", 1))); err != nil {
		t.Fatal(err)
	}
	p := s.run(t)
	p.Wait(t, waitLimit)
	lab.CheckFailure(t, p, 100)
	checkSaid(t, p, "kbs:///"+pathConfig+":", "key 'spire.trust_domian'")
	if seen := s.KBS.Counters(); lab.Gets(seen) != 1 {
		t.Errorf("the broker was asked for %v, want the configuration alone", seen.Resources)
	}
}

// A configuration that is not released, or not there, is a failure behind the hub; so is an
// address at which no api-server-rest comes up.
func TestReleasedConfigurationThatIsNotThere(t *testing.T) {
	t.Parallel()
	t.Run("missing", func(t *testing.T) {
		t.Parallel()
		s := newSidecar(t, lab.FixtureOptions{})
		p := s.run(t, "--deadline", "5s")
		p.Wait(t, waitLimit)
		lab.CheckFailure(t, p, 111, "configuration 'kbs:///"+pathConfig+"'", hides)
	})
	t.Run("denied", func(t *testing.T) {
		t.Parallel()
		s := newSidecar(t, lab.FixtureOptions{KBS: denyAll})
		s.release(t)
		p := s.run(t, "--deadline", "5s")
		p.Wait(t, waitLimit)
		lab.CheckFailure(t, p, 111, "configuration 'kbs:///"+pathConfig+"'", hides)
	})
	t.Run("nothing at the address", func(t *testing.T) {
		t.Parallel()
		s := newSidecar(t, lab.FixtureOptions{})
		s.components.Close()
		p := s.run(t, "--deadline", "3s")
		p.Wait(t, waitLimit)
		lab.CheckFailure(t, p, 111, "configuration 'kbs:///"+pathConfig+"'", "waited in vain", "http://127.0.0.1:8006")
	})
}
