package supervisor

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// firstZombie is the first child that has ended, left as it is; 0 when there is none.
func firstZombie() (int, error) {
	return peek(unix.P_ALL, 0)
}

// zombie says whether the child has ended and is not reaped yet.
func zombie(pid int) bool {
	got, err := peek(unix.P_PID, pid)
	return err == nil && got == pid
}

func peek(kind, id int) (int, error) {
	var info unix.Siginfo
	for {
		err := unix.Waitid(kind, id, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return 0, err
		}
		return siPID(&info), nil
	}
}

// The codes of a SIGCHLD that is no end, as the kernel has them.
const (
	cldStopped   = 5
	cldContinued = 6
)

// stopOrContinue says whether the child has been stopped, and by which signal, or goes on again
// (sig is 0 then), since it was asked last. Of several turns it is the last one.
func stopOrContinue(pid int) (sig syscall.Signal, ok bool) {
	var info unix.Siginfo
	for {
		err := unix.Waitid(unix.P_PID, pid, &info, unix.WSTOPPED|unix.WCONTINUED|unix.WNOHANG, nil)
		if err == unix.EINTR {
			continue
		}
		if err != nil || siPID(&info) != pid {
			return 0, false
		}
		return syscall.Signal(siStatus(&info)), info.Code == cldStopped || info.Code == cldContinued
	}
}

// siPID reads si_pid, which x/sys keeps among the padding: the union of siginfo_t begins
// at 16 on the 64-bit platforms that we build for.
func siPID(info *unix.Siginfo) int {
	return int(*(*int32)(unsafe.Add(unsafe.Pointer(info), 16)))
}

// siStatus is the signal that stopped a child; of one that goes on again it is CONT, which
// is none.
func siStatus(info *unix.Siginfo) int {
	if info.Code == cldContinued {
		return 0
	}
	return int(*(*int32)(unsafe.Add(unsafe.Pointer(info), 24)))
}

// children lists the child processes of all our threads.
func children() []int {
	lists, _ := filepath.Glob("/proc/self/task/*/children")
	if len(lists) == 0 {
		return childrenByStat()
	}
	var pids []int
	for _, list := range lists {
		text, _ := os.ReadFile(list) // a thread that has ended has no children
		for field := range strings.FieldsSeq(string(text)) {
			if pid, err := strconv.Atoi(field); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

// childrenByStat is for a kernel without CONFIG_PROC_CHILDREN.
func childrenByStat() []int {
	var pids []int
	self := os.Getpid()
	for _, p := range processes() {
		if p.parent == self {
			pids = append(pids, p.pid)
		}
	}
	return pids
}

// proc is one line of /proc/PID/stat.
type proc struct {
	pid, parent, group int
	name               string
	state              byte
	threads            int
	dying              bool // it runs no code of its own any more, and has not ended yet
}

// ended says whether it can be reaped. The kernel shows a process as a zombie from when its first
// thread has ended, though others may go on, or be taken apart.
func (p proc) ended() bool { return p.state == 'X' || p.state == 'Z' && p.threads < 2 }

// pfExiting is the kernel's flag of a process that it takes apart (include/linux/sched.h).
const pfExiting = 0x4

func (p proc) String() string {
	s := fmt.Sprintf("%s (pid %d, state %c", p.name, p.pid, p.state)
	if wchan, err := os.ReadFile(fmt.Sprintf("/proc/%d/wchan", p.pid)); err == nil && len(wchan) > 1 {
		s += ", in " + string(wchan)
	}
	return s + ")"
}

// processes lists all that we can see.
func processes() []proc {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1)
	var all []proc
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil {
			if p, ok := process(pid); ok {
				all = append(all, p)
			}
		}
	}
	return all
}

func process(pid int) (proc, bool) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return proc{}, false
	}
	p, ok := parseStat(text)
	if p.state == 'Z' && p.dying { // so is its first thread at least
		p.dying = !running(pid)
	}
	return p, ok
}

// running says whether a thread of the process still runs code of its own.
func running(pid int) bool {
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid)) // the pattern is good
	for _, stat := range threads {
		if text, err := os.ReadFile(stat); err == nil {
			if p, ok := parseStat(text); ok && p.state != 'Z' && !p.dying {
				return true
			}
		}
	}
	return false
}

// parseStat reads "pid (name) state ppid pgrp session tty tpgid flags …"; the name may hold anything.
func parseStat(text []byte) (proc, bool) {
	open, end := bytes.IndexByte(text, '('), bytes.LastIndexByte(text, ')')
	if open < 1 || end < open {
		return proc{}, false
	}
	fields := strings.Fields(string(text[end+1:]))
	if len(fields) < 3 {
		return proc{}, false
	}
	p := proc{name: string(text[open+1 : end]), state: fields[0][0]}
	var errs [3]error
	p.pid, errs[0] = strconv.Atoi(string(bytes.TrimSpace(text[:open])))
	p.parent, errs[1] = strconv.Atoi(fields[1])
	p.group, errs[2] = strconv.Atoi(fields[2])
	if len(fields) > 17 { // behind session, terminal and its foreground group; behind times and nice
		flags, _ := strconv.ParseUint(fields[6], 10, 64)
		p.threads, _ = strconv.Atoi(fields[17])
		p.dying = flags&pfExiting != 0 && !p.ended()
	}
	return p, errs == [3]error{}
}

// living lists the members of a process group that have not ended.
func living(group int) []proc {
	var members []proc
	for _, p := range processes() {
		if p.group == group && !p.ended() {
			members = append(members, p)
		}
	}
	return members
}
