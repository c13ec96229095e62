package main

import (
	"fmt"
	"net"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// drop gives up every privilege but -keep: the bounding set, root, and what exec
// could still give.
func (b *box) drop() error {
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return fmt.Errorf("ambient capabilities: %w", err)
	}
	if b.user < 0 {
		return nil
	}
	kept, err := b.kept()
	if err != nil {
		return err
	}
	for c := uintptr(0); c <= unix.CAP_LAST_CAP; c++ {
		if kept&(1<<c) != 0 {
			continue
		}
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); err != nil && err != unix.EINVAL { // EINVAL: an older kernel has fewer
			return fmt.Errorf("drop capability %d: %w", c, err)
		}
	}
	if os.Getuid() != b.user { // in a user namespace we are
		if err := unix.Setgroups(nil); err != nil {
			return fmt.Errorf("setgroups: %w", err)
		}
		if err := unix.Setresgid(b.user, b.user, b.user); err != nil {
			return fmt.Errorf("setgid %d: %w", b.user, err)
		}
		if err := unix.Setresuid(b.user, b.user, b.user); err != nil {
			return fmt.Errorf("setuid %d: %w", b.user, err)
		}
	}
	left := [2]unix.CapUserData{{Effective: kept, Permitted: kept}}
	if err := unix.Capset(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &left[0]); err != nil {
		return fmt.Errorf("capabilities: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("no new privileges: %w", err)
	}
	return unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0) // a change of user has cleared it
}

// kept is the set of -keep: names that Dockerfiles and ECS use.
func (b *box) kept() (set uint32, err error) {
	for _, name := range b.keep {
		c, ok := map[string]int{"KILL": unix.CAP_KILL, "SETGID": unix.CAP_SETGID, "SETUID": unix.CAP_SETUID}[name]
		if !ok {
			return 0, fmt.Errorf("capability %q is not known here", name)
		}
		set |= 1 << c
	}
	return set, nil
}

// loopback brings up lo with 127.0.0.1 and the addresses of -net.
func (b *box) loopback() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	for i, addr := range append([]string{"127.0.0.1"}, strings.Split(b.net, ",")...) {
		name := "lo"
		if i > 0 {
			name = fmt.Sprintf("lo:%d", i)
		}
		if err := raise(fd, name, net.ParseIP(addr).To4()); err != nil {
			return fmt.Errorf("address %s of %s: %w", addr, name, err)
		}
	}
	return nil
}

func raise(fd int, name string, ip net.IP) error {
	r, err := unix.NewIfreq(name)
	if err != nil {
		return err
	}
	if err := r.SetInet4Addr(ip); err != nil {
		return err
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFADDR, r); err != nil {
		return err
	}
	r.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, r)
}
