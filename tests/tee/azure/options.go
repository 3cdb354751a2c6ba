// SPDX-License-Identifier: Apache-2.0

package azure

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"sealpod.test/tee/stage"
)

// Kinds of machine.
const (
	KindSNP = "snp"
	KindTDX = "tdx"
	KindTPM = "tpm" // a plain TPM, as other clouds have it: no HCL report, no metadata service, and a key of its own
)

// Options say what machine is emulated.
type Options struct {
	Kind     string
	Roots    string   // directory of forge.Roots.Write; empty: new ones
	Control  string   // unix:PATH or 127.0.0.1:PORT, for faults and counters; empty: none
	Counters string   // file for the counters, written when the command has ended; empty: none
	JoinNet  bool     // stay in the network namespace, which must be the test's own
	PCRs     []string // extensions made at boot, as PCR=64 hexadecimal digits
	NoHCL    bool     // a TPM without an HCL report, as other clouds have it
	NoIMDS   bool     // nobody listens at the metadata service's address
	HCLType  uint32   // instead of what the kind has
	HCLv2    bool     // header version 2
	DataV2   bool     // version 2 of what stands behind the hardware report
	LongHCL  bool     // 2600 bytes, with all that today's claims have
	Snake    bool     // claims with underscores
	Lower    bool     // user-data in lower case
	Base64   string   // of TD quotes: url (default), url-padded, std, std-raw
	TDQuote5 bool     // quotes of version 5
	Faults   []Fault  // armed from the start
}

func (o *Options) check() error {
	switch o.Kind {
	case KindSNP, KindTDX:
	case KindTPM:
		o.NoHCL, o.NoIMDS = true, true
	default:
		return fmt.Errorf("there is no kind '%s': use snp, tdx or tpm", o.Kind)
	}
	for _, extension := range o.PCRs {
		if _, _, err := parseExtension(extension); err != nil {
			return err
		}
	}
	for _, fault := range o.Faults {
		if err := checkFault(fault); err != nil {
			return err
		}
	}
	_, err := encodeQuote(o.Base64, nil)
	return err
}

func parseExtension(text string) (pcr uint32, digest []byte, err error) {
	number, digits, _ := strings.Cut(text, "=")
	wide, err := strconv.ParseUint(number, 10, 5)
	if err != nil || wide > 23 {
		return 0, nil, fmt.Errorf("'%s' is not PCR=DIGEST", text)
	}
	digest, err = hex.DecodeString(digits)
	if err != nil || len(digest) != 32 {
		return 0, nil, fmt.Errorf("'%s': the digest is not 64 hexadecimal digits", text)
	}
	return uint32(wide), digest, nil
}

// Fault is something that goes wrong. As text: KIND, KIND=VALUE, either with *COUNT.
//
//	stale                      report data are written, and no new HCL report is made
//	delay             =1500ms  it is made that much later, of the report data that stand there then
//	overwritten                another program writes its report data right after
//	foreign-ak                 the claims name another key than the one that quotes
//	bad-hash                   the hardware report carries another hash
//	no-user-data               the claims have none
//	vmpl              =N       SNP: the report is of another VMPL
//	debug                      the hardware report says that debugging is allowed
//	bad-signature              SNP: one bit of the report's signature is wrong
//	pcr-race                   a PCR is extended before each reading of PCRs
//	pcr8-race                  another program extends PCR 8 right before this one does
//	tpm-slow          =200ms   each command takes that much longer; those of two programs at the same time
//	tpm-error         =0x…     the next command is answered with this
//	imds-status       =503     the metadata service answers with this status
//	imds-html                  … with a web page
//	imds-text                  … with JSON that it calls text
//	imds-empty                 … with {}
//	imds-slow         =2s      … that much later
//	foreign-vcek               … with the VCEK of another chip
//	foreign-quote              … with a quote of another report
//	quote-set         =F=TEXT  … with a quote in which this field is another, see forge
type Fault = stage.Fault

var faultValues = map[string]func(string) error{
	"stale": stage.IsEmpty, "overwritten": stage.IsEmpty, "foreign-ak": stage.IsEmpty, "bad-hash": stage.IsEmpty, "no-user-data": stage.IsEmpty, "debug": stage.IsEmpty,
	"bad-signature": stage.IsEmpty, "pcr-race": stage.IsEmpty, "pcr8-race": stage.IsEmpty, "imds-text": stage.IsEmpty, "imds-html": stage.IsEmpty, "imds-empty": stage.IsEmpty, "foreign-vcek": stage.IsEmpty, "foreign-quote": stage.IsEmpty, "quote-set": isAssignment,
	"delay": stage.IsDuration, "imds-slow": stage.IsDuration, "tpm-slow": stage.IsDuration, "imds-status": stage.IsNumber, "vmpl": stage.IsNumber, "tpm-error": stage.IsNumber,
}

func isAssignment(text string) error {
	if !strings.Contains(text, "=") {
		return fmt.Errorf("'%s' is not FIELD=TEXT", text)
	}
	return nil
}

// ParseFault reads the text form.
func ParseFault(text string) (Fault, error) {
	f, err := stage.ParseFault(text)
	if err != nil {
		return f, err
	}
	return f, checkFault(f)
}

func checkFault(f Fault) error { return stage.CheckFault(faultValues, f) }
