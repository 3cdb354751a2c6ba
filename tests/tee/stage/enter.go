// SPDX-License-Identifier: Apache-2.0

package stage

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// Stage carries options to the same program in its namespaces, in this variable of
// the environment.
type Stage struct{ Variable string }

// Enter moves this process to namespaces of its own, by executing the program again
// there, with the command as its arguments. It returns only on failure.
func (s Stage) Enter(flags int, options any, argv []string) error {
	if len(argv) == 0 {
		return errors.New("name the command to run")
	}
	if os.Geteuid() != 0 {
		return errors.New("this needs root: it makes namespaces of its own")
	}
	text, err := json.Marshal(options)
	if err != nil {
		return err
	}
	// Not /proc/self/exe: that is the file as the old mount namespace has it.
	self, err := os.Executable()
	if err != nil {
		return err
	}
	runtime.LockOSThread() // namespaces belong to threads, and this one will be the process
	if err := unix.Unshare(flags); err != nil {
		return fmt.Errorf("enter namespaces: %w", err)
	}
	env := append(os.Environ(), s.Variable+"="+string(text))
	return syscall.Exec(self, append([]string{os.Args[0]}, argv...), env)
}

// Inside tells whether this is the process that Enter made, and reads the options.
func (s Stage) Inside(options any) (staged bool, err error) {
	text, staged := os.LookupEnv(s.Variable)
	if !staged {
		return false, nil
	}
	os.Unsetenv(s.Variable) // it is none of the command's business
	return true, json.Unmarshal([]byte(text), options)
}

// Command is what is to be run. It is looked for before anything is set up for it.
func Command() ([]string, error) {
	if len(os.Args) < 2 {
		return nil, errors.New("name the command to run")
	}
	_, err := exec.LookPath(os.Args[1])
	return os.Args[1:], err
}

// Main is the main function of a machine's program: inside builds the machine and
// runs the command, if this is its process; enter reads the command line.
func Main(name string, inside func() (status int, ran bool, err error), enter func(args []string) error) {
	status, ran, err := inside()
	if !ran {
		status = 0
		if err = enter(os.Args[1:]); err != nil {
			status = 2
		}
	}
	if errors.Is(err, flag.ErrHelp) {
		os.Exit(0)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, name+":", err)
	}
	os.Exit(status)
}
