// SPDX-License-Identifier: Apache-2.0

package azure

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// stageVariable carries the options to the same program in its own namespaces.
const stageVariable = "SEALPOD_AZURE_STAGE"

// Enter moves this process to namespaces of its own, by executing the program
// again there. It returns only on failure. The second time round Inside tells so; a
// program that uses this package calls Inside first.
func Enter(o *Options, argv []string) error {
	if err := o.check(); err != nil {
		return err
	}
	if len(argv) == 0 {
		return errors.New("name the command to run")
	}
	if os.Geteuid() != 0 {
		return errors.New("this needs root: it makes namespaces of its own")
	}
	flags := unix.CLONE_NEWNS
	if o.JoinNet {
		if err := cutOff(); err != nil {
			return err
		}
	} else {
		flags |= unix.CLONE_NEWNET
	}
	var err error
	if o.Outside, err = mountNamespace(); err != nil {
		return err
	}
	runtime.LockOSThread() // namespaces belong to threads, and this one will be the process
	if err := unix.Unshare(flags); err != nil {
		return fmt.Errorf("enter namespaces: %w", err)
	}
	env := append(os.Environ(), stageVariable+"="+o.encode())
	return syscall.Exec("/proc/self/exe", append([]string{os.Args[0]}, argv...), env)
}

// Inside builds the machine and runs the command, if this is the process that Enter
// made; ran is false if it is not. Status is the command's, 128 and the signal's
// number for one that was killed.
func Inside() (status int, ran bool, err error) {
	text, staged := os.LookupEnv(stageVariable)
	if !staged {
		return 0, false, nil
	}
	os.Unsetenv(stageVariable)
	o, err := decodeOptions(text)
	if err != nil {
		return 1, true, err
	}
	if _, err := exec.LookPath(os.Args[1]); err != nil {
		return 127, true, err
	}
	m, err := newMachine(*o)
	if err != nil {
		return 1, true, err
	}
	defer func() {
		if m.tpm != nil {
			m.tpm.stop()
		}
	}()
	if err := m.setUp(); err != nil {
		return 1, true, err
	}
	if err := m.startControl(); err != nil {
		return 1, true, err
	}
	status, err = run(os.Args[1:])
	return status, true, err
}

func run(argv []string) (int, error) {
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2)
	runtime.LockOSThread() // the command dies with the thread that started it
	defer runtime.UnlockOSThread()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return 127, err
	}
	go func() {
		for s := range signals {
			cmd.Process.Signal(s)
		}
	}()
	err := cmd.Wait()
	signal.Stop(signals)
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return 1, err
	}
	ws := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if ws.Signaled() {
		return 128 + int(ws.Signal()), nil
	}
	return ws.ExitStatus(), nil
}

// startControl serves faults and counters on a Unix socket:
// GET /counters, POST /faults with a fault's text, DELETE /faults.
func (m *machine) startControl() error {
	if m.o.Control == "" {
		return nil
	}
	os.Remove(m.o.Control)
	listener, err := net.Listen("unix", m.o.Control)
	if err != nil {
		return fmt.Errorf("control socket: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /counters", func(w http.ResponseWriter, _ *http.Request) {
		text, err := m.snapshot()
		m.blame(err)
		w.Header().Set("Content-Type", "application/json")
		w.Write(text)
	})
	mux.HandleFunc("POST /faults", func(w http.ResponseWriter, r *http.Request) {
		var fault Fault
		err := json.NewDecoder(r.Body).Decode(&fault)
		if err == nil {
			err = fault.check()
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		m.faults.add(fault)
	})
	mux.HandleFunc("DELETE /faults", func(http.ResponseWriter, *http.Request) { m.faults.clear() })
	go (&http.Server{Handler: mux}).Serve(listener)
	return nil
}

// Control talks to a running machine by the path of its control socket.
type Control string

// Counters asks what the machine has seen.
func (c Control) Counters() (Counters, error) {
	var counters Counters
	response, err := c.client().Get("http://azure/counters")
	if err != nil {
		return counters, err
	}
	defer response.Body.Close()
	return counters, json.NewDecoder(response.Body).Decode(&counters)
}

// Arm arms a fault, in its text form.
func (c Control) Arm(text string) error {
	fault, err := ParseFault(text)
	if err != nil {
		return err
	}
	body, err := json.Marshal(fault)
	if err != nil {
		return err
	}
	response, err := c.client().Post("http://azure/faults", "application/json", strings.NewReader(string(body)))
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("fault '%s': status %d", text, response.StatusCode)
	}
	return nil
}

func (c Control) client() *http.Client {
	return &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		Dial:              func(string, string) (net.Conn, error) { return net.Dial("unix", string(c)) },
	}}
}
