package conformance

import "strings"

func inputCases() []kase {
	refused := []struct {
		name string
		h    how
		code int
		says []string
	}{
		{"an unknown user", how{config: `{"app":{"user":"no-such-user"}}`}, 200, []string{"no-such-user", "uid:gid"}},
		{"an unknown stop signal", how{flags: []string{"--stop-signal", "NOPE"}}, 200, []string{"NOPE", "TERM"}},
		{"an unknown receiver of signals", how{flags: []string{"--signal", "all"}}, 200, []string{"group", "leader"}},
		{"a restart policy that cannot fit", how{config: restart("always", 5, "1s", "1s")}, 200, []string{"max", "window"}},
		{"a stop timeout that is none", how{flags: []string{"--stop-timeout", "soon"}}, 200, []string{"soon"}},
		{"an unknown readiness command", how{config: `{"app":{"ready":{"exec":["no-such-probe"]}}}`}, 200, []string{"app.ready.exec", "no-such-probe"}},
		{"an unknown flag", how{flags: []string{"--stop-timout", "1s"}}, 2, []string{"--stop-timeout"}},
	}
	var all []kase
	for _, r := range refused {
		all = append(all, kase{name: r.name + " is refused", own: true, places: []string{"pid1", "child"}, run: func(b *bed) {
			l := b.start(r.h, sh("echo started"))
			l.ends(r.code)
			b.eventually("it says why", func() bool {
				for _, word := range r.says {
					if !strings.Contains(l.err.String(), word) {
						return false
					}
				}
				return true
			})
			if l.out.String() != "" {
				b.Error("the app was started")
			}
		}})
	}
	return all
}
