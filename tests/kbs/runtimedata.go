// SPDX-License-Identifier: Apache-2.0

package kbs

import (
	"crypto/sha512"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"sealpod.test/kbs/strictjson"
)

// teeKey is a tee-pubkey reduced to the members that the protocol knows. Others
// (kid, use, ...) are dropped before hashing, as the real broker does; a client
// that hashed them is refused.
type teeKey map[string]string

var keyMembers = map[string][]string{
	"EC":  {"crv", "alg", "x", "y"},
	"RSA": {"alg", "n", "e"},
	"AKP": {"alg", "pub"},
}

func parseTEEKey(raw json.RawMessage) (teeKey, error) {
	if raw == nil {
		return nil, errors.New("missing")
	}
	o, err := strictjson.Parse(raw)
	if err != nil {
		return nil, err
	}
	kty, err := o.Str("kty")
	if err != nil {
		return nil, err
	}
	members, known := keyMembers[kty]
	if !known {
		return nil, fmt.Errorf("unknown kty '%s'", kty)
	}
	key := teeKey{"kty": kty}
	for _, name := range members {
		if key[name], err = o.Str(name); err != nil {
			return nil, err
		}
	}
	return key, nil
}

// runtimeData is what evidence is bound to.
type runtimeData struct {
	nonce      string
	key        teeKey
	additional *string // nil for devices: the member is then absent
}

func (r runtimeData) claims() map[string]any {
	m := map[string]any{"nonce": r.nonce, "tee-pubkey": map[string]string(r.key)}
	if r.additional != nil {
		m["additional-evidence"] = *r.additional
	}
	return m
}

// digest is SHA-384 over the RFC 8785 form of the runtime data.
func (r runtimeData) digest() []byte {
	sum := sha512.Sum384([]byte(r.canonical()))
	return sum[:]
}

// canonical writes RFC 8785 for the one shape there is: an object of strings and
// of one object of strings, with ASCII names, so that sorting bytes sorts UTF-16.
func (r runtimeData) canonical() string {
	var b strings.Builder
	b.WriteString("{")
	if r.additional != nil {
		b.WriteString(`"additional-evidence":` + jcsString(*r.additional) + ",")
	}
	b.WriteString(`"nonce":` + jcsString(r.nonce) + `,"tee-pubkey":{`)
	for i, name := range slices.Sorted(maps.Keys(r.key)) {
		if i > 0 {
			b.WriteString(",")
		}
		b.WriteString(jcsString(name) + ":" + jcsString(r.key[name]))
	}
	b.WriteString("}}")
	return b.String()
}

var jcsShort = map[rune]string{
	'"': `\"`, '\\': `\\`, '\b': `\b`, '\f': `\f`, '\n': `\n`, '\r': `\r`, '\t': `\t`,
}

// jcsString escapes only what RFC 8785 tells to; encoding/json escapes more.
func jcsString(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range s {
		switch short, found := jcsShort[c]; {
		case found:
			b.WriteString(short)
		case c < 0x20:
			fmt.Fprintf(&b, `\u%04x`, c)
		default:
			b.WriteRune(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}
