package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"meshtask/e2e/harness"
)

// processes are the pids of the container's processes, as we see them.
func (c *container) processes() ([]int, error) {
	ns, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", c.PID))
	if err != nil {
		return nil, err
	}
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, dir := range dirs {
		if got, err := os.Readlink(dir + "/ns/pid"); err != nil || got != ns {
			continue // another's, or gone
		}
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil {
			return nil, err
		}
		pids = append(pids, pid)
	}
	return pids, nil
}

// apart checks that the app, and it alone, is of this user, without a capability,
// and that this user can read neither the environment of the others nor the state
// directory.
func (c *container) apart(t harness.T, user int) error {
	pids, err := c.processes()
	if err != nil {
		return err
	}
	app, others := 0, 0
	for _, pid := range pids {
		argv, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if err != nil {
			return err
		}
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			return err
		}
		readable := canRead(t, user, fmt.Sprintf("/proc/%d/environ", pid))
		if !strings.HasPrefix(string(argv), "/app/server\x00") {
			others++
			if readable {
				return fmt.Errorf("user %d reads the environment of %q", user, argv)
			}
			if !strings.Contains(string(status), "\nUid:\t0\t0\t0\t0\n") {
				return fmt.Errorf("%q is not root's:\n%s", argv, status)
			}
			continue
		}
		app++
		if !readable {
			return fmt.Errorf("user %d cannot read the app's own environment: that it reads no other's shows nothing", user)
		}
		for _, want := range []string{fmt.Sprintf("\nUid:\t%[1]d\t%[1]d\t%[1]d\t%[1]d\n", user), fmt.Sprintf("\nGid:\t%[1]d\t%[1]d\t%[1]d\t%[1]d\n", user), "\nCapEff:\t0000000000000000\n", "\nCapPrm:\t0000000000000000\n"} {
			if !strings.Contains(string(status), want) {
				return fmt.Errorf("the app's status has not %q:\n%s", want, status)
			}
		}
	}
	if app != 1 || others < 3 {
		return fmt.Errorf("%d apps and %d others, want 1 and 3 or more", app, others)
	}
	return closed(c.Dir)
}

// closed checks that nobody but its owner, root, gets into a folder; what Consul
// makes below it has modes of its own.
func closed(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if owner := info.Sys().(*syscall.Stat_t).Uid; owner != 0 || info.Mode().Perm() != 0o700 {
		return fmt.Errorf("%s is of user %d with mode %v, want root and 0700", dir, owner, info.Mode())
	}
	return nil
}

// canRead tells whether a user without a group of ours reads a file.
func canRead(t harness.T, user int, file string) bool {
	id := strconv.Itoa(user)
	return exec.CommandContext(t.Context(), "setpriv", "--reuid", id, "--regid", id, "--clear-groups", "cat", file).Run() == nil
}

func (c *container) healthy(t harness.T) error {
	if code := c.health(t); code != 0 {
		return fmt.Errorf("its HEALTHCHECK: exit code %d", code)
	}
	return nil
}
