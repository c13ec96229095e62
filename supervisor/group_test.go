package supervisor

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestProcessClearsItsGroup(t *testing.T) {
	s := start(t)
	file := filepath.Join(t.TempDir(), "told")
	straggler := "(trap 'echo TERM >" + file + "; exit' TERM; echo up; while :; do sleep 0.01; done) & "
	for name, script := range map[string]string{
		"when it ends by itself": straggler + "read line; exit 3",
		"when it is stopped":     "trap 'exit 3' USR1; " + straggler + "while :; do sleep 0.01; done",
	} {
		t.Run(name, func(t *testing.T) {
			r, w := pipe(t)
			spec := shell(script)
			spec.Stdin = r
			st := onStage(t, s, spec, func(p *Process) {
				p.Leader = true
				p.Signal = func() syscall.Signal { return syscall.SIGUSR1 }
			})
			st.says("up")
			pid := st.pid()
			if strings.Contains(name, "stopped") {
				close(st.stop)
			}
			w.Close()
			if exit, ok := errors.AsType[*Exit](st.ended()); !ok || exit.Code != 3 {
				t.Errorf("got %v", exit)
			}
			if told, err := os.ReadFile(file); err != nil || string(told) != "TERM\n" {
				t.Errorf("the straggler was told %q, %v", told, err)
			}
			if left := living(pid); len(left) != 0 {
				t.Errorf("left: %v", left)
			}
			_ = os.Remove(file)
		})
	}
	t.Run("at once when everything is to end now", func(t *testing.T) {
		r, w := pipe(t)
		spec := shell("(trap '' TERM; echo up; while :; do sleep 0.01; done) & read line; exit 3")
		spec.Stdin = r
		left := make(chan struct{})
		st := onStage(t, s, spec, func(p *Process) {
			p.Grace = func() time.Duration { close(left); return time.Hour }
		})
		st.says("up")
		w.Close()
		<-left // the leader has ended, and the rest has begun its grace
		st.kill()
		if exit, ok := errors.AsType[*Exit](st.ended()); !ok || exit.Code != 3 {
			t.Errorf("got %v", exit)
		}
		if st.noted("killed") { // as after a grace in vain
			t.Errorf("notes: %q", st.notes)
		}
	})
	t.Run("without a second TERM to who works on the first", func(t *testing.T) {
		const worker = "sh -c 'n=0; trap \"n=\\$((n+1))\" TERM; echo up; until [ $n = 1 ]; do sleep 0.01; done; sleep 0.2; echo told $n'"
		st := onStage(t, s, shell(worker+"& wait"), func(p *Process) {
			p.Grace = func() time.Duration { return patience }
		})
		st.says("up")
		close(st.stop)
		if exit, ok := errors.AsType[*Exit](st.ended()); !ok || exit.Signal != syscall.SIGTERM {
			t.Errorf("the leader: %v", exit)
		}
		st.says("told 1")
	})
	t.Run("with KILL, and says so", func(t *testing.T) {
		st := onStage(t, s, shell("trap 'exit 0' TERM; (trap '' TERM; echo up; while :; do sleep 0.01; done) & while :; do sleep 0.01; done"),
			grace(200*time.Millisecond))
		st.says("up")
		close(st.stop)
		if err := st.ended(); err != nil {
			t.Error(err)
		}
		if !st.noted("killed sh process sh (pid") {
			t.Errorf("notes: %q", st.notes)
		}
	})
}

func TestStopSignalGoesToGroupOrLeader(t *testing.T) {
	s := start(t)
	// The shell waits for its child, which alone ends on TERM.
	const script = "trap 'echo leader' TERM; sh -c 'trap \"echo child; exit\" TERM; echo up; while :; do sleep 0.01; done' & while kill -0 $! 2>/dev/null; do wait; done; echo all"
	for leader, want := range map[bool][]string{false: {"child", "leader"}, true: {"leader"}} {
		t.Run(fmt.Sprint("leader ", leader), func(t *testing.T) {
			st := onStage(t, s, shell(script), func(p *Process) {
				p.Leader = leader
				p.Grace = func() time.Duration { return patience }
			})
			st.says("up")
			close(st.stop)
			var got []string
			for len(got) < len(want) {
				if line := <-st.lines; line != "Terminated" { // the shell's word on its sleep
					got = append(got, line)
				}
			}
			if leader {
				st.kill()
			} else {
				st.says("all")
			}
			_ = st.ended()
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}
