package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// figure is one measurement: the values of each init, round by round, all in turns.
type figure struct {
	name   string
	values map[string][]float64
}

// measure takes every figure. Each round runs all inits, so that what disturbs the machine
// for a while disturbs all of them.
func (b *bed) measure() []*figure {
	var all []*figure
	for _, m := range []struct {
		name   string
		rounds int
		once   func(b *bed, p peer) (map[string]float64, error)
	}{
		{"start: whole run of true", 40, start},
		{"early TERM", 1, early},
		{"signal", 5, latency},
		{"streams", 5, streams},
		{"rest", 1, rest},
		{"orphans", 41, func(b *bed, p peer) (map[string]float64, error) { return orphans(b, p, false) }},
		{"drain", 15, func(b *bed, p peer) (map[string]float64, error) { return orphans(b, p, true) }},
	} {
		fmt.Println("measure:", m.name)
		if b.quick {
			m.rounds = min(m.rounds, 3)
		}
		all = append(all, b.rounds(m.rounds, m.once)...)
	}
	return all
}

// rounds collects what once returns by name of figure.
func (b *bed) rounds(n int, once func(b *bed, p peer) (map[string]float64, error)) []*figure {
	byName := map[string]*figure{}
	var names []string
	for range n {
		for _, p := range b.inits {
			if p.name == "s6" {
				continue
			}
			got, err := once(b, p)
			if err != nil {
				fmt.Printf("%s: %v\n", p.name, err)
			}
			for name, v := range got {
				f := byName[name]
				if f == nil {
					f = &figure{name: name, values: map[string][]float64{}}
					byName[name], names = f, append(names, name)
				}
				f.values[p.name] = append(f.values[p.name], v)
			}
		}
	}
	slices.Sort(names)
	var all []*figure
	for _, name := range names {
		all = append(all, byName[name])
	}
	return all
}

// pid1 makes a command the first process of a namespace.
func pid1(argv []string) *exec.Cmd {
	return &exec.Cmd{Path: argv[0], Args: argv, Env: []string{"PATH=/usr/local/bin:/usr/bin:/bin"},
		SysProcAttr: &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID}}
}

func ms(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e6 }

// mounted is pid1 with a /proc of its own, which the payload reads.
func (b *bed) mounted(p peer, args ...string) *exec.Cmd {
	argv := p.under(append([]string{filepath.Join(b.dir, "payload")}, args...)...)
	cmd := pid1(append([]string{"/bin/sh", "-c", `mount -t proc proc /proc && exec "$@"`, "sh"}, argv...))
	cmd.SysProcAttr.Unshareflags = syscall.CLONE_NEWNS
	return cmd
}

func latency(b *bed, p peer) (map[string]float64, error) {
	n := 300
	if b.quick {
		n = 50
	}
	out, err := b.mounted(p, "latency", fmt.Sprint(n), "1").Output()
	if err != nil {
		return nil, err
	}
	var us []float64
	for line := range strings.Lines(string(out)) {
		v, err := strconv.ParseFloat(strings.TrimSpace(line), 64)
		if err != nil {
			return nil, err
		}
		us = append(us, v)
	}
	slices.Sort(us)
	return map[string]float64{"signal to the app, median, µs": us[len(us)/2], "signal to the app, 95 %, µs": us[len(us)*95/100]}, nil
}

const throughput = "standard output, GB/s"

// streams reads what an app writes as fast as it can, in pieces of a pipe's size.
func streams(b *bed, p peer) (map[string]float64, error) {
	size := int64(4 << 30)
	if b.quick {
		size = 1 << 30
	}
	cmd := pid1(p.under("/usr/bin/head", "-c", fmt.Sprint(size), "/dev/zero"))
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	begun := time.Now()
	n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, out, make([]byte, 64<<10))
	took := time.Since(begun)
	if waited := cmd.Wait(); err == nil {
		err = waited
	}
	if err == nil && n != size {
		err = fmt.Errorf("%d bytes came of %d", n, size)
	}
	return map[string]float64{throughput: float64(n) / 1e9 / took.Seconds()}, err
}

// rest is what an init costs while nothing happens.
func rest(b *bed, p peer) (map[string]float64, error) {
	cmd := pid1(p.under("/bin/sleep", "60"))
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	<-time.After(time.Second) // the start is over by then; a rest is what is measured
	dir := fmt.Sprintf("/proc/%d/", cmd.Process.Pid)
	before := switches(dir)
	<-time.After(5 * time.Second)
	return map[string]float64{
		"RSS at rest, KB":                   kilobytes(dir+"status", "VmRSS:"),
		"PSS at rest, KB":                   kilobytes(dir+"smaps_rollup", "Pss:"),
		"context switches a second at rest": float64(switches(dir)-before) / 5,
	}, nil
}

func switches(dir string) (n int) {
	tasks, _ := filepath.Glob(dir + "task/*/status")
	for _, task := range tasks {
		n += int(kilobytes(task, "voluntary_ctxt_switches:") + kilobytes(task, "nonvoluntary_ctxt_switches:"))
	}
	return n
}

// kilobytes reads the number behind a name in a file of /proc.
func kilobytes(file, name string) float64 {
	text, _ := os.ReadFile(file)
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == name {
			v, _ := strconv.ParseFloat(f[1], 64)
			return v
		}
	}
	return 0
}

// orphans ends 10 000 at once. With drain the init is stopped until all are zombies, so
// that it meets all of them in one go.
func orphans(b *bed, p peer, drain bool) (map[string]float64, error) {
	cmd := b.mounted(p, "orphans", "10000", "1")
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	lines := bufio.NewReader(out)
	if err := expect(lines, "made"); err != nil {
		return nil, err
	}
	if drain {
		_ = cmd.Process.Signal(syscall.SIGSTOP)
	}
	if _, err := io.WriteString(in, "\n"); err != nil {
		return nil, err
	}
	if err := expect(lines, "dead"); err != nil {
		return nil, err
	}
	begun := time.Now()
	if drain {
		_ = cmd.Process.Signal(syscall.SIGCONT)
	}
	line, err := lines.ReadString('\n')
	if err != nil {
		return nil, err
	}
	var wall, cpu float64
	if _, err := fmt.Sscanf(line, "wall %f cpu %f", &wall, &cpu); err != nil {
		return nil, err
	}
	if drain { // without the nap behind it
		return map[string]float64{"10 000 zombies met at once, ms": ms(time.Since(begun)) - 20}, nil
	}
	return map[string]float64{"10 000 orphans at once, ms": wall, "10 000 orphans at once, CPU ms": cpu}, nil
}

func expect(r *bufio.Reader, want string) error {
	line, err := r.ReadString('\n')
	if strings.TrimSpace(line) != want {
		return fmt.Errorf("the payload says %q (%v), want %s", line, err, want)
	}
	return nil
}

func machine() string {
	var u syscall.Utsname
	_ = syscall.Uname(&u)
	var release []byte
	for _, c := range u.Release {
		if c == 0 {
			break
		}
		release = append(release, byte(c))
	}
	return fmt.Sprintf("Linux %s, %d CPUs, %s", release, runtime.NumCPU(), runtime.Version())
}
