// SPDX-License-Identifier: Apache-2.0

package tee

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"time"

	"sealpod.test/tee/forge"
	"sealpod.test/tee/stage"
)

// Counters are what the machine has seen.
type Counters struct {
	Reports      int            `json:"reports"`       // made and handed out
	Burnt        int            `json:"burnt"`         // made for a certificate buffer that was too small
	Instances    int            `json:"instances"`     // of configfs-tsm, now
	Mkdir        int            `json:"mkdir"`         // that succeeded
	Rmdir        int            `json:"rmdir"`         // that succeeded
	Writes       int            `json:"writes"`        // that moved a generation
	Hung         int            `json:"hung"`          // requests without an answer, now
	Ioctls       map[string]int `json:"ioctls"`        // by name, successful or not
	ReportData   []string       `json:"report_data"`   // that reports were asked for with
	CommandPID   int            `json:"command_pid"`   // of the program under test
	ServerFaults []string       `json:"server_faults"` // what the emulation itself could not do
}

// machine makes reports. It is shared by all interfaces.
type machine struct {
	o          Options
	roots      *forge.Roots
	faults     stage.Faults
	log        []byte
	rtmr       [4][48]byte
	certs      []forge.CertEntry
	foreignVEK forge.CertEntry // as the first of them, after the firmware was updated
	release    chan struct{}   // closed: hung requests get an answer, now and in future

	mu       sync.Mutex
	counters Counters
	dead     bool          // the device gives nothing any more
	answer   chan struct{} // closed: requests that hang now get an answer
}

// earlier is report data that somebody asked for at another time.
var earlier = bytes.Repeat([]byte{0xEA}, 64)

func newMachine(o Options) (*machine, error) {
	m := &machine{o: o, release: make(chan struct{}), answer: make(chan struct{})}
	m.counters.Ioctls = map[string]int{}
	var err error
	if o.Roots == "" {
		m.roots, err = forge.NewRoots()
	} else {
		m.roots, err = forge.ReadRoots(o.Roots)
	}
	if err != nil {
		return nil, err
	}
	m.log, m.rtmr = forge.EventLog(false)
	if err := m.endorse(); err != nil {
		return nil, err
	}
	// Mistakes in the options show now, not at the first read.
	if o.isTDX() {
		_, err = m.body(nil)
	} else {
		_, err = m.unsignedReport(nil, 0)
	}
	for _, fault := range o.Faults {
		m.faults.Add(fault)
	}
	return m, err
}

// endorse makes the certificates that the host hands out.
func (m *machine) endorse() error {
	product := forge.Products[m.o.Product]
	vek := forge.VEK{Product: product, TCB: forge.DefaultTCB, ChipID: forge.NewReport(product, 3).Get("chip_id")}
	chain, guid := m.roots.AMD.Chains[m.o.Product], forge.GUIDVCEK
	intermediate := chain.ASK
	if m.o.VLEK {
		vek.CSP, guid, intermediate = "CN=cloud.example.test", forge.GUIDVLEK, chain.ASVK
	}
	cert, err := m.roots.AMD.IssueVEK(vek)
	if err != nil {
		return err
	}
	foreign := vek
	foreign.Foreign = true
	other, err := m.roots.AMD.IssueVEK(foreign)
	if err != nil {
		return err
	}
	m.foreignVEK = forge.CertEntry{GUID: guid, Data: other.Raw}
	m.certs = []forge.CertEntry{
		{GUID: guid, Data: cert.Raw}, {GUID: forge.GUIDUnknown, Data: []byte("firmware endorsement")},
		{GUID: forge.GUIDASK, Data: intermediate.Raw}, {GUID: forge.GUIDARK, Data: chain.ARK.Raw},
	}
	if m.o.Roots == "" || m.o.VLEK {
		return nil
	}
	return forge.WriteVEK(m.o.Roots, vek, cert)
}

// table is what the host's hypervisor would give now.
func (m *machine) table() []byte {
	fault, _ := m.faults.Take("certs")
	certs := m.certs
	if m.faults.Armed("foreign-vek") {
		certs = append([]forge.CertEntry{m.foreignVEK}, certs[1:]...)
	}
	table, err := forge.CertTable(certs, fault)
	m.blame(err)
	return table
}

// blame keeps an error that is the emulation's own fault, for the test to see.
func (m *machine) blame(err error) {
	if err == nil {
		return
	}
	m.count(func(c *Counters) { c.ServerFaults = append(c.ServerFaults, err.Error()) })
}

func (m *machine) count(change func(*Counters)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change(&m.counters)
}

func (m *machine) snapshot() Counters {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.counters
	c.Ioctls = map[string]int{}
	for name, n := range m.counters.Ioctls {
		c.Ioctls[name] = n
	}
	c.ReportData = append([]string{}, m.counters.ReportData...)
	c.ServerFaults = append([]string{}, m.counters.ServerFaults...)
	return c
}

