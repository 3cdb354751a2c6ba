// SPDX-License-Identifier: Apache-2.0

package tee

import (
	"os"
	"path/filepath"

	"sealpod.test/tee/forge"
	"sealpod.test/tee/stage"
)

// Where things are on a real machine.
const (
	dirConfigfs     = "/sys/kernel/config/tsm/report"
	dirPlatform     = "/sys/devices/platform"
	dirMisc         = "/sys/devices/virtual/misc"
	dirACPI         = "/sys/firmware/acpi/tables"
	dirMeasurements = dirMisc + "/tdx_guest/measurements"
)

// covered are the directories of which the machine decides a part. What the real
// machine has of it is hidden, whether the emulated one has it or not.
var covered = []struct {
	dir  string
	hide []string
}{
	{"/sys/kernel", []string{"config"}}, {dirPlatform, []string{"sev-guest"}}, {dirMisc, []string{"tdx_guest", "sev-guest"}},
	{dirACPI, []string{"CCEL", "data"}}, {"/dev", []string{"sev-guest", "tdx_guest"}},
}

// setUp builds the machine into this mount namespace.
func (m *machine) setUp() error {
	if err := stage.OwnMounts(); err != nil {
		return err
	}
	for _, c := range covered {
		if err := stage.Overlay(c.dir, c.hide...); err != nil {
			return err
		}
	}
	if err := m.files(); err != nil {
		return err
	}
	if m.o.has(PartConfigfs) {
		if err := stage.Mount("tee", dirConfigfs, &reportDir{m: m}); err != nil {
			return err
		}
	}
	if err := m.devices(); err != nil {
		return err
	}
	for _, c := range covered {
		if c.dir == "/dev" {
			continue
		}
		if err := stage.Seal(c.dir); err != nil {
			return err
		}
	}
	return nil
}

// files makes what are plain files to a reader.
func (m *machine) files() error {
	w := writer{}
	if m.o.has(PartSEVMarker) {
		w.mkdir(dirPlatform + "/sev-guest")
		w.write(dirPlatform+"/sev-guest/modalias", []byte("platform:sev-guest\n"))
	}
	if m.o.has(PartMeasurements) {
		body, err := m.body(nil)
		if err != nil {
			return err
		}
		for file, field := range map[string]string{
			"mrtd:sha384": "mr_td", "mrconfigid": "mr_config_id", "mrowner": "mr_owner", "mrownerconfig": "mr_owner_config",
			"rtmr0:sha384": "rtmr_0", "rtmr1:sha384": "rtmr_1", "rtmr2:sha384": "rtmr_2", "rtmr3:sha384": "rtmr_3",
		} {
			w.write(dirMeasurements+"/"+file, body.Get(field))
		}
	}
	if m.o.has(PartCCEL) {
		log := m.log
		if m.o.BrokenLog {
			log, _ = forge.EventLog(true)
		}
		w.write(dirACPI+"/CCEL", forge.CCELTable())
		w.write(dirACPI+"/data/CCEL", log)
	}
	return w.err
}

type writer struct{ err error }

func (w *writer) mkdir(dir string) {
	if w.err == nil {
		w.err = os.MkdirAll(dir, 0o755)
	}
}

func (w *writer) write(path string, data []byte) {
	w.mkdir(filepath.Dir(path))
	if w.err == nil {
		w.err = os.WriteFile(path, data, 0o444)
	}
}

// devices puts the devices into /dev.
func (m *machine) devices() error {
	var names []string
	for part, name := range map[string]string{PartSEVGuest: "sev-guest", PartTDXGuest: "tdx_guest"} {
		if m.o.has(part) {
			names = append(names, name)
		}
	}
	return stage.Devices("tee", &deviceDir{m: m}, names...)
}
