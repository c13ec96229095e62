package taskdef

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/tools/txtar"

	"meshtask/internal/jsontree"
)

// What cannot be converted is refused with the reason, and with what to do.
func TestRefused(t *testing.T) {
	app := `{"name":"web","image":"web:1","command":["/web"],"portMappings":[{"containerPort":80}]}`
	def := func(containers ...string) string {
		return `{"family":"web","networkMode":"awsvpc","containerDefinitions":[` + strings.Join(containers, ",") + `]}`
	}
	legacy := func(config string) string {
		text, _ := json.Marshal(config)
		return def(app, `{"name":"consul-ecs-mesh-init","command":["mesh-init"],"environment":[{"name":"CONSUL_ECS_CONFIG_JSON","value":`+string(text)+`}]}`)
	}
	join := Options{RetryJoin: []string{"10.0.0.1"}}
	for name, c := range map[string]struct {
		in   string
		opt  Options
		want string
	}{
		"not JSON":         {"{\n\n\"a\":}", join, "not JSON: line 3"},
		"two documents":    {def(app) + "{}", join, "not JSON"},
		"a list":           {"[" + app + "]", join, "not a task definition"},
		"nothing in it":    {`{"family":"x"}`, join, "containerDefinitions is missing"},
		"CloudFormation":   {`{"Family":"web","ContainerDefinitions":[{"Name":"web"}]}`, join, "CloudFormation"},
		"wrong type":       {def(`{"name":"web","command":"/web"}`), join, "containerDefinitions.command must not be string"},
		"dataplane alone":  {def(app, `{"name":"consul-dataplane"}`), join, "give the service with --config"},
		"agentless join":   {legacy(`{"bootstrapDir":"/consul","service":{"port":1},"consulServers":{"hosts":"h","defaults":{"tls":false}}}`), join, "--retry-join: there are consulServers"},
		"transparent":      {legacy(`{"bootstrapDir":"/consul","service":{"port":1},"consulServers":{"hosts":"h","defaults":{"tls":false}},"transparentProxy":{"enabled":true}}`), Options{}, "name what the app calls in proxy.upstreams"},
		"no CA":            {legacy(`{"bootstrapDir":"/consul","service":{"port":1},"consulServers":{"hosts":"h"},"transparentProxy":{"enabled":false}}`), Options{}, "consulServers.grpc.caCertFile: required with TLS"},
		"its controller":   {def(`{"name":"consul-ecs-controller","command":["controller"]}`), Options{}, "meshtask acl-controller --agentless"},
		"controller":       {def(`{"name":"consul-acl-controller","command":["acl-controller","-iam-role-path","/x/"]}`), join, "ACL controller"},
		"v0.2":             {def(app, `{"name":"mesh-init","command":["mesh-init","-envoy-bootstrap-dir=/consul"]}`), join, "give the service with --config"},
		"gateway":          {legacy(`{"bootstrapDir":"/consul","gateway":{"kind":"mesh-gateway"}}`), join, "meshtask taskdef render --gateway mesh-gateway"},
		"bad config":       {legacy(`{"bootstrapDir":"/consul","service":{"port":"x"},"proxy":{"upstreams":[{}]}}`), join, "proxy.upstreams[0].destinationName"},
		"converted":        {def(`{"name":"web","environment":[{"name":"MESHTASK_CONFIG_JSON","value":"{}"}]}`), join, "for meshtask already"},
		"no servers":       {def(app), Options{}, "--retry-join"},
		"two apps":         {def(app, strings.Replace(app, "web", "api", 1)), Options{Layout: Single, RetryJoin: join.RetryJoin}, "--app NAME"},
		"two ports":        {def(`{"name":"web","portMappings":[{"containerPort":80},{"containerPort":81}]}`), join, "give --port"},
		"no app":           {def(`{"name":"a","essential":false}`, `{"name":"b","essential":false}`), join, "give --app NAME"},
		"consul-ecs alone": {def(`{"name":"sidecar-proxy"}`), join, "no container besides"},
		"App Mesh gateway": {def(`{"name":"envoy","image":"x/aws-appmesh-envoy:v1"}`), join, "virtual gateway"},
		"unknown app":      {def(app), Options{Apps: []string{"wob"}}, "no container wob; it has web"},
		"unknown layout":   {def(app), Options{Layout: "triple"}, "single or siblings"},
		"siblings job":     {def(app), Options{Layout: Siblings, Job: true}, "a job is one container"},
		"unknown image":    {def(app), Options{Entrypoints: map[string][]string{"x": nil}}, `"x" is no app container`},
		"which image":      {def(app, strings.Replace(app, "web", "api", 1)), Options{Cmds: map[string][]string{OnlyApp: nil}}, "name the container"},
		"own config":       {def(app), Options{Config: []byte("[]")}, "--config: want a JSON object"},
		"config's error":   {def(app), Options{RetryJoin: join.RetryJoin, Config: []byte(`{"envoy":{"colour":1}}`)}, "envoy.colour"},
		"stop too short":   {def(app), Options{RetryJoin: join.RetryJoin, Config: []byte(`{"shutdown":{"stopTimeout":"6s","drain":{"max":"5s"}}}`)}, "stopTimeout"},
		"drain too long":   {def(app), Options{RetryJoin: join.RetryJoin, Config: []byte(`{"shutdown":{"drain":{"min":"3m"}}}`)}, "drain.min"},
		"two sources":      {def(app), Options{RetryJoin: join.RetryJoin, Layout: Siblings, Config: []byte(`{"healthSyncContainers":["web"],"service":{"checks":[{"name":"x","ttl":"1s"}]}}`)}, "only one of"},
		"Windows":          {`{"runtimePlatform":{"operatingSystemFamily":"WINDOWS_SERVER_2022_CORE"},` + def(app)[1:], join, "runs on Linux"},
		"ECS Anywhere":     {`{"requiresCompatibilities":["EXTERNAL"],` + def(app)[1:], join, "awsvpc"},
		"twins":            {def(app, `{"name":"sidecar-proxy"}`, `{"name":"x","entryPoint":["/c","envoy-entrypoint"]}`), join, "both look like sidecar-proxy"},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := Convert([]byte(c.in), c.opt)
			if err == nil {
				t.Fatalf("converted:\n%s", r.New)
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %q, want %q in it", err, c.want)
			}
		})
	}
}

