// SPDX-License-Identifier: Apache-2.0

package azure

import (
	"errors"
	"fmt"
	"net"

	"golang.org/x/sys/unix"

	"sealpod.test/tee/stage"
)

// setUp builds the machine into these namespaces, which are nobody else's.
func (m *machine) setUp() error {
	if err := ownNetwork(m.o.JoinNet); err != nil {
		return err
	}
	if err := stage.OwnMounts(); err != nil {
		return err
	}
	if err := m.boot(); err != nil {
		return err
	}
	// All devices by which a program could tell what is really below are hidden.
	if err := stage.Overlay("/dev", "tpmrm0", "tpm0", "sev-guest", "tdx_guest"); err != nil {
		return err
	}
	if err := stage.Devices("azure", &deviceDir{m: m}, deviceNodes...); err != nil {
		return err
	}
	if err := loopback(); err != nil {
		return err
	}
	if m.o.NoIMDS {
		return nil
	}
	return m.startIMDS()
}

// tearDown takes away what does not end with this process.
func (m *machine) tearDown() {
	if m.tpm != nil {
		m.tpm.stop()
	}
	m.stopIMDS()
}

// ownNetwork refuses a network namespace that is not the test's own, or from which
// anything but itself can be reached: the metadata service's address must mean
// nothing outside. One that is joined is that of the process that started us, too.
func ownNetwork(joined bool) error {
	own := stage.NotOfParent
	if joined {
		own = stage.Own
	}
	if err := own("net"); err != nil {
		return err
	}
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

// aliasName is the name under which lo has the metadata service's address; so
// 127.0.0.1 keeps its place.
const aliasName = "lo:imds"

// network is a socket by which interfaces are set.
type network int

func openNetwork() (network, error) {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	return network(socket), err
}

func (n network) close() { unix.Close(int(n)) }

func (n network) set(name string, command uint, fill func(*unix.Ifreq) error) error {
	request, err := unix.NewIfreq(name)
	if err == nil {
		err = fill(request)
	}
	if err == nil {
		err = unix.IoctlIfreq(int(n), command, request)
	}
	if err != nil {
		return fmt.Errorf("set up '%s': %w", name, err)
	}
	return nil
}

func address(ip net.IP) func(*unix.Ifreq) error {
	return func(r *unix.Ifreq) error { return r.SetInet4Addr(ip.To4()) }
}

func flags(flags uint16) func(*unix.Ifreq) error {
	return func(r *unix.Ifreq) error {
		r.SetUint16(flags)
		return nil
	}
}

// loopback brings lo up.
func loopback() error {
	n, err := openNetwork()
	if err != nil {
		return err
	}
	defer n.close()
	return n.set("lo", unix.SIOCSIFFLAGS, flags(unix.IFF_UP|unix.IFF_LOOPBACK|unix.IFF_RUNNING))
}

// addAlias gives lo the metadata service's address.
func addAlias() error {
	n, err := openNetwork()
	if err != nil {
		return err
	}
	defer n.close()
	return errors.Join(
		n.set(aliasName, unix.SIOCSIFADDR, address(net.ParseIP(imdsAddress))),
		n.set(aliasName, unix.SIOCSIFNETMASK, address(net.IPv4bcast)),
	)
}

// removeAlias takes the address away: an alias that goes down is gone.
func removeAlias() error {
	n, err := openNetwork()
	if err != nil {
		return err
	}
	defer n.close()
	return n.set(aliasName, unix.SIOCSIFFLAGS, flags(0))
}
