package bootstrap

import (
	"encoding/json"
	"fmt"
)

// consulAdmin is Consul's default admin address. Whatever points there in the
// document means the admin interface, so adapt rewrites it with the socket.
const consulAdmin = "127.0.0.1:19000"

// xDS retry: Envoy's default (500 ms to 30 s) would keep it from the agent for
// half a minute after an agent restart.
const (
	retryBase = "0.050s"
	retryMax  = "2s"
)

// Adopt takes what `consul connect envoy -bootstrap` has printed for the same settings, and
// makes of it what Document would: the socket, the servers, the retries, the token file.
func Adopt(printed []byte, s Settings, r Registered) ([]byte, error) {
	v, err := decodeJSON(string(printed))
	if err != nil {
		return nil, fmt.Errorf("consul connect envoy printed no JSON: %w", err)
	}
	doc, _ := v.(object)
	node, _ := doc["node"].(object)
	if node["id"] != s.ProxyID {
		return nil, fmt.Errorf("consul connect envoy printed a document for node.id %v, not for %s", node["id"], s.ProxyID)
	}
	if err := adapt(doc, s, r); err != nil {
		return nil, err
	}
	return json.Marshal(doc)
}

// adapt turns Consul's document into ours. It takes the output of the real
// command as well, which a template may have changed, so what is not there is
// left alone.
func adapt(doc object, s Settings, r Registered) error {
	if IsSocket(s.Admin) {
		doc["admin"] = object{
			"access_log": discard(),
			"address":    object{"pipe": object{"path": SocketPath(s.Admin), "mode": 0o600}},
		}
		from, err := socketAddress(consulAdmin)
		if err != nil {
			return err
		}
		readdress(doc["static_resources"], from, object{"pipe": object{"path": SocketPath(s.Admin)}})
	}
	if s.Servers != nil {
		if err := atServers(doc, s.Servers); err != nil {
			return err
		}
	}
	for _, service := range grpcServices(doc) {
		if grpc, ok := service["envoy_grpc"].(object); ok {
			grpc["retry_policy"] = object{
				"retry_back_off": object{"base_interval": retryBase, "max_interval": retryMax},
			}
		}
	}
	if s.TokenFile != "" {
		inject(doc, s.TokenFile)
	}
	return chooseTags(doc, s, r)
}

// discard is Consul's default access log of the admin interface. With the
// socket it also replaces proxy-defaults.accessLogs: only our own polls come in.
func discard() []any {
	return []any{object{
		"name": "envoy.access_loggers.file",
		"typed_config": object{
			"@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
			"path":  "/dev/null",
		},
	}}
}

func grpcServices(doc object) []object {
	dynamic, _ := doc["dynamic_resources"].(object)
	ads, _ := dynamic["ads_config"].(object)
	switch services := ads["grpc_services"].(type) {
	case object:
		return []object{services}
	case []any:
		var all []object
		for _, one := range services {
			if service, ok := one.(object); ok {
				all = append(all, service)
			}
		}
		return all
	}
	return nil
}

// readdress replaces every address equal to from, at any depth.
func readdress(node any, from, to object) {
	switch node := node.(type) {
	case []any:
		for _, child := range node {
			readdress(child, from, to)
		}
	case object:
		for key, child := range node {
			if address, ok := child.(object); ok && key == "address" && sameSocket(address, from) {
				node[key] = to
				continue
			}
			readdress(child, from, to)
		}
	}
}

func sameSocket(a, b object) bool {
	one, ok := a["socket_address"].(object)
	other, ok2 := b["socket_address"].(object)
	return ok && ok2 && one["address"] == other["address"] &&
		fmt.Sprint(one["port_value"]) == fmt.Sprint(other["port_value"])
}
