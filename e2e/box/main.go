// Command box is what a container engine does between clone and exec, for the
// tests: it stands as PID 1 in new namespaces, makes the file tree, gives up all
// privilege and becomes the command.
//
//	box [-root DIR [-writable]] [-bind SRC:DST[:ro]]… [-tmpfs DST]… [-user N [-keep CAP]…] [-dir DIR] -- CMD ARG…
//	box -net ADDR,… -- CMD ARG…
//
// Without -root the tree is the machine's, with a /proc of its own namespace and each
// -bind over what is there. With it, DIR becomes / and cannot be written to, but for
// -bind and -tmpfs.
// -net is another use: in a new network namespace it brings up the loopback with
// these addresses, in order. It knows nothing of images, and nothing of meshtask.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

type list []string

func (l *list) String() string     { return strings.Join(*l, ",") }
func (l *list) Set(v string) error { *l = append(*l, v); return nil }

type box struct {
	root, dir string
	user      int
	binds     list
	tmpfs     list
	keep      list
	net       string
	writable  bool
}

func main() {
	runtime.LockOSThread() // capabilities and the death signal belong to a thread, and exec keeps this one's
	var b box
	flag.StringVar(&b.root, "root", "", "the tree that becomes /, read-only")
	flag.BoolVar(&b.writable, "writable", false, "... but this one can be written to")
	flag.Var(&b.binds, "bind", "SRC:DST[:ro], a file or folder of the machine")
	flag.Var(&b.tmpfs, "tmpfs", "an empty folder in memory, the user's own")
	flag.IntVar(&b.user, "user", -1, "user and group of the command")
	flag.Var(&b.keep, "keep", "a capability that the user keeps, root alone; without: none")
	flag.StringVar(&b.dir, "dir", "", "its working directory")
	flag.StringVar(&b.net, "net", "", "addresses of the loopback")
	flag.Parse()
	err := fmt.Errorf("no command")
	if flag.NArg() > 0 {
		err = b.run(flag.Args())
	}
	fmt.Fprintln(os.Stderr, "box:", err)
	os.Exit(125) // as docker does when the container could not be made
}

// run returns only when something failed.
func (b *box) run(argv []string) error {
	steps := []func() error{b.loopback}
	if b.net == "" {
		steps = []func() error{b.tree, b.enter, b.drop}
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	path, err := exec.LookPath(argv[0])
	if err != nil {
		return err
	}
	return fmt.Errorf("exec %s: %w", path, unix.Exec(path, argv, os.Environ()))
}

// tree makes what the command sees as /. Every mount is private to it.
func (b *box) tree() error {
	if err := mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE); err != nil {
		return err
	}
	if b.root == "" {
		for _, bind := range b.binds {
			if err := b.bind(bind); err != nil {
				return err
			}
		}
		return mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC)
	}
	if err := mount(b.root, b.root, "", unix.MS_BIND|unix.MS_REC); err != nil {
		return err
	}
	for _, dst := range b.tmpfs {
		if err := b.memory(dst, 0o700); err != nil {
			return err
		}
	}
	for _, bind := range b.binds {
		if err := b.bind(bind); err != nil {
			return err
		}
	}
	if err := b.devices(); err != nil {
		return err
	}
	if err := b.mkdir("/proc"); err != nil {
		return err
	}
	if err := mount("proc", filepath.Join(b.root, "proc"), "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC); err != nil {
		return err
	}
	if b.writable {
		return nil
	}
	return readOnly(b.root)
}

func (b *box) memory(dst string, mode uint32) error {
	if err := b.mkdir(dst); err != nil {
		return err
	}
	dst = filepath.Join(b.root, dst)
	if err := mount("tmpfs", dst, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV); err != nil {
		return err
	}
	if b.user >= 0 && os.Getuid() == 0 {
		if err := os.Chown(dst, b.user, b.user); err != nil {
			return err
		}
	}
	return unix.Chmod(dst, mode)
}

// bind shows SRC as DST, which is made when it is not there.
func (b *box) bind(spec string) error {
	src, rest, _ := strings.Cut(spec, ":")
	dst, mode, _ := strings.Cut(rest, ":")
	info, err := os.Stat(src)
	if err != nil {
		return err
	}
	if info.IsDir() {
		err = b.mkdir(dst)
	} else {
		err = touch(filepath.Join(b.root, dst))
	}
	if err != nil {
		return err
	}
	dst = filepath.Join(b.root, dst)
	if err := mount(src, dst, "", unix.MS_BIND|unix.MS_REC); err != nil || mode != "ro" {
		return err
	}
	return readOnly(dst)
}

// devices are those that every engine gives.
func (b *box) devices() error {
	if err := b.memory("/dev", 0o755); err != nil {
		return err
	}
	for _, name := range []string{"null", "zero", "full", "random", "urandom"} {
		if err := b.bind("/dev/" + name + ":/dev/" + name); err != nil {
			return err
		}
	}
	return nil
}

func (b *box) mkdir(dst string) error { return os.MkdirAll(filepath.Join(b.root, dst), 0o755) }

func touch(file string) error {
	f, err := os.OpenFile(file, os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	return f.Close()
}

// readOnly remounts a bind mount; flags that a user namespace has locked stay.
func readOnly(dst string) error {
	var s unix.Statfs_t
	if err := unix.Statfs(dst, &s); err != nil {
		return err
	}
	kept := uintptr(0)
	for st, ms := range map[int64]uintptr{unix.ST_NOSUID: unix.MS_NOSUID, unix.ST_NODEV: unix.MS_NODEV, unix.ST_NOEXEC: unix.MS_NOEXEC,
		unix.ST_NOATIME: unix.MS_NOATIME, unix.ST_NODIRATIME: unix.MS_NODIRATIME, unix.ST_RELATIME: unix.MS_RELATIME} {
		if int64(s.Flags)&st != 0 {
			kept |= ms
		}
	}
	return mount("", dst, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY|kept)
}

func mount(src, dst, kind string, flags uintptr) error {
	if err := unix.Mount(src, dst, kind, flags, ""); err != nil {
		return fmt.Errorf("mount %s at %s: %w", src, dst, err)
	}
	return nil
}

func (b *box) enter() error {
	if b.root != "" {
		if err := unix.Chroot(b.root); err != nil {
			return fmt.Errorf("chroot %s: %w", b.root, err)
		}
		if b.dir == "" {
			b.dir = "/"
		}
	}
	if b.dir == "" {
		return nil
	}
	return os.Chdir(b.dir)
}
