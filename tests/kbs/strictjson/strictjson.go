// SPDX-License-Identifier: Apache-2.0

// Package strictjson reads JSON objects as the real broker's parser does.
package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// Object holds the members of a JSON object by their exact names. encoding/json
// alone would match names whatever their case and let duplicates pass; the real
// broker does neither, so a client's mistakes must show here too.
type Object map[string]json.RawMessage

// Parse reads one object and nothing behind it.
func Parse(data []byte) (Object, error) {
	if !utf8.Valid(data) {
		return nil, errors.New("not UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	if tok, err := dec.Token(); err != nil || tok != json.Delim('{') {
		return nil, errors.New("not a JSON object")
	}
	o := Object{}
	for dec.More() {
		tok, err := dec.Token()
		if err != nil {
			return nil, err
		}
		name, isString := tok.(string)
		if !isString {
			return nil, errors.New("a member without a name")
		}
		if _, dup := o[name]; dup {
			return nil, fmt.Errorf("duplicate member '%s'", name)
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, err
		}
		o[name] = value
	}
	if _, err := dec.Token(); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("bytes after the JSON object")
	}
	return o, nil
}

// Str returns a required member that must be a string.
func (o Object) Str(name string) (string, error) {
	raw, found := o[name]
	if !found {
		return "", fmt.Errorf("member '%s' is missing", name)
	}
	if len(raw) == 0 || raw[0] != '"' {
		return "", fmt.Errorf("member '%s' is not a string", name)
	}
	var s string
	err := json.Unmarshal(raw, &s)
	return s, err
}

// Obj returns a required member that must be an object.
func (o Object) Obj(name string) (Object, error) {
	raw, found := o[name]
	if !found {
		return nil, fmt.Errorf("member '%s' is missing", name)
	}
	return Parse(raw)
}

// Absent tells whether an optional member is missing or null.
func (o Object) Absent(name string) bool {
	raw, found := o[name]
	return !found || string(raw) == "null"
}
