package consulagent

import (
	"context"
	"strings"

	"github.com/hashicorp/consul/api"
)

// About is what an agent tells of itself.
type About struct {
	Version string   // such as "1.22.6"; "" is not known
	Envoys  []string // the versions of Envoy that it lists; nil where no token may ask
}

// Version is what the agent has said of itself at its latest start, such as "1.22.6"; "" before
// that.
func (a *Agent) Version() string {
	lines := a.lines.Load()
	if lines == nil {
		return ""
	}
	now, _ := lines.state()
	return now.version
}

// About asks an agent for its version and the Envoys that it lists, which takes agent:read.
// Without it there is the version that the agent gossips, if a token may read its node.
func (c *Client) About(ctx context.Context) (About, error) {
	var self struct {
		Config struct{ Version string }
		XDS    struct{ SupportedProxies map[string][]string } `json:"xDS"`
	}
	var members []*api.AgentMember
	err := c.first(ctx, "/v1/agent/self", &self)
	if err == nil {
		return About{Version: self.Config.Version, Envoys: self.XDS.SupportedProxies["envoy"]}, nil
	}
	if err := c.first(ctx, "/v1/agent/members", &members); err != nil {
		return About{}, err
	}
	node, err := c.Node(ctx)
	if err != nil {
		return About{}, err
	}
	for _, m := range members {
		if m.Name == node {
			version, _, _ := strings.Cut(m.Tags["build"], ":")
			return About{Version: version}, nil
		}
	}
	return About{}, nil
}

// first reads path with the first token that may: the agent's own, or the service's.
func (c *Client) first(ctx context.Context, path string, out any) error {
	err := c.read(ctx, c.cfg.AgentToken(), path, out)
	if err != nil && c.cfg.Token() != c.cfg.AgentToken() {
		err = c.read(ctx, c.cfg.Token(), path, out)
	}
	return err
}

func (c *Client) read(ctx context.Context, token, path string, out any) error {
	return c.calls.Call(ctx, token, func(a *api.Client, q *api.QueryOptions) error {
		_, err := a.Raw().Query(path, out, q)
		return err
	})
}
