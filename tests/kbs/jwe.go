// SPDX-License-Identifier: Apache-2.0

package kbs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"math/big"

	"github.com/go-jose/go-jose/v4"
)

// jweMode says how a JWE is spoiled while it is made.
type jweMode int

const (
	jweGood       jweMode = iota
	jweOtherAlg           // another key management algorithm than the key asks for
	jweOtherCurve         // encrypted to a key on another curve
)

// encrypt makes the flattened JWE that only the TEE key's owner can open.
func encrypt(key teeKey, plaintext []byte, mode jweMode) ([]byte, error) {
	recipient, err := recipientFor(key)
	if err != nil {
		return nil, err
	}
	switch mode {
	case jweOtherAlg:
		recipient.Algorithm = otherAlgorithm(recipient.Algorithm)
	case jweOtherCurve:
		stranger, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
		if err != nil {
			return nil, err
		}
		recipient.Key = &stranger.PublicKey
		recipient.Algorithm = jose.ECDH_ES_A256KW
	}
	encrypter, err := jose.NewEncrypter(jose.A256GCM, recipient, nil)
	if err != nil {
		return nil, err
	}
	jwe, err := encrypter.Encrypt(plaintext)
	if err != nil {
		return nil, err
	}
	return []byte(jwe.FullSerialize()), nil
}

// otherAlgorithm is one that the same key could be used with, and that a client
// which asked for the first must refuse.
func otherAlgorithm(asked jose.KeyAlgorithm) jose.KeyAlgorithm {
	if asked == jose.ECDH_ES_A256KW {
		return jose.ECDH_ES_A128KW
	}
	return jose.RSA_OAEP
}

func recipientFor(key teeKey) (jose.Recipient, error) {
	alg := jose.KeyAlgorithm(key["alg"])
	switch {
	case key["kty"] == "EC" && alg == jose.ECDH_ES_A256KW:
		public, err := ecKey(key)
		return jose.Recipient{Algorithm: alg, Key: public}, err
	case key["kty"] == "RSA" && (alg == jose.RSA_OAEP_256 || alg == jose.RSA1_5):
		public, err := rsaKey(key)
		return jose.Recipient{Algorithm: alg, Key: public}, err
	}
	return jose.Recipient{}, fmt.Errorf("cannot encrypt for kty '%s', alg '%s'", key["kty"], key["alg"])
}

// ecKey wants coordinates of the curve's full length: leading zeros count.
func ecKey(key teeKey) (*ecdsa.PublicKey, error) {
	var curve elliptic.Curve
	switch key["crv"] {
	case "P-256":
		curve = elliptic.P256()
	case "P-521":
		curve = elliptic.P521()
	default:
		return nil, fmt.Errorf("curve '%s' is neither P-256 nor P-521", key["crv"])
	}
	size := (curve.Params().BitSize + 7) / 8
	point := []byte{4}
	for _, name := range []string{"x", "y"} {
		coordinate, err := b64u.DecodeString(key[name])
		if err != nil {
			return nil, err
		}
		if len(coordinate) != size {
			return nil, fmt.Errorf("%s has %d bytes, not %d", name, len(coordinate), size)
		}
		point = append(point, coordinate...)
	}
	return ecdsa.ParseUncompressedPublicKey(curve, point)
}

func rsaKey(key teeKey) (*rsa.PublicKey, error) {
	n, err := b64u.DecodeString(key["n"])
	if err != nil {
		return nil, err
	}
	e, err := b64u.DecodeString(key["e"])
	if err != nil {
		return nil, err
	}
	if len(e) == 0 || len(e) > 4 {
		return nil, fmt.Errorf("e has %d bytes", len(e))
	}
	return &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}, nil
}
