package config

import (
	"strings"
	"testing"
)

// with is a good document with members added.
func with(members string) string {
	return `{"consulAgent":{"retryJoin":["a"]},` + members + `}`
}

func TestBadDocuments(t *testing.T) {
	for name, c := range map[string]struct {
		doc  string
		want []string
	}{
		"empty":           {" \n", []string{"the document is empty"}},
		"not JSON":        {"{\n  \"a\": tru }", []string{"not JSON: line 2, column 11: invalid character"}},
		"cut":             {`{"service":`, []string{"not JSON: line 1, column 11: unexpected end"}},
		"trailing":        {good + " x", []string{"after top-level value"}},
		"two documents":   {good + good, []string{"after top-level value"}},
		"an array":        {`[]`, []string{"must be an object, got an array"}},
		"null":            {`null`, []string{"must be an object, got null"}},
		"a string":        {`"x"`, []string{"must be an object, got a string"}},
		"given twice":     {with(`"service":{"port":1,"port":2}`), []string{"service.port: given twice"}},
		"twice in opaque": {with(`"proxy":{"config":{"a":1,"a":2}}`), []string{"proxy.config.a: given twice"}},
		"deep":            {with(`"proxy":{"config":` + strings.Repeat(`{"a":`, 80) + "1" + strings.Repeat("}", 81)), []string{"nested more than 64 levels deep"}},
		"unknown at root": {with(`"servce":{}`), []string{"servce: unknown key, did you mean service?"}},
		"elsewhere":       {with(`"port":1`), []string{"port: unknown key, did you mean service.port or consulServers.http.port or consulServers.grpc.port or gateway.lanAddress.port or gateway.wanAddress.port?"}},
		"several places":  {with(`"restart":{}`), []string{"restart: unknown key, did you mean consulAgent.restart or envoy.restart or app.restart?"}},
		"case":            {with(`"service":{"Port":1}`), []string{"service.Port: unknown key, did you mean port?"}},
		"no idea":         {with(`"zzzzzz":1`), []string{"zzzzzz: unknown key"}},
		"odd key":         {with(`"a b":1`), []string{`["a b"]: unknown key`}},
		"inside strict":   {with(`"service":{"weights":{"passing":1,"warning":1,"x":1},"checks":[{"name":"c","ttl":"1s","shell":"x"}]},"proxy":{"upstreams":[{"destinationName":"a","localBindPort":1,"socket":"x"}]}`), []string{"service.weights.x: unknown", "service.checks[0].shell: unknown", "proxy.upstreams[0].socket: unknown"}},
		"kinds":           {with(`"service":{"name":1,"port":"80","tags":"a","meta":[],"enableTagOverride":"true"},"proxy":[]`), []string{"service.name: must be a string, got a number", "service.port: must be a number, got a string", "service.tags: must be an array", "service.meta: must be an object", "service.enableTagOverride: must be a boolean", "proxy: must be an object, got an array", "service.port: must be 1–65535, got 0"}},
		"null items":      {with(`"service":{"tags":[null]},"proxy":{"upstreams":[null]}`), []string{"service.tags[0]: must not be null", "proxy.upstreams[0]: must not be null", "service.tags[0]: must not be empty", "proxy.upstreams[0].destinationName: required", "proxy.upstreams[0].localBindPort: required"}},
		"fractions":       {with(`"service":{"port":80.5}`), []string{"service.port: must be a whole number, got 80.5", "service.port: must be 1–65535, got 0"}},
		"huge":            {with(`"envoy":{"concurrency":1e300}`), []string{"envoy.concurrency: must be a whole number, got 1e300", "must be 1–1024"}},
		"durations":       {with(`"shutdown":{"stopTimeout":30,"drain":{"min":"1","max":"-1s"}}`), []string{"shutdown.stopTimeout: must be a string, got a number", `shutdown.drain.min: must be a duration such as "1.5s" or "2m", got "1"`, "shutdown.drain.max: must not be negative, got -1s"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := Load(Sources{Name: "f.json", File: []byte(c.doc)})
			told(t, findings(t, err), c.want...)
			if err != nil && !strings.HasPrefix(err.Error(), "bad configuration in f.json:") {
				t.Errorf("%v: want the document's name", err)
			}
		})
	}
}

