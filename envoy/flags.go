package envoy

import (
	"cmp"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"

	"meshtask/envoy/bootstrap"
)

// logFormat begins each line with its level, which line reads back.
const logFormat = "[%l] %n: %v"

// Argv is the command line. Envoy refuses a flag that comes twice, so ours give
// way to the user's. Flags and values are words of their own.
func (c Config) Argv() []string {
	theirs := map[string]bool{}
	for _, word := range c.ExtraArgs {
		theirs[flagName(word)] = true
	}
	argv := []string{c.Path}
	add := func(words ...string) {
		if !theirs[flagName(words[0])] {
			argv = append(argv, words...)
		}
	}
	add("-c", c.Bootstrap)
	add("--disable-hot-restart") // it would clash on shared memory with another Envoy here
	if c.Drain > 0 {
		add("--drain-time-s", strconv.FormatInt(int64((c.Drain+time.Second-1)/time.Second), 10))
	}
	add("--drain-strategy", "immediate")
	if c.Concurrency > 0 {
		add("--concurrency", strconv.Itoa(c.Concurrency))
	}
	add("-l", cmp.Or(c.LogLevel, "warning"))
	add("--log-format", logFormat)
	return append(argv, c.ExtraArgs...)
}

// flagName is the long name of a word that is a flag, else "".
func flagName(word string) string {
	name, _, _ := strings.Cut(word, "=")
	switch {
	case name == "-c":
		return "--config-path"
	case name == "-l":
		return "--log-level"
	case strings.HasPrefix(name, "--"):
		return name
	}
	return ""
}

// line passes on a line of output: on standard error Envoy's log, on standard
// output access logs, if Consul has them there.
func (p *Proxy) line(stream int, line []byte) {
	if len(line) == 0 {
		return // Envoy ends some messages with empty lines
	}
	level, text := parseLevel(string(line))
	p.refused(text)
	p.c.Output(stream, p.filterLine(level, text), p.redact(text))
}

// redact takes out the token: Envoy prints the whole bootstrap when it cannot
// parse it.
func (p *Proxy) redact(text string) string {
	const removed = "[redacted]"
	if at := strings.Index(text, bootstrap.TokenKey); at >= 0 {
		text = text[:at] + removed
	}
	if p.c.Token != nil && p.c.Token() != "" {
		text = strings.ReplaceAll(text, p.c.Token(), removed)
	}
	return text
}

func parseLevel(line string) (hclog.Level, string) {
	word, text, ok := strings.Cut(line, "] ")
	if ok {
		switch word {
		case "[trace":
			return hclog.Trace, text
		case "[debug":
			return hclog.Debug, text
		case "[info":
			return hclog.Info, text
		case "[warning":
			return hclog.Warn, text
		case "[error", "[critical":
			return hclog.Error, text
		}
	}
	return hclog.NoLevel, line
}
