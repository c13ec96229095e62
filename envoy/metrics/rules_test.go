package metrics

import (
	"reflect"
	"strings"
	"testing"
)

const td = "11111111-2222-3333-4444-555555555555"

// said are the labels of a series that have a value, in their order and shortened: d. for
// consul_destination_, u. for consul_upstream_; the names of before Consul 1.9 are left out.
func said(labels string) string {
	var out []string
	for l := range strings.SplitSeq(labels, `",`) {
		name, value, _ := strings.Cut(strings.TrimSuffix(l, `"`), `="`)
		short := strings.NewReplacer("consul_destination_", "d.", "consul_upstream_", "u.", "envoy_", "").Replace(name)
		if value == "" || strings.HasPrefix(short, "consul_") || strings.HasSuffix(short, "target") || short == "d.trust_domain" {
			continue
		}
		out = append(out, short+"="+value)
	}
	return strings.Join(out, " ")
}

// What Envoy prints of each name, with Consul's expressions in its document.
func TestSeries(t *testing.T) {
	const end = "." + td + ".consul."
	e := newExtractor(rules(withExpressions(nil)))
	for _, c := range []struct{ raw, name, labels string }{
		{"cluster.api.default.dc1.internal" + end + "upstream_rq_total", "cluster_upstream_rq_total",
			"cluster_name=api d.service=api d.namespace=default d.datacenter=dc1 d.routing_type=internal"},
		{"cluster.v1.api.default.dc1.internal" + end + "upstream_rq_total", "cluster_upstream_rq_total",
			"cluster_name=v1 d.service_subset=v1 d.service=api d.namespace=default d.datacenter=dc1 d.routing_type=internal"},
		// Consul's expressions take a name with a partition for one with a subset, in Envoy too.
		{"cluster.api.team.part.dc1.internal-v1" + end + "upstream_cx_total", "cluster_upstream_cx_total",
			"cluster_name=api d.service_subset=api d.service=team d.namespace=part d.datacenter=dc1 d.routing_type=internal-v1"},
		{"cluster.v2.api.team.part.dc1.internal-v1" + end + "upstream_cx_total", "cluster_upstream_cx_total",
			"cluster_name=v2 d.service_subset=v2 d.service=api d.namespace=team d.partition=part d.datacenter=dc1 d.routing_type=internal-v1"},
		{"cluster.api.default.peer1.external" + end + "upstream_rq_2xx", "cluster_upstream_rq_xx",
			"response_code_class=2 cluster_name=api d.service=api d.namespace=default d.peer=peer1 d.routing_type=external"},
		{"cluster.abc1~api.default.dc1.internal" + end + "upstream_rq_200", "cluster_upstream_rq",
			"response_code=200 cluster_name=abc1~api d.custom_hash=abc1 d.service=api d.namespace=default d.datacenter=dc1 d.routing_type=internal"},
		{"cluster.abc1~v1.api.default.dc1.internal" + end + "external.upstream_rq_503", "cluster_external_upstream_rq",
			"response_code=503 cluster_name=abc1~v1 d.custom_hash=abc1 d.service_subset=v1 d.service=api d.namespace=default d.datacenter=dc1 d.routing_type=internal"},
		{"cluster.passthrough~api.default.dc1.internal" + end + "upstream_cx_total", "cluster_upstream_cx_total",
			"cluster_name=passthrough~api d.service=api d.namespace=default d.datacenter=dc1 d.routing_type=internal"},
		{"cluster.api.default.dc1.internal" + end + "grpc.shop.Basket.success", "cluster_grpc_shop_Basket_success",
			"cluster_name=api d.service=api d.namespace=default d.datacenter=dc1 d.routing_type=internal"},
		{"cluster.v1.grpc.default.dc1.internal" + end + "upstream_rq_total", "cluster_upstream_rq_total",
			"grpc_bridge_method=dc1 grpc_bridge_service=default cluster_name=v1 d.service_subset=v1 d.service=grpc d.namespace=default d.datacenter=dc1 d.routing_type=internal"},
		{"cluster.api.default.dc1.internal" + end + "ssl.ciphers.TLS_AES_128_GCM_SHA256", "cluster_ssl_ciphers_TLS_AES_128_GCM_SHA256",
			"cluster_name=api d.service=api d.namespace=default d.datacenter=dc1 d.routing_type=internal"},
		{"cluster.api.default.dc1.internal" + end + "ssl.versions.TLSv1.3", "cluster_ssl_versions",
			"ssl_version=TLSv1.3 cluster_name=api d.service=api d.namespace=default d.datacenter=dc1 d.routing_type=internal"},
		{"cluster.dc2.internal" + end + "upstream_cx_total", "cluster_internal_" + strings.ReplaceAll(td, "-", "_") + "_consul_upstream_cx_total", "cluster_name=dc2"},
		{"cluster.local_app.upstream_rq_200", "cluster_upstream_rq", "response_code=200 cluster_name=local_app"},
		{"http.upstream.api.default.default.dc1.downstream_rq_total", "http_downstream_rq_total",
			"u.service=api u.datacenter=dc1 u.namespace=default u.partition=default http_conn_manager_prefix=upstream"},
		{"http.upstream.api.default.dc1.downstream_rq_2xx", "http_downstream_rq_xx",
			"response_code_class=2 u.service=api u.datacenter=dc1 u.namespace=default http_conn_manager_prefix=upstream"},
		{"http.upstream_peered.api.default.peer1.downstream_rq_total", "http_downstream_rq_total",
			"u.service=api u.peer=peer1 u.namespace=default http_conn_manager_prefix=upstream_peered"},
		{"tcp.upstream.db.default.default.dc1.downstream_cx_total", "tcp_downstream_cx_total",
			"u.service=db u.datacenter=dc1 u.namespace=default u.partition=default tcp_prefix=upstream"},
		{"tcp.upstream_peered.db.peer1.downstream_cx_total", "tcp_downstream_cx_total", "u.service=db u.peer=peer1 tcp_prefix=upstream_peered"},
		{"http.upstream.rbac.default.default.dc1.downstream_rq_total", "http_downstream_rq_total",
			"u.service=rbac u.datacenter=dc1 u.namespace=default u.partition=default rbac_http_prefix=default http_conn_manager_prefix=upstream"},
		{"http.public_listener.downstream_rq_active", "http_downstream_rq_active", "http_conn_manager_prefix=public_listener"},
		{"tcp.public_listener.downstream_cx_total", "tcp_downstream_cx_total", "tcp_prefix=public_listener"},
		{"tcp.mesh_gateway_local.dc1.downstream_cx_total", "tcp_dc1_downstream_cx_total", "tcp_prefix=mesh_gateway_local"},
		{"server.live", "server_live", ""},
	} {
		name, labels := e.series(c.raw)
		if string(name) != "envoy_"+c.name || said(string(labels)) != c.labels {
			t.Errorf("%s:\n got %s %s\nwant envoy_%s %s", c.raw, name, said(string(labels)), c.name, c.labels)
		}
	}
}

