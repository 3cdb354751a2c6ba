// SPDX-License-Identifier: Apache-2.0

package azure

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// setUp builds the machine into these namespaces, which are nobody else's.
func (m *machine) setUp() error {
	now, err := mountNamespace()
	if err != nil {
		return err
	}
	if now == m.o.Outside {
		return errors.New("refused: this is not a mount namespace of its own")
	}
	if err := cutOff(); err != nil {
		return err
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := loopback(); err != nil {
		return err
	}
	if err := m.boot(); err != nil {
		return err
	}
	if err := m.mountDevice(); err != nil {
		return err
	}
	return m.startIMDS()
}

func mountNamespace() (string, error) { return os.Readlink("/proc/self/ns/mnt") }

// cutOff refuses a network namespace from which anything but itself can be reached:
// the metadata service's address must mean nothing outside.
func cutOff() error {
	interfaces, err := net.Interfaces()
	if err != nil {
		return err
	}
	for _, i := range interfaces {
		if i.Flags&net.FlagLoopback == 0 && i.Flags&net.FlagUp != 0 {
			return fmt.Errorf("refused: '%s' leads out of this network namespace, which must be one of the test's own", i.Name)
		}
	}
	return nil
}

// loopback brings lo up and gives it the metadata service's address.
func loopback() error {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(socket)
	request, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	if err := unix.IoctlIfreq(socket, unix.SIOCGIFFLAGS, request); err != nil {
		return fmt.Errorf("lo: %w", err)
	}
	request.SetUint16(request.Uint16() | unix.IFF_UP)
	if err := unix.IoctlIfreq(socket, unix.SIOCSIFFLAGS, request); err != nil {
		return fmt.Errorf("bring lo up: %w", err)
	}
	// An alias keeps 127.0.0.1 where it is.
	alias, err := unix.NewIfreq("lo:imds")
	if err != nil {
		return err
	}
	for command, address := range map[uint]string{unix.SIOCSIFADDR: imdsAddress} {
		if err := alias.SetInet4Addr(net.ParseIP(address).To4()); err != nil {
			return err
		}
		if err := unix.IoctlIfreq(socket, command, alias); err != nil {
			return fmt.Errorf("give lo the address %s: %w", address, err)
		}
	}
	if err := alias.SetInet4Addr(net.IPv4bcast.To4()); err != nil {
		return err
	}
	return unix.IoctlIfreq(socket, unix.SIOCSIFNETMASK, alias)
}

// mountDevice puts the interposer at /dev/tpmrm0.
func (m *machine) mountDevice() error {
	if err := coverDev(); err != nil {
		return fmt.Errorf("cover '/dev': %w", err)
	}
	hidden, err := os.MkdirTemp("", "sealpod-azure-")
	if err != nil {
		return err
	}
	defer os.Remove(hidden)
	never := time.Duration(0)
	_, err = fs.Mount(hidden, &deviceDir{m: m}, &fs.Options{
		EntryTimeout: &never, AttrTimeout: &never,
		MountOptions: fuse.MountOptions{
			AllowOther: true, FsName: "azure", Name: "azure", DirectMountStrict: true, Options: []string{"default_permissions"},
			DirectMountFlags: syscall.MS_NOSUID | syscall.MS_NODEV,
		},
	})
	if err != nil {
		return fmt.Errorf("mount the TPM: %w", err)
	}
	defer unix.Unmount(hidden, unix.MNT_DETACH)
	const target = "/dev/tpmrm0"
	if err := os.WriteFile(target, nil, 0o600); err != nil {
		return err
	}
	return unix.Mount(filepath.Join(hidden, "tpmrm0"), target, "", unix.MS_BIND, "")
}

// hiddenDevices are those by which a program could tell what is really below.
var hiddenDevices = map[string]bool{"tpmrm0": true, "tpm0": true, "sev-guest": true, "tdx_guest": true}

// coverDev hides /dev behind a tmpfs in which all but the hidden devices appear again.
func coverDev() error {
	below, err := os.Open("/dev")
	if err != nil {
		return err
	}
	defer below.Close()
	entries, err := below.ReadDir(-1)
	if err != nil {
		return err
	}
	if err := unix.Mount("azure", "/dev", "tmpfs", unix.MS_NOSUID|unix.MS_NOEXEC, "mode=0755,size=16m"); err != nil {
		return err
	}
	var errs []error
	for _, entry := range entries {
		if !hiddenDevices[entry.Name()] {
			source := fmt.Sprintf("/proc/self/fd/%d/%s", below.Fd(), entry.Name())
			errs = append(errs, appear(source, filepath.Join("/dev", entry.Name()), entry))
		}
	}
	return errors.Join(errs...)
}

func appear(source, target string, entry os.DirEntry) error {
	switch {
	case entry.Type()&os.ModeSymlink != 0:
		to, err := os.Readlink(source)
		if err != nil {
			return err
		}
		return os.Symlink(to, target)
	case entry.IsDir():
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
