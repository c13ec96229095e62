package bootstrap

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A token that may change costs Consul's document two filters in the agent's cluster, and
// nothing else; the real command's document gets the same.
func TestTokenFileInTheDocument(t *testing.T) {
	goldens(t, func(t *testing.T, c goldenCase) {
		plain := c.settings
		c.settings.TokenFile = "/run/meshtask/envoy-token.json"
		if err := adapt(c.want, c.settings, c.registered()); err != nil {
			t.Fatal(err)
		}
		text, err := Document(c.settings, c.registered())
		if err != nil {
			t.Fatal(err)
		}
		v, err := decodeJSON(string(text))
		if err != nil {
			t.Fatal(err)
		}
		doc := roundTrip(t, v)
		if diff := cmp.Diff(roundTrip(t, c.want), doc); diff != "" {
			t.Errorf("the real command's (-) and ours (+):\n%s", diff)
		}
		agent := doc["static_resources"].(object)["clusters"].([]any)[0].(object)
		http := agent["typed_extension_protocol_options"].(object)[httpOptions].(object)
		filters, _ := http["http_filters"].([]any)
		if agent["name"] != AgentCluster || len(filters) != 2 || strings.Count(string(text), c.settings.TokenFile) != 1 {
			t.Fatalf("cluster %v has filters %v", agent["name"], filters)
		}
		delete(http, "http_filters")
		text, err = Document(plain, c.registered())
		if err != nil {
			t.Fatal(err)
		}
		if v, err = decodeJSON(string(text)); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(roundTrip(t, v), doc); diff != "" {
			t.Errorf("without the filters (-want +got):\n%s", diff)
		}
	})
}

// A template may have made another document: it is left as it is.
func TestTokenIntoAnotherDocument(t *testing.T) {
	for _, doc := range []object{{}, {"static_resources": object{"clusters": []any{object{"name": AgentCluster}, "x"}}}} {
		before := roundTrip(t, doc)
		inject(doc, "/t")
		if diff := cmp.Diff(before, roundTrip(t, doc)); diff != "" {
			t.Error(diff)
		}
	}
}

func TestTokenDocument(t *testing.T) {
	for _, token := range []string{"one", `two"`} {
		text, err := TokenDocument(token)
		if err != nil {
			t.Fatal(err)
		}
		v, err := decodeJSON(string(text))
		if err != nil {
			t.Fatal(err)
		}
		secret := v.(object)["resources"].([]any)[0].(object)["generic_secret"].(object)["secret"].(object)["inline_string"]
		if secret != token {
			t.Errorf("%v, want %q", secret, token)
		}
	}
}
