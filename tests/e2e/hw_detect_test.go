// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"encoding/json"
	"testing"

	"sealpod.test/e2e/lab"
	"sealpod.test/tee"
)

// teeOf tells by its members of which TEE evidence is.
func teeOf(t *testing.T, p *lab.Process) string {
	t.Helper()
	var evidence map[string]any
	if err := json.Unmarshal([]byte(p.Stdout.String()), &evidence); err != nil || p.Status() != 0 {
		t.Fatalf("status %d: %v\n%s", p.Status(), err, p)
	}
	if evidence["attestation_report"] != nil {
		return "snp"
	}
	if evidence["quote"] != nil {
		return "tdx"
	}
	return "unknown"
}

// Which TEE is attested follows from what is there and what that says.
func TestTEEIsDetected(t *testing.T) {
	t.Parallel()
	const json = "--format=json"
	for _, c := range []struct {
		name    string
		options tee.Options
		args    []string
		want    string
	}{
		{"SNP", tee.Options{Kind: tee.KindSNP}, nil, "snp"},
		{"SNP by its device alone", tee.Options{Kind: tee.KindSNPIoctl}, nil, "snp"},
		{"SNP without its device", tee.Options{Kind: tee.KindSNP, Without: []string{tee.PartSEVGuest}}, nil, "snp"},
		{"SNP whose configfs has no provider", tee.Options{Kind: tee.KindSNP, Provider: "none"}, nil, "snp"},
		{"TDX", tee.Options{Kind: tee.KindTDX}, nil, "tdx"},
		{"TDX without its device", tee.Options{Kind: tee.KindTDX, Without: []string{tee.PartTDXGuest}}, nil, "tdx"},
		{"forced to what is there", tee.Options{Kind: tee.KindSNP}, []string{"--tee=snp"}, "snp"},
		{"forced to the provider's, beside another's device", tee.Options{Kind: tee.KindSNP, With: []string{tee.PartTDXGuest}}, []string{"--tee", "snp"}, "snp"},
		{"forced to the device's, beside another's provider", tee.Options{Kind: tee.KindTDX, With: []string{tee.PartSEVGuest}}, []string{"--tee", "tdx"}, "tdx"},
		{"forced where two are there", tee.Options{Kind: tee.KindSNPIoctl, With: []string{tee.PartTDXGuest}}, []string{"--tee", "snp"}, "snp"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m := boot(t, c.options)
			if got := teeOf(t, m.attest(t, append([]string{json}, c.args...)...)); got != c.want {
				t.Errorf("evidence of TEE '%s', want '%s'", got, c.want)
			}
			m.checkCost(t, 1)
		})
	}
}

