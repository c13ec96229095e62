package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"

	"meshtask/internal/config"
	"meshtask/internal/printable"
)

// world is all that a run gets from outside: nothing else in the program reads
// the process's environment, streams or signals, but the AWS SDK its AWS_
// variables (internal/awssdk).
type world struct {
	begin   time.Time
	args    []string
	env     []string
	stdin   *os.File
	stdout  *os.File
	stderr  *os.File
	signals <-chan os.Signal
	relayed <-chan struct{} // closed once every signal comes by signals
	chld    <-chan os.Signal
}

// lookup reads one variable; the last one wins, as in a shell.
func (w *world) lookup(name string) (string, bool) {
	for _, kv := range slices.Backward(w.env) {
		if key, value, _ := strings.Cut(kv, "="); key == name {
			return value, true
		}
	}
	return "", false
}

// getenv is lookup without the difference between empty and absent.
func (w *world) getenv(name string) string {
	value, _ := w.lookup(name)
	return value
}

// readFile reads a file that a user named, unless it is longer than limit.
func (w *world) readFile(name string, limit int) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return atMost(f, limit)
}

func atMost(f *os.File, limit int) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(f, int64(limit)+1))
	if err == nil && len(text) > limit {
		err = fmt.Errorf("%s has more than %d bytes", f.Name(), limit)
	}
	return text, err
}

// fail prints one line on standard error and returns code.
func (w *world) fail(code int, format string, args ...any) int {
	w.warn(format, args...)
	return code
}

// warn prints one line on standard error. Its words may be somebody else's.
func (w *world) warn(format string, args ...any) {
	fmt.Fprintf(w.stderr, "meshtask: %s\n", printable.Text(fmt.Sprintf(format, args...)))
}

// logger writes our own lines to out.
func (w *world) logger(cfg config.Log, out io.Writer) hclog.Logger {
	return hclog.New(&hclog.LoggerOptions{
		Name:       "meshtask",
		Level:      hclog.LevelFromString(cfg.Level),
		Output:     printable.Writer(out), // messages are not escaped, nor C1 and bidirectional controls in JSON
		JSONFormat: cfg.Format == "json",
		TimeFormat: "2006-01-02T15:04:05.000Z07:00",
	})
}
