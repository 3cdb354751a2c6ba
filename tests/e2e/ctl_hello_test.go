// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"sealpod.test/e2e/lab"
	"sealpod.test/guest"
	"sealpod.test/kbs"
	"sealpod.test/kbs/hardware"
	"sealpod.test/tee"
)

// helloPage is the example as its readers have it.
const helloPage = "../../examples/hello-coco/README.md"

type helloBlock struct{ who, text string }

// helloBlocks are the page's commands in order, with who runs them.
func helloBlocks(t *testing.T) []helloBlock {
	t.Helper()
	page, err := os.ReadFile(helloPage)
	if err != nil {
		t.Fatal(err)
	}
	var blocks []helloBlock
	for _, match := range regexp.MustCompile("(?ms)^```sh ([a-z]+)\n(.*?)^```$").FindAllStringSubmatch(string(page), -1) {
		blocks = append(blocks, helloBlock{match[1], match[2]})
	}
	return blocks
}

// helloLab is what the page takes for granted: a broker, a SPIRE server, a machine.
type helloLab struct {
	t       *testing.T
	roots   string
	dir     string // the operator's
	broker  *kbs.Server
	server  *lab.Server
	vars    []string
	machine *machine
	run     *lab.Process
	rest    string // of the guest's api-server-rest
}

func newHelloLab(t *testing.T) *helloLab {
	t.Helper()
	l := &helloLab{t: t, roots: ownRoots(t), dir: t.TempDir(), server: lab.OwnTemplateServer(t, "1h")}
	verifiers, err := hardware.Load(l.roots)
	if err != nil {
		t.Fatal(err)
	}
	l.broker = lab.StartKBS(t, nil, func(o *kbs.Options) { o.Verifiers = append(verifiers.Verifiers(), kbs.Sample{}) })
	bin := filepath.Join(l.dir, "bin")
	if err := os.Mkdir(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{"sealpodctl": lab.Sealpodctl, "sealpod": lab.SealpodRelease, "spire-server": lab.SpireServer} {
		if err := os.Symlink(target, filepath.Join(bin, name)); err != nil {
			t.Fatal(err)
		}
	}
	ca := filepath.Join(l.dir, "the-kbs-ca.pem")
	lab.WriteFile(t, ca, l.broker.CAPEM(), 0o644)
	l.vars = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"),
		"KBS_URL="+l.broker.URL(), "KBS_CA="+ca, "SPIRE_ADDRESS=127.0.0.1", fmt.Sprintf("SPIRE_PORT=%d", l.server.Port),
		"SPIRE_SOCKET="+strings.TrimPrefix(l.server.API(), "unix://"), "TRUST_DOMAIN="+lab.TrustDomain,
		"LAUNCH_MEASUREMENT="+goodLaunch, "KBS_ADMIN_PUBLIC_KEY="+filepath.Join(l.dir, "admin.pub"),
		"SPIRE_X509POP_CA="+filepath.Join(l.server.Dir(), "ca.pem"))
	return l
}

func (l *helloLab) path(name string) string { return filepath.Join(l.dir, "hello-coco", name) }

func (l *helloLab) read(name string) string { return readText(l.t, l.path(name)) }

// sh runs a block with everything that the page's reader has; cd lasts.
func (l *helloLab) sh(text string) {
	l.t.Helper()
	cmd := exec.Command("bash", "-euxc", text)
	cmd.Env, cmd.Dir = l.vars, l.dir
	if _, err := os.Stat(filepath.Join(l.dir, "hello-coco")); err == nil {
		cmd.Dir = filepath.Join(l.dir, "hello-coco")
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		l.t.Fatalf("%v: %v\n%s", text, err, out)
	}
}

// restart is the page's "restart them", after the two files were installed.
func (l *helloLab) restart() {
	l.t.Helper()
	key, err := kbs.ParseAdminKey([]byte(readText(l.t, l.dir, "admin.pub")))
	if err != nil {
		l.t.Fatal(err)
	}
	l.broker.SetAdminKey(key)
	l.server.Stop()
	l.server.StartAgain(l.t, "1h")
}

