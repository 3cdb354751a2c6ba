// SPDX-License-Identifier: Apache-2.0

package differential

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// fields is one reading: names and values as text.
type fields map[string]string

// record is one input for both sides.
type record struct {
	name string // the sample, and what was done to it
	kind byte   // 'S' report, 'C' certificate table, 'Q' quote
	raw  []byte
}

// reading is what one side made of a record: fields, or why it was refused.
type reading struct {
	fields fields
	refuse string
}

func dumpProgram(t *testing.T) string {
	t.Helper()
	if path := os.Getenv("EVIDENCE_DUMP"); path != "" {
		return path
	}
	found, err := filepath.Glob("../../build/*/tests/differential/evidence-dump")
	if err != nil {
		t.Fatal(err)
	}
	newest, age := "", int64(-1)
	for _, path := range found {
		if info, err := os.Stat(path); err == nil && info.ModTime().UnixNano() > age {
			newest, age = path, info.ModTime().UnixNano()
		}
	}
	if newest == "" {
		t.Fatal("no evidence-dump below build/: build with tests, or name it by EVIDENCE_DUMP")
	}
	return newest
}

// ours lets evidence-dump read all records in one run.
func ours(t *testing.T, records []record) []reading {
	t.Helper()
	var in bytes.Buffer
	for _, r := range records {
		head := []byte{r.kind, 0, 0, 0, 0}
		binary.LittleEndian.PutUint32(head[1:], uint32(len(r.raw)))
		in.Write(head)
		in.Write(r.raw)
	}
	command := exec.CommandContext(t.Context(), dumpProgram(t))
	command.Stdin = &in
	command.Stderr = os.Stderr
	out, err := command.Output()
	if err != nil {
		t.Fatalf("evidence-dump: %v", err)
	}
	var readings []reading
	lines := bufio.NewScanner(bytes.NewReader(out))
	lines.Buffer(nil, 1<<23)
	for lines.Scan() {
		var f fields
		if err := json.Unmarshal(lines.Bytes(), &f); err != nil {
			t.Fatalf("evidence-dump, line %d: %v", len(readings)+1, err)
		}
		readings = append(readings, reading{fields: f, refuse: f["error"]})
	}
	if len(readings) != len(records) {
		t.Fatalf("%d answers to %d records", len(readings), len(records))
	}
	return readings
}

func vector(t *testing.T, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("../vectors", name))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}
