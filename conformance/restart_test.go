package conformance

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// lived counts its lives in a file and ends with a code.
const lived = `echo x >>"$1"; exit $2`

func restartCases() []kase {
	return []kase{
		{name: "restarts back off, and end with 206", own: true, run: func(b *bed) {
			file := filepath.Join(b.TempDir(), "lives")
			l := b.start(how{config: restart("on-failure", 2, "60s", "200ms")}, sh(lived, file, "9"))
			l.ends(206)
			if n := b.lives(file); n != 3 {
				b.Errorf("%d lives, want 3", n)
			}
			if least := (200 + 400) * time.Millisecond * 8 / 10; l.took < least {
				b.Errorf("it took %v, the back-off alone is %v", l.took, least)
			}
			if err := l.err.String(); !strings.Contains(err, "restart") || !strings.Contains(err, "exited with 9") {
				b.Errorf("the reason is not stated: %q", err)
			}
		}},
		{name: "on-failure does not restart what ended well", own: true, run: func(b *bed) {
			file := filepath.Join(b.TempDir(), "lives")
			b.start(how{config: restart("on-failure", 5, "60s", "1ms")}, sh(lived, file, "0")).ends(0)
			if n := b.lives(file); n != 1 {
				b.Errorf("%d lives, want 1", n)
			}
		}},
		{name: "nothing is restarted while stopping", own: true, run: func(b *bed) {
			file := filepath.Join(b.TempDir(), "lives")
			l := b.start(how{config: restart("always", 5, "60s", "1ms")}, sh(`echo x >>"$1"; trap 'exit 3' TERM; echo up; while :; do sleep 0.02; done`, file))
			l.see("up")
			l.signal(syscall.SIGTERM)
			l.ends(3)
			if n := b.lives(file); n != 1 {
				b.Errorf("%d lives, want 1", n)
			}
		}},
		{name: "TERM ends a back-off at once", own: true, run: func(b *bed) {
			file := filepath.Join(b.TempDir(), "lives")
			l := b.start(how{config: restart("always", 1, "10m", "60s")}, sh(lived, file, "4"))
			b.eventually("the first life has ended", func() bool { return exists(file) && len(children(l.pid())) == 0 })
			l.signal(syscall.SIGTERM)
			l.ends(4)
		}},
		{name: "1000 restarts leave nothing behind", own: true, serial: true, places: []string{"pid1", "child"}, run: thousand},
	}
}

func restart(policy string, most int, window, backoff string) string {
	return fmt.Sprintf(`{"app":{"restart":{"policy":%q,"max":%d,"window":%q,"backoff":%q,"maxBackoff":"60s"}}}`, policy, most, window, backoff)
}

func (b *bed) lives(file string) int {
	b.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		b.Fatal(err)
	}
	return strings.Count(string(text), "x")
}

// thousand compares the init after 500 lives, when its heap has been collected, with itself after
// 1000.
func thousand(b *bed) {
	config := `{"app":{"restart":{"policy":"always","max":1000,"window":"10m","backoff":"1ms","maxBackoff":"1ms"}},"log":{"app":"prefix"}}`
	file := filepath.Join(b.TempDir(), "lives")
	l := b.start(how{config: config}, sh(`echo x >>"$1"; case $(wc -l <"$1") in 501|1001) exec sleep 60;; esac`, file))
	after := func(lives int) (files, threads, bytes int) {
		b.eventually(fmt.Sprint(lives, " lives"), func() bool {
			return exists(file) && b.lives(file) == lives && comm(l.app()) == "sleep"
		})
		_, threads = switches(l.pid())
		files, bytes = descriptors(l.pid()), rss(l.pid())
		_ = syscall.Kill(l.app(), syscall.SIGKILL)
		return files, threads, bytes
	}
	files, threads, bytes := after(501)
	files2, threads2, bytes2 := after(1001)
	l.ends(206)
	if bytes2 > maxRSS+livesRSS {
		b.Errorf("RSS %d bytes after %d lives", bytes2, 1001)
	}
	if files2 > files || threads2 > threads+1 || bytes2 > bytes+2<<20 {
		b.Errorf("from life 501 to 1001: descriptors %d → %d, threads %d → %d, RSS %d → %d", files, files2, threads, threads2, bytes, bytes2)
	}
}