// Terraform's outbound_only of consul-ecs writes port 0, which is none.
func TestOutboundOnly(t *testing.T) {
	in := `{"family":"job","networkMode":"awsvpc","containerDefinitions":[{"name":"web","image":"web:1","command":["/web"]},
		{"name":"consul-ecs-mesh-init","command":["mesh-init"],"environment":[{"name":"CONSUL_ECS_CONFIG_JSON","value":"{\"bootstrapDir\":\"/consul\",\"service\":{\"name\":\"web\",\"port\":0}}"}]}]}`
	r, err := Convert([]byte(in), Options{RetryJoin: []string{"10.0.0.1"}})
	if err != nil || strings.Contains(string(r.New), "port") {
		t.Fatalf("%v\n%+v", err, r)
	}
}

// consul-ecs's parts wrote the CA's file from the variables; where there are none, somebody else did.
func TestServersCAFile(t *testing.T) {
	config, _ := json.Marshal(`{"bootstrapDir":"/consul","service":{"port":80},"consulServers":{"hosts":"h","defaults":{"caCertFile":"/consul/ca.pem"}},"transparentProxy":{"enabled":false}}`)
	for secrets, left := range map[string]bool{
		``: true,
		`,"secrets":[{"name":"CONSUL_GRPC_CACERT_PEM","valueFrom":"arn:aws:ssm:us-east-1:123456789012:parameter/ca"}]`:                      false,
		`,"environment":[{"name":"CONSUL_ECS_CONFIG_JSON","value":` + string(config) + `},{"name":"CONSUL_GRPC_CACERT_PEM","value":"pem"}]`: false,
	} {
		if !strings.Contains(secrets, "environment") {
			secrets += `,"environment":[{"name":"CONSUL_ECS_CONFIG_JSON","value":` + string(config) + `}]`
		}
		r := convert(t, []byte(`{"family":"web","networkMode":"awsvpc","containerDefinitions":[{"name":"web","image":"w","command":["/w"]},{"name":"consul-ecs-mesh-init","command":["mesh-init"]`+secrets+`}]}`), Options{})
		said := slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Level == Todo && strings.HasSuffix(f.Path, "defaults.caCertFile") })
		if strings.Contains(string(r.New), "/consul/ca.pem") != left || said != left || strings.Contains(string(r.New), "CONSUL_GRPC_CACERT_PEM") == left {
			t.Errorf("%s: %v\n%s", secrets, r.Findings, r.New)
		}
	}
}

