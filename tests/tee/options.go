// SPDX-License-Identifier: Apache-2.0

package tee

import (
	"fmt"
	"slices"
	"strings"

	"sealpod.test/tee/forge"
)

// Kinds of machine.
const (
	KindSNP      = "snp"       // configfs-tsm and /dev/sev-guest, as Linux 6.7 has them
	KindSNPIoctl = "snp-ioctl" // /dev/sev-guest alone, as older kernels have it
	KindTDX      = "tdx"       // quotes of version 4, TDX 1.0
	KindTDX15    = "tdx-15"    // quotes of version 5, TDX 1.5
	KindTDXv5    = "tdx-v5"    // quotes of version 5, TDX 1.0
)

// Parts of a machine, to be taken away from or added to what its kind has.
const (
	PartConfigfs     = "configfs"     // /sys/kernel/config/tsm/report
	PartSEVGuest     = "sev-guest"    // /dev/sev-guest
	PartSEVMarker    = "sev-marker"   // /sys/devices/platform/sev-guest
	PartTDXGuest     = "tdx_guest"    // /dev/tdx_guest
	PartMeasurements = "measurements" // /sys/devices/virtual/misc/tdx_guest/measurements
	PartCCEL         = "ccel"         // /sys/firmware/acpi/tables/{CCEL,data/CCEL}
)

var partsOf = map[string][]string{
	KindSNP:      {PartConfigfs, PartSEVGuest, PartSEVMarker},
	KindSNPIoctl: {PartSEVGuest, PartSEVMarker},
	KindTDX:      {PartConfigfs, PartTDXGuest, PartMeasurements, PartCCEL},
	KindTDX15:    {PartConfigfs, PartTDXGuest, PartMeasurements, PartCCEL},
	KindTDXv5:    {PartConfigfs, PartTDXGuest, PartMeasurements, PartCCEL},
}

// Options say what machine is emulated.
type Options struct {
	Kind          string
	With, Without []string          // parts
	Roots         string            // directory of forge.Roots.Write; empty: new ones
	Control       string            // unix:PATH or 127.0.0.1:PORT; empty: none
	Product       string            // SNP; default Milan
	ReportVersion int               // SNP; default 3
	VLEK          bool              // SNP: endorsed by a VLEK
	HostData      string            // SNP, hexadecimal, padded with zeros
	MRConfigID    string            // TDX, hexadecimal, padded with zeros
	Floor         int               // privlevel_floor, the VMPL that the kernel runs at
	Provider      string            // instead of what the kind has; "none": no provider
	Set           map[string]string // fields of report or quote, see forge
	BrokenLog     bool              // TDX: the event log does not replay
	Faults        []Fault           // armed from the start
}

func (o *Options) isTDX() bool { return strings.HasPrefix(o.Kind, KindTDX) }

func (o *Options) has(part string) bool {
	if slices.Contains(o.Without, part) {
		return false
	}
	return slices.Contains(partsOf[o.Kind], part) || slices.Contains(o.With, part)
}

func (o *Options) provider() string {
	switch {
	case o.Provider != "":
		return o.Provider
	case o.isTDX():
		return "tdx_guest"
	}
	return "sev_guest"
}

// check fills in defaults and refuses what is not known.
func (o *Options) check() error {
	if partsOf[o.Kind] == nil {
		return fmt.Errorf("there is no kind '%s': use one of snp, snp-ioctl, tdx, tdx-15, tdx-v5", o.Kind)
	}
	known := []string{PartConfigfs, PartSEVGuest, PartSEVMarker, PartTDXGuest, PartMeasurements, PartCCEL}
	for _, part := range slices.Concat(o.With, o.Without) {
		if !slices.Contains(known, part) {
			return fmt.Errorf("there is no part '%s': use one of %s", part, strings.Join(known, ", "))
		}
	}
	if o.Product == "" {
		o.Product = "Milan"
	}
	if _, known := forge.Products[o.Product]; !known {
		return fmt.Errorf("there is no product '%s': use one of Milan, Genoa, Turin", o.Product)
	}
	if o.ReportVersion == 0 {
		o.ReportVersion = 3
	}
	if o.ReportVersion < 0 || o.Floor < 0 || o.Floor > maxPrivlevel {
		return fmt.Errorf("report version %d or VMPL %d is out of range", o.ReportVersion, o.Floor)
	}
	for _, fault := range o.Faults {
		if err := checkFault(fault); err != nil {
			return err
		}
	}
	return nil
}
