// SPDX-License-Identifier: Apache-2.0

package hardware

import (
	"bytes"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/google/go-sev-guest/abi"
	"github.com/google/go-sev-guest/kds"
	spb "github.com/google/go-sev-guest/proto/sevsnp"
	"github.com/google/go-sev-guest/validate"
	"github.com/google/go-sev-guest/verify"
	"github.com/google/go-sev-guest/verify/trust"

	"sealpod.test/kbs/strictjson"
)

// SNP verifies the evidence of SEV-SNP guests.
type SNP struct{ roots *Roots }

// Name implements kbs.Verifier.
func (*SNP) Name() string { return "snp" }

// Verify implements kbs.Verifier.
func (v *SNP) Verify(evidence json.RawMessage, reportData, initDataDigest []byte) (map[string]any, error) {
	o, err := strictjson.Parse(evidence)
	if err != nil {
		return nil, err
	}
	inner, err := o.Obj("attestation_report")
	if err != nil {
		return nil, fmt.Errorf("attestation_report: %w", err)
	}
	r, err := parseReport(inner)
	if err != nil {
		return nil, fmt.Errorf("attestation_report: %w", err)
	}
	given, err := parseChain(o)
	if err != nil {
		return nil, err
	}
	if version := r.u32(0x000); version < 3 || version > 5 {
		return nil, fmt.Errorf("report version %d is none of 3, 4, 5", version)
	}
	attestation, err := v.genuine(r, given)
	if err != nil {
		return nil, err
	}
	want := snpExpected(reportData, initDataDigest)
	if attestation != nil {
		if err = validate.SnpAttestation(attestation, want); err != nil {
			err = fmt.Errorf("go-sev-guest: %w", err)
		}
	} else {
		err = r.carries(want)
	}
	if err != nil {
		return nil, err
	}
	return r.claims(), nil
}

// snpExpected is what a report must carry. Policy, platform and versions are a policy's
// affair, as with the real verifier.
func snpExpected(reportData, initDataDigest []byte) *validate.Options {
	vmpl := 0
	want := &validate.Options{
		ReportData: regularize(reportData, 64), VMPL: &vmpl, PermitProvisionalFirmware: true,
		GuestPolicy: abi.SnpPolicy{Debug: true, MigrateMA: true, SMT: true, CXLAllowed: true},
	}
	if initDataDigest != nil {
		want.HostData = regularize(initDataDigest, 32)
	}
	return want
}

// carries is the same where go-sev-guest cannot be asked.
func (r *report) carries(want *validate.Options) error {
	if vmpl := r.u32(0x030); vmpl != uint32(*want.VMPL) {
		return fmt.Errorf("report VMPL %d is not %d", vmpl, *want.VMPL)
	}
	for _, field := range []struct {
		name        string
		found, want []byte
	}{
		{"REPORT_DATA", r.raw[0x050:0x090], want.ReportData},
		{"HOST_DATA", r.raw[0x0C0:0x0E0], want.HostData},
	} {
		if field.want != nil && !bytes.Equal(field.found, field.want) {
			return fmt.Errorf("report field %s is %x. Expect %x", field.name, field.found, field.want)
		}
	}
	return nil
}

// beyondGoSEVGuest are the reports on which go-sev-guest (v0.14.1, v0.15.0 alike) cannot be
// asked, each with the reason. There the checks of this package stand alone.
var beyondGoSEVGuest = []struct {
	why     string
	applies func(*report) bool
}{
	{
		"Turin and later: it knows neither their layout of a TCB version (kds.DecomposeTCBVersion) nor hardware IDs of 8 bytes (kds.CertificateExtensions)",
		func(r *report) bool { return r.raw[0x188] >= familyTurin },
	},
	{
		"Siena, Bergamo and engineering samples: it knows one model each of Milan and Genoa (kds.ProductLineCpuid), and no roots for others",
		func(r *report) bool { return r.raw[0x188] == 0x19 && r.raw[0x189] != 0x01 && r.raw[0x189] != 0x11 },
	},
}

