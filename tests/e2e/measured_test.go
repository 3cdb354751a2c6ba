// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"encoding/hex"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sealpod.test/e2e/lab"
	"sealpod.test/tee"
)

// claimsPolicy releases to a VM that was started with init-data of this digest in
// its register, which says 'alpha', and to no other.
func claimsPolicy(register string) string {
	return fmt.Sprintf(`package policy
import rego.v1
default allow := false
evidence := input.submods.cpu0["ear.veraison.annotated-evidence"]
allow if {
	evidence.init_data == "%s"
	evidence.init_data_claims.class == "alpha\n"
	contains(evidence.init_data_claims["sealpod.toml"], "trust_domain")
}
`, register)
}

// measured is a machine with what it was measured with, and a broker for it.
type measured struct {
	machine *machine
	fixture *lab.Fixture
	text    string // of init-data
	digest  string // of it, in hexadecimal
}

// measuredOptions say how init-data names the broker.
type measuredOptions struct {
	tee          tee.Options
	algorithm    string
	byCDH        bool // the broker by cdh.toml, not aa.toml
	inlineBundle bool
	realAgent    bool
	change       func(*lab.Fixture, map[string]string)
}

// newMeasured boots the machine with the digest in its register. Its sealpod.toml
// names no broker; that is the business of aa.toml or cdh.toml.
func newMeasured(t *testing.T, o measuredOptions, faults ...string) *measured {
	t.Helper()
	if o.tee.Kind == "" {
		o.tee.Kind = tee.KindSNP
	}
	if o.algorithm == "" {
		o.algorithm = "sha256"
	}
	o.tee.Roots = ownRoots(t)
	f := onMachine(t, lab.FixtureOptions{RealAgent: o.realAgent}, lab.DenyAll, o.tee.Roots)
	url, ca := f.Config.URL, f.Config.CA
	f.Config.URL, f.Config.CA = "", ""
	if o.inlineBundle {
		f.Config.Bundle, f.Config.BundlePEM = "", string(f.Spire.Bundle)
	}
	entries := map[string]string{"class": "alpha\n"}
	if o.byCDH {
		entries["cdh.toml"] = cdhToml(url, ca)
	} else {
		entries["aa.toml"] = aaToml(url, ca)
	}
	entries["sealpod.toml"] = f.Config.TOML()
	if o.change != nil {
		o.change(f, entries)
	}
	text := initDataText(o.algorithm, entries)
	digest := digestOf(t, o.algorithm, text)
	bind(&o.tee, digest)
	length := 32
	if o.tee.MRConfigID != "" {
		length = 48
	}
	if err := f.KBS.SetResourcePolicy(claimsPolicy(register(digest, length))); err != nil {
		t.Fatal(err)
	}
	m := &measured{machine: boot(t, o.tee, faults...), fixture: f, text: text, digest: digest}
	m.machine.freshRun(t)
	return m
}

// Measured configuration, the whole way: init-data at each place and in each form,
// its digest in HOST_DATA or MRCONFIGID, the KBS out of aa.toml or cdh.toml inside,
// sent to the KBS byte for byte, where a policy on its claims releases, to an SVID.
func TestMeasuredConfigurationReachesTheWorkload(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		place int
		o     measuredOptions
	}{
		{0, measuredOptions{tee: tee.Options{Kind: tee.KindSNP}, algorithm: "sha256"}},
		{1, measuredOptions{tee: tee.Options{Kind: tee.KindSNPIoctl}, algorithm: "sha384", byCDH: true, inlineBundle: true}},
		{0, measuredOptions{tee: tee.Options{Kind: tee.KindTDX15}, algorithm: "sha512", byCDH: true}},
		{1, measuredOptions{tee: tee.Options{Kind: tee.KindTDX}, algorithm: "sha256", inlineBundle: true}},
	} {
		place := places[c.place]
		t.Run(fmt.Sprintf("%s, %s, %s", c.o.tee.Kind, c.o.algorithm, place.name), func(t *testing.T) {
			t.Parallel()
			c.o.realAgent = true
			m := newMeasured(t, c.o)
			f := m.fixture
			m.machine.put(t, place.path, place.form(t, m.text))
			path := "/measured/" + hex.EncodeToString([]byte(t.Name()))[:40] + c.o.tee.Kind
			f.Spire.Entry(t, f.Credential.AgentID(), path, workloadUID)
			makePublicDir(t, f)
			p := m.machine.start(t, "run")
			f.WaitForExec(t, p, 60*time.Second)
			svid := lab.FetchID(t, f.Socket, workloadUID, "spiffe://"+lab.TrustDomain+path, 40*time.Second)
			if !svid.Verified {
				t.Error("the SVID does not verify against the trust bundle")
			}
			checkSaid(t, p, "configuration out of init-data '"+place.path+"'")
			checkUnsaid(t, p, "not measured")
			m.checkSent(t)
			m.machine.checkCost(t, 1)
			gets := 2
			if c.o.inlineBundle {
				gets = 1
			}
			if seen := f.KBS.Counters(); lab.Handshakes(seen) != 1 || lab.Gets(seen) != gets {
				t.Errorf("the broker saw %d attestations and %d requests, want 1 and %d", lab.Handshakes(seen), lab.Gets(seen), gets)
			}
			p.Signal(syscall.SIGTERM)
			p.Wait(t, 20*time.Second)
		})
	}
}

