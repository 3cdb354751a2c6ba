// SPDX-License-Identifier: Apache-2.0

package kbs

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"sealpod.test/kbs/strictjson"
)

// attestRequest is the body of /attest.
type attestRequest struct {
	initData   *initData
	nonce      string
	teeKey     teeKey
	primary    json.RawMessage
	additional string
	whole      json.RawMessage
}

// attest refuses with one text whatever the cause: so does the real broker, which
// writes the cause to its log only. Here it is kept for Counters.
func (s *Server) attest(c *call) response {
	session, found := s.sessions.live(c.cookie, s.now())
	if !found {
		return s.refuseAttest(errors.New("no live session for this cookie"))
	}
	req, err := parseAttest(c.body)
	if err != nil {
		return s.refuseAttest(err)
	}
	token := session.token
	if token == "" {
		if token, err = s.verifyAndIssue(session, req); err != nil {
			return s.refuseAttest(err)
		}
		token = s.sessions.attested(session.id, token)
	}
	resp := ok("application/json", compactJSON(map[string]string{"token": token}))
	resp.header.Set("Set-Cookie", session.cookie())
	return resp
}

func (s *Server) refuseAttest(cause error) response {
	s.counters.attestRefused(cause)
	return problem(attestationError, "Attestation error: RCAR handshake Attest failed")
}

func parseAttest(body []byte) (*attestRequest, error) {
	o, err := strictjson.Parse(body)
	if err != nil {
		return nil, err
	}
	req := &attestRequest{whole: body}
	if !o.Absent("init-data") {
		if req.initData, err = parseInitDataMember(o); err != nil {
			return nil, err
		}
	}
	runtime, err := o.Obj("runtime-data")
	if err != nil {
		return nil, fmt.Errorf("runtime-data: %w", err)
	}
	if req.nonce, err = runtime.Str("nonce"); err != nil {
		return nil, err
	}
	if req.teeKey, err = parseTEEKey(runtime["tee-pubkey"]); err != nil {
		return nil, fmt.Errorf("tee-pubkey: %w", err)
	}
	evidence, err := o.Obj("tee-evidence")
	if err != nil {
		return nil, fmt.Errorf("tee-evidence: %w", err)
	}
	if req.primary = evidence["primary_evidence"]; req.primary == nil {
		return nil, errors.New("member 'primary_evidence' is missing")
	}
	req.additional, err = evidence.Str("additional_evidence")
	return req, err
}

// verifyAndIssue checks all evidence and makes the session's token.
func (s *Server) verifyAndIssue(session session, req *attestRequest) (string, error) {
	if req.nonce != session.nonce {
		return "", errors.New("the nonce is not the session's")
	}
	runtime := runtimeData{nonce: req.nonce, key: req.teeKey, additional: &req.additional}
	primary, err := s.verifyPiece(session.tee, req.primary, runtime, req.initData)
	if err != nil {
		return "", err
	}
	submods := map[string]appraisal{"cpu0": *primary}
	if err := s.verifyDevices(req, submods); err != nil {
		return "", err
	}
	token, err := s.tokens.issue(submods, s.now())
	if err != nil {
		return "", err
	}
	s.counters.attested(session.tee, req)
	return token, nil
}

// verifyDevices handles additional_evidence: a string that holds an object of
// evidence by TEE name. Devices are bound to the two-member runtime data and are
// not asked for init-data.
func (s *Server) verifyDevices(req *attestRequest, submods map[string]appraisal) error {
	if req.additional == "" {
		return nil
	}
	devices, err := strictjson.Parse([]byte(req.additional))
	if err != nil {
		return fmt.Errorf("additional_evidence: %w", err)
	}
	var names []string
	for name := range devices {
		names = append(names, name)
	}
	slices.Sort(names)
	runtime := runtimeData{nonce: req.nonce, key: req.teeKey}
	for _, name := range names {
		a, err := s.verifyPiece(name, devices[name], runtime, nil)
		if err != nil {
			return err
		}
		submods[fmt.Sprintf("cpu%d", len(submods))] = *a
	}
	return nil
}

// verifyPiece verifies one piece of evidence and appraises its claims.
func (s *Server) verifyPiece(tee string, evidence json.RawMessage, runtime runtimeData, init *initData) (*appraisal, error) {
	verifier := s.verifiers[tee]
	if verifier == nil {
		return nil, fmt.Errorf("no verifier for TEE '%s'", tee)
	}
	var digest []byte
	if init != nil {
		digest = init.digest
	}
	claims, err := verifier.Verify(evidence, runtime.digest(), digest)
	if err != nil {
		return nil, fmt.Errorf("verify %s evidence: %w", tee, err)
	}
	return s.policies.appraise(annotate(tee, claims, runtime, init), s.refs)
}

// annotate arranges a verifier's claims as policies and tokens see them: report
// data and init-data beside the TEE's own claims, each with what it stands for.
func annotate(tee string, claims map[string]any, runtime runtimeData, init *initData) map[string]any {
	out := map[string]any{}
	own := map[string]any{}
	for name, value := range claims {
		switch name {
		case "report_data":
			out["report_data"] = value
			out["runtime_data_claims"] = runtime.claims()
		case "init_data":
			out["init_data"] = value
			out["init_data_claims"] = nil
			if init != nil {
				out["init_data_claims"] = init.claims
			}
		default:
			own[name] = value
		}
	}
	out[tee] = own
	return out
}
