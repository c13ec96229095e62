package bootstrap

import "fmt"

// adminListener exposes one path of the admin interface, and nothing else of
// it, on an address of its own.
type adminListener struct {
	setting, name, match, value, rewrite string
}

const selfAdmin = "self_admin"

// addListener adds the listener, and the cluster that leads to the admin
// interface unless it is already there: Envoy refuses a second one.
func (x *extras) addListener(l adminListener, bind, admin string) error {
	address, err := socketAddress(bind)
	if err != nil {
		return fmt.Errorf("proxy.config.%s: %w", l.setting, err)
	}
	to, err := socketAddress(admin)
	if err != nil {
		return fmt.Errorf("envoy admin address: %w", err)
	}
	if !hasCluster(x.clusters, selfAdmin) {
		cluster := staticCluster(selfAdmin, to, "http_protocol_options")
		cluster["ignore_health_on_host_removal"] = false
		cluster["connect_timeout"] = "5s"
		x.clusters = append(x.clusters, cluster)
	}
	const filters = "type.googleapis.com/envoy.extensions.filters."
	manager := object{
		"@type":        filters + "network.http_connection_manager.v3.HttpConnectionManager",
		"stat_prefix":  l.name,
		"codec_type":   "HTTP1",
		"route_config": l.routes(),
		"http_filters": []any{object{
			"name":        "envoy.filters.http.router",
			"typedConfig": object{"@type": filters + "http.router.v3.Router"},
		}},
	}
	x.listeners = append(x.listeners, object{
		"name":    l.name + "_listener",
		"address": address,
		"filter_chains": []any{object{"filters": []any{object{
			"name":        "envoy.filters.network.http_connection_manager",
			"typedConfig": manager,
		}}}},
	})
	return nil
}

func (l adminListener) routes() object {
	return object{
		"name": "self_admin_route",
		"virtual_hosts": []any{object{
			"name":    selfAdmin,
			"domains": []any{"*"},
			"routes": []any{
				object{
					"match": object{l.match: l.value},
					"route": object{"cluster": selfAdmin, "prefix_rewrite": l.rewrite},
				},
				object{
					"match":           object{"prefix": "/"},
					"direct_response": object{"status": 404},
				},
			},
		}},
	}
}

func hasCluster(clusters []any, name string) bool {
	for _, c := range clusters {
		if cluster, ok := c.(object); ok && cluster["name"] == name {
			return true
		}
	}
	return false
}