// checkSent checks that the KBS was sent init-data, and in it not a byte changed.
func (m *measured) checkSent(t *testing.T) {
	t.Helper()
	seen := m.fixture.KBS.Counters()
	if seen.Last == nil || seen.Last.InitData == nil {
		t.Fatalf("the broker was sent no init-data: %+v", seen)
	}
	if *seen.Last.InitData != m.text {
		t.Errorf("the broker was sent this init-data:\n%s\nwant:\n%s", *seen.Last.InitData, m.text)
	}
}

// A policy on what init-data says denies a VM with another one, at once.
func TestPolicyDeniesByInitData(t *testing.T) {
	t.Parallel()
	m := newMeasured(t, measuredOptions{change: func(_ *lab.Fixture, entries map[string]string) { entries["class"] = "beta\n" }})
	m.machine.put(t, kataInitData, []byte(m.text))
	p := m.machine.runMeasured(t)
	m.fixture.Check(t, p, lab.Refusal{Status: 102, Message: []string{"PolicyDeny"}, Attests: 1, MinGets: 1})
	m.checkSent(t)
	checkSaid(t, p, "init-data digest         "+m.digest, "bound in               HOST_DATA", "configuration            init-data '"+kataInitData+"'")
}

// Init-data is read once: digest, configuration and what the KBS is sent come from the same
// bytes, and who swaps the file meanwhile swaps nothing.
func TestInitDataIsReadOnce(t *testing.T) {
	t.Parallel()
	m := newMeasured(t, measuredOptions{})
	m.machine.put(t, kataInitData, []byte(m.text))
	watch, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(watch)
	path := fmt.Sprintf("/proc/%d/root%s", m.machine.process.Pid, kataInitData)
	if _, err := unix.InotifyAddWatch(watch, path, unix.IN_OPEN|unix.IN_CLOSE); err != nil {
		t.Fatal(err)
	}
	lab.CheckExec(t, m.machine.runMeasured(t))
	m.checkSent(t)
	events := make([]byte, 4096)
	n, err := unix.Read(watch, events)
	if want := 2 * unix.SizeofInotifyEvent; err != nil || n != want {
		t.Errorf("%d bytes of events (%v), want %d: opened once, closed once", n, err, want)
	}
}

// Init-data that is not what this TEE was started with: 101 with both values before
// evidence or a secret moves, whoever left it there.
func TestInitDataThatTheTEEWasNotStartedWith(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{tee.KindSNP, tee.KindSNPIoctl, tee.KindTDX, tee.KindTDX15} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			name, length := "HOST_DATA", 32
			if strings.HasPrefix(kind, tee.KindTDX) {
				name, length = "MRCONFIGID", 48
			}
			m := newMeasured(t, measuredOptions{tee: tee.Options{Kind: kind}, algorithm: "sha384"})
			// The host swaps one letter in what it hands over.
			other := strings.Replace(m.text, "# by hand", "# by Hand", 1)
			for i, place := range places {
				m.machine.put(t, place.path, place.form(t, other))
				p := m.machine.runMeasured(t)
				m.fixture.Check(t, p, lab.Refusal{Status: 101, Message: []string{name,
					register(m.digest, length), register(digestOf(t, "sha384", other), length)}})
				checkOnlyAuth(t, m.fixture, i+1)
				m.machine.checkCost(t, i+1)
				m.machine.inside(t, nil, "rm", place.path)
			}
		})
	}
}

// `sealpod attest` looks for the init-data that lies in the guest, as `sealpod run`
// does, in all formats: 101 and no output where the report does not carry it. Where
// there is none it asks for none.
func TestAttestLooksForTheInitDataOfTheGuest(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{tee.KindSNP, tee.KindSNPIoctl, tee.KindTDX, tee.KindTDX15} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			name, length := "HOST_DATA", 32
			if strings.HasPrefix(kind, tee.KindTDX) {
				name, length = "MRCONFIGID", 48
			}
			text := initDataText("sha384", map[string]string{"aa.toml": "a = 1\n"}) // no entry of ours: attest wants none
			digest := digestOf(t, "sha384", text)
			o := tee.Options{Kind: kind}
			bind(&o, digest)
			m := boot(t, o)
			m.freshRun(t)
			p := m.attest(t)
			if p.Status() != 0 {
				t.Errorf("without init-data: status %d\n%s", p.Status(), p)
			}
			checkUnsaid(t, p, "init-data")
			reports := 1
			for _, place := range places {
				for _, format := range []string{"text", "json", "raw"} {
					m.put(t, place.path, place.form(t, text))
					p = m.attest(t, "--format", format)
					if p.Status() != 0 || p.Stdout.String() == "" {
						t.Errorf("%s: status %d\n%s", format, p.Status(), p)
					}
					checkSaid(t, p, name+" carries the sha384 digest of the init-data in '"+place.path+"'")
					m.put(t, place.path, place.form(t, text+"\n"))
					lab.CheckFailure(t, m.attest(t, "--format", format), 101, name, register(digest, length),
						register(digestOf(t, "sha384", text+"\n"), length))
					reports += 2
				}
				m.inside(t, nil, "rm", place.path)
			}
			m.checkCost(t, reports)
			m.put(t, kataInitData, []byte("no init-data"))
			lab.CheckFailure(t, m.attest(t), 100, kataInitData)
			m.checkCost(t, reports)
		})
	}
}

