// Package signame names signals as kill(1) and task definitions do.
package signame

import (
	"fmt"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// The real-time signals that programs may use; the C library keeps two below.
const (
	RTMin syscall.Signal = 34
	RTMax syscall.Signal = 64
)

// Of is a signal's name, such as SIGTERM or SIGRTMIN+2; its number where it has none, and ""
// for 0. Parse reads all of them back.
func Of(s syscall.Signal) string {
	if s == 0 {
		return ""
	}
	if name := unix.SignalName(s); name != "" {
		return name
	}
	if s >= RTMin && s <= RTMax {
		return fmt.Sprintf("SIGRTMIN+%d", s-RTMin)
	}
	return strconv.Itoa(int(s))
}

// Short is Of without SIG: TERM.
func Short(s syscall.Signal) string { return strings.TrimPrefix(Of(s), "SIG") }

// BeginsStop says whether a signal may be taken for "stop": it can be caught, and nobody but
// whoever stops a task sends it.
func BeginsStop(s syscall.Signal) bool {
	switch s {
	case syscall.SIGKILL, syscall.SIGSTOP, syscall.SIGCHLD, syscall.SIGCONT, syscall.SIGURG, syscall.SIGPIPE:
		return false
	}
	return true
}

// Parse takes TERM, SIGTERM, sigterm, RTMIN+2 or 15.
func Parse(text string) (syscall.Signal, bool) {
	if n, err := strconv.Atoi(text); err == nil {
		return syscall.Signal(n), n >= 1 && n <= int(RTMax)
	}
	name := "SIG" + strings.TrimPrefix(strings.ToUpper(text), "SIG")
	rest, realtime := strings.CutPrefix(name, "SIGRTMIN")
	if !realtime {
		s := unix.SignalNum(name)
		return s, s != 0
	}
	if rest == "" {
		return RTMin, true
	}
	n, err := strconv.Atoi(strings.TrimPrefix(rest, "+"))
	return RTMin + syscall.Signal(n), err == nil && n >= 0 && n <= int(RTMax-RTMin)
}
