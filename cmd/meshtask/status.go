package main

import (
	"errors"
	"fmt"

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

// watch prints the state whenever it changes, until the task has ended or a signal comes. On a
// terminal it stays in place.
func (w *world) watch(c call, found inspect.Found) int {
	said, code := "", 0
	gone, err := w.places(c).Watch(w.signals, found, func(f inspect.Found) bool {
		_, height, ok := terminal.Size(w.stdout)
		switch key := inspect.Still(f); {
		case ok && !c.On("json"):
			code = w.write(inspect.Frame(inspect.Text(f, w.screen()), height))
		case key != said:
			said, code = key, w.show(c, f)
		}
		return code == 0
	})
	if err != nil {
		return w.fail(1, "status: %v", err)
	}
	if gone != nil {
		fmt.Fprintf(w.stderr, "meshtask: status: it is gone. %s %s\n", gone.State, gone.Cause)
	}
	return code
}
