// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"strings"
	"testing"
	"time"

	"sealpod.test/e2e/lab"
	"sealpod.test/tee"
)

// trouble is what goes wrong once, while a report is asked for.
type trouble struct {
	name    string
	fault   string
	said    string // in an error that ends the program, or before another try
	reports int    // that the machine makes although things go wrong
	kind    string // of machine, where it is not the table's
	status  int    // where it ends the program otherwise than with 111
}

func (c trouble) on(kind string) string {
	if c.kind != "" {
		return c.kind
	}
	return kind
}

// Two seconds or more lie between two tries.
const leastPause = 2 * time.Second

// checkHeals goes through troubles that pass: another try, not before two seconds
// are over, gives evidence; by `attest` and by `run`.
func checkHeals(t *testing.T, kind string, troubles []trouble) {
	for _, c := range troubles {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			t.Run("attest", func(t *testing.T) {
				t.Parallel()
				m := boot(t, tee.Options{Kind: c.on(kind)}, c.fault)
				p := m.attest(t, "--deadline", "60s")
				if p.Status() != 0 || p.Stdout.String() == "" {
					t.Errorf("status %d", p.Status())
				}
				checkTriedAgain(t, p, c)
				m.checkCost(t, 1+c.reports)
			})
			t.Run("run", func(t *testing.T) {
				t.Parallel()
				roots := ownRoots(t)
				m := boot(t, tee.Options{Kind: c.on(kind), Roots: roots}, c.fault)
				f := onMachine(t, lab.FixtureOptions{}, anyTEE, roots)
				f.Config.Deadline = 60 * time.Second
				p := m.run(t, f)
				lab.CheckExec(t, p)
				checkTriedAgain(t, p, c)
				m.checkCost(t, 1+c.reports)
				if got := lab.Handshakes(f.KBS.Counters()); got != 1 {
					t.Errorf("the broker saw %d attestations, want 1", got)
				}
			})
		})
	}
}

func checkTriedAgain(t *testing.T, p *lab.Process, c trouble) {
	t.Helper()
	if got := strings.Count(p.Stderr.String(), "; trying again\n"); got != 1 {
		t.Errorf("tried again %d times, want once:\n%s", got, p.Stderr.String())
	}
	checkSaid(t, p, c.said)
	if p.Elapsed() < leastPause {
		t.Errorf("tried again within %v", p.Elapsed())
	}
}

// checkEnds goes through troubles for which another try is no cure. They happen
// once: who tried again would succeed.
func checkEnds(t *testing.T, kind string, troubles []trouble) {
	for _, c := range troubles {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if c.status == 0 {
				c.status = 111
			}
			t.Run("attest", func(t *testing.T) {
				t.Parallel()
				m := boot(t, tee.Options{Kind: c.on(kind)}, c.fault)
				p := m.attest(t, "--deadline", "60s")
				lab.CheckFailure(t, p, c.status, c.said)
				checkUnsaid(t, p, "trying again")
				m.checkCost(t, c.reports)
			})
			t.Run("run", func(t *testing.T) {
				t.Parallel()
				roots := ownRoots(t)
				m := boot(t, tee.Options{Kind: c.on(kind), Roots: roots}, c.fault)
				f := onMachine(t, lab.FixtureOptions{}, anyTEE, roots)
				f.Config.Deadline = 60 * time.Second
				p := m.run(t, f)
				f.Check(t, p, lab.Refusal{Status: c.status, Message: []string{c.said}})
				checkUnsaid(t, p, "trying again")
				m.checkCost(t, c.reports)
			})
		})
	}
}

