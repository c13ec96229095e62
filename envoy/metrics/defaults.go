package metrics

import (
	"regexp"
	"strings"
)

// defaults are the tags that Envoy 1.36 takes by itself out of names that Consul's expressions
// match too: those of clusters and of what listens for upstreams. Envoy tries those first whose
// names may begin with anything, then those by the first segment. Its other tags need no rule
// here: a series that no expression of Consul's changes is passed on as Envoy prints it.
func defaults() (anywhere, by []rule) {
	const (
		s   = `[^.]+`
		tls = `^(?:listener|cluster)\..*?\.ssl\.`
		end = `(\.([\w-]+))$`
	)
	// By expression. Where the value is empty, the whole group is the value.
	for _, d := range []struct{ tag, first, has, not, re string }{
		{"response_code", "", "_rq_", "", `_rq(_(\d{3}))$`},
		{"response_code_class", "", "_rq_", "", `_rq_((\d))xx$`},
		{"dynamo_partition_id", "http", ".dynamodb.", "", `^http\.` + s + `\.dynamodb\.table\.` + s + `\.capacity\.` + s + `(\.__partition_id=(\w{7}))$`},
		{"dynamo_operation", "http", ".dynamodb.", "", `^http\.` + s + `\.dynamodb.(?:operation|table\.` + s + `\.capacity)(\.(` + s + `))(?:\.|$)`},
		{"dynamo_table", "http", ".dynamodb.", "", `^http\.` + s + `\.dynamodb.(?:table|error)\.((` + s + `)\.)`},
		{"ssl_curve", "", ".ssl.curves.", "", tls + `curves` + end},
		{"ssl_sigalg", "", ".ssl.sigalgs.", "", tls + `sigalgs` + end},
		{"ssl_version", "", ".ssl.versions.", "", tls + `versions(\.(TLSv\d\.\d))$`},
		{"ssl_cipher_suite", "cluster", ".ssl.ciphers.", "", `^cluster\.` + s + `\.ssl\.ciphers` + end},
		{"rbac_http_prefix", "http", ".rbac.", "policy", `^http\.` + s + `\.rbac\.((` + s + `)\.).*?`},
		{"rbac_policy_name", "http", ".rbac.", "", `^http\.` + s + `\.rbac\.(?:` + s + `\.)?policy\.((` + s + `)\.)(?:allowed|shadow_allowed|denied|shadow_denied)$`},
		{"rds_route_config", "http", ".rds.", "", `^http\.` + s + `\.rds\.(([\w.-]+)\.)\w+?$`},
		{"scoped_rds_config", "http", ".scoped_rds.", "", `^http\.` + s + `\.scoped_rds\.(([\w.-]+)\.)\w+?$`},
		{"tls_certificate", "", ".ssl.certificate.", "", tls + `certificate\.((` + s + `)\.).*$`},
	} {
		r := rule{tag: "envoy." + d.tag, re: regexp.MustCompile(d.re), first: d.first, has: d.has, not: d.not, whole: true}
		if r.first == "" {
			anywhere = append(anywhere, r)
		} else {
			by = append(by, r)
		}
	}
	// By segments: * is any, $ the one that is the value. At least one more follows.
	for _, d := range [][2]string{
		{"grpc_bridge_method", "cluster.*.grpc.*.$"}, {"http_user_agent", "http.*.user_agent.$"}, {"fault_downstream_cluster", "http.*.fault.$"},
		{"grpc_bridge_service", "cluster.*.grpc.$"}, {"tcp_prefix", "tcp.$"}, {"cluster_name", "cluster.$"},
		{"ext_authz_prefix", "cluster.*.ext_authz.$"}, {"ext_authz_prefix", "http.*.ext_authz.$"}, {"http_conn_manager_prefix", "http.$"},
	} {
		first, _, _ := strings.Cut(d[1], ".")
		re := strings.NewReplacer(".", `\.`, "*", `[^.]*`, "$", `(([^.]*)\.)`).Replace(d[1])
		by = append(by, rule{tag: "envoy." + d[0], re: regexp.MustCompile("^" + re), first: first, has: literal(d[1])})
	}
	return anywhere, by
}

// literal is the fixed segment in the middle of such a pattern, with its dots; "" if none.
func literal(pattern string) string {
	if _, rest, ok := strings.Cut(pattern, ".*."); ok {
		word, _, _ := strings.Cut(rest, ".")
		return "." + word + "."
	}
	return ""
}
