package envoy

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"meshtask/supervisor"
)

// What Consul 1.22.6 declares (xDS.SupportedProxies: 1.35.8, 1.34.12, 1.33.14,
// and every earlier patch of these minors). Its xDS server refuses what is older
// than the first; newer ones it serves, undeclared.
const (
	consulVersion = "1.22"
	minMinor      = 33
	maxMinor      = 35
)

// VersionError says that Consul does not declare this Envoy.
type VersionError struct {
	Version string
	TooOld  bool // Consul refuses it; otherwise it is merely undeclared
}

func (e *VersionError) Error() string {
	if e.TooOld {
		return fmt.Sprintf("envoy %s is too old: Consul %s serves 1.%d.0 and later", e.Version, consulVersion, minMinor)
	}
	return fmt.Sprintf("envoy %s is outside 1.%d to 1.%d, which Consul %s declares", e.Version, minMinor, maxMinor, consulVersion)
}

// Fits returns nil for a version that Consul 1.22 declares. A version that
// cannot be read counts as undeclared.
func Fits(version string) *VersionError {
	major, minor, ok := majorMinor(version)
	switch {
	case !ok, major > 1, major == 1 && minor > maxMinor:
		return &VersionError{Version: version}
	case major < 1, minor < minMinor:
		return &VersionError{Version: version, TooOld: true}
	}
	return nil
}

func majorMinor(version string) (major, minor int, ok bool) {
	parts := strings.SplitN(version, ".", 3)
	if len(parts) != 3 {
		return 0, 0, false
	}
	major, err := strconv.Atoi(parts[0])
	minor, err2 := strconv.Atoi(parts[1])
	return major, minor, err == nil && err2 == nil
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

// parseVersion reads the second of the five fields of
// "<sha>/1.36.2/Clean/RELEASE/BoringSSL", alone or as `envoy --version` prints it.
func parseVersion(text string) (string, error) {
	fields := strings.Split(strings.TrimSpace(text[strings.LastIndexByte(strings.TrimSpace(text), ' ')+1:]), "/")
	if len(fields) != 5 || fields[1] == "" {
		return "", errors.New("not a version of envoy: " + strconv.Quote(clip(text)))
	}
	return fields[1], nil
}
