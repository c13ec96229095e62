// Package terminal says how large the terminal is that a command prints to, and which colours
// it may have there. It knows nothing of what is printed.
package terminal

import (
	"os"

	"golang.org/x/sys/unix"
)

// Size is the size of the terminal that f is, in characters; ok is false where it is none. One
// that does not tell is taken for 80 by 24.
func Size(f *os.File) (width, height int, ok bool) {
	if !is(f) {
		return 0, 0, false
	}
	s, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil || s.Col == 0 || s.Row == 0 {
		return 80, 24, true
	}
	return int(s.Col), int(s.Row), true
}

func is(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// Colours says whether f is a terminal that is to have colours: NO_COLOR (no-color.org) and a
// TERM that has none say no.
func Colours(f *os.File, getenv func(string) string) bool {
	return is(f) && getenv("NO_COLOR") == "" && getenv("TERM") != "dumb" && getenv("TERM") != ""
}
