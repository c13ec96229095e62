package harness

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Box is a container without an engine: a PID namespace of its own, whose PID 1
// is the command, in the network namespace that we are in. The zero value sees
// the machine's files, as our user. Root, or a machine that allows user
// namespaces, is needed; see Boxes.
type Box struct {
	Root  string   // the file tree that becomes /, read-only; "": the machine's
	Binds []string // SRC:DST[:ro]; without Root DST is there already
	Tmpfs []string // with Root: folders in memory, the user's
	User  int      // with Root: user and group, without any capability; 0: ours
	Keep  []string // with Root and User 0, as root: stay root with these capabilities alone
	Dir   string   // working directory

	Writable bool // with Root: / can be written to
	Net      int  // pid of a process whose network namespace it joins, as root; 0: ours
}

// StartBox starts argv in a box. The pid of the Process is ours, as we see it;
// when it has ended, so has all that was in the box.
func StartBox(t T, name string, b Box, argv, env []string) *Process {
	t.Helper()
	args, user := []string{boxProgram(t)}, -1
	for _, bind := range b.Binds {
		args = append(args, "-bind", bind)
	}
	for _, dir := range b.Tmpfs {
		args = append(args, "-tmpfs", dir)
	}
	if b.Root != "" {
		args = append(args, "-root", b.Root)
	}
	if b.User != 0 || len(b.Keep) > 0 {
		user = b.User
		args = append(args, "-user", strconv.Itoa(user))
	}
	for _, capability := range b.Keep {
		args = append(args, "-keep", capability)
	}
	if b.Writable {
		args = append(args, "-writable")
	}
	if b.Dir != "" {
		args = append(args, "-dir", b.Dir)
	}
	if b.Net != 0 { // its PID 1 joins on the way
		args = append([]string{"nsenter", fmt.Sprintf("--net=/proc/%d/ns/net", b.Net), "--"}, args...)
	}
	return start(t, name, append(append(args, "--"), argv...), env, namespaces(syscall.CLONE_NEWPID|syscall.CLONE_NEWNS, user))
}

// Boxes tells why this machine makes no boxes; "" when it does.
func Boxes(t T) string {
	t.Helper()
	return made(exec.CommandContext(t.Context(), boxProgram(t), "--", "/bin/true"), syscall.CLONE_NEWPID|syscall.CLONE_NEWNS)
}

// Network returns the command that runs argv in a network namespace of its own:
// a loopback with 127.0.0.1 and these addresses, nothing else. why tells when
// this machine has none; "" when it does.
func Network(t T, argv []string, addresses ...string) (cmd *exec.Cmd, why string) {
	t.Helper()
	const flags = syscall.CLONE_NEWNET
	args := []string{"-net", strings.Join(addresses, ","), "--"}
	if why := made(exec.CommandContext(t.Context(), boxProgram(t), append(args, "/bin/true")...), flags); why != "" {
		return nil, why
	}
	cmd = exec.CommandContext(t.Context(), boxProgram(t), append(args, argv...)...)
	cmd.SysProcAttr = namespaces(flags, -1)
	return cmd, ""
}

func made(cmd *exec.Cmd, flags uintptr) string {
	cmd.SysProcAttr = namespaces(flags, -1)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Sprintf("%v: %s", err, bytes.TrimSpace(out))
	}
	return ""
}

// namespaces asks for what root may have. Others get it with a user namespace,
// in which they are the user (-1: themselves) and nobody else exists.
func namespaces(flags uintptr, user int) *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Cloneflags: flags}
	if os.Geteuid() == 0 {
		return a
	}
	uid, gid := user, user
	if user < 0 {
		uid, gid = os.Getuid(), os.Getgid()
	}
	a.Cloneflags |= syscall.CLONE_NEWUSER
	a.AmbientCaps = []uintptr{unix.CAP_SYS_ADMIN, unix.CAP_SYS_CHROOT, unix.CAP_SETPCAP, unix.CAP_NET_ADMIN} // else exec ends what clone gave
	a.UidMappings = []syscall.SysProcIDMap{{ContainerID: uid, HostID: os.Getuid(), Size: 1}}
	a.GidMappings = []syscall.SysProcIDMap{{ContainerID: gid, HostID: os.Getgid(), Size: 1}}
	return a
}

func boxProgram(t T) string {
	t.Helper()
	return build(t, "box", Root(t)+"/e2e", "./box", "CGO_ENABLED=0")
}
