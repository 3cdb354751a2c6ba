// SPDX-License-Identifier: Apache-2.0

package differential

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strconv"

	sev "github.com/google/go-sev-guest/abi"
	"github.com/google/go-sev-guest/kds"
	sevpb "github.com/google/go-sev-guest/proto/sevsnp"
	tdx "github.com/google/go-tdx-guest/abi"
	tdxpb "github.com/google/go-tdx-guest/proto/tdx"
)

// theirs is the same record read by the libraries of others. A panic of theirs
// is a refusal: they slice without looking in some places.
func theirs(r record) (result reading) {
	defer func() {
		if p := recover(); p != nil {
			result = reading{refuse: fmt.Sprint("panic: ", p)}
		}
	}()
	var f fields
	var err error
	switch r.kind {
	case 'S':
		f, err = theirReport(r.raw)
	case 'C':
		f, err = theirCerts(r.raw)
	default:
		f, err = theirQuote(r.raw)
	}
	if err != nil {
		return reading{refuse: err.Error()}
	}
	return reading{fields: f}
}

func number[T ~uint8 | ~uint16 | ~uint32 | ~uint64](v T) string {
	return strconv.FormatUint(uint64(v), 10)
}

func digit(b bool) int {
	if b {
		return 1
	}
	return 0
}

func theirReport(raw []byte) (fields, error) {
	r, err := sev.ReportToProto(raw)
	if err != nil {
		return nil, err
	}
	signer, err := sev.ParseSignerInfo(r.SignerInfo)
	if err != nil {
		return nil, err
	}
	f := fields{
		"version": number(r.Version), "guest_svn": number(r.GuestSvn), "policy": number(r.Policy),
		"family_id": hex.EncodeToString(r.FamilyId), "image_id": hex.EncodeToString(r.ImageId),
		"vmpl": number(r.Vmpl), "signature_algo": number(r.SignatureAlgo),
		"platform_info": number(r.PlatformInfo), "key_info": number(r.SignerInfo),
		"author_key_en": strconv.Itoa(digit(signer.AuthorKeyEn)),
		"mask_chip_key": strconv.Itoa(digit(signer.MaskChipKey)),
		"signing_key":   strconv.Itoa(int(signer.SigningKey)),
		"report_data":   hex.EncodeToString(r.ReportData), "measurement": hex.EncodeToString(r.Measurement),
		"host_data": hex.EncodeToString(r.HostData), "id_key_digest": hex.EncodeToString(r.IdKeyDigest),
		"author_key_digest": hex.EncodeToString(r.AuthorKeyDigest), "report_id": hex.EncodeToString(r.ReportId),
		"report_id_ma": hex.EncodeToString(r.ReportIdMa), "chip_id": hex.EncodeToString(r.ChipId),
		"current":           fmt.Sprintf("%d.%d.%d", r.CurrentMajor, r.CurrentMinor, r.CurrentBuild),
		"committed":         fmt.Sprintf("%d.%d.%d", r.CommittedMajor, r.CommittedMinor, r.CommittedBuild),
		"launch_mit_vector": number(r.LaunchMitVector), "current_mit_vector": number(r.CurrentMitVector),
		"signature_r": hex.EncodeToString(r.Signature[:72]), "signature_s": hex.EncodeToString(r.Signature[72:144]),
		"cpuid1eax": number(r.Cpuid1EaxFms), "product": theirProduct(r),
	}
	addTCBs(f, r)
	addBits(f, r)
	return f, nil
}

func theirProduct(r *sevpb.Report) string {
	switch sev.SevProductFromCpuid1Eax(r.Cpuid1EaxFms).Name {
	case sevpb.SevProduct_SEV_PRODUCT_MILAN:
		return "Milan"
	case sevpb.SevProduct_SEV_PRODUCT_GENOA:
		return "Genoa"
	case sevpb.SevProduct_SEV_PRODUCT_TURIN:
		return "Turin"
	}
	return "unknown"
}

