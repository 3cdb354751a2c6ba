// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"strings"
	"testing"

	"sealpod.test/azure"
	"sealpod.test/e2e/lab"
	"sealpod.test/tee"
)

// checkInitData checks what doctor says of the binding; a start would end as it does.
func checkInitData(t *testing.T, p *lab.Process, result string, status int, words ...string) {
	t.Helper()
	d := parseDiagnosis(t, p)
	got, detail, remedy := d.result("init-data")
	if got != result || p.Status() != status || (result == "failed" && (d.firstFailure() != "init-data" || remedy == "")) {
		t.Errorf("init-data: %s, want %s; status %d, want %d\n%s", got, result, p.Status(), status, p)
	}
	for _, word := range words {
		if !strings.Contains(detail, word) {
			t.Errorf("'%s' does not say '%s'", detail, word)
		}
	}
}

// Where a register can be read without a report of the hardware, doctor reads it: TDX has
// sysfs and TDREPORTs. Where there is a report alone, or neither is to be had, it says so.
func TestDoctorReadsTheRegisterOfInitData(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, kind string
		without    []string
		fault      string
		register   string
		readable   bool
		tdreports  int
		why        string
	}{
		{"TDX, sysfs", tee.KindTDX15, []string{tee.PartTDXGuest}, "", "MRCONFIGID", true, 0, ""},
		{"TDX, TDREPORT", tee.KindTDX, []string{tee.PartMeasurements}, "", "MRCONFIGID", true, 1, ""},
		{"TDX, neither", tee.KindTDX, []string{tee.PartMeasurements, tee.PartTDXGuest}, "", "MRCONFIGID", false, 0, "no TDREPORT from '/dev/tdx_guest'"},
		{"TDX, device that fails", tee.KindTDX, []string{tee.PartMeasurements}, "ioctl=EIO", "MRCONFIGID", false, 1, "no TDREPORT from '/dev/tdx_guest'"},
		{"SNP", tee.KindSNP, nil, "", "HOST_DATA", false, 0, "which only a report shows: '--attest' asks for one"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var faults []string
			if c.fault != "" {
				faults = append(faults, c.fault)
			}
			m := newMeasured(t, measuredOptions{tee: tee.Options{Kind: c.kind, Without: c.without}, algorithm: "sha384"}, faults...)
			length := 48
			if c.register == "HOST_DATA" {
				length = 32
			}
			m.machine.put(t, kataInitData, []byte(m.text))
			p := m.doctor(t, "--json", "--offline")
			if c.readable {
				checkInitData(t, p, "ok", 0, "sha384 "+m.digest, "is in "+c.register)
			} else {
				checkInitData(t, p, "skipped", 0, "sha384 "+m.digest, "must be in "+c.register, c.why)
			}
			// The host swaps one letter in what it hands over.
			other := strings.Replace(m.text, "# by hand", "# by Hand", 1)
			m.machine.put(t, kataInitData, []byte(other))
			p = m.doctor(t, "--json", "--offline")
			if c.readable {
				checkInitData(t, p, "failed", 101, c.register, register(m.digest, length), register(digestOf(t, "sha384", other), length))
			} else {
				checkInitData(t, p, "skipped", 0)
			}
			m.machine.checkCost(t, 0)
			if seen := m.machine.counters(t); seen.Ioctls["get_report0"] != 2*c.tdreports {
				t.Errorf("%d TDREPORTs were asked for, want %d", seen.Ioctls["get_report0"], 2*c.tdreports)
			}
		})
	}
}

func (m *measured) doctor(t *testing.T, args ...string) *lab.Process {
	t.Helper()
	p := m.machine.start(t, append([]string{"doctor"}, args...)...)
	p.Wait(t, waitLimit)
	return p
}

// With --attest the report itself is looked at.
func TestDoctorAttestsTheRegisterOfInitData(t *testing.T) {
	t.Parallel()
	m := newMeasured(t, measuredOptions{})
	m.machine.put(t, kataInitData, []byte(strings.Replace(m.text, "# by hand", "# by Hand", 1)))
	p := m.doctor(t, "--json", "--attest")
	checkInitData(t, p, "skipped", 101, "see 'attestation'")
	if d := parseDiagnosis(t, p); d.firstFailure() != "attestation" {
		t.Errorf("the first failure is '%s'\n%s", d.firstFailure(), p)
	}
	m.machine.checkCost(t, 1)
}

// On Azure the vTPM is asked for PCR 8, and neither the paravisor nor the host for a report.
func TestDoctorReadsPCR8(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{azure.KindSNP, azure.KindTDX} {
		other := initDataText("sha256", map[string]string{"class": "beta\n"})
		for name, measured := range map[string]string{"this init-data": "", "another": other} {
			t.Run(fmt.Sprintf("%s, %s", kind, name), func(t *testing.T) {
				t.Parallel()
				m := bootAzure(t, azure.Options{Kind: kind}, false)
				m.measure(t, measured)
				p := m.start(t, "doctor", "--json", "--offline")
				p.Wait(t, waitLimit)
				if measured == "" {
					checkInitData(t, p, "ok", 0, "sha256 "+digestOf(t, "sha256", m.initData), "is in PCR 8")
				} else {
					checkInitData(t, p, "failed", 101, "PCR 8 is '", "leads to '")
				}
				m.checkCost(t, azCost{0, 0})
			})
		}
	}
}
