package faults

import (
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"meshtask/e2e/harness"
	"meshtask/internal/wrap"
)

const introduction = `# What meshtask says when something is wrong

Each page is one fault, made on purpose with the real Consul and Envoy: what ` + "`meshtask why`" + ` says
while the task runs and after it has ended, the exit code, the conditions, and the end of the log. Look for
the sentence that your task says, or for its code; the page shows what else you would see. How to ask is the
same for all:

| the task | ask |
|---|---|
| runs | ` + "`meshtask why`" + `, and ` + "`meshtask status`" + ` for every condition (in the container, as with ECS Exec) |
| has gone, its directory is left | ` + "`meshtask why --dir DIR`" + ` |
| has gone, its log is left | ` + "`meshtask why LOG`" + `, or ` + "`… | meshtask why -`" + `: as the task wrote it, or as CloudWatch, docker or compose print it |

The answer is the same in all of these: the cause is decided once, when the task ends, and is the last line
of the log for people as well as ` + "`why`" + ` in summary.json. ` + "`meshtask config docs --codes`" + ` lists every code.

These files are generated (` + "`make faults`" + `); a test fails when one does not say what is seen. Process IDs, times,
addresses and paths stand for others.

| fault | exit | code | cause | fix |
|---|---|---|---|---|
`

// page is what is written of one fault.
type page struct {
	fault fault
	seen  seen
}

func newPage(f fault, s seen) page { return page{f, s} }

// row is the line of the index, of the text of a page.
func row(name, text string) string {
	title, _, _ := strings.Cut(strings.TrimPrefix(text, "# "), "\n")
	var exit, code string
	if m := regexp.MustCompile("Exit code (\\d+), code `([a-z-]+)`").FindStringSubmatch(text); m != nil {
		exit, code = m[1], m[2]
	}
	_, cause, fix := answered(text)
	cell := strings.NewReplacer("|", "\\|").Replace
	return fmt.Sprintf("| [%s](%s.md) | %s | `%s` | %s | %s |\n", title, name, exit, code, cell(cause), cell(strings.TrimPrefix(fix, "Fix: ")))
}

// answered is the answer of a page after the task's end: the state, the cause and the fix.
func answered(text string) (state, cause, fix string) {
	_, end, _ := strings.Cut(text, "\n## After its end\n")
	_, end, _ = strings.Cut(end, "```text\n")
	end, _, _ = strings.Cut(end, "```")
	said := append(strings.Split(strings.ReplaceAll(end, "\n  ", " "), "\n"), "", "", "")
	if !strings.HasPrefix(said[2], "Fix: ") {
		said[2] = "–"
	}
	return said[0], said[1], said[2]
}

// text is the whole page.
func (p page) text() string {
	f, s := p.fault, p.seen
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n%s\n\nExit code %d, code `%s`.\n", f.title, f.broken, s.exit, s.end.Code)
	if s.live != "" {
		fmt.Fprintf(&b, "\n## While it runs\n\n`meshtask why` asks the live task:\n\n```text\n%s```\n\n%s", wrapped(s.normal(s.live)), conditions(s))
	}
	fmt.Fprintf(&b, "\n## After its end\n\n`meshtask why --dir DIR`, and `meshtask why LOG` with the log alone:\n\n```text\n%s```\n", wrapped(s.normal(s.endText)))
	fmt.Fprintf(&b, "\n## The last lines of its log\n\n```text\n%s```\n", tail(s.normal(s.log)))
	return b.String()
}

// heart is what of a page a test compares: exit code, code, and the answer at its end. The rest
// differs with the speed of the machine.
func heart(text string) string {
	head, _, _ := strings.Cut(text, "\n## ")
	state, cause, fix := answered(text)
	return strings.Join([]string{strings.TrimSpace(head), state, cause, fix, ""}, "\n")
}