func TestConfigfsTroubleThatPasses(t *testing.T) {
	t.Parallel()
	checkHeals(t, tee.KindTDX, []trouble{
		{name: "EBUSY, the host owns an earlier request", fault: "outblob=EBUSY*1", said: "the host still owns an earlier request"},
		{name: "EBUSY on SNP", kind: tee.KindSNP, fault: "outblob=EBUSY*1", said: "the host still owns an earlier request"},
		{name: "ETIMEDOUT, the host is silent", fault: "outblob=ETIMEDOUT*1", said: "the host did not answer in time"},
		{name: "EIO, the hypercall fails", fault: "outblob=EIO*1", said: "the request to the host failed"},
		{name: "EINTR, a signal", fault: "outblob=EINTR*1", said: "the request was interrupted"},
		{name: "EAGAIN", fault: "outblob=EAGAIN*1", said: "the report is not ready"},
		{name: "zero-length quote", fault: "empty*1", said: "the report is empty: the host's quoting service is not reachable", reports: 1},
		{name: "zero-length report on SNP", kind: tee.KindSNP, fault: "empty*1", said: "the report is empty", reports: 1},
		{name: "changed generation", fault: "other-writer*1", said: "somebody else wrote to our instance (generation 2 after reading, not 1): the report is discarded", reports: 1},
		{name: "changed generation on SNP", kind: tee.KindSNP, fault: "other-writer*1", said: "somebody else wrote to our instance", reports: 1},
		{name: "EBUSY at inblob", fault: "inblob=EBUSY*1", said: "'inblob' is refused"},
		{name: "EBUSY at mkdir", fault: "mkdir=EBUSY*2", said: "cannot make an instance now"}, // the first is met by detection
	})
}

func TestConfigfsTroubleThatStays(t *testing.T) {
	t.Parallel()
	checkEnds(t, tee.KindTDX, []trouble{
		{name: "refused inblob", fault: "refuse-inblob*1", said: "the kernel did not take what was written (generation 0 after writing, not 1)"},
		{name: "refused inblob on SNP", kind: tee.KindSNP, fault: "refuse-inblob*1", said: "the kernel did not take what was written"},
		{name: "EINVAL, the request is refused", fault: "outblob=EINVAL*1", said: "the TEE refuses the request"},
		{name: "ENXIO, the driver is gone", fault: "outblob=ENXIO*1", said: "its driver is gone"},
		{name: "ENOTTY, the key is gone", kind: tee.KindSNP, fault: "outblob=ENOTTY*1", said: "restart the VM"},
		{name: "EFBIG, the quote is too large", fault: "outblob=EFBIG*1", said: "larger than the kernel takes"},
		{name: "ENOMEM, which no table knows", fault: "outblob=ENOMEM*1", said: "cannot read 'outblob'"},
		{name: "EFBIG at inblob", fault: "inblob=EFBIG*1", said: "'inblob' is refused"},
		{name: "generation unreadable", fault: "generation=EIO*1", said: "cannot read 'generation'"},
		{name: "firmware refuses the parameter", kind: tee.KindSNP, fault: "status=0x16*1", said: "the TEE refuses the request"},
		{name: "firmware refuses the key", kind: tee.KindSNP, fault: "status=0x27*1", said: "the TEE refuses the request"},
		{name: "firmware fails", kind: tee.KindSNP, fault: "status=0x19*1", said: "the TEE's firmware reports a failure"},
		{name: "cut report", kind: tee.KindSNP, fault: "short=1183*1", said: "cut after 1183", reports: 1},
		{name: "cut quote", fault: "short=1000*1", said: "TDX quote", reports: 1},
		{name: "quote cut in its certificates", fault: "short=2000*1", said: "TDX quote", reports: 1},
	})
}

func TestIoctlTroubleThatPasses(t *testing.T) {
	t.Parallel()
	checkHeals(t, tee.KindSNPIoctl, []trouble{
		{name: "EBUSY", fault: "ioctl=EBUSY*1", said: "the request was not carried out"},
		{name: "EINTR", fault: "ioctl=EINTR*1", said: "the request was not carried out"},
		{name: "EAGAIN", fault: "ioctl=EAGAIN*1", said: "the request was not carried out"},
	})
}

