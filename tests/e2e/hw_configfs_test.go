// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	"sealpod.test/e2e/lab"
	"sealpod.test/guest"
	"sealpod.test/tee"
)

// An instance whose removal fails for now is removed a moment later, and nobody has
// to start anew for it. By then the next one of its name may be wanted already.
func TestInstanceThatCannotBeRemovedAtOnce(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, fault string
		said        string
	}{
		{"EBUSY once", "rmdir=EBUSY*1", ""},
		{"EINTR once", "rmdir=EINTR*1", ""},
		{"EAGAIN once", "rmdir=EAGAIN*1", ""},
		{"EBUSY for a second", "rmdir=EBUSY*20", ""},
		{"EBUSY at the probe, until the report is wanted", "rmdir=EBUSY*45", "cannot be removed: "},
		{"EIO at the probe", "rmdir=EIO*1", "cannot be removed: I/O error"},
		{"EPERM at the probe", "rmdir=EPERM*1", "cannot be removed: Operation not permitted"},
	} {
		for _, kind := range []string{tee.KindSNP, tee.KindTDX} {
			t.Run(c.name+" on "+kind, func(t *testing.T) {
				t.Parallel()
				t.Run("attest", func(t *testing.T) {
					t.Parallel()
					m := boot(t, tee.Options{Kind: kind}, c.fault)
					p := m.attest(t, "--deadline", "60s")
					if p.Status() != 0 || p.Stdout.String() == "" {
						t.Errorf("status %d\n%s", p.Status(), p)
					}
					checkRemoval(t, m, p, c.said)
				})
				t.Run("run", func(t *testing.T) {
					t.Parallel()
					roots := ownRoots(t)
					m := boot(t, tee.Options{Kind: kind, Roots: roots}, c.fault)
					f := onMachine(t, lab.FixtureOptions{}, anyTEE, roots)
					p := m.run(t, f)
					lab.CheckExec(t, p)
					checkRemoval(t, m, p, c.said)
				})
			})
		}
	}
}

func checkRemoval(t *testing.T, m *machine, p *lab.Process, said string) {
	t.Helper()
	checkUnsaid(t, p, "; trying again", "left from before", "left behind")
	if said == "" {
		checkUnsaid(t, p, "cannot be removed")
	}
	checkSaid(t, p, said)
	m.checkCost(t, 1)
}

// What is left of an instance is in the way of the next, and may go later: then the
// whole is tried again.
func TestInstanceThatIsInTheWayForAWhile(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{tee.KindSNP, tee.KindTDX} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			m := boot(t, tee.Options{Kind: kind}, "rmdir=EBUSY*90") // two seconds each, twice
			p := m.attest(t, "--deadline", "60s")
			if p.Status() != 0 {
				t.Errorf("status %d\n%s", p.Status(), p)
			}
			checkSaid(t, p, "left from before, cannot be removed: Resource busy; trying again")
			m.checkCost(t, 1)
		})
	}
}

// One that never goes is said to be left, and costs no report.
func TestInstanceThatIsNeverRemoved(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{tee.KindSNP, tee.KindTDX} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			m := boot(t, tee.Options{Kind: kind}, "rmdir=EBUSY")
			p := m.attest(t, "--deadline", "8s")
			lab.CheckFailure(t, p, 111, "gave up at the deadline", "left from before, cannot be removed")
			checkSaid(t, p, "' cannot be removed: Resource busy\n")
			if seen := m.counters(t); seen.Instances != 1 || seen.Mkdir != 1 || seen.Reports != 0 {
				t.Errorf("%+v, want one instance that stays, and no report", seen)
			}
		})
	}
}

// An instance is also removed where what happened to it ended the program, though
// its removal failed at first.
func TestInstanceIsRemovedAfterAFailure(t *testing.T) {
	t.Parallel()
	for _, fault := range []string{"outblob=EINVAL", "auxblob=ENXIO", "privlevel_floor=EIO", "refuse-inblob", "short=7"} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			m := boot(t, tee.Options{Kind: tee.KindSNP}, fault)
			arm(t, m, "rmdir=EBUSY*3")
			if p := m.attest(t); p.Status() != 111 {
				t.Errorf("status %d, want 111\n%s", p.Status(), p)
			}
			if seen := m.counters(t); seen.Instances != 0 || seen.Mkdir != seen.Rmdir {
				t.Errorf("%d instances were made, %d removed", seen.Mkdir, seen.Rmdir)
			}
		})
	}
}

