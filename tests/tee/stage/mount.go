// SPDX-License-Identifier: Apache-2.0

package stage

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// Mount mounts a FUSE file system of this name; it lasts as long as this process.
func Mount(name, dir string, root fs.InodeEmbedder) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	never := time.Duration(0)
	_, err := fs.Mount(dir, root, &fs.Options{
		EntryTimeout: &never, AttrTimeout: &never,
		MountOptions: fuse.MountOptions{
			AllowOther: true, FsName: name, Name: name, DirectMountStrict: true,
			DirectMountFlags: syscall.MS_NOSUID | syscall.MS_NODEV,
			Options:          []string{"default_permissions"},
		},
	})
	if err != nil {
		return fmt.Errorf("mount '%s': %w", dir, err)
	}
	return nil
}

// Devices binds files of a file system that is never seen itself to /dev, which is
// covered already.
func Devices(name string, root fs.InodeEmbedder, devices ...string) error {
	hidden, err := os.MkdirTemp("", name+"-")
	if err != nil {
		return err
	}
	defer os.Remove(hidden)
	if err := Mount(name, hidden, root); err != nil {
		return err
	}
	defer unix.Unmount(hidden, unix.MNT_DETACH)
	for _, device := range devices {
		target := "/dev/" + device
		if err := os.WriteFile(target, nil, 0o600); err != nil {
			return err
		}
		if err := unix.Mount(filepath.Join(hidden, device), target, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("bind '%s': %w", target, err)
		}
	}
	return nil
}
