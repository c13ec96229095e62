package registration

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/consul/api"
)

func gatewayFor(kind api.ServiceKind) Registration {
	return Registration{TaskID: "1", TaskARN: "arn", Name: "gw", Address: "10.0.0.9", Tags: []string{"t"}, Meta: map[string]string{"team": "net"},
		Gateway: &Gateway{Kind: kind, Port: 9443, LAN: &Address{"10.0.0.9", 9443}, WAN: &Address{"203.0.113.7", 443}}}
}

func TestGatewayPayload(t *testing.T) {
	r := gatewayFor(api.ServiceKindMeshGateway)
	parts := r.Parts()
	if len(parts) != 1 {
		t.Fatalf("%d parts", len(parts))
	}
	s := parts[0]
	if s.Kind != api.ServiceKindMeshGateway || s.ID != "gw-1" || s.Name != "gw" || s.Port != 9443 || s.Address != "10.0.0.9" || s.Meta["team"] != "net" || s.Meta["task-id"] != "1" ||
		len(s.Checks) != 1 || s.Checks[0].CheckID != "service:gw-1:1" || s.Checks[0].Status != "critical" || s.Checks[0].TCP != "" {
		t.Errorf("%+v", s)
	}
	if diff := cmp.Diff(map[string]api.ServiceAddress{"lan": {Address: "10.0.0.9", Port: 9443}, "wan": {Address: "203.0.113.7", Port: 443}}, s.TaggedAddresses); diff != "" {
		t.Error(diff)
	}
	if r.ProxyID() != "gw-1" || r.ProxyName() != "gw" || len(r.IDs()) != 1 || !r.Native() {
		t.Errorf("%s %s %v", r.ProxyID(), r.ProxyName(), r.IDs())
	}
	if port := (Registration{Name: "gw", Gateway: &Gateway{}}).Parts()[0]; port.Port != 8443 || port.TaggedAddresses != nil {
		t.Errorf("%+v", port)
	}
	if two := scenarios()["user-meta"]; len(two.Parts()) != 2 || two.IDs()[0] != two.ProxyID() {
		t.Errorf("%v", two.IDs())
	}
}

// The check dials where Envoy says that it listens.
func TestGatewayCheck(t *testing.T) {
	for bound, want := range map[string]string{"": "10.0.0.9:9443", "127.0.0.3:8080": "127.0.0.3:8080", "0.0.0.0:8080": "10.0.0.9:8080", "[::]:8443": "10.0.0.9:8443"} {
		c := gatewayFor(api.ServiceKindMeshGateway).ListenerCheck(bound)
		if c.TCP != want || c.ID != "service:gw-1:1" || c.Name != "mesh-gateway listener" || c.ServiceID != "gw-1" || c.Status != "passing" || c.DeregisterCriticalServiceAfter == "" {
			t.Errorf("%q: %+v", bound, c)
		}
	}
	if c := gatewayFor(api.ServiceKindAPIGateway).ListenerCheck("127.0.0.1:1"); c.DeregisterCriticalServiceAfter != "" || c.Name != "api-gateway listener" {
		t.Errorf("%+v", c)
	}
}

// What a gateway lacks, by what Consul answers.
func TestWatchAGateway(t *testing.T) {
	const linked, bound, rights = "/v1/catalog/gateway-services/gw", "/v1/config/bound-api-gateway", "/v1/internal/acl/authorize"
	const ext, routed = `200 [{"Service":{"Name":"ext"}}]`, `200 [{"Name":"other","Listeners":[]},{"Name":"gw","Listeners":[{"Routes":[{"Name":"r"}]}],"Services":{"api":[]}}]`
	all := `200 [{"Resource":"service","Access":"write","Segment":"ext","Allow":true}]`
	for name, c := range map[string]struct {
		kind    api.ServiceKind
		answers map[string]string
		code    string // "": it is well, "-": not seen
		says    string
	}{
		"nothing is linked":  {api.ServiceKindTerminatingGateway, map[string]string{linked: `200 []`}, "gateway-no-entry", "no service is linked to gw"},
		"may not write":      {api.ServiceKindTerminatingGateway, map[string]string{linked: ext, rights: `200 [{"Resource":"service","Access":"write","Segment":"ext","Allow":false}]`}, "gateway-rights", "the token lacks service:write on ext: its chain is missing"},
		"may write":          {api.ServiceKindTerminatingGateway, map[string]string{linked: ext, rights: all}, "", ""},
		"ACLs are off":       {api.ServiceKindTerminatingGateway, map[string]string{linked: ext, rights: `401 ACL support disabled`}, "", ""},
		"nobody answers":     {api.ServiceKindTerminatingGateway, map[string]string{linked: `500 No cluster leader`}, "-", ""},
		"no word of rights":  {api.ServiceKindTerminatingGateway, map[string]string{linked: ext, rights: `500 No cluster leader`}, "-", ""},
		"no entry":           {api.ServiceKindAPIGateway, map[string]string{bound: `200 []`, rights: `200 []`}, "gateway-no-entry", "no api-gateway config entry named gw"},
		"no route":           {api.ServiceKindAPIGateway, map[string]string{bound: `200 [{"Name":"gw","Listeners":[{"Routes":[]}]}]`}, "gateway-no-route", "no route bound"},
		"may not read":       {api.ServiceKindAPIGateway, map[string]string{bound: routed, rights: `200 [{"Resource":"mesh","Access":"read","Allow":false}]`}, "gateway-rights", "no rights: the token lacks mesh:read"},
		"routed":             {api.ServiceKindAPIGateway, map[string]string{bound: routed, rights: `200 [{"Resource":"mesh","Access":"read","Allow":true}]`}, "", ""},
		"mesh, may not read": {api.ServiceKindMeshGateway, map[string]string{rights: `200 [{"Resource":"mesh","Access":"read","Allow":false}]`}, "gateway-rights", "mesh:read"},
		"mesh":               {api.ServiceKindMeshGateway, map[string]string{rights: `200 []`}, "", ""},
	} {
		w := watchOf(t, c.answers)
		w.Registration = gatewayFor(c.kind)
		got, seen := w.Gateway(t.Context())
		if !seen {
			got.Code = "-"
		}
		if string(got.Code) != c.code || got.OK != (c.code == "" || c.code == "-") || !strings.Contains(got.Reason, c.says) {
			t.Errorf("%s: seen %v, %+v", name, seen, got)
		}
	}
}

// Rights are asked for with the token, by a POST.
func TestLackingAsks(t *testing.T) {
	w := watchOf(t, map[string]string{"/v1/internal/acl/authorize": `403 ACL not found`})
	if _, err := w.Asker.(*Caller).Lacking(t.Context(), "x", []Right{{"mesh", "read", ""}}); !ACLNotFound(err) || !Status(err, http.StatusForbidden) {
		t.Errorf("%v", err)
	}
}
