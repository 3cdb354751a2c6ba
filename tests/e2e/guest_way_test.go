// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"encoding/hex"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sealpod.test/e2e/lab"
	"sealpod.test/guest"
	"sealpod.test/tee"
)

// What the log says of each way.
const (
	saysTEE     = "attesting as TEE 'snp' to the KBS"
	saysAgent   = "with a token of the attestation agent ("
	saysByREST  = "with a token of the attestation agent (api-server-rest)"
	saysHub     = "asking the confidential data hub, which attests by itself"
	saysHubREST = "asking the confidential data hub by api-server-rest, which attests by itself"
)

// auto takes the first way that is there: the KBS where a TEE is reachable, the
// agent's token, the hub by ttrpc, the hub by REST. The log and the counters of all
// parties say which.
func TestAutoTakesTheFirstWayThatIsThere(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		tee      bool
		features string
		without  []string
		says     string
		asked    guest.Counts
	}{
		{"a TEE, and all components", true, "all", nil, saysTEE, guest.Counts{}},
		{"all components", false, "all", nil, saysAgent, guest.Counts{Tokens: 1}},
		{"the agent by REST, and the hub", false, "all", []string{"aa_socket"}, saysByREST, guest.Counts{Tokens: 1}},
		{"the agent by REST alone", false, "attestation", []string{"aa_socket", "cdh_socket"}, saysByREST, guest.Counts{Tokens: 1}},
		{"the hub by both", false, "resource", []string{"aa_socket"}, saysHub, guest.Counts{Tokens: 1, Resources: 1}},
		{"the hub's socket alone", false, "none", []string{"aa_socket"}, saysHub, guest.Counts{Tokens: 1, Resources: 1}},
		{"the hub by REST alone", false, "resource", []string{"aa_socket", "cdh_socket"}, saysHubREST, guest.Counts{Tokens: 1, Resources: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			roots, kind := ownRoots(t), "sample"
			g := startGuest(t, onMachine(t, lab.FixtureOptions{}, anyTEE, roots), guest.Options{Features: c.features})
			g.without(c.without...)
			g.by("auto")
			var p *lab.Process
			if c.tee {
				kind = "snp"
				m := boot(t, tee.Options{Kind: tee.KindSNP, Roots: roots})
				p = m.start(t, "get", "--unmeasured-config", g.configPath(t), "kbs:///"+lab.PathCombined)
				p.Wait(t, waitLimit)
			} else {
				p = g.verb(t, "get", "kbs:///"+lab.PathCombined)
			}
			checkGot(t, p, g.Credential.Combined())
			checkSaid(t, p, c.says)
			g.checkCounts(t, c.asked)
			if seen := g.KBS.Counters(); lab.Handshakes(seen) != 1 || lab.Gets(seen) != 1 || seen.Last == nil || seen.Last.TEE != kind {
				t.Errorf("the broker saw %+v, want one attestation of TEE '%s' and one request", seen, kind)
			}
		})
	}
}

// What is there decides, not what fails: an agent that hangs up does not send
// sealpod on to the hub, nor does a denial.
func TestNoWayInPlaceOfOneThatFails(t *testing.T) {
	t.Parallel()
	t.Run("the agent is down", func(t *testing.T) {
		t.Parallel()
		g := startGuest(t, lab.NewFixture(t, lab.FixtureOptions{}), guest.Options{Features: "resource"})
		g.source["aa_socket"] = deadSocket(t, g.dir)
		g.Config.Deadline = 3 * time.Second
		p := g.verb(t, "run")
		g.Check(t, p, lab.Refusal{Status: 111, Message: []string{g.source["aa_socket"]}, NoAnswer: true})
		g.checkCounts(t, guest.Counts{})
	})
	t.Run("the KBS denies", func(t *testing.T) {
		t.Parallel()
		g := startGuest(t, lab.NewFixture(t, lab.FixtureOptions{KBS: denyAll}), guest.Options{Features: "all"})
		p := g.verb(t, "run")
		g.Check(t, p, lab.Refusal{Status: 102, Message: []string{"PolicyDeny"}, Attests: 1, MinGets: 1})
		g.checkCounts(t, guest.Counts{Tokens: 1})
	})
}

// deadSocket is a socket on which nobody listens, as a crashed component leaves it.
func deadSocket(t *testing.T, dir string) string {
	t.Helper()
	path := filepath.Join(dir, "dead.sock")
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		t.Fatal(err)
	}
	return path
}

