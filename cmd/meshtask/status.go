package main

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"meshtask/internal/inspect"
	"meshtask/internal/terminal"
)

// runStatus is `meshtask status`: the live state of the task that runs, or a list of those
// that do.
func runStatus(w *world, c call) int {
	if len(c.Rest)+len(c.Cmd) > 0 {
		return w.fail(exitUsage, "status: takes no arguments; a directory goes to --dir")
	}
	if c.On("metrics") {
		text, err := w.places(c).Scrape()
		if err != nil {
			return w.fail(1, "status: %v", err)
		}
		return w.print(text)
	}
	found, err := w.places(c).Status()
	if several, ok := errors.AsType[*inspect.SeveralError](err); ok && !c.On("json") && !c.On("watch") {
		return w.print([]byte(several.Error() + "\n"))
	}
	switch {
	case err != nil:
		return w.fail(1, "status: %v", err)
	case c.On("watch"):
		return w.watch(c, found)
	}
	return w.show(c, found)
}

// show prints one state.
func (w *world) show(c call, found inspect.Found) int {
	if c.On("json") {
		return w.print(found.Text)
	}
	return w.write(inspect.Text(found, w.screen()))
}

// screen is what standard output is, within the limits in which a line is read well.
func (w *world) screen() inspect.Screen {
	s := inspect.Screen{Width: 100, Colour: terminal.Colours(w.stdout, w.getenv)}
	if width, _, ok := terminal.Size(w.stdout); ok {
		s.Width = max(40, min(width, s.Width))
	}
	return s
}

// every is how often a task that is watched is asked.
const every = time.Second

// watch prints the state whenever it changes, until the task has ended or a signal comes. On a
// terminal it stays in place.
func (w *world) watch(c call, found inspect.Found) int {
	tick := time.NewTicker(every)
	defer tick.Stop()
	places := w.places(c)
	places.Named = found.Dir // the same one, whatever else comes
	said := ""
	for {
		_, height, ok := terminal.Size(w.stdout)
		switch key := inspect.Still(found); {
		case ok && !c.On("json"):
			w.write(inspect.Frame(inspect.Text(found, w.screen()), height))
		case key != said:
			if code := w.show(c, found); code != 0 {
				return code
			}
			said = key
		}
		select {
		case s := <-w.signals:
			if s == os.Interrupt || s == syscall.SIGTERM || s == syscall.SIGHUP || s == syscall.SIGQUIT {
				return 0
			}
		case <-tick.C:
		}
		next, err := places.Status()
		if err != nil {
			answer, _, werr := places.Why()
			if werr != nil {
				return w.fail(1, "status: %v", err)
			}
			fmt.Fprintf(w.stderr, "meshtask: status: it is gone. %s %s\n", answer.State, answer.Cause)
			return 0
		}
		found = next
	}
}
