package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"meshtask/internal/ask"
	"meshtask/internal/event"
)

const (
	// A service that has just been started sends no event when it begins to listen, so
	// tcp and http poll: often at first, as maxPause are up within milliseconds.
	pollFirst = 5 * time.Millisecond
	pollMax   = 100 * time.Millisecond
	// An exec probe costs a process each time.
	execFirst = 50 * time.Millisecond
	execMax   = time.Second
	// tryLimit bounds one dial, request or probe command.
	tryLimit = 5 * time.Second
)

// Probe says when a child is ready. The zero Probe is Started.
type Probe struct {
	what, hint string
	// arm is called before each start, where it may add to the Spec. wait returns nil once
	// ready, and tells tried of each failed try; done frees what arm has made.
	arm func(spec *Spec) (wait waitFunc, done func(), err error)
}

type waitFunc func(ctx context.Context, tried func(error)) error

// errReadyTimeout tells the probe's own time limit from an end of the child or the task.
var errReadyTimeout = errors.New("the readiness timeout is over")

// prepare arms the probe for one life; wait is nil when there is nothing to wait for.
func (p Probe) prepare(spec *Spec) (wait waitFunc, done func(), err error) {
	if p.arm == nil {
		return nil, func() {}, nil
	}
	return p.arm(spec)
}

// Await waits for what is not a child of ours, such as an app in another container. Only
// Asked and Exec can. report gets a Waiting for each failed try, and a WaitOver at the
// end; nil is allowed.
func (p Probe) Await(ctx context.Context, report event.Report) error {
	wait, done, err := p.prepare(&Spec{})
	if err != nil || wait == nil {
		return err
	}
	defer done()
	report = report.Or()
	report(p.waiting(nil))
	defer report(event.WaitOver{})
	return wait(ctx, func(err error) { report(p.waiting(err)) })
}

// waiting is the wait for p, whose last try ended with err; nil: there was none.
func (p Probe) waiting(err error) event.Waiting {
	w := event.Waiting{Code: event.AppNotReady, What: p.what, Fix: p.hint}
	if err != nil {
		w.Err = err.Error()
	}
	if c := event.CauseOf(err); c != nil {
		w.Code, w.Facts = c.Code, c.Facts
	}
	return w
}

// Started is ready as soon as the child has been executed.
func Started() Probe { return Probe{} }

// Asked is ready when the question q has a yes. what says what it asks for, and hint what is
// usually missing, each in a few words.
func Asked(q ask.Question, what, hint string) Probe {
	return polled(what, hint, pollFirst, pollMax, q)
}

// Exec is ready when the command of spec exits with 0. spec is asked at each try, as the
// environment may be known only then. Each try is a process group of its own, killed after
// 5 s or when the waiting ends.
func Exec(sup *Supervisor, spec func() Spec) Probe {
	try := func(ctx context.Context) error {
		if _, err := sup.Output(ctx, spec(), tryLimit); err != nil {
			return event.Because(event.AppNotReady, err, "command", strings.Join(spec().Argv, " "))
		}
		return nil
	}
	return polled("exec "+strings.Join(spec().Argv, " "), "run this command by hand: it must exit with 0", execFirst, execMax, try)
}

func polled(what, hint string, first, maxPause time.Duration, try func(context.Context) error) Probe {
	wait := func(ctx context.Context, tried func(error)) error {
		for pause := first; ; pause = min(pause*3/2, maxPause) {
			limited, cancel := context.WithTimeout(ctx, tryLimit)
			err := try(limited)
			cancel()
			if err == nil {
				return nil
			}
			if end, ok := ctx.Deadline(); ok && !time.Now().Before(end) {
				<-ctx.Done() // a dial may notice before, and "timeout" would hide what came before
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
			tried(err)
			select {
			case <-time.After(pause):
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	arm := func(*Spec) (waitFunc, func(), error) { return wait, func() {}, nil }
	return Probe{what: what, hint: hint, arm: arm}
}

// FD is ready when the child writes a newline to descriptor n, which it inherits as the
// write end of a pipe; what comes before the newline is ignored. n is 3 or more.
func FD(n int) Probe {
	arm := func(spec *Spec) (waitFunc, func(), error) {
		if n < 3 {
			return nil, nil, fmt.Errorf("readiness descriptor must be 3 or more, got %d", n)
		}
		r, w, err := os.Pipe()
		if err != nil {
			return nil, nil, fmt.Errorf("make the readiness pipe: %w", err)
		}
		files := append([]*os.File(nil), spec.ExtraFiles...)
		for len(files) <= n-3 {
			files = append(files, nil)
		}
		files[n-3] = w
		spec.ExtraFiles = files
		wait := func(ctx context.Context, tried func(error)) error {
			w.Close() // the child has it now
			defer context.AfterFunc(ctx, func() { _ = r.SetReadDeadline(time.Unix(1, 0)) })()
			err := awaitNewline(r)
			if err == nil || ctx.Err() != nil {
				return err
			}
			tried(err) // and it cannot become ready any more
			<-ctx.Done()
			return ctx.Err()
		}
		return wait, func() { r.Close(); w.Close() }, nil
	}
	return Probe{what: fmt.Sprintf("newline on descriptor %d", n), hint: "have the app write a newline there once it serves", arm: arm}
}

func awaitNewline(r io.Reader) error {
	buf := make([]byte, 64)
	for {
		n, err := r.Read(buf)
		if strings.Contains(string(buf[:n]), "\n") {
			return nil
		}
		if err == io.EOF {
			return errors.New("the descriptor was closed without a newline")
		}
		if err != nil {
			return err
		}
	}
}
