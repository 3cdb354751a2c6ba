// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os/exec"
	"sort"
	"strings"
	"testing"

	"sealpod.test/e2e/lab"
	"sealpod.test/tee"
)

// Where kata's agent and cloud-api-adaptor leave init-data, and what the latter
// makes out of it.
const (
	kataInitData    = "/run/confidential-containers/initdata/initdata.toml"
	peerPodInitData = "/run/peerpod/initdata"
	peerPodAA       = "/run/peerpod/aa.toml"
	peerPodCDH      = "/run/peerpod/cdh.toml"
	peerPodDigest   = "/run/peerpod/initdata.digest"
)

// places are the two with the form that init-data has there.
var places = []struct {
	name, path string
	form       func(*testing.T, string) []byte
}{
	{"left by kata's agent", kataInitData, func(_ *testing.T, text string) []byte { return []byte(text) }},
	{"left by cloud-api-adaptor", peerPodInitData, annotation},
}

// initDataText writes the document as people do. Its digest is over these bytes.
func initDataText(algorithm string, entries map[string]string) string {
	var names []string
	for name := range entries {
		names = append(names, name)
	}
	sort.Strings(names)
	out := fmt.Sprintf("# by hand\nversion = \"0.1.0\"\nalgorithm = %q\n\n[data]\n", algorithm)
	for _, name := range names {
		if text := entries[name]; strings.Contains(text, "'''") {
			out += fmt.Sprintf("%q = \"\"\"\n%s\"\"\"\n\n", name, strings.ReplaceAll(text, `\`, `\\`))
		} else {
			out += fmt.Sprintf("%q = '''\n%s'''\n\n", name, text)
		}
	}
	return out
}

// digestOf is the digest by that algorithm, in hexadecimal.
func digestOf(t *testing.T, algorithm, text string) string {
	t.Helper()
	switch algorithm {
	case "sha256":
		sum := sha256.Sum256([]byte(text))
		return hex.EncodeToString(sum[:])
	case "sha384":
		sum := sha512.Sum384([]byte(text))
		return hex.EncodeToString(sum[:])
	case "sha512":
		sum := sha512.Sum512([]byte(text))
		return hex.EncodeToString(sum[:])
	}
	t.Fatalf("no algorithm '%s'", algorithm)
	return ""
}

// register is what the digest is in a register of so many bytes.
func register(digest string, length int) string {
	return (digest + strings.Repeat("0", 2*length))[:2*length]
}

// bind makes a machine of this kind carry a digest as its hardware would.
func bind(o *tee.Options, digest string) {
	if strings.HasPrefix(o.Kind, tee.KindTDX) {
		o.MRConfigID = register(digest, 48)
	} else {
		o.HostData = register(digest, 32)
	}
}

func gzipped(t *testing.T, text []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// annotation is the form of the pod's annotation.
func annotation(t *testing.T, text string) []byte {
	t.Helper()
	return []byte(base64.StdEncoding.EncodeToString(gzipped(t, []byte(text))))
}

// aaToml and cdhToml name a KBS as the guest's components are told it.
func aaToml(url, ca string) string {
	return fmt.Sprintf("[token_configs]\n[token_configs.kbs]\nurl = '%s'\ncert = \"\"\"\n%s\"\"\"\n", url, ca)
}

func cdhToml(url, ca string) string {
	return fmt.Sprintf("socket = 'unix:///run/confidential-containers/cdh.sock'\ncredentials = []\n\n[kbc]\nname = 'cc_kbc'\nurl = '%s'\nkbs_cert = \"\"\"\n%s\"\"\"\n", url, ca)
}

// inside runs a command in the machine's mount namespace.
func (m *machine) inside(t *testing.T, stdin []byte, argv ...string) {
	t.Helper()
	cmd := exec.Command("nsenter", append(m.enter()[1:], argv...)...)
	cmd.Stdin = bytes.NewReader(stdin)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v on the machine: %v\n%s", argv, err, out)
	}
}

// freshRun gives the machine an empty /run in memory, as after its start.
func (m *machine) freshRun(t *testing.T) {
	t.Helper()
	m.inside(t, nil, "mount", "-t", "tmpfs", "-o", "mode=0755", "tmpfs", "/run")
}

// put makes a file of the machine, which others put there before sealpod starts.
func (m *machine) put(t *testing.T, path string, content []byte) {
	t.Helper()
	m.inside(t, content, "sh", "-c", `mkdir -p "${0%/*}" && cat >"$0"`, path)
}

// runMeasured runs `sealpod run` on the machine, told nothing but its options.
func (m *machine) runMeasured(t *testing.T, args ...string) *lab.Process {
	t.Helper()
	p := m.start(t, append([]string{"run"}, args...)...)
	p.Wait(t, waitLimit)
	return p
}
