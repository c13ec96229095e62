package bootstrap

import (
	"crypto/sha1"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// bootstrapConfig is what proxy.config may say about the bootstrap document,
// by the names of Consul 1.22.6.
type bootstrapConfig struct {
	text map[string]string // setting → value; "" = not set
	tags []string          // envoy_stats_tags
}

// Unknown names the envoy_* settings of config that Document does not know. With
// any of them, only Consul itself can make the document (Bootstrap.UseCommand).
func Unknown(config map[string]any) (unknown []string) {
	for key := range config {
		name := strings.ToLower(key)
		if strings.HasPrefix(name, "envoy_") && name != statsTagsKey &&
			!slices.Contains(bootstrapKeys(), name) && !isRuntimeKey(name) {
			unknown = append(unknown, key)
		}
	}
	sort.Strings(unknown)
	return unknown
}

const statsTagsKey = "envoy_stats_tags"

func bootstrapKeys() []string {
	return []string{
		"envoy_statsd_url", "envoy_dogstatsd_url", "envoy_telemetry_collector_bind_socket_dir",
		"envoy_prometheus_bind_addr", "envoy_stats_bind_addr", "envoy_stats_flush_interval",
		"envoy_extra_static_clusters_json", "envoy_extra_static_listeners_json",
		"envoy_extra_stats_sinks_json", "envoy_stats_config_json", "envoy_tracing_json",
	}
}

// isRuntimeKey tells settings that act through xDS and leave the bootstrap alone.
func isRuntimeKey(name string) bool {
	switch name {
	case "envoy_public_listener_json", "envoy_listener_tracing_json", "envoy_local_cluster_json",
		"envoy_listener_json", "envoy_cluster_json", "envoy_dns_discovery_type":
		return true
	}
	return strings.HasPrefix(name, "envoy_gateway_") || strings.HasPrefix(name, "envoy_mesh_gateway_")
}

// parseConfig takes values as loosely as Consul does: names in any case,
// numbers and booleans for strings, one string for a list.
func parseConfig(config map[string]any) (bootstrapConfig, error) {
	c := bootstrapConfig{text: map[string]string{}}
	for _, key := range slices.Sorted(maps.Keys(config)) {
		name := strings.ToLower(key)
		if name == statsTagsKey {
			for _, item := range looseList(config[key]) {
				tag, ok := looseString(item)
				if !ok {
					return c, fmt.Errorf("proxy.config.%s: must be a list of strings, got %T", key, item)
				}
				c.tags = append(c.tags, tag)
			}
			continue
		}
		if !slices.Contains(bootstrapKeys(), name) {
			continue
		}
		value, ok := looseString(config[key])
		if !ok {
			return c, fmt.Errorf("proxy.config.%s: must be a string, got %T", key, config[key])
		}
		c.text[name] = value
	}
	return c, nil
}

func looseList(v any) []any {
	switch v := v.(type) {
	case nil:
		return nil
	case []any:
		return v
	case []string:
		list := make([]any, len(v))
		for i, s := range v {
			list[i] = s
		}
		return list
	}
	return []any{v}
}

func looseString(v any) (string, bool) {
	switch v := v.(type) {
	case nil:
		return "", true
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	case bool:
		if v {
			return "1", true
		}
		return "0", true
	case int:
		return strconv.Itoa(v), true
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), true
	}
	return "", false
}

// extras is what proxy.config adds to the document.
type extras struct {
	clusters, listeners []any
	top                 object
}

func (c bootstrapConfig) extras(s Settings, r Registered) (extras, error) {
	x := extras{top: object{}}
	sinks, err := c.sinks(s.Env)
	if err != nil {
		return x, err
	}
	if x.clusters, err = c.list("envoy_extra_static_clusters_json"); err != nil {
		return x, err
	}
	if x.listeners, err = c.list("envoy_extra_static_listeners_json"); err != nil {
		return x, err
	}
	if x.top["stats_config"], err = c.statsConfig(r); err != nil {
		return x, err
	}
	for _, l := range []adminListener{
		{"envoy_prometheus_bind_addr", "envoy_prometheus_metrics", "path", "/metrics", "/stats/prometheus"},
		{"envoy_stats_bind_addr", "envoy_metrics", "prefix", "/stats", "/stats"},
	} {
		if c.text[l.setting] == "" {
			continue
		}
		if err := x.addListener(l, c.text[l.setting], s.ConsulAdmin()); err != nil {
			return x, err
		}
	}
	if c.text["envoy_tracing_json"] != "" {
		if x.top["tracing"], err = c.value("envoy_tracing_json"); err != nil {
			return x, err
		}
	}
	flush := c.text["envoy_stats_flush_interval"]
	if dir := c.text["envoy_telemetry_collector_bind_socket_dir"]; dir != "" {
		if flush == "" && len(sinks) == 0 {
			flush = "60s"
		}
		sinks = append(sinks, telemetrySink())
		x.clusters = append(x.clusters, telemetryCluster(dir, orDefault(r.Namespace)+"_"+s.ProxyID))
	}
	if flush != "" {
		x.top["stats_flush_interval"] = flush
	}
	if len(sinks) > 0 {
		x.top["stats_sinks"] = sinks
	}
	return x, nil
}

