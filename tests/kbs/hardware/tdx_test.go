// SPDX-License-Identifier: Apache-2.0

package hardware

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-tdx-guest/validate"

	"sealpod.test/tee/forge"
)

// tdxCase is one piece of evidence.
type tdxCase struct {
	version int // default 4
	v15     bool
	body    func(*forge.Body)
	quote   forge.QuoteOptions
	raw     func([]byte) []byte // after all
	log     string              // "": sound, "none", "broken", "empty", or its base64
}

func (c tdxCase) evidence(t *testing.T) json.RawMessage {
	t.Helper()
	if c.version == 0 {
		c.version = 4
	}
	b := forge.NewBody(c.v15)
	log, rtmr := forge.EventLog(c.log == "broken")
	err := errors.Join(b.Set("report_data", wantData[:]), b.Set("mr_config_id", initData[:]))
	for i, register := range rtmr {
		err = errors.Join(err, b.Set(fmt.Sprintf("rtmr_%d", i), register[:]))
	}
	apply(c.body, b)
	quote, quoteErr := forged.Intel.Quote(c.version, b, c.quote)
	if err := errors.Join(err, quoteErr); err != nil {
		t.Fatal(err)
	}
	if c.raw != nil {
		quote = c.raw(quote)
	}
	document := map[string]any{"quote": base64.StdEncoding.EncodeToString(quote), "cc_eventlog": base64.StdEncoding.EncodeToString(log)}
	switch c.log {
	case "", "broken":
	case "none":
		document["cc_eventlog"] = nil
	case "empty":
		document["cc_eventlog"] = ""
	default:
		document["cc_eventlog"] = c.log
	}
	text, err := json.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func bodyText(name, text string) func(*forge.Body) {
	return func(b *forge.Body) {
		if err := b.SetText(name, text); err != nil {
			panic(err)
		}
	}
}

func both(first, second func(*forge.Body)) func(*forge.Body) {
	return func(b *forge.Body) { first(b); second(b) }
}

func TestTDXAccepts(t *testing.T) {
	for name, c := range map[string]tdxCase{
		"v4":         {},
		"v5":         {version: 5},
		"v5 1.5":     {version: 5, v15: true},
		"trailing":   {quote: forge.QuoteOptions{Trailing: make([]byte, 3000)}},
		"NUL":        {version: 5, quote: forge.QuoteOptions{ChainTail: []byte{0}}},
		"no log":     {log: "none"},
		"migratable": {body: bodyText("td_attributes", "0x20000000")}, // likewise
		"key locker": {body: bodyText("td_attributes", "0x80000000")},
		"empty log":  {log: "empty"},
		"debug":      {body: bodyText("td_attributes", "0x1")}, // a policy's affair
	} {
		t.Run(name, func(t *testing.T) {
			claims, err := (&TDX{trusted()}).Verify(c.evidence(t), wantData[:], initData[:])
			if err != nil {
				t.Fatal(err)
			}
			flags := claims["td_attributes"].(map[string]any)
			body := claims["quote"].(map[string]any)["body"].(map[string]any)
			_, hasLog := claims["uefi_event_logs"]
			_, has15 := body["mr_servicetd"]
			if claims["tcb_status"] != "UpToDate" || flags["debug"] != (name == "debug") || body["mr_config_id"] != hex.EncodeToString(initData[:]) ||
				claims["report_data"] != fmt.Sprintf("%x%032x", wantData, 0) || hasLog == strings.HasSuffix(name, " log") || has15 != c.v15 {
				t.Errorf("claims %v", claims)
			}
		})
	}
}

func TestTDXRefuses(t *testing.T) {
	flip := func(at int) func([]byte) []byte {
		return func(quote []byte) []byte { quote[at] ^= 1; return quote }
	}
	cut := func(quote []byte) []byte { return quote[:1000] }
	for name, c := range map[string]struct {
		tdxCase
		why string
	}{
		"report data":    {tdxCase{body: bodyText("report_data", "aa")}, "go-tdx-guest: quote field REPORT_DATA is aa0000"},
		"init-data":      {tdxCase{body: bodyText("mr_config_id", "aa")}, "go-tdx-guest: quote field MR_CONFIG_ID is aa0000"},
		"v5 report data": {tdxCase{version: 5, v15: true, body: bodyText("report_data", "aa")}, "quote field REPORT_DATA is aa0000"},
		"v5 init-data":   {tdxCase{version: 5, body: bodyText("mr_config_id", "aa")}, "quote field MR_CONFIG_ID is aa0000"},
		"v5 zero data":   {tdxCase{version: 5, body: bodyText("report_data", "00")}, "quote field REPORT_DATA is 0000"},
		"migratable":     {tdxCase{body: both(bodyText("td_attributes", "0x20000000"), bodyText("report_data", "aa"))}, "quote field REPORT_DATA is aa0000"},
		"no quote":       {tdxCase{raw: func([]byte) []byte { return nil }}, "version 0"},
		"version 3":      {tdxCase{raw: func(q []byte) []byte { q[0] = 3; return q }}, "version 3"},
		"body type":      {tdxCase{version: 5, raw: func(q []byte) []byte { q[48] = 9; return q }}, "body type 9"},
		"v5 size signed": {tdxCase{version: 5, raw: flip(50)}, "body type 2 with 585"},
		"SGX":            {tdxCase{raw: func(q []byte) []byte { q[4] = 0; return q }}, "not TDX"},
		"vendor":         {tdxCase{raw: flip(12)}, "not Intel's"},
		"cut":            {tdxCase{raw: cut}, "signature data is cut"},
		"short":          {tdxCase{raw: func(q []byte) []byte { return q[:300] }}, "too short"},
		"v4 changed":     {tdxCase{raw: flip(48 + 136)}, "the signature does not verify"},
		"v5 changed":     {tdxCase{version: 5, v15: true, raw: flip(54 + 600)}, "the signature does not verify"},
		"user data":      {tdxCase{version: 5, raw: flip(30)}, "the signature does not verify"},
		"signature":      {tdxCase{version: 5, quote: forge.QuoteOptions{BadSignature: true}}, "the signature does not verify"},
		"other key":      {tdxCase{version: 5, quote: forge.QuoteOptions{OtherKeyHash: true}}, "another attestation key"},
		"foreign PCK":    {tdxCase{version: 5, quote: forge.QuoteOptions{ForeignPCK: true}}, "QE report"},
		"chain tail":     {tdxCase{quote: forge.QuoteOptions{ChainTail: []byte("x")}}, "not PEM"},
		"module":         {tdxCase{version: 5, body: bodyText("tcb_svn", "05090200")}, "no module TDX_09"},
		"platform":       {tdxCase{version: 5, body: bodyText("tcb_svn", "0501")}, "reaches no level"},
		"module signer":  {tdxCase{version: 5, body: bodyText("mrsigner_seam", "aa")}, "not the one of the TCB info"},
		"log broken":     {tdxCase{log: "broken"}, "does not replay to RTMR0"},
		"log of another": {tdxCase{body: bodyText("rtmr_3", "aa")}, "does not replay to RTMR3"},
		"log garbage":    {tdxCase{log: "AAAA"}, "event log"},
		"log base64":     {tdxCase{log: "%"}, "cc_eventlog"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := (&TDX{trusted()}).Verify(c.evidence(t), wantData[:], initData[:])
			if err == nil || !strings.Contains(err.Error(), c.why) {
				t.Errorf("got '%v', want '…%s…'", err, c.why)
			}
		})
	}
}

