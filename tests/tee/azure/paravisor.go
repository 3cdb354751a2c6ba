// SPDX-License-Identifier: Apache-2.0

package azure

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/go-tpm/tpm2"

	"sealpod.test/tee/forge"
	"sealpod.test/tee/stage"
)

// Types of HCL reports.
const (
	typeSNP = 2
	typeTDX = 4
)

// Counters are what the machine has seen.
type Counters struct {
	Commands     map[string]int   `json:"commands"`      // of the TPM, by command code
	Total        int              `json:"total"`         // of them
	TPMMicros    map[string]int64 `json:"tpm_us"`        // that the TPM took for them, in microseconds
	Reports      int              `json:"reports"`       // HCL reports that were made since the start
	ReportData   []string         `json:"report_data"`   // that were written
	IMDS         map[string]int   `json:"imds"`          // requests, by path
	BadRequests  []string         `json:"bad_requests"`  // requests to the metadata service that the real one would refuse
	ServerFaults []string         `json:"server_faults"` // what the emulation itself could not do
}

// machine is an Azure VM's surroundings.
type machine struct {
	o       Options
	roots   *forge.Roots
	faults  stage.Faults
	tpm     *softTPM
	imds    *http.Server
	ak      *rsa.PublicKey
	foreign *rsa.PublicKey
	vcek    *x509.Certificate
	other   *x509.Certificate // of another chip
	extra   []byte            // what race extends with

	longHCL []byte // what the interposer answers with, under the TPM's lock

	mu        sync.Mutex
	counters  Counters
	tdreports map[string]*forge.Body // that were made since the start, and of what
}

func newMachine(o Options) (*machine, error) {
	m := &machine{o: o, extra: make([]byte, 32), tdreports: map[string]*forge.Body{}}
	m.counters.Commands, m.counters.TPMMicros, m.counters.IMDS = map[string]int{}, map[string]int64{}, map[string]int{}
	var err error
	if o.Roots == "" {
		m.roots, err = forge.NewRoots()
	} else {
		m.roots, err = forge.ReadRoots(o.Roots)
	}
	if err != nil {
		return nil, err
	}
	product := forge.Products["Milan"]
	chip := forge.NewReport(product, 3).Get("chip_id")
	if m.vcek, err = m.roots.AMD.IssueVEK(forge.VEK{Product: product, TCB: forge.DefaultTCB, ChipID: chip}); err != nil {
		return nil, err
	}
	if m.other, err = strangersVCEK(); err != nil {
		return nil, err
	}
	for _, fault := range o.Faults {
		m.faults.Add(fault)
	}
	return m, nil
}

// strangersVCEK looks like a VCEK and is of another key.
func strangersVCEK() (*x509.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: "SEV-VCEK"}, SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// boot starts the TPM and does what firmware and paravisor do before the guest runs.
func (m *machine) boot() error {
	var err error
	if m.tpm, err = startTPM(); err != nil {
		return err
	}
	m.tpm.mu.Lock()
	defer m.tpm.mu.Unlock()
	if err := m.makeKeys(); err != nil {
		return err
	}
	for _, extension := range m.o.PCRs {
		pcr, digest, err := parseExtension(extension)
		if err == nil {
			err = m.tpm.extend(pcr, digest)
		}
		if err != nil {
			return err
		}
	}
	if m.o.NoHCL {
		return nil
	}
	if m.o.LongHCL {
		return m.publish(nil)
	}
	if err := m.tpm.defineIndex(indexHCL, hclIndexSize); err != nil {
		return fmt.Errorf("define the index of the HCL report: %w", err)
	}
	return m.publish(nil)
}

// makeKeys makes the key that quotes, and one that is another's. A plain TPM's key is
// where its users look for it, and the broker is told of it.
func (m *machine) makeKeys() (err error) {
	if m.foreign, err = m.tpm.makeAK(tpm2.TPMRHOwner, 0); err != nil { // another seed, another key
		return err
	}
	if m.o.Kind != KindTPM {
		m.ak, err = m.tpm.makeAK(tpm2.TPMRHEndorsement, handleAK)
		return err
	}
	if m.ak, err = m.tpm.makeAK(tpm2.TPMRHEndorsement, handlePlainAK); err != nil || m.o.Roots == "" {
		return err
	}
	return forge.WritePublicKey(m.o.Roots, fmt.Sprintf("tpm/%d.pub", os.Getpid()), m.ak)
}