// The sockets are looked for where kata's agent makes them.
func TestUsualPlacesOfTheComponents(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, links, says string }{
		{"both", "attestation-agent/attestation-agent.sock cdh.sock", saysAgent},
		{"the hub", "cdh.sock", saysHub},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			g := startGuest(t, lab.NewFixture(t, lab.FixtureOptions{}), guest.Options{Features: "none"})
			g.source = map[string]string{"rest_url": g.source["rest_url"]}
			p := lab.Start(t, 0, "/", "unshare", "--mount", "sh", "-ec",
				`mount -t tmpfs tmpfs /run; cd /run; mkdir -p confidential-containers/attestation-agent; cd confidential-containers
				for link in $1; do ln -s "$2/${link##*/}" "$link"; done
				exec "$0" get --unmeasured-config "$3" "$4"`,
				lab.SealpodRelease, c.links, g.dir, g.configPath(t), "kbs:///"+lab.PathCombined)
			p.Wait(t, waitLimit)
			checkGot(t, p, g.Credential.Combined())
			checkSaid(t, p, c.says)
		})
	}
}

// ways are the four through the guest's components.
var ways = []struct {
	name     string
	force    func(*guestLab)
	says     string
	oneToken bool // for all resources; else each costs an attestation
}{
	{"agent by ttrpc", func(g *guestLab) { g.by("aa") }, saysAgent, true},
	{"agent by REST", func(g *guestLab) { g.byREST("aa") }, saysByREST, true},
	{"hub by ttrpc", func(g *guestLab) { g.by("cdh") }, saysHub, false},
	{"hub by REST", func(g *guestLab) { g.byREST("rest") }, saysHubREST, false},
}

// Each way, to an SVID: one token of the agent is enough for all resources, the hub
// attests anew for each.
func TestSVIDThroughTheGuestsComponents(t *testing.T) {
	t.Parallel()
	for _, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			g := startGuest(t, lab.NewFixture(t, lab.FixtureOptions{RealAgent: true}), guest.Options{Features: "all"})
			way.force(g)
			g.Separate()
			path := "/guest/" + hex.EncodeToString([]byte(way.name))
			g.Spire.Entry(t, g.Credential.AgentID(), path, workloadUID)
			makePublicDir(t, g.Fixture)
			p := g.startVerb(t, "run")
			g.WaitForExec(t, p, 40*time.Second)
			svid := lab.FetchID(t, g.Socket, workloadUID, "spiffe://"+lab.TrustDomain+path, 40*time.Second)
			if !svid.Verified {
				t.Error("the SVID does not verify against the trust bundle")
			}
			checkSaid(t, p, way.says)
			want, attested := guest.Counts{Tokens: 1}, 1
			if !way.oneToken {
				want, attested = guest.Counts{Tokens: 3, Resources: 3}, 3
			}
			g.checkCounts(t, want)
			if seen := g.KBS.Counters(); lab.Handshakes(seen) != attested || lab.Gets(seen) != 3 {
				t.Errorf("the broker saw %d attestations and %d requests, want %d and 3", lab.Handshakes(seen), lab.Gets(seen), attested)
			}
			p.Signal(syscall.SIGTERM)
			p.Wait(t, 20*time.Second)
		})
	}
}

// --source beats the configuration.
func TestSourceOption(t *testing.T) {
	t.Parallel()
	g := startGuest(t, lab.NewFixture(t, lab.FixtureOptions{}), guest.Options{Features: "all"})
	g.by("rest")
	p := g.verb(t, "get", "--source", "cdh", "kbs:///"+lab.PathBundle)
	checkGot(t, p, g.Spire.Bundle)
	checkSaid(t, p, saysHub)
	p = g.verb(t, "get", "--source", "ftp", "kbs:///"+lab.PathBundle)
	lab.CheckFailure(t, p, 100, "'ftp'", "'auto', 'kbs', 'aa', 'cdh' or 'rest'")
}

// api-server-rest is spoken to without TLS, so on the pod's own loopback only.
func TestRESTOnLoopbackOnly(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"http://192.0.2.1:8006", "http://localhost:8006", "https://127.0.0.1:8006", "http://127.0.0.1.example.test:8006"} {
		t.Run(strings.NewReplacer("/", "", ":", "").Replace(url), func(t *testing.T) {
			t.Parallel()
			g := newGuest(t, lab.NewFixture(t, lab.FixtureOptions{}), guest.Options{})
			g.byREST("rest")
			g.source["rest_url"] = url
			g.Check(t, g.verb(t, "run"), lab.Refusal{Status: 100, Message: []string{url, "loopback"}, NoAnswer: true})
		})
	}
}
