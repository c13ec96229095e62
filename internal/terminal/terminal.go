// Package terminal says how large the terminal is that a command prints to, and which colours
// it may have there. It knows nothing of what is printed.
package terminal

import (
	"os"

	"golang.org/x/sys/unix"
)

// Size is the size of the terminal that f is, in characters; ok is false where it is none, or
// one that does not tell.
func Size(f *os.File) (width, height int, ok bool) {
	s, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil || s.Col == 0 || s.Row == 0 {
		return 0, 0, false
	}
	return int(s.Col), int(s.Row), true
}

// Colours says whether f is a terminal that is to have colours: NO_COLOR (no-color.org) and a
// TERM that has none say no.
func Colours(f *os.File, getenv func(string) string) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil && getenv("NO_COLOR") == "" && getenv("TERM") != "dumb" && getenv("TERM") != ""
}
