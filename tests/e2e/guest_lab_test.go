// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"path/filepath"
	"testing"

	"sealpod.test/e2e/lab"
	"sealpod.test/guest"
)

// guestLab is a fixture in a guest that runs the attestation agent, the data hub
// and api-server-rest. They attest as the sample TEE; sealpod is the release build,
// which finds no TEE of its own.
type guestLab struct {
	*lab.Fixture
	dir        string // of the sockets
	options    guest.Options
	components *guest.Components
	source     map[string]string // keys of [source]
}

// newGuest makes a guest whose components are not up yet. Its configuration names
// their sockets; there is nothing at the address of api-server-rest.
func newGuest(t *testing.T, f *lab.Fixture, o guest.Options) *guestLab {
	t.Helper()
	if lab.Wrapped() {
		t.Skip("what runs beside the guest's components is the release build, which nothing wraps")
	}
	g := &guestLab{Fixture: f, dir: machineDir(t), options: o}
	g.options.KBSURL, g.options.CAPEM, g.options.Dir = f.KBS.URL(), f.KBS.CAPEM(), g.dir
	g.source = map[string]string{
		"aa_socket": filepath.Join(g.dir, "attestation-agent.sock"), "cdh_socket": filepath.Join(g.dir, "cdh.sock"),
		"rest_url": fmt.Sprintf("http://127.0.0.1:%d", lab.ReservePort(t)),
	}
	return g
}

// startGuest makes a guest and brings its components up.
func startGuest(t *testing.T, f *lab.Fixture, o guest.Options) *guestLab {
	t.Helper()
	g := newGuest(t, f, o)
	g.up(t)
	return g
}

// up brings the components up; they are gone with the test.
func (g *guestLab) up(t *testing.T) {
	t.Helper()
	var err error
	if g.components, err = guest.Start(g.options); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.components.Close)
	if g.components.RESTURL != "" {
		g.source["rest_url"] = g.components.RESTURL
	}
}

// without takes a component away: the configuration then names a socket that is
// not there.
func (g *guestLab) without(keys ...string) {
	for _, key := range keys {
		g.source[key] = filepath.Join(g.dir, "no-such.sock")
	}
}

// by forces a way.
func (g *guestLab) by(kind string) { g.source["kind"] = kind }

// byREST forces a way, and its half of api-server-rest where there are two.
func (g *guestLab) byREST(kind string) {
	g.by(kind)
	g.without("aa_socket", "cdh_socket")
}

func (g *guestLab) configPath(t *testing.T) string {
	t.Helper()
	lines := "\n[source]\n"
	for key, value := range g.source {
		lines += fmt.Sprintf("%s = %q\n", key, value)
	}
	before := g.Config.More
	g.Config.More += lines
	path := g.ConfigPath(t)
	g.Config.More = before
	return path
}

// startVerb starts the release build beside the components.
func (g *guestLab) startVerb(t *testing.T, verb string, args ...string) *lab.Process {
	t.Helper()
	return lab.Start(t, g.RunAs, g.Dir, append([]string{lab.SealpodRelease, verb, "--unmeasured-config", g.configPath(t)}, args...)...)
}

// verb runs it to its end.
func (g *guestLab) verb(t *testing.T, verb string, args ...string) *lab.Process {
	t.Helper()
	p := g.startVerb(t, verb, args...)
	p.Wait(t, waitLimit)
	return p
}

// checkCounts checks what the components were asked for.
func (g *guestLab) checkCounts(t *testing.T, want guest.Counts) {
	t.Helper()
	if got := g.components.Counts(); got != want {
		t.Errorf("the guest's components were asked for %+v, want %+v", got, want)
	}
}

// checkGot checks what a command wrote to standard output.
func checkGot(t *testing.T, p *lab.Process, want []byte) {
	t.Helper()
	if p.Status() != 0 || p.Stdout.String() != string(want) {
		t.Errorf("status %d, %d bytes on standard output, want the %d of the resource; stderr:\n%s",
			p.Status(), len(p.Stdout.String()), len(want), p.Stderr.String())
	}
}
