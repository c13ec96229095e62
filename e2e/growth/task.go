package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"meshtask/e2e/harness"
)

const port = 8080

// task is a task of the mesh, to be started by meshtask and by hand.
type task struct {
	id, service, address, dir string
	config                    map[string]any
	upstreams                 []any // of the config; the registration by hand has them too
	env                       []string
}

// prepare makes a task on an address of its own; its files are in a folder of t.
func (b *bench) prepare(t harness.T, server *harness.Server, id, service string) task {
	k := task{id: id, service: service, address: harness.Address(t), dir: filepath.Join(t.TempDir(), "s")}
	k.config = harness.TaskDocument(k.address, id, service, port, server)
	return k
}

// begin starts the task with meshtask and waits for nothing.
func (b *bench) begin(t harness.T, k task) *harness.Task {
	return harness.StartTask(t, harness.TaskConfig{Name: k.id, Binary: b.program, Config: k.config, Dir: k.dir, Env: k.env,
		CMD: []string{b.app, "--name", k.id, "--listen", fmt.Sprintf("%s:%d", k.address, port)}})
}

// up is the way up of one task: milliseconds from T0, the exec of the agent.
type up struct{ t1, t2 float64 }

// risen waits until the task is up.
func risen(t harness.T, k *harness.Task) up {
	t2 := k.Mark(t, limit, "up", "T2")
	t0, t1 := k.Mark(t, limit, "up", "T0"), k.Mark(t, limit, "up", "T1")
	return up{t1.Ms - t0.Ms, t2.Ms - t0.Ms}
}

// turn starts the task with meshtask and then by hand, and returns T0→T2 of both and how
// long the checks took to pass behind T2, in milliseconds.
func (b *bench) turn(t harness.T, k task) (ours, floor, passed float64) {
	life := b.begin(t, k)
	ours = risen(t, life).t2
	passed = life.Await(t, limit, "up", "", "step", "passing").Ms - life.Mark(t, limit, "up", "T2").Ms
	b.abandon(t, k, life)
	byHand, err := b.hand(t, k, slowly, alone)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return ours, byHand.t2, passed
}

// end stops a task in good order.
func end(t harness.T, k *harness.Task) harness.Summary {
	if err := k.Signal(syscall.SIGTERM); err != nil {
		t.Fatalf("%v", err)
	}
	code := k.Wait(t, time.Minute)
	s := k.Summary(t)
	if code != 0 || len(s.Killed) > 0 {
		t.Fatalf("%s ended with %d, killed %v:\n%s", k.Name, code, s.Killed, k.Tail(30))
	}
	return s
}

// abandon kills a task and waits for the end of all that it had, and for its
// addresses: a process gives up its command line before its sockets. (A stop in
// the first seconds waits for them to be over, and is not what is measured.) Its
// files stay, for the steps by hand.
func (b *bench) abandon(t harness.T, k task, life *harness.Task) {
	life.Kill()
	harness.Eventually(t, limit, "the end of the task's processes", func() error {
		if left := harness.Processes(k.dir); len(left) > 0 {
			return fmt.Errorf("%s lives on", strings.Join(left, "; "))
		}
		for _, taken := range []int{8301, 8500, 8502, port, 20000} {
			l, err := net.Listen("tcp", fmt.Sprintf("%s:%d", k.address, taken))
			if err != nil {
				return err
			}
			_ = l.Close()
		}
		return nil
	})
}

// child is the process of a unit.
func child(t harness.T, k *harness.Task, unit string) int {
	e := k.Await(t, limit, "up", unit, "step", "exec")
	pid, ok := e.Data["pid"].(float64)
	if !ok {
		t.Fatalf("%s: the exec of %s has no pid: %v", k.Name, unit, e.Data)
	}
	return int(pid)
}

// megabytes is a line of /proc/PID/status.
func megabytes(t harness.T, pid int, name string) float64 {
	kb, err := status(pid, name)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return kb / 1024
}

func status(pid int, name string) (kb float64, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, fmt.Errorf("memory of a process: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		if v, ok := strings.CutPrefix(line, name+":"); ok {
			return strconv.ParseFloat(strings.Fields(v)[0], 64)
		}
	}
	return 0, fmt.Errorf("process %d has no %s", pid, name)
}

// cpu is the time that a process has been on a CPU, in milliseconds. The kernel
// counts nanoseconds for each thread; one that has ended is not in it, and Go's
// runtime ends none that matters here.
func cpu(pid int) (ms float64, err error) {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err == nil && len(files) == 0 {
		err = errors.New("no threads")
	}
	for _, file := range files {
		text, read := os.ReadFile(file)
		if read != nil {
			continue // a thread that has just ended
		}
		ns, parse := strconv.ParseFloat(strings.Fields(string(text))[0], 64)
		err, ms = errors.Join(err, parse), ms+ns/1e6
	}
	return ms, err
}
