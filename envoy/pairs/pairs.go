// Package pairs is the table of which Envoys each line of Consul declares, as HashiCorp has
// published it. It is for sentences: whether a pair works is for Consul to say, which refuses
// what it does not serve, and lists what it supports to those who may ask
// (GET /v1/agent/self, xDS.SupportedProxies).
package pairs

import (
	"fmt"
	"strconv"
	"strings"
)

// Line is one line of Consul and the minor versions of Envoy that it declares.
type Line struct {
	Consul   string // such as "1.22"
	From, To int    // Envoy 1.From to 1.To
}

// Lines are ordered by age. Consul's long-term lines (1.15, 1.18, 1.21) take in newer Envoys
// with their patches, so To is what the line is known to declare at least.
func Lines() []Line {
	return []Line{
		{"1.11", 17, 20}, {"1.12", 19, 22}, {"1.13", 20, 23}, {"1.14", 21, 24}, {"1.15", 22, 25}, {"1.16", 23, 26}, {"1.17", 24, 27},
		{"1.18", 24, 28}, {"1.19", 26, 29}, {"1.20", 26, 31}, {"1.21", 31, 34}, {"1.22", 33, 35}, {"2.0", 34, 37},
	}
}

// Of is the line that a version of Consul belongs to, such as "1.22.6" or "1.21.4+ent"; false
// for a version that cannot be read, and for a line that the table does not have.
func Of(consul string) (Line, bool) {
	major, minor, ok := majorMinor(consul)
	if !ok {
		return Line{}, false
	}
	name := fmt.Sprintf("%d.%d", major, minor)
	for _, l := range Lines() {
		if l.Consul == name {
			return l, true
		}
	}
	return Line{}, false
}

// Declares says whether the line has this version of Envoy, such as "1.35.8". A version that
// cannot be read is none of them.
func (l Line) Declares(envoy string) bool {
	major, minor, ok := majorMinor(envoy)
	return ok && major == 1 && l.From <= minor && minor <= l.To
}

// Envoys is the line's range in words.
func (l Line) Envoys() string { return fmt.Sprintf("Envoy 1.%d to 1.%d", l.From, l.To) }

// Nearest says in words which pairs fit that have one side of this one: the Envoys of this
// Consul, and the newest line of Consul that declares this Envoy. "" where the table knows
// neither.
func Nearest(consul, envoy string) string {
	var ways []string
	line, known := Of(consul)
	if known && line.Declares(envoy) {
		return ""
	}
	if known {
		ways = append(ways, line.Envoys()+" with Consul "+line.Consul)
	}
	for i := len(Lines()) - 1; i >= 0; i-- {
		if l := Lines()[i]; l.Declares(envoy) {
			ways = append(ways, "Consul "+l.Consul+" with Envoy "+series(envoy))
			break
		}
	}
	return strings.Join(ways, ", or ")
}

// Known is what is known of two versions without asking a running Consul; "" is a program that
// names none. Refused is only what that Consul will refuse.
func Known(consul, envoy string) (words string, refused bool) {
	const ends = "A Consul that does not serve an Envoy refuses it, and the task ends with 207"
	line, known := Of(consul)
	switch {
	case envoy == "":
		return "not known to fit: it names no version. " + ends, false
	case !known:
		return "not known to fit: docs/versions.md has no list of this Consul. " + ends, false
	case line.Declares(envoy):
		return "declared by Consul " + line.Consul, false
	case Older(envoy, line.From):
		return "too old, Consul " + line.Consul + " refuses it; use " + Nearest(consul, envoy), true
	}
	return "not declared by Consul " + line.Consul + ", which declares " + line.Envoys() + " and serves later ones; docs/versions.md has what was tested", false
}

// Older says whether a version is before 1.minor; false for one that cannot be read.
func Older(version string, minor int) bool {
	major, got, ok := majorMinor(version)
	return ok && (major < 1 || major == 1 && got < minor)
}

// AtLeast says whether a version is 1.minor or later; false for one that cannot be read.
func AtLeast(version string, minor int) bool {
	major, got, ok := majorMinor(version)
	return ok && (major > 1 || major == 1 && got >= minor)
}

func series(version string) string {
	major, minor, _ := majorMinor(version)
	return fmt.Sprintf("%d.%d", major, minor)
}

// majorMinor reads the first two numbers of a version.
func majorMinor(version string) (major, minor int, ok bool) {
	parts := strings.SplitN(strings.TrimPrefix(version, "v"), ".", 3)
	if len(parts) != 3 {
		return 0, 0, false
	}
	major, err := strconv.Atoi(parts[0])
	minor, err2 := strconv.Atoi(parts[1])
	return major, minor, err == nil && err2 == nil && major >= 0 && minor >= 0
}
