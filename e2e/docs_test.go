package e2e

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"meshtask/e2e/harness"
)

// A page is played as it is written, on the real parts. Four kinds of its
// fenced blocks matter (TestDocsArePlayed has the others):
//
//	sh run       shell; all of a page's are one script, in their order
//	sh repository  shell, each alone, run in the root of the repository
//	json FILE    a file that stands beside the script
//	text output  all that the shell before it prints; … stands for anything in
//	             a line, and alone in a line for any number of lines
//
// The addresses 127.40.0.x of the pages are replaced by the test's own, and
// MESHTASK_SERVER puts the server of `meshtask dev` there.
func TestDocs(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob(filepath.Join(harness.Root(t), "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	bin := programs(t)
	played := map[string]bool{}
	for _, page := range append(pages, filepath.Join(harness.Root(t), "README.md")) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(filepath.Base(page), ".md")
		for i, script := range inRepository(string(text)) {
			t.Run(fmt.Sprintf("%s in the repository %d", name, i+1), func(t *testing.T) {
				t.Parallel()
				p := harness.Start(t, "block", []string{"sh", "-euc", "cd '" + harness.Root(t) + "'\n" + script}, []string{"PATH=" + bin + ":" + os.Getenv("PATH")})
				if code := p.Wait(t, time.Minute); code != 0 || p.Output() == "" {
					t.Errorf("exit %d:\n%s", code, p.Tail(20))
				}
			})
		}
		if blocks := blocksOf(string(text)); len(blocks) > 0 {
			played[name] = true
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				playPage(t, bin, blocks)
			})
		}
	}
	for _, name := range []string{"README", "use-single-container", "use-siblings", "use-job", "use-laptop", "gateways", "from-app-mesh", "from-service-connect", "agentless"} {
		if !played[name] {
			t.Errorf("%s has no example that can be played", name)
		}
	}
}

// programs is a folder with what the pages expect on PATH: `make try` puts the
// same four into .tools/bin.
func programs(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, path := range map[string]string{"meshtask": harness.Plain(t), "consul": harness.Consul(t), "envoy": harness.Envoy(t), "app": harness.App(t)} {
		if err := os.Symlink(path, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// block is one fenced block that matters.
type block struct {
	kind string // "sh", "json" or "text"
	file string // of json
	body string
}

// blocksOf lists a page's blocks that matter, in their order.
func blocksOf(text string) []block {
	var out []block
	fence := regexp.MustCompile("(?ms)^```(sh run|json (\\S+)|text output)\n(.*?)^```$")
	for _, m := range fence.FindAllStringSubmatch(text, -1) {
		kind, _, _ := strings.Cut(m[1], " ")
		out = append(out, block{kind: kind, file: m[2], body: m[3]})
	}
	return out
}

// inRepository lists a page's scripts that run in the root of the repository.
func inRepository(text string) []string {
	var out []string
	for _, m := range regexp.MustCompile("(?ms)^```sh repository\n(.*?)^```$").FindAllStringSubmatch(text, -1) {
		out = append(out, m[1])
	}
	return out
}

// playPage writes the files, runs the script and compares what it printed.
func playPage(t *testing.T, bin string, blocks []block) {
	dir, address := t.TempDir(), harness.Address(t)
	net := address[:strings.LastIndex(address, ".")+1]
	var script strings.Builder
	script.WriteString("set -eu\ncd '" + dir + "'\n")
	var want []string // by run; what may be printed without a text block is nothing
	for _, b := range blocks {
		b.body = strings.ReplaceAll(b.body, "127.40.0.", net)
		switch b.kind {
		case "json":
			if err := os.WriteFile(filepath.Join(dir, b.file), []byte(b.body), 0o600); err != nil {
				t.Fatal(err)
			}
		case "sh":
			script.WriteString(b.body + fmt.Sprintf("echo '%s'\n", blockEnd))
			want = append(want, "")
		case "text":
			if len(want) == 0 {
				t.Fatalf("output of nothing:\n%s", b.body)
			}
			want[len(want)-1] += b.body
		}
	}
	if len(want) == 0 || strings.Join(want, "") == "" {
		t.Fatal("a page that runs nothing, or shows nothing of it, has no example")
	}
	file := filepath.Join(dir, "script")
	if err := os.WriteFile(file, []byte(script.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	p := harness.Start(t, "page", []string{"sh", file}, []string{"PATH=" + bin + ":" + os.Getenv("PATH"), "HOME=" + dir, "TMPDIR=" + dir, "MESHTASK_SERVER=" + address})
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(logs(dir))
		}
	})
	code := p.Wait(t, time.Minute)
	got := strings.Split(p.Output(), blockEnd+"\n")
	if code != 0 {
		t.Fatalf("the script ended with %d after %d of %d blocks:\n%s", code, len(got)-1, len(want), p.Tail(40))
	}
	for i, w := range want {
		if err := shows(w, got[i]); err != nil {
			t.Errorf("block %d: %v", i+1, err)
		}
	}
	harness.Eventually(t, soon, "no process of the page's", func() error { // a page does not wait for its server
		if left := harness.Processes(dir, net); len(left) > 0 {
			return errors.New(strings.Join(left, "\n"))
		}
		return nil
	})
}

const blockEnd = "--- end of a block ---"

// logs are the ends of the logs that a page has made.
func logs(dir string) string {
	var b strings.Builder
	files, _ := filepath.Glob(filepath.Join(dir, "*.log")) // the pattern is a good one
	for _, name := range files {
		text, _ := os.ReadFile(name)
		lines := strings.Split(strings.TrimSpace(string(text)), "\n")
		fmt.Fprintf(&b, "%s:\n%s\n", filepath.Base(name), strings.Join(lines[max(0, len(lines)-15):], "\n"))
	}
	return b.String()
}

// shows compares a page's output with what was printed.
func shows(want, got string) error {
	pattern := strings.Builder{}
	for line := range strings.Lines(want) {
		switch line = strings.TrimSpace(line); line {
		case "":
		case "…":
			pattern.WriteString(`(.*\n)*?`)
		default:
			words := strings.Fields(line)
			for i := range words {
				words[i] = strings.ReplaceAll(regexp.QuoteMeta(words[i]), "…", `.*`)
			}
			pattern.WriteString(` *` + strings.Join(words, ` +`) + ` *\n`)
		}
	}
	re, err := regexp.Compile(`^` + pattern.String() + `$`)
	if err != nil {
		return err
	}
	if got = regexp.MustCompile(`(?m)^[ \t]*\n`).ReplaceAllString(got, ""); !re.MatchString(got) {
		return errors.New("the page shows\n" + want + "and was printed\n" + got)
	}
	return nil
}

func TestShows(t *testing.T) {
	const got = "web  RUNNING 3s\n\n unit  up\n app   up\nend\n"
	for want, ok := range map[string]bool{
		"web RUNNING …\n…\nend\n": true, "…\nend\n": true, "…\n": true, "web RUNNING 3s\nunit up\napp up\nend\n": true, "web … 3s\n…\napp up\nend\n": true,
		"": false, "web RUNNING 4s\n…\n": false, "web RUNNING …\n": false, "…\napp\n": false, "…\napp\n…\n": false, "RUNNING 3s\n…\n": false,
	} {
		if err := shows(want, got); (err == nil) != ok {
			t.Errorf("%q: %v", want, err)
		}
	}
	if err := shows("", "\n"); err != nil {
		t.Error(err)
	}
}
