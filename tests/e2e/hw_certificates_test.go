// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sealpod.test/e2e/lab"
	"sealpod.test/tee"
)

// A certificate table that is no use is the host's doing. The report goes without
// it: accepted where the verifier has the VCEK from elsewhere, else refused.
func TestCertificateTableThatIsNoUse(t *testing.T) {
	t.Parallel()
	const leftOut = "the host's certificate table is left out"
	for _, c := range []struct{ name, fault, said string }{
		{"none", "certs=none", ""},
		{"cut in its VCEK", "certs=cut-vek", leftOut},
		{"endless", "certs=endless", leftOut},
		{"certificate beyond its end", "certs=outside", leftOut},
		{"lengths that overflow", "certs=overflow", leftOut},
		{"certificate inside of its header", "certs=header", leftOut},
		{"no certificates but garbage", "certs=garbage", leftOut},
		{"no VCEK among them", "certs=no-vek", "neither VCEK nor VLEK is among them"},
	} {
		for _, kind := range []string{tee.KindSNP, tee.KindSNPIoctl} {
			t.Run(c.name+" on "+kind, func(t *testing.T) {
				t.Parallel()
				roots, empty := ownRoots(t), ownRoots(t)
				m := boot(t, tee.Options{Kind: kind, Roots: roots}, c.fault)
				f := onMachine(t, lab.FixtureOptions{}, knownGood(), roots)
				p := m.run(t, f)
				lab.CheckExec(t, p)
				checkSaid(t, p, c.said)
				checkMember(t, f, "cert_chain", false)
				m.checkCost(t, 1)

				f = onMachine(t, lab.FixtureOptions{}, knownGood(), empty)
				f.Config.Deadline = 20 * time.Second
				f.Check(t, m.run(t, f), lab.Refusal{Status: 102, Message: []string{"AttestationError"}, Attests: 1})
				if cause := f.KBS.Counters().LastRefusal; !strings.Contains(cause, "store has no VCEK") {
					t.Errorf("the broker refused it because of '%s'", cause)
				}
				m.checkCost(t, 2)
			})
		}
	}
}

// A table that is cut, or whose certificates overlap, still has a VCEK; what
// suffers is a part that the verifier has itself.
func TestCertificateTableWithASoundVCEK(t *testing.T) {
	t.Parallel()
	for _, fault := range []string{"certs=cut", "certs=overlap"} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			m := boot(t, tee.Options{Kind: tee.KindSNP}, fault)
			f := onMachine(t, lab.FixtureOptions{}, knownGood(), ownRoots(t)) // without the machine's VCEK
			p := m.run(t, f)
			lab.CheckExec(t, p)
			checkMember(t, f, "cert_chain", true)
			m.checkCost(t, 1)
		})
	}
}

// A host whose firmware was updated may still give the certificate of before. It is
// left out, for the verifier would refuse the report by it; a VLEK is sent in any case,
// for nobody else has one.
func TestVCEKOfAnotherFirmware(t *testing.T) {
	t.Parallel()
	const leftOut = "the host's certificate table is left out: the SNP report is not signed by the key in the certificate that the host gave for it"
	for _, kind := range []string{tee.KindSNP, tee.KindSNPIoctl} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			roots := ownRoots(t)
			m := boot(t, tee.Options{Kind: kind, Roots: roots}, "foreign-vek")
			f := onMachine(t, lab.FixtureOptions{}, knownGood(), roots)
			p := m.run(t, f)
			lab.CheckExec(t, p)
			checkSaid(t, p, leftOut)
			checkMember(t, f, "cert_chain", false)
			m.checkCost(t, 1)
		})
	}
	t.Run("VLEK", func(t *testing.T) {
		t.Parallel()
		roots := ownRoots(t)
		m := boot(t, tee.Options{Kind: tee.KindSNP, VLEK: true, Roots: roots}, "foreign-vek")
		f := onMachine(t, lab.FixtureOptions{}, knownGood(), roots)
		f.Config.Deadline = 20 * time.Second
		p := m.run(t, f)
		f.Check(t, p, lab.Refusal{Status: 102, Message: []string{"AttestationError"}, Attests: 1})
		checkUnsaid(t, p, "left out")
		if cause := f.KBS.Counters().LastRefusal; !strings.Contains(cause, "signature does not verify") {
			t.Errorf("the broker refused it because of '%s'", cause)
		}
	})
}

// A host whose certificates need more room than was offered says how much. A
// kernel that takes no such buffer gives a report without them.
func TestCertificateTableLargerThanTheBuffer(t *testing.T) {
	t.Parallel()
	const tooLarge = "the host's certificate table is larger than can be taken; the report goes without it"
	for _, c := range []struct {
		name       string
		faults     []string
		ext, plain int
		chain      bool
		said       string
	}{
		{"growth", []string{"certs=huge", "certs-limit=0x8000"}, 2, 0, true, ""},
		{"growth, as other kernels say it", []string{"certs=huge", "certs-limit=0x8000", "certs-errno=ENOSPC"}, 2, 0, true, ""},
		{"growth after EINVAL", []string{"certs=huge", "certs-limit=0x8000", "certs-errno=EINVAL*1"}, 2, 0, true, ""},
		{"more than the kernel takes", []string{"certs=huge"}, 2, 1, false, tooLarge},
		{"a need that is no page's multiple", []string{"certs=huge", "certs-limit=0x8000", "certs-needed=0x4001"}, 1, 1, false, tooLarge},
		{"a need of nothing", []string{"certs=huge", "certs-limit=0x8000", "certs-needed=0"}, 1, 1, false, tooLarge},
		{"a need that is there already", []string{"certs=huge", "certs-limit=0x8000", "certs-needed=0x4000"}, 1, 1, false, tooLarge},
		{"a need beyond all measure", []string{"certs=huge", "certs-limit=0x8000", "certs-needed=0xfffff000"}, 1, 1, false, tooLarge},
		{"a need that grows each time", []string{"certs=huge", "certs-limit=0x4000", "certs-needed=0x5000"}, 2, 1, false, tooLarge},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			roots := ownRoots(t)
			m := boot(t, tee.Options{Kind: tee.KindSNPIoctl, Roots: roots}, c.faults...)
			f := onMachine(t, lab.FixtureOptions{}, knownGood(), roots)
			p := m.run(t, f)
			lab.CheckExec(t, p)
			checkSaid(t, p, c.said)
			checkMember(t, f, "cert_chain", c.chain)
			checkIoctls(t, m, c.ext, c.plain)
			m.checkCost(t, 1)
			if p.Elapsed() < leastPause {
				t.Errorf("two commands within %v: old kernels lock themselves out", p.Elapsed())
			}
		})
	}
}

// The roots of one test must not lend their VCEK to another.
func TestStoresOfVCEKsAreApart(t *testing.T) {
	t.Parallel()
	mine, other := ownRoots(t), ownRoots(t)
	boot(t, tee.Options{Kind: tee.KindSNP, Roots: mine})
	for dir, want := range map[string]int{mine: 1, other: 0} {
		if found, _ := filepath.Glob(filepath.Join(dir, "amd", "vcek", "*", "*.der")); len(found) != want {
			t.Errorf("'%s' has %v, want %d", dir, found, want)
		}
	}
	if shared, err := machineRoots(); err != nil {
		t.Fatal(err)
	} else if _, err := os.Stat(filepath.Join(shared, "amd", "vcek")); !os.IsNotExist(err) {
		t.Errorf("a machine wrote to the roots of all: %v", err)
	}
}
