// SPDX-License-Identifier: Apache-2.0

package stage

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// Overlay covers a directory with a tmpfs that shows what was there, less the names
// to hide. A directory that does not exist is made, in its nearest parent that does.
func Overlay(dir string, hide ...string) error {
	existing := dir
	for !isDir(existing) {
		existing, hide = filepath.Dir(existing), nil
	}
	if err := cover(existing, hide); err != nil {
		return fmt.Errorf("cover '%s': %w", existing, err)
	}
	return os.MkdirAll(dir, 0o755)
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

func cover(dir string, hide []string) error {
	below, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer below.Close()
	entries, err := below.ReadDir(-1)
	if err != nil {
		return err
	}
	if err := unix.Mount("tee", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NOEXEC, "mode=0755,size=16m"); err != nil {
		return err
	}
	for _, entry := range entries {
		if slices.Contains(hide, entry.Name()) {
			continue
		}
		// What the tmpfs covers is still reached by the open directory.
		source := fmt.Sprintf("/proc/self/fd/%d/%s", below.Fd(), entry.Name())
		if err := replicate(source, filepath.Join(dir, entry.Name())); err != nil {
			return fmt.Errorf("'%s': %w", entry.Name(), err)
		}
	}
	return nil
}

// replicate makes the same thing appear at target.
func replicate(source, target string) error {
	var st unix.Stat_t
	if err := unix.Lstat(source, &st); err != nil {
		return err
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFLNK:
		to, err := os.Readlink(source)
		if err != nil {
			return err
		}
		return os.Symlink(to, target)
	case unix.S_IFCHR, unix.S_IFBLK:
		if err := unix.Mknod(target, st.Mode, int(st.Rdev)); err != nil {
			return err
		}
		return unix.Chmod(target, st.Mode&0o7777) // past the umask
	case unix.S_IFDIR:
		if err := os.Mkdir(target, 0o755); err != nil {
			return err
		}
	default:
		if err := os.WriteFile(target, nil, 0o600); err != nil {
			return err
		}
	}
	return unix.Mount(source, target, "", unix.MS_BIND|unix.MS_REC, "")
}

// Seal makes a covered directory read-only: a program that writes where the kernel
// has no file is to notice.
func Seal(dir string) error {
	if err := unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("make '%s' read-only: %w", dir, err)
	}
	return nil
}
