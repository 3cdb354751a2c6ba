// SPDX-License-Identifier: Apache-2.0

package guest

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"sync/atomic"

	"github.com/containerd/ttrpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

const agentService = "attestation_agent.AttestationAgentService"

// agent is the attestation agent. All its messages have one field of number 1, as have
// the well-known wrappers, which therefore stand for them on the wire.
type agent struct {
	broker   *broker
	tee      string
	evidence func(reportData []byte) (json.RawMessage, error)
	initData string
	tokens   atomic.Int64
}

// Sample is the evidence of the TEE "sample".
func Sample(reportData []byte) (json.RawMessage, error) {
	return json.Marshal(map[string]string{"svn": "1", "report_data": base64.StdEncoding.EncodeToString(reportData)})
}

func agentFailed(what string) error {
	return status.Errorf(codes.Internal, "[ERROR:attestation-agent] %s", what)
}

func (a *agent) service() *ttrpc.ServiceDesc {
	return &ttrpc.ServiceDesc{Methods: map[string]ttrpc.Method{
		"GetToken":    a.getToken,
		"GetEvidence": a.getEvidence,
		"GetTeeType": func(_ context.Context, unmarshal func(any) error) (any, error) {
			return wrapperspb.String(a.tee), unmarshal(&emptypb.Empty{})
		},
		"GetAdditionalEvidence": func(_ context.Context, unmarshal func(any) error) (any, error) {
			return wrapperspb.Bytes(nil), unmarshal(&wrapperspb.BytesValue{})
		},
		// declared, and not there: as in the real one
		"BindInitData": func(context.Context, func(any) error) (any, error) {
			return nil, status.Error(codes.NotFound, "BindInitData is not supported")
		},
	}}
}

func (a *agent) getToken(ctx context.Context, unmarshal func(any) error) (any, error) {
	var kind wrapperspb.StringValue
	if err := unmarshal(&kind); err != nil {
		return nil, err
	}
	if kind.Value != "kbs" {
		return nil, agentFailed("AA-KBC get token failed")
	}
	a.tokens.Add(1)
	token, err := a.handshake(ctx)
	if err != nil {
		return nil, agentFailed("AA-KBC get token failed")
	}
	text, err := json.Marshal(token)
	return wrapperspb.Bytes(text), err
}

func (a *agent) getEvidence(_ context.Context, unmarshal func(any) error) (any, error) {
	var data wrapperspb.BytesValue
	if err := unmarshal(&data); err != nil {
		return nil, err
	}
	evidence, err := a.evidence(data.Value)
	if err != nil {
		return nil, agentFailed("AA-Attester get evidence failed")
	}
	return wrapperspb.Bytes(evidence), nil
}
