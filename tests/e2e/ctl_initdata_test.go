// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"sealpod.test/e2e/lab"
)

const plainInitdata = `version = "0.1.0"
algorithm = "sha256"
[data]
"policy.rego" = '''
package agent_policy
default SetPolicyRequest := false
'''
"other" = "x"`

func writeFile(t *testing.T, dir, name string, content []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func gunzipAll(t *testing.T, packed io.Reader) []byte {
	t.Helper()
	reader, err := gzip.NewReader(packed)
	if err != nil {
		t.Fatal(err)
	}
	if reader.Name != "" || !reader.ModTime.IsZero() {
		t.Errorf("the gzip holds the name %q and the time %v", reader.Name, reader.ModTime)
	}
	text, err := io.ReadAll(reader)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// unwrapped is what code that is not ours makes of a form.
func unwrapped(t *testing.T, form string, content []byte) []byte {
	t.Helper()
	switch form {
	case "toml":
		return content
	case "gzip":
		return gunzipAll(t, bytes.NewReader(content))
	case "annotation":
		packed, err := base64.StdEncoding.DecodeString(string(content))
		if err != nil {
			t.Fatal(err)
		}
		return gunzipAll(t, bytes.NewReader(packed))
	}
	if len(content)%512 != 0 || !bytes.HasPrefix(content, []byte("initdata")) {
		t.Fatalf("the image has %d bytes and begins with %q", len(content), content[:8])
	}
	size := binary.LittleEndian.Uint64(content[8:16])
	return gunzipAll(t, bytes.NewReader(content[16:16+size]))
}

// Each form, converted to each other, holds the same bytes and has the same digest.
func TestInitdataConvertsFromAndToEveryForm(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	forms := []string{"toml", "gzip", "annotation", "image"}
	writeFile(t, dir, "toml", []byte(plainInitdata))
	sum := sha256.Sum256([]byte(plainInitdata))
	for _, form := range forms[1:] {
		writeFile(t, dir, form, []byte(lab.RunCtl(t, 0, dir, "initdata", "convert", "--to", form, "toml").Stdout.String()))
	}
	for _, from := range forms {
		if digest := lab.RunCtl(t, 0, dir, "initdata", "digest", from).Stdout.String(); !strings.Contains(digest, hex.EncodeToString(sum[:])) {
			t.Errorf("the digest of %s is %s", from, digest)
		}
		for _, to := range forms {
			out := []byte(lab.RunCtl(t, 0, dir, "initdata", "convert", "--to", to, from).Stdout.String())
			if text := unwrapped(t, to, out); string(text) != plainInitdata {
				t.Errorf("%s made of %s holds %q", to, from, text)
			}
		}
		annotation := []byte(lab.RunCtl(t, 0, dir, "initdata", "annotate", from).Stdout.String())
		if text := unwrapped(t, "annotation", annotation); string(text) != plainInitdata {
			t.Errorf("the annotation of %s holds %q", from, text)
		}
	}
	lab.RunCtl(t, 100, dir, "initdata", "convert", "toml")
	lab.RunCtl(t, 100, dir, "initdata", "convert", "--to", "zip", "toml")
	lab.RunCtl(t, 100, dir, "initdata", "convert", "--to", "toml", "missing")
}

// Anybody's gzip and base64 are read: with a name in it, wrapped lines, a newline at the end.
func TestInitdataReadsWhatOthersPack(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var packed bytes.Buffer
	writer, _ := gzip.NewWriterLevel(&packed, 1)
	writer.Name = "initdata.toml"
	if _, err := writer.Write([]byte(plainInitdata)); err != nil || writer.Close() != nil {
		t.Fatal(err)
	}
	writeFile(t, dir, "named.gz", packed.Bytes())
	writeFile(t, dir, "line.b64", []byte(base64.StdEncoding.EncodeToString(packed.Bytes())+"\n"))
	for _, name := range []string{"named.gz", "line.b64"} {
		if out := lab.RunCtl(t, 0, dir, "initdata", "convert", "--to", "toml", name).Stdout.String(); out != plainInitdata {
			t.Errorf("%s holds %q", name, out)
		}
	}
	writeFile(t, dir, "cut.gz", packed.Bytes()[:packed.Len()-4])
	lab.RunCtl(t, 100, dir, "initdata", "show", "cut.gz")
}

func TestInitdataBuildKeepsEntriesAsTheyAre(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	entries := map[string]string{
		"aa.toml":     "a = \"\"\"\nx\n\"\"\"\n",
		"policy.rego": "package agent_policy\n",
		"quotes":      "three ''' and a backslash \\ and a \t tab",
		"crlf":        "one\r\ntwo\r\n",
		"end":         "ends with '",
		"empty":       "",
		"utf8":        "grüße",
	}
	argv := []string{"initdata", "build"}
	for name, text := range entries {
		writeFile(t, dir, "file-"+name, []byte(text))
		argv = append(argv, name+"=file-"+name)
	}
	writeFile(t, dir, "built", []byte(lab.RunCtl(t, 0, dir, argv...).Stdout.String()))
	for name, text := range entries {
		if out := lab.RunCtl(t, 0, dir, "initdata", "show", "--entry", name, "built").Stdout.String(); out != text {
			t.Errorf("%s is %q, not %q", name, out, text)
		}
	}
	lab.RunCtl(t, 100, dir, "initdata", "show", "--entry", "none", "built")
	writeFile(t, dir, "binary", []byte{'a', 0xff, 'b'})
	lab.RunCtl(t, 100, dir, "initdata", "build", "binary")
	lab.RunCtl(t, 100, dir, "initdata", "build", "a=file-end", "a=file-end")
	lab.RunCtl(t, 100, dir, "initdata", "build", "=file-end")
	// The form is looked at before any file.
	says(t, lab.RunCtl(t, 100, dir, "initdata", "build", "--form", "zip", "absent"), "'zip' is no form")
	says(t, lab.RunCtl(t, 100, dir, "initdata", "convert", "--to", "zip", "absent"), "'zip' is no form")
	if err := syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	says(t, lab.RunCtl(t, 100, dir, "initdata", "show", "fifo"), "'-' reads standard input")
	says(t, lab.RunCtl(t, 100, dir, "kbs", "list", "--url", "http://127.0.0.1:1", "--admin-key", "fifo"), "'-' reads standard input")
}

// A terminal obeys what it is shown; init-data may be anybody's.
func TestInitdataDoesNotDriveATerminal(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	writeFile(t, dir, "hostile", []byte("version = \"0.1.0\"\nalgorithm = \"sha256\"\n[data]\n\"a\\u001b[31m\\nb\" = \"x\"\n\"aa.toml\" = \"\"\"[\\\"q\\u001b[31m\\\"]\n\"\"\"\n"))
	for _, verb := range []string{"show", "lint"} {
		p := lab.Ctl(t, dir, "initdata", verb, "hostile")
		p.Wait(t, time.Minute)
		if out := p.Stdout.String(); strings.Contains(out+p.Stderr.String(), "\x1b") || !strings.Contains(out, " ") {
			t.Errorf("%s prints %q", verb, out)
		}
	}
	if out := lab.RunCtl(t, 0, dir, "initdata", "show", "hostile").Stdout.String(); !strings.Contains(out, "a.[31m.b, 1 bytes") {
		t.Errorf("show prints %q", out)
	}
}

func TestInitdataDigestsFitTheirRegisters(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	text := strings.Replace(plainInitdata, "sha256", "sha512", 1)
	writeFile(t, dir, "long", []byte(text))
	var got map[string]any
	if err := json.Unmarshal([]byte(lab.RunCtl(t, 0, dir, "initdata", "digest", "--json", "long").Stdout.String()), &got); err != nil {
		t.Fatal(err)
	}
	sum := sha512.Sum512([]byte(text))
	digest := hex.EncodeToString(sum[:])
	if got["digest"] != digest || got["host_data"] != digest[:64] || got["mrconfigid"] != digest[:96] {
		t.Errorf("digests are %v", got)
	}
	if _, ok := got["pcr8"]; ok {
		t.Error("PCR 8 takes no sha512")
	}
}

func TestInitdataLintSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	writeFile(t, dir, "good", []byte(plainInitdata))
	writeFile(t, dir, "bad", []byte("version = \"0.1.0\"\r\nalgorithm = \"sha512\"\n[data]\n\"policy.rego\" = '''\npackage agent_policy\ndefault SetPolicyRequest := true\n'''\n"+
		"\"aa.toml\" = '''\naa_kbc_params = \"cc_kbc::https://[fd00::1]\"\n[token_configs.kbs]\nurl = \"https://k.test\"\n'''\n"))
	good := lab.RunCtl(t, 0, dir, "initdata", "lint", "--tee", "az-snp-vtpm", "--spire-version", "1.15.2", "good")
	if !strings.Contains(good.Stdout.String(), "errors") || strings.Contains(good.Stdout.String(), "error ") {
		t.Errorf("the good one: %v", good.Stdout.String())
	}
	p := lab.RunCtl(t, 100, dir, "initdata", "lint", "--json", "--tee", "tdx", "--tee", "az-snp-vtpm", "--spire-version", "1.14.1", "bad")
	var got struct {
		Findings         []struct{ Level, Where, Text string }
		Errors, Warnings int
	}
	if err := json.Unmarshal([]byte(p.Stdout.String()), &got); err != nil {
		t.Fatal(err)
	}
	all := p.Stdout.String()
	for _, part := range []string{"SetPolicyRequest", "without its CA", "one '::'", "sha512", "PCR 8", "CRLF", "ends with a newline", "1.14.1", "policy.rego line 2"} {
		if !strings.Contains(all, part) {
			t.Errorf("'%s' is not in %s", part, all)
		}
	}
	if got.Errors < 5 || got.Errors+got.Warnings != len(got.Findings) {
		t.Errorf("%d errors, %d warnings, %d findings", got.Errors, got.Warnings, len(got.Findings))
	}
	if p := lab.RunCtl(t, 0, dir, "initdata", "lint", "--tee", "snp", "--processor", "milan", "good"); !strings.Contains(p.Stdout.String(), "Milan") {
		t.Errorf("Milan alone: %v", p.Stdout.String())
	}
	for _, wrong := range []struct{ option, value, says string }{
		{"--tee", "az-snp", "--tee: 'az-snp' is unknown; use 'snp', 'tdx', 'az-snp-vtpm' or 'az-tdx-vtpm'"},
		{"--tee", "milan", "--tee: 'milan' is unknown"},
		{"--processor", "rome", "--processor: 'rome' is unknown; use 'milan', 'genoa' or 'turin'"},
		{"--processor", "Milan", "--processor: 'Milan' is unknown"},
		{"--spire-version", "foo", "--spire-version: 'foo' is no version"},
		{"--spire-version", "1.14", "--spire-version: '1.14' is no version"},
		{"--spire-version", "v1.14.1", "--spire-version: 'v1.14.1' is no version"},
		{"--spire-version", "1.0.0", "--spire-version: spire-agent 1.0.0 is not known (1.9 to 1.15 are)"},
	} {
		p := lab.RunCtl(t, 100, dir, "initdata", "lint", wrong.option, wrong.value, "good")
		if !strings.Contains(p.Stderr.String(), wrong.says) || p.Stdout.String() != "" {
			t.Errorf("%s %s: %v%v", wrong.option, wrong.value, p.Stdout.String(), p.Stderr.String())
		}
	}
	writeFile(t, dir, "broken", []byte("version = 1\n"))
	lab.RunCtl(t, 100, dir, "initdata", "lint", "broken")
}
