package config

// Service is the app as Consul sees it, with consul-ecs's keys.
type Service struct {
	Name              string            `json:"name,omitempty"` // default: task family, lower-cased
	Port              int               `json:"port,omitempty"` // 0: the app takes no traffic
	Tags              []string          `json:"tags,omitempty"`
	Meta              map[string]string `json:"meta,omitempty"` // without task-id, task-arn and source, which are ours
	Weights           *Weights          `json:"weights,omitempty"`
	EnableTagOverride bool              `json:"enableTagOverride,omitempty"`
	Namespace         string            `json:"namespace,omitempty"`
	Partition         string            `json:"partition,omitempty"`
	Checks            []Check           `json:"checks,omitempty"` // native Consul checks, registered as they are
}

// Weights are the DNS weights of a service; nil is Consul's 1 and 1.
type Weights struct {
	Passing int `json:"passing"`
	Warning int `json:"warning"`
}

// Check is a native Consul check: the kinds that consul-ecs passed on, and UDP,
// which its schema had and its code dropped.
type Check struct {
	CheckID                string              `json:"checkId,omitempty"`
	Name                   string              `json:"name"`
	Args                   []string            `json:"args,omitempty"`
	Interval               Duration            `json:"interval,omitzero"`
	Timeout                Duration            `json:"timeout,omitzero"`
	TTL                    Duration            `json:"ttl,omitzero"`
	HTTP                   string              `json:"http,omitempty"`
	Header                 map[string][]string `json:"header,omitempty"`
	Method                 string              `json:"method,omitempty"`
	Body                   string              `json:"body,omitempty"`
	TCP                    string              `json:"tcp,omitempty"`
	UDP                    string              `json:"udp,omitempty"`
	Status                 string              `json:"status,omitempty"`
	Notes                  string              `json:"notes,omitempty"`
	TLSServerName          string              `json:"tlsServerName,omitempty"`
	TLSSkipVerify          bool                `json:"tlsSkipVerify,omitempty"`
	GRPC                   string              `json:"grpc,omitempty"`
	GRPCUseTLS             bool                `json:"grpcUseTls,omitempty"`
	H2Ping                 string              `json:"h2ping,omitempty"`
	H2PingUseTLS           bool                `json:"h2pingUseTls,omitempty"`
	AliasNode              string              `json:"aliasNode,omitempty"`
	AliasService           string              `json:"aliasService,omitempty"`
	SuccessBeforePassing   int                 `json:"successBeforePassing,omitempty"`
	FailuresBeforeCritical int                 `json:"failuresBeforeCritical,omitempty"`
}
