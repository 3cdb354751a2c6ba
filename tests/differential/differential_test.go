// SPDX-License-Identifier: Apache-2.0

package differential

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"sort"
	"strings"
	"testing"

	sev "github.com/google/go-sev-guest/abi"
)

// tally counts what came out of the comparison.
type tally struct {
	both, neither, excused int
	used                   map[string]int
}

// compare holds two readings of a record against each other and returns the differences.
func compare(r record, us, them reading, t *tally) []string {
	if us.refuse != "" && them.refuse != "" {
		t.neither++
		return nil
	}
	if us.refuse != "" || them.refuse != "" {
		return compareRefusals(r, us, them, t)
	}
	t.both++
	return compareFields(r, us.fields, them.fields, t)
}

func compareRefusals(r record, us, them reading, t *tally) []string {
	for _, e := range exceptions {
		test := e.weRefuse
		if us.refuse == "" {
			test = e.theyRefuse
		}
		if e.kind == r.kind && test != nil && test(r.raw) {
			t.used[e.name]++
			t.excused++
			return nil
		}
	}
	if us.refuse != "" {
		return []string{"we refuse: " + us.refuse}
	}
	return []string{"they refuse: " + them.refuse}
}

func compareFields(r record, us, them fields, t *tally) []string {
	skip := map[string]string{}
	for _, e := range exceptions {
		if e.kind != r.kind || e.fields == nil {
			continue
		}
		for _, name := range e.fields(r.raw) {
			skip[name] = e.name
		}
	}
	join(us, r.kind)
	names := map[string]bool{}
	for name := range us {
		names[name] = true
	}
	for name := range them {
		names[name] = true
	}
	var differences []string
	for name := range names {
		if us[name] == them[name] {
			continue
		}
		if skip[name] != "" {
			t.used[skip[name]]++
			continue
		}
		differences = append(differences, fmt.Sprintf("%s: we read '%.80s', they '%.80s'", name, us[name], them[name]))
	}
	sort.Strings(differences)
	return differences
}

// They keep the processor as the value of CPUID: ours is put together the same way.
func join(us fields, kind byte) {
	if kind != 'S' {
		return
	}
	var family, model, stepping int
	fmt.Sscan(us["cpuid_family"], &family)
	fmt.Sscan(us["cpuid_model"], &model)
	fmt.Sscan(us["cpuid_stepping"], &stepping)
	us["cpuid1eax"] = number(sev.FmsToCpuid1Eax(byte(family), byte(model), byte(stepping)))
	delete(us, "cpuid_family")
	delete(us, "cpuid_model")
	delete(us, "cpuid_stepping")
}

func run(t *testing.T, kind byte, records []record) {
	t.Helper()
	counts := tally{used: map[string]int{}}
	bad := 0
	for i, us := range ours(t, records) {
		differences := compare(records[i], us, theirs(records[i]), &counts)
		if len(differences) == 0 {
			continue
		}
		if bad++; bad <= 10 {
			t.Errorf("%s:\n\t%s", records[i].name, strings.Join(differences, "\n\t"))
		}
	}
	if bad > 10 {
		t.Errorf("and %d more", bad-10)
	}
	t.Logf("%d records compared: %d read the same by both, %d refused by both, %d refused by one for a listed reason",
		len(records), counts.both, counts.neither, counts.excused)
	report(t, kind, counts)
}

// A reading that hardly ever succeeds proves nothing, an exception that nothing needs hides something.
func report(t *testing.T, kind byte, counts tally) {
	t.Helper()
	if counts.both < 100 || counts.neither < 100 {
		t.Errorf("only %d records read by both and %d refused by both", counts.both, counts.neither)
	}
	for _, e := range exceptions {
		if e.kind != kind {
			continue
		}
		t.Logf("exception %s: %d times", e.name, counts.used[e.name])
		if counts.used[e.name] == 0 {
			t.Errorf("the exception '%s' is not needed", e.name)
		}
	}
}

