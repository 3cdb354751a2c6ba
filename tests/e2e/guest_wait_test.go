// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sealpod.test/e2e/lab"
	"sealpod.test/guest"
	"sealpod.test/tee"
)

// saysWaiting is what sealpod says before it waits.
const saysWaiting = "waiting for the guest's components: "

// refuser listens where api-server-rest is to be and hangs up on whoever comes, as the real
// one does on '/info' while the attestation agent is down.
func refuser(t *testing.T, address string) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			conn.Close()
		}
	}()
	return listener
}

func (g *guestLab) restAddress() string { return strings.TrimPrefix(g.source["rest_url"], "http://") }

// A sidecar may start before the guest's components. What the configuration names is waited
// for, then the first way is taken that is there.
func TestAutoWaitsForComponents(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, features string
		without        []string
		says           string
	}{
		{"all of them", "all", nil, saysAgent},
		{"the hub's socket", "none", []string{"aa_socket"}, saysHub},
		{"api-server-rest, with the agent", "all", []string{"aa_socket", "cdh_socket"}, saysByREST},
		{"api-server-rest, with resources alone", "resource", []string{"aa_socket", "cdh_socket"}, saysHubREST},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			g := newGuest(t, lab.NewFixture(t, lab.FixtureOptions{}), guest.Options{Features: c.features})
			g.options.REST = g.restAddress()
			g.without(c.without...)
			g.Config.Deadline = 40 * time.Second
			p := g.startVerb(t, "run")
			awaitSaid(t, p, saysWaiting)
			checkSaid(t, p, g.source["aa_socket"], g.source["cdh_socket"], g.source["rest_url"], "no TEE")
			g.up(t)
			p.Wait(t, waitLimit)
			lab.CheckExec(t, p)
			checkSaid(t, p, c.says)
		})
	}
}

func awaitSaid(t *testing.T, p *lab.Process, words string) {
	t.Helper()
	lab.Eventually(t, 20*time.Second, "a message '"+words+"'", func() (bool, string) {
		if !p.Running() {
			t.Fatalf("it ended with %d\n%s", p.Status(), p)
		}
		return strings.Contains(p.Stderr.String(), words), p.Stderr.String()
	})
}

// An api-server-rest that is there and does not say what it serves is neither taken for
// absent nor passed over for the hub's socket, which is up all the time: it is waited for.
func TestAutoWaitsForInfo(t *testing.T) {
	t.Parallel()
	g := startGuest(t, lab.NewFixture(t, lab.FixtureOptions{}), guest.Options{Features: "none"})
	g.without("aa_socket")
	refusing := refuser(t, g.restAddress())
	g.Config.Deadline = 40 * time.Second
	p := g.startVerb(t, "run")
	awaitSaid(t, p, saysWaiting)
	checkUnsaid(t, p, saysHub)
	refusing.Close()
	g.components.Close()
	g.options.Features, g.options.REST = "all", g.restAddress()
	g.up(t)
	p.Wait(t, waitLimit)
	lab.CheckExec(t, p)
	checkSaid(t, p, saysByREST)
}

// The same for a sidecar whose configuration is to come this way: nobody has named anything.
func TestSidecarWaitsForAPIServerREST(t *testing.T) {
	t.Parallel()
	s := newSidecar(t, lab.FixtureOptions{})
	s.release(t)
	s.components.Close()
	p := s.run(t, "--deadline", "60s")
	awaitSaid(t, p, saysWaiting)
	checkSaid(t, p, "http://127.0.0.1:8006")
	s.upInPod(t)
	p.Wait(t, waitLimit)
	lab.CheckExec(t, p)
	checkSaid(t, p, saysHubREST)
}

// At the deadline it is temporary, and all that was waited for is named.
func TestAutoNamesWhatItWaitedFor(t *testing.T) {
	t.Parallel()
	t.Run("nothing came", func(t *testing.T) {
		t.Parallel()
		g := newGuest(t, lab.NewFixture(t, lab.FixtureOptions{}), guest.Options{})
		g.Config.Deadline = 3 * time.Second
		p := g.verb(t, "run")
		g.Check(t, p, lab.Refusal{Status: 111, NoAnswer: true, Message: []string{"waited in vain for the guest's components", "no TEE",
			"'" + g.source["aa_socket"] + "'", "'" + g.source["cdh_socket"] + "'", g.source["rest_url"], "refused"}})
		if p.Elapsed() < 2*time.Second || p.Elapsed() > 8*time.Second {
			t.Errorf("gave up after %v with a deadline of 3 s", p.Elapsed())
		}
	})
	t.Run("no answer to /info", func(t *testing.T) {
		t.Parallel()
		g := newGuest(t, lab.NewFixture(t, lab.FixtureOptions{}), guest.Options{})
		refuser(t, g.restAddress())
		g.Config.Deadline = 3 * time.Second
		p := g.verb(t, "run")
		g.Check(t, p, lab.Refusal{Status: 111, NoAnswer: true, Message: []string{"waited in vain", "/info", "broke before an answer came"}})
	})
	t.Run("looked at by doctor", func(t *testing.T) {
		t.Parallel()
		g := newGuest(t, lab.NewFixture(t, lab.FixtureOptions{}), guest.Options{})
		p := g.verb(t, "doctor", "--json")
		d := parseDiagnosis(t, p)
		result, detail, _ := d.result("source")
		if result != "failed" || d.firstFailure() != "source" || d.ExitStatus != 111 || !strings.Contains(detail, g.source["cdh_socket"]) {
			t.Errorf("source: %s (%s)\n%s", result, detail, p)
		}
		checkUnsaid(t, p, saysWaiting)
	})
}

