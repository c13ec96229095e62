package consulfake

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"meshtask/internal/testbed/faulty"
)

// Main plays `consul agent -config-file=FILE`, and `consul version`, and returns the exit code.
// It does what the words of script say, in their order, and then waits for TERM:
//
//	serve     its API answers on the address of its configuration; 1 if that is taken
//	running   it says so, and heeds signals from now on
//	later     what follows comes three seconds later, as on a busy machine
//	joined    its join succeeds
//	refused   its join fails, at the first server of its configuration
//	frob      it ends with 1: a key of its configuration is unknown
//	stranger  its servers know no token
//	denies    it refuses to register services
//	swallow   it swallows a TERM, as an agent that is starting
//	deaf      it swallows every TERM
//	dies      TERM kills it, as between the two handlers of an agent that is starting
//
// At the first TERM it says that it leaves, and the catalog has lost the node. The next ends
// it with 1.
func Main(script string) int {
	if len(os.Args) > 1 && os.Args[1] == "version" {
		fmt.Println("Consul v1.22.6")
		return 0
	}
	term := make(chan os.Signal, 8)
	signal.Notify(term, syscall.SIGTERM)
	var cfg struct {
		Node  string   `json:"node_name"`
		Host  string   `json:"client_addr"`
		Join  []string `json:"retry_join"`
		Ports struct{ HTTP int }
	}
	_, file, _ := strings.Cut(os.Args[len(os.Args)-1], "-config-file=")
	text, _ := os.ReadFile(file)
	_ = json.Unmarshal(text, &cfg)
	fmt.Print("==> Starting Consul agent...\n               Version: '1.22.6'\n")
	c, swallow := New(cfg.Node), 0
	for word := range strings.FieldsSeq(script) {
		switch word {
		case "serve":
			l, err := net.Listen("tcp", net.JoinHostPort(cfg.Host, strconv.Itoa(cfg.Ports.HTTP)))
			if err != nil {
				say("ERROR", fmt.Sprintf("Error starting agent: error=%q", err))
				return 1
			}
			go http.Serve(l, c)
		case "running":
			say("INFO", "Consul agent running!")
		case "later":
			time.Sleep(3 * time.Second)
		case "joined":
			say("INFO", "Join cluster completed. Synced with initial agents: cluster=LAN num_agents=1")
		case "refused":
			c.With(func(s *State) { s.Joined = false })
			say("WARN", fmt.Sprintf("Join cluster failed, will retry: cluster=LAN retry_interval=1s\n  error=\n  | 1 error occurred:\n"+
				"  | \\t* Failed to join %s:8301: dial tcp %[1]s:8301: connect: connection refused\n  | \n  ", cfg.Join[0]))
		case "frob":
			fmt.Fprint(os.Stderr, "==> failed to parse consul.json: 1 error occurred:\n\t* invalid config key frob\n\n\n")
			return 1
		case "stranger":
			c.With(func(s *State) { s.Tokens = map[string]string{} })
		case "denies":
			c.Fail("/v1/agent/service/register", faulty.Answer(http.StatusForbidden, "Permission denied: token with AccessorID 'a' lacks permission 'service:write'"))
		case "swallow":
			swallow++
		case "deaf":
			swallow = 1 << 30
		case "dies":
			signal.Reset(syscall.SIGTERM)
		default:
			say("ERROR", "the fake does not know "+word)
			return 1
		}
	}
	for range swallow {
		<-term
		say("INFO", "Caught: signal=terminated")
	}
	<-term
	say("INFO", "Caught: signal=terminated")
	c.With(func(s *State) { s.Listed = false })
	say("INFO", "Gracefully shutting down agent...")
	<-term
	say("INFO", "Caught second signal, Exiting: signal=terminated")
	return 1
}

func say(level, text string) { fmt.Printf("2026-11-24T21:37:00.123Z [%s]  agent: %s\n", level, text) }
