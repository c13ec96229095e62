package bootstrap

import "strings"

// statsConfig is Consul's stats_config: the user's tags, the patterns that take
// a metric's name apart, and tags that say whose metrics these are.
func (c bootstrapConfig) statsConfig(r Registered) (any, error) {
	if c.text["envoy_stats_config_json"] != "" {
		return c.value("envoy_stats_config_json")
	}
	tags, named := c.fixedTags()
	for _, p := range TagExpressions() {
		tags = append(tags, object{"tag_name": p[0], "regex": p[1]})
	}
	for _, source := range sourceTags(r) {
		if source[1] != "" && !named[source[0]] {
			tags = append(tags, fixedTag(source[0], source[1]))
		}
	}
	return object{"stats_tags": tags, "use_all_default_tags": true}, nil
}

// sourceTags say whose statistics these are: tag and value.
func sourceTags(r Registered) [][2]string {
	return [][2]string{
		{"local_cluster", r.Service},
		{"consul.source.service", r.Service},
		{"consul.source.namespace", orDefault(r.Namespace)},
		{"consul.source.partition", orDefault(r.Partition)},
		{"consul.source.datacenter", r.Datacenter},
	}
}

// fixedTags are the user's envoy_stats_tags: "name=value", or "name" for "1".
func (c bootstrapConfig) fixedTags() (tags []any, named map[string]bool) {
	named = map[string]bool{}
	for _, tag := range c.tags {
		name, value, ok := strings.Cut(tag, "=")
		if !ok {
			value = "1"
		}
		name = strings.ToLower(name)
		named[name] = true
		tags = append(tags, fixedTag(name, value))
	}
	return tags, named
}

func fixedTag(name, value string) object {
	return object{"tag_name": name, "fixed_value": value}
}

// tagPatterns are Consul 1.22's stats tags, which dashboards rely on: tag and
// regular expression, with S for one segment of a metric's name. Envoy removes
// the outer group from the name and makes the inner one the tag's value.
//
// Cluster names: [HASH~][SUBSET.]SERVICE.NAMESPACE.[PARTITION.]DC.TYPE.TRUSTDOMAIN.consul
func tagPatterns() [][2]string {
	const cluster = `^cluster\.(?:passthrough~)?`
	return [][2]string{
		{"consul.destination.custom_hash", cluster + `((?:(S)~)?(?:S\.)?S\.S\.(?:S\.)?S\.S\.S\.consul\.)`},
		{"consul.destination.service_subset", cluster + `((?:S~)?(?:(S)\.)?S\.S\.(?:S\.)?S\.S\.S\.consul\.)`},
		{"consul.destination.service", cluster + `((?:S~)?(?:S\.)?(S)\.S\.(?:S\.)?S\.S\.S\.consul\.)`},
		{"consul.destination.namespace", cluster + `((?:S~)?(?:S\.)?S\.(S)\.(?:S\.)?S\.S\.S\.consul\.)`},
		{"consul.destination.partition", cluster + `((?:S~)?(?:S\.)?S\.S\.(?:(S)\.)?S\.internal[^.]*\.S\.consul\.)`},
		{"consul.destination.datacenter", cluster + `((?:S~)?(?:S\.)?S\.S\.(?:S\.)?(S)\.internal[^.]*\.S\.consul\.)`},
		{"consul.destination.peer", `^cluster\.(S\.(?:S\.)?(S)\.external\.S\.consul\.)`},
		{"consul.destination.routing_type", cluster + `((?:S~)?(?:S\.)?S\.S\.(?:S\.)?S\.(S)\.S\.consul\.)`},
		{"consul.destination.trust_domain", cluster + `((?:S~)?(?:S\.)?S\.S\.(?:S\.)?S\.S\.(S)\.consul\.)`},
		{"consul.destination.target", cluster + `(((?:S~)?(?:S\.)?S\.S\.(?:S\.)?S)\.S\.S\.consul\.)`},
		{"consul.destination.full_target", cluster + `(((?:S~)?(?:S\.)?S\.S\.(?:S\.)?S\.S\.S)\.consul\.)`},
		{"consul.upstream.service", `^(?:tcp|http)\.upstream(?:_peered)?\.((S)(?:\.S)?(?:\.S)?\.S\.)`},
		{"consul.upstream.datacenter", `^(?:tcp|http)\.upstream\.(S(?:\.S)?(?:\.S)?\.(S)\.)`},
		{"consul.upstream.peer", `^(?:tcp|http)\.upstream_peered\.(S(?:\.S)?\.(S)\.)`},
		{"consul.upstream.namespace", `^(?:tcp|http)\.upstream(?:_peered)?\.(S(?:\.(S))?(?:\.S)?\.S\.)`},
		{"consul.upstream.partition", `^(?:tcp|http)\.upstream\.(S(?:\.S)?(?:\.(S))?\.S\.)`},
		// The names of before Consul 1.9, which the command still prints.
		{"consul.custom_hash", `^cluster\.((?:(S)~)?(?:S\.)?S\.S\.(?:S\.)?S\.S\.S\.consul\.)`},
		{"consul.service_subset", `^cluster\.((?:S~)?(?:(S)\.)?S\.S\.(?:S\.)?S\.S\.S\.consul\.)`},
		{"consul.service", `^cluster\.((?:S~)?(?:S\.)?(S)\.S\.(?:S\.)?S\.S\.S\.consul\.)`},
		{"consul.namespace", `^cluster\.((?:S~)?(?:S\.)?S\.(S)\.(?:S\.)?S\.S\.S\.consul\.)`},
		{"consul.datacenter", `^cluster\.((?:S~)?(?:S\.)?S\.S\.(?:S\.)?(S)\.internal[^.]*\.S\.consul\.)`},
		{"consul.routing_type", `^cluster\.((?:S~)?(?:S\.)?S\.S\.(?:S\.)?S\.(S)\.S\.consul\.)`},
		{"consul.trust_domain", `^cluster\.((?:S~)?(?:S\.)?S\.S\.(?:S\.)?S\.S\.(S)\.consul\.)`},
		{"consul.target", `^cluster\.(((?:S~)?(?:S\.)?S\.S\.(?:S\.)?S)\.S\.S\.consul\.)`},
		{"consul.full_target", `^cluster\.(((?:S~)?(?:S\.)?S\.S\.(?:S\.)?S\.S\.S)\.consul\.)`},
	}
}
