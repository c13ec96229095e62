package bootstrap

import (
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

func TestNoStatsTags(t *testing.T) {
	s := Settings{ProxyID: "p", XDS: "127.0.0.1:8502", Admin: "127.0.0.1:19001", NoStatsTags: true}
	for _, c := range []struct {
		config map[string]any
		want   any
	}{
		{nil, nil},
		{object{"envoy_stats_tags": []any{"a=b"}}, object{
			"stats_tags":           []any{object{"tag_name": "a", "fixed_value": "b"}},
			"use_all_default_tags": true,
		}},
		{object{"envoy_stats_config_json": `{"x":1}`}, object{"x": 1.0}},
	} {
		text, err := Document(s, Registered{Config: c.config})
		if err != nil {
			t.Fatal(err)
		}
		doc, _ := decodeJSON(string(text))
		if diff := cmp.Diff(c.want, roundTrip(t, doc)["stats_config"]); diff != "" {
			t.Errorf("%v: %s", c.config, diff)
		}
	}
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