// boot starts the VM with the init-data and the agent in its place.
func (l *helloLab) boot() {
	l.t.Helper()
	var digests map[string]string
	if err := json.Unmarshal([]byte(l.read("out/initdata/web.digests.json")), &digests); err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { os.Remove("/tmp/spire-agent") }) // the VM shares /tmp: what is mounted there is gone by then
	l.machine = boot(l.t, tee.Options{Kind: tee.KindSNP, Roots: l.roots, HostData: digests["host_data"],
		Set: map[string]string{"measurement": goodLaunch}})
	l.machine.freshRun(l.t)
	l.machine.put(l.t, peerPodInitData, []byte(l.read("out/initdata/web.annotation")))
	l.machine.inside(l.t, nil, "sh", "-euc", `
		mkdir -p /tmp/spire-agent
		mount -t tmpfs -o mode=0755 tmpfs /tmp/spire-agent
		mount -t tmpfs -o mode=0755 tmpfs /opt
		mkdir -p /opt/spire/bin /opt/bin
		cp "$0" /opt/spire/bin/spire-agent
		cp "$1" /opt/bin/sealpod
		install -d -o 1000 /run/svids`, lab.SpireAgent, lab.SealpodRelease)
}

// inVM runs a block on the machine.
func (l *helloLab) inVM(text string, prefix ...string) *lab.Process {
	l.t.Helper()
	argv := append(l.machine.enter(), prefix...)
	return lab.Start(l.t, 0, "/", append(argv, "env", "-u", "http_proxy", "-u", "ALL_PROXY", "-u", "all_proxy", "PATH=/opt/bin:"+os.Getenv("PATH"), "CDH="+l.rest, "bash", "-euc", text)...)
}

// components are the guest's own, which attest on the same machine.
func (l *helloLab) components() {
	l.t.Helper()
	c, err := guest.Start(guest.Options{
		KBSURL: l.broker.URL(), CAPEM: l.broker.CAPEM(), Dir: machineDir(l.t), TEE: "snp", InitData: l.read("out/initdata/web.toml"),
		Evidence: func(reportData []byte) (json.RawMessage, error) {
			p := l.machine.attest(l.t, "--format", "json", "--report-data", hex.EncodeToString(reportData))
			if p.Status() != 0 {
				return nil, fmt.Errorf("%v", p)
			}
			return json.RawMessage(p.Stdout.String()), nil
		},
	})
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(c.Close)
	address, err := url.Parse(c.RESTURL)
	if err != nil {
		l.t.Fatal(err)
	}
	l.rest = address.Host
}

// The example, line by line: one file, two commands, a VM, and an SVID for the workload.
func TestHelloCoco(t *testing.T) {
	t.Parallel()
	l := newHelloLab(t)
	started := time.Now()
	seen := map[string]int{}
	for _, block := range helloBlocks(t) {
		seen[block.who]++
		switch block.who {
		case "operator":
			l.sh(block.text)
			if strings.Contains(block.text, "install -m") {
				l.restart()
			}
		case "guest":
			t.Logf("the operator's side took %v", time.Since(started).Round(time.Millisecond))
			l.boot()
			l.components()
			started = time.Now()
			l.run = l.inVM(block.text)
			lab.Eventually(t, 60*time.Second, "the agent's socket", func() (bool, string) {
				err := exec.Command("nsenter", append(l.machine.enter()[1:], "test", "-S", "/tmp/spire-agent/public/api.sock")...).Run()
				return err == nil, fmt.Sprint(l.run)
			})
		case "workload":
			p := l.inVM(block.text, "setpriv", "--reuid=1000", "--regid=1000", "--clear-groups")
			p.Wait(t, 60*time.Second)
			if p.Status() != 0 {
				t.Fatalf("%s: status %d\n%v\n%v", block.text, p.Status(), p, l.run)
			}
			if strings.Contains(block.text, "curl") && p.Stdout.String() != "attested" {
				t.Errorf("the attestation status is '%s'", p.Stdout.String())
			}
			if strings.Contains(block.text, "svid") {
				t.Logf("from 'sealpod run' to the workload's files: %v", time.Since(started).Round(time.Millisecond))
				l.checkSVID()
			}
		default:
			t.Errorf("the page has a block for '%s'", block.who)
		}
	}
	if seen["operator"] != 4 || seen["guest"] != 1 || seen["workload"] != 2 {
		t.Errorf("the page has blocks %v", seen)
	}
}

// checkSVID looks at the delivered certificate by openssl, inside the VM.
func (l *helloLab) checkSVID() {
	l.t.Helper()
	p := l.inVM("openssl verify -CAfile /run/svids/svid_bundle.pem /run/svids/svid.pem && openssl x509 -noout -ext subjectAltName -in /run/svids/svid.pem")
	p.Wait(l.t, 20*time.Second)
	if want := "URI:spiffe://" + lab.TrustDomain + "/ns/web/sa/web"; p.Status() != 0 || !strings.Contains(p.Stdout.String(), want) {
		l.t.Errorf("the SVID is not %s: %v", want, p)
	}
}
