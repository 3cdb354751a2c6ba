// SPDX-License-Identifier: Apache-2.0

package hardware

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/google/go-tdx-guest/validate"
	"github.com/google/go-tdx-guest/verify"

	"sealpod.test/kbs/strictjson"
)

// TDX verifies the evidence of trust domains.
type TDX struct{ roots *Roots }

// Name implements kbs.Verifier.
func (*TDX) Name() string { return "tdx" }

// Verify implements kbs.Verifier.
func (v *TDX) Verify(evidence json.RawMessage, reportData, initDataDigest []byte) (map[string]any, error) {
	o, err := strictjson.Parse(evidence)
	if err != nil {
		return nil, err
	}
	raw, err := decodeMember(o, "quote")
	if err != nil {
		return nil, err
	}
	q, err := parseQuote(raw)
	if err != nil {
		return nil, err
	}
	status, err := v.genuine(q, raw)
	if err != nil {
		return nil, err
	}
	want := tdxExpected(reportData, initDataDigest)
	if q.isBeyond(true) {
		err = q.carries(want)
	} else if err = validate.RawTdxQuote(raw, want); err != nil {
		err = fmt.Errorf("go-tdx-guest: %w", err)
	}
	if err != nil {
		return nil, err
	}
	claims := q.claims()
	claims["tcb_status"] = status
	events, err := q.events(o)
	if err != nil {
		return nil, err
	}
	if events != nil {
		claims["uefi_event_logs"] = eventClaims(events)
	}
	return claims, nil
}

// tdxExpected is what a quote must carry; the rest is a policy's affair.
func tdxExpected(reportData, initDataDigest []byte) *validate.Options {
	want := &validate.Options{}
	want.TdQuoteBodyOptions.ReportData = regularize(reportData, 64)
	if initDataDigest != nil {
		want.TdQuoteBodyOptions.MrConfigID = regularize(initDataDigest, 48)
	}
	return want
}

// carries is the same where go-tdx-guest cannot be asked.
func (q *quote) carries(want *validate.Options) error {
	for _, field := range []struct {
		label, name string
		want        []byte
	}{
		{"REPORT_DATA", "report_data", want.TdQuoteBodyOptions.ReportData},
		{"MR_CONFIG_ID", "mr_config_id", want.TdQuoteBodyOptions.MrConfigID},
	} {
		if found := q.field(field.name); field.want != nil && !bytes.Equal(found, field.want) {
			return fmt.Errorf("quote field %s is %x. Expect %x", field.label, found, field.want)
		}
	}
	return nil
}

// beyondGoTDXGuest are the quotes on which go-tdx-guest (v0.3.1) cannot be asked, each with
// the reason. There the checks of this package stand alone.
var beyondGoTDXGuest = []struct {
	why          string
	validateOnly bool // its signature check can be had all the same
	applies      func(*quote) bool
}{
	{
		"version 5: it reads version 4 alone (abi.QuoteToProto)", false,
		func(q *quote) bool { return q.version != 4 },
	},
	{
		"LASS, MIGRATABLE and KL in the attributes: they are reserved to it (validate, tdAttributesFixed0)", true,
		func(q *quote) bool {
			return binary.LittleEndian.Uint64(q.field("td_attributes"))&(1<<27|1<<29|1<<31) != 0
		},
	},
}

func (q *quote) isBeyond(validate bool) bool {
	for _, beyond := range beyondGoTDXGuest {
		if beyond.applies(q) && (validate || !beyond.validateOnly) {
			return true
		}
	}
	return false
}

func decodeMember(o strictjson.Object, name string) ([]byte, error) {
	text, err := o.Str(name)
	if err != nil {
		return nil, err
	}
	data, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("member '%s': %w", name, err)
	}
	return data, nil
}

// genuine checks that a platform of Intel's (or what plays Intel here) made the
// quote, and rates it. Like the real verifier it takes any status but a revoked one;
// the rest is a policy's affair.
func (v *TDX) genuine(q *quote, raw []byte) (string, error) {
	if err := q.checkSignatures(v.roots); err != nil {
		return "", err
	}
	status, err := q.tcbStatus(v.roots)
	if err != nil {
		return "", err
	}
	if status == "Revoked" {
		return "", errors.New("the platform's TCB is revoked")
	}
	return status, v.secondOpinion(q, raw, status)
}

// secondOpinion asks go-tdx-guest, which takes nothing but what is up to date.
func (v *TDX) secondOpinion(q *quote, raw []byte, status string) error {
	if q.isBeyond(false) {
		return nil
	}
	pool := x509.NewCertPool()
	pool.AddCert(v.roots.intel.root)
	options := &verify.Options{Now: v.roots.now(), TrustedRoots: pool, Getter: v.roots.intel}
	options.GetCollateral = status == "UpToDate"
	options.CheckRevocations = options.GetCollateral
	if err := verify.RawTdxQuote(raw, options); err != nil {
		return fmt.Errorf("go-tdx-guest: %w", err)
	}
	return nil
}

// events reads the log, if there is one. It must replay to all four registers.
func (q *quote) events(o strictjson.Object) ([]event, error) {
	if o.Absent("cc_eventlog") || string(o["cc_eventlog"]) == `""` {
		return nil, nil
	}
	raw, err := decodeMember(o, "cc_eventlog")
	if err != nil {
		return nil, err
	}
	events, err := parseEventLog(raw)
	if err != nil {
		return nil, err
	}
	rtmr, err := replay(events)
	if err != nil {
		return nil, err
	}
	for i, register := range rtmr {
		if !bytes.Equal(register[:], q.field(fmt.Sprintf("rtmr_%d", i))) {
			return nil, fmt.Errorf("the event log does not replay to RTMR%d", i)
		}
	}
	return events, nil
}

// claims are named as the real verifier names them.
func (q *quote) claims() map[string]any {
	body := map[string]any{}
	for _, f := range bodyFields {
		if value := q.field(f.name); value != nil {
			body[f.name] = hex.EncodeToString(value)
		}
	}
	header := map[string]any{
		"version": hex.EncodeToString(q.header[:2]), "att_key_type": hex.EncodeToString(q.header[2:4]),
		"tee_type": hex.EncodeToString(q.header[4:8]), "reserved": hex.EncodeToString(q.header[8:12]),
		"vendor_id": hex.EncodeToString(q.header[12:28]), "user_data": hex.EncodeToString(q.header[28:48]),
	}
	document := map[string]any{"header": header, "body": body}
	if q.version == 5 {
		document["type"], document["size"] = hex.EncodeToString(q.kind), hex.EncodeToString(q.size)
	}
	attributes := binary.LittleEndian.Uint64(q.field("td_attributes"))
	flags := map[string]any{}
	for name, bit := range map[string]int{"debug": 0, "septve_disable": 28, "protection_keys": 30, "key_locker": 31, "perfmon": 63} {
		flags[name] = attributes>>bit&1 == 1
	}
	return map[string]any{
		"quote": document, "td_attributes": flags,
		"report_data": body["report_data"], "init_data": body["mr_config_id"],
	}
}
