// SPDX-License-Identifier: Apache-2.0

package guest

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha512"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// broker is a KBS as its clients in the guest see it.
type broker struct {
	url string
	tls *tls.Config
}

func newBroker(url string, caPEM []byte) (*broker, error) {
	b := &broker{url: strings.TrimRight(url, "/"), tls: &tls.Config{}}
	if len(caPEM) > 0 {
		b.tls.RootCAs = x509.NewCertPool()
		if !b.tls.RootCAs.AppendCertsFromPEM(caPEM) {
			return nil, errors.New("the KBS's CA holds no certificate")
		}
	}
	return b, nil
}

// client has a connection and a cookie of its own, as each handshake of the agent does.
func (b *broker) client() *http.Client {
	jar, _ := cookiejar.New(nil)
	return &http.Client{Jar: jar, Timeout: 60 * time.Second,
		Transport: &http.Transport{TLSClientConfig: b.tls, ForceAttemptHTTP2: true, DisableKeepAlives: false}}
}

// refusal is an answer other than 200.
type refusal struct {
	status int
	body   string
}

func (r *refusal) Error() string { return fmt.Sprintf("the KBS answered %d: %s", r.status, r.body) }

func (b *broker) exchange(ctx context.Context, c *http.Client, method, path string, body any, header http.Header) ([]byte, error) {
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return nil, err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, b.url+path, bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	for name, values := range header {
		req.Header[name] = values
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, 4<<20))
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, &refusal{resp.StatusCode, string(data)}
	}
	return data, nil
}

// teeKey is the key pair of one handshake.
type teeKey struct{ private *ecdsa.PrivateKey }

func newTEEKey() (*teeKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	return &teeKey{key}, err
}

// jwk has the members that the KBS keeps, and no others.
func (k *teeKey) jwk() (map[string]string, error) {
	point, err := k.private.PublicKey.Bytes()
	if err != nil {
		return nil, err
	}
	enc := base64.RawURLEncoding.EncodeToString
	return map[string]string{"kty": "EC", "crv": "P-256", "alg": "ECDH-ES+A256KW", "x": enc(point[1:33]), "y": enc(point[33:65])}, nil
}

func (k *teeKey) pem() (string, error) {
	der, err := x509.MarshalPKCS8PrivateKey(k.private)
	if err != nil {
		return "", err
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), nil
}

// Token is what the agent hands out for the type "kbs".
type Token struct {
	Token   string `json:"token"`
	KeyPair string `json:"tee_keypair"`
}

// handshake attests once, with a new key.
func (a *agent) handshake(ctx context.Context) (*Token, error) {
	key, err := newTEEKey()
	if err != nil {
		return nil, err
	}
	jwk, err := key.jwk()
	if err != nil {
		return nil, err
	}
	c := a.broker.client()
	defer c.CloseIdleConnections()
	nonce, err := a.auth(ctx, c)
	if err != nil {
		return nil, err
	}
	body, err := a.attestBody(nonce, jwk)
	if err != nil {
		return nil, err
	}
	answer, err := a.broker.exchange(ctx, c, "POST", "/kbs/v0/attest", body, nil)
	if err != nil {
		return nil, err
	}
	var token Token
	if err := json.Unmarshal(answer, &token); err != nil {
		return nil, err
	}
	token.KeyPair, err = key.pem()
	return &token, err
}

func (a *agent) auth(ctx context.Context, c *http.Client) (string, error) {
	request := map[string]any{"version": "0.4.0", "tee": a.tee,
		"extra-params": map[string]any{"supported-hash-algorithms": []string{"sha256", "sha384", "sha512"}}}
	answer, err := a.broker.exchange(ctx, c, "POST", "/kbs/v0/auth", request, nil)
	if err != nil {
		return "", err
	}
	var challenge struct{ Nonce string }
	err = json.Unmarshal(answer, &challenge)
	return challenge.Nonce, err
}

// attestBody binds nonce and key: encoding/json sorts members, and nothing here needs an escape.
func (a *agent) attestBody(nonce string, jwk map[string]string) (map[string]any, error) {
	text, err := json.Marshal(map[string]any{"additional-evidence": "", "nonce": nonce, "tee-pubkey": jwk})
	if err != nil {
		return nil, err
	}
	sum := sha512.Sum384(text)
	evidence, err := a.evidence(sum[:])
	if err != nil {
		return nil, err
	}
	var initData any
	if a.initData != "" {
		initData = map[string]string{"format": "toml", "body": a.initData}
	}
	return map[string]any{
		"init-data":    initData,
		"runtime-data": map[string]any{"nonce": nonce, "tee-pubkey": jwk},
		"tee-evidence": map[string]any{"primary_evidence": evidence, "additional_evidence": ""},
	}, nil
}

// resource asks with a token and opens the answer with the key that belongs to it.
func (b *broker) resource(ctx context.Context, path string, token *Token) ([]byte, error) {
	c := b.client()
	defer c.CloseIdleConnections()
	answer, err := b.exchange(ctx, c, "GET", "/kbs/v0/"+path, nil, http.Header{"Authorization": {"Bearer " + token.Token}})
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode([]byte(token.KeyPair))
	if block == nil {
		return nil, errors.New("the token's key is no PEM")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	jwe, err := jose.ParseEncryptedJSON(string(answer), []jose.KeyAlgorithm{jose.ECDH_ES_A256KW}, []jose.ContentEncryption{jose.A256GCM})
	if err != nil {
		return nil, err
	}
	return jwe.Decrypt(key)
}
