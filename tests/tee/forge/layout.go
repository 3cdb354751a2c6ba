// SPDX-License-Identifier: Apache-2.0

package forge

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// field is a named span of a fixed layout.
type field struct {
	name         string
	offset, size int
	number       bool // little endian, where the value is given as text
}

// setField copies value into its field; a shorter value is padded with zeros on
// the right, as digests are.
func setField(layout []field, data []byte, name string, value []byte) error {
	f, err := findField(layout, name)
	if err != nil {
		return err
	}
	if len(value) > f.size {
		return fmt.Errorf("field '%s' has %d bytes, the value has %d", name, f.size, len(value))
	}
	if f.offset+f.size > len(data) {
		return fmt.Errorf("field '%s' does not exist in this layout", name)
	}
	clear(data[f.offset : f.offset+f.size])
	copy(data[f.offset:], value)
	return nil
}

// setText takes a value as a command line has it: hexadecimal digits, for numbers
// with 0x in front and the most significant digit first.
func setText(layout []field, data []byte, name, text string) error {
	f, err := findField(layout, name)
	if err != nil {
		return err
	}
	number, isNumber := strings.CutPrefix(text, "0x")
	if isNumber && len(number)%2 == 1 {
		number = "0" + number
	}
	if !isNumber {
		number = text
	}
	value, err := hex.DecodeString(number)
	if err != nil {
		return fmt.Errorf("field '%s': '%s' is not hexadecimal: %w", name, text, err)
	}
	if isNumber {
		if !f.number {
			return fmt.Errorf("field '%s' is bytes, not a number: leave out the 0x", name)
		}
		slices.Reverse(value)
	} else if f.number {
		return fmt.Errorf("field '%s' is a number: write it as 0x…", name)
	}
	return setField(layout, data, name, value)
}

func getField(layout []field, data []byte, name string) []byte {
	f, err := findField(layout, name)
	if err != nil {
		panic(err)
	}
	return data[f.offset : f.offset+f.size]
}

func findField(layout []field, name string) (field, error) {
	for _, f := range layout {
		if f.name == name {
			return f, nil
		}
	}
	return field{}, fmt.Errorf("there is no field '%s'", name)
}
