package conformance

import (
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"meshtask/internal/testbed/eventually"
)

func environmentCases() []kase {
	return []kase{
		{name: "no signal is blocked or ignored in the app", run: func(b *bed) {
			before := append(payload("blocked"), sh(`trap '' HUP INT QUIT PIPE TERM USR1 USR2 TSTP TTIN TTOU CHLD ALRM; exec "$@"`)...)
			l := b.start(how{before: before}, []string{"/bin/grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"})
			l.see("SigBlk:\t0000000000000000")
			l.see("SigIgn:\t0000000000000000")
			l.ends(0)
		}},
		{name: "limits pass as they came", run: func(b *bed) {
			l := b.start(how{before: sh(`ulimit -Sn 333; ulimit -Hn 777; ulimit -Ss 4096; exec "$@"`)}, sh("ulimit -Sn; ulimit -Hn; ulimit -Ss"))
			l.ends(0)
			b.lines(l, "333", "777", "4096")
		}},
		{name: "the app has the three streams and no more", run: func(b *bed) {
			l := b.start(how{before: payload("bare")}, sh("exec ls /proc/self/fd"))
			l.ends(0)
			b.lines(l, "0", "1", "2", "3") // the last one is the directory that ls reads
		}},
		{name: "descriptors that came reach the app", run: func(b *bed) {
			f := b.file([]byte("from outside\n"))
			l := b.start(how{before: sh("exec 7<" + f.Name() + `; exec "$@"`)}, sh("cat <&7"))
			l.ends(0)
			b.lines(l, "from outside")
		}},
		{name: "arguments and environment pass whole", run: func(b *bed) {
			env := []string{"PATH=/usr/bin:/bin", "A=a  b", "PERCENT=%s%n", "EMPTY=", "LINES=one\ntwo", "CONSUL_HTTP_TOKEN=x", "MESHTASK_X=y", "PWD=/"}
			l := b.start(how{env: env, dir: "/"}, sh(`printf '%s\0' "$@"; exec env -0`, "", "a b", "%d", "--", "-x"))
			l.ends(0)
			want := append([]string{"", "a b", "%d", "--", "-x"}, env...)
			b.eventually("all", func() bool {
				got := strings.Split(strings.TrimSuffix(l.out.String(), "\x00"), "\x00")
				slices.Sort(got[min(5, len(got)):])
				slices.Sort(want[5:])
				return slices.Equal(got, want)
			})
		}},
		{name: "the app starts in the caller's directory", run: func(b *bed) {
			dir, err := filepath.EvalSymlinks(b.TempDir())
			if err != nil {
				b.Fatal(err)
			}
			l := b.start(how{dir: dir}, sh("pwd -P"))
			l.ends(0)
			b.lines(l, dir)
		}},
		{name: "app.dir and app.env", own: true, run: func(b *bed) {
			l := b.start(how{config: `{"app":{"dir":"/usr","env":{"ADDED":"a b","PATH":"/bin:/usr/bin"}}}`}, sh(`pwd; echo "$ADDED"; echo $PATH`))
			l.ends(0)
			b.lines(l, "/usr", "a b", "/bin:/usr/bin")
		}},
		{name: "app.user", own: true, places: []string{"pid1"}, run: users},
	}
}

// lines fails unless these are what standard output holds.
func (b *bed) lines(l *life, want ...string) {
	b.Helper()
	var got []string
	if !eventually.Within(*patience, func() bool { got = l.out.lines(); return slices.Equal(got, want) }) {
		b.Errorf("the app prints %q, want %q", got, want)
	}
}

func users(b *bed) {
	nobody, err := user.Lookup("nobody")
	if err != nil {
		b.Fatal(err)
	}
	for spec, want := range map[string][]string{
		"nobody":       {nobody.Uid, nobody.Gid},
		nobody.Uid:     {nobody.Uid, nobody.Gid},
		"12345":        {"12345", "0"},
		"12345:54321":  {"12345", "54321"},
		"nobody:54321": {nobody.Uid, "54321"},
		"root":         {"0", "0"},
	} {
		l := b.start(how{config: `{"app":{"user":"` + spec + `"}}`}, sh("id -u; id -g; echo out >&2"))
		l.ends(0)
		b.lines(l, want...)
	}
	// Its signals are another user's by then.
	l := b.start(how{config: `{"app":{"user":"12345:54321"}}`, env: []string{"PATH=/bin:/usr/bin"}}, sh(`trap 'exit 8' TERM; echo up; while :; do sleep 0.02; done`))
	l.see("up")
	l.signal(syscall.SIGTERM)
	l.ends(8)
}
