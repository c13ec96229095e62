package acl

import (
	"maps"
	"slices"
	"time"
)

// state is what a controller remembers from sweep to sweep while it leads. It
// is a cache: a controller that starts without it does the same, after a grace.
type state struct {
	working     bool // ECS and Consul have answered
	partitioned bool // our partition exists

	roster    roster
	absences  absences
	accessors map[Service]string // in each service's secret, when last read
	client    string             // accessor in the client agents' secret, when last read
	leftover  map[Service]bool   // services that had policies of ours at the last audit

	nextAudit time.Time
	audit     []Service // still to be looked at in this audit
	auditor   bool      // the client agents and the list of policies are still to be
	rules     map[string]Policy

	retry map[string]attempt // subjects that could not be put right
}

// attempt spaces the looks at something that cannot be put right.
type attempt struct {
	fails int
	at    time.Time
}

func newState() *state {
	return &state{roster: roster{tasks: map[string]task{}}, absences: absences{}, accessors: map[Service]string{},
		leftover: map[Service]bool{}, rules: map[string]Policy{}, retry: map[string]attempt{}}
}

// retryMost is the longest time until the next look at something wrong.
const retryMost = time.Minute

// failed and succeeded note how the look at a subject went.
func (st *state) failed(subject string, now time.Time, interval time.Duration) {
	r := st.retry[subject]
	r.at = now.Add(min(interval<<min(r.fails, 6), retryMost) - interval/2)
	r.fails++
	st.retry[subject] = r
}

func (st *state) succeeded(subject string) { delete(st.retry, subject) }

// forget keeps only what is known of these services and subjects.
func (st *state) forget(services map[Service]bool, subjects map[string]bool) {
	maps.DeleteFunc(st.accessors, func(s Service, _ string) bool { return !services[s] })
	maps.DeleteFunc(st.retry, func(subject string, _ attempt) bool { return !subjects[subject] })
}

// waits says whether it is too early for another look at a subject.
func (st *state) waits(subject string, now time.Time) bool {
	r, ok := st.retry[subject]
	return ok && now.Before(r.at)
}

// begin starts an audit when one is due: of every service with tasks.
func (st *state) begin(now time.Time, every time.Duration) bool {
	if now.Before(st.nextAudit) {
		return false
	}
	st.nextAudit = now.Add(every)
	st.audit, st.auditor = sorted(st.roster.live), true
	return true
}

// attention is the part of the world that this sweep looks at closely.
type attention struct {
	services map[Service]bool // of these, the secrets are read
	audited  map[Service]bool // of these, also the rules of the policy and who uses which token
	client   bool
	policies bool // the list of policies is needed
}

func (a attention) none() bool { return len(a.services) == 0 && !a.client && !a.policies }

// pick decides what to look at: what the tokens show to be wrong, what has
// ended, and the next batch of the audit.
func (st *state) pick(v *view, now time.Time, batch int) attention {
	a := attention{services: map[Service]bool{}, audited: map[Service]bool{}, client: st.auditor, policies: st.auditor}
	for s := range v.Live {
		if st.suspect(v, s) && !st.waits(s.String(), now) {
			a.services[s] = true
		}
	}
	for s := range v.Ended {
		if !st.waits(s.String(), now) {
			a.services[s] = true
		}
	}
	n := min(batch, len(st.audit))
	for _, s := range st.audit[:n] {
		if len(v.Live[s]) > 0 {
			a.services[s], a.audited[s] = true, true
		}
	}
	st.audit = st.audit[n:]
	if _, exists := v.byAccessor[st.client]; st.client != "" && !exists || st.retry[clientSubject].fails > 0 {
		a.client = a.client || !st.waits(clientSubject, now)
	}
	a.policies = a.policies || a.client || len(a.services) > 0
	return a
}

// suspect says, from the tokens alone, whether a service lacks something.
func (st *state) suspect(v *view, s Service) bool {
	if st.retry[s.String()].fails > 0 || len(v.own[s]) == 0 {
		return true
	}
	own := v.own[s]
	if want, known := st.accessors[s]; known {
		i := slices.IndexFunc(own, func(t Token) bool { return t.AccessorID == want })
		return i < 0 || len(v.lacks(own[i], s)) > 0
	}
	return len(v.lacks(own[len(own)-1], s)) > 0
}