// Each exception is needed: go-tdx-guest cannot be asked about such a quote.
func TestExceptionsFromGoTDXGuestAreNeeded(t *testing.T) {
	for i, c := range []tdxCase{
		{version: 5, v15: true},
		{body: bodyText("td_attributes", "0x20000000")},
	} {
		var document struct{ Quote []byte }
		if err := json.Unmarshal(c.evidence(t), &document); err != nil {
			t.Fatal(err)
		}
		q, err := parseQuote(document.Quote)
		if err != nil {
			t.Fatal(err)
		}
		for j, beyond := range beyondGoTDXGuest {
			if beyond.applies(q) != (i == j) {
				t.Errorf("case %d: exception '%s' applies: %v", i, beyond.why, beyond.applies(q))
			}
		}
		if err := validate.RawTdxQuote(document.Quote, tdxExpected(wantData[:], initData[:])); err == nil {
			t.Errorf("go-tdx-guest knows better than '%s'", beyondGoTDXGuest[i].why)
		}
	}
}

func TestOldModuleIsOutOfDate(t *testing.T) {
	claims, err := (&TDX{trusted()}).Verify(tdxCase{body: bodyText("tcb_svn", "020102")}.evidence(t), wantData[:], nil)
	if err != nil || claims["tcb_status"] != "OutOfDate" {
		t.Errorf("%v, status %v", err, claims["tcb_status"])
	}
}

func TestForeignRootIsRefused(t *testing.T) {
	other, err := forge.NewIntel()
	if err != nil {
		t.Fatal(err)
	}
	quote, err := other.Quote(5, forge.NewBody(true), forge.QuoteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	evidence, _ := json.Marshal(map[string]string{"quote": base64.StdEncoding.EncodeToString(quote)})
	if _, err := (&TDX{trusted()}).Verify(evidence, nil, nil); err == nil || !strings.Contains(err.Error(), "root that is not trusted") {
		t.Error(err)
	}
}

func TestForgedCollateralIsRefused(t *testing.T) {
	for _, member := range []string{"UpToDate", "TD_QE"} {
		changed := *trusted().intel
		changed.tcbInfo = []byte(strings.Replace(string(changed.tcbInfo), member, "OutOfDate", 1))
		changed.qeIdentity = []byte(strings.Replace(string(changed.qeIdentity), member, "QE", 1))
		roots := *trusted()
		roots.intel = &changed
		if _, err := (&TDX{&roots}).Verify(tdxCase{}.evidence(t), wantData[:], nil); err == nil || !strings.Contains(err.Error(), "does not verify") {
			t.Errorf("%s: %v", member, err)
		}
	}
}