// A definition with an agent becomes one without by --config: nothing of the agent is left, and
// all that it had is named.
func TestLeavesTheAgent(t *testing.T) {
	a, err := txtar.ParseFile("testdata/v05-login-partition.txtar")
	if err != nil {
		t.Fatal(err)
	}
	o := options(t, section(a, "options"))
	o.RetryJoin, o.Config = nil, []byte(`{"consulServers":{"hosts":"consul.example.com"}}`)
	r := convert(t, section(a, "in"), o)
	whole(t, r)
	out := string(r.New)
	for _, gone := range []string{"consulAgent", "agentMethod", "GOSSIP", "AGENT_TOKEN", "retryJoin", `\\"server\\"`} {
		if strings.Contains(out, gone) {
			t.Errorf("%s is left:\n%s", gone, out)
		}
	}
	for _, want := range []string{`\"hosts\":\"consul.example.com\"`, `"CONSUL_CACERT_PEM"`, `\"login\":`} {
		if !strings.Contains(out, want) {
			t.Errorf("%s is missing:\n%s", want, out)
		}
	}
	if !slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Level == Lost && strings.Contains(f.Text, "the agent's settings") }) {
		t.Errorf("the agent went in silence: %v", r.Findings)
	}
}

// Nothing of the old definition may be missing from both the new one and the
// findings: every container, every field, with a value that cannot be a default.
func TestNothingGoesInSilence(t *testing.T) {
	fields := map[string]string{
		"cpu": "64", "memory": "128", "memoryReservation": "64", "user": `"100"`, "workingDirectory": `"/w"`, "privileged": "true", "interactive": "true",
		"hostname": `"h"`, "dockerLabels": `{"a":"b"}`, "dockerSecurityOptions": `["x"]`, "systemControls": `[{"namespace":"n","value":"1"}]`,
		"resourceRequirements": `[{"type":"GPU","value":"1"}]`, "environmentFiles": `[{"type":"s3","value":"arn:aws:s3:::b/k"}]`, "startTimeout": "60",
		"stopTimeout": "60", "restartPolicy": `{"enabled":true}`, "repositoryCredentials": `{"credentialsParameter":"p"}`, "credentialSpecs": `["x"]`,
		"versionConsistency": `"disabled"`, "disableNetworking": "true", "pseudoTerminal": "true", "readonlyRootFilesystem": "true", "links": `["a"]`,
		"dnsServers": `["1.1.1.1"]`, "dnsSearchDomains": `["x"]`, "extraHosts": `[{"hostname":"a","ipAddress":"1.1.1.1"}]`, "aFieldOfTomorrow": "7",
		"firelensConfiguration": `{"type":"fluentbit"}`, "linuxParameters": `{"sharedMemorySize":64}`,
		"mountPoints": `[{"sourceVolume":"own","containerPath":"/own"}]`, "environment": `[{"name":"OWN","value":"1"}]`, "secrets": `[{"name":"OWN","valueFrom":"arn:x"}]`,
	}
	for _, container := range []string{"consul-client", "sidecar-proxy", "consul-ecs-mesh-init", "consul-ecs-health-sync", "consul-dataplane", "consul-ecs-control-plane"} {
		for field, value := range fields {
			in := fmt.Sprintf(`{"family":"web","networkMode":"awsvpc","containerDefinitions":[{"name":"web","image":"w","command":["/w"],"portMappings":[{"containerPort":80}]},
				{"name":%q,%q:%s},{"name":"init-of-config","command":["mesh-init"],"environment":[{"name":"CONSUL_ECS_CONFIG_JSON","value":"{\"service\":{\"port\":80}}"}]}]}`, container, field, value)
			if container == "consul-ecs-mesh-init" {
				in = strings.Replace(in, `"init-of-config","command":["mesh-init"]`, `"consul-ecs-health-sync"`, 1)
			}
			r := convert(t, []byte(in), Options{RetryJoin: []string{"10.0.0.1"}})
			found := false
			for _, f := range r.Findings {
				found = found || f.Level != Note && strings.HasPrefix(f.Path, "containerDefinitions["+container+"]."+field)
			}
			if !found {
				t.Errorf("%s.%s went in silence: %v", container, field, r.Findings)
			}
		}
	}
}

