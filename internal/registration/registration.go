// Package registration is a task's service and its sidecar, or a gateway, as Consul is told of
// them, and what the calls that tell it have in common, be they an agent's or a server's: one
// token, limits, tries until a deadline, and the words of a refusal.
//
// It does not know which calls those are, or when they are made.
package registration

import (
	"cmp"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"
)

// Result is what is known of an end: of a leave, or of a deregistration.
type Result string

// The results.
const (
	Verified   Result = "verified"   // seen to be gone
	Unverified Result = "unverified" // asked for, and not seen
	Skipped    Result = "skipped"    // there was nothing to do
)

// Registration is a task's service and its sidecar, or its gateway, as values. IDs, names, meta and
// checks are consul-ecs's to the letter: others find the task by them.
type Registration struct {
	TaskID, TaskARN string

	// Where and what of ECS the task is; "" is not known, and left out. They are meta, where the
	// user's own of the same key wins, and the zone is the locality as well.
	Zone, Revision, LaunchType string

	Name              string
	Port              int
	Tags              []string
	Meta              map[string]string // task-id, task-arn and source are ours: see Overridden
	Weights           *api.AgentWeights // nil is Consul's 1 and 1
	EnableTagOverride bool
	Namespace         string
	Partition         string

	// Checks are native Consul checks, registered as they are. Without any, there is one
	// TTL check for each of Containers.
	Checks     api.AgentServiceChecks
	Containers []string
	TTL        time.Duration // 0 is 30 s

	// Address is for an agent that runs elsewhere; "" is the agent's own.
	Address string

	Proxy   Proxy
	Gateway *Gateway // nil: a service with a sidecar; else of Proxy only Config counts
}

// Proxy is the sidecar's part of a Registration.
type Proxy struct {
	Port                int    // of the public listener; 0 is 20000
	ListenerAddress     string // "" is all interfaces
	LocalServiceAddress string // where Envoy finds the app; "" is Consul's 127.0.0.1
	Config              map[string]any
	Upstreams           []api.Upstream
	MeshGateway         api.MeshGatewayConfig
	Expose              api.ExposeConfig
}

const (
	publicListenerPort = 20000 // consul-ecs's
	defaultTTL         = 30 * time.Second
)

// ServiceID is <name>-<task id>.
func (r Registration) ServiceID() string { return r.Name + "-" + r.TaskID }

// ProxyID is the service ID of the sidecar; a gateway is its own.
func (r Registration) ProxyID() string {
	if r.Gateway != nil {
		return r.ServiceID()
	}
	return r.ServiceID() + "-sidecar-proxy"
}

// CheckID is the check ID of a container's TTL check.
func (r Registration) CheckID(container string) string {
	return r.ServiceID() + "-" + container + "-consul-ecs"
}

// ListenerID and AliasID are the check IDs of the sidecar, as an agent numbers them.
func (r Registration) ListenerID() string { return "service:" + r.ProxyID() + ":1" }

// AliasID is the check ID of the sidecar's alias for the service.
func (r Registration) AliasID() string { return "service:" + r.ProxyID() + ":2" }

// Native says that an agent runs all checks and nobody can set them, so that maintenance mode is
// what holds service and sidecar, or the gateway, back.
func (r Registration) Native() bool { return len(r.Checks) > 0 || r.Gateway != nil }

