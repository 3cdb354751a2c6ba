// SPDX-License-Identifier: Apache-2.0

// Command tee runs a command on an emulated confidential machine. Its exit status
// is the command's; everything that was set up is gone when the command has ended.
package main

import (
	"errors"
	"flag"
	"fmt"
	"strings"

	"sealpod.test/tee"
	"sealpod.test/tee/forge"
	"sealpod.test/tee/stage"
)

func main() { stage.Main("tee", tee.Inside, enter) }

func enter(args []string) error {
	o := &tee.Options{Set: map[string]string{}}
	newRoots := ""
	fs := flag.NewFlagSet("tee", flag.ContinueOnError)
	fs.Usage = func() {
		fmt.Fprintln(fs.Output(), "usage: tee [FLAGS] -- COMMAND [ARGUMENTS], or tee --make-roots DIR")
		fs.PrintDefaults()
	}
	fs.StringVar(&o.Kind, "kind", tee.KindSNP, "`KIND` of machine: snp, snp-ioctl, tdx, tdx-15, tdx-v5")
	list(fs, &o.With, "with", "`PART` to add: configfs, sev-guest, sev-marker, tdx_guest, measurements, ccel")
	list(fs, &o.Without, "without", "`PART` to take away")
	fs.StringVar(&o.Roots, "roots", "", "`DIR` of throw-away roots; without it they are made and lost")
	fs.StringVar(&newRoots, "make-roots", "", "make throw-away roots in `DIR`, and nothing else")
	fs.StringVar(&o.Control, "control", "", "serve faults and counters at `ADDRESS`: unix:PATH or 127.0.0.1:PORT")
	fs.StringVar(&o.Product, "product", "", "SNP: Milan, Genoa or Turin (default Milan)")
	fs.IntVar(&o.ReportVersion, "report-version", 0, "SNP: 2 to 5, or what does not exist yet (default 3)")
	fs.BoolVar(&o.VLEK, "vlek", false, "SNP: a VLEK signs, not a VCEK")
	fs.StringVar(&o.HostData, "host-data", "", "SNP: HOST_DATA in `HEX`, padded with zeros")
	fs.StringVar(&o.MRConfigID, "mrconfigid", "", "TDX: MRCONFIGID in `HEX`, padded with zeros")
	fs.IntVar(&o.Floor, "floor", 0, "SNP: the VMPL that the kernel runs at")
	fs.StringVar(&o.Provider, "provider", "", "`NAME` in the attribute 'provider'; 'none': no provider is registered")
	fs.BoolVar(&o.BrokenLog, "broken-log", false, "TDX: the event log does not replay to the registers")
	fs.Func("set", "`FIELD=HEX` of report or TD report, numbers as 0x…; see forge", func(text string) error {
		name, value, found := strings.Cut(text, "=")
		if !found {
			return errors.New("write it as FIELD=HEX")
		}
		o.Set[name] = value
		return nil
	})
	fs.Func("fault", "`FAULT` armed from the start: KIND, KIND=VALUE, either with *COUNT", func(text string) error {
		fault, err := tee.ParseFault(text)
		o.Faults = append(o.Faults, fault)
		return err
	})
	if err := fs.Parse(args); err != nil {
		return err
	}
	if newRoots != "" {
		return makeRoots(newRoots)
	}
	return tee.Enter(o, fs.Args())
}

func list(fs *flag.FlagSet, into *[]string, name, usage string) {
	fs.Func(name, usage, func(text string) error {
		*into = append(*into, strings.Split(text, ",")...)
		return nil
	})
}

func makeRoots(dir string) error {
	roots, err := forge.NewRoots()
	if err != nil {
		return err
	}
	return roots.Write(dir)
}
