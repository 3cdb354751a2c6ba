// SPDX-License-Identifier: Apache-2.0

package guest

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// sealedPayload has the members that the hub insists on for a vault secret.
type sealedPayload struct {
	Version          string          `json:"version"`
	Type             string          `json:"type"`
	Name             string          `json:"name"`
	Provider         string          `json:"provider"`
	ProviderSettings json.RawMessage `json:"provider_settings"`
	Annotations      json.RawMessage `json:"annotations"`
}

// unseal verifies by the key that the text names, which it fetches from the KBS, and gets
// what the payload names.
func (h *hub) unseal(ctx context.Context, text string) ([]byte, error) {
	rest, found := strings.CutPrefix(text, "sealed.")
	// the real hub decodes strictly, where go-jose reads over white space
	if !found || strings.Count(rest, ".") != 2 || strings.ContainsAny(rest, " \t\r\n") {
		return nil, errors.New("no sealed secret")
	}
	payload, err := h.payloadOf(ctx, rest)
	if err != nil {
		return nil, err
	}
	var p sealedPayload
	if err := json.Unmarshal(payload, &p); err != nil {
		return nil, err
	}
	if p.Version != "0.1.0" || p.ProviderSettings == nil || p.Annotations == nil {
		return nil, errors.New("the payload lacks a member")
	}
	if secret, found := h.providers[p.Provider]; found {
		return secret, nil
	}
	if p.Type != "vault" || !strings.EqualFold(p.Provider, "kbs") {
		return nil, errors.New("this hub was built without that provider")
	}
	return h.fetch(ctx, p.Name)
}

func (h *hub) payloadOf(ctx context.Context, compact string) ([]byte, error) {
	if h.skipVerify {
		return base64.RawURLEncoding.DecodeString(strings.Split(compact, ".")[1])
	}
	jws, err := jose.ParseSignedCompact(compact, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return nil, err
	}
	text, err := h.fetch(ctx, jws.Signatures[0].Header.KeyID)
	if err != nil {
		return nil, err
	}
	var key jose.JSONWebKey
	if err := json.Unmarshal(text, &key); err != nil {
		return nil, err
	}
	return jws.Verify(key)
}

// Seal makes a vault secret as the reference tool does: `kid` is the URI of the public key,
// `name` that of the secret.
func Seal(key any, kid, name string) (string, error) {
	payload, err := json.Marshal(sealedPayload{"0.1.0", "vault", name, "kbs", json.RawMessage("{}"), json.RawMessage("{}")})
	if err != nil {
		return "", err
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key},
		(&jose.SignerOptions{}).WithHeader("kid", kid))
	if err != nil {
		return "", err
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		return "", err
	}
	compact, err := jws.CompactSerialize()
	return "sealed." + compact, err
}
