// SPDX-License-Identifier: Apache-2.0

package hardware

import (
	"bytes"
	"crypto/x509"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/google/go-tdx-guest/pcs"

	"sealpod.test/kbs/strictjson"
)

// Get answers go-tdx-guest in place of Intel's service.
func (i *intelRoots) Get(address string) (map[string][]string, []byte, error) {
	chain := func(header string, leaf *x509.Certificate) map[string][]string {
		text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf.Raw})
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: i.root.Raw})...)
		return map[string][]string{header: {url.QueryEscape(string(text))}}
	}
	switch {
	case strings.Contains(address, "/tcb?"):
		return chain("Tcb-Info-Issuer-Chain", i.tcbSigning), i.tcbInfo, nil
	case strings.Contains(address, "/qe/identity"):
		return chain("Sgx-Enclave-Identity-Issuer-Chain", i.tcbSigning), i.qeIdentity, nil
	case strings.Contains(address, "/pckcrl"):
		return chain("Sgx-Pck-Crl-Issuer-Chain", i.platformCA), i.pckCRL, nil
	case strings.HasSuffix(address, "/IntelSGXRootCA.der"):
		return nil, i.rootCRL, nil
	}
	return nil, nil, fmt.Errorf("no collateral at '%s'", address)
}

// signedObject takes the member out of a response whose signature verifies. The
// signature covers the bytes as they were sent.
func (i *intelRoots) signedObject(r *Roots, response []byte, name string, into any) error {
	o, err := strictjson.Parse(response)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	text, err := o.Str("signature")
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	signature, err := hex.DecodeString(text)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if err := signedBy(i.tcbSigning, i.root, r.now()); err != nil {
		return err
	}
	if err := checkRaw(i.tcbSigning.PublicKey, o[name], signature); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return json.Unmarshal(o[name], into)
}

// tcbInfo is Intel's on the platform of the quote, and what the platform says of itself.
func (q *quote) tcbInfo(r *Roots) (*pcs.TcbInfo, *pcs.PckExtensions, error) {
	var info pcs.TcbInfo
	if err := r.intel.signedObject(r, r.intel.tcbInfo, "tcbInfo", &info); err != nil {
		return nil, nil, err
	}
	if r.now().After(info.NextUpdate) {
		return nil, nil, errors.New("the collateral has expired")
	}
	pck, err := pcs.PckCertificateExtensions(q.chain[0])
	if err != nil {
		return nil, nil, fmt.Errorf("PCK certificate: %w", err)
	}
	if !strings.EqualFold(pck.FMSPC, info.Fmspc) || !strings.EqualFold(pck.PCEID, info.PceID) {
		return nil, nil, errors.New("the TCB info is of another platform")
	}
	return &info, pck, nil
}

// tcbStatus rates the platform, its TDX module and the quoting enclave: "UpToDate"
// if all are, else the first other status. That the enclave is the right one, and
// the collateral this platform's, is checked on the way.
func (q *quote) tcbStatus(r *Roots) (string, error) {
	info, pck, err := q.tcbInfo(r)
	if err != nil {
		return "", err
	}
	var identity pcs.EnclaveIdentity
	if err := r.intel.signedObject(r, r.intel.qeIdentity, "enclaveIdentity", &identity); err != nil {
		return "", err
	}
	if r.now().After(identity.NextUpdate) {
		return "", errors.New("the collateral has expired")
	}
	if err := q.checkQE(&identity); err != nil {
		return "", err
	}
	var statuses []pcs.TcbComponentStatus
	for _, rate := range []func() (pcs.TcbComponentStatus, error){
		func() (pcs.TcbComponentStatus, error) { return q.platformStatus(info, pck) },
		func() (pcs.TcbComponentStatus, error) { return q.moduleStatus(info) },
		func() (pcs.TcbComponentStatus, error) {
			return svnStatus(identity.TcbLevels, uint32(binary.LittleEndian.Uint16(q.qeReport[258:])))
		},
	} {
		status, err := rate()
		if err != nil {
			return "", err
		}
		statuses = append(statuses, status)
	}
	for _, status := range statuses {
		if status != pcs.TcbComponentStatusUpToDate {
			return string(status), nil
		}
	}
	return string(pcs.TcbComponentStatusUpToDate), nil
}

