// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"sealpod.test/e2e/lab"
	"sealpod.test/guest"
	"sealpod.test/kbs"
)

const (
	podUser  = 1000750000
	podGroup = 1000760000
)

// podLab runs the containers of a manifest as a kubelet would: with its users and commands, each on a root that it cannot
// write to, in the pod's network and in one namespace of processes. A volume is a directory whose path stands in commands
// and configuration where the manifest has the mount's.
type podLab struct {
	*built
	server  *lab.Server
	broker  *kbs.Server
	network *podNetwork
	pod     *corev1.Pod
	volumes map[string]string // by name
	paths   *strings.Replacer
}

func newPodLab(t *testing.T) *podLab {
	t.Helper()
	if lab.Wrapped() {
		t.Skip("what runs in a pod is the release build, which nothing wraps")
	}
	l := &podLab{built: &built{t, newDeployment(t)}, server: lab.OwnTemplateServer(t, "1h"), broker: lab.StartKBS(t, nil, nil),
		network: newPodNetwork(t), volumes: map[string]string{}}
	writeFile(t, l.dir, "bundle.pem", l.server.Bundle)
	writeFile(t, l.dir, "kbs-ca.pem", l.broker.CAPEM())
	l.edit(`trust_domain = "example.test"`, `trust_domain = "`+lab.TrustDomain+`"`)
	l.edit("https://kbs.example.test", l.broker.URL())
	l.edit("server_address = \"spire.example.test\"\n", fmt.Sprintf("server_address = \"127.0.0.1\"\nserver_port = %d\nagent_path = %q\n", serverPort, lab.SpireAgent))
	l.edit(`"unix:uid:1"`, fmt.Sprintf(`"unix:uid:%d", "unix:gid:%d"`, podUser, podGroup))
	l.ctl(0, "build")
	l.server.Trust(t, []byte(l.read("out/spire/ca-bundle.pem")), "1h")
	l.ctl(0, "entries", "apply", "--api", l.server.API())
	l.pod = readPod(t, l.path("out/pods/web.yaml"))
	l.mount()
	l.fill()
	l.components()
	return l
}

// mount makes the volumes as a kubelet does: root's, the pod's group, writable for all.
func (l *podLab) mount() {
	l.t.Helper()
	var paths []string
	for _, v := range l.pod.Spec.Volumes {
		dir := volume(l.t)
		if err := os.Chown(dir, 0, int(*l.pod.Spec.SecurityContext.FSGroup)); err != nil {
			l.t.Fatal(err)
		}
		if err := os.Chmod(dir, 0o777|os.ModeSetgid); err != nil {
			l.t.Fatal(err)
		}
		l.volumes[v.Name] = dir
	}
	for _, container := range append(l.pod.Spec.InitContainers, l.pod.Spec.Containers...) {
		for _, m := range container.VolumeMounts {
			paths = append(paths, m.MountPath, l.volumes[m.Name])
		}
	}
	l.paths = strings.NewReplacer(paths...)
}

// fill gives the broker what was built.
func (l *podLab) fill() {
	l.t.Helper()
	for name := range contents(l.t, l.path("out/kbs/resources")) {
		text := l.read("out/kbs/resources/" + name)
		if strings.Contains(name, "sealpod-config-") {
			text = l.paths.Replace(text)
		}
		if err := l.broker.SetResource(name, []byte(text)); err != nil {
			l.t.Fatal(err)
		}
	}
}

// components are the guest's, at the address that every pod sees, and what else the pod reaches.
func (l *podLab) components() {
	l.t.Helper()
	address, err := url.Parse(l.broker.URL())
	if err != nil {
		l.t.Fatal(err)
	}
	port, err := strconv.Atoi(address.Port())
	if err != nil {
		l.t.Fatal(err)
	}
	l.network.forward(l.t, port, port)
	l.network.forward(l.t, serverPort, l.server.Port)
	var c *guest.Components
	options := guest.Options{KBSURL: l.broker.URL(), CAPEM: l.broker.CAPEM(), Dir: machineDir(l.t), REST: fmt.Sprintf("127.0.0.1:%d", restPort)}
	if err := l.network.do(func() (err error) { c, err = guest.Start(options); return err }); err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(c.Close)
}

