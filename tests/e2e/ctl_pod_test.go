// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"sealpod.test/e2e/lab"
)

// readPod decodes a manifest as the API server would with strict field validation.
func readPod(t *testing.T, path string) *corev1.Pod {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	pod := &corev1.Pod{}
	if err := yaml.UnmarshalStrict(text, pod); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return pod
}

func containerNamed(t *testing.T, pod *corev1.Pod, name string) corev1.Container {
	t.Helper()
	for _, container := range append(pod.Spec.InitContainers, pod.Spec.Containers...) {
		if container.Name == name {
			return container
		}
	}
	t.Fatalf("the pod has no container '%s'", name)
	return corev1.Container{}
}

// Root is what the selectors may say; Kubernetes must not be told the contrary beside it.
func TestPodOfRootSaysSo(t *testing.T) {
	t.Parallel()
	b := newBuilt(t)
	b.edit(`"unix:uid:1"`, `"unix:uid:0", "unix:gid:5"`)
	b.ctl(0, "build")
	pod := readPod(t, b.path("out/pods/web.yaml"))
	for _, name := range []string{"svid", "workload"} {
		if s := containerNamed(t, pod, name).SecurityContext; *s.RunAsUser != 0 || *s.RunAsGroup != 5 || *s.RunAsNonRoot {
			t.Errorf("container %s runs as %v", name, s)
		}
	}
	if s := containerNamed(t, pod, "spire-agent").SecurityContext; *s.RunAsUser != 64000 || !*s.RunAsNonRoot {
		t.Errorf("the agent runs as %v", s)
	}
	b.edit(`"unix:uid:0"`, `"unix:uid:2147483648"`)
	says(t, b.ctl(100, "build"), "class 'web': 2147483648:5 is no user and group of a pod")
}

func TestPodManifestsAreWhatKubernetesTakes(t *testing.T) {
	t.Parallel()
	dir := newDeployment(t)
	lab.RunCtl(t, 0, dir, "build")
	for _, class := range []string{"web", "db"} {
		pod := readPod(t, filepath.Join(dir, "out", "pods", class+".yaml"))
		annotation, err := os.ReadFile(filepath.Join(dir, "out", "initdata", class+".annotation"))
		if err != nil {
			t.Fatal(err)
		}
		if pod.Annotations["io.katacontainers.config.hypervisor.cc_init_data"] != string(annotation) {
			t.Error("the annotation is not the init-data")
		}
		mounts := map[string]bool{}
		for _, volume := range pod.Spec.Volumes {
			mounts[volume.Name] = true
			if volume.EmptyDir == nil || volume.EmptyDir.Medium != corev1.StorageMediumMemory {
				t.Errorf("volume %s is not in memory", volume.Name)
			}
		}
		all := append(pod.Spec.InitContainers, pod.Spec.Containers...)
		if len(all) != 4 {
			t.Fatalf("%d containers", len(all))
		}
		for _, container := range all {
			security := container.SecurityContext
			if security == nil || *security.AllowPrivilegeEscalation || !*security.ReadOnlyRootFilesystem ||
				len(security.Capabilities.Drop) != 1 || security.Capabilities.Drop[0] != "ALL" {
				t.Errorf("container %s may do too much: %v", container.Name, security)
			}
			for _, mount := range container.VolumeMounts {
				if !mounts[mount.Name] {
					t.Errorf("container %s mounts %s, which is not there", container.Name, mount.Name)
				}
			}
		}
		user := map[string]int64{"web": 1, "db": 2}[class]
		for name, want := range map[string]int64{"sealpod-install": 64000, "spire-agent": 64000, "svid": user, "workload": user} {
			security := containerNamed(t, pod, name).SecurityContext
			if *security.RunAsUser != want || *security.RunAsGroup != want || !*security.RunAsNonRoot {
				t.Errorf("container %s runs as %v", name, security)
			}
		}
		config := "default/sealpod-config-" + class + "/toml"
		if !strings.Contains(strings.Join(pod.Spec.InitContainers[1].Command, " "), "kbs:///"+config) {
			t.Errorf("the agent is started by %v", pod.Spec.InitContainers[1].Command)
		}
		if _, err := os.Stat(filepath.Join(dir, "out", "kbs", "resources", config)); err != nil {
			t.Error(err)
		}
	}
}

// An agent elsewhere than in SPIRE's own image is confirmed on the command line: its configuration comes over plain
// REST and is not believed alone.
func TestPodManifestConfirmsAnotherAgent(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{"": "", "/opt/spire/bin/spire-agent": "", "/srv/spire agent": "--agent-path /srv/spire agent"} {
		dir := newDeployment(t)
		if path != "" {
			text := fmt.Sprintf(buildDeployment, goodLaunch)
			writeFile(t, dir, "deployment.toml", []byte(strings.Replace(text, "[spire]\n", "[spire]\nagent_path = '"+path+"'\n", 1)))
		}
		lab.RunCtl(t, 0, dir, "build")
		pod := readPod(t, filepath.Join(dir, "out", "pods", "web.yaml"))
		if got := strings.Join(pod.Spec.InitContainers[1].Args, " "); got != want {
			t.Errorf("agent_path '%s': the agent is started with '%s', want '%s'", path, got, want)
		}
	}
}
