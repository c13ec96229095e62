package reconcile

import (
	"encoding/json"
	"fmt"
	"strings"

	"meshtask/internal/secret"
)

// Creds are the two IDs of a token, as its secret holds them.
type Creds struct {
	AccessorID string
	SecretID   secret.String
}

// EmptySecret is the content of a secret that holds no token; tasks wait while
// they read it.
const EmptySecret = "{}"

// isUUID says whether s is a UUID in its usual form, of any version.
func isUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i, c := range []byte(s) {
		switch dash := i == 8 || i == 13 || i == 18 || i == 23; {
		case dash != (c == '-'):
			return false
		case !dash && !strings.ContainsRune("0123456789abcdefABCDEF", rune(c)):
			return false
		}
	}
	return true
}

// Zero says whether an ID is missing: half of a pair is none.
func (c Creds) Zero() bool { return c.AccessorID == "" || c.SecretID == "" }

// JSON is the secret's content; the zero value clears it.
func (c Creds) JSON() secret.String {
	if c.Zero() {
		return EmptySecret
	}
	return secret.String(fmt.Sprintf(`{"accessor_id":%q,"token":%q}`, c.AccessorID, c.SecretID.Reveal()))
}

// Secret is a secret as it was read.
type Secret struct {
	Name    string // name or ARN by which it was read
	Version string // ID of the version read; empty: it has none yet
	Creds   Creds  // zero: it is empty
	Extra   bool   // holds more than ours: never written
	Missing bool   // does not exist
	Bad     string // why its content is not for us; empty: it is
}

// ParseSecret reads a secret's content. Nothing of the content goes into Bad.
func ParseSecret(name, version string, content secret.String) Secret {
	s := Secret{Name: name, Version: version}
	text := strings.TrimSpace(content.Reveal())
	if text == "" {
		return s
	}
	var keys map[string]any
	if err := json.Unmarshal([]byte(text), &keys); err != nil || keys == nil {
		s.Bad = "its content is not a JSON object"
		return s
	}
	accessor, okA := stringOf(keys["accessor_id"])
	token, okT := stringOf(keys["token"])
	switch {
	case !okA || !okT:
		s.Bad = "accessor_id and token must be strings"
	case accessor == "" || token == "": // half empty is empty, as consul-ecs has it
	case !isUUID(accessor) || !isUUID(token):
		s.Bad = "accessor_id and token must be UUIDs"
	default:
		s.Creds = Creds{AccessorID: strings.ToLower(accessor), SecretID: secret.String(token)}
	}
	delete(keys, "accessor_id")
	delete(keys, "token")
	s.Extra = len(keys) > 0
	return s
}

// stringOf is the string v, or "" for an absent one.
func stringOf(v any) (string, bool) {
	if v == nil {
		return "", true
	}
	s, ok := v.(string)
	return s, ok
}