func TestReports(t *testing.T) {
	spots := []spot{{0, 4}, {4, 4}, {8, 8}, {0x30, 4}, {0x34, 4}, {0x38, 8}, {0x40, 8}, {0x48, 4}, {0x4C, 4}, {0x180, 8},
		{0x188, 1}, {0x189, 1}, {0x18A, 1}, {0x18B, 1}, {0x1A0, 8}, {0x1A8, 8}, {0x1E8, 1}, {0x1EB, 1}, {0x1EF, 1},
		{0x1F8, 8}, {0x200, 8}, {0x208, 1}, {0x29F, 1}, {0x2A0, 8}, {0x330, 1}, {0x49F, 1}}
	var records []record
	for _, name := range []string{"milan-v2-debug", "milan-v2", "milan-v3", "milan-v3-vlek", "genoa-v5", "turin-v5"} {
		records = append(records, mutants(name, 'S', vector(t, "snp/"+name+"-report.bin"), spots, 250)...)
	}
	run(t, 'S', records)
}

// table puts certificates behind a header, in the order and at the places that the entries say.
func table(entries []sev.CertTableHeaderEntry, blobs []byte) []byte {
	raw := make([]byte, (len(entries)+1)*sev.CertTableEntrySize)
	for i, e := range entries {
		at := raw[i*sev.CertTableEntrySize:]
		copy(at, e.GUID[:])
		binary.LittleEndian.PutUint32(at[16:], e.Offset)
		binary.LittleEndian.PutUint32(at[20:], e.Length)
	}
	return append(raw, blobs...)
}

func guid(text string) (result [16]byte) {
	raw, err := hex.DecodeString(strings.ReplaceAll(text, "-", ""))
	if err != nil {
		panic(err)
	}
	copy(result[:], raw)
	return result
}

func TestCertificateTables(t *testing.T) {
	genoa, turin, vlek := vector(t, "snp/genoa-v5-vcek.der"), vector(t, "snp/turin-v5-vcek.der"), vector(t, "snp/milan-vlek.der")
	entry := func(kind string, offset, length int) sev.CertTableHeaderEntry {
		return sev.CertTableHeaderEntry{GUID: guid(kind), Offset: uint32(offset), Length: uint32(length)}
	}
	other := "00112233-4455-6677-8899-aabbccddeeff"
	samples := map[string][]byte{
		"one": table([]sev.CertTableHeaderEntry{entry(sev.VcekGUID, 48, len(genoa))}, genoa),
		"three, out of order": table([]sev.CertTableHeaderEntry{entry(sev.VlekGUID, 96+len(turin), len(vlek)),
			entry(other, 96, len(turin)), entry(sev.AskGUID, 100, 20)}, append(append([]byte{}, turin...), vlek...)),
		"padded": append(table([]sev.CertTableHeaderEntry{entry(sev.ArkGUID, 72, 10), entry(sev.VcekGUID, 82, 0)},
			turin), make([]byte, 4096)...),
	}
	spots := []spot{{0, 8}, {8, 8}, {16, 4}, {20, 4}, {24, 8}, {32, 8}, {40, 4}, {44, 4}, {64, 4}, {68, 4}}
	var names []string
	for name := range samples {
		names = append(names, name)
	}
	sort.Strings(names)
	var records []record
	for _, name := range names {
		records = append(records, mutants(name, 'C', samples[name], spots, 250)...)
	}
	records = append(records, record{"empty", 'C', nil}, record{"zeros", 'C', make([]byte, 4096)})
	run(t, 'C', records)
}

func TestQuotes(t *testing.T) {
	var records []record
	for _, name := range []string{"v4-cos113", "v4-debug-td", "v4-go-spr", "v4-mrconfigid", "v4-qvl", "v5-go"} {
		raw := vector(t, "tdx/"+name+".dat")
		base := 632
		spots := []spot{{0, 2}, {2, 2}, {4, 4}, {8, 4}, {168, 8}}
		if raw[0] == 5 {
			base = 702
			spots = append(spots, spot{48, 2}, spot{50, 4})
		}
		for _, s := range []spot{{0, 4}, {132, 2}, {134, 4}, {586, 2}, {620, 2}, {622, 4}} {
			spots = append(spots, spot{base + s.offset, s.width})
		}
		records = append(records, mutants(name, 'Q', raw, spots, 150)...)
	}
	run(t, 'Q', records)
}