// Without the expressions it is what Envoy takes for tags by itself, and the tags of fixed
// value have the place that they have in the document.
func TestSeriesOfAPlainDocument(t *testing.T) {
	fixed := append([]Tag{{Name: "Team", Value: `a "b"` + "\n" + `\c`}}, consulsFixed()...)
	const fixedText = `Team="a \"b\"\n\\c",local_cluster="web",consul_source_service="web",consul_source_namespace="default",consul_source_partition="default",consul_source_datacenter="dc1"`
	plain, with := newExtractor(rules(fixed)), newExtractor(rules(withExpressions(fixed)))
	for raw, want := range map[string]string{
		"cluster.my-api.default.dc1.internal.x.consul.upstream_rq_200": `envoy_cluster_default_dc1_internal_x_consul_upstream_rq{envoy_response_code="200",` + fixedText + `,envoy_cluster_name="my-api"}`,
		"http.upstream.api.default.dc1.downstream_rq_total":            `envoy_http_api_default_dc1_downstream_rq_total{` + fixedText + `,envoy_http_conn_manager_prefix="upstream"}`,
	} {
		if name, labels := plain.series(raw); string(name)+"{"+string(labels)+"}" != want {
			t.Errorf("got  %s{%s}\nwant %s", name, labels, want)
		}
	}
	_, labels := with.series("http.upstream.api.default.dc1.x")
	user, consuls, source := strings.Index(string(labels), "Team"), strings.Index(string(labels), "consul_upstream_service"), strings.Index(string(labels), "local_cluster")
	if user < 0 || user > consuls || consuls > source {
		t.Errorf("the order of %s", labels)
	}
}