// wait spends the time that hardware, host or a throttle take.
func (m *machine) wait(interrupted <-chan struct{}) syscall.Errno {
	if m.faults.Armed("hang") {
		m.count(func(c *Counters) { c.Hung++ })
		select {
		case <-m.release:
		case <-m.answers():
		}
		m.count(func(c *Counters) { c.Hung-- })
		return syscall.EIO
	}
	text, armed := m.faults.Take("delay")
	if !armed {
		return 0
	}
	delay, err := time.ParseDuration(text)
	m.blame(err)
	select {
	case <-time.After(delay):
		return 0
	case <-interrupted:
		return syscall.EINTR
	case <-m.release:
		return syscall.EIO
	}
}

func (m *machine) answers() <-chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.answer
}

// answerHung ends the requests that hang now, with EIO.
func (m *machine) answerHung() {
	m.mu.Lock()
	defer m.mu.Unlock()
	close(m.answer)
	m.answer = make(chan struct{})
}

// asked notes what a report was asked for with.
func (m *machine) asked(reportData []byte) {
	m.count(func(c *Counters) {
		c.Reports++
		c.ReportData = append(c.ReportData, hex.EncodeToString(reportData))
	})
}

// carried is the report data that a report will carry.
func (m *machine) carried(reportData []byte) []byte {
	data := bytes.Clone(reportData)
	if m.faults.Armed("wrong-data") {
		data[0] ^= 1
	}
	if m.faults.Armed("replay") {
		data = bytes.Clone(earlier)
	}
	return data
}

// fields applies what the options and faults say about single fields.
func (m *machine) fields(set func(name, text string) error) error {
	var errs []error
	for name, text := range m.o.Set {
		errs = append(errs, set(name, text))
	}
	for _, assignment := range m.faults.TakeAll("set") {
		name, text, _ := strings.Cut(assignment, "=")
		errs = append(errs, set(name, text))
	}
	return errors.Join(errs...)
}

func (m *machine) unsignedReport(reportData []byte, vmpl uint32) (*forge.Report, error) {
	r := forge.NewReport(forge.Products[m.o.Product], uint32(m.o.ReportVersion))
	hostData, err := hex.DecodeString(m.o.HostData)
	if err != nil {
		return nil, fmt.Errorf("host data: %w", err)
	}
	if m.o.VLEK {
		r.UseVLEK()
	}
	err = errors.Join(r.Set("host_data", hostData), r.Set("report_data", reportData), r.Set("vmpl", []byte{byte(vmpl)}), m.fields(r.SetText))
	return r, err
}

// snpReport makes a signed report.
func (m *machine) snpReport(reportData []byte, vmpl uint32) ([]byte, syscall.Errno) {
	m.asked(reportData)
	r, err := m.unsignedReport(m.carried(reportData), vmpl)
	if err == nil {
		err = m.roots.AMD.Sign(r)
	}
	if err != nil {
		m.blame(err)
		return nil, syscall.EIO
	}
	if m.faults.Armed("bad-signature") {
		r.Raw[0x2A0+5] ^= 1
	}
	return r.Raw[:], 0
}

func (m *machine) body(reportData []byte) (*forge.Body, error) {
	b := forge.NewBody(m.o.Kind == KindTDX15)
	id, err := hex.DecodeString(m.o.MRConfigID)
	if err != nil {
		return nil, fmt.Errorf("MRCONFIGID: %w", err)
	}
	errs := []error{b.Set("mr_config_id", id), b.Set("report_data", reportData)}
	for i, register := range m.rtmr {
		errs = append(errs, b.Set(fmt.Sprintf("rtmr_%d", i), register[:]))
	}
	errs = append(errs, m.fields(b.SetText))
	return b, errors.Join(errs...)
}

// tdxQuote makes a signed quote.
func (m *machine) tdxQuote(reportData []byte) ([]byte, syscall.Errno) {
	m.asked(reportData)
	b, err := m.body(m.carried(reportData))
	if err != nil {
		m.blame(err)
		return nil, syscall.EIO
	}
	version := 5
	if m.o.Kind == KindTDX {
		version = 4
	}
	o := forge.QuoteOptions{
		BadSignature: m.faults.Armed("bad-signature"),
		OtherKeyHash: m.faults.Armed("foreign-key"), ForeignPCK: m.faults.Armed("foreign-pck"),
	}
	if m.faults.Armed("chain-nul") {
		o.ChainTail = []byte{0}
	}
	quote, err := m.roots.Intel.Quote(version, b, o)
	if err != nil {
		m.blame(err)
		return nil, syscall.EIO
	}
	return m.trail(quote), 0
}

// trail adds the bytes that real hosts leave after a quote.
func (m *machine) trail(quote []byte) []byte {
	switch what, _ := m.faults.Take("trailing"); what {
	case "zeros":
		return append(quote, make([]byte, 70)...)
	case "bytes":
		return append(quote, bytes.Repeat([]byte{0x5F}, 39)...)
	case "pad":
		return append(quote, make([]byte, max(0, 8000-len(quote)))...)
	}
	return quote
}