func addTCBs(f fields, r *sevpb.Report) {
	for name, tcb := range map[string]uint64{"current_tcb": r.CurrentTcb, "reported_tcb": r.ReportedTcb,
		"committed_tcb": r.CommittedTcb, "launch_tcb": r.LaunchTcb} {
		parts := kds.DecomposeTCBVersion(kds.TCBVersion(tcb))
		f[name] = number(tcb)
		f[name+"_parts"] = fmt.Sprintf("old 0.%d.%d.%d.%d", parts.BlSpl, parts.TeeSpl, parts.SnpSpl, parts.UcodeSpl)
	}
}

// Bits that they do not know make them refuse; then there is nothing to compare.
func addBits(f fields, r *sevpb.Report) {
	if p, err := sev.ParseSnpPolicy(r.Policy); err == nil {
		f["policy_bits"] = fmt.Sprintf("abi %d.%d smt %d ma %d debug %d single %d cxl %d xts %d rapl %d hiding %d",
			p.ABIMajor, p.ABIMinor, digit(p.SMT), digit(p.MigrateMA), digit(p.Debug), digit(p.SingleSocket),
			digit(p.CXLAllowed), digit(p.MemAES256XTS), digit(p.RAPLDis), digit(p.CipherTextHidingDRAM))
	}
	if p, err := sev.ParseSnpPlatformInfo(r.PlatformInfo); err == nil {
		f["platform_bits"] = fmt.Sprintf("smt %d tsme %d ecc %d rapl %d hiding %d alias %d", digit(p.SMTEnabled),
			digit(p.TSMEEnabled), digit(p.ECCEnabled), digit(p.RAPLDisabled), digit(p.CiphertextHidingDRAMEnabled),
			digit(p.AliasCheckComplete))
	}
}

// Their sum of offset and length wraps around at 32 bits; what passes then costs
// an allocation of up to 4 GiB before the panic. Not worth the wait: a refusal.
func wraps(raw []byte) bool {
	entries, err := sev.ParseSnpCertTableHeader(raw)
	for _, e := range entries {
		if err == nil && uint64(e.Offset)+uint64(e.Length) > math.MaxUint32 {
			return true
		}
	}
	return false
}

func theirCerts(raw []byte) (fields, error) {
	var table sev.CertTable
	if wraps(raw) {
		return nil, errors.New("panic: offset and length wrap around")
	}
	if err := table.Unmarshal(raw); err != nil {
		return nil, err
	}
	f := fields{"count": strconv.Itoa(len(table.Entries))}
	for i, entry := range table.Entries {
		g := hex.EncodeToString(entry.GUID[:])
		f[fmt.Sprintf("guid%d", i)] = g[:8] + "-" + g[8:12] + "-" + g[12:16] + "-" + g[16:20] + "-" + g[20:]
		f[fmt.Sprintf("data%d", i)] = hex.EncodeToString(entry.RawCert)
	}
	return f, nil
}

// They know version 4 alone. The parts of a version 5 quote are the same ones: put
// together as version 4, all but the added fields can be compared.
func theirQuote(raw []byte) (fields, error) {
	if len(raw) >= 2 && binary.LittleEndian.Uint16(raw) == 5 {
		return theirQuoteV5(raw)
	}
	return theirQuoteV4(raw)
}

func theirQuoteV5(raw []byte) (fields, error) {
	if len(raw) < 54 {
		return nil, fmt.Errorf("version 5, cut after %d", len(raw))
	}
	kind, size := binary.LittleEndian.Uint16(raw[48:]), int(binary.LittleEndian.Uint32(raw[50:]))
	if (kind != 2 || size != 584) && (kind != 3 || size != 648) || len(raw) < 54+size {
		return nil, fmt.Errorf("version 5, body type %d, size %d, of %d bytes", kind, size, len(raw))
	}
	v4 := append([]byte{4, 0}, raw[2:48]...)
	v4 = append(v4, raw[54:54+584]...)
	v4 = append(v4, raw[54+size:]...)
	f, err := theirQuoteV4(v4)
	if err != nil {
		return nil, err
	}
	f["version"] = "5"
	f["signed_part"] = hex.EncodeToString(raw[:54+size])
	if kind == 3 {
		f["tee_tcb_svn2"] = hex.EncodeToString(raw[54+584 : 54+600])
		f["mrservicetd"] = hex.EncodeToString(raw[54+600 : 54+648])
	}
	return f, nil
}