func TestBadValues(t *testing.T) {
	for name, c := range map[string]struct {
		doc  string
		want []string
	}{
		"ports":                {`"service":{"port":0},"proxy":{"publicListenerPort":65536,"upstreams":[{"destinationName":"a","localBindPort":-1}]}`, []string{"service.port: must be 1–65535, got 0", "proxy.publicListenerPort: must be 1–65535, got 65536", "proxy.upstreams[0].localBindPort: must be 1–65535, got -1"}},
		"service name":         {`"service":{"name":"my service"}`, []string{`service.name: must be 1–128 letters, digits`}},
		"long name":            {`"service":{"name":"` + strings.Repeat("x", 129) + `"}`, []string{"service.name: must be 1–128 letters"}},
		"user":                 {`"app":{"user":"-a:b"}`, []string{"app.user"}},
		"group":                {`"app":{"user":"a:"}`, []string{"app.user"}},
		"tags":                 {`"service":{"tags":["a","b","a"]}`, []string{`service.tags[2]: "a" is given twice`}},
		"weights":              {`"service":{"weights":{"passing":0}}`, []string{"service.weights.warning: required", "service.weights.passing: must be 1–65535, got 0"}},
		"meta":                 {`"service":{"meta":{"a b":"x","long":"` + strings.Repeat("x", 513) + `"}}`, []string{`service.meta["a b"]: keys must`, "service.meta.long: must have at most 512 bytes, got 513"}},
		"checks":               {`"service":{"checks":[{},{"name":"a","http":"x","interval":"1s"},{"name":"b","tcp":"h"},{"name":"c","ttl":"1s","tcp":"h:1"},{"name":"d","ttl":"1s","status":"ok","checkId":"i"},{"name":"e","ttl":"1s","checkId":"i","successBeforePassing":-1}]}`, []string{"checks[0].name: required", "checks[0]: has no probe", "checks[1].http: must be an http or https URL", "checks[2].interval: required", "checks[2].tcp: must be HOST:PORT", "checks[3].ttl: cannot be combined with a probe", "checks[4].status: must be one of", `checks[5].checkId: "i" is given twice`, "checks[5].successBeforePassing: must not be negative"}},
		"checks and sync":      {`"service":{"checks":[{"name":"a","ttl":"1s"}]},"healthSyncContainers":["a"]`, []string{"healthSyncContainers: set only one of service.checks and healthSyncContainers"}},
		"sync":                 {`"healthSyncContainers":["a","","a","b c"]`, []string{"[1]: must not be empty", `[2]: "a" is given twice`, `[3]: must be 1–255 letters`}},
		"sync of own check":    {`"healthSyncContainers":["a"],"health":{"container":"a"}`, []string{"healthSyncContainers[0]: \"a\" is also health.container"}},
		"addresses":            {`"proxy":{"publicListenerAddress":"host","localServiceAddress":"1.2.3","upstreams":[{"destinationName":"a","localBindPort":1,"localBindAddress":"x"}]},"task":{"address":"10.0.0.0/8"}`, []string{"proxy.publicListenerAddress: must be an IP address, got \"host\"", "proxy.localServiceAddress", "proxy.upstreams[0].localBindAddress", "task.address"}},
		"bind_address":         {`"proxy":{"config":{"bind_address":"1.1.1.1","bind_port":1},"publicListenerAddress":"2.2.2.2"}`, []string{"proxy.config.bind_address: is \"1.1.1.1\"", "proxy.config.bind_port: is 1, but proxy.publicListenerPort is 20000"}},
		"mesh gateway":         {`"proxy":{"meshGateway":{},"upstreams":[{"destinationName":"a","localBindPort":1,"meshGateway":{"mode":"lcal"}}]}`, []string{"proxy.meshGateway.mode: required", "mode: must be one of none, local, remote, got \"lcal\", did you mean local?"}},
		"upstream at a peer":   {`"proxy":{"upstreams":[{"destinationName":"a","localBindPort":1,"destinationPeer":"eu","datacenter":"dc2","destinationPartition":"p","destinationType":"prepared_query"}]}`, []string{"destinationPeer: excludes datacenter", "destinationPeer: excludes destinationPartition", "destinationPeer: excludes destinationType prepared_query"}},
		"upstream":             {`"proxy":{"upstreams":[{"destinationType":"query"}]}`, []string{"destinationName: required", "localBindPort: required", "destinationType: must be one of service, prepared_query"}},
		"expose":               {`"proxy":{"expose":{"paths":[{"path":"x","protocol":"tcp"}]}}`, []string{"listenerPort: must be 1–65535, got 0", "localPathPort", "path: must begin with /", "protocol: must be one of http, http2"}},
		"bootstrapDir":         {`"bootstrapDir":""`, []string{"bootstrapDir: must not be empty"}},
		"envoy":                {`"envoy":{"command":"","bootstrap":"x","logLevel":"warn","concurrency":0,"extraArgs":["-c","x"],"admin":"19000","readyTimeout":"0s"}`, []string{"envoy.command: must not be empty", "envoy.bootstrap: must be one of builtin, consul", `envoy.logLevel: must be one of trace, debug, info, warning, error, critical, off, got "warn"`, "envoy.concurrency: must be 1–1024, got 0", "envoy.extraArgs[0]: -c is set by meshtask itself", "envoy.admin: must be HOST:PORT", "envoy.readyTimeout: must be greater than 0s, got 0s"}},
		"app":                  {`"app":{"command":[],"signal":"all","stopSignal":"STOP","user":"a b","env":{"A=B":"x","":"y"},"restart":{"policy":"sometimes"}}`, []string{"app.command: must not be empty", "app.stopSignal: SIGSTOP cannot end a process", "app.signal: must be one of group, leader", `app.user: must be a user's name, a uid, or uid:gid, got "a b"`, `app.env[""]`, `app.env["A=B"]`, "app.restart.policy: must be one of never, on-failure, always"}},
		"NUL":                  {`"app":{"command":["a\u0000"],"dir":"\u0000","env":{"A":"\u0000"}}`, []string{"app.command[0]: must not hold a NUL byte", "app.dir", "app.env.A"}},
		"env kinds":            {`"app":{"env":{"A":1,"B":{"valu":"x"},"C":"env:","D":{"value":2}}}`, []string{"app.env.A: must be a string, a reference, or", "app.env.B.valu: unknown key, did you mean value?", "app.env.C: bad variable name", "app.env.D.value: must be a string"}},
		"signals":              {`"app":{"stopSignal":"TRM"}`, []string{`app.stopSignal: unknown signal "TRM": want a name such as TERM or SIGTERM, RTMIN+N, or a number from 1 to 64`}},
		"ready":                {`"app":{"ready":{"tcp":"8080","http":"localhost","exec":[],"fd":2,"timeout":"0s"}}`, []string{"app.ready: set only one of tcp, http, grpc, exec and fd, got tcp and http and exec and fd", "app.ready.tcp: must be HOST:PORT", "app.ready.http: must be an http or https URL", "app.ready.exec: must not be empty", "app.ready.fd: must be 3–1023, got 2", "app.ready.fd: needs a command", "app.ready.timeout"}},
		"fd without a command": {`"app":{"ready":{"fd":3}}`, []string{"app.ready.fd: needs a command, after -- or as app.command"}},
		"ready word":           {`"app":{"ready":"ready"}`, []string{`app.ready: must be an object or "started"`}},
		"health.app bounds":    {`"health":{"app":{"command":["CMD","x"],"interval":4,"timeout":61,"retries":0,"startPeriod":301}}`, []string{"health.app.interval: must be 5–300 seconds, got 4", "health.app.timeout: must be 2–60 seconds, got 61", "health.app.retries: must be 1–10, got 0", "health.app.startPeriod: must be 0–300 seconds, got 301"}},
		"health.app command":   {`"health":{"app":{"command":["curl","x"]}}`, []string{`health.app.command: must begin with CMD or CMD-SHELL, got "curl"`}},
		"health.app none":      {`"health":{"app":{}}`, []string{"health.app.command: required"}},
		"health.app two":       {`"health":{"app":{"http":"http://127.0.0.1/","tcp":"127.0.0.1:1"}}`, []string{"health.app: set only one of command, http, tcp and grpc, got http and tcp"}},
		"health.app targets":   {`"health":{"app":{"http":"127.0.0.1:80/x"}}`, []string{"health.app.http: must be an http or https URL"}},
		"health.app tcp":       {`"health":{"app":{"tcp":"8080"}}`, []string{"health.app.tcp: must be HOST:PORT"}},
		"health.app grpc":      {`"health":{"app":{"grpc":"http://127.0.0.1:80/x"}}`, []string{"health.app.grpc: must be HOST:PORT"}},
		"ready grpc":           {`"app":{"ready":{"grpc":"127.0.0.1:99999/x","tcp":"127.0.0.1:1"}}`, []string{"app.ready: set only one of tcp, http, grpc, exec and fd, got tcp and grpc", "app.ready.grpc: must be 1–65535"}},
		"stop on":              {`"app":{"stopOn":["KILL","CONT","WINSH"]}`, []string{`app.stopOn[2]: unknown signal "WINSH"`, "app.stopOn[0]: SIGKILL cannot begin a stop: set the image's STOPSIGNAL", "app.stopOn[1]: SIGCONT"}},
		"health.app empty":     {`"health":{"app":{"command":["CMD"]}}`, []string{`health.app.command: must be ["CMD", PROGRAM`}},
		"health.app lines":     {`"health":{"app":{"command":["CMD-SHELL","a","b"]}}`, []string{`health.app.command: must be ["CMD", PROGRAM`}},
		"loop":                 {`"health":{"app":{"command":["CMD","/meshtask","health"]}}`, []string{"health.app.command: asks meshtask health"}},
		"loop in a shell":      {`"health":{"app":{"command":["CMD-SHELL","/bin/meshtask health || exit 1"]}}`, []string{"health.app.command: asks meshtask health"}},
		"loop by readiness":    {`"app":{"ready":{"exec":["meshtask","--dir","x","health"]}}`, []string{"app.ready.exec: asks meshtask health"}},
		"health":               {`"health":{"ttl":"0s","interval":"0s","container":"a b"}`, []string{"health.container", "health.ttl: must be greater than 0s", "health.interval"}},
		"stop too short":       {`"shutdown":{"stopTimeout":"4s"}`, []string{"shutdown.stopTimeout: must be at least 5s with a mesh, got 4s"}},
		"waits too long":       {`"shutdown":{"stopTimeout":"10s","drain":{"propagationWait":"10s","min":"11s","max":"12s"}},"app":{"stopTimeout":"13s"}`, []string{"shutdown.drain.propagationWait: 10s does not fit into shutdown.stopTimeout 10s", "shutdown.drain.min: 11s", "shutdown.drain.max: 12s", "app.stopTimeout: 13s does not fit into shutdown.stopTimeout 10s"}},
		"max below min":        {`"shutdown":{"drain":{"min":"5s","max":"4s"}}`, []string{"shutdown.drain.max: 4s is below shutdown.drain.min 5s"}},
		"leave":                {`"shutdown":{"agentLeave":"documented"}`, []string{"shutdown.agentLeave: must be one of last, first"}},
		"back-off":             {`"app":{"restart":{"policy":"always","max":10,"window":"26s"}}`, []string{"app.restart: max 10 can never be exceeded: the back-offs of 10 restarts (100ms, doubling to 5s) do not fit into window 26s"}},
		"a stats tag":          {`"envoy":{"statsTags":["consul.servise","local_cluster"]}`, []string{`envoy.statsTags[0]: there is no stats tag "consul.servise", did you mean consul.service?; these exist: local_cluster, `}},
		"no stats tags":        {`"envoy":{"statsTags":"Auto"}`, []string{`envoy.statsTags: must be "auto", true, false or a list of tag names, got "Auto"`}},
		"stats tags, a number": {`"envoy":{"statsTags":1}`, []string{`got a number`}},
		"stats tags and true":  {`"envoy":{"statsTags":[true,"local_cluster"]}`, []string{"envoy.statsTags[0]: must be a tag name, got a boolean: true and false stand alone"}},
		"back-off of envoy":    {`"envoy":{"restart":{"max":1,"window":"1s","backoff":"1s"}}`, []string{"envoy.restart: max 1 can never be exceeded"}},
		"restart values":       {`"envoy":{"restart":{"max":-1,"window":"0s","backoff":"0s"}},"app":{"restart":{"maxBackoff":"1ms"}}`, []string{"envoy.restart.max: must be 0–1000, got -1", "envoy.restart.window", "envoy.restart.backoff", "app.restart.maxBackoff: must be at least backoff, 100ms, got 1ms"}},
		"acl":                  {`"acl":{"serviceToken":"env:T","wait":"0s","login":{"stsEndpoint":"x"}}`, []string{"acl.wait", "acl.serviceToken: set only one of acl.serviceToken and acl.login", "acl.login.server: required", "acl.login.stsEndpoint: must be an http or https URL"}},
		"login server":         {`"acl":{"login":{"server":"consul"}}`, []string{"acl.login.server: must be HOST:PORT"}},
		"admin":                {`"admin":{"listen":"0.0.0.0:9902"}`, []string{`admin.listen: must be a loopback address, or "off", got "0.0.0.0:9902"`}},
		"metrics by a name":    {`"admin":{"metrics":"metrics.example.com:9903"}`, []string{`admin.metrics: must be IP:PORT, such as 0.0.0.0:9903, got "metrics.example.com:9903"`}},
		"metrics, port only":   {`"admin":{"metrics":":9903"}`, []string{`admin.metrics: must be HOST:PORT, got ":9903"`}},
		"emf":                  {`"log":{"emf":{"namespace":"AWS/ECS","interval":"999ms"}}`, []string{`log.emf.namespace: must be 1–255 letters, digits and any of ._-/#:, and must not begin with AWS/, got "AWS/ECS"`, "log.emf.interval: must be 1s or longer, got 999ms"}},
		"emf, no duration":     {`"log":{"emf":{"interval":60}}`, []string{"log.emf.interval: must be a string, got a number"}},
		"admin, port only":     {`"admin":{"listen":":9902"}`, []string{"admin.listen: must be HOST:PORT"}},
		"log":                  {`"log":{"level":"warning","format":"yaml","app":"pretty"}`, []string{"log.level: must be one of trace, debug, info, warn, error, got \"warning\"", "log.format", "log.app"}},
		"task":                 {`"task":{"id":"a/b","family":"a b"}`, []string{"task.id", "task.family"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := Load(Sources{File: []byte(with(c.doc))})
			told(t, findings(t, err), c.want...)
		})
	}
}

