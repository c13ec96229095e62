package envoy

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"meshtask/envoy/pairs"
	"meshtask/internal/event"
	"meshtask/supervisor"
)

// Server is the Consul that serves an Envoy its configuration, as far as it is known.
type Server struct {
	Version string   // such as "1.22.6"; "" is not known
	Envoys  []string // the versions that it lists by its own word; nil where it does not say
}

// declares says whether Consul lists a version of Envoy, and by which list; known is false
// where there is none. A listed version stands for every patch of its minor.
func (s Server) declares(version string) (list string, declared, known bool) {
	if len(s.Envoys) > 0 {
		return strings.Join(s.Envoys, ", "), slices.ContainsFunc(s.Envoys, func(v string) bool { return series(v) != "" && series(v) == series(version) }), true
	}
	line, ok := pairs.Of(s.Version)
	return line.Envoys(), line.Declares(version), ok
}

// VersionError says that Consul refuses this Envoy, or serves it and does not list it.
type VersionError struct {
	Envoy, Consul string // versions; "" is not known
	Refused       string // Consul's own words
	List          string // without Refused: what Consul lists
}

func (e *VersionError) Error() string {
	text := "Consul" + spaced(e.Consul)
	if e.Refused != "" {
		text += " refuses Envoy" + spaced(e.Envoy) + ": " + e.Refused
	} else {
		text += " does not list Envoy" + spaced(e.Envoy) + " (it lists " + e.List + "), and envoy.strictVersion is set"
	}
	return text + "; " + e.Fits()
}

// Fits says in words which pair fits that is nearest to this one.
func (e *VersionError) Fits() string {
	if near := pairs.Nearest(e.Consul, e.Envoy); near != "" {
		return "use " + near
	}
	return "use a version of Envoy that this Consul lists (docs/versions.md)"
}

func spaced(version string) string {
	if version == "" {
		return ""
	}
	return " " + version
}

// misfit is the error that ends Envoy's unit.
func misfit(e *VersionError) error {
	return event.Because(event.EnvoyVersion, e, "envoy", e.Envoy, "consul", e.Consul, "fits", e.Fits())
}

// refusal finds Consul's words in the line that Envoy writes of an xDS stream that was ended
// with INVALID_ARGUMENT. Consul has no other answer to an Envoy that it does not serve.
var refusal = regexp.MustCompile(`closed: 3, (Envoy (\S+) is too old .*not supported by Consul[^{]*)`)

// refused gives the refusal that a line has to the one who waits for Envoy.
func (p *Proxy) refused(line string) {
	found := refusal.FindStringSubmatch(line)
	if found == nil {
		return
	}
	select {
	case p.refusals <- VersionError{Envoy: found[2], Refused: strings.TrimSpace(found[1])}:
	default: // said already: Envoy tries again and again
	}
}

// strict judges the running Envoy, where envoy.strictVersion wants that. Where it cannot be
// judged, Consul's own word counts: it serves it, or refuses it.
func (p *Proxy) strict(ctx context.Context, admin *Admin) (known bool, err error) {
	version, err := admin.Version(ctx)
	if err != nil && !errors.Is(err, ErrNoVersion) {
		return false, nil // asked again
	}
	server := p.server(ctx)
	list, declared, known := server.declares(version)
	switch {
	case !known || series(version) == "":
		p.unjudged.Do(func() {
			p.c.Log.Warn("envoy.strictVersion cannot be kept: it is not known what this Consul lists, or which Envoy this is", "consul", server.Version, "envoy", version)
		})
	case !declared:
		return true, misfit(&VersionError{Envoy: version, Consul: server.Version, List: list})
	}
	return true, nil
}

func (p *Proxy) server(ctx context.Context) Server {
	if p.c.Server == nil {
		return Server{}
	}
	return p.c.Server(ctx)
}

// series is the minor that a version belongs to, such as "1.36"; "" where it cannot be read.
func series(version string) string {
	parts := strings.SplitN(version, ".", 3)
	if len(parts) != 3 {
		return ""
	}
	for _, part := range parts[:2] {
		if _, err := strconv.Atoi(part); err != nil {
			return ""
		}
	}
	return parts[0] + "." + parts[1]
}

// Version runs `envoy --version`, for at most 5 seconds. A running Envoy is
// cheaper to ask: Admin.Version.
func Version(ctx context.Context, start Starter, path string, env []string) (string, error) {
	out, err := start.Output(ctx, supervisor.Spec{Name: "envoy", Argv: []string{path, "--version"}, Env: env}, 5*time.Second)
	if err != nil {
		return "", err
	}
	return parseVersion(string(out))
}

// ErrNoVersion is that a program answered, and named no version of Envoy.
var ErrNoVersion = errors.New("not a version of envoy")

// parseVersion reads the second of the five fields of
// "<sha>/1.36.2/Clean/RELEASE/BoringSSL", alone or as `envoy --version` prints it.
func parseVersion(text string) (string, error) {
	fields := strings.Split(strings.TrimSpace(text[strings.LastIndexByte(strings.TrimSpace(text), ' ')+1:]), "/")
	if len(fields) != 5 || fields[1] == "" {
		return "", fmt.Errorf("%w: %q", ErrNoVersion, clip(text))
	}
	return fields[1], nil
}