func theirQuoteV4(raw []byte) (fields, error) {
	parsed, err := tdx.QuoteToProto(raw)
	if err != nil {
		return nil, err
	}
	q := parsed.(*tdxpb.QuoteV4)
	signed, err := signedPart(q)
	if err != nil {
		return nil, err
	}
	f := fields{
		"version": number(q.Header.Version), "key_type": number(q.Header.AttestationKeyType),
		"tee_type":        number(q.Header.TeeType),
		"qe_vendor_id":    hex.EncodeToString(q.Header.QeVendorId),
		"user_data":       hex.EncodeToString(q.Header.UserData),
		"header_reserved": hex.EncodeToString(raw[8:12]),
		"signed_part":     hex.EncodeToString(signed), "signature_data_len": number(q.SignedDataSize),
		"signature":       hex.EncodeToString(q.SignedData.Signature),
		"attestation_key": hex.EncodeToString(q.SignedData.EcdsaAttestationKey),
		"trailing":        hex.EncodeToString(q.ExtraBytes),
	}
	addBody(f, q.TdQuoteBody)
	return f, addQE(f, q.SignedData.CertificationData.QeReportCertificationData)
}

func signedPart(q *tdxpb.QuoteV4) ([]byte, error) {
	header, err := tdx.HeaderToAbiBytes(q.Header)
	if err != nil {
		return nil, err
	}
	body, err := tdx.TdQuoteBodyToAbiBytes(q.TdQuoteBody)
	return append(header, body...), err
}

func addBody(f fields, b *tdxpb.TDQuoteBody) {
	attributes := binary.LittleEndian.Uint64(b.TdAttributes)
	f["tee_tcb_svn"] = hex.EncodeToString(b.TeeTcbSvn)
	f["mrseam"] = hex.EncodeToString(b.MrSeam)
	f["mrsignerseam"] = hex.EncodeToString(b.MrSignerSeam)
	f["seam_attributes"] = number(binary.LittleEndian.Uint64(b.SeamAttributes))
	f["td_attributes"] = number(attributes)
	f["debug"] = number(attributes & 1)
	f["xfam"] = number(binary.LittleEndian.Uint64(b.Xfam))
	f["mrtd"] = hex.EncodeToString(b.MrTd)
	f["mrconfigid"] = hex.EncodeToString(b.MrConfigId)
	f["mrowner"] = hex.EncodeToString(b.MrOwner)
	f["mrownerconfig"] = hex.EncodeToString(b.MrOwnerConfig)
	f["rtmrs"] = ""
	for _, rtmr := range b.Rtmrs {
		f["rtmrs"] += hex.EncodeToString(rtmr)
	}
	f["report_data"] = hex.EncodeToString(b.ReportData)
	f["tee_tcb_svn2"] = hex.EncodeToString(make([]byte, 16))
	f["mrservicetd"] = hex.EncodeToString(make([]byte, 48))
}

func addQE(f fields, c *tdxpb.QEReportCertificationData) error {
	raw, err := tdx.EnclaveReportToAbiBytes(c.QeReport)
	f["qe_report"] = hex.EncodeToString(raw)
	f["qe_cpu_svn"] = hex.EncodeToString(c.QeReport.CpuSvn)
	f["qe_misc_select"] = number(c.QeReport.MiscSelect)
	f["qe_attributes"] = hex.EncodeToString(c.QeReport.Attributes)
	f["qe_mrenclave"] = hex.EncodeToString(c.QeReport.MrEnclave)
	f["qe_mrsigner"] = hex.EncodeToString(c.QeReport.MrSigner)
	f["qe_isv_prod_id"] = number(c.QeReport.IsvProdId)
	f["qe_isv_svn"] = number(c.QeReport.IsvSvn)
	f["qe_report_data"] = hex.EncodeToString(c.QeReport.ReportData)
	f["qe_report_signature"] = hex.EncodeToString(c.QeReportSignature)
	f["qe_auth"] = hex.EncodeToString(c.QeAuthData.Data)
	f["cert_type"] = number(c.PckCertificateChainData.CertificateDataType)
	f["cert_data"] = hex.EncodeToString(c.PckCertificateChainData.PckCertChain)
	return err
}