// Overridden are the keys of Meta that do not take effect, sorted.
func (r Registration) Overridden() []string {
	var keys []string
	for key := range r.Own() {
		if _, ok := r.Meta[key]; ok {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// Own is the meta by which others find the task: consul-ecs's, to the letter.
func (r Registration) Own() map[string]string {
	return map[string]string{"task-id": r.TaskID, "task-arn": r.TaskARN, "source": "consul-ecs"}
}

// Service is the payload that registers the service.
func (r Registration) Service() *api.AgentServiceRegistration {
	s := r.common()
	s.ID, s.Name, s.Port = r.ServiceID(), r.Name, r.Port
	s.Checks = r.checks()
	return s
}

// Sidecar is the payload that registers the proxy: with its alias check alone, since one
// that dials the listener would keep it critical for up to its interval (see ListenerCheck).
func (r Registration) Sidecar() *api.AgentServiceRegistration {
	s := r.common()
	s.Kind = api.ServiceKindConnectProxy
	s.ID, s.Name, s.Port = r.ProxyID(), r.Name+"-sidecar-proxy", r.Proxy.port()
	s.Checks = api.AgentServiceChecks{{CheckID: r.AliasID(), Name: "Destination Alias", AliasService: r.ServiceID()}}
	config := maps.Clone(r.Proxy.Config)
	if r.Proxy.ListenerAddress != "" {
		if config == nil {
			config = map[string]any{}
		}
		config["bind_address"] = r.Proxy.ListenerAddress
	}
	s.Proxy = &api.AgentServiceConnectProxyConfig{
		DestinationServiceName: r.Name,
		DestinationServiceID:   r.ServiceID(),
		LocalServiceAddress:    r.Proxy.LocalServiceAddress,
		LocalServicePort:       r.Port,
		Config:                 config,
		Upstreams:              r.Proxy.Upstreams,
		MeshGateway:            r.Proxy.MeshGateway,
		Expose:                 r.Proxy.Expose,
	}
	return s
}

// ListenerCheck is the sidecar's second check, or the one of a gateway, to be added once its listener
// is bound, at bound, which only a gateway's may be elsewhere than was asked for; it is passing
// from the start, so that nothing waits for the first dial.
func (r Registration) ListenerCheck(bound string) *api.AgentCheckRegistration {
	if r.Gateway != nil {
		return r.gatewayCheck(bound)
	}
	return &api.AgentCheckRegistration{
		ID: r.ListenerID(), Name: "Proxy Public Listener", ServiceID: r.ProxyID(),
		Namespace: r.Namespace, Partition: r.Partition,
		AgentServiceCheck: api.AgentServiceCheck{
			TCP:                            net.JoinHostPort(r.dial(), strconv.Itoa(r.Proxy.port())),
			Interval:                       "10s",
			Status:                         api.HealthPassing,
			DeregisterCriticalServiceAfter: "10m",
		},
	}
}

// common is what service and sidecar share.
func (r Registration) common() *api.AgentServiceRegistration {
	meta := map[string]string{}
	for key, value := range map[string]string{"ecs-zone": r.Zone, "ecs-revision": r.Revision, "ecs-launch-type": r.LaunchType} {
		if value != "" {
			meta[key] = value
		}
	}
	maps.Copy(meta, r.Meta)
	maps.Copy(meta, r.Own())
	return &api.AgentServiceRegistration{
		Locality: r.locality(),
		Tags:     r.Tags, Meta: meta, Weights: r.Weights, EnableTagOverride: r.EnableTagOverride,
		Namespace: r.Namespace, Partition: r.Partition, Address: r.Address,
	}
}

// locality is the Region and the zone, which Consul takes from 1.17 on; nil where they are not
// known.
func (r Registration) locality() *api.Locality {
	arn := strings.Split(r.TaskARN, ":")
	if r.Zone == "" || len(arn) < 4 {
		return nil
	}
	return &api.Locality{Region: arn[3], Zone: r.Zone}
}

func (r Registration) checks() api.AgentServiceChecks {
	if len(r.Checks) > 0 {
		return r.Checks
	}
	var checks api.AgentServiceChecks
	for _, container := range r.Containers {
		checks = append(checks, &api.AgentServiceCheck{
			CheckID: r.CheckID(container),
			Name:    "consul ecs synced",
			Notes:   fmt.Sprintf("consul-ecs created and updates this check because the %s container is essential and has an ECS health check.", container),
			TTL:     cmp.Or(r.TTL, defaultTTL).String(), // critical until the first update
		})
	}
	return checks
}

func (p Proxy) port() int { return cmp.Or(p.Port, publicListenerPort) }

// dial is where the agent reaches the listener.
func (r Registration) dial() string {
	if ip := net.ParseIP(r.Proxy.ListenerAddress); ip != nil && !ip.IsUnspecified() {
		return r.Proxy.ListenerAddress
	}
	return cmp.Or(r.Address, "127.0.0.1")
}
