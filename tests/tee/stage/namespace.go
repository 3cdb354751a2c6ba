// SPDX-License-Identifier: Apache-2.0

package stage

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// OwnMounts refuses to mount anything where others would see it, and keeps what is
// mounted from them.
func OwnMounts() error {
	if err := NotOfParent("mnt"); err != nil {
		return err
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	return nil
}

// NotOfParent refuses a namespace of this kind that is the parent's, too.
func NotOfParent(kind string) error {
	if err := Own(kind); err != nil {
		return err
	}
	parent := parentOf("self")
	own, theirs, err := compare(kind, parent)
	if err == nil && own == theirs {
		err = fmt.Errorf("it is that of process %s", parent)
	}
	return refused(kind, err)
}

// Own refuses a namespace of this kind that was not made for the test: a process
// above this one must be seen to be in another one, and the first process must not
// be seen in this one. What cannot be seen proves nothing.
func Own(kind string) error {
	if own, theirs, err := compare(kind, "1"); err == nil && own == theirs {
		return refused(kind, fmt.Errorf("it is that of process 1"))
	}
	for pid := parentOf("self"); pid != "0"; pid = parentOf(pid) {
		if own, theirs, err := compare(kind, pid); err == nil && own != theirs {
			return nil
		}
	}
	return refused(kind, fmt.Errorf("no process above this one is seen in another"))
}

func refused(kind string, why error) error {
	if why == nil {
		return nil
	}
	return fmt.Errorf("refused: the namespace (%s) must be one of the test's own, and %w", kind, why)
}

func compare(kind, pid string) (own, theirs string, err error) {
	if own, err = os.Readlink("/proc/self/ns/" + kind); err == nil {
		theirs, err = os.Readlink("/proc/" + pid + "/ns/" + kind)
	}
	return own, theirs, err
}

// parentOf is "0" where there is none, or none in this PID namespace.
func parentOf(pid string) string {
	text, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return "0"
	}
	// The name before it may hold anything, blanks and brackets included.
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if len(fields) < 2 {
		return "0"
	}
	if _, err := strconv.Atoi(fields[1]); err != nil {
		return "0"
	}
	return fields[1]
}
