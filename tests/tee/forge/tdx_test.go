// SPDX-License-Identifier: Apache-2.0

package forge

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"math/big"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-tdx-guest/verify"
)

// collateral answers go-tdx-guest as Intel's service would.
type collateral struct{ *Intel }

func (c collateral) Get(address string) (map[string][]string, []byte, error) {
	chain := func(name string, leaf *x509.Certificate) map[string][]string {
		return map[string][]string{name: {url.QueryEscape(string(certPEM(leaf, c.Root)))}}
	}
	switch {
	case strings.Contains(address, "/tcb?"):
		return chain("Tcb-Info-Issuer-Chain", c.TCBSigning), c.TCBInfo, nil
	case strings.Contains(address, "/qe/identity"):
		return chain("Sgx-Enclave-Identity-Issuer-Chain", c.TCBSigning), c.QEIdentity, nil
	case strings.Contains(address, "/pckcrl"):
		return chain("Sgx-Pck-Crl-Issuer-Chain", c.PlatformCA), c.PCKCRL, nil
	case address == rootCRLAddress:
		return nil, c.RootCRL, nil
	}
	return nil, nil, errors.New("no collateral at " + address)
}

func googleVerifyTDX(quote []byte) error {
	intel := testRoots().Intel
	pool := x509.NewCertPool()
	pool.AddCert(intel.Root)
	return verify.RawTdxQuote(quote, &verify.Options{
		CheckRevocations: true, GetCollateral: true, Getter: collateral{intel}, Now: time.Now(), TrustedRoots: pool,
	})
}

func TestGoTdxGuestTakesQuotes(t *testing.T) {
	for name, c := range map[string]struct {
		o    QuoteOptions
		good bool
	}{
		"plain":          {QuoteOptions{}, true},
		"trailing zeros": {QuoteOptions{Trailing: make([]byte, 70)}, true},
		"trailing bytes": {QuoteOptions{Trailing: pattern(39, 1)}, true},
		"NUL":            {QuoteOptions{ChainTail: []byte{0}}, true},
		"signature":      {QuoteOptions{BadSignature: true}, false},
		"other key":      {QuoteOptions{OtherKeyHash: true}, false},
		"foreign PCK":    {QuoteOptions{ForeignPCK: true}, false},
	} {
		t.Run(name, func(t *testing.T) {
			quote, err := testRoots().Intel.Quote(4, NewBody(false), c.o)
			if err != nil {
				t.Fatal(err)
			}
			if err := googleVerifyTDX(quote); (err == nil) != c.good {
				t.Errorf("go-tdx-guest says: %v", err)
			}
		})
	}
}

// TestQuoteV5 checks the signature over type and size, which go-tdx-guest does not know.
func TestQuoteV5(t *testing.T) {
	for _, v15 := range []bool{false, true} {
		body := NewBody(v15)
		quote, err := testRoots().Intel.Quote(5, body, QuoteOptions{})
		if err != nil {
			t.Fatal(err)
		}
		end := 54 + len(body.Raw)
		digest := sha256.Sum256(quote[:end])
		signature, key := quote[end+4:end+68], quote[end+68:end+132]
		number := func(b []byte) *big.Int { return new(big.Int).SetBytes(b) }
		public := &ecdsa.PublicKey{Curve: elliptic.P256(), X: number(key[:32]), Y: number(key[32:])}
		if !ecdsa.Verify(public, digest[:], number(signature[:32]), number(signature[32:])) {
			t.Errorf("TDX 1.5 %v: the signature does not verify", v15)
		}
		if kind, size := binary.LittleEndian.Uint16(quote[48:]), binary.LittleEndian.Uint32(quote[50:]); int(size) != len(body.Raw) || (kind == 3) != v15 {
			t.Errorf("type %d, size %d", kind, size)
		}
	}
	if _, err := testRoots().Intel.Quote(4, NewBody(true), QuoteOptions{}); err == nil {
		t.Error("version 4 took a body of TDX 1.5")
	}
}

func TestTDReport(t *testing.T) {
	body := NewBody(true)
	body.set("report_data", pattern(64, 9))
	body.set("mr_config_id", pattern(48, 5))
	body.set("rtmr_3", pattern(48, 6))
	report := TDReport(body)
	info := sha512.Sum384(report[0x200:])
	for name, got := range map[string]bool{
		"size":       len(report) == 1024 && report[0] == 0x81,
		"data":       bytes.Equal(report[0x80:0xC0], pattern(64, 9)),
		"MRCONFIGID": bytes.Equal(report[0x240:0x270], pattern(48, 5)),
		"RTMR3":      bytes.Equal(report[0x200+0xD0+144:][:48], pattern(48, 6)),
		"info hash":  bytes.Equal(report[0x50:0x80], info[:]),
	} {
		if !got {
			t.Errorf("%s is not in its place", name)
		}
	}
}

// replay is a reader of its own, so that builder and reader do not share a mistake.
func replay(t *testing.T, log []byte) (rtmr [4][48]byte, events int) {
	t.Helper()
	u32 := func() uint32 {
		n := binary.LittleEndian.Uint32(log)
		log = log[4:]
		return n
	}
	log = log[28:]
	log = log[u32():]
	for log[0] != 0xFF {
		register, kind := u32(), u32()
		if u32() != 1 || binary.LittleEndian.Uint16(log) != algSHA384 {
			t.Fatal("not one SHA-384 digest")
		}
		digest := log[2:50]
		log = log[50:]
		log = log[u32():]
		events++
		if kind != evNoAction {
			rtmr[register-1] = sha512.Sum384(append(rtmr[register-1][:], digest...))
		}
	}
	return rtmr, events
}

func TestEventLogReplays(t *testing.T) {
	log, want := EventLog(false)
	got, events := replay(t, log)
	if got != want || events != len(bootEvents()) || len(log) != LogSize {
		t.Errorf("%d events, %d bytes, replays: %v", events, len(log), got == want)
	}
	for i, register := range got {
		if register == [48]byte{} {
			t.Errorf("RTMR%d is zero", i)
		}
	}
	broken, same := EventLog(true)
	if again, _ := replay(t, broken); again == want || same != want {
		t.Error("the broken log replays")
	}
}

func TestCCELTable(t *testing.T) {
	table := CCELTable()
	sum := byte(0)
	for _, b := range table {
		sum += b
	}
	if len(table) != 56 || sum != 0 || table[36] != 2 || binary.LittleEndian.Uint64(table[40:]) != LogSize {
		t.Errorf("% x", table)
	}
}
