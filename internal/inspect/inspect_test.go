package inspect

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"meshtask/internal/admin"
	"meshtask/internal/event"
	"meshtask/internal/journal"
	"meshtask/internal/statedir"
	"meshtask/internal/task"
)

// live makes a directory in which a task lives and answers with this status; "": with nothing
// of ours.
func live(t *testing.T, dir, status string) {
	t.Helper()
	record(t, dir, 0)
	hold(t, dir)
	listen(t, dir, status)
}

// hold has a task live in the directory, which does not answer.
func hold(t *testing.T, dir string) *statedir.Dir {
	t.Helper()
	d, err := statedir.Open([]string{dir}, func(error) {})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

// listen has somebody answer at the socket of the directory.
func listen(t *testing.T, dir, status string) {
	t.Helper()
	l, err := net.Listen("unix", filepath.Join(dir, admin.Socket))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, status) })}
	go func() { defer close(done); _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close(); <-done })
}

// record leaves the record of a task that was refused, so many minutes ago.
func record(t *testing.T, dir string, minutes int) {
	t.Helper()
	task.Refused([]string{dir}, time.Now(), event.Because(event.ConfigBad, fmt.Errorf("service.port: must be 1–65535, got %d", minutes)), 200)
	at := time.Now().Add(-time.Duration(minutes) * time.Minute)
	if err := os.Chtimes(filepath.Join(dir, journal.TimelineFile), at, at); err != nil {
		t.Fatal(err)
	}
}

// bed is a place with two directories of `run` and those of `dev`.
func bed(t *testing.T) (p Places, run1, run2, dev string) {
	t.Helper()
	in := t.TempDir()
	run1, run2, dev = filepath.Join(in, "run1"), filepath.Join(in, "run2"), filepath.Join(in, "dev")
	p = Places{Dirs: []string{run1, run2}, Dev: dev, Passed: func(s *statedir.StrangeError) { t.Errorf("passed over: %v", s) }}
	return p, run1, run2, dev
}

func running(name string) string {
	return fmt.Sprintf(`{"service":%q,"state":"RUNNING","healthy":true,"uptime":"3s","why":{"code":"ok","cause":"Nothing is wrong."}}`, name)
}

func TestTheTaskThatRunsIsFound(t *testing.T) {
	p, run1, run2, dev := bed(t)
	_, err := p.Status()
	if want := "no task runs in " + run1 + ", " + run2 + " or " + dev + "/*, and none has left a record there."; err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("%v, want %s", err, want)
	}
	record(t, filepath.Join(dev, "old"), 9)
	record(t, filepath.Join(dev, "older"), 20)
	if _, err := p.Status(); err == nil || !strings.Contains(err.Error(), "The last one has left its record in "+dev+"/old: `meshtask why`") {
		t.Errorf("%v", err)
	}

	live(t, filepath.Join(dev, "web-1"), running("web"))
	found, err := p.Status()
	if err != nil || found.Service != "web" || found.Dir != filepath.Join(dev, "web-1") {
		t.Fatalf("dev's: %+v, %v", found, err)
	}
	if answer, dir, err := p.Why(); err != nil || answer.Code != event.OK || dir != found.Dir {
		t.Errorf("why: %+v of %s, %v", answer, dir, err)
	}

	live(t, run2, running("run"))
	_, err = p.Status()
	several, ok := errors.AsType[*SeveralError](err)
	if !ok || !strings.Contains(err.Error(), "2 tasks run here; name one by --dir:\n  run  RUNNING  3s  --dir "+run2) || !strings.Contains(err.Error(), "\n  web  RUNNING  3s  --dir "+dev+"/web-1  healthy") {
		t.Fatalf("%v, %v", several, err)
	}
	if _, _, err := p.Why(); !errors.As(err, &several) {
		t.Errorf("why: %v", err)
	}
	if _, err := p.Record(); !errors.As(err, &several) {
		t.Errorf("the record: %v", err)
	}
	if ok, _, err := p.Health(); err != nil || !ok { // that of the container is meant
		t.Errorf("health: %v, %v", ok, err)
	}

	live(t, run1, running("first"))
	if _, err := p.Status(); strings.Contains(err.Error(), run2) || !strings.Contains(err.Error(), run1) {
		t.Errorf("of run's directories the first counts: %v", err)
	}
	p.Named = filepath.Join(dev, "web-1")
	if found, err := p.Status(); err != nil || found.Service != "web" {
		t.Errorf("the one that is named: %+v, %v", found, err)
	}
}

// A task of `dev` is asked for its health where none of `run` is there.
func TestHealthOfDev(t *testing.T) {
	p, run1, _, dev := bed(t)
	record(t, run1, 1)
	live(t, filepath.Join(dev, "web-1"), running("web"))
	if ok, _, err := p.Health(); err != nil || !ok {
		t.Errorf("%v, %v", ok, err)
	}
	live(t, filepath.Join(dev, "web-2"), running("web"))
	if _, _, err := p.Health(); err == nil || !strings.Contains(err.Error(), "2 tasks run here") {
		t.Error(err)
	}
}