// conditions are those of the live task.
func conditions(s seen) string {
	if len(s.status.Conditions) == 0 {
		return ""
	}
	var not, good []string
	for _, c := range s.status.Conditions {
		if c.OK {
			good = append(good, c.Name)
		} else {
			not = append(not, fmt.Sprintf("| `%s` | `%s` | %s |\n", c.Name, c.Code, strings.ReplaceAll(s.normal(c.Reason), "|", "\\|")))
		}
	}
	var b strings.Builder
	if len(not) > 0 {
		fmt.Fprintf(&b, "| does not hold | code | reason |\n|---|---|---|\n%s\n", strings.Join(not, ""))
	}
	if len(good) > 0 {
		fmt.Fprintf(&b, "Good: %s.\n", strings.Join(good, ", "))
	}
	return b.String()
}

const (
	lines   = 10  // of the log
	columns = 100 // of text
	longest = 400 // of a line of the log
)

// tail is the end of a log.
func tail(log string) string {
	all := strings.Split(strings.TrimRight(log, "\n"), "\n")
	var b strings.Builder
	for _, line := range all[max(0, len(all)-lines):] {
		if i := strings.Index(line, "meshtask: summary: "); i >= 0 {
			line = line[:i] + "meshtask: summary: {…}"
		}
		if r := []rune(line); len(r) > longest {
			line = string(r[:longest]) + "…"
		}
		b.WriteString(line + "\n")
	}
	return b.String()
}

// wrapped has long lines broken at spaces.
func wrapped(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(strings.Join(wrap.Lines("", "  ", line, columns), "\n") + "\n")
	}
	return b.String()
}

// volatile is what is another one in each run, with what stands for it.
var volatile = []struct {
	what *regexp.Regexp
	with string
}{
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[.0-9]*(Z|[+-]\d\d:\d\d)`), "2026-12-01T03:00:00.000Z"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC`), "2026-12-01 03:00:00 UTC"},
	{regexp.MustCompile(`pid[ =]\d+`), "pid 17"},
	{regexp.MustCompile(`on [0-9.]+:53\b`), "on 10.0.0.2:53"},
	{regexp.MustCompile(`PATH is [^)]*`), "PATH is /usr/local/bin:/usr/bin:/bin"},
	{regexp.MustCompile(`\b127\.([1-9]\d*\.\d+\.\d+|0\.[1-9]\d*\.\d+)\b`), "10.0.9.9"},
	{regexp.MustCompile(`[^ "=:]*/TestFaults[^ "=:,)]*/`), "/srv/"},
	{regexp.MustCompile(`\b\d+(\.\d+)? s\b`), "… s"},
	{regexp.MustCompile(`\b(\d+m)?\d+\.\d+(s|ms|µs)\b`), "…s"},
	{regexp.MustCompile(`\bms=[0-9.e+]+`), "ms=…"},
	{regexp.MustCompile(`peak_bytes=\d+`), "peak_bytes=…"},
	{regexp.MustCompile(`(127\.0\.0\.1|10\.0\.[13]\.\d+):(3\d{4}|[456]\d{4})\b`), "$1:40000"},
	{regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`), "3d0e9c92-0000-4000-8000-000000000000"},
}

// normal is a text without what is another one in each run.
func (b *bed) normal(text string) string {
	root := harness.Root(b.t)
	names := map[string]string{b.dir: "/srv", b.Dir: "/run/meshtask", filepath.Join(root, ".tools", "e2e"): "/usr/local/bin", filepath.Join(root, ".tools", "bin"): "/usr/local/bin"}
	maps.Copy(names, b.names)
	var all []string
	for from := range names {
		all = append(all, from)
	}
	slices.SortFunc(all, func(a, b string) int { return len(b) - len(a) })
	for _, from := range all {
		text = strings.ReplaceAll(text, from, names[from])
	}
	for _, v := range volatile {
		text = v.what.ReplaceAllString(text, v.with)
	}
	return text
}