// An app keeps all that is not about the mesh, to the byte and in its order.
func TestAppIsKept(t *testing.T) {
	kept := `"image":"web:1","cpu":128,"memoryReservation":64,"user":"100","workingDirectory":"/w","dockerLabels":{"b":"2","a":"1"},"environmentFiles":[{"type":"s3","value":"arn:aws:s3:::b/k"}],` +
		`"environment":[{"name":"A","value":"<&>é"}],"secrets":[{"name":"S","valueFrom":"arn:aws:ssm:us-east-1:123456789012:parameter/s"}],` +
		`"logConfiguration":{"logDriver":"awslogs","options":{"z":"1"}},"restartPolicy":{"enabled":true,"ignoredExitCodes":[0]},"aFieldOfTomorrow":1.50`
	in := `{"family":"web","networkMode":"awsvpc","ephemeralStorage":{"sizeInGiB":50},"containerDefinitions":[{"name":"web","command":["/w"],` + kept + `}],"pidMode":"task"}`
	for _, layout := range []string{Single, Siblings} {
		r := convert(t, []byte(in), Options{RetryJoin: []string{"10.0.0.1"}, Layout: layout})
		v, err := parse(r.New)
		if err != nil {
			t.Fatal(err)
		}
		def := v.(*jsontree.Object)
		app := def.Objects("containerDefinitions")[0]
		for _, key := range []string{"entryPoint", "command", "healthCheck", "stopTimeout", "name"} {
			app.Del(key)
		}
		app.Filter("environment", func(e *jsontree.Object) bool { return !strings.HasPrefix(e.Str("name"), "MESHTASK_") })
		if diff := cmp.Diff("{"+kept+"}", jsontree.Compact(app)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", layout, diff)
		}
		if def.Str("pidMode") != "task" || def.Obj("ephemeralStorage").Num("sizeInGiB") != 50 {
			t.Errorf("%s: a field of the task is gone", layout)
		}
	}
}

// The entrypoint in every combination of what definition and image say.
func TestEntry(t *testing.T) {
	for name, c := range map[string]struct {
		entry, cmd string // of the definition; "" is absent
		opt        Options
		want       string // entryPoint + command
		todo       string // in the findings; "" is none about the command
	}{
		"both":                 {`["/e"]`, `["a"]`, Options{}, "meshtask run -- /e | a", ""},
		"entrypoint alone":     {`["/e"]`, ``, Options{}, "meshtask run -- /e | ", ""},
		"own entry, image cmd": {`["/e"]`, ``, Options{Cmds: map[string][]string{"": {"x"}}}, "meshtask run -- /e | x", ""},
		"command alone":        {``, `["a"]`, Options{}, "meshtask run -- | a", "drops the image's ENTRYPOINT"},
		"command, image none":  {``, `["a"]`, Options{Entrypoints: map[string][]string{"": {}}}, "meshtask run -- | a", ""},
		"command, image's":     {``, `["a"]`, Options{Entrypoints: map[string][]string{"": {"/i", "-x"}}}, "meshtask run -- /i -x | a", ""},
		"flags alone":          {``, `["-a"]`, Options{}, "meshtask run -- | -a", "arguments of the image's ENTRYPOINT"},
		"nothing":              {``, ``, Options{}, " | ", "names no command"},
		"all of the image":     {``, ``, Options{Entrypoints: map[string][]string{"": {"/i"}}, Cmds: map[string][]string{"": {"c"}}}, "meshtask run -- /i | c", ""},
		"delay":                {`["/consul/consul-ecs","app-entrypoint","-shutdown-delay","10s"]`, `["a"]`, Options{}, "meshtask run -- | a", ""},
		"delay before a word":  {`["/consul/consul-ecs","app-entrypoint","--shutdown-delay=1s","--","/e","-x"]`, `["a"]`, Options{}, "meshtask run -- /e -x | a", ""},
		"job":                  {`["/e"]`, ``, Options{Job: true}, "meshtask run --job -- /e | ", ""},
		"sibling":              {`["/e"]`, ``, Options{Layout: Siblings, Binary: "/m"}, "/m app -- /e | ", ""},
	} {
		t.Run(name, func(t *testing.T) {
			in := `{"family":"web","networkMode":"awsvpc","containerDefinitions":[{"name":"web","image":"w"`
			if c.entry != "" {
				in += `,"entryPoint":` + c.entry
			}
			if c.cmd != "" {
				in += `,"command":` + c.cmd
			}
			c.opt.RetryJoin = []string{"10.0.0.1"}
			r := convert(t, []byte(in+`}]}`), c.opt)
			v, _ := parse(r.New)
			app := v.(*jsontree.Object).Objects("containerDefinitions")[0]
			got := strings.Join(app.Strings("entryPoint"), " ") + " | " + strings.Join(app.Strings("command"), " ")
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
			said := ""
			for _, f := range r.Findings {
				if f.Level == Todo && (strings.HasSuffix(f.Path, ".entryPoint") || strings.HasSuffix(f.Path, ".command")) {
					said = f.Text
				}
			}
			if c.todo == "" && said != "" || !strings.Contains(said, c.todo) {
				t.Errorf("said %q, want %q", said, c.todo)
			}
		})
	}
}