// Where the worker is killed, its parent removes the instance, and tries likewise.
func TestInstanceOfAKilledWorker(t *testing.T) {
	t.Parallel()
	const leftBehind = "' is left behind: Resource busy\n"
	for _, c := range []struct {
		name, fault string
		left        int
	}{{"removed after a while", "rmdir=EBUSY*10", 0}, {"never removed", "rmdir=EBUSY", 1}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m := boot(t, tee.Options{Kind: tee.KindTDX}, "delay=5m")
			p := m.start(t, "attest", "--deadline", "2s")
			waitForRequest(t, m)
			arm(t, m, c.fault)
			p.Wait(t, waitLimit)
			lab.CheckFailure(t, p, 111, "did not finish in time")
			if c.left == 0 {
				checkUnsaid(t, p, leftBehind)
			} else {
				checkSaid(t, p, leftBehind)
			}
			if seen := m.counters(t); seen.Instances != c.left {
				t.Errorf("%d instances are left, want %d", seen.Instances, c.left)
			}
		})
	}
}

// A signal's last line does not promise what is not so.
func TestInstanceThatStaysIsNotDenied(t *testing.T) {
	t.Parallel()
	for fault, nothing := range map[string]bool{"rmdir=EBUSY": false, "rmdir=EBUSY*3": true} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			m := boot(t, tee.Options{Kind: tee.KindSNP}, "delay=5m")
			p := m.start(t, "attest")
			waitForRequest(t, m)
			arm(t, m, fault)
			p.Signal(syscall.SIGTERM)
			p.Wait(t, waitLimit)
			if said := strings.Contains(p.Stderr.String(), "nothing is left behind"); said != nothing {
				t.Errorf("'nothing is left behind' is said: %v, want %v\n%s", said, nothing, p)
			}
		})
	}
}

// configfsFaults are what a configfs-tsm that is there may answer; none of them is
// what an absent one answers.
func configfsFaults() (faults []string) {
	for _, operation := range []string{"opendir", "mkdir", "provider"} {
		for _, errno := range []string{"EBUSY", "EIO", "EINTR", "EACCES", "EPERM", "ENOMEM", "EAGAIN"} {
			faults = append(faults, operation+"="+errno)
		}
	}
	return faults
}

// A configfs-tsm that fails is not one that is absent: whether there is a TEE cannot
// be told, and nothing else is taken in its place.
func TestConfigfsThatFailsIsNotAbsent(t *testing.T) {
	t.Parallel()
	for _, fault := range configfsFaults() {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			for _, o := range []tee.Options{
				{Kind: tee.KindSNP, Without: []string{tee.PartSEVGuest}},
				{Kind: tee.KindTDX, Without: []string{tee.PartTDXGuest}},
			} {
				m := boot(t, o, fault)
				lab.CheckFailure(t, m.attest(t), 111, "whether this is a TEE cannot be told, for its configfs-tsm fails: ")
				lab.CheckFailure(t, m.attest(t, "--tee", o.Kind), 111,
					fmt.Sprintf("whether this is a TEE '%s' cannot be told, for its configfs-tsm fails: ", o.Kind))
				m.checkCost(t, 0)
			}
		})
	}
}

// Nor is the device of SEV-SNP asked where configfs-tsm fails: the same firmware is
// behind both.
func TestDeviceIsNotAskedWhereConfigfsFails(t *testing.T) {
	t.Parallel()
	for _, fault := range configfsFaults() {
		for _, args := range [][]string{{}, {"--tee", "snp"}} {
			t.Run(strings.Join(append([]string{fault}, args...), " "), func(t *testing.T) {
				t.Parallel()
				m := boot(t, tee.Options{Kind: tee.KindSNP}, fault)
				p := m.attest(t, append(args, "--deadline", "3s")...)
				lab.CheckFailure(t, p, 111, "evidence of TEE 'snp'", "tsm")
				m.checkCost(t, 0)
				if seen := m.counters(t).Ioctls; len(seen) != 0 {
					t.Errorf("the device was asked: %v", seen)
				}
			})
		}
	}
}

// The device is there for kernels without configfs-tsm, and for a provider that is
// not there.
func TestDeviceIsAskedWhereConfigfsIsAbsent(t *testing.T) {
	t.Parallel()
	for _, o := range []tee.Options{
		{Kind: tee.KindSNPIoctl},
		{Kind: tee.KindSNP, Without: []string{tee.PartConfigfs}},
		{Kind: tee.KindSNP, Provider: "none"},
	} {
		t.Run(fmt.Sprint(o.Kind, o.Without, o.Provider), func(t *testing.T) {
			t.Parallel()
			m := boot(t, o)
			if p := m.attest(t); p.Status() != 0 {
				t.Errorf("status %d\n%s", p.Status(), p)
			}
			checkIoctls(t, m, 1, 0)
		})
	}
}

// A trouble of configfs-tsm says nothing about a TEE that is not behind it.
func TestOtherTEEThanTheFailingOneIsAbsent(t *testing.T) {
	t.Parallel()
	m := boot(t, tee.Options{Kind: tee.KindSNP, Without: []string{tee.PartSEVGuest}}, "mkdir=EIO")
	lab.CheckFailure(t, m.attest(t, "--tee", "az-snp-vtpm"), 101, "this is no TEE 'az-snp-vtpm'", "cannot make an instance")
}

