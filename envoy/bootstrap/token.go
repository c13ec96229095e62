package bootstrap

import (
	"encoding/json"
)

// The cluster that Envoy's xDS goes to, by Consul's own name and, at the servers, by ours. Envoy
// has exactly one of them, and names it in its log and its statistics.
const (
	AgentCluster   = "local_agent"
	ServersCluster = "consul_servers"
)

const tokenSecret = "consul-token" // the name of the secret in the token file

// TokenDocument is the content of the file that Settings.TokenFile names, with the ACL token
// of Envoy's xDS calls. Envoy watches the file for being replaced: each stream that it opens
// from then on has the new token, and the one that is open goes on until Consul ends it.
// Envoy 1.36.2 was seen to do so.
func TokenDocument(token string) ([]byte, error) {
	return json.Marshal(object{"resources": []any{object{
		"@type":          "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret",
		"name":           tokenSecret,
		"generic_secret": object{"secret": object{"inline_string": token}},
	}}})
}

// inject has the cluster of xDS put the token of the file over the one of the document,
// which Envoy reads once in its life. A document without that cluster is left alone.
func inject(doc object, file string) {
	static, _ := doc["static_resources"].(object)
	clusters, _ := static["clusters"].([]any)
	for _, c := range clusters {
		cluster, _ := c.(object)
		options, _ := cluster["typed_extension_protocol_options"].(object)
		http, _ := options[httpOptions].(object)
		if name := cluster["name"]; (name == AgentCluster || name == ServersCluster) && http != nil {
			http["http_filters"] = []any{tokenFilter(file), object{
				"name":         "envoy.filters.http.upstream_codec",
				"typed_config": object{"@type": "type.googleapis.com/envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec"},
			}}
		}
	}
}

func tokenFilter(file string) object {
	return object{
		"name": "envoy.filters.http.credential_injector",
		"typed_config": object{
			"@type":                            "type.googleapis.com/envoy.extensions.filters.http.credential_injector.v3.CredentialInjector",
			"overwrite":                        true,
			"allow_request_without_credential": true, // then the document's token goes through
			"credential": object{
				"name": "envoy.http.injected_credentials.generic",
				"typed_config": object{
					"@type":  "type.googleapis.com/envoy.extensions.http.injected_credentials.generic.v3.Generic",
					"header": TokenKey,
					"credential": object{
						"name": tokenSecret,
						"sds_config": object{
							"path_config_source":   object{"path": file},
							"resource_api_version": "V3",
						},
					},
				},
			},
		},
	}
}