// An api-server-rest that says it has not what is wanted is an answer, which waiting does not
// change: all other components are up before it.
func TestAutoWithHalfOfAPIServerREST(t *testing.T) {
	t.Parallel()
	s := newSidecarWith(t, lab.FixtureOptions{}, guest.Options{Features: "attestation"})
	s.release(t)
	p := s.run(t)
	p.Wait(t, waitLimit)
	lab.CheckFailure(t, p, 100, "serves no resources", "kbs.url", "agent.guest_components_rest_api=all")
	checkUnsaid(t, p, saysWaiting)
}

// Where nothing speaks of components there is no way, and the message names all at once.
func TestNoWayAtAll(t *testing.T) {
	t.Parallel()
	g := newGuest(t, lab.NewFixture(t, lab.FixtureOptions{}), guest.Options{})
	named := g.source
	g.source = map[string]string{}
	for _, args := range [][]string{nil, {"--source", "auto"}} {
		p := g.verb(t, "run", args...)
		g.Check(t, p, lab.Refusal{Status: 101, NoAnswer: true, Message: []string{"TEE", "attestation agent", "confidential data hub",
			"api-server-rest at http://127.0.0.1:8006", "'--source' names one to wait for"}})
		checkUnsaid(t, p, saysWaiting)
	}
	if p := g.verb(t, "run", "--source", "kbs"); p.Status() != 101 {
		t.Errorf("the KBS without a TEE: status %d\n%s", p.Status(), p)
	}
	g.source = map[string]string{"rest_url": "http://192.0.2.1:8006"}
	g.Check(t, g.verb(t, "run"), lab.Refusal{Status: 100, Message: []string{"192.0.2.1", "loopback"}, NoAnswer: true})
	g.source = named
}

// The directory of the sockets speaks of them, also where nobody names anything.
func TestAutoWaitsWhereComponentsHaveTheirPlace(t *testing.T) {
	t.Parallel()
	g := newGuest(t, lab.NewFixture(t, lab.FixtureOptions{}), guest.Options{Features: "none"})
	g.source = map[string]string{}
	g.Config.Deadline = 40 * time.Second
	p := lab.Start(t, 0, "/", "unshare", "--mount", "sh", "-ec",
		`mount -t tmpfs tmpfs /run; mkdir -p /run/confidential-containers
		(while [ ! -S "$1/cdh.sock" ]; do sleep 0.1; done; ln -s "$1/cdh.sock" /run/confidential-containers) &
		exec "$0" get --unmeasured-config "$2" "$3"`,
		lab.SealpodRelease, g.dir, g.configPath(t), "kbs:///"+lab.PathCombined)
	awaitSaid(t, p, saysWaiting)
	checkSaid(t, p, filepath.Join("/run/confidential-containers", "cdh.sock"))
	g.up(t)
	p.Wait(t, waitLimit)
	checkGot(t, p, g.Credential.Combined())
	checkSaid(t, p, saysHub)
}

// A configuration that is to be released has not said yet which KBS there is. So the hub is asked
// for it also where a device of the TEE is in sight, and the rest is fetched by what it says.
func TestReleasedConfigurationBesideATEE(t *testing.T) {
	t.Parallel()
	roots := ownRoots(t)
	g := startGuest(t, onMachine(t, lab.FixtureOptions{}, anyTEE, roots), guest.Options{Features: "none"})
	m := boot(t, tee.Options{Kind: tee.KindSNP, Roots: roots})
	if err := g.KBS.SetResource(pathConfig, []byte(g.Config.TOML())); err != nil {
		t.Fatal(err)
	}
	m.freshRun(t)
	m.inside(t, nil, "mkdir", "/run/confidential-containers")
	m.inside(t, nil, "ln", "-s", filepath.Join(g.dir, "cdh.sock"), "/run/confidential-containers/cdh.sock")
	p := m.start(t, "get", "--config", "kbs:///"+pathConfig, "kbs:///"+lab.PathCombined)
	p.Wait(t, waitLimit)
	checkGot(t, p, g.Credential.Combined())
	checkSaid(t, p, saysHub, saysTEE)
	m.checkCost(t, 1)
	p = m.start(t, "get", "--tee", "snp", "--config", "kbs:///"+pathConfig, "kbs:///"+lab.PathCombined)
	p.Wait(t, waitLimit)
	lab.CheckFailure(t, p, 100, "'kbs.url'")
}