func TestBadAgents(t *testing.T) {
	keys := []string{"node_name", "retry_join", "ports.http", "acl.tokens.agent"}
	for name, c := range map[string]struct {
		doc  string
		want []string
	}{
		"no servers":      {`{}`, []string{"consulAgent.retryJoin: required: set the addresses of the Consul servers by --retry-join A,B, by MESHTASK_RETRY_JOIN, or by consulAgent.retryJoin in the configuration"}},
		"empty list":      {`{"consulAgent":{"retryJoin":[]}}`, []string{"consulAgent.retryJoin: required"}},
		"empty address":   {`{"consulAgent":{"retryJoin":["a"," "]}}`, []string{"consulAgent.retryJoin[1]: must not be empty"}},
		"external":        {`{"consulAgent":{"external":"host"}}`, []string{"consulAgent.external: must be HOST:PORT"}},
		"values":          {`{"consulAgent":{"retryJoin":["a"],"command":"","datacenter":"d c","bindAddress":"x","clientAddress":"y","nodeName":"-","logLevel":"loud","joinTimeout":"0s"}}`, []string{"consulAgent.command", "consulAgent.datacenter", "consulAgent.bindAddress", "consulAgent.clientAddress", "consulAgent.nodeName", "consulAgent.logLevel", "consulAgent.joinTimeout"}},
		"ports":           {`{"consulAgent":{"retryJoin":["a"],"ports":{"http":-1,"grpc":0,"dns":0,"https":-2,"grpcTls":1}}}`, []string{"consulAgent.ports.grpcTls: unknown key, did you mean grpc_tls?", "consulAgent.ports.http: must be 1–65535, got -1", "consulAgent.ports.grpc", "consulAgent.ports.https: must be 1–65535, or -1 for off, got -2", "consulAgent.ports.dns"}},
		"a literal token": {`{"consulAgent":{"retryJoin":["a"],"gossipKey":"hunter2"},"acl":{"serviceToken":"hunter2","agentToken":"env:hunter 2"}}`, []string{"consulAgent.gossipKey: must be a reference", "acl.serviceToken: must be a reference", "acl.agentToken: bad variable name"}},
		"autoEncrypt":     {`{"consulAgent":{"retryJoin":["a"],"autoEncrypt":true}}`, []string{"consulAgent.autoEncrypt: needs consulAgent.caCert"}},
		"extraConfig": {`{"consulAgent":{"retryJoin":["a"],"extraConfig":{"node_name":"x","telemetry":{"node_name":"fine"},"ports":{"http":1,"wan":2},"acl":7}}}`, []string{
			"consulAgent.extraConfig.acl: is set by meshtask itself: use acl.agentToken",
			"consulAgent.extraConfig.node_name: is set by meshtask itself: use consulAgent.nodeName",
			"consulAgent.extraConfig.ports.http: is set by meshtask itself: use consulAgent.ports"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := Load(Sources{File: []byte(c.doc), AgentKeys: keys})
			told(t, findings(t, err), c.want...)
			if err != nil && strings.Contains(err.Error(), "hunter") {
				t.Errorf("a secret is in the error: %v", err)
			}
		})
	}
}