// start starts a program as what the manifest says of a container.
func (l *podLab) start(name string, command []string) *lab.Process {
	l.t.Helper()
	says := containerNamed(l.t, l.pod, name)
	c := container{UID: int(*says.SecurityContext.RunAsUser), GID: int(*says.SecurityContext.RunAsGroup),
		Groups: []int{int(*l.pod.Spec.SecurityContext.FSGroup)}, Network: l.network.path}
	for _, m := range says.VolumeMounts {
		if !m.ReadOnly {
			c.Writable = append(c.Writable, l.volumes[m.Name])
		}
	}
	argv := []string{"env"}
	for _, variable := range says.Env {
		argv = append(argv, variable.Name+"="+l.paths.Replace(variable.Value))
	}
	for _, word := range command {
		if word == "/sealpod" { // the image's
			word = lab.SealpodRelease
		}
		argv = append(argv, l.paths.Replace(word))
	}
	return c.start(l.t, argv...)
}

// status runs a program to its end.
func (l *podLab) status(name string, command ...string) (int, *lab.Process) {
	l.t.Helper()
	p := l.start(name, command)
	p.Wait(l.t, waitLimit)
	return p.Status(), p
}

// up starts a container and waits for its startup probe.
func (l *podLab) up(name string) *lab.Process {
	l.t.Helper()
	c := containerNamed(l.t, l.pod, name)
	probe := c.StartupProbe.Exec.Command
	if probe[len(probe)-1] == "health" { // which looks where the manifest has the volume
		probe = append(probe, l.volumes["agent-run"])
	}
	p := l.start(name, append(c.Command, c.Args...))
	lab.Eventually(l.t, time.Minute, "container "+name+" is up", func() (bool, string) {
		if !p.Running() {
			l.t.Fatalf("container %s ended: %v", name, p)
		}
		status, said := l.status(name, probe...)
		return status == 0, fmt.Sprint(said, p)
	})
	return p
}

// agentOf is the SPIRE agent that sealpod supervises.
func agentOf(t *testing.T, sealpod int) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", sealpod, sealpod))
	if err != nil {
		t.Fatal(err)
	}
	for _, child := range strings.Fields(string(text)) {
		if exe, err := os.Readlink("/proc/" + child + "/exe"); err == nil && exe == lab.SpireAgent {
			pid, _ := strconv.Atoi(child)
			return pid
		}
	}
	t.Fatalf("sealpod has no agent among its children '%s'", text)
	return 0
}

// The pod as its manifest says: the workload has its files, which are its own, and cannot reach the agent's credential,
// although it sees the agent.
func TestPodRunsAsItsManifestSays(t *testing.T) {
	t.Parallel()
	l := newPodLab(t)
	if status, p := l.status("sealpod-install", containerNamed(t, l.pod, "sealpod-install").Command...); status != 0 {
		t.Fatalf("%v", p)
	}
	agent := l.up("spire-agent")
	l.up("svid")
	for _, name := range []string{"svid.pem", "svid_key.pem", "svid_bundle.pem"} {
		path := filepath.Join(l.volumes["svids"], name)
		if status, p := l.status("workload", "cat", path); status != 0 || !strings.Contains(p.Stdout.String(), "-----BEGIN") {
			t.Errorf("the workload cannot read %s: %v", name, p)
		}
		if status, _ := l.status("spire-agent", "cat", path); (status == 0) != (name != "svid_key.pem") {
			t.Errorf("the agent's user reads %s with status %d", name, status)
		}
	}
	info, err := os.Stat(filepath.Join(l.volumes["svids"], "svid_key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	if owner := info.Sys().(*syscall.Stat_t); info.Mode().Perm() != 0o600 || owner.Uid != podUser {
		t.Errorf("the key has mode %v, owner %d", info.Mode(), owner.Uid)
	}
	credential := filepath.Join(l.volumes["agent-run"], "agent/credential.pem")
	if _, err := os.Stat(credential); err != nil {
		t.Fatal(err)
	}
	pid := agentOf(t, agent.Pid)
	for _, path := range []string{fmt.Sprintf("/proc/%d/root%s", pid, credential), fmt.Sprintf("/proc/%d/root%s", agent.Pid, credential),
		fmt.Sprintf("/proc/%d/environ", pid), fmt.Sprintf("/proc/%d/mem", pid), credential} {
		for _, who := range []string{"workload", "svid"} {
			if status, p := l.status(who, "head", "-c", "1", path); status == 0 || !strings.Contains(p.Stderr.String(), "Permission denied") {
				t.Errorf("container %s reads %s: %v", who, path, p)
			}
		}
	}
	if status, p := l.status("spire-agent", "cat", fmt.Sprintf("/proc/%d/root%s", pid, credential)); status != 0 {
		t.Errorf("nobody can read the credential where it was looked for: %v", p)
	}
	if status, _ := l.status("workload", "sh", "-c", fmt.Sprintf("kill -0 %d", pid)); status == 0 {
		t.Error("the workload may signal the agent")
	}
}