// checkOnlyAuth checks that the broker was asked for a challenge at most so often.
func checkOnlyAuth(t *testing.T, f *lab.Fixture, most int) {
	t.Helper()
	seen := f.KBS.Counters()
	if seen.Requests["auth"] > most || seen.Requests["attest"] != 0 || seen.Requests["resource"] != 0 {
		t.Errorf("the broker saw %v, want at most %d auth", seen.Requests, most)
	}
}

// A TEE that was started without init-data does not take any.
func TestInitDataInATEEThatWasStartedWithout(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{tee.KindSNP, tee.KindTDX} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			name, length := "HOST_DATA", 32
			if kind == tee.KindTDX {
				name, length = "MRCONFIGID", 48
			}
			m := newMeasured(t, measuredOptions{})
			bare := boot(t, tee.Options{Kind: kind, HostData: "00", MRConfigID: "00"})
			bare.freshRun(t)
			bare.put(t, kataInitData, []byte(m.text))
			p := bare.runMeasured(t)
			m.fixture.Check(t, p, lab.Refusal{Status: 101, Message: []string{name, strings.Repeat("0", 2*length), register(m.digest, length)}})
			checkOnlyAuth(t, m.fixture, 1)
		})
	}
}

// What cloud-api-adaptor writes beside init-data is the host's word: neither KBS
// nor digest are taken from there.
func TestFilesBesideInitDataAreIgnored(t *testing.T) {
	t.Parallel()
	spoil := func(t *testing.T, m *measured) *lab.Trap {
		trap := lab.NewTrap(t)
		ca := string(m.fixture.KBS.CAPEM())
		m.machine.put(t, peerPodAA, []byte(aaToml(trap.URL, ca)))
		m.machine.put(t, peerPodCDH, []byte(cdhToml(trap.URL, ca)))
		m.machine.put(t, peerPodDigest, []byte(strings.Repeat("0", 64)))
		return trap
	}
	for _, place := range places {
		t.Run(place.name, func(t *testing.T) {
			t.Parallel()
			m := newMeasured(t, measuredOptions{})
			trap := spoil(t, m)
			m.machine.put(t, place.path, place.form(t, m.text))
			lab.CheckExec(t, m.machine.runMeasured(t))
			m.checkSent(t)
			if trap.Connections() != 0 {
				t.Errorf("the KBS of '%s' was asked", peerPodAA)
			}
		})
		t.Run(place.name+", and init-data names no KBS", func(t *testing.T) {
			t.Parallel()
			m := newMeasured(t, measuredOptions{change: func(_ *lab.Fixture, entries map[string]string) { delete(entries, "aa.toml") }})
			trap := spoil(t, m)
			m.machine.put(t, place.path, place.form(t, m.text))
			p := m.machine.runMeasured(t)
			m.fixture.Check(t, p, lab.Refusal{Status: 100, NoAnswer: true})
			checkSaid(t, p, place.path+" [data] sealpod.toml", "kbs.url")
			if trap.Connections() != 0 {
				t.Errorf("the KBS of '%s' was asked", peerPodAA)
			}
		})
	}
}

// The KBS that sealpod.toml names wins over the one of the guest's components, URL
// and CA together.
func TestKBSOfTheEntryWins(t *testing.T) {
	t.Parallel()
	trap := lab.NewTrap(t)
	m := newMeasured(t, measuredOptions{change: func(f *lab.Fixture, entries map[string]string) {
		f.Config.URL, f.Config.CA = f.KBS.URL(), string(f.KBS.CAPEM())
		entries["sealpod.toml"] = f.Config.TOML()
		entries["aa.toml"] = aaToml(trap.URL, string(lab.NewAuthority(t, "another", nil).PEM))
	}})
	m.machine.put(t, kataInitData, []byte(m.text))
	lab.CheckExec(t, m.machine.runMeasured(t))
	if trap.Connections() != 0 {
		t.Error("the KBS of aa.toml was asked")
	}
}