// list reads what Consul pastes between the brackets of a JSON array.
func (c bootstrapConfig) list(setting string) ([]any, error) {
	v, err := decodeJSON("[" + c.text[setting] + "]")
	if err != nil {
		return nil, fmt.Errorf("proxy.config.%s: not JSON objects separated by commas: %w", setting, err)
	}
	return v.([]any), nil
}

func (c bootstrapConfig) value(setting string) (any, error) {
	v, err := decodeJSON(c.text[setting])
	if err != nil {
		return nil, fmt.Errorf("proxy.config.%s: not JSON: %w", setting, err)
	}
	return v, nil
}

func decodeJSON(text string) (any, error) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if rest := strings.TrimSpace(text[d.InputOffset():]); rest != "" {
		return nil, fmt.Errorf("%d bytes after the end of the value", len(rest))
	}
	return v, nil
}

func (c bootstrapConfig) sinks(env func(string) string) ([]any, error) {
	var sinks []any
	for _, kind := range [][3]string{
		{"envoy_statsd_url", "envoy.stat_sinks.statsd", "StatsdSink"},
		{"envoy_dogstatsd_url", "envoy.stat_sinks.dog_statsd", "DogStatsdSink"},
	} {
		if c.text[kind[0]] == "" {
			continue
		}
		address, err := sinkAddress(c.text[kind[0]], env)
		if err != nil {
			return nil, fmt.Errorf("proxy.config.%s: %w", kind[0], err)
		}
		sinks = append(sinks, object{
			"name": kind[1],
			"typedConfig": object{
				"@type":   "type.googleapis.com/envoy.config.metrics.v3." + kind[2],
				"address": address,
			},
		})
	}
	own, err := c.list("envoy_extra_stats_sinks_json")
	return append(sinks, own...), err
}

// sinkAddress reads udp://IP:PORT and unix:///PATH. "$NAME" as a whole is a
// variable; within the URL only ${HOST_IP} is.
func sinkAddress(raw string, env func(string) string) (object, error) {
	if env == nil {
		env = func(string) string { return "" }
	}
	address := raw
	if len(raw) > 2 && raw[0] == '$' {
		address = env(raw[1:])
	} else {
		address = os.Expand(raw, func(name string) string {
			if name == "HOST_IP" {
				return env(name)
			}
			return "${" + name + "}"
		})
	}
	u, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("%q is not a URL (read from %q)", address, raw)
	}
	switch u.Scheme {
	case "udp":
		return socketAddress(u.Host)
	case "unix":
		return object{"pipe": object{"path": u.Path}}, nil
	}
	return nil, fmt.Errorf("%q (from %q) must be udp://IP:PORT or unix:///PATH", address, raw)
}

func telemetrySink() object {
	return object{
		"name": "envoy.stat_sinks.metrics_service",
		"typed_config": object{
			"@type":                 "type.googleapis.com/envoy.config.metrics.v3.MetricsServiceConfig",
			"transport_api_version": "V3",
			"grpc_service":          object{"envoy_grpc": object{"cluster_name": telemetryName}},
			"emit_tags_as_labels":   true,
		},
	}
}

const telemetryName = "consul_telemetry_collector_loopback"

// telemetryCluster's socket is where the agent, by xDS, puts a listener: the
// name is the agent's, SHA-1 only makes it short.
func telemetryCluster(dir, id string) object {
	sum := sha1.Sum([]byte(id))
	socket := path.Join(dir, base64.RawURLEncoding.EncodeToString(sum[:])+".sock")
	return staticCluster(telemetryName, object{"pipe": object{"path": socket}}, "http2_protocol_options")
}
