package health

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"meshtask/internal/event"
)

// Agent is the local Consul agent. Every call honours ctx; nil means that the agent has
// taken it, and the servers too if they could be reached.
type Agent interface {
	UpdateTTL(ctx context.Context, checkID, status, output string) error
	// Checks are the statuses of all checks that the agent knows, by check ID.
	Checks(ctx context.Context) (map[string]string, error)
	Maintenance(ctx context.Context, serviceID string, on bool, reason string) error
}

// Catalog takes the service and its sidecar out of the servers' catalog, while they stay
// registered at the agent.
type Catalog interface {
	RemoveFromCatalog(ctx context.Context) error
}

// Source reports the health of containers until ctx is done; Poller and Probe are sources.
type Source interface {
	Run(ctx context.Context, report func(container string, state State))
}

// Config is the configuration of a Syncer. Agent and Service are required.
type Config struct {
	Agent   Agent
	Servers bool   // it is the Consul servers: there is no agent
	Service string // service ID
	Proxy   string // service ID of the sidecar
	Alias   string // CheckID of the sidecar's alias check; "": it has none
	// Checks are the TTL checks of the service, which start critical. None: it has native
	// checks, which nobody can set, and maintenance mode stands in for them.
	Checks []Check
	TTL    time.Duration // of the checks, as registered; 0: 30 s
	Never  bool          // critical for life: a job without a port
	Alone  bool          // there is no app: the checks follow Envoy
	// Proof are checks of which the agent has at least one while it has the registration. nil: its
	// Checks or Alias tell.
	Proof []string

	Siblings Source // runs for as long as the unit
	Probe    Source // runs once per life of the app, from its readiness on

	// Catalog, when set, is asked at shutdown, once everything is critical. Removed then
	// tells, once and before Run returns, whether it did.
	Catalog Catalog
	Removed func(ok bool)
	// Reassert registers service and sidecar again with the same IDs; it is called when the
	// agent lacks one of Checks or Alias, after a restart or not, and never once shutdown has
	// begun; its ctx is done then. nil: nobody can.
	Reassert func(ctx context.Context) error
	// Renew registers both once more, for another token, and changes no status; it is called
	// once after each Syncer.Renew, whatever comes of it, and never once shutdown has begun.
	// Between two writes of statuses, it may take renewLimit. nil: nobody can.
	Renew func(ctx context.Context)

	Report event.Report         // nil: nobody listens. It is called under the Syncer's lock, too
	Grace  func() time.Duration // nil: 2 s
	Log    hclog.Logger
}

// Syncer is the unit health-sync. Its methods may be called from any goroutine, before,
// during and after Run; facts never block.
type Syncer struct {
	cfg Config

	wake chan struct{} // one pending hint that something is to be written
	life chan struct{} // one pending hint that the app came or went

	mu         sync.Mutex
	latch      latch
	app        event.Event // the app's health, as it was last reported
	lives      int         // how often the app came up; its probe's results count for one life
	running    bool        // from Run on
	stop       <-chan struct{}
	lastAnswer time.Time // to a write or a registration
	since      time.Time // when the sidecar turned to what was last told of it
	trouble    string    // last error; "" when the last round went well
	writes     int
	failed     int // of writes
}

// New fills in defaults.
func New(cfg Config) *Syncer {
	if cfg.TTL <= 0 {
		cfg.TTL = 30 * time.Second
	}
	cfg.Report = cfg.Report.Or()
	if cfg.Removed == nil {
		cfg.Removed = func(bool) {}
	}
	if cfg.Log == nil {
		cfg.Log = hclog.NewNullLogger()
	}
	s := &Syncer{
		cfg:  cfg,
		wake: make(chan struct{}, 1),
		life: make(chan struct{}, 1),
		app:  event.AppUnhealthy{Reason: reasonApp},
		latch: latch{
			checks: slices.Clone(cfg.Checks), switches: make(map[string]string), proxy: cfg.Proxy, alias: cfg.Alias, proof: cfg.Proof,
			registers: cfg.Reassert != nil, acked: make(map[string]State), follower: follower{arrived: true},
			facts: Facts{Never: cfg.Never, Alone: cfg.Alone, Health: make(map[string]State)},
		},
	}
	if len(cfg.Checks) == 0 { // the maintenance switches
		for _, id := range []string{cfg.Service, cfg.Proxy} {
			if id != "" {
				s.latch.checks = append(s.latch.checks, Check{ID: MaintenanceID(id)})
				s.latch.switches[MaintenanceID(id)] = id
			}
		}
	}
	return s
}

// stopping: stop is closed, whether or not Run has seen it yet. The lock is held.
func (s *Syncer) stopping() bool {
	select {
	case <-s.stop:
		return true
	default:
		return s.latch.facts.Latched
	}
}

// MaintenanceID is the ID of the check that an agent adds to a service in maintenance mode.
func MaintenanceID(serviceID string) string { return "_service_maintenance:" + serviceID }

// Run writes first critical and then whatever follows from the facts, until stop is closed
// or ctx is done. ready is called when the first state has been written. The ways out:
//   - stop: the latch falls, every check is critical and acknowledged, Catalog is asked; nil,
//     or an error when "critical" was not acknowledged within Grace;
//   - ctx: at once, nothing more is written; the error is ctx's cause.
//
// Whichever it was: sources, probes and writes in flight have ended when Run returns.
func (s *Syncer) Run(ctx context.Context, ready func(), stop <-chan struct{}) error {
	s.mu.Lock()
	s.running, s.stop = true, stop
	s.mu.Unlock()

	var group sync.WaitGroup
	defer group.Wait()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	sources, end := context.WithCancel(ctx) // done when shutdown begins: nothing new is begun
	defer end()
	if s.cfg.Siblings != nil {
		group.Go(func() { s.cfg.Siblings.Run(sources, s.word) })
	}
	if s.cfg.Probe != nil {
		group.Go(func() { s.probes(sources) })
	}
	quiet := make(chan struct{}) // closed when the writer has ended
	group.Go(func() {
		defer close(quiet)
		s.work(ctx, sources, ready)
	})

	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-stop:
	}
	s.change(func() { s.latch.facts.Latched = true })
	end()
	return s.shutdown(ctx, quiet)
}
