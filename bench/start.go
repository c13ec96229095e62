package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	wholeRun = "whole run of `true`, ms"
	floorRun = "the same of a binary of ours that only starts it, ms"
)

// start is the mean of a few whole runs, from fork to wait; of meshtask, also the floor.
func start(b *bed, p peer) (map[string]float64, error) {
	whole, err := run20(p.under("/bin/true"))
	floor := whole // of the others, to be compared with
	if err == nil && p.name == "meshtask" {
		floor, err = run20([]string{filepath.Join(b.dir, "floor"), "floor", "/bin/true"})
	}
	return map[string]float64{wholeRun: whole, floorRun: floor}, err
}

// run20 runs a command 20 times and says how many ms one of them takes.
func run20(argv []string) (float64, error) {
	const runs = 20
	begun := time.Now()
	for range runs {
		if err := pid1(argv).Run(); err != nil {
			return 0, err
		}
	}
	return ms(time.Since(begun)) / runs, nil
}

// early sends TERM at every twentieth of a millisecond of the first ten, and says for how
// long it is lost, because PID 1 has no handler yet, and for how long it ends the init
// itself: Go's runtime then exits with 2 before main can pass it on.
func early(b *bed, p peer) (map[string]float64, error) {
	const step = 50 * time.Microsecond
	lost, two, steps := 0, 0, 200
	for n := range steps {
		cmd := pid1(p.under("/bin/sleep", "60"))
		if err := cmd.Start(); err != nil {
			return nil, err
		}
		for begun := time.Now(); time.Since(begun) < time.Duration(n)*step; { // a sleep is coarser
		}
		_ = cmd.Process.Signal(syscall.SIGTERM)
		late := time.AfterFunc(250*time.Millisecond, func() { lost++; _ = cmd.Process.Kill() })
		_ = cmd.Wait()
		late.Stop()
		if cmd.ProcessState.ExitCode() == 2 {
			two++
		}
	}
	return map[string]float64{
		"TERM lost in the start, ms":                 ms(time.Duration(lost) * step),
		"TERM ends the init with 2 in the start, ms": ms(time.Duration(two) * step),
	}, nil
}

// floorText is put before everything else that main does.
const floorText = `
	if len(os.Args) > 2 && os.Args[1] == "floor" {
		pid, err := syscall.ForkExec(os.Args[2], os.Args[2:], &syscall.ProcAttr{Files: []uintptr{0, 1, 2}, Env: os.Environ()})
		if err != nil {
			os.Exit(1)
		}
		var ws syscall.WaitStatus
		_, _ = syscall.Wait4(pid, &ws, 0, nil)
		os.Exit(ws.ExitStatus())
	}
`

// buildFloor makes the same binary, all packages linked, whose main only starts a command
// and waits for it: what is left of a start when there is nothing in it of ours.
func (b *bed) buildFloor() error {
	const main = "cmd/meshtask/main.go"
	text, err := os.ReadFile(main)
	if err != nil {
		return err
	}
	const head = "func main() {\n"
	if !strings.Contains(string(text), head) {
		return fmt.Errorf("%s: no %q", main, head)
	}
	wd, err := os.Getwd()
	if err != nil {
		return err
	}
	file, overlay := filepath.Join(b.dir, "main.go"), filepath.Join(b.dir, "overlay.json")
	if err := os.WriteFile(file, []byte(strings.Replace(string(text), head, head+floorText, 1)), 0o644); err != nil {
		return err
	}
	list := fmt.Appendf(nil, `{"Replace": {%q: %q}}`, filepath.Join(wd, main), file)
	if err := os.WriteFile(overlay, list, 0o644); err != nil {
		return err
	}
	return command("go", "build", "-trimpath", "-ldflags", "-s -w", "-overlay", overlay, "-o", filepath.Join(b.dir, "floor"), "./cmd/meshtask")
}
