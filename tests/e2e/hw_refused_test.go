// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"strings"
	"testing"
	"time"

	"sealpod.test/e2e/lab"
	"sealpod.test/tee"
)

// What the program sees in its own evidence that nobody should accept: it is not
// sent, and no second report is asked for.
func TestOwnEvidenceThatIsNotSent(t *testing.T) {
	t.Parallel()
	set := func(kind string, fields ...string) tee.Options {
		o := tee.Options{Kind: kind, Set: map[string]string{}}
		for _, assignment := range fields {
			name, value, _ := strings.Cut(assignment, "=")
			o.Set[name] = value
		}
		return o
	}
	for _, c := range []struct {
		name    string
		options tee.Options
		fault   string
		message []string
	}{
		{"debug guest", set(tee.KindSNP, "policy=0xb0000"), "", []string{"policy 0xb0000", "debugging"}},
		{"debug guest by ioctl", set(tee.KindSNPIoctl, "policy=0xb0000"), "", []string{"policy 0xb0000", "debugging"}},
		{"debug TD", set(tee.KindTDX, "td_attributes=0x10000001"), "", []string{"attributes 0x10000001", "debugging"}},
		{"debug TD of TDX 1.5", set(tee.KindTDX15, "td_attributes=0x10000001"), "", []string{"attributes 0x10000001", "debugging"}},
		{"wrong report data", set(tee.KindSNP), "wrong-data", []string{"report data", "was asked for"}},
		{"wrong report data by ioctl", set(tee.KindSNPIoctl), "wrong-data", []string{"report data", "was asked for"}},
		{"wrong report data in a quote", set(tee.KindTDX), "wrong-data", []string{"report data", "was asked for"}},
		{"old report", set(tee.KindSNP), "replay", []string{"the report data is eaeaea", "was asked for"}},
		{"old quote", set(tee.KindTDX15), "replay", []string{"the report data is eaeaea", "was asked for"}},
		{"VMPL 2", set(tee.KindSNP, "vmpl=0x2"), "", []string{"VMPL 2"}},
		{"VMPL 2 by ioctl", set(tee.KindSNPIoctl, "vmpl=0x2"), "", []string{"VMPL 2"}},
		{"asked for by the host", set(tee.KindSNP, "vmpl=0xffffffff"), "", []string{"by the host"}},
		{"kernel at VMPL 2", tee.Options{Kind: tee.KindSNP, Floor: 2}, "", []string{"VMPL 2"}},
		{"migration agent", set(tee.KindSNP, "report_id_ma=0102"), "", []string{"migration agent"}},
		{"migration TD", set(tee.KindTDX15, "td_attributes=0x30000000", "mr_servicetd=0102"), "", []string{"migration TD"}},
		{"masked chip key", set(tee.KindSNP, "key_info=0x2"), "", []string{"not signed", "MASK_CHIP_KEY is set"}},
		{"no signing key", set(tee.KindSNP, "key_info=0x1c"), "", []string{"not signed", "'none'"}},
		{"reserved signing key", set(tee.KindSNP, "key_info=0x8"), "", []string{"reserved signing key 2"}},
		{"other signature algorithm", set(tee.KindSNP, "sig_algo=0x2"), "", []string{"signature algorithm 2"}},
		{"policy that no firmware takes", set(tee.KindSNP, "policy=0x10000"), "", []string{"bit 17"}},
		{"report of a later version", tee.Options{Kind: tee.KindSNP, ReportVersion: 6}, "", []string{"version 6", "cannot be sent"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.options.Roots = ownRoots(t)
			m := boot(t, c.options)
			f := onMachine(t, lab.FixtureOptions{}, anyTEE, c.options.Roots)
			message := append(c.message, "the evidence is not sent")
			if c.fault != "" {
				arm(t, m, c.fault)
			}
			f.Check(t, m.run(t, f), lab.Refusal{Status: 101, Message: message})
			m.checkCost(t, 1)
			p := m.attest(t)
			lab.CheckFailure(t, p, 101, message...)
			m.checkCost(t, 2)
		})
	}
}

func arm(t *testing.T, m *machine, faults ...string) {
	t.Helper()
	for _, fault := range faults {
		if err := m.control.Arm(fault); err != nil {
			t.Fatal(err)
		}
	}
}

// What only a verifier can see is sent once, refused there, and ends with the
// status of a refusal.
func TestEvidenceThatTheVerifierRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		options tee.Options
		fault   string
		cause   string // as the broker keeps it
	}{
		{"forged report", tee.Options{Kind: tee.KindSNP}, "bad-signature", "signature"},
		{"forged report by ioctl", tee.Options{Kind: tee.KindSNPIoctl}, "bad-signature", "signature"},
		{"forged report of Turin", tee.Options{Kind: tee.KindSNP, Product: "Turin", ReportVersion: 5}, "bad-signature", "signature"},
		{"report of version 2", tee.Options{Kind: tee.KindSNP, ReportVersion: 2}, "", "version 2"},
		{"masked chip that another's VCEK endorses", tee.Options{Kind: tee.KindSNP, Set: map[string]string{"chip_id": "00"}}, "", "another chip"},
		{"forged quote", tee.Options{Kind: tee.KindTDX}, "bad-signature", "signature"},
		{"forged quote of TDX 1.5", tee.Options{Kind: tee.KindTDX15}, "bad-signature", "signature"},
		{"foreign attestation key", tee.Options{Kind: tee.KindTDX}, "foreign-key", "attestation key"},
		{"foreign PCK", tee.Options{Kind: tee.KindTDX15}, "foreign-pck", "signature"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.options.Roots = ownRoots(t)
			m := boot(t, c.options)
			f := onMachine(t, lab.FixtureOptions{}, anyTEE, c.options.Roots)
			f.Config.Deadline = 20 * time.Second // no time for the second try, half a minute later
			if c.fault != "" {
				arm(t, m, c.fault)
			}
			p := m.run(t, f)
			f.Check(t, p, lab.Refusal{Status: 102, Message: []string{"AttestationError", "evidence"}, Attests: 1})
			if cause := f.KBS.Counters().LastRefusal; !strings.Contains(cause, c.cause) {
				t.Errorf("the broker refused it because of '%s', not the '%s'", cause, c.cause)
			}
			m.checkCost(t, 1)
		})
	}
}
