package bootstrap

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDocumentOnASocket(t *testing.T) {
	goldens(t, func(t *testing.T, c goldenCase) {
		c.settings.Admin = "/run/meshtask/envoy-admin.sock"
		text, err := Document(c.settings, c.registered())
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), `"port_value":19000`) {
			t.Error("something still leads to Consul's admin port")
		}
		// The real command's output, adapted, is the same document.
		if err := adapt(c.want, c.settings, c.registered()); err != nil {
			t.Fatal(err)
		}
		doc, err := decodeJSON(string(text))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(roundTrip(t, c.want), roundTrip(t, doc)); diff != "" {
			t.Error(diff)
		}
	})
}

// What is left of Consul's stats tags, in their order; user's come first.
func TestStatsTags(t *testing.T) {
	fixed := "local_cluster=web consul.source.service=web consul.source.namespace=default consul.source.partition=default consul.source.datacenter=dc1"
	var all []string
	for _, p := range tagPatterns() {
		all = append(all, p[0]+"~")
	}
	every := strings.Join(all, " ") + " " + fixed
	auto := StatsTags{Auto: true}
	for _, c := range []struct {
		name   string
		tags   StatsTags
		config object
		port   bool // the admin interface is at HOST:PORT
		want   string
	}{
		{"none", StatsTags{}, nil, false, ""},
		{"none but the user's", StatsTags{}, object{"envoy_stats_tags": []any{"a=b", "Local_Cluster=x"}}, true, "a=b local_cluster=x"},
		{"all", AllStatsTags(), nil, false, every},
		{"auto, nobody reads", auto, nil, false, fixed},
		{"auto, with the user's", auto, object{"envoy_stats_tags": []any{"a"}}, false, "a=1 " + fixed},
		{"auto, admin is not ours", auto, nil, true, every},
		{"auto, Prometheus", auto, object{"envoy_prometheus_bind_addr": "0.0.0.0:9102"}, false, every},
		{"auto, statistics", auto, object{"envoy_stats_bind_addr": "0.0.0.0:9102"}, false, every},
		{"auto, statsd", auto, object{"Envoy_Statsd_URL": "udp://127.0.0.1:8125"}, false, every},
		{"auto, dogstatsd", auto, object{"envoy_dogstatsd_url": "udp://127.0.0.1:8125"}, false, every},
		{"auto, a sink", auto, object{"envoy_extra_stats_sinks_json": `{"name":"x"}`}, false, every},
		{"auto, the collector", auto, object{"envoy_telemetry_collector_bind_socket_dir": "/tmp"}, false, every},
		{"auto, a listener of the user's", auto, object{"envoy_extra_static_listeners_json": `{"name":"x"}`}, false, every},
		{"auto, an empty setting", auto, object{"envoy_statsd_url": "", "envoy_tracing_json": "{}"}, false, fixed},
		{"a list", StatsTags{Names: []string{"local_cluster", "consul.upstream.service"}}, nil, true, "consul.upstream.service~ local_cluster=web"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := Settings{ProxyID: "p", XDS: "127.0.0.1:8502", Admin: "/run/envoy.sock", StatsTags: c.tags}
			if c.port {
				s.Admin = "127.0.0.1:19001"
			}
			r := Registered{Service: "web", Datacenter: "dc1", Config: c.config}
			text, err := Document(s, r)
			if err != nil {
				t.Fatal(err)
			}
			doc, _ := decodeJSON(string(text))
			stats, given := doc.(object)["stats_config"].(object)
			list, _ := stats["stats_tags"].([]any)
			var got []string
			for _, v := range list {
				tag := v.(object)
				if value, ok := tag["fixed_value"]; ok {
					got = append(got, fmt.Sprint(tag["tag_name"], "=", value))
				} else {
					got = append(got, fmt.Sprint(tag["tag_name"], "~"))
				}
			}
			if diff := cmp.Diff(c.want, strings.Join(got, " ")); diff != "" {
				t.Error(diff)
			}
			if given != (c.want != "") || given && stats["use_all_default_tags"] != true {
				t.Errorf("stats_config: %v", stats)
			}
			if n, err := Expressions(s, r); err != nil || n != strings.Count(c.want, "~") {
				t.Errorf("%d expressions, %v", n, err)
			}
		})
	}
	t.Run("the user's own whole", func(t *testing.T) {
		text, err := Document(Settings{ProxyID: "p", XDS: "127.0.0.1:8502", Admin: "/a.sock"}, Registered{Config: object{"envoy_stats_config_json": `{"stats_tags":[{"tag_name":"consul.service","regex":"x"}]}`}})
		if err != nil || !strings.Contains(string(text), `"stats_config":{"stats_tags":[{"regex":"x","tag_name":"consul.service"}]}`) {
			t.Errorf("%s %v", text, err)
		}
	})
}

func TestDocumentErrorsNameTheSetting(t *testing.T) {
	s := Settings{ProxyID: "p", XDS: "127.0.0.1:8502", Admin: "/a.sock"}
	for setting, value := range map[string]any{
		"envoy_statsd_url":                   "tcp://127.0.0.1:1",
		"envoy_dogstatsd_url":                "udp://127.0.0.1",
		"envoy_prometheus_bind_addr":         "0.0.0.0",
		"envoy_stats_bind_addr":              map[string]any{},
		"envoy_stats_tags":                   []any{map[string]any{}},
		"envoy_extra_static_clusters_json":   "{",
		"envoy_extra_static_listeners_json":  "1],[2",
		"envoy_extra_stats_sinks_json":       "}",
		"envoy_tracing_json":                 "{} {}",
		"envoy_stats_config_json":            "x",
		"Envoy_Stats_Flush_Interval":         []any{},
		"envoy_statsd_url ":                  nil, // not a setting: no error
		"envoy_public_listener_json":         "{",
		"envoy_gateway_no_default_bind":      true,
		"envoy_mesh_gateway_bind_addresses":  map[string]any{},
		"envoy_telemetry_collector_bind_foo": "",
	} {
		_, err := Document(s, Registered{Config: map[string]any{setting: value}})
		name := strings.ToLower(setting)
		wrong := slices.Contains(append(bootstrapKeys(), statsTagsKey), name)
		if wrong != (err != nil) || err != nil && !strings.Contains(err.Error(), "proxy.config."+setting) {
			t.Errorf("%s: %v", setting, err)
		}
	}
	for _, s := range []Settings{{XDS: "x", Admin: "/a"}, {XDS: "1.1.1.1:1", Admin: "x"}, {XDS: "1.1.1.1:99999", Admin: "/a"}} {
		if _, err := Document(s, Registered{}); err == nil {
			t.Errorf("%+v: no error", s.XDS+" "+s.Admin)
		}
	}
}

func TestKnown(t *testing.T) {
	config := map[string]any{
		"protocol": 1, "bind_port": 1, "envoy_statsd_url": 1, "Envoy_Stats_Tags": 1, "envoy_listener_json": 1, "envoy_cluster_json": 1,
		"envoy_gateway_bind_addresses": 1, "envoy_bootstrap_json_tpl": 1, "ENVOY_new": 1,
	}
	if diff := cmp.Diff([]string{"ENVOY_new", "envoy_bootstrap_json_tpl"}, Unknown(config)); diff != "" {
		t.Error(diff)
	}
}