// publish makes an HCL report. The caller holds the TPM's lock.
func (m *machine) publish(reportData []byte) error {
	hcl, err := m.makeHCL(reportData)
	if err != nil {
		return err
	}
	hcl = append(hcl, make([]byte, m.indexSize()-len(hcl))...)
	if m.o.LongHCL {
		m.longHCL = hcl
	} else if err := m.tpm.writeIndex(indexHCL, hcl); err != nil {
		return fmt.Errorf("write the HCL report: %w", err)
	}
	m.count(func(c *Counters) { c.Reports++ })
	return nil
}

func (m *machine) indexSize() int {
	if m.o.LongHCL {
		return longIndexSize
	}
	return hclIndexSize
}

type jwk struct {
	KID    string   `json:"kid"`
	KeyOps []string `json:"key_ops"`
	KTY    string   `json:"kty"`
	E      string   `json:"e"`
	N      string   `json:"n"`
}

// claims are what the hardware report vouches for by their hash.
func (m *machine) claims(reportData []byte) ([]byte, error) {
	key := m.ak
	if m.faults.Armed("foreign-ak") {
		key = m.foreign
	}
	b64 := base64.RawURLEncoding.EncodeToString
	exponent := binary.BigEndian.AppendUint32(nil, uint32(key.E))
	padded := make([]byte, 64)
	copy(padded, reportData)
	userData := strings.ToUpper(hex.EncodeToString(padded))
	if m.o.Lower {
		userData = strings.ToLower(userData)
	}
	spell := func(name string) string {
		if m.o.Snake {
			return strings.ReplaceAll(name, "-", "_")
		}
		return name
	}
	keys := []jwk{{KID: "HCLAkPub", KeyOps: []string{"sign"}, KTY: "RSA", E: b64(bytes.TrimLeft(exponent, "\x00")), N: b64(key.N.Bytes())}}
	configuration := map[string]any{
		spell("console-enabled"): true, spell("secure-boot"): true, spell("tpm-enabled"): true, "vmUniqueId": "911B0EF8-9DBA-48B0-B275-000000000000",
	}
	if m.o.LongHCL {
		keys = append(keys, endorsementKey())
		configuration[spell("root-cert-thumbprint")], configuration[spell("tpm-persisted")] = b64(make([]byte, 32)), false
	}
	claims := map[string]any{"keys": keys, spell("vm-configuration"): configuration}
	if !m.faults.Armed("no-user-data") {
		claims[spell("user-data")] = userData
	}
	return json.Marshal(claims)
}

func (m *machine) makeHCL(reportData []byte) ([]byte, error) {
	claims, err := m.claims(reportData)
	if err != nil {
		return nil, err
	}
	hash := sha256.Sum256(claims)
	if m.faults.Armed("bad-hash") {
		hash[0] ^= 1
	}
	hardware, err := m.hardwareReport(hash[:])
	if err != nil {
		return nil, err
	}
	kind, version := uint32(typeSNP), uint32(1)
	if m.o.Kind == KindTDX {
		kind = typeTDX
	}
	if m.o.HCLType != 0 {
		kind = m.o.HCLType
	}
	if m.o.HCLv2 {
		version = 2
	}
	le := binary.LittleEndian
	capabilities := []byte{}
	if m.o.DataV2 {
		capabilities = le.AppendUint32(nil, 1)
	}
	used := 32 + 1184 + 20 + len(capabilities) + len(claims)
	if used > m.indexSize() {
		return nil, fmt.Errorf("an HCL report of %d bytes does not fit its index", used)
	}
	out := []byte("HCLA")
	for _, word := range []uint32{version, uint32(used), 2, 0, 0, 0, 0} {
		out = le.AppendUint32(out, word)
	}
	out = append(out, hardware...)
	out = append(out, make([]byte, 32+1184-len(out))...)
	for _, word := range []uint32{uint32(used - 32 - 1184), uint32(1 + len(capabilities)/4), kind, 1, uint32(len(claims))} {
		out = le.AppendUint32(out, word)
	}
	return append(append(out, capabilities...), claims...), nil
}