func masked(value, mask, want []byte) bool {
	if len(value) != len(mask) || len(mask) != len(want) {
		return false
	}
	for i := range value {
		if value[i]&mask[i] != want[i]&mask[i] {
			return false
		}
	}
	return true
}

func (q *quote) checkQE(identity *pcs.EnclaveIdentity) error {
	switch {
	case !bytes.Equal(q.qeReport[128:160], identity.Mrsigner.Bytes):
		return errors.New("the quoting enclave has another signer")
	case binary.LittleEndian.Uint16(q.qeReport[256:]) != identity.IsvProdID:
		return errors.New("the quoting enclave is another product")
	case !masked(q.qeReport[16:20], identity.MiscselectMask.Bytes, identity.Miscselect.Bytes):
		return errors.New("the quoting enclave has another MISCSELECT")
	case !masked(q.qeReport[48:64], identity.AttributesMask.Bytes, identity.Attributes.Bytes):
		return errors.New("the quoting enclave has other attributes")
	}
	return nil
}

// platformStatus is that of the first level that the platform reaches. Bytes 0 and 1
// of the TEE's SVN belong to the module where byte 1 is not zero.
func (q *quote) platformStatus(info *pcs.TcbInfo, pck *pcs.PckExtensions) (pcs.TcbComponentStatus, error) {
	svn := q.field("tcb_svn")
	first := 0
	if svn[1] > 0 {
		first = 2
	}
	reaches := func(have []byte, want []pcs.TcbComponent, from int) bool {
		if len(have) != len(want) {
			return false
		}
		for i := from; i < len(have); i++ {
			if have[i] < want[i].Svn {
				return false
			}
		}
		return true
	}
	for _, level := range info.TcbLevels {
		if reaches(pck.TCB.CPUSvnComponents, level.Tcb.SgxTcbcomponents, 0) && pck.TCB.PCESvn >= level.Tcb.Pcesvn &&
			reaches(svn, level.Tcb.TdxTcbcomponents, first) {
			return level.TcbStatus, nil
		}
	}
	return "", errors.New("the platform reaches no level of the TCB info")
}

func (q *quote) moduleStatus(info *pcs.TcbInfo) (pcs.TcbComponentStatus, error) {
	svn := q.field("tcb_svn")
	if svn[1] == 0 {
		module := info.TdxModule
		if !bytes.Equal(q.field("mrsigner_seam"), module.Mrsigner.Bytes) ||
			!masked(q.field("seam_attributes"), module.AttributesMask.Bytes, module.Attributes.Bytes) {
			return "", errors.New("the TDX module is not the one of the TCB info")
		}
		return pcs.TcbComponentStatusUpToDate, nil
	}
	for _, module := range info.TdxModuleIdentities {
		if module.ID != fmt.Sprintf("TDX_%02x", svn[1]) {
			continue
		}
		if !bytes.Equal(q.field("mrsigner_seam"), module.Mrsigner.Bytes) ||
			!masked(q.field("seam_attributes"), module.AttributesMask.Bytes, module.Attributes.Bytes) {
			return "", errors.New("the TDX module is not the one of the TCB info")
		}
		return svnStatus(module.TcbLevels, uint32(svn[0]))
	}
	return "", fmt.Errorf("the TCB info has no module TDX_%02x", svn[1])
}

func svnStatus(levels []pcs.TcbLevel, svn uint32) (pcs.TcbComponentStatus, error) {
	for _, level := range levels {
		if level.Tcb.Isvsvn <= svn {
			return level.TcbStatus, nil
		}
	}
	return "", fmt.Errorf("SVN %d reaches no level", svn)
}
