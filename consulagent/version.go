package consulagent

import (
	"context"
	"regexp"
	"time"

	"meshtask/supervisor"
)

// says is the line of `consul version` that has the version.
var says = regexp.MustCompile(`(?m)^Consul v(\S+)`)

// Version runs `consul version`, for at most 5 seconds; "" when that names none. A running agent
// is cheaper to ask.
func Version(ctx context.Context, sup *supervisor.Supervisor, path string, env []string) (string, error) {
	text, err := sup.Output(ctx, supervisor.Spec{Name: "consul version", Argv: []string{path, "version"}, Env: env}, 5*time.Second)
	if err != nil {
		return "", err
	}
	if found := says.FindSubmatch(text); found != nil {
		return string(found[1]), nil
	}
	return "", nil
}
