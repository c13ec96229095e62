// Package footprint lowers what this process uses to what it needs at rest: its resident size,
// and what its scheduler costs.
package footprint

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// processors is what the Go scheduler keeps at rest. With one of them, whatever waits in a system
// call would hold up all else until the runtime notices, which is up to 10 ms.
const processors = 2

// Rest is for a process whose start is over, and that waits from now on: it calls Release, and
// leaves the Go scheduler two processors at most. With more of them every event also wakes
// threads that look for work and find none, and a timer of the runtime's looks each second
// whether the CPU quota has changed.
func Rest() error {
	runtime.GOMAXPROCS(min(processors, runtime.GOMAXPROCS(0)))
	return Release()
}

// Release unmaps the pages of the program's own file: its code and its constants, most of
// which only a start needs. A page that is needed again comes back from the kernel's cache
// of the file, or from the file. It is safe at any moment and from any goroutine, and worth
// a call once a start is over.
//
// Pages that this process has changed, as a relocation does, are not touched.
func Release() error {
	if err := advise(unix.MADV_DONTNEED); err != nil {
		return fmt.Errorf("unmap the pages of the program's file: %w", err)
	}
	return nil
}

// advise gives the kernel this advice on the mappings of the program's own file.
func advise(advice uintptr) error {
	file, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return err
	}
	smaps, err := os.Open("/proc/self/smaps")
	if err != nil {
		return err
	}
	defer smaps.Close()
	ranges, err := unchanged(smaps, file)
	if err != nil {
		return err
	}
	for _, r := range ranges {
		if _, _, errno := unix.Syscall(unix.SYS_MADVISE, r.from, r.to-r.from, advice); errno != 0 {
			return os.NewSyscallError("madvise", errno)
		}
	}
	return nil
}

// span is a mapping, from its first byte to the one behind its last.
type span struct{ from, to uintptr }

// unchanged finds, in a text like /proc/self/smaps, the mappings of file that can not be
// written and have no page of the process's own.
func unchanged(smaps io.Reader, file string) (found []span, err error) {
	var last span
	ours := false
	lines := bufio.NewScanner(smaps)
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) >= 2 && f[0] == "Anonymous:" {
			if ours && f[1] == "0" {
				found = append(found, last)
			}
			ours = false
			continue
		}
		if len(f) < 5 || !strings.Contains(f[0], "-") { // no first line of a mapping
			continue
		}
		// address, permissions, offset, device, inode, path
		ours = strings.HasPrefix(f[1], "r-") && strings.HasSuffix(f[1], "p") && strings.HasSuffix(lines.Text(), " "+file)
		if !ours {
			continue
		}
		from, to, _ := strings.Cut(f[0], "-")
		a, err := strconv.ParseUint(from, 16, 64)
		if err != nil {
			return nil, err
		}
		b, err := strconv.ParseUint(to, 16, 64)
		if err != nil {
			return nil, err
		}
		last = span{uintptr(a), uintptr(b)}
	}
	return found, lines.Err()
}