// What is said where nobody answers, with what was looked at.
func TestSilence(t *testing.T) {
	in := t.TempDir()
	dirs := map[string]func(dir string){
		"there is no directory ": func(string) {},
		"no task has run in ":    func(dir string) { mkdir(t, dir) },
		"the task in %s has ended; `meshtask why --dir %s` says how":   func(dir string) { record(t, dir, 1) },
		"admin.sock: what answers at its socket is no task":            func(dir string) { mkdir(t, dir); listen(t, dir, "hello") },
		"is no task of meshtask's":                                     func(dir string) { mkdir(t, dir); listen(t, dir, `{"service":"web"}`) },
		"lives, and does not answer yet":                               func(dir string) { hold(t, dir) },
		"nobody listens at":                                            func(dir string) { mkdir(t, dir); stale(t, dir) },
		"the task in %s has ended; `meshtask why --dir %s` says how: ": func(dir string) { record(t, dir, 1); stale(t, dir) },
		"it is not asked":                                              func(dir string) { mkdir(t, dir); link(t, filepath.Join(dir, admin.Socket)) },
		"no task of meshtask's":                                        func(dir string) { live(t, dir, "[]") },
	}
	n := 0
	for want, make := range dirs {
		n++
		dir := filepath.Join(in, fmt.Sprint("d", n))
		make(dir)
		_, err := Places{Named: dir}.Status()
		want = strings.ReplaceAll(want, "%s", dir)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), dir) {
			t.Errorf("%v, want %q of %s", err, want, dir)
		}
	}
}

func mkdir(t *testing.T, dir string) {
	t.Helper()
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
}

// stale leaves a socket at which nobody listens any more, as a task that is killed does.
func stale(t *testing.T, dir string) {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, admin.Socket)})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	_ = l.Close()
}

func link(t *testing.T, at string) {
	t.Helper()
	if err := os.Symlink("/dev/null", at); err != nil {
		t.Fatal(err)
	}
}

