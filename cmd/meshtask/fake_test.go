package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// The fakes live in the test binary. They know as much of Consul and Envoy as a
// life needs; e2e plays the same lives on the real parts.

// object is a JSON object.
type object = map[string]any

func fileArg(flag string) object {
	var doc object
	for i, word := range os.Args {
		name, value, ok := strings.Cut(word, "=")
		if strings.TrimLeft(name, "-") != flag {
			continue
		}
		if !ok {
			value = os.Args[i+1]
		}
		text, err := os.ReadFile(value)
		if err == nil {
			err = json.Unmarshal(text, &doc)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	return doc
}

// fakeConsul is `consul agent`: it joins at once, or never with FAKE_CONSUL=alone; with
// refuses it ends as for a bad setting; with stranger it knows no token.
func fakeConsul() {
	if len(os.Args) > 1 && os.Args[1] == "version" {
		fmt.Println("Consul v1.22.6")
		return
	}
	if os.Getenv("FAKE_CONSUL") == "refuses" {
		fmt.Fprintln(os.Stderr, "==> failed to parse consul.json: 1 error occurred:\n\t* invalid config key frob")
		os.Exit(1)
	}
	terms := make(chan os.Signal, 4)
	signal.Notify(terms, syscall.SIGTERM)
	doc := fileArg("config-file")
	c := &fakeAgent{node: doc["node_name"].(string), services: object{}, checks: map[string]object{}, known: true, alone: os.Getenv("FAKE_CONSUL") == "alone"}
	ports := doc["ports"].(object)
	l, err := net.Listen("tcp", net.JoinHostPort(doc["client_addr"].(string), strconv.Itoa(int(ports["http"].(float64)))))
	if err != nil {
		fmt.Println("==> " + err.Error())
		os.Exit(1)
	}
	go http.Serve(l, c)
	fmt.Println("2026-11-24T00:00:00.000Z [INFO]  agent: Consul agent running!")
	if c.alone {
		fmt.Println("2026-11-24T00:00:00.000Z [WARN]  agent: Join cluster failed, will retry: error=\"no route to 127.0.0.9\"")
	} else {
		fmt.Println("2026-11-24T00:00:00.000Z [INFO]  agent.client: adding server: server=\"server\"")
	}
	if os.Getenv("FAKE_CONSUL") == "deaf" {
		select {}
	}
	<-terms
	fmt.Println("2026-11-24T00:00:00.000Z [INFO]  agent: Gracefully shutting down agent...")
	c.mu.Lock()
	c.known = false
	c.mu.Unlock()
	<-terms
	os.Exit(1)
}

type fakeAgent struct {
	mu       sync.Mutex
	node     string
	alone    bool
	known    bool // the catalog has the node
	services object
	checks   map[string]object
}

func (c *fakeAgent) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var body object
	_ = json.NewDecoder(r.Body).Decode(&body) // most have none
	id := path.Base(r.URL.Path)
	w.Header().Set("Content-Type", "application/json")
	switch p := r.URL.Path; {
	case p == "/v1/status/leader" && c.alone:
		http.Error(w, "No known Consul servers", http.StatusInternalServerError)
	case p == "/v1/status/leader":
		fmt.Fprint(w, `"127.0.0.9:8300"`)
	case p == "/v1/acl/token/self" && os.Getenv("FAKE_CONSUL") == "stranger":
		http.Error(w, "ACL not found", http.StatusForbidden)
	case p == "/v1/acl/token/self":
		fmt.Fprint(w, `{"AccessorID":"a"}`)
	case p == "/v1/agent/service/register" && os.Getenv("FAKE_CONSUL") == "denies": // it registers nothing
		http.Error(w, "Permission denied", http.StatusForbidden)
	case p == "/v1/agent/service/register":
		c.services[body["ID"].(string)] = body
		list, _ := body["Checks"].([]any)
		for _, check := range list {
			c.add(check.(object), body["ID"].(string))
		}
	case p == "/v1/agent/check/register":
		c.add(body, body["ServiceID"].(string))
	case strings.HasPrefix(p, "/v1/agent/check/update/"):
		c.update(w, id, body)
	case p == "/v1/agent/checks":
		_ = json.NewEncoder(w).Encode(c.checks)
	case strings.HasPrefix(p, "/v1/agent/service/deregister/"):
		delete(c.services, id)
	case strings.HasPrefix(p, "/v1/agent/service/"):
		if c.services[id] == nil {
			http.Error(w, "unknown service ID: "+id, http.StatusNotFound)
			return
		}
		_ = json.NewEncoder(w).Encode(c.services[id])
	case strings.HasPrefix(p, "/v1/catalog/node/"):
		w.Header().Set("X-Consul-Index", "7")
		if !c.known {
			fmt.Fprint(w, "null")
			return
		}
		fmt.Fprintf(w, `{"Node":{"Node":%q},"Services":{}}`, c.node)
	case strings.HasPrefix(p, "/v1/catalog/node-services/"):
		w.Header().Set("X-Consul-Index", "7")
		fmt.Fprintf(w, `{"Node":{"Node":%q},"Services":[]}`, c.node)
	case p == "/v1/catalog/deregister":
		fmt.Fprint(w, "true")
	default:
		http.Error(w, "the fake does not know "+p, http.StatusNotFound)
	}
}

func (c *fakeAgent) add(check object, service string) {
	id, _ := check["CheckID"].(string)
	if other, ok := check["ID"].(string); ok && id == "" {
		id = other
	}
	status, _ := check["Status"].(string)
	if status == "" {
		status = "critical"
	}
	c.checks[id] = object{"CheckID": id, "Status": status, "ServiceID": service, "Node": c.node, "AliasService": check["AliasService"]}
}

// update sets a check, and what follows it by an alias.
func (c *fakeAgent) update(w http.ResponseWriter, id string, body object) {
	check, ok := c.checks[id]
	if !ok {
		http.Error(w, "Unknown check ID "+id, http.StatusNotFound)
		return
	}
	check["Status"], check["Output"] = body["Status"], body["Output"]
	for _, other := range c.checks {
		if other["AliasService"] == check["ServiceID"] {
			other["Status"] = body["Status"]
		}
	}
}

// fakeEnvoy is Envoy: LIVE at once, or never with FAKE_ENVOY=never. With dies it ends at
// once, with fades as soon as it has been seen to listen, with old it is of another age.
func fakeEnvoy() {
	if len(os.Args) == 2 && os.Args[1] == "--version" {
		fmt.Println("\nenvoy  version: dc2d3098/1.35.8/Clean/RELEASE/BoringSSL")
		return
	}
	doc := fileArg("c")
	if doc == nil {
		fmt.Fprintln(os.Stderr, "[critical] no bootstrap")
		os.Exit(1)
	}
	mode := os.Getenv("FAKE_ENVOY")
	if mode == "dies" {
		fmt.Fprintln(os.Stderr, "[critical] bad bootstrap")
		os.Exit(1)
	}
	quit := make(chan os.Signal, 4)
	signal.Notify(quit, syscall.SIGTERM)
	l, err := net.Listen("unix", doc["admin"].(object)["address"].(object)["pipe"].(object)["path"].(string))
	if err != nil {
		fmt.Fprintln(os.Stderr, "[critical]", err)
		os.Exit(1)
	}
	never, deaf := mode == "never", mode == "deaf"
	version := map[bool]string{false: "1.35.8", true: "1.20.0"}[mode == "old"]
	listen := os.Getenv("FAKE_LISTEN") // as xDS would tell
	host, port, _ := net.SplitHostPort(listen)
	go http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if deaf && r.Method == http.MethodPost { // drain and quit hang
			<-r.Context().Done()
			return
		}
		switch r.URL.Path {
		case "/ready":
			if never {
				w.WriteHeader(http.StatusServiceUnavailable)
				fmt.Fprintln(w, "PRE_INITIALIZING")
				return
			}
			fmt.Fprintln(w, "LIVE")
		case "/listeners":
			fmt.Fprintf(w, `{"listener_statuses":[{"name":"public_listener:%s","local_address":{"socket_address":{"address":%q,"port_value":%s}}}]}`, listen, host, port)
			if mode == "fades" {
				defer time.AfterFunc(20*time.Millisecond, func() { os.Exit(7) })
			}
		case "/server_info":
			fmt.Fprintf(w, `{"version":"dc2d3098/%s/Clean/RELEASE/BoringSSL","state":"LIVE"}`, version)
		case "/stats":
			fmt.Fprint(w, `{"stats":[{"name":"http.public_listener.downstream_rq_active","value":0}]}`)
		case "/quitquitquit":
			quit <- syscall.SIGTERM
		default:
			fmt.Fprintln(w, "OK")
		}
	}))
	for range quit {
		if !deaf {
			return
		}
	}
}
