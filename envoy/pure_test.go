package envoy

import (
	"errors"
	"io/fs"
	"net/netip"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-hclog"

	"meshtask/internal/event"
	"meshtask/internal/testbed/envoyfake"
)

func TestServerDeclares(t *testing.T) {
	own := Server{Version: "9.9.9", Envoys: []string{"1.37.2", "1.36.6"}}
	for _, c := range []struct {
		server          Server
		envoy           string
		list            string
		declared, known bool
	}{
		{own, "1.37.9", "1.37.2, 1.36.6", true, true},
		{own, "1.36.0", "1.37.2, 1.36.6", true, true},
		{own, "1.35.8", "1.37.2, 1.36.6", false, true},
		{own, "main", "1.37.2, 1.36.6", false, true},
		{Server{Version: "1.22.7"}, "1.35.8", "Envoy 1.33 to 1.35", true, true},
		{Server{Version: "1.22.7"}, "1.36.2", "Envoy 1.33 to 1.35", false, true},
		{Server{Version: "9.9.9"}, "1.36.2", "", false, false},
		{Server{}, "1.36.2", "", false, false},
	} {
		list, declared, known := c.server.declares(c.envoy)
		if known != c.known || declared != c.declared || known && list != c.list {
			t.Errorf("%+v, %s: %q, %v, %v", c.server, c.envoy, list, declared, known)
		}
	}
}

func TestVersionError(t *testing.T) {
	for want, e := range map[string]VersionError{
		"Consul 1.22.6 refuses Envoy 1.20.2: Envoy 1.20.2 is too old and is not supported by Consul; use Envoy 1.33 to 1.35 with Consul 1.22, or Consul 1.13 with Envoy 1.20": {
			Envoy: "1.20.2", Consul: "1.22.6", Refused: "Envoy 1.20.2 is too old and is not supported by Consul"},
		"Consul refuses Envoy 0.1.0: Envoy 0.1.0 is too old and is not supported by Consul; use a version of Envoy that this Consul lists (docs/versions.md)": {
			Envoy: "0.1.0", Refused: "Envoy 0.1.0 is too old and is not supported by Consul"},
		"Consul 1.22.6 does not list Envoy 1.36.2 (it lists 1.35.8), and envoy.strictVersion is set; use Envoy 1.33 to 1.35 with Consul 1.22, or Consul 2.0 with Envoy 1.36": {
			Envoy: "1.36.2", Consul: "1.22.6", List: "1.35.8"},
	} {
		if e.Error() != want {
			t.Errorf("%q, want %q", e.Error(), want)
		}
	}
}

// The words are those of real ones, Envoy 1.36.2 and Consul 1.22.6.
func TestRefusalIsRead(t *testing.T) {
	for line, want := range map[string]string{
		"config: DeltaAggregatedResources gRPC config stream to local_agent closed: 3, Envoy 1.20.2 is too old and is not supported by Consul{via_upstream}": "1.20.2",
		"config: DeltaAggregatedResources gRPC config stream to local_agent closed: 3, Envoy 1.13.0 is too old of a point release and is not supported by Consul because it " +
			"does not support RBAC rules using url_path. Please upgrade to version 1.13.1.": "1.13.0",
		"config: DeltaAggregatedResources gRPC config stream to local_agent closed: 7, permission denied":            "",
		"config: DeltaAggregatedResources gRPC config stream to local_agent closed: 14, Envoy 1.20.2 is too old":     "",
		"config: DeltaAggregatedResources gRPC config stream to local_agent closed: 3, type URL is required for ADS": "",
	} {
		p := NewProxy(Config{})
		p.refused(line)
		p.refused(line) // it is said again and again, and must not hold Envoy's lines up
		select {
		case e := <-p.refusals:
			if e.Envoy != want || strings.ContainsAny(e.Refused, "{}") {
				t.Errorf("%s: %+v", line, e)
			}
		default:
			if want != "" {
				t.Errorf("%s: not seen", line)
			}
		}
	}
}