// Of several records the newest counts, and that of a task that lives before it.
func TestTheLastRecordCounts(t *testing.T) {
	p, run1, _, dev := bed(t)
	record(t, run1, 30)
	record(t, filepath.Join(dev, "a"), 5)
	record(t, filepath.Join(dev, "b"), 10)
	if got, err := p.Record(); err != nil || got.Dir != filepath.Join(dev, "a") || got.Held {
		t.Errorf("%s, %v", got.Dir, err)
	}
	hold(t, filepath.Join(dev, "b"))
	if got, err := p.Record(); err != nil || got.Dir != filepath.Join(dev, "b") || !got.Held {
		t.Errorf("%s, %v", got.Dir, err)
	}
	half := filepath.Join(dev, "b", journal.TimelineFile)
	if err := os.WriteFile(half, []byte(`{"v":1,"at":"2026-11-30T01:0`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Record(); err == nil || !strings.Contains(err.Error(), half+": no line of a task is in it") {
		t.Errorf("half a line: %v", err)
	}
}

// What a task said at its end counts before what its record lets one guess, and only once it
// has ended.
func TestATaskThatIsGoneIsAskedByItsSummary(t *testing.T) {
	p := Places{Named: filepath.Join(t.TempDir(), "state")}
	if _, _, err := p.Why(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no task at all: %v", err)
	}
	record(t, p.Named, 7)
	d := hold(t, p.Named)
	if got, err := p.Record(); err != nil || !got.Held || got.Why != nil {
		t.Errorf("%+v, %v", got, err)
	}
	_ = d.Close()
	got, err := p.Record()
	if err != nil || got.Held || got.Why == nil {
		t.Fatalf("%+v, %v", got, err)
	}
	answer, dir, err := p.Why()
	if err != nil || answer.Cause != got.Why.Cause || !strings.Contains(answer.Cause, "service.port") || dir != p.Named {
		t.Errorf("%+v, %v", answer, err)
	}
	if _, _, err := p.Health(); err == nil {
		t.Error("a task that is gone is healthy or not")
	}
	if _, err := Read(strings.NewReader("hello\n")); err == nil || !strings.Contains(err.Error(), "no line of a task") {
		t.Errorf("%v", err)
	}
}

// state is a status with everything in it.
func status1(t *testing.T) Found {
	t.Helper()
	var f Found
	ago := func(s int) string { return time.Now().Add(-time.Duration(s) * time.Second).Format(time.RFC3339Nano) }
	text := fmt.Sprintf(`{"service":"web","task":"4f1c","state":"RUNNING","healthy":false,"reason":"health check of the app: UNHEALTHY, exit code 1","uptime":"2h14m0s",
	"why":{"code":"app-is-unhealthy","cause":"The app's health check fails: exit code 1, for twelve seconds now, after it was good for two hours and fourteen minutes.","fix":"Look at the app."},
	"place":{"pid":17,"address":"10.0.3.9","app":"127.0.0.1:8080","listener":"10.0.3.9:20000","agent":"127.0.0.1:8500"},
	"budget":"stop 30s = health-sync ≤2s + propagation 1s + drain ≤9.9s + app ≤9.9s + envoy ≤3s + mesh-init ≤1s + consul-agent ≤2.5s + end 700ms",
	"conditions":[{"name":"app-ready","ok":true},{"name":"app-healthy","ok":false,"since":%q,"reason":"UNHEALTHY, exit code 1"},{"name":"envoy-live","ok":true},{"name":"listener-bound","ok":true},
	{"name":"upstream:api","ok":false,"since":%q,"reason":"no instance of it is healthy"},{"name":"agent-alive","ok":true},{"name":"servers-reachable","ok":true},{"name":"registered","ok":true},{"name":"certificate","ok":true},{"name":"checks-passing","ok":true}],
	"units":[{"unit":"token","state":"up","since":%[3]q,"restarts":0},{"unit":"consul-agent","state":"up","since":%[3]q,"pid":21,"restarts":0,"last":"joined"},
	{"unit":"envoy","state":"up","since":%[1]q,"pid":44,"restarts":2,"last_error":"envoy (pid 31) was ended by SIGKILL: somebody, or the kernel for want of memory, sent it","last":"listener"},
	{"unit":"app","state":"starting","since":%[2]q,"pid":48,"restarts":0}],
	"waiting":{"app":{"what":"an answer of http://127.0.0.1:8080/health","since":%[1]q,"error":"connection refused","hint":"does it listen on this address and port?"}}}`, ago(12), ago(3), ago(8040))
	if err := json.Unmarshal([]byte(text), &f.Status); err != nil {
		t.Fatal(err)
	}
	f.Dir = "/run/meshtask"
	return f
}

func TestText(t *testing.T) {
	want := `web is RUNNING and not healthy, after 2h14m0s: health check of the app: UNHEALTHY, exit code 1
  The app's health check fails: exit code 1, for twelve seconds now, after it was good for two hours
  and fourteen minutes.
  Fix: Look at the app.
  task 4f1c, at 10.0.3.9, app 127.0.0.1:8080, public listener 10.0.3.9:20000, agent 127.0.0.1:8500,
  in /run/meshtask

 NOT ok app-healthy   12s  UNHEALTHY, exit code 1
 NOT ok upstream:api  3s   no instance of it is healthy
 ok app-ready envoy-live listener-bound agent-alive servers-reachable registered certificate
    checks-passing

 unit          state     for      pid  restarts  last
 token         up        2h14m0s
 consul-agent  up        2h14m0s  21   0         joined
 envoy         up        12s      44   2         restarted: envoy (pid 31) was ended by SIGKILL: so…
 app           starting  3s       48   0
   waits 12s for an answer of http://127.0.0.1:8080/health
     the last try: connection refused
     what helps: does it listen on this address and port?

 stop 30s = health-sync ≤2s + propagation 1s + drain ≤9.9s + app ≤9.9s + envoy ≤3s + mesh-init ≤1s +
   consul-agent ≤2.5s + end 700ms
`
	f := status1(t)
	if got := Text(f, Screen{Width: 100}); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	for _, width := range []int{40, 80, 100} {
		for line := range strings.Lines(Text(f, Screen{Width: width})) {
			if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > width {
				t.Errorf("%d characters in %d: %s", n, width, line)
			}
		}
	}
	coloured := Text(f, Screen{Width: 100, Colour: true})
	if !strings.Contains(coloured, "\x1b[31mnot healthy\x1b[0m") || !strings.Contains(coloured, "\x1b[32mup\x1b[0m") {
		t.Errorf("%q", coloured)
	}
	if plain := strings.NewReplacer("\x1b[0m", "", "\x1b[1m", "", "\x1b[31m", "", "\x1b[32m", "", "\x1b[33m", "").Replace(coloured); plain != want {
		t.Errorf("without its colours it is another text:\n%s", plain)
	}
	f.Units[0].Unit, f.Reason = "to\x1b[2Jken", "bad\nnews\x1b[2J"
	if strings.Contains(Text(f, Screen{}), "\x1b") {
		t.Error("what others said steers the terminal")
	}
}

// What a watcher is shown again is what has changed, and not that time goes by.
func TestStill(t *testing.T) {
	a, b := status1(t), status1(t)
	b.Uptime = "2h14m1s"
	if Still(a) != Still(b) {
		t.Errorf("%s\n%s", Still(a), Still(b))
	}
	b.Units[2].Restarts++
	if Still(a) == Still(b) {
		t.Error("a restart is a change")
	}
	if got := Frame("a\nb\nc\n", 3); got != "\x1b[Ha\x1b[K\nb\x1b[K\n\x1b[J" {
		t.Errorf("%q", got)
	}
}
