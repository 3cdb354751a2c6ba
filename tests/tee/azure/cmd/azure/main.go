// SPDX-License-Identifier: Apache-2.0

// Command azure runs a command on an emulated Azure confidential VM. Its exit
// status is the command's; everything that was set up is gone when the command has
// ended.
package main

import (
	"flag"
	"fmt"
	"strings"

	"sealpod.test/azure"
	"sealpod.test/tee/stage"
)

func main() { stage.Main("azure", azure.Inside, enter) }

func enter(args []string) error {
	o := &azure.Options{}
	fs := flag.NewFlagSet("azure", flag.ContinueOnError)
	fs.Usage = func() {
		fmt.Fprintln(fs.Output(), "usage: azure [FLAGS] -- COMMAND [ARGUMENTS]")
		fs.PrintDefaults()
	}
	hclType := fs.Uint("hcl-type", 0, "type of the HCL report instead of the kind's: 1 VBS, 2 SNP, 3 TVM, 4 TDX")
	fs.StringVar(&o.Kind, "kind", azure.KindSNP, "`KIND` of machine: snp, tdx, or tpm for a plain TPM")
	fs.StringVar(&o.Roots, "roots", "", "`DIR` of throw-away roots; without it they are made and lost")
	fs.StringVar(&o.Control, "control", "", "serve faults and counters at `ADDRESS`: unix:PATH or 127.0.0.1:PORT")
	fs.BoolVar(&o.JoinNet, "join-net", false, "stay in this network namespace, which must be one of the test's own")
	fs.BoolVar(&o.NoHCL, "no-hcl", false, "a TPM without an HCL report")
	fs.BoolVar(&o.NoIMDS, "no-imds", false, "no metadata service")
	fs.BoolVar(&o.HCLv2, "hcl-v2", false, "header version 2")
	fs.BoolVar(&o.DataV2, "data-v2", false, "data version 2, which few verifiers read")
	fs.BoolVar(&o.LongHCL, "hcl-2600", false, "an HCL report of 2600 bytes, as today, not of 2048")
	fs.BoolVar(&o.Snake, "snake", false, "claims with underscores")
	fs.BoolVar(&o.Lower, "lower", false, "user-data in lower case")
	fs.BoolVar(&o.TDQuote5, "quote-v5", false, "TD quotes of version 5")
	fs.StringVar(&o.Base64, "base64", "url", "`SPELLING` of TD quotes: url, url-padded, std, std-raw")
	fs.Func("extend", "`PCR=DIGEST` to be extended at boot; once or several times", func(text string) error {
		o.PCRs = append(o.PCRs, strings.ToLower(text))
		return nil
	})
	fs.Func("fault", "`FAULT` armed from the start: KIND, KIND=VALUE, either with *COUNT", func(text string) error {
		fault, err := azure.ParseFault(text)
		o.Faults = append(o.Faults, fault)
		return err
	})
	if err := fs.Parse(args); err != nil {
		return err
	}
	o.HCLType = uint32(*hclType)
	return azure.Enter(o, fs.Args())
}
