package envoy

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"meshtask/internal/event"
)

// Upstream is one upstream of the sidecar, as its conditions name it.
type Upstream struct {
	Name    string // of the condition, behind "upstream:"
	Service string // the first segment of its clusters' names
	Listen  string // "IP:PORT"; "" is not looked for, as a unix socket is
}

// Watch looks at what a running Envoy has: whether its last updates were accepted, each
// upstream's listener and instances, and the certificate. It is for one goroutine.
type Watch struct {
	Admin     *Admin
	Upstreams []Upstream

	last    counters // of the look before
	refused string   // why the last update was; "": it was not
}

// counters are those of Envoy's updates.
type counters struct{ rejected, accepted int64 }

// expirySoon is from when on a certificate counts as one that is not renewed, or where it lives
// for less than a day the last part of its life. Consul's live 72 hours, or as the CA's LeafCertTTL
// says an hour and more, and are renewed before nine tenths of that are over.
const (
	expirySoon = time.Hour
	expiryPart = 20
)

// Look asks Envoy. An error says that nothing could be seen, and so that nothing has changed.
func (w *Watch) Look(ctx context.Context) ([]event.Condition, error) {
	listeners, err := w.Admin.Listeners(ctx)
	if err != nil {
		return nil, err
	}
	stats, err := w.Admin.matching(ctx, `^(cluster\..*\.membership_(healthy|total)|listener_manager\.(lds\.update_(success|rejected)|listener_create_failure)|cluster_manager\.cds\.update_(success|rejected))$`)
	if err != nil {
		return nil, err
	}
	all := []event.Condition{w.updates(ctx, stats)}
	for _, u := range w.Upstreams {
		all = append(all, w.upstream(u, listeners, stats))
	}
	if c, ok := w.Admin.certificate(ctx, time.Now()); ok {
		all = append(all, c)
	}
	return all, nil
}

// updates says whether Envoy runs what it was sent last. A rejection counts until the next
// update that is not rejected.
func (w *Watch) updates(ctx context.Context, stats map[string]int64) event.Condition {
	now := counters{rejected: stats[statLDSRejected] + stats[statCDSRejected] + stats[statCreateFailed], accepted: stats[statLDSSuccess] + stats[statCDSSuccess]}
	switch {
	case now.rejected > w.last.rejected:
		w.refused = w.Admin.refusal(ctx)
	case now.accepted > w.last.accepted, now.rejected < w.last.rejected: // the latter is another life of Envoy's
		w.refused = ""
	}
	w.last = now
	c := event.Condition{Name: event.CondEnvoyConfigAccepted, OK: w.refused == ""}
	if !c.OK {
		c.Code, c.Reason = event.EnvoyUpdateRefused, w.refused
	}
	return c
}

func (w *Watch) upstream(u Upstream, listeners []Listener, stats map[string]int64) event.Condition {
	c := event.Condition{Name: event.CondUpstream + u.Name, OK: true}
	fail := func(code event.Code, format string, args ...any) event.Condition {
		c.OK, c.Code, c.Reason, c.Facts = false, code, fmt.Sprintf(format, args...), event.Facts{"upstream": u.Name}
		return c
	}
	if u.Listen != "" && !bound(listeners, u.Listen) {
		return fail(event.UpstreamNotBound, "Envoy does not listen on %s", u.Listen)
	}
	healthy, total, known := instances(u.Service, stats)
	switch {
	case !known || healthy > 0: // a cluster of another name may be a redirect's
		return c
	case total == 0:
		return fail(event.UpstreamNoInstance, "Envoy knows no instance of %s", u.Service)
	}
	return fail(event.UpstreamNoInstance, "none of %d instances of %s is healthy", total, u.Service)
}

// instances counts what Envoy knows of a service's instances. Its clusters are called
// [HASH~][SUBSET.]SERVICE.NAMESPACE.…; those of a subset are not counted.
func instances(service string, stats map[string]int64) (healthy, total int64, known bool) {
	for name, n := range stats {
		cluster, ok := strings.CutPrefix(name, "cluster.")
		if _, rest, hashed := strings.Cut(cluster, "~"); hashed {
			cluster = rest
		}
		switch {
		case !ok || !strings.HasPrefix(cluster, service+"."):
		case strings.HasSuffix(name, ".membership_healthy"):
			healthy += n
		case strings.HasSuffix(name, ".membership_total"):
			total, known = total+n, true
		}
	}
	return healthy, total, known
}

// certificate says whether the one that ends first still has its time; false where there is
// none, or none can be read.
func (a *Admin) certificate(ctx context.Context, now time.Time) (event.Condition, bool) {
	var answer struct {
		Certificates []struct {
			Chain []struct {
				From    time.Time `json:"valid_from"`
				Expires time.Time `json:"expiration_time"`
			} `json:"cert_chain"`
		} `json:"certificates"`
	}
	body, err := a.call(ctx, http.MethodGet, "/certs", http.StatusOK)
	if err != nil || json.Unmarshal(body, &answer) != nil {
		return event.Condition{}, false
	}
	var first, from time.Time
	for _, c := range answer.Certificates {
		for _, leaf := range c.Chain {
			if first.IsZero() || leaf.Expires.Before(first) {
				first, from = leaf.Expires, leaf.From
			}
		}
	}
	soon := expirySoon
	if !from.IsZero() {
		soon = min(soon, first.Sub(from)/expiryPart)
	}
	c := event.Condition{Name: event.CondCertificate, OK: first.Sub(now) > soon}
	if !c.OK {
		c.Code, c.Reason = event.CertificateExpires, "it ends at "+first.UTC().Format(time.RFC3339)
	}
	return c, !first.IsZero()
}

// matching reads the counters and gauges whose names match an expression.
func (a *Admin) matching(ctx context.Context, expression string) (map[string]int64, error) {
	var answer struct {
		Stats []struct {
			Name  string          `json:"name"`
			Value json.RawMessage `json:"value"`
		} `json:"stats"`
	}
	if err := a.get(ctx, "/stats?format=json&filter="+url.QueryEscape(expression), &answer); err != nil {
		return nil, err
	}
	all := make(map[string]int64, len(answer.Stats))
	for _, s := range answer.Stats {
		if n, err := strconv.ParseInt(string(s.Value), 10, 64); err == nil {
			all[s.Name] = n
		}
	}
	return all, nil
}
