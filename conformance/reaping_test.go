package conformance

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
)

func reapingCases() []kase {
	return []kase{
		{name: "orphans are reaped", run: func(b *bed) {
			l := b.start(how{}, sh(`for i in 1 2 3 4 5 6 7 8 9 10; do (sleep 0.01 & setsid sh -c 'sleep 0.02 & sleep 0.01' &); done; echo made; exec sleep 60`))
			l.see("made")
			b.eventually("the app is the only child", func() bool {
				return len(descendants(l.pid())) == len(own(l)) && comm(l.app()) == "sleep"
			})
		}},
		{name: "orphans are adopted", run: func(b *bed) {
			l := b.start(how{}, sh(`setsid sh -c '"$1" signals 15 "orphan " &' sh "$1"; echo left; exec sleep 60`, payload()[0]))
			l.see("left")
			l.see("orphan up")
			init := l.pid()
			b.eventually("the init is its parent", func() bool {
				return slices.ContainsFunc(children(init), func(pid int) bool { return comm(pid) == "payload" })
			})
		}},
		{name: "10 000 orphans at once leave none", serial: true, run: func(b *bed) {
			l := b.start(how{}, payload("orphans", "10000"))
			l.see("made")
			l.ends(0)
			if !strings.Contains(l.out.String(), "wall ") {
				b.Error("not all were reaped")
			}
		}},
		{name: "no status is lost while orphans die", run: func(b *bed) {
			for code := range 20 {
				b.start(how{}, payload("storm", "200", fmt.Sprint(code))).ends(code)
			}
		}},
		{name: "what is left of the group gets TERM", run: func(b *bed) { straggler(b, "15", "") }},
		{name: "what is left in other sessions gets TERM", run: func(b *bed) { straggler(b, "15", "setsid") }},
		{name: "deaf stragglers are killed", own: true, run: func(b *bed) {
			straggler(b, "0", "")
			straggler(b, "0", "setsid")
		}},
		{name: "no child outlives a killed init", places: []string{"pid1", "shared", "child"}, run: func(b *bed) {
			l := b.start(how{}, payload("signals", "0"))
			l.see("up")
			app := l.app()
			if err := syscall.Kill(l.pid(), syscall.SIGKILL); err != nil {
				b.Fatal(err)
			}
			l.ends(137)
			b.eventually("the app is dead", func() bool { return !alive(app) })
		}},
	}
}

// own lists what belongs to the init itself and its app.
func own(l *life) []int {
	if *initName == "s6" {
		return descendants(l.pid())[:2] // s6-supervise
	}
	return []int{l.app()}
}

// straggler is a process that outlives the app, and ends at signal end.
func straggler(b *bed, end, session string) {
	l := b.start(how{}, sh(session+` "$1" signals `+end+` "left " & trap 'exit 7' USR1; echo up; while :; do wait; done`, payload()[0]))
	l.see("up")
	l.see("left up")
	rest := descendants(l.pid())
	l.signal(syscall.SIGUSR1)
	l.ends(7)
	if !strings.Contains(l.out.String(), "left 15\n") {
		b.Errorf("the straggler got no TERM:\n%s", l.out.String())
	}
	b.eventually("all are dead", func() bool {
		return !slices.ContainsFunc(rest, alive)
	})
}
