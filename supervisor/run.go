package supervisor

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"time"
)

const (
	maxOutput = 4 << 20 // of each stream that Output keeps; the rest is read and dropped
	maxWords  = 300     // of the line that an error quotes
)

// Output runs a command to its end, within limit, and returns its standard output, 4 MiB at
// most. What it leaves behind in its group is killed. The error is:
//   - a *StartError;
//   - one that unwraps to the *Exit, with the last line of standard error, or of standard
//     output where that is empty;
//   - the cause of ctx, or that limit is over: the command's group was killed then;
//     Where KILL did not end it, a *StuckError as well.
//
// Lines, Stdout and Stderr of spec are not used.
func (s *Supervisor) Output(ctx context.Context, spec Spec, limit time.Duration) ([]byte, error) {
	limited, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("it has not ended within %v", limit))
	defer cancel()
	var out [2]collector
	spec.sinks = []sink{&out[0], &out[1]}
	c, err := s.Start(spec)
	if err != nil {
		return nil, err
	}
	select {
	case <-c.Done():
	case <-limited.Done():
		if stuck := c.Kill(ctx, context.Cause(limited), 0); stuck != nil {
			return nil, stuck
		}
	}
	c.Clear(0)
	<-c.out.ended
	exit := c.Exit()
	switch {
	case exit.Status() == 0:
		return out[0].data, nil
	case limited.Err() != nil:
		return nil, fmt.Errorf("%s: %w", spec.Name, context.Cause(limited))
	}
	for _, stream := range []int{1, 0} {
		if line := lastLine(out[stream].data); line != "" {
			return nil, fmt.Errorf("%w: %s", &exit, line)
		}
	}
	return nil, &exit
}

// collector keeps the beginning of a stream.
type collector struct {
	data []byte
	room []byte
}

func (c *collector) space() []byte {
	if c.room == nil {
		c.room = make([]byte, 8<<10)
	}
	return c.room
}

func (c *collector) read(n int) {
	c.data = append(c.data, c.room[:min(n, maxOutput-len(c.data))]...)
}

func (c *collector) flush() {}

func lastLine(text []byte) string {
	text = bytes.TrimSpace(text)
	line := string(text[bytes.LastIndexByte(text, '\n')+1:])
	if len(line) > maxWords {
		return strings.ToValidUTF8(line[:maxWords], "") + "…"
	}
	return line
}