func TestCollisions(t *testing.T) {
	for name, c := range map[string]struct {
		doc  string
		want []string
	}{
		"public and app":     {`"service":{"port":20000}`, []string{"service.port: 20000 is also the port of proxy.publicListenerPort"}},
		"apart by address":   {`"service":{"port":20000},"proxy":{"publicListenerAddress":"10.0.0.7"}`, nil},
		"upstream and agent": {`"proxy":{"upstreams":[{"destinationName":"a","localBindPort":8500}]}`, []string{"proxy.upstreams[0].localBindPort: 8500 is also the port of consulAgent.ports.http"}},
		"other loopback":     {`"proxy":{"upstreams":[{"destinationName":"a","localBindPort":8500,"localBindAddress":"127.0.0.2"}]}`, nil},
		"two upstreams":      {`"proxy":{"upstreams":[{"destinationName":"a","localBindPort":9000},{"destinationName":"b","localBindPort":9000}]}`, []string{"proxy.upstreams[1].localBindPort: 9000 is also the port of proxy.upstreams[0].localBindPort"}},
		"upstreams everywhere": {`"proxy":{"upstreams":[{"destinationName":"a","localBindPort":9000,"localBindAddress":"127.0.0.7"},{"destinationName":"b","localBindPort":9000,"localBindAddress":"0.0.0.0"},{"destinationName":"c","localBindPort":9000,"localBindAddress":"::"}]}`,
			[]string{"proxy.upstreams[1].localBindPort: 9000 is also the port of proxy.upstreams[0].localBindPort", "proxy.upstreams[2].localBindPort: 9000 is also the port of proxy.upstreams[1].localBindPort"}},
		"one address in two ways": {`"proxy":{"upstreams":[{"destinationName":"a","localBindPort":9000,"localBindAddress":"127.0.0.7"},{"destinationName":"b","localBindPort":9000,"localBindAddress":"::ffff:127.0.0.7"}]}`,
			[]string{"proxy.upstreams[1].localBindPort: 9000 is also the port of proxy.upstreams[0].localBindPort"}},
		"wildcard client address": {`"consulAgent":{"retryJoin":["a"],"clientAddress":"0.0.0.0"},"service":{"port":8502}`, []string{"consulAgent.ports.grpc: 8502 is also the port of service.port"}},
		"metrics on admin's":      {`"admin":{"listen":"127.0.0.1:9902","metrics":"0.0.0.0:9902"}`, []string{"admin.metrics: 9902 is also the port of admin.listen"}},
		"metrics on Envoy's":      {`"admin":{"metrics":"0.0.0.0:20000"}`, []string{"admin.metrics: 20000 is also the port of proxy.publicListenerPort"}},
		"admins":                  {`"admin":{"listen":"localhost:19000"},"envoy":{"admin":"127.0.0.1:19000"}`, []string{"envoy.admin: 19000 is also the port of admin.listen"}},
		"agent's own":             {`"consulAgent":{"retryJoin":["a"],"ports":{"http":8502}}`, []string{"consulAgent.ports.grpc: 8502 is also the port of consulAgent.ports.http"}},
		"serf on the task":        {`"service":{"port":8301},"task":{"address":"10.0.0.7"}`, nil},
		"serf on a loopback task": {`"service":{"port":8301},"task":{"address":"127.0.0.9"}`, []string{"consulAgent.ports.serf_lan: 8301 is also the port of service.port"}},
		"exposed":                 {`"proxy":{"expose":{"paths":[{"path":"/","listenerPort":20000,"localPathPort":1}]}}`, []string{"proxy.expose.paths[0].listenerPort: 20000 is also the port of proxy.publicListenerPort"}},
		"external agent":          {`"consulAgent":{"external":"10.0.0.1:8500"},"service":{"port":8500}`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			doc := "{" + c.doc + "}"
			if !strings.Contains(c.doc, "consulAgent") {
				doc = with(c.doc)
			}
			_, _, err := Load(Sources{File: []byte(doc)})
			told(t, findings(t, err), c.want...)
		})
	}
}
