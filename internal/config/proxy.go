package config

// Proxy is the sidecar as Consul sees it, with consul-ecs's keys and the
// addresses that Envoy uses.
type Proxy struct {
	Config                map[string]any `json:"config,omitempty"` // opaque, numbers are float64
	PublicListenerPort    int            `json:"publicListenerPort,omitempty"`
	PublicListenerAddress string         `json:"publicListenerAddress,omitempty"` // empty: all interfaces
	LocalServiceAddress   string         `json:"localServiceAddress,omitempty"`
	Upstreams             []Upstream     `json:"upstreams,omitempty"`
	MeshGateway           *MeshGateway   `json:"meshGateway,omitempty"`
	Expose                *Expose        `json:"expose,omitempty"`
}

// Upstream is a service that the app calls through Envoy.
type Upstream struct {
	DestinationName      string         `json:"destinationName"`
	DestinationType      string         `json:"destinationType,omitempty"` // service, prepared_query
	DestinationNamespace string         `json:"destinationNamespace,omitempty"`
	DestinationPartition string         `json:"destinationPartition,omitempty"`
	Datacenter           string         `json:"datacenter,omitempty"`
	LocalBindAddress     string         `json:"localBindAddress,omitempty"` // empty: Consul's 127.0.0.1
	LocalBindPort        int            `json:"localBindPort"`
	Config               map[string]any `json:"config,omitempty"`
	MeshGateway          *MeshGateway   `json:"meshGateway,omitempty"`
}

// MeshGateway is how traffic reaches other datacenters.
type MeshGateway struct {
	Mode string `json:"mode"` // none, local, remote
}

// Expose opens paths of the app past the proxy's mTLS.
type Expose struct {
	Checks bool         `json:"checks,omitempty"`
	Paths  []ExposePath `json:"paths,omitempty"`
}

// ExposePath is one such path.
type ExposePath struct {
	ListenerPort  int    `json:"listenerPort,omitempty"`
	Path          string `json:"path,omitempty"`
	LocalPathPort int    `json:"localPathPort,omitempty"`
	Protocol      string `json:"protocol,omitempty"` // http, http2
}