// Whoever converts keeps the time that the app had to stop.
func TestStopTimeout(t *testing.T) {
	for name, c := range map[string]struct {
		app, task string
		opt       Options
		want      int
	}{
		"ECS's default":        {``, ``, Options{}, 56},
		"given, short":         {`,"stopTimeout":5`, ``, Options{}, 20},
		"given, long":          {`,"stopTimeout":60`, ``, Options{}, 86},
		"too long for Fargate": {`,"stopTimeout":120`, `"requiresCompatibilities":["FARGATE"],`, Options{}, 120},
		"EC2 has no bound":     {`,"stopTimeout":120`, `"requiresCompatibilities":["EC2"],`, Options{}, 146},
		"the user's own":       {`,"stopTimeout":60`, ``, Options{Config: []byte(`{"shutdown":{"stopTimeout":"45s"}}`)}, 45},
		"delay":                {`,"entryPoint":["/consul/consul-ecs","app-entrypoint","-shutdown-delay","10s"]`, ``, Options{}, 46},
	} {
		t.Run(name, func(t *testing.T) {
			in := `{"family":"web","networkMode":"awsvpc",` + c.task + `"containerDefinitions":[{"name":"web","image":"w","command":["/w"]` + c.app + `}]}`
			c.opt.RetryJoin = []string{"10.0.0.1"}
			r := convert(t, []byte(in), c.opt)
			v, _ := parse(r.New)
			if got := v.(*jsontree.Object).Objects("containerDefinitions")[0].Num("stopTimeout"); got != c.want {
				t.Errorf("stopTimeout %d, want %d: %v", got, c.want, r.Findings[len(r.Findings)-1])
			}
		})
	}
}

func TestDiff(t *testing.T) {
	in := []byte(`{"family":"web","containerDefinitions":[{"name":"web","image":"w","command":["/w"],"user":"1"}],"networkMode":"awsvpc"}`)
	r := convert(t, in, Options{RetryJoin: []string{"10.0.0.1"}})
	d := string(r.Diff("web.json"))
	for _, want := range []string{"--- web.json\n+++ web.json (meshtask)\n@@", "\n+      \"entryPoint\": [\"meshtask\", \"run\", \"--\"],\n", "\n       \"command\": [\"/w\"],\n"} {
		if !strings.Contains(d, want) {
			t.Errorf("%q is not in\n%s", want, d)
		}
	}
	if strings.Contains(d, "-  \"family\"") {
		t.Errorf("what is the same is in the diff:\n%s", d)
	}
}

func TestRender(t *testing.T) {
	d := Description{Name: "web", Image: "web:1", Port: 8080, Command: []string{"/web", "-v"}, CPU: 512, Arch: "arm64", TaskRole: "arn:aws:iam::1:role/t",
		Health: "curl -f x", LogGroup: "/ecs/web", Region: "eu-west-1"}
	r, err := Render(d, Options{RetryJoin: []string{"10.0.0.1"}, Layout: Siblings, MeshImage: "m:1"})
	if err != nil {
		t.Fatal(err)
	}
	whole(t, r)
	in := register(t, r.New)
	app := in.ContainerDefinitions[0]
	if *in.Cpu != "512" || *in.Memory != "1024" || in.RuntimePlatform.CpuArchitecture != "ARM64" || *in.TaskRoleArn != d.TaskRole || *app.StopTimeout != 30 {
		t.Errorf("got %s", r.New)
	}
	if got := strings.Join(append(app.EntryPoint, app.Command...), " "); got != "meshtask app -- /web -v" {
		t.Errorf("command %s", got)
	}
	if app.HealthCheck.Command[1] != d.Health || app.LogConfiguration.Options["awslogs-region"] != d.Region {
		t.Errorf("got %s", r.New)
	}
	for _, f := range r.Findings {
		if f.Level != Note && strings.HasSuffix(f.Path, "entryPoint") {
			t.Errorf("the command is whole: %s", f)
		}
	}
	for _, bad := range []Description{{Image: "x"}, {Name: "x"}, {Name: "x", Image: "y", CPU: 300}, {Name: "x", Image: "y", Arch: "vax"}, {Name: "x", Image: "y", LogGroup: "/ecs/x"}, {Name: "x", Image: "y", Memory: 3000}, {Name: "x", Image: "y", CPU: 1024, Memory: 2049}} {
		if _, err := Render(bad, Options{RetryJoin: []string{"a"}}); err == nil {
			t.Errorf("%+v was taken", bad)
		}
	}
}

