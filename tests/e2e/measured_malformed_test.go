// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"encoding/base64"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"sealpod.test/e2e/lab"
	"sealpod.test/tee"
)

// Init-data that is oversized or malformed: 100 with the place, and neither a
// packet nor a report is spent on it.
func TestMalformedInitData(t *testing.T) {
	t.Parallel()
	m := newMeasured(t, measuredOptions{})
	good := m.text
	bomb := base64.StdEncoding.EncodeToString(gzipped(t, bytes.Repeat([]byte("# "+strings.Repeat("0", 61)+"\n"), 1<<20)))
	cut := gzipped(t, []byte(good))
	entryLine := func(key string) string { // where a key of the entry stands, in the entry
		_, entry, _ := strings.Cut(good, "\"sealpod.toml\" = '''\n")
		before, _, _ := strings.Cut(entry, key)
		return lineAfter(before)
	}
	for _, c := range []struct {
		name    string
		content []byte
		words   []string // of the error, or of a line before it
	}{
		{"empty", nil, []string{"init-data"}},
		{"oversized text", []byte(good + strings.Repeat("# padding of the host\n", 24<<10)), []string{"524288"}},
		{"oversized file", []byte(strings.Repeat("A", 1<<20+1)), []string{"1048576"}},
		{"gzip bomb", []byte(bomb), []string{"base64 of gzip", "524288"}},
		{"malformed TOML", []byte(strings.Replace(good, "[data]", "[data", 1)), []string{"line " + lineAfter(before(good, "[data]"))}},
		{"no UTF-8", []byte(good + "# \xff\n"), []string{"UTF-8"}},
		{"bad base64", []byte("H4sI*" + base64.StdEncoding.EncodeToString(cut)), []string{"base64"}},
		{"base64 without its padding", []byte(strings.TrimRight(base64.StdEncoding.EncodeToString(append(cut, make([]byte, (4-len(cut)%3)%3)...)), "=") + "A"), []string{"base64"}},
		{"gzip cut short", cut[:len(cut)-12], []string{"gzip"}},
		{"gzip with a wrong checksum", append(append([]byte{}, cut[:len(cut)-8]...), 1, 2, 3, 4, 5, 6, 7, 8), []string{"gzip"}},
		{"something behind the gzip", append(append([]byte{}, cut...), []byte("more")...), []string{"gzip"}},
		{"another version", []byte(strings.Replace(good, `"0.1.0"`, `"0.2.0"`, 1)), []string{"'version'", "0.2.0"}},
		{"unknown algorithm", []byte(strings.Replace(good, `"sha256"`, `"md5"`, 1)), []string{"'algorithm'", "md5"}},
		{"no data", []byte(before(good, "[data]")), []string{"[data]"}},
		{"an entry that is no text", []byte(good + "number = 7\n"), []string{"number"}},
		{"no entry for sealpod", []byte(strings.Replace(good, "\"sealpod.toml\"", "\"sealpot.toml\"", 1)), []string{"no entry 'sealpod.toml'"}},
		{"aa.toml is no TOML", []byte(strings.Replace(good, "[token_configs.kbs]", "[token_configs.kbs", 1)), []string{"aa.toml"}},
		{"unknown key", []byte(strings.Replace(good, "trust_domain =", "trust_domian =", 1)),
			[]string{"[data] sealpod.toml:" + entryLine("trust_domain =") + ": key 'spire.trust_domian'"}},
		{"wrong type", []byte(strings.Replace(good, "server_port = ", "server_port = 0.", 1)),
			[]string{"[data] sealpod.toml:" + entryLine("server_port =") + ": key 'spire.server_port'"}},
	} {
		for _, path := range []string{kataInitData, peerPodInitData} {
			t.Run(c.name+", at "+filepath.Base(path), func(t *testing.T) {
				m.machine.put(t, path, c.content)
				defer m.machine.inside(t, nil, "rm", path)
				if path == kataInitData {
					// A later place does not stand in for a broken one.
					m.machine.put(t, peerPodInitData, annotation(t, good))
					defer m.machine.inside(t, nil, "rm", peerPodInitData)
				}
				p := m.machine.runMeasured(t)
				m.fixture.Check(t, p, lab.Refusal{Status: 100, Message: []string{path}, NoAnswer: true})
				checkSaid(t, p, c.words...)
				m.machine.checkCost(t, 0)
			})
		}
	}
}

func before(text, word string) string {
	head, _, _ := strings.Cut(text, word)
	return head
}

// Something else than a file at the first place is not passed over.
func TestDirectoryInThePlaceOfInitData(t *testing.T) {
	t.Parallel()
	m := newMeasured(t, measuredOptions{})
	m.machine.inside(t, nil, "mkdir", "-p", kataInitData)
	m.machine.put(t, peerPodInitData, annotation(t, m.text))
	p := m.machine.runMeasured(t)
	m.fixture.Check(t, p, lab.Refusal{Status: 100, Message: []string{"'" + kataInitData + "', left there by kata's agent", "is not a regular file"}, NoAnswer: true})
	m.machine.checkCost(t, 0)
}

// Without init-data and without an option there is no configuration; the message
// names both places and both options.
func TestNoConfigurationAtAll(t *testing.T) {
	t.Parallel()
	m := boot(t, tee.Options{Kind: tee.KindSNP})
	m.freshRun(t)
	m.put(t, peerPodAA, []byte(aaToml("https://127.0.0.1:1", "")))
	p := m.runMeasured(t)
	lab.CheckFailure(t, p, 100, kataInitData, peerPodInitData, "--config", "--unmeasured-config")
	m.checkCost(t, 0)
}

// The two options name two places, and places are never mixed.
func TestConfigurationsExcludeEachOther(t *testing.T) {
	t.Parallel()
	f := lab.NewFixture(t, lab.FixtureOptions{})
	for _, verb := range [][]string{{"run"}, {"get", "kbs:///a/b/c"}, {"unseal"}} {
		p := lab.Start(t, 0, f.Dir, append(append([]string{lab.SealpodRelease}, verb...),
			"--config", "kbs:///default/sealpod/config", "--unmeasured-config", f.ConfigPath(t))...)
		p.Wait(t, waitLimit)
		f.Check(t, p, lab.Refusal{Status: 100, Message: []string{"'--config' and '--unmeasured-config' exclude each other"}, NoAnswer: true})
	}
}

// Init-data on a machine that is no TEE is nobody's word, whatever way there is to
// secrets.
func TestInitDataOutsideATEE(t *testing.T) {
	t.Parallel()
	m := newMeasured(t, measuredOptions{})
	dir := machineDir(t)
	lab.WriteFile(t, filepath.Join(dir, "initdata.toml"), []byte(m.text), 0o644)
	for _, c := range []struct{ option, word string }{{"auto", "TEE"}, {"aa", "'aa'"}, {"cdh", "'cdh'"}, {"rest", "'rest'"}} {
		script := `mount -t tmpfs tmpfs /run && mkdir -p "${2%/*}" && cp "$1" "$2" && exec "$0" run --source "$3"`
		p := lab.Start(t, 0, "/", "unshare", "--mount", "sh", "-c", script, lab.SealpodRelease,
			filepath.Join(dir, "initdata.toml"), kataInitData, c.option)
		p.Wait(t, waitLimit)
		m.fixture.Check(t, p, lab.Refusal{Status: 101, Message: []string{c.word}, NoAnswer: true})
	}
}

// lineAfter is the number of the line that follows, as text.
func lineAfter(text string) string { return strconv.Itoa(strings.Count(text, "\n") + 1) }
