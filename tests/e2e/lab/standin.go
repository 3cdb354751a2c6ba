// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// The stand-in takes the agent's place where a test asks what the agent would
// inherit, or only whether it would be started. It is never an agent: no test
// that speaks of an SVID uses it.
const standInName = "stand-in-agent"

// Inherited is what a stand-in prints on standard output.
type Inherited struct {
	Pid, UID, GID int
	Groups        []int
	Args, Env     []string
	Cwd           string
	Fds           map[int]string
	Status        string // /proc/self/status
	CoreSoft      uint64
	CoreHard      uint64
	Umask         int
	Fd3           InheritedFile
	PrivateKey    string // what the agent would read as private_key_path
	Config        string // agent.json
}

// StatusField is one line of Status, without its name.
func (seen Inherited) StatusField(name string) string { return statusField([]byte(seen.Status), name) }

// InheritedFile describes descriptor 3.
type InheritedFile struct {
	Seals int
	Mode  uint32
	UID   uint32
	Size  int64
	Flags int
}

var standIn struct {
	sync.Once
	path string
	err  error
}

// StandIn returns the path of the stand-in agent.
func StandIn(t testing.TB) string {
	t.Helper()
	standIn.Do(func() {
		// A copy: as the name of a link the kernel would show the link's target.
		standIn.path = filepath.Join(Root, standInName)
		self, err := os.ReadFile("/proc/self/exe")
		if err == nil {
			err = os.WriteFile(standIn.path, self, 0o755)
		}
		standIn.err = err
	})
	if standIn.err != nil {
		t.Fatal(standIn.err)
	}
	return standIn.path
}

func isStandIn() bool {
	path, err := os.Readlink("/proc/self/exe")
	return err == nil && filepath.Base(path) == standInName
}

func standInMain() {
	seen := Inherited{
		Pid: os.Getpid(), UID: os.Getuid(), GID: os.Getgid(), Args: os.Args, Env: os.Environ(), Fds: map[int]string{},
	}
	// First, and without package os: its poller opens descriptors of its own.
	for fd := range 64 {
		if link, ok := readlink("/proc/self/fd/" + strconv.Itoa(fd)); ok {
			seen.Fds[fd] = link
		}
	}
	seen.Groups, _ = os.Getgroups()
	seen.Cwd, _ = os.Getwd()
	seen.Umask = syscall.Umask(0)
	var core syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_CORE, &core); err != nil {
		die("%v", err)
	}
	seen.CoreSoft, seen.CoreHard = core.Cur, core.Max
	if status, err := os.ReadFile("/proc/self/status"); err == nil {
		seen.Status = string(status)
	}
	seen.Fd3 = describe(3)
	seen.readConfig()
	text, err := json.Marshal(seen)
	if err != nil {
		die("%v", err)
	}
	os.Stdout.Write(text)
	os.Exit(0)
}

func readlink(path string) (string, bool) {
	var buf [512]byte
	n, err := syscall.Readlink(path, buf[:])
	if err != nil {
		return "", false
	}
	return string(buf[:n]), true
}

func describe(fd int) InheritedFile {
	var file InheritedFile
	var stat syscall.Stat_t
	if syscall.Fstat(fd, &stat) == nil {
		file.Mode, file.UID, file.Size = stat.Mode, stat.Uid, stat.Size
	}
	const getSeals = 1034 // F_GET_SEALS
	if seals, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), getSeals, 0); errno == 0 {
		file.Seals = int(seals)
	}
	if flags, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_GETFL, 0); errno == 0 {
		file.Flags = int(flags)
	}
	return file
}

// readConfig does what the agent does: opens the configuration that the command
// line names, then the key that the configuration names, twice.
func (seen *Inherited) readConfig() {
	for i, arg := range os.Args {
		if arg == "-config" && i+1 < len(os.Args) {
			text, err := os.ReadFile(os.Args[i+1])
			seen.Config = string(text)
			if err != nil {
				seen.Config = err.Error()
			}
		}
	}
	path, err := KeyPath([]byte(seen.Config))
	if err != nil {
		seen.PrivateKey = err.Error()
		return
	}
	for range 2 {
		text, err := os.ReadFile(path)
		if err != nil {
			text = []byte(err.Error())
		}
		if seen.PrivateKey != "" && seen.PrivateKey != string(text) {
			text = []byte("the second reading differs")
		}
		seen.PrivateKey = string(text)
	}
}

// AgentConfig is agent.json as far as tests look into it.
type AgentConfig struct {
	Agent   map[string]any `json:"agent"`
	Plugins map[string]any `json:"plugins"`
	Health  map[string]any `json:"health_checks"`
}

// Plugin returns the plugin_data of the one plugin of a type, whether or not
// levels are wrapped in arrays of one element: the agent takes both.
func (c *AgentConfig) Plugin(kind string) (name string, data map[string]any, err error) {
	plugins, ok := unwrap(c.Plugins[kind])
	if !ok || len(plugins) != 1 {
		return "", nil, fmt.Errorf("%s is not one plugin: %v", kind, c.Plugins[kind])
	}
	for name, body := range plugins {
		plugin, ok := unwrap(body)
		if !ok {
			return "", nil, fmt.Errorf("%s %s is no object", kind, name)
		}
		data, _ = unwrap(plugin["plugin_data"])
		return name, data, nil
	}
	return "", nil, nil
}

func unwrap(v any) (map[string]any, bool) {
	if list, ok := v.([]any); ok && len(list) == 1 {
		v = list[0]
	}
	object, ok := v.(map[string]any)
	return object, ok
}

// ParseAgentConfig refuses anything after the document and unknown top levels.
func ParseAgentConfig(text []byte) (*AgentConfig, error) {
	decoder := json.NewDecoder(strings.NewReader(string(text)))
	decoder.DisallowUnknownFields()
	var config AgentConfig
	if err := decoder.Decode(&config); err != nil {
		return nil, fmt.Errorf("agent.json '%s': %w", text, err)
	}
	return &config, nil
}

// KeyPath is the x509pop private_key_path of agent.json.
func KeyPath(text []byte) (string, error) {
	config, err := ParseAgentConfig(text)
	if err != nil {
		return "", err
	}
	name, data, err := config.Plugin("NodeAttestor")
	if err != nil {
		return "", err
	}
	path, ok := data["private_key_path"].(string)
	if name != "x509pop" || !ok {
		return "", fmt.Errorf("node attestor %s has no private_key_path: %v", name, data)
	}
	return path, nil
}