// An address is asked by meshtask, so that the image needs no shell and no curl; other text is a
// line for the shell. Neither may say the same as --config.
func TestRenderHealth(t *testing.T) {
	render := func(health string, o Options) (*Result, error) {
		o.RetryJoin = []string{"10.0.0.1"}
		return Render(Description{Name: "web", Image: "web:1", Port: 8080, Command: []string{"/web"}, Health: health}, o)
	}
	for health, want := range map[string]string{
		"http://127.0.0.1:8080/health":      `{"http":"http://127.0.0.1:8080/health"}`,
		"HTTPS://localhost:8443/":           `{"http":"HTTPS://localhost:8443/"}`,
		"tcp://127.0.0.1:8080":              `{"tcp":"127.0.0.1:8080"}`,
		"grpc://127.0.0.1:8080/shop.Cart":   `{"grpc":"127.0.0.1:8080/shop.Cart"}`,
		"/web check http://127.0.0.1:8080/": `{"command":["CMD-SHELL","/web check http://127.0.0.1:8080/"]}`,
	} {
		r, err := render(health, Options{Config: []byte(`{"health":{"ttl":"20s"}}`)})
		if err != nil {
			t.Errorf("%s: %v", health, err)
			continue
		}
		app := register(t, r.New).ContainerDefinitions[0]
		if got := *app.Environment[0].Value; !strings.Contains(got, `"health":{"ttl":"20s","app":`+want+`}`) {
			t.Errorf("%s: the configuration is %s", health, got)
		}
		if got := strings.Join(app.HealthCheck.Command, " "); got != "CMD meshtask health" {
			t.Errorf("%s: the container's check is %s", health, got)
		}
	}
	for _, bad := range []struct {
		health, want string
		o            Options
	}{
		{"udp://127.0.0.1:8080", `--health: want http://, https://, tcp:// or grpc:// and an address, or a command, got "udp://127.0.0.1:8080"`, Options{}},
		{"http://127.0.0.1/ || exit 1", "--health: an address has no spaces", Options{}},
		{"http://", "health.app.http: must be an http or https URL", Options{}},
		{"tcp://127.0.0.1", "health.app.tcp: must be HOST:PORT", Options{}},
		{"grpc://:8080", "health.app.grpc: must be HOST:PORT", Options{}},
		{"tcp://127.0.0.1:8080", "--config: want a JSON object", Options{Config: []byte(`[]`)}},
		{"tcp://127.0.0.1:8080", "--config has health.app already", Options{Config: []byte(`{"health":{"app":{"http":"http://127.0.0.1:8080/"}}}`)}},
		{"/web check", "--config has health.app already", Options{Config: []byte(`{"health":{"app":{"http":"http://127.0.0.1:8080/"}}}`)}},
	} {
		if _, err := render(bad.health, bad.o); err == nil || !strings.Contains(err.Error(), bad.want) {
			t.Errorf("%s: got %v, want %s", bad.health, err, bad.want)
		}
	}
}