func TestIoctlTroubleThatStays(t *testing.T) {
	t.Parallel()
	checkEnds(t, tee.KindSNPIoctl, []trouble{
		{name: "firmware status before the report, parameter", fault: "status=0x16*1", said: "the firmware refuses the report: status 0x16 (invalid parameter)"},
		{name: "firmware status before the report, key", fault: "status=0x27*1", said: "status 0x27 (invalid key selection)"},
		{name: "firmware status before the report, another", fault: "status=0x5*1", said: "the firmware refuses the report: status 0x5"},
		{name: "fw_error", fault: "fw-error=0x19*1", said: "firmware error 0x19 (see the SEV-SNP firmware specification), host error 0x0 (none)"},
		{name: "fw_error in words", fault: "fw-error=0x1d*1", said: "firmware error 0x1d (the message counter has run out), host error 0x0 (none)"},
		{name: "vmm_error", fault: "vmm-error=7*1", said: "firmware error 0x0 (no error), host error 0x7 (the hypervisor's own)"},
		{name: "ENOTTY, the key is gone", fault: "fatal*1", said: "the kernel has given up its key to the firmware"},
		{name: "ETIMEDOUT, the key is gone", fault: "ioctl=ETIMEDOUT*1", said: "did not answer in time; the kernel has given up its key"},
		{name: "EIO", fault: "ioctl=EIO*1", said: "firmware error 0x0 (no error), host error 0x0 (none)"},
		{name: "EACCES at open", fault: "device=EACCES*1", said: "cannot open '/dev/sev-guest' (is sealpod root?)"},
		{name: "EBUSY at open", fault: "device=EBUSY*1", said: "cannot open '/dev/sev-guest'"},
		{name: "EFAULT", fault: "ioctl=EFAULT*1", said: "host error 0x0"},
		{name: "report of no bytes", fault: "report-size=0*1", said: "a report of 0 bytes", reports: 1},
		{name: "report larger than the answer", fault: "report-size=0xffffffff*1", said: "which the answer cannot hold", reports: 1},
		{name: "cut report", fault: "report-size=1183*1", said: "cut after 1183", reports: 1},
		{name: "report that is too long", fault: "report-size=1185*1", said: "1185", reports: 1},
	})
}

// After ENOTTY the device is never asked again, after success neither.
func TestIoctlsAreCounted(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, fault string
		status      int
		ext, plain  int
	}{
		{"success", "", 0, 1, 0},
		{"ENOTTY", "fatal", 111, 1, 0},
		{"firmware error", "fw-error=0x19", 111, 1, 0},
		{"refusal by the firmware", "status=0x16", 111, 1, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m := boot(t, tee.Options{Kind: tee.KindSNPIoctl})
			if c.fault != "" {
				arm(t, m, c.fault)
			}
			if p := m.attest(t, "--deadline", "30s"); p.Status() != c.status {
				t.Errorf("status %d, want %d\n%s", p.Status(), c.status, p)
			}
			checkIoctls(t, m, c.ext, c.plain)
		})
	}
}

func checkIoctls(t *testing.T, m *machine, ext, plain int) {
	t.Helper()
	seen := m.counters(t).Ioctls
	if seen["get_ext_report"] != ext || seen["get_report"] != plain || len(seen) > 2 {
		t.Errorf("the device saw %v; want %d get_ext_report, %d get_report", seen, ext, plain)
	}
}

// A busy host is asked again; a kernel that has given up its key for it, as old
// ones do, ends the matter.
func TestBusyHostOnAnOldKernel(t *testing.T) {
	t.Parallel()
	m := boot(t, tee.Options{Kind: tee.KindSNPIoctl}, "vmm-error=2*1")
	p := m.attest(t, "--deadline", "60s")
	checkSaid(t, p, "the host is busy: ", "; trying again")
	lab.CheckFailure(t, p, 111, "the kernel has given up its key to the firmware", "restart the VM")
	if p.Elapsed() < leastPause {
		t.Errorf("asked again within %v", p.Elapsed())
	}
	checkIoctls(t, m, 2, 0)
	m.checkCost(t, 0)
}

// What never heals is given up at the deadline, with the number of tries.
func TestTroubleUntilTheDeadline(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, kind, fault, said string }{
		{"no quoting service", tee.KindTDX, "empty", "the report is empty"},
		{"busy host", tee.KindSNP, "outblob=EBUSY", "the host still owns an earlier request"},
		{"device that is never ready", tee.KindSNPIoctl, "ioctl=EBUSY", "the request was not carried out"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			roots := ownRoots(t)
			m := boot(t, tee.Options{Kind: c.kind, Roots: roots}, c.fault)
			f := onMachine(t, lab.FixtureOptions{}, anyTEE, roots)
			f.Config.Deadline = 6 * time.Second
			p := m.run(t, f)
			tries := strings.Count(p.Stderr.String(), "; trying again\n") + 1
			f.Check(t, p, lab.Refusal{Status: 111, Message: []string{"gave up at the deadline after", "tries", c.said}})
			if tries < 2 || tries > 3 {
				t.Errorf("%d tries in 6 seconds, want 2 or 3", tries)
			}
			if seen := m.counters(t); seen.Instances != 0 {
				t.Errorf("%d instances are left", seen.Instances)
			}
		})
	}
}