// Another way to secrets is for machines without a TEE, and the sample for those
// that are to prove nothing: not for one whose TEE fails.
func TestNoOtherWayThanAFailingTEE(t *testing.T) {
	t.Parallel()
	o := tee.Options{Kind: tee.KindTDX, Without: []string{tee.PartTDXGuest}}
	const says = "cannot be told, for its configfs-tsm fails"
	t.Run("guest components", func(t *testing.T) {
		t.Parallel()
		o := o
		o.Roots = ownRoots(t)
		g := startGuest(t, onMachine(t, lab.FixtureOptions{}, anyTEE, o.Roots), guest.Options{Features: "all"})
		g.by("auto")
		m := boot(t, o, "provider=EIO")
		p := m.start(t, "get", "--unmeasured-config", g.configPath(t), "kbs:///"+lab.PathCombined)
		p.Wait(t, waitLimit)
		lab.CheckFailure(t, p, 111, says)
		g.checkCounts(t, guest.Counts{})
	})
	t.Run("sample", func(t *testing.T) {
		t.Parallel()
		m := boot(t, o, "mkdir=EACCES")
		p := lab.Start(t, 0, "/", "nsenter", "--mount="+m.mounts, "--", lab.Sealpod, "attest")
		p.Wait(t, waitLimit)
		lab.CheckFailure(t, p, 111, says)
	})
}

// What happens after the report was made does not make a second one, where another
// try is no cure.
func TestTroubleBesideTheReport(t *testing.T) {
	t.Parallel()
	checkEnds(t, tee.KindSNP, []trouble{
		{name: "EINVAL at auxblob", fault: "auxblob=EINVAL*1", said: "'auxblob': the TEE refuses the request", reports: 1},
		{name: "ENXIO at auxblob", fault: "auxblob=ENXIO*1", said: "'auxblob': the TEE's firmware reports a failure", reports: 1},
		{name: "ENOTTY at auxblob", fault: "auxblob=ENOTTY*1", said: "'auxblob': the kernel has given up its key", reports: 1},
		{name: "EFBIG at auxblob", fault: "auxblob=EFBIG*1", said: "'auxblob': the report is larger than the kernel takes", reports: 1},
		{name: "ENOMEM at auxblob", fault: "auxblob=ENOMEM*1", said: "cannot read 'auxblob'", reports: 1},
		{name: "EIO at privlevel_floor", fault: "privlevel_floor=EIO*1", said: "cannot read 'privlevel_floor'"},
		{name: "EINVAL at provider", fault: "provider=EINVAL*2", said: "cannot read 'provider'"}, // the first is met by detection
	})
	checkHeals(t, tee.KindSNP, []trouble{
		{name: "EBUSY at auxblob", fault: "auxblob=EBUSY*1", said: "'auxblob': the host still owns an earlier request", reports: 1},
		{name: "EINTR at auxblob", fault: "auxblob=EINTR*1", said: "'auxblob': the request was interrupted", reports: 1},
		{name: "ETIMEDOUT at auxblob", fault: "auxblob=ETIMEDOUT*1", said: "'auxblob': the host did not answer in time", reports: 1},
		{name: "EBUSY at provider", fault: "provider=EBUSY*2", said: "cannot read 'provider'"}, // the first is met by detection
		{name: "EINTR at provider", fault: "provider=EINTR*2", said: "cannot read 'provider'"},
		{name: "EINTR at mkdir", fault: "mkdir=EINTR*2", said: "cannot make an instance now"},
		{name: "EBUSY at privlevel_floor", fault: "privlevel_floor=EBUSY*1", said: "cannot read 'privlevel_floor'"},
		{name: "EINTR at generation", fault: "generation=EINTR*1", said: "cannot read 'generation'"},
	})
}

// A privilege level that the kernel refuses, or takes only now and then.
func TestTroubleWithThePrivilegeLevel(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		fault   string
		status  int
		said    string
		reports int
	}{
		{"privlevel=EINVAL*1", 111, "'privlevel' is refused", 0},
		{"privlevel=EIO*1", 111, "'privlevel' is refused", 0},
		{"privlevel=EBUSY*1", 0, "'privlevel' is refused: Resource busy; trying again", 1},
	} {
		t.Run(c.fault, func(t *testing.T) {
			t.Parallel()
			m := boot(t, tee.Options{Kind: tee.KindSNP, Floor: 2, Set: map[string]string{"vmpl": "0x0"}}, c.fault)
			p := m.attest(t, "--deadline", "60s")
			if p.Status() != c.status {
				t.Errorf("status %d, want %d\n%s", p.Status(), c.status, p)
			}
			checkSaid(t, p, c.said)
			m.checkCost(t, c.reports)
			if c.status == 0 && p.Elapsed() < leastPause {
				t.Errorf("tried again within %v", p.Elapsed())
			}
		})
	}
}
