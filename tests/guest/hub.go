// SPDX-License-Identifier: Apache-2.0

package guest

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/containerd/ttrpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

const (
	resourceService = "api.GetResourceService"
	sealedService   = "api.SealedSecretService"
	attempts        = 3 // of the real hub, where the KBS says 401
)

// hub is the confidential data hub. It attests anew, by way of the agent's socket, for each
// resource and each attempt, and hides every cause.
type hub struct {
	broker          *broker
	tokens          func(ctx context.Context) (*Token, error)
	skipVerify      bool
	providers       map[string][]byte
	resources, seal atomic.Int64
}

func hubFailed(what string) error { return status.Errorf(codes.Internal, "[CDH] [ERROR]: %s", what) }

func (h *hub) services() map[string]*ttrpc.ServiceDesc {
	return map[string]*ttrpc.ServiceDesc{
		resourceService: {Methods: map[string]ttrpc.Method{"GetResource": h.getResource}},
		sealedService:   {Methods: map[string]ttrpc.Method{"UnsealSecret": h.unsealSecret}},
	}
}

func (h *hub) getResource(ctx context.Context, unmarshal func(any) error) (any, error) {
	var uri wrapperspb.StringValue
	if err := unmarshal(&uri); err != nil {
		return nil, err
	}
	h.resources.Add(1)
	secret, err := h.fetch(ctx, uri.Value)
	if err != nil {
		return nil, hubFailed("Get Resource failed")
	}
	return wrapperspb.Bytes(secret), nil
}

func (h *hub) unsealSecret(ctx context.Context, unmarshal func(any) error) (any, error) {
	var text wrapperspb.BytesValue
	if err := unmarshal(&text); err != nil {
		return nil, err
	}
	h.seal.Add(1)
	secret, err := h.unseal(ctx, string(text.Value))
	if err != nil {
		return nil, hubFailed("Unseal Secret failed")
	}
	return wrapperspb.Bytes(secret), nil
}

// pathOf is "resource/a/b/c" of "kbs:///a/b/c"; a host is read over, as by the real hub.
func pathOf(uri string) (string, error) {
	rest, found := strings.CutPrefix(uri, "kbs://")
	if !found {
		return "", errors.New("no KBS resource URI")
	}
	_, path, found := strings.Cut(rest, "/")
	if !found || strings.Count(path, "/") != 2 {
		return "", errors.New("a resource URI has three segments")
	}
	return "resource/" + path, nil
}

func (h *hub) fetch(ctx context.Context, uri string) (secret []byte, err error) {
	path, err := pathOf(uri)
	if err != nil {
		return nil, err
	}
	for range attempts {
		var token *Token
		if token, err = h.tokens(ctx); err != nil {
			return nil, err
		}
		secret, err = h.broker.resource(ctx, path, token)
		var refused *refusal
		if !errors.As(err, &refused) || refused.status != http.StatusUnauthorized {
			return secret, err
		}
	}
	return nil, err
}

// tokensFrom asks the agent at a socket, over a connection that is kept.
func tokensFrom(client *ttrpc.Client) func(ctx context.Context) (*Token, error) {
	return func(ctx context.Context) (*Token, error) {
		var answer wrapperspb.BytesValue
		if err := client.Call(ctx, agentService, "GetToken", wrapperspb.String("kbs"), &answer); err != nil {
			return nil, err
		}
		var token Token
		return &token, json.Unmarshal(answer.Value, &token)
	}
}
