// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"cmp"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Sealpodctl is the operator's program of the build under test. Where nobody says,
// it lies in the build's folder ctl, as sealpod does in agent.
var Sealpodctl = cmp.Or(os.Getenv("SEALPODCTL"), besideSealpod(Sealpod))

func besideSealpod(sealpod string) string {
	if sealpod == "" {
		return ""
	}
	return filepath.Join(filepath.Dir(filepath.Dir(sealpod)), "ctl", "sealpodctl")
}

// Ctl starts sealpodctl in dir.
func Ctl(t testing.TB, dir string, argv ...string) *Process {
	t.Helper()
	if _, err := os.Stat(Sealpodctl); err != nil {
		t.Fatalf("the build under test has no sealpodctl: %v", err)
	}
	return Start(t, 0, dir, append(append(strings.Fields(prefixText), Sealpodctl), argv...)...)
}

// RunCtl runs sealpodctl to its end and wants this exit status.
func RunCtl(t testing.TB, status int, dir string, argv ...string) *Process {
	t.Helper()
	p := Ctl(t, dir, argv...)
	p.Wait(t, time.Minute)
	if p.Status() != status {
		t.Fatalf("sealpodctl %v: status %d, want %d\n%v", argv, p.Status(), status, p)
	}
	return p
}
