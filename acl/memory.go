package acl

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"meshtask/acl/reconcile"
)

// memory is what a controller remembers from sweep to sweep while it leads. It
// is a cache: a controller that starts without it does the same, after a grace.
type memory struct {
	working     bool // ECS and Consul have answered
	partitioned bool // our partition exists
	noACLs      bool // there are no tokens to look after

	tasks      taskList
	absences   absences[reconcile.Service]
	logins     absences[string]             // of tasks that logged in, by ID
	strays     absences[string]             // of tasks that have something in the catalog, by ARN
	foreign    map[string]bool              // nodes, named as tasks' own, that are of other clusters
	accessors  map[reconcile.Service]string // in each service's secret, when last read
	client     string                       // accessor in the client agents' secret, when last read
	withPolicy map[reconcile.Service]bool   // services that had policies of ours at the last audit

	begun       time.Time // of the last sweep
	nextAudit   time.Time
	linked      string              // what terminating gateways link, when last decided upon
	audit       []reconcile.Service // still to be looked at in this audit
	auditShared bool                // what services share is still to be looked at
	rules       map[string]reconcile.Policy

	retry map[string]attempt // subjects that could not be put right
}

// attempt spaces the looks at something that cannot be put right.
type attempt struct {
	fails int
	at    time.Time
}

func newMemory() *memory {
	return &memory{tasks: taskList{known: map[string]task{}}, absences: absences[reconcile.Service]{}, logins: absences[string]{},
		strays: absences[string]{}, foreign: map[string]bool{}, accessors: map[reconcile.Service]string{},
		withPolicy: map[reconcile.Service]bool{}, rules: map[string]reconcile.Policy{}, retry: map[string]attempt{}}
}

// maxRetry is the longest time until the next look at something wrong.
const maxRetry = time.Minute

// failed and succeeded note how the look at a subject went.
func (m *memory) failed(subject string, now time.Time, interval time.Duration) {
	r := m.retry[subject]
	r.at = now.Add(min(interval<<min(r.fails, 6), maxRetry) - interval/2)
	r.fails++
	m.retry[subject] = r
}

func (m *memory) succeeded(subject string) { delete(m.retry, subject) }

// keep forgets all services and subjects but these.
func (m *memory) keep(services map[reconcile.Service]bool, subjects map[string]bool) {
	maps.DeleteFunc(m.accessors, func(s reconcile.Service, _ string) bool { return !services[s] })
	maps.DeleteFunc(m.retry, func(subject string, _ attempt) bool { return !subjects[subject] })
}

// waits says whether it is too early for another look at a subject.
func (m *memory) waits(subject string, now time.Time) bool {
	r, ok := m.retry[subject]
	return ok && now.Before(r.at)
}

// begin starts an audit when one is due: of every service with tasks.
func (m *memory) begin(now time.Time, every time.Duration) bool {
	if now.Before(m.nextAudit) {
		return false
	}
	m.nextAudit = now.Add(every)
	m.audit, m.auditShared = reconcile.Sorted(m.tasks.live), true
	return true
}

// next decides what to look at closely: what the tokens show to be wrong, what has
// ended, and the next batch of the audit.
func (m *memory) next(v *reconcile.View, now time.Time, batch int) reconcile.Look {
	if m.noACLs {
		return reconcile.Look{Strays: v.Strays()}
	}
	look := reconcile.Look{Services: map[reconcile.Service]bool{}, Audited: map[reconcile.Service]bool{}, Client: m.auditShared, Shared: m.auditShared}
	for s := range v.Live {
		if m.suspect(v, s) && !m.waits(s.String(), now) {
			look.Services[s] = true
		}
	}
	for s := range v.Ended {
		if !m.waits(s.String(), now) {
			look.Services[s] = true
		}
	}
	n := min(batch, len(m.audit))
	for _, s := range m.audit[:n] {
		if len(v.Live[s]) > 0 {
			look.Services[s], look.Audited[s] = true, true
		}
	}
	m.audit = m.audit[n:]
	if m.client != "" && !v.Exists(m.client) || m.retry[reconcile.ClientSubject].fails > 0 {
		look.Client = look.Client || !m.waits(reconcile.ClientSubject, now)
	}
	look.Strays = v.Strays()
	relinked := v.GatewaysRead && (m.auditShared || m.linked != linked(v) || m.retry[reconcile.GatewaySubject].fails > 0)
	look.Gateways = relinked && !m.waits(reconcile.GatewaySubject, now)
	if v.Naming.RolePath != "" {
		again := m.retry[reconcile.LoginSubject].fails > 0
		look.Logins = (m.auditShared || again || look.Gateways) && !m.waits(reconcile.LoginSubject, now)
		look.Reap = len(v.GoneTasks) > 0
	}
	return look
}

// linked tells apart what gateways need of a controller.
func linked(v *reconcile.View) string { return fmt.Sprint(v.Naming.Gateways, v.Terminating) }

// suspect says, from the tokens alone, whether a service lacks something.
func (m *memory) suspect(v *reconcile.View, s reconcile.Service) bool {
	own := v.Own()[s]
	if m.retry[s.String()].fails > 0 || len(own) == 0 {
		return true
	}
	if want, known := m.accessors[s]; known {
		i := slices.IndexFunc(own, func(t reconcile.Token) bool { return t.AccessorID == want })
		return i < 0 || v.Lacks(own[i], s)
	}
	return v.Lacks(own[len(own)-1], s)
}

// remember takes the IDs that chains have written, and forgets services of
// which nothing is left.
func (m *memory) remember(done []outcome) {
	for _, o := range done {
		s := o.chain.Service
		switch {
		case o.chain.For == reconcile.ClientSubject && !o.creds.Zero():
			m.client = o.creds.AccessorID
		case s != reconcile.Service{} && !o.creds.Zero():
			m.accessors[s] = o.creds.AccessorID
		}
		if o.err == nil && len(m.tasks.live[s]) == 0 {
			delete(m.accessors, s)
			delete(m.withPolicy, s)
		}
	}
}
