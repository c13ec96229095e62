package envoy

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"meshtask/internal/event"
)

// Bind is an address that Envoy is to listen on.
type Bind struct {
	What    string // for messages, such as "upstream api"
	Field   string // of the configuration, which gives the port
	Address string // "IP:PORT", or ":PORT" for all addresses
}

// portsFree says which of the listeners cannot be bound, and who holds its address.
func portsFree(listeners []Bind) error {
	for _, l := range listeners {
		if err := l.free(); err != nil {
			return fmt.Errorf("%s: %w", l.What, err)
		}
	}
	return nil
}

// free says who holds the address. Envoy itself would not refuse: it shares the public
// port with another Envoy that sets SO_REUSEPORT too, and half of the connections go
// there; and it is LIVE without an upstream's listener, so that the app calls whoever has
// the port. The socket is bound but never listens, so no client is accepted by it.
func (l Bind) free() error {
	address, err := listenAddress(l.Address)
	if err != nil {
		return err
	}
	var to unix.Sockaddr = &unix.SockaddrInet6{Port: int(address.Port()), Addr: address.Addr().As16()}
	family := unix.AF_INET6
	if address.Addr().Unmap().Is4() {
		family = unix.AF_INET
		to = &unix.SockaddrInet4{Port: int(address.Port()), Addr: address.Addr().Unmap().As4()}
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	// As Envoy does: connections of an earlier life do not count.
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return err
	}
	err = unix.Bind(fd, to)
	if errors.Is(err, syscall.EADDRINUSE) {
		by := holder(os.DirFS("/proc"), address)
		return event.Because(event.ListenerPortTaken, fmt.Errorf("%s is in use already, by %s", l.Address, by),
			"listener", l.What, "address", l.Address, "process", by, "field", l.Field)
	}
	if err != nil {
		return fmt.Errorf("cannot bind %s (%s): %w", l.Address, l.Field, err)
	}
	return nil
}

// holder names the process that listens on address, as far as proc shows it.
func holder(proc fs.FS, address netip.AddrPort) string {
	sockets := map[string]bool{}
	for _, table := range []string{"net/tcp", "net/tcp6"} {
		content, err := fs.ReadFile(proc, table)
		if err != nil {
			continue
		}
		for _, inode := range listening(string(content), address) {
			sockets["socket:["+inode+"]"] = true
		}
	}
	processes, _ := fs.Glob(proc, "[0-9]*")
	for _, pid := range processes {
		files, _ := fs.ReadDir(proc, pid+"/fd")
		for _, file := range files {
			if target, err := fs.ReadLink(proc, pid+"/fd/"+file.Name()); err == nil && sockets[target] {
				name, _ := fs.ReadFile(proc, pid+"/comm")
				return fmt.Sprintf("pid %s (%s)", pid, strings.TrimSpace(string(name)))
			}
		}
	}
	return "a process that is not visible from here"
}

// listening reads a table such as /proc/net/tcp: the inodes of the sockets that
// listen on the port, on the address or on all addresses.
func listening(table string, address netip.AddrPort) (inodes []string) {
	const stateListen = "0A"
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if len(f) < 10 || f[3] != stateListen {
			continue
		}
		host, port, ok := strings.Cut(f[1], ":")
		number, err := strconv.ParseUint(port, 16, 16)
		if !ok || err != nil || uint16(number) != address.Port() {
			continue
		}
		ip, ok := procAddress(host)
		if ok && (ip == address.Addr().Unmap() || ip.IsUnspecified() || address.Addr().IsUnspecified()) {
			inodes = append(inodes, f[9])
		}
	}
	return inodes
}

// procAddress reads "0100007F": 32-bit words in the byte order of the machine,
// which is little-endian wherever we run (amd64, arm64).
func procAddress(text string) (netip.Addr, bool) {
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw)%4 != 0 {
		return netip.Addr{}, false
	}
	for i := 0; i < len(raw); i += 4 {
		binary.BigEndian.PutUint32(raw[i:], binary.LittleEndian.Uint32(raw[i:]))
	}
	ip, ok := netip.AddrFromSlice(raw)
	return ip.Unmap(), ok
}