// A check of --config takes the place of the container's own, which may need a curl that the image
// has no more.
func TestConfigsHealthWins(t *testing.T) {
	in := []byte(`{"family":"web","networkMode":"awsvpc","containerDefinitions":[{"name":"web","image":"w","command":["/w"],
		"portMappings":[{"containerPort":8080}],"healthCheck":{"command":["CMD-SHELL","curl -f localhost"],"startPeriod":60}}]}`)
	r := convert(t, in, Options{RetryJoin: []string{"10.0.0.1"}, Config: []byte(`{"health":{"app":{"tcp":"127.0.0.1:8080","interval":10,"startPeriod":90}}}`)})
	app := register(t, r.New).ContainerDefinitions[0]
	if got := *app.Environment[0].Value; !strings.Contains(got, `"health":{"app":{"tcp":"127.0.0.1:8080","interval":10,"startPeriod":90}}`) {
		t.Errorf("the configuration is %s", got)
	}
	if got := *app.HealthCheck.StartPeriod; got != checkStart+90 {
		t.Errorf("the container's check begins to count after %d s: the app alone may take 90", got)
	}
	if said := fmt.Sprint(r.Findings); !strings.Contains(said, "healthCheck: dropped: --config has health.app") {
		t.Errorf("nobody is told: %s", said)
	}
}

// Secrets of both generations of consul-ecs at once: the one that has no use is named.
func TestSecretsWithoutUse(t *testing.T) {
	for config, want := range map[string]string{
		`{"service":{"port":80},"consulHTTPAddr":"https://c:8501","consulLogin":{"enabled":true}}`: "CONSUL_HTTP_TOKEN dropped: the login",
		`{"service":{"port":80}}`: "CONSUL_HTTPS_CACERT_PEM dropped: it is for the login",
	} {
		text, _ := json.Marshal(config)
		in := `{"family":"web","networkMode":"awsvpc","containerDefinitions":[{"name":"web","image":"w","command":["/w"]},{"name":"consul-ecs-mesh-init",
			"environment":[{"name":"CONSUL_ECS_CONFIG_JSON","value":` + string(text) + `}],"secrets":[
			{"name":"CONSUL_HTTP_TOKEN","valueFrom":"arn:aws:secretsmanager:us-east-1:123456789012:secret:a-AbCdEf"},
			{"name":"CONSUL_HTTPS_CACERT_PEM","valueFrom":"arn:aws:secretsmanager:us-east-1:123456789012:secret:b-AbCdEf"}]}]}`
		r := convert(t, []byte(in), Options{RetryJoin: []string{"10.0.0.1"}})
		if said := fmt.Sprint(r.Findings); !strings.Contains(said, want) || strings.Count(said, "dropped: the login")+strings.Count(said, "dropped: it is") != 1 {
			t.Errorf("%q is not in %s", want, said)
		}
	}
}

// ACLs stay on although the definition gives no token, and that is said.
func TestACLsWithoutAToken(t *testing.T) {
	in := `{"family":"web","networkMode":"awsvpc","containerDefinitions":[{"name":"web","image":"w","command":["/w"]},
		{"name":"consul-client","command":["/bin/sh","-c","exec consul agent -retry-join a -hcl 'acl { enabled = true }'\n"]},
		{"name":"consul-ecs-mesh-init","environment":[{"name":"CONSUL_ECS_CONFIG_JSON","value":"{\"service\":{\"port\":80}}"}]}]}`
	r := convert(t, []byte(in), Options{})
	if !strings.Contains(string(r.New), `\"acl\":{\"enabled\":true}`) {
		t.Errorf("ACLs are off in %s", r.New)
	}
	if said := fmt.Sprint(r.Findings); !strings.Contains(said, "todo  MESHTASK_CONFIG_JSON.acl.enabled: true, but there is no token") {
		t.Errorf("nothing is said: %s", said)
	}
}

func TestWords(t *testing.T) {
	for text, want := range map[string][]string{`["/web","b c"]`: {"/web", "b c"}, " /web  -v ": {"/web", "-v"}, "": nil} {
		if diff := cmp.Diff(want, Command(text), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
	}
	for text, want := range map[string]map[string][]string{`["/e"]`: {"web": {"/e"}}, `[]`: {"web": {}}, `{"a":["/e"],"b":[]}`: {"a": {"/e"}, "b": {}}} {
		got, err := ByContainer(text, []string{"web"})
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%q: %v (-want +got):\n%s", text, err, diff)
		}
	}
	if got, err := ByContainer(`["/e"]`, nil); err != nil || len(got[OnlyApp]) != 1 {
		t.Errorf("%v, %v", got, err)
	}
	for _, bad := range []string{"", "/e", `{"a":"/e"}`, `"/e"`} {
		if _, err := ByContainer(bad, nil); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}
