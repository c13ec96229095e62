package servicename

import (
	"strings"
	"testing"
)

func TestCheck(t *testing.T) {
	for _, tt := range []struct{ name, want string }{
		{"web", ""},
		{"a_b-9", ""},
		{strings.Repeat("a", Max), ""},
		{strings.Repeat("a", Max+1), "must have 1–64"},
		{"", "must have 1–64"},
		{"WEB", `name it "web"`},
		{"weB", "has capital letters"},
		{"a.b", "must have"},
		{"a b", "must have"},
		{"a[b", "must have"},
		{"a`b", "must have"},
		{`a\b`, "must have"},
		{"a{b", "must have"},
		{"a/b", "must have"},
		{"a:b", "must have"},
		{"clé", "must have"},
		{"Clé", "must have"},
		{"\u212aube", "has capital letters"}, // the sign of kelvin, which is k in lower case
		{`x" { policy = "write" }`, "must have"},
		{"web\n", "must have"},
		{"web-sidecar-proxy", `as the name of the proxy of service "web" does`},
		{"-sidecar-proxy", "ends in"},
		{"web-sidecar-proxy-2", ""},
		{"Web-Sidecar-Proxy", "ends in"},
	} {
		err := Check(tt.name)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: %v, want %q", tt.name, err, tt.want)
		}
	}
}

func TestDefault(t *testing.T) {
	if got := Default("CMS-Prod"); got != "cms-prod" {
		t.Errorf("%q", got)
	}
}
