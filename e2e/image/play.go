package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"meshtask/e2e/harness"
)

const (
	soon   = 40 * time.Second // bounds failures only
	limit  = 15 * time.Second // behind a stop, of which a gateway alone takes 15 s
	server = "10.77.0.2"
	task   = "10.77.0.3"
)

// addresses are what the loopback of the namespace has besides 127.0.0.1.
func addresses() []string { return []string{server, task} }

// playAll is the second half, alone in its network namespace.
func playAll(t harness.T, file string) {
	r := &report{T: t}
	text, err := os.ReadFile(file)
	must(t, err)
	var w world
	must(t, json.Unmarshal(text, &w))
	images := w.Images
	if w.Alone {
		r.shipped(&w)
		r.end()
		return
	}
	r.version(images["meshtask"])
	consul := harness.StartServer(t, harness.ServerConfig{Address: server})
	r.single(consul, images["example"])
	r.code(consul, images["example"])
	r.appUser(consul, images["example-app-user"])
	r.siblings(consul, images["meshtask-mesh"], images["example-sibling"])
	consul.Kill()
	r.shipped(&w)
	r.compose(images)
	r.end()
}

// container is an image that runs.
type container struct {
	*harness.Task
	image *image
	user  int
}

// defaultPath is what engines give to an image that names none.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// start runs an image as an engine would: its user, its environment, its volumes
// with the owner that the folder in the image has, cmd in the place of its own.
func (r *report) start(name string, img *image, net int, env []string, cmd ...string) *container {
	return r.startIn(name, img, harness.Box{Net: net}, env, cmd...)
}

// startIn is start with what box says besides.
func (r *report) startIn(name string, img *image, box harness.Box, env []string, cmd ...string) *container {
	c := &container{image: img}
	box.Root, box.Dir = img.Tree, img.Dir
	if user, _, _ := strings.Cut(img.User, ":"); user != "" {
		n, err := strconv.Atoi(user)
		must(r, err)
		c.user, box.User = n, n
		if n == 0 { // what it needs to start the app as another user, and to end it
			box.Keep = []string{"KILL", "SETGID", "SETUID"}
		}
	}
	dir := ""
	for _, v := range img.Volumes {
		dir = r.TempDir()
		info, err := os.Stat(img.Tree + v)
		must(r, err)
		must(r, os.Chmod(dir, info.Mode().Perm()))
		if os.Geteuid() == 0 {
			owner := info.Sys().(*syscall.Stat_t)
			must(r, os.Chown(dir, int(owner.Uid), int(owner.Gid)))
		}
		box.Binds = append(box.Binds, dir+":"+v)
	}
	if len(cmd) == 0 {
		cmd = img.Cmd
	}
	env = append(slices.Clone(img.Env), env...)
	if !slices.ContainsFunc(env, func(kv string) bool { return strings.HasPrefix(kv, "PATH=") }) {
		env = append(env, "PATH="+defaultPath)
	}
	argv := append(slices.Clone(img.Entrypoint), cmd...)
	c.Task = &harness.Task{Dir: dir, Process: harness.StartBox(r, name, box, argv, env)}
	return c
}

// health runs the image's health check in the container, as its user.
func (c *container) health(t harness.T) int {
	argv := []string{"nsenter", "--target", strconv.Itoa(c.PID), "--mount", "--pid", "--root", "--wd"}
	if os.Geteuid() == 0 {
		argv = append(argv, "--setgid", strconv.Itoa(c.user), "--setuid", strconv.Itoa(c.user))
	} else {
		argv = append(argv, "--user", "--preserve-credentials")
	}
	env := append(slices.Clone(c.image.Env), "PATH="+defaultPath+":"+os.Getenv("PATH"))
	return harness.Start(t, c.Name+"-health", append(argv, c.image.Health...), env).Wait(t, limit)
}

// confined checks every process of the container: its user, no capability, and
// that only the volume and the engine's own places can be written to.
func (c *container) confined(least int) error {
	pids, err := c.processes()
	if err != nil {
		return err
	}
	for _, pid := range pids {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			return err
		}
		for _, want := range []string{"CapPrm:\t0000000000000000", "CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "CapAmb:\t0000000000000000", "NoNewPrivs:\t1"} {
			if !strings.Contains(string(status), want) {
				return fmt.Errorf("not %q in\n%s", want, status)
			}
		}
		if os.Geteuid() == 0 && !strings.Contains(string(status), fmt.Sprintf("Uid:\t%d\t%d\t%d\t%d\n", c.user, c.user, c.user, c.user)) {
			return fmt.Errorf("not user %d:\n%s", c.user, status)
		}
	}
	if len(pids) < least {
		return fmt.Errorf("%d processes, want %d or more", len(pids), least)
	}
	mounts, err := os.ReadFile(fmt.Sprintf("/proc/%d/mountinfo", c.PID))
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(mounts)) {
		f := strings.Fields(line)
		at, writable := f[4], strings.HasPrefix(f[5], "rw")
		if writable && at != "/proc" && at != "/dev" && !strings.HasPrefix(at, "/dev/") && !slices.Contains(c.image.Volumes, at) {
			return fmt.Errorf("%s can be written to", at)
		}
	}
	return nil
}

// stop sends TERM to all at once and waits for their exit codes.
func stop(t harness.T, codes map[*container]int) error {
	for c := range codes {
		if err := c.Signal(syscall.SIGTERM); err != nil {
			return err
		}
	}
	for c, want := range codes {
		if got := c.Wait(t, soon); got != want {
			return fmt.Errorf("%s: exit code %d, want %d\n%s", c.Name, got, want, c.Tail(30))
		}
	}
	return nil
}
