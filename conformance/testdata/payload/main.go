// Command payload plays the apps of the conformance suite that a shell cannot: it sees
// every signal, and forks processes by the thousand.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

func main() {
	switch os.Args[1] {
	case "signals":
		signals()
	case "orphans":
		orphans(number(2))
	case "storm":
		gate, _, _ := family(number(2))
		_ = syscall.Close(gate)
		os.Exit(number(3))
	case "latency":
		latency(number(2), number(3))
	case "blocked":
		blocked(os.Args[2:])
	case "bare": // a command, without the descriptors that this test has inherited
		must(unix.CloseRange(3, ^uint(0), 0))
		must(syscall.Exec(os.Args[2], os.Args[2:], os.Environ()))
	case "pause":
		signal.Ignore(syscall.SIGCHLD) // the kernel then reaps
		fmt.Println("up")
		for {
			_ = syscall.Pause()
		}
	}
}

func number(i int) int {
	n, err := strconv.Atoi(os.Args[i])
	if err != nil {
		panic(err)
	}
	return n
}

// signals END [TAG [FILE]] prints each signal that comes, and what FILE holds then. It
// exits with 0 at signal END. It is run with asynchronous preemption off, so that each
// URG is someone else's.
func signals() {
	tag, file := "", ""
	if len(os.Args) > 3 {
		tag = os.Args[3]
	}
	if len(os.Args) > 4 {
		file = os.Args[4]
	}
	all := make(chan os.Signal, 1024)
	signal.Notify(all)
	fmt.Printf("%sup\n", tag)
	for s := range all {
		line := fmt.Sprintf("%s%d", tag, s)
		if file != "" {
			text, _ := os.ReadFile(file)
			line += " " + strings.TrimSpace(string(text))
		}
		_, _ = os.Stdout.WriteString(line + "\n")
		if int(s.(syscall.Signal)) == number(2) {
			os.Exit(0)
		}
	}
}

// orphans N [PID] leaves N processes to the init, has all of them end at once and waits
// until none is left. It prints how long that took, and the CPU time of process PID (its
// parent's), in ms. Where standard input is open they are released by a line on it.
func orphans(n int) {
	init := os.Getppid()
	if len(os.Args) > 3 {
		init = number(3)
	}
	gate, dead, group := family(n)
	fmt.Println("made")
	_, _ = syscall.Read(0, []byte{0})
	cpu, begun := cpuOf(init), time.Now()
	_ = syscall.Close(gate)
	_, _ = syscall.Read(dead, []byte{0}) // ends with the last of them
	fmt.Println("dead")
	for syscall.Kill(-group, 0) == nil {
		nap(200 * time.Microsecond)
	}
	wall := time.Since(begun)
	nap(20 * time.Millisecond) // whatever the init does behind it
	fmt.Printf("wall %.2f cpu %.2f\n", float64(wall.Microseconds())/1e3, cpuOf(init)-cpu)
}

func nap(d time.Duration) {
	t := syscall.NsecToTimespec(int64(d))
	_ = syscall.Nanosleep(&t, nil)
}

// latency N PID sends signal USR1 to PID, the init, N times and prints how many
// microseconds each takes to come back. It is started twice: with the signal blocked in
// all threads, which the runtime then leaves so, it can be waited for by a system call.
func latency(n, init int) {
	if len(os.Args) == 4 {
		blocked(append(append([]string{"/proc/self/exe"}, os.Args[1:]...), "again"))
	}
	runtime.LockOSThread()
	set := unix.Sigset_t{}
	set.Val[0] = 1 << (syscall.SIGUSR1 - 1)
	if init == 0 {
		init = os.Getpid()
	}
	for range n {
		nap(2 * time.Millisecond)
		begun := time.Now()
		must(syscall.Kill(init, syscall.SIGUSR1))
		errno := syscall.EINTR
		for errno == syscall.EINTR { // by the runtime's own signals
			_, _, errno = syscall.RawSyscall6(unix.SYS_RT_SIGTIMEDWAIT, uintptr(unsafe.Pointer(&set)), 0, 0, 8, 0, 0)
		}
		if errno != 0 {
			panic(errno)
		}
		fmt.Printf("%.1f\n", float64(time.Since(begun).Nanoseconds())/1e3)
	}
}

// family forks a process that forks n more, which wait until gate is closed, and exits.
// It returns when all are there; dead is at its end when none is any more.
func family(n int) (gate, dead, group int) {
	var wait, up, alive [2]int
	must(syscall.Pipe(wait[:]))
	must(syscall.Pipe(up[:]))
	must(syscall.Pipe(alive[:]))
	runtime.LockOSThread()
	var b byte
	p := uintptr(unsafe.Pointer(&b))
	// From the fork on the child is one thread without a runtime: system calls only.
	pid, _, errno := syscall.RawSyscall6(syscall.SYS_CLONE, uintptr(syscall.SIGCHLD), 0, 0, 0, 0, 0)
	if pid == 0 {
		_, _, _ = syscall.RawSyscall(syscall.SYS_SETPGID, 0, 0, 0)
		_, _, _ = syscall.RawSyscall(syscall.SYS_CLOSE, uintptr(wait[1]), 0, 0)
		_, _, _ = syscall.RawSyscall(syscall.SYS_CLOSE, uintptr(up[0]), 0, 0)
		for range n {
			kid, _, errno := syscall.RawSyscall6(syscall.SYS_CLONE, uintptr(syscall.SIGCHLD), 0, 0, 0, 0, 0)
			if errno != 0 {
				_, _, _ = syscall.RawSyscall(syscall.SYS_EXIT_GROUP, 1, 0, 0)
			}
			if kid == 0 {
				_, _, _ = syscall.RawSyscall(syscall.SYS_CLOSE, uintptr(up[1]), 0, 0)
				_, _, _ = syscall.RawSyscall(syscall.SYS_READ, uintptr(wait[0]), p, 1)
				_, _, _ = syscall.RawSyscall(syscall.SYS_EXIT_GROUP, 0, 0, 0)
			}
		}
		_, _, _ = syscall.RawSyscall(syscall.SYS_EXIT_GROUP, 0, 0, 0)
	}
	if errno != 0 {
		panic(errno)
	}
	must(syscall.Close(wait[0]))
	must(syscall.Close(up[1]))
	must(syscall.Close(alive[1]))
	var ws syscall.WaitStatus
	if _, err := syscall.Wait4(int(pid), &ws, 0, nil); err != nil || ws != 0 {
		panic(fmt.Sprint("the forking process: ", err, ws))
	}
	_, _ = syscall.Read(up[0], []byte{0}) // ends when all have closed their end
	return wait[1], alive[0], int(pid)
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// cpuOf sums the CPU time of a process's living threads, in ms, by the nanosecond.
func cpuOf(pid int) (ms float64) {
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	must(err)
	for _, task := range tasks {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/schedstat", pid, task.Name()))
		must(err)
		ns, err := strconv.ParseFloat(strings.Fields(string(text))[0], 64)
		must(err)
		ms += ns / 1e6
	}
	return ms
}

// blocked executes a command with every signal blocked, as a careless parent would.
func blocked(argv []string) {
	runtime.LockOSThread()
	all := unix.Sigset_t{}
	for i := range all.Val {
		all.Val[i] = ^uint64(0)
	}
	must(unix.PthreadSigmask(unix.SIG_SETMASK, &all, nil))
	must(syscall.Exec(argv[0], argv, os.Environ()))
}