func (m *machine) hardwareReport(reportData []byte) ([]byte, error) {
	if m.o.Kind == KindTDX {
		return m.tdReport(reportData)
	}
	r := forge.NewReport(forge.Products["Milan"], 3)
	vmpl, _ := m.faults.Number("vmpl")
	err := errors.Join(r.Set("report_data", reportData), r.Set("vmpl", binary.LittleEndian.AppendUint32(nil, vmpl)))
	if m.faults.Armed("debug") {
		err = errors.Join(err, r.SetText("policy", "0xb0000"))
	}
	if err == nil {
		err = m.roots.AMD.Sign(r)
	}
	if m.faults.Armed("bad-signature") {
		r.Raw[0x2A0+5] ^= 1
	}
	return r.Raw[:], err
}

func (m *machine) tdReport(reportData []byte) ([]byte, error) {
	body := forge.NewBody(m.o.TDQuote5)
	err := body.Set("report_data", reportData)
	if m.faults.Armed("debug") {
		err = errors.Join(err, body.SetText("td_attributes", "0x1"))
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	tdreport := forge.TDReport(body)
	m.tdreports[string(tdreport)] = body
	return tdreport, err
}

// quoteFor is what the quoting service makes of a TDREPORT of this machine, and of no
// other.
func (m *machine) quoteFor(tdreport []byte) ([]byte, error) {
	m.mu.Lock()
	body, known := m.tdreports[string(tdreport)]
	m.mu.Unlock()
	if !known {
		return nil, errors.New("this TDREPORT was not made here")
	}
	if m.faults.Armed("foreign-quote") {
		body = forge.NewBody(m.o.TDQuote5)
		if err := body.Set("report_data", bytes.Repeat([]byte{0xF0}, 32)); err != nil {
			return nil, err
		}
	}
	if assignment, armed := m.faults.Take("quote-set"); armed {
		body = &forge.Body{Raw: bytes.Clone(body.Raw)}
		field, text, _ := strings.Cut(assignment, "=")
		if err := body.SetText(field, text); err != nil {
			return nil, err
		}
	}
	version := 4
	if m.o.TDQuote5 {
		version = 5
	}
	quote, err := m.roots.Intel.Quote(version, body, forge.QuoteOptions{})
	return append(quote, make([]byte, 70)...), err // as real ones have it
}

// written is called when the guest has written report data; the TPM's lock is held.
func (m *machine) written() {
	reportData, err := m.tpm.readIndex(indexReportData)
	m.blame(err)
	m.count(func(c *Counters) { c.ReportData = append(c.ReportData, hex.EncodeToString(reportData)) })
	if m.faults.Armed("overwritten") {
		reportData = bytes.Repeat([]byte{0x0E}, len(reportData))
		m.blame(m.tpm.writeIndex(indexReportData, reportData))
	}
	if m.o.NoHCL || m.faults.Armed("stale") {
		return
	}
	delay := m.faults.Duration("delay")
	if delay == 0 {
		m.blame(m.publish(reportData))
		return
	}
	time.AfterFunc(delay, func() {
		m.tpm.mu.Lock()
		defer m.tpm.mu.Unlock()
		// Of what stands there by now: who was overtaken gets none.
		if reportData, err := m.tpm.readIndex(indexReportData); err == nil {
			m.blame(m.publish(reportData))
		}
	})
}

// blame keeps an error that is the emulation's own fault, for the test to see.
func (m *machine) blame(err error) {
	if err != nil {
		m.count(func(c *Counters) { c.ServerFaults = append(c.ServerFaults, err.Error()) })
	}
}

func (m *machine) count(change func(*Counters)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change(&m.counters)
}

// snapshot is in JSON already: the counters go on counting.
func (m *machine) snapshot() any {
	m.mu.Lock()
	defer m.mu.Unlock()
	text, err := json.Marshal(m.counters)
	if err != nil {
		panic(err)
	}
	return json.RawMessage(text)
}

func codeName(code uint32) string {
	if name := commandNames[code]; name != "" {
		return name
	}
	return "0x" + strconv.FormatUint(uint64(code), 16)
}
