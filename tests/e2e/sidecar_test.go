// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"os"
	"path/filepath"
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

func (s *sidecar) run(t *testing.T, args ...string) *lab.Process {
	t.Helper()
	return s.container.start(t, append([]string{s.program, "run", "--config", "kbs:///" + pathConfig}, args...)...)
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
			checkUnsaid(t, p, "not measured", "warning")
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