// A tag that two rules give is the first one's, as in Envoy.
func TestSeriesWithATagTwice(t *testing.T) {
	e := newExtractor(rules(withExpressions([]Tag{{Name: "consul.upstream.service", Value: "mine"}, {Name: "envoy.tcp_prefix", Value: "fixed"}})))
	name, labels := e.series("tcp.upstream.db.default.dc1.downstream_cx_total")
	if strings.Count(string(labels), "consul_upstream_service=") != 1 || !strings.Contains(string(labels), `consul_upstream_service="mine"`) ||
		!strings.Contains(string(labels), `envoy_tcp_prefix="fixed"`) || string(name) != "envoy_tcp_upstream_downstream_cx_total" {
		t.Errorf("%s{%s}", name, labels)
	}
}

// headsHold fails where what is worked out of the beginning of a name is not what the whole
// name gives, or where a name that changes is taken for one that does not.
func headsHold(t *testing.T, plainRules, withRules []group, raw string) {
	t.Helper()
	for _, g := range withRules {
		if g.head == nil {
			continue
		}
		whole, head := appendHits(nil, g.rules, raw), []hit(nil)
		if text := g.head(raw); text != "" {
			head = appendHits(nil, g.rules, text)
		}
		if len(whole)+len(head) > 0 && !reflect.DeepEqual(values(whole), values(head)) {
			t.Errorf("%q:\nwhole %v\nhead  %v", raw, values(whole), values(head))
		}
		if len(whole) > 0 && !renamed(raw) {
			t.Errorf("%q is said to stay as it is", raw)
		}
	}
	plain, with := newExtractor(plainRules), newExtractor(withRules)
	name, labels := plain.series(raw)
	if name2, labels2 := with.series(raw); !mayBeRenamed(name, labels) && (string(name) != string(name2) || string(labels) != string(labels2)) {
		t.Errorf("%q: %s{%s} is said to stay as it is, and becomes %s{%s}", raw, name, labels, name2, labels2)
	}
}

func values(hits []hit) (out []hit) {
	for _, h := range hits {
		out = append(out, hit{value: h.rule.tag + "=" + h.value, from: h.from, to: h.to})
	}
	return out
}

func FuzzHeads(f *testing.F) {
	for _, raw := range []string{
		"cluster.v1.api.default.part.dc1.internal.x.consul.consul.y.consul.z", "cluster.a.b.c.d.e.f.consul.", "cluster.passthrough~h~a.b.c.d.e.consul.x",
		"http.upstream.a.b.c.d.e.f", "tcp.upstream_peered.a.b.c", "http.upstream.a", "tcp.upstream..b", "cluster.a.b.external.x.consul.rq_200",
		"cluster.v1.grpc.a.b.c.d.consul.x", "cluster.a.b.c.consul.d.e.consul.x", "cluster.consul.consul.dc1.internal.x.consul.x", "http.upstream.fault.a.b.c", "http.upstream.user_agent.a.b", "http.upstream.rds.a.b.c",
	} {
		f.Add(raw)
	}
	plain, with := rules(nil), rules(withExpressions(nil))
	f.Fuzz(func(t *testing.T, raw string) { headsHold(t, plain, with, raw) })
}