// Where there is no TEE, or no saying which, the program says what it saw. It
// never takes another one instead.
func TestTEEIsNotGuessed(t *testing.T) {
	t.Parallel()
	snpDevice := "'/dev/sev-guest' (there)"
	for _, c := range []struct {
		name    string
		options tee.Options
		args    []string
		status  int
		message []string
	}{
		{"two devices and no configfs", tee.Options{Kind: tee.KindSNPIoctl, With: []string{tee.PartTDXGuest}}, nil, 101,
			[]string{"more than one TEE", "'--tee'", snpDevice, "'/dev/tdx_guest' (there)"}},
		{"two devices and a configfs without provider", tee.Options{Kind: tee.KindSNP, With: []string{tee.PartTDXGuest}, Provider: "none"}, nil, 101,
			[]string{"more than one TEE", "no TEE's driver is behind it"}},
		{"provider tdx_guest beside another's device", tee.Options{Kind: tee.KindTDX, With: []string{tee.PartSEVGuest}}, nil, 101,
			[]string{"more than one TEE", "'--tee'", "configfs-tsm (tdx_guest)", snpDevice}},
		{"provider sev_guest beside another's device", tee.Options{Kind: tee.KindSNP, With: []string{tee.PartTDXGuest}}, nil, 101,
			[]string{"more than one TEE", "'--tee'", "configfs-tsm (sev_guest)", "'/dev/tdx_guest' (there)"}},
		{"unknown provider", tee.Options{Kind: tee.KindTDX, Provider: "arm_cca_guest"}, nil, 101,
			[]string{"no TEE that this build", "configfs-tsm (arm_cca_guest)", "'/dev/tdx_guest' (there)"}},
		{"unknown provider beside a device", tee.Options{Kind: tee.KindSNP, Provider: "arm_cca_guest"}, nil, 101,
			[]string{"no TEE that this build", "configfs-tsm (arm_cca_guest)", snpDevice}},
		{"no provider and no device", tee.Options{Kind: tee.KindSNP, Provider: "none", Without: []string{tee.PartSEVGuest}}, nil, 101,
			[]string{"no TEE that this build", "no TEE's driver is behind it", "'/dev/sev-guest' (absent)"}},
		{"TDX device without configfs", tee.Options{Kind: tee.KindTDX, Without: []string{tee.PartConfigfs}}, nil, 101,
			[]string{"evidence of TEE 'tdx'", "no configfs-tsm"}},
		{"TDX device, configfs without provider", tee.Options{Kind: tee.KindTDX, Provider: "none"}, nil, 101,
			[]string{"evidence of TEE 'tdx'", "no TEE's driver is behind it"}},
		{"forced to what is absent", tee.Options{Kind: tee.KindSNP}, []string{"--tee", "tdx"}, 101,
			[]string{"this is no TEE 'tdx'", "configfs-tsm (sev_guest)", snpDevice}},
		{"forced to the other one", tee.Options{Kind: tee.KindTDX}, []string{"--tee", "snp"}, 101, []string{"this is no TEE 'snp'", "configfs-tsm (tdx_guest)"}},
		{"forced to Azure's", tee.Options{Kind: tee.KindSNP}, []string{"--tee", "az-snp-vtpm"}, 101, []string{"this is no TEE 'az-snp-vtpm'"}},
		{"forced to the sample", tee.Options{Kind: tee.KindSNP}, []string{"--tee", "sample"}, 100, []string{"knows no TEE 'sample'"}},
		{"forced to nonsense", tee.Options{Kind: tee.KindSNP}, []string{"--tee", "SNP"}, 100, []string{"knows no TEE 'SNP', but 'snp', 'tdx', 'az-snp-vtpm', 'az-tdx-vtpm'"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.options.Roots = ownRoots(t)
			m := boot(t, c.options)
			lab.CheckFailure(t, m.attest(t, c.args...), c.status, c.message...)
			f := onMachine(t, lab.FixtureOptions{}, anyTEE, c.options.Roots)
			f.Check(t, m.run(t, f, c.args...), lab.Refusal{Status: c.status, Message: c.message})
			m.checkCost(t, 0)
		})
	}
}

// A kernel that does not run at the highest privilege asks at its own. The TDX
// driver has no such attribute.
func TestPrivilegeLevelIsRaised(t *testing.T) {
	t.Parallel()
	m := boot(t, tee.Options{Kind: tee.KindSNP, Floor: 2, Set: map[string]string{"vmpl": "0x0"}})
	if p := m.attest(t); p.Status() != 0 {
		t.Errorf("status %d\n%s", p.Status(), p)
	}
	m.checkCost(t, 1)
	if seen := m.counters(t); seen.Writes != 2 {
		t.Errorf("%d attributes were written, want 2: privlevel and inblob", seen.Writes)
	}
}

// The device has no such attribute: what it refuses is fatal.
func TestPrivilegeLevelThatTheDeviceRefuses(t *testing.T) {
	t.Parallel()
	m := boot(t, tee.Options{Kind: tee.KindSNPIoctl, Floor: 2})
	lab.CheckFailure(t, m.attest(t), 111, "the firmware refuses the report: status 0x16")
	checkIoctls(t, m, 1, 0)
}

// A plain machine: the release build says what it looked for.
func TestAttestOnAPlainMachine(t *testing.T) {
	t.Parallel()
	p := lab.Start(t, 0, "/", lab.SealpodRelease, "attest")
	p.Wait(t, waitLimit)
	lab.CheckFailure(t, p, 101, "no TEE", "configfs-tsm", "'/dev/sev-guest' (absent)", "'/dev/tdx_guest' (absent)", "'/dev/tpmrm0'")
}
