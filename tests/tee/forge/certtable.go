// SPDX-License-Identifier: Apache-2.0

package forge

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// GUIDs of a certificate table, as text.
const (
	GUIDARK  = "c0b406a4-a803-4952-9743-3fb6014cd0ae"
	GUIDASK  = "4ab7b379-bbac-4fe4-a02f-05aef327c782"
	GUIDVCEK = "63da758d-e664-4564-adc5-f4b93be8accd"
	GUIDVLEK = "a8074bc2-a25a-483e-aae6-39c045a0b8a1"
	GUIDCRL  = "92f81bc3-5811-4d3d-97ff-d19f88dc67ea"
	// GUIDUnknown stands for what hosts add; readers are to pass over it.
	GUIDUnknown = "9f4116cd-c503-4f5a-8f6f-fb68882f4ce2"
)

// CertEntry is one entry of a certificate table.
type CertEntry struct {
	GUID string
	Data []byte
}

// Faults of certificate tables. The host writes the table, so all are possible.
const (
	TableCut      = "cut"      // ends in the middle of the last certificate
	TableCutVEK   = "cut-vek"  // likewise, and that is the VCEK or VLEK
	TableOverlap  = "overlap"  // the second certificate begins inside of the first
	TableOutside  = "outside"  // the last offset is beyond the table
	TableOverflow = "overflow" // offset + length passes 2^32
	TableInHeader = "header"   // the first offset points at the table's own entries
	TableEndless  = "endless"  // no entry of zeros ends the list
	TableNoVEK    = "no-vek"   // neither VCEK nor VLEK
	TableGarbage  = "garbage"  // certificates are not DER
	TableNone     = "none"     // the host gives no certificates
	TableHuge     = "huge"     // larger than the driver's 16 KiB
)

// TableFaults lists all of them.
var TableFaults = []string{
	TableCut, TableCutVEK, TableOverlap, TableOutside, TableOverflow, TableInHeader, TableEndless, TableNoVEK, TableGarbage, TableNone,
	TableHuge,
}

const entrySize = 24

// CertTable builds a table, spoilt as fault says ("": sound).
func CertTable(entries []CertEntry, fault string) ([]byte, error) {
	entries, err := spoilEntries(entries, fault)
	if err != nil || entries == nil {
		return nil, err
	}
	headerSize := entrySize * (len(entries) + 1)
	if fault == TableEndless {
		headerSize -= entrySize
	}
	header, blobs := []byte{}, []byte{}
	for i, e := range entries {
		guid, err := hex.DecodeString(strings.ReplaceAll(e.GUID, "-", ""))
		if err != nil || len(guid) != 16 {
			return nil, fmt.Errorf("'%s' is not a GUID", e.GUID)
		}
		offset, length := spoilSpan(uint32(headerSize+len(blobs)), uint32(len(e.Data)), i, len(entries), fault)
		header = append(header, guid...)
		header = binary.LittleEndian.AppendUint32(header, offset)
		header = binary.LittleEndian.AppendUint32(header, length)
		blobs = append(blobs, e.Data...)
	}
	table := append(append(header, make([]byte, headerSize-len(header))...), blobs...)
	if fault == TableCut || fault == TableCutVEK {
		table = table[:len(table)-len(entries[len(entries)-1].Data)/2]
	}
	return table, nil
}

func spoilEntries(entries []CertEntry, fault string) ([]CertEntry, error) {
	var out []CertEntry
	switch fault {
	case "", TableCut, TableOverlap, TableOutside, TableOverflow, TableInHeader, TableEndless:
		return entries, nil
	case TableCutVEK:
		return append(slices.Clone(entries[1:]), entries[0]), nil
	case TableNone:
		return nil, nil
	case TableHuge:
		return append(slices.Clone(entries), CertEntry{GUIDUnknown, pattern(0x4000, 0x11)}), nil
	case TableNoVEK:
		for _, e := range entries {
			if e.GUID != GUIDVCEK && e.GUID != GUIDVLEK {
				out = append(out, e)
			}
		}
		return out, nil
	case TableGarbage:
		for _, e := range entries {
			out = append(out, CertEntry{e.GUID, pattern(len(e.Data), 0x77)})
		}
		return out, nil
	}
	return nil, fmt.Errorf("there is no certificate table fault '%s'; there are: %s", fault, strings.Join(TableFaults, ", "))
}

func spoilSpan(offset, length uint32, i, n int, fault string) (uint32, uint32) {
	switch {
	case fault == TableOverlap && i == 1:
		return offset - 64, length
	case fault == TableOutside && i == n-1:
		return 0x10000, length
	case fault == TableOverflow && i == n-1:
		return 0xFFFFFF00, length
	case fault == TableInHeader && i == 0:
		return 8, length
	}
	return offset, length
}
