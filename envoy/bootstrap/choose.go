package bootstrap

import "slices"

// StatsTags says which of Consul's stats tags the document carries. The zero value is none.
//
// The tags of a fixed value cost nothing. Each expression is run over every statistic of
// every cluster that Envoy creates, on its main thread: all of them cost about 0.1 s of its
// start for each upstream.
type StatsTags struct {
	// Auto: the ones of a fixed value, and the expressions where something reads Envoy's
	// statistics directly (see Readers).
	Auto  bool
	Names []string // else exactly these; others than those of StatsTagNames are none
}

// AllStatsTags are those of the document that Consul prints.
func AllStatsTags() StatsTags { return StatsTags{Names: StatsTagNames()} }

// StatsTagNames are the names of Consul's stats tags: those of a fixed value first.
func StatsTagNames() (names []string) {
	for _, t := range sourceTags(Registered{}) {
		names = append(names, t[0])
	}
	for _, p := range tagPatterns() {
		names = append(names, p[0])
	}
	return names
}

// Readers names what reads Envoy's statistics directly, and so needs the tags in Envoy
// itself: settings of proxy.config, and Envoy's admin interface where it is not our socket.
func Readers(s Settings, r Registered) (settings []string, err error) {
	cfg, err := parseConfig(r.Config)
	if err != nil {
		return nil, err
	}
	if !IsSocket(s.Admin) {
		settings = append(settings, "envoy.admin")
	}
	for _, name := range []string{
		"envoy_prometheus_bind_addr", "envoy_stats_bind_addr", "envoy_statsd_url", "envoy_dogstatsd_url",
		"envoy_extra_stats_sinks_json", "envoy_telemetry_collector_bind_socket_dir",
		// They may lead to the admin interface, as was done before there was a setting for it.
		"envoy_extra_static_clusters_json", "envoy_extra_static_listeners_json",
	} {
		if cfg.text[name] != "" {
			settings = append(settings, "proxy.config."+name)
		}
	}
	return settings, nil
}

// Expressions counts the expressions of Consul's that the document carries.
func Expressions(s Settings, r Registered) (n int, err error) {
	keep, err := kept(s, r)
	if err != nil {
		return 0, err
	}
	for _, p := range tagPatterns() {
		if keep(p[0], true) {
			n++
		}
	}
	return n, nil
}

// kept says of a tag of Consul's whether it is to be in the document.
func kept(s Settings, r Registered) (keep func(name string, expression bool) bool, err error) {
	if !s.StatsTags.Auto {
		return func(name string, _ bool) bool { return slices.Contains(s.StatsTags.Names, name) }, nil
	}
	readers, err := Readers(s, r)
	return func(_ string, expression bool) bool { return !expression || len(readers) > 0 }, err
}

// chooseTags takes out of a document what Settings.StatsTags does not ask for. A whole
// envoy_stats_config_json is the user's, and so are the envoy_stats_tags.
func chooseTags(doc object, s Settings, r Registered) error {
	cfg, err := parseConfig(r.Config)
	if err != nil {
		return err
	}
	stats, _ := doc["stats_config"].(object)
	tags, _ := stats["stats_tags"].([]any)
	if len(tags) == 0 || cfg.text["envoy_stats_config_json"] != "" {
		return nil
	}
	keep, err := kept(s, r)
	if err != nil {
		return err
	}
	_, theirs := cfg.fixedTags()
	tags = slices.DeleteFunc(slices.Clone(tags), func(v any) bool {
		tag, _ := v.(object)
		name, _ := tag["tag_name"].(string)
		_, expression := tag["regex"]
		return (expression || !theirs[name]) && !keep(name, expression)
	})
	if len(tags) == 0 {
		delete(doc, "stats_config")
		return nil
	}
	stats["stats_tags"] = tags
	return nil
}
