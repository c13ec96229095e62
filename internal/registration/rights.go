package registration

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/hashicorp/consul/api"

	"meshtask/internal/event"
)

// Right is what a token may be allowed: to read or write a resource, such as service, by name.
type Right struct {
	Resource string `json:"Resource"`
	Access   string `json:"Access"`
	Segment  string `json:"Segment,omitempty"`
}

// String is the right in the words of a policy.
func (r Right) String() string {
	text := r.Resource + ":" + r.Access
	if r.Segment != "" {
		text += " on " + r.Segment
	}
	return text
}

// maxRights is how many rights Consul says of in one answer.
const maxRights = 64

// Lacking are those rights that a token does not have, by the servers' word. Any token may ask for
// itself; where ACLs are off nothing is lacking.
func (c *Caller) Lacking(ctx context.Context, token string, rights []Right) (lacking []Right, err error) {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	question, err := json.Marshal(rights[:min(len(rights), maxRights)])
	if err != nil {
		return nil, err
	}
	at := c.Address
	if !strings.Contains(at, "://") {
		at = "http://" + at
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, at+"/v1/internal/acl/authorize", bytes.NewReader(question))
	if err != nil {
		return nil, err
	}
	r.Header.Set("X-Consul-Token", token)
	answer, err := c.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body) // which is bounded
	switch {
	case err != nil:
		return nil, Answered(c.Who, err)
	case answer.StatusCode == http.StatusUnauthorized:
		return nil, nil
	case answer.StatusCode != http.StatusOK:
		return nil, Answered(c.Who, api.StatusError{Code: answer.StatusCode, Body: string(body)})
	}
	var told []struct {
		Right
		Allow bool `json:"Allow"`
	}
	if err := json.Unmarshal(body, &told); err != nil {
		return nil, Answered(c.Who, err)
	}
	for _, t := range told {
		if !t.Allow {
			lacking = append(lacking, t.Right)
		}
	}
	return lacking, nil
}

// Gateway says whether a gateway has in Consul what it needs to serve: its config entry, routes of
// an API gateway, and the rights of its token, of whose lack Consul says nothing. false: that
// cannot be seen.
func (w *Watch) Gateway(ctx context.Context) (event.Condition, bool) {
	c := event.Condition{Name: event.CondGateway, OK: true}
	switch w.Registration.Gateway.Kind {
	case api.ServiceKindTerminatingGateway:
		return w.terminating(ctx, c)
	case api.ServiceKindAPIGateway:
		return w.apiGateway(ctx, c)
	}
	return w.meshGateway(ctx, c)
}

func gatewayLacks(c event.Condition, code event.Code, facts event.Facts, format string, args ...any) (event.Condition, bool) {
	c.OK, c.Code, c.Reason, c.Facts = false, code, fmt.Sprintf(format, args...), facts
	return c, true
}

// terminating: each service that the entry links needs write, or it gets no filter chain.
func (w *Watch) terminating(ctx context.Context, c event.Condition) (event.Condition, bool) {
	name := w.Registration.Name
	var linked []*api.GatewayService
	if err := w.Call(ctx, w.Token(), func(a *api.Client, q *api.QueryOptions) (err error) {
		linked, _, err = a.Catalog().GatewayServices(name, q)
		return err
	}); err != nil {
		return c, false
	}
	if len(linked) == 0 {
		return gatewayLacks(c, event.GatewayNoEntry, event.Facts{"kind": "terminating-gateway", "name": name}, "no service is linked to %s by a terminating-gateway config entry of this name", name)
	}
	var rights []Right
	for _, s := range linked {
		rights = append(rights, Right{"service", "write", s.Service.Name})
	}
	lacking, ok := w.lacking(ctx, rights)
	if len(lacking) == 0 {
		return c, ok
	}
	chains := "its chain is"
	if len(lacking) > 1 {
		chains = "their chains are"
	}
	text := "the token lacks " + words(lacking) + ": " + chains + " missing"
	return gatewayLacks(c, event.GatewayRights, event.Facts{"rights": words(lacking), "name": name}, "%s", text)
}

// boundGateway is what Consul makes of an api-gateway entry and its routes.
type boundGateway struct {
	Name      string
	Listeners []struct{ Routes []any }
	Services  map[string]any // that the routes lead to, by name
}

// apiGateway: its bound entry says which routes it has, and which services they lead to. Entries
// are listed, as servers log an error for each one that there is not.
func (w *Watch) apiGateway(ctx context.Context, c event.Condition) (event.Condition, bool) {
	name := w.Registration.Name
	var all []boundGateway
	if err := w.Call(ctx, w.Token(), func(a *api.Client, q *api.QueryOptions) error {
		_, err := a.Raw().Query("/v1/config/bound-api-gateway", &all, q)
		return err
	}); err != nil {
		return c, false
	}
	rights := []Right{{"service", "read", name}}
	i := slices.IndexFunc(all, func(b boundGateway) bool { return b.Name == name })
	if i >= 0 {
		routes := 0
		for _, l := range all[i].Listeners {
			routes += len(l.Routes)
		}
		if routes == 0 {
			return gatewayLacks(c, event.GatewayNoRoute, event.Facts{"name": name}, "no route bound: no http-route or tcp-route names a listener of api-gateway %s as its parent", name)
		}
		rights = append(rights, Right{"mesh", "read", ""}, Right{"node", "read", name}) // any node: policies name all
		for _, s := range slices.Sorted(maps.Keys(all[i].Services)) {
			rights = append(rights, Right{"service", "read", s})
		}
	}
	lacking, ok := w.lacking(ctx, rights)
	switch {
	case len(lacking) > 0:
		return gatewayLacks(c, event.GatewayRights, event.Facts{"rights": words(lacking), "name": name}, "no rights: the token lacks %s: Consul sends no listener", words(lacking))
	case i < 0 && ok:
		return gatewayLacks(c, event.GatewayNoEntry, event.Facts{"kind": "api-gateway", "name": name}, "there is no api-gateway config entry named %s", name)
	}
	return c, ok
}

// meshGateway reads what the mesh is configured with.
func (w *Watch) meshGateway(ctx context.Context, c event.Condition) (event.Condition, bool) {
	lacking, ok := w.lacking(ctx, []Right{{"mesh", "read", ""}})
	if len(lacking) > 0 {
		return gatewayLacks(c, event.GatewayRights, event.Facts{"rights": words(lacking), "name": w.Registration.Name}, "the token lacks %s: services behind peers and routes by config entries are not served", words(lacking))
	}
	return c, ok
}

func (w *Watch) lacking(ctx context.Context, rights []Right) ([]Right, bool) {
	if !w.ACLs {
		return nil, true
	}
	lacking, err := w.Lacking(ctx, w.Token(), rights)
	return lacking, err == nil
}

// words are rights as one says them.
func words(rights []Right) string {
	const most = 5
	var all []string
	for i, r := range rights {
		if i == most {
			all = append(all, fmt.Sprintf("%d more", len(rights)-most))
			break
		}
		all = append(all, r.String())
	}
	return strings.Join(all, ", ")
}