// genuine checks that a chip of AMD's (or what plays AMD here) made the report. What it
// returns is for go-sev-guest, nil where that cannot be asked.
func (v *SNP) genuine(r *report, given *endorsement) (*spb.Attestation, error) {
	product := productOf(r.raw[0x188], r.raw[0x189])
	chain := v.roots.amd[product]
	if chain == nil {
		return nil, fmt.Errorf("no roots for family %#x, model %#x", r.raw[0x188], r.raw[0x189])
	}
	if given == nil {
		var err error
		if given, err = v.fromStore(r, product); err != nil {
			return nil, err
		}
	}
	vek, err := x509.ParseCertificate(given.der)
	if err != nil {
		return nil, fmt.Errorf("endorsement key certificate: %w", err)
	}
	if err := checkVEK(vek, chain, given.vlek, v.roots.now()); err != nil {
		return nil, err
	}
	if err := matchVEK(vek, r, product, given.vlek); err != nil {
		return nil, err
	}
	if err := r.checkSignature(vek); err != nil {
		return nil, err
	}
	for _, beyond := range beyondGoSEVGuest {
		if beyond.applies(r) {
			return nil, nil
		}
	}
	return v.secondOpinion(r, vek, chain, given.vlek)
}

func productOf(family, model byte) string {
	switch {
	case family == 0x19 && model <= 0x0F:
		return "Milan"
	case family == 0x19 && (model>>4 == 1 || model>>4 == 0xA):
		return "Genoa"
	case family == familyTurin && model <= 0x11:
		return "Turin"
	}
	return "unknown"
}

// fromStore finds the VCEK of a report that came without.
func (v *SNP) fromStore(r *report, product string) (*endorsement, error) {
	size, t := 64, r.reported
	name := fmt.Sprintf("bl%02d_tee%02d_snp%02d_ucode%02d", t.Bootloader, t.TEE, t.SNP, t.Microcode)
	if product == "Turin" {
		size = 8
		fmc := byte(0)
		if t.FMC != nil {
			fmc = *t.FMC
		}
		name += fmt.Sprintf("_fmc%02d", fmc)
	}
	dir := filepath.Join(v.roots.store, hex.EncodeToString(r.raw[0x1A0:0x1A0+size]))
	for _, file := range []string{name + "_vcek.der", "vcek.der"} {
		if der, err := os.ReadFile(filepath.Join(dir, file)); err == nil {
			return &endorsement{der: der}, nil
		}
	}
	return nil, fmt.Errorf("the offline store has no VCEK '%s' for this chip", name)
}

// secondOpinion is go-sev-guest's.
func (v *SNP) secondOpinion(r *report, vek *x509.Certificate, chain *amdChain, vlek bool) (*spb.Attestation, error) {
	proto, err := abi.ReportToProto(r.raw[:])
	if err != nil {
		return nil, fmt.Errorf("go-sev-guest: %w", err)
	}
	product := kds.ProductLineFromFms(proto.GetCpuid1EaxFms())
	root := trust.AMDRootCertsProduct(product)
	root.ProductCerts = &trust.ProductCerts{Ark: chain.ark, Ask: chain.ask, Asvk: chain.asvk}
	root.CRL = chain.crl
	certs := &spb.CertificateChain{ArkCert: chain.ark.Raw, AskCert: chain.ask.Raw, VcekCert: vek.Raw}
	if vlek {
		certs = &spb.CertificateChain{ArkCert: chain.ark.Raw, AskCert: chain.asvk.Raw, VlekCert: vek.Raw}
	}
	attestation := &spb.Attestation{Report: proto, CertificateChain: certs}
	err = verify.SnpAttestation(attestation, &verify.Options{
		DisableCertFetching: true, CheckRevocations: true, Now: v.roots.now(),
		TrustedRoots: map[string][]*trust.AMDRootCerts{product: {root}},
	})
	if err != nil {
		return nil, fmt.Errorf("go-sev-guest: %w", err)
	}
	return attestation, nil
}

// claims are named as the real verifier names them.
func (r *report) claims() map[string]any {
	policy, platform := r.u64(0x008), r.u64(0x040)
	bit := func(word uint64, n int) bool { return word>>n&1 == 1 }
	claims := map[string]any{
		"policy_abi_major": policy >> 8 & 0xFF, "policy_abi_minor": policy & 0xFF,
		"policy_smt_allowed": bit(policy, 16), "policy_migrate_ma": bit(policy, 18),
		"policy_debug_allowed": bit(policy, 19), "policy_single_socket": bit(policy, 20),
		"reported_tcb_bootloader": r.reported.Bootloader, "reported_tcb_tee": r.reported.TEE,
		"reported_tcb_snp": r.reported.SNP, "reported_tcb_microcode": r.reported.Microcode,
		"platform_smt_enabled": bit(platform, 0), "platform_tsme_enabled": bit(platform, 1),
		"measurement": hex.EncodeToString(r.raw[0x090:0x0C0]),
		"report_data": hex.EncodeToString(r.raw[0x050:0x090]), "init_data": hex.EncodeToString(r.raw[0x0C0:0x0E0]),
	}
	if r.reported.FMC != nil {
		claims["reported_tcb_fmc"] = *r.reported.FMC
	}
	return claims
}