func TestParseVersion(t *testing.T) {
	for text, want := range map[string]string{
		"dc2d3098ae5641555f15c71d5bb5ce0060a8015c/1.36.2/Clean/RELEASE/BoringSSL":                                "1.36.2",
		"\n/usr/bin/envoy  version: dc2d3098ae5641555f15c71d5bb5ce0060a8015c/1.36.2/Clean/RELEASE/BoringSSL\n\n": "1.36.2",
		"x/1.30.0-dev/Modified/DEBUG/BoringSSL-FIPS":                                                             "1.30.0-dev",
		"": "", "1.36.2": "", "a//c/d/e": "", "/bin/a/b/c: not found": "",
	} {
		got, err := parseVersion(text)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
}

func TestArgv(t *testing.T) {
	c := Config{Path: "/bin/envoy", Bootstrap: "/run/b.json", Concurrency: 2, Drain: 2500 * time.Millisecond}
	for _, k := range []struct {
		extra []string
		want  string
	}{
		{nil, "/bin/envoy -c /run/b.json --disable-hot-restart --drain-time-s 3 --drain-strategy immediate --concurrency 2 -l warning --log-format " + logFormat},
		{[]string{"--concurrency=8", "--log-level", "debug", "--component-log-level", "upstream:debug"},
			"/bin/envoy -c /run/b.json --disable-hot-restart --drain-time-s 3 --drain-strategy immediate --log-format " + logFormat + " --concurrency=8 --log-level debug --component-log-level upstream:debug"},
		{[]string{"-l", "info", "--disable-hot-restart", "--log-format", "%v", "--drain-strategy", "gradual", "--drain-time-s", "9"},
			"/bin/envoy -c /run/b.json --concurrency 2 -l info --disable-hot-restart --log-format %v --drain-strategy gradual --drain-time-s 9"},
	} {
		c.ExtraArgs = k.extra
		if diff := cmp.Diff(k.want, strings.Join(c.Argv(), " ")); diff != "" {
			t.Errorf("%v: %s", k.extra, diff)
		}
	}
	bare := Config{Path: "e", Bootstrap: "b", LogLevel: "info"}.Argv()
	if diff := cmp.Diff("e -c b --disable-hot-restart --drain-strategy immediate -l info --log-format "+logFormat, strings.Join(bare, " ")); diff != "" {
		t.Error(diff)
	}
}

func TestParseLevel(t *testing.T) {
	for line, want := range map[string]hclog.Level{
		"[warning] config: x": hclog.Warn, "[critical] main: x": hclog.Error, "[error] a: x": hclog.Error, "[info] a: x": hclog.Info,
		"[debug] a: x": hclog.Debug, "[trace] a: x": hclog.Trace, "[other] a: x": hclog.NoLevel, `{"access":1}`: hclog.NoLevel,
	} {
		if level, text := parseLevel(line); level != want || level != hclog.NoLevel && text != line[strings.Index(line, "] ")+2:] {
			t.Errorf("%s: %v %q", line, level, text)
		}
	}
}

func TestConcurrency(t *testing.T) {
	for _, c := range []struct {
		quota float64
		cpus  int
		want  int
	}{{0, 4, 4}, {0.25, 4, 1}, {1, 4, 1}, {1.9, 4, 1}, {2, 4, 2}, {8, 4, 4}, {0, 0, 1}} {
		if got := Concurrency(c.quota, c.cpus); got != c.want {
			t.Errorf("%v of %d: %d, want %d", c.quota, c.cpus, got, c.want)
		}
	}
}

func TestListeningAndHolder(t *testing.T) {
	const head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
	line := func(address, state, inode string) string {
		return "   0: " + address + " 00000000:0000 " + state + " 00000000:00000000 00:00000000 00000000     0        0 " + inode + " 1 0\n"
	}
	table := head + line("0100007F:4E20", "0A", "11") + line("00000000:4E20", "0A", "12") +
		line("0100007F:4E20", "01", "13") + line("0100007F:4E21", "0A", "14") + line("0200007F:4E20", "0A", "15") + "junk\n"
	for address, want := range map[string][]string{
		"127.0.0.1:20000": {"11", "12"}, "0.0.0.0:20000": {"11", "12", "15"}, "127.0.0.9:20000": {"12"}, "127.0.0.1:20001": {"14"}, "127.0.0.1:1": nil,
	} {
		if diff := cmp.Diff(want, listening(table, netip.MustParseAddrPort(address))); diff != "" {
			t.Errorf("%s: %s", address, diff)
		}
	}
	six := head + line("00000000000000000000000001000000:4E20", "0A", "21") + line("0000000000000000FFFF00000100007F:4E20", "0A", "22")
	for address, want := range map[string][]string{"[::1]:20000": {"21"}, "127.0.0.1:20000": {"22"}} {
		if diff := cmp.Diff(want, listening(six, netip.MustParseAddrPort(address))); diff != "" {
			t.Errorf("%s: %s", address, diff)
		}
	}
	proc := fstest.MapFS{
		"net/tcp": {Data: []byte(table)}, "42/comm": {Data: []byte("nginx\n")},
		"42/fd/3": {Data: []byte("socket:[12]"), Mode: fs.ModeSymlink}, "7/fd/1": {Data: []byte("socket:[99]"), Mode: fs.ModeSymlink},
	}
	if got := holder(proc, netip.MustParseAddrPort("127.0.0.1:20000")); got != "pid 42 (nginx)" {
		t.Error(got)
	}
	if got := holder(proc, netip.MustParseAddrPort("127.0.0.1:20001")); got != "a process that is not visible from here" {
		t.Error(got)
	}
}

func TestExplain(t *testing.T) {
	for _, c := range []struct {
		state string
		stats map[string]int64
		code  event.Code
		want  string
	}{
		{"PRE_INITIALIZING", map[string]int64{statAgentRefused: 3, statCDSFailure: 3}, event.XDSUnreachable, "it cannot connect to the agent's gRPC port (xDS), 3 failures"},
		{"PRE_INITIALIZING", map[string]int64{statCDSFailure: 4}, event.XDSEnded, "the agent ends its xDS stream without an answer, 4 times"},
		{"PRE_INITIALIZING", nil, event.XDSUnreachable, "it has not yet connected to the agent's gRPC port (xDS)"},
		{"PRE_INITIALIZING", map[string]int64{statConnected: 1}, event.XDSNoConfig, "it is connected to the agent, which has sent no configuration"},
		{"INITIALIZING", map[string]int64{statConnected: 1, statCDSSuccess: 1}, event.XDSNoListeners, "state INITIALIZING: it has clusters, but no listeners yet"},
		{"INITIALIZING", map[string]int64{statCDSSuccess: 1, statLDSSuccess: 1}, event.EnvoyNotReady, "state INITIALIZING: it has its listeners, but is not live"},
		{"LIVE", map[string]int64{statCDSSuccess: 1, statLDSSuccess: 1}, event.ListenerElsewhere, "it is live, but nothing listens on 1.2.3.4:5; bound are api:127.0.0.1:1"},
	} {
		f := explain(c.state, c.stats, []Listener{{Name: "api:127.0.0.1:1"}}, "1.2.3.4:5")
		if f.Seen != c.want || f.Code != c.code || f.Fix == "" {
			t.Errorf("%v: %+v", c, f)
		}
		if c.code == event.ListenerElsewhere && (f.Facts["address"] != "1.2.3.4:5" || f.Facts["bound"] != "api:127.0.0.1:1") {
			t.Errorf("facts %v", f.Facts)
		}
	}
}

// At the servers, each way not to get configuration is another case.
func TestExplainAtServers(t *testing.T) {
	for _, c := range []struct {
		stats map[string]int64
		code  event.Code
		which string
	}{
		{map[string]int64{statServersRefused: 3, statServersName: 3, statCDSFailure: 3}, event.XDSUnreachable, event.CaseName},
		{map[string]int64{statServersRefused: 3, statServersCA: 3, statCDSFailure: 3}, event.XDSUnreachable, event.CaseAuthority},
		{map[string]int64{statServersRefused: 3, statServersNoTLS: 3, statCDSFailure: 3}, event.XDSUnreachable, event.CasePlain},
		{map[string]int64{statServersRefused: 3, statCDSFailure: 3}, event.XDSUnreachable, event.CaseServers},
		{map[string]int64{statServersRefused: 0}, event.XDSUnreachable, event.CaseServers},
		{map[string]int64{statServersRefused: 0, statCDSFailure: 4}, event.XDSEnded, event.CaseServers},
		{map[string]int64{statServersRefused: 3, statServersNoTLS: 1, statConnected: 1}, event.XDSNoConfig, event.CaseServers},
		{map[string]int64{statServersRefused: 0, statConnected: 1, statCDSSuccess: 1}, event.XDSNoListeners, event.CaseServers},
		{map[string]int64{statServersRefused: 0, statConnected: 1, statCDSSuccess: 1, statLDSSuccess: 1}, event.EnvoyNotReady, ""},
	} {
		f := explain("INITIALIZING", c.stats, nil, "1.2.3.4:5")
		if f.Code != c.code || f.Facts[event.FactCase] != c.which || f.Fix == "" || strings.Contains(f.Seen+f.Fix, "the agent") {
			t.Errorf("%v: %+v", c, f)
		}
	}
}

func TestBound(t *testing.T) {
	on := func(address string) []Listener {
		return []Listener{{Name: "static"}, {Name: "l", Address: netip.MustParseAddrPort(address)}}
	}
	for _, c := range []struct {
		have, want string
		ok         bool
	}{
		{"0.0.0.0:20000", ":20000", true}, {"0.0.0.0:20000", "127.0.0.1:20000", true}, {"127.0.0.1:20000", ":20000", true},
		{"127.0.0.1:20000", "127.0.0.2:20000", false}, {"127.0.0.1:20000", "127.0.0.1:20001", false}, {"[::]:20000", ":20000", true},
		{"127.0.0.1:20000", "nonsense", false},
	} {
		if got := bound(on(c.have), c.want); got != c.ok {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

func TestAdminAbsentGaugeIsAnError(t *testing.T) {
	f := envoyfake.New()
	f.Stats = gauges(map[string]any{gaugeHTTP + "s": 0})
	socket, _ := serve(t, f)
	admin := NewAdmin("unix://" + socket)
	defer admin.Close()
	if _, _, err := admin.InFlight(t.Context()); err == nil {
		t.Error("no error")
	}
	if err := NewAdmin(socket + "-gone").Drain(t.Context()); !isGone(err) {
		t.Errorf("gone: %v", err)
	}
	if _, err := admin.call(t.Context(), "GET", "/quitquitquit", 200); err == nil || isGone(err) || errors.Is(err, fs.ErrNotExist) ||
		!strings.Contains(err.Error(), "status 405: Method GET not allowed, POST required.") {
		t.Errorf("405: %v", err)
	}
}
