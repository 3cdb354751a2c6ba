// SPDX-License-Identifier: Apache-2.0

package azure

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Kinds of machine.
const (
	KindSNP = "snp"
	KindTDX = "tdx"
)

// Options say what machine is emulated.
type Options struct {
	Kind     string
	Roots    string   // directory of forge.Roots.Write; empty: new ones
	Control  string   // path of a Unix socket for faults and counters; empty: none
	JoinNet  bool     // stay in the network namespace, which must not be the machine's
	PCRs     []string // extensions made at boot, as PCR=64 hexadecimal digits
	NoHCL    bool     // a TPM without an HCL report, as other clouds have it
	NoIMDS   bool     // nobody listens at the metadata service's address
	HCLType  uint32   // instead of what the kind has
	HCLv2    bool     // header version 2
	Snake    bool     // claims with underscores
	Lower    bool     // user-data in lower case
	Base64   string   // of TD quotes: url (default), url-padded, std, std-raw
	TDQuote5 bool     // quotes of version 5
	Faults   []Fault  // armed from the start
	Outside  string   // set by Enter: the mount namespace that was left
}

func (o *Options) check() error {
	if o.Kind != KindSNP && o.Kind != KindTDX {
		return fmt.Errorf("there is no kind '%s': use snp or tdx", o.Kind)
	}
	for _, extension := range o.PCRs {
		if _, _, err := parseExtension(extension); err != nil {
			return err
		}
	}
	for _, fault := range o.Faults {
		if err := fault.check(); err != nil {
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

func (o *Options) encode() string {
	text, err := json.Marshal(o)
	if err != nil {
		panic(err)
	}
	return string(text)
}

func decodeOptions(text string) (*Options, error) {
	o := &Options{}
	if err := json.Unmarshal([]byte(text), o); err != nil {
		return nil, err
	}
	return o, o.check()
}

// Fault is something that goes wrong. As text: KIND, KIND=VALUE, either with *COUNT.
//
//	stale                      report data are written, and no new HCL report is made
//	delay             =1500ms  it is made that much later
//	overwritten                another program writes its report data right after
//	foreign-ak                 the claims name another key than the one that quotes
//	bad-hash                   the hardware report carries another hash
//	no-user-data               the claims have none
//	vmpl              =N       SNP: the report is of another VMPL
//	debug                      the hardware report says that debugging is allowed
//	bad-signature              SNP: one bit of the report's signature is wrong
//	pcr-race                   a PCR is extended before each reading of PCRs
//	tpm-error         =0x…     the next command is answered with this
//	imds-status       =503     the metadata service answers with this status
//	imds-html                  … with a web page
//	imds-empty                 … with {}
//	imds-slow         =2s      … that much later
//	foreign-vcek               … with the VCEK of another chip
//	foreign-quote              … with a quote of another report
type Fault struct {
	Kind  string `json:"kind"`
	Value string `json:"value,omitempty"`
	Count int    `json:"count,omitempty"` // so often; 0: until disarmed
}

var faultValues = map[string]func(string) error{
	"stale": isEmpty, "overwritten": isEmpty, "foreign-ak": isEmpty, "bad-hash": isEmpty, "no-user-data": isEmpty, "debug": isEmpty,
	"bad-signature": isEmpty, "pcr-race": isEmpty, "imds-html": isEmpty, "imds-empty": isEmpty, "foreign-vcek": isEmpty, "foreign-quote": isEmpty,
	"delay": isDuration, "imds-slow": isDuration, "imds-status": isNumber, "vmpl": isNumber, "tpm-error": isNumber,
}

func isEmpty(text string) error {
	if text != "" {
		return fmt.Errorf("it takes no value, not '%s'", text)
	}
	return nil
}

func isDuration(text string) error {
	_, err := time.ParseDuration(text)
	return err
}

func isNumber(text string) error {
	_, err := strconv.ParseUint(text, 0, 32)
	return err
}

// ParseFault reads the text form.
func ParseFault(text string) (Fault, error) {
	var f Fault
	rest := text
	if i := strings.LastIndex(text, "*"); i >= 0 {
		count, err := strconv.Atoi(text[i+1:])
		if err != nil || count < 1 {
			return f, fmt.Errorf("fault '%s': '%s' is not a count", text, text[i+1:])
		}
		rest, f.Count = text[:i], count
	}
	f.Kind, f.Value, _ = strings.Cut(rest, "=")
	return f, f.check()
}

func (f Fault) check() error {
	check := faultValues[f.Kind]
	if check == nil {
		return fmt.Errorf("there is no fault '%s'", f.Kind)
	}
	if err := check(f.Value); err != nil {
		return fmt.Errorf("fault '%s': %w", f.Kind, err)
	}
	return nil
}

// faultList holds what is armed.
type faultList struct {
	mu   sync.Mutex
	list []Fault
}

func (l *faultList) add(f Fault) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, f)
}

func (l *faultList) clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = nil
}

// take uses a fault of this kind once, if one is armed.
func (l *faultList) take(kind string) (value string, armed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.list {
		f := &l.list[i]
		if f.Kind != kind {
			continue
		}
		value = f.Value
		if f.Count > 0 {
			if f.Count--; f.Count == 0 {
				l.list = append(l.list[:i], l.list[i+1:]...)
			}
		}
		return value, true
	}
	return "", false
}

func (l *faultList) armed(kind string) bool {
	_, armed := l.take(kind)
	return armed
}

func (l *faultList) number(kind string) (n uint32, armed bool) {
	value, armed := l.take(kind)
	wide, _ := strconv.ParseUint(value, 0, 32) // checked when it was armed
	return uint32(wide), armed
}

func (l *faultList) duration(kind string) time.Duration {
	value, _ := l.take(kind)
	d, _ := time.ParseDuration(value) // checked, or none
	return d
}
