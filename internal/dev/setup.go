package dev

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"meshtask/internal/httplimit"
)

// Asked is what the user of a development task wants. What is empty or 0 is ours to choose.
type Asked struct {
	Command   string // the app's program; required
	Document  []byte // the configuration, as it was written
	Service   string
	Port      int    // of the app
	Agentless bool   // without a Consul agent, whatever the document says
	Joins     bool   // servers are named beside the document, so that there is none to start
	Server    string // see ServerHost
	Dir       string // for state and configuration
	Temp      string // where temporary directories are made; required without Dir
}

// Setup is what was chosen, and what is held for it until Close.
type Setup struct {
	Task         Task
	Dir          string
	Document     []byte // the complete configuration
	Metadata     string // URL of the task metadata endpoint, which answers already
	StartsServer bool   // the server at Task.Server is ours to start

	local  bool     // the server is this machine's
	passed []string // why something that was asked for is somewhere else
	held   []io.Closer
}

// ConfigFile is where Start writes the configuration, for the user to read: nobody reads it
// back, as what is at its path then need not be what was written.
func (s *Setup) ConfigFile() string { return filepath.Join(s.Dir, configFile) }

// Home is where the development tasks of this user have their directories, in one for temporary
// files.
func Home(temp string) string {
	return filepath.Join(temp, fmt.Sprintf("meshtask-dev-%d", os.Getuid()))
}

const configFile = "config.json"

// Choose picks name, address, port and server, completes the configuration, and serves the
// task metadata endpoint.
func Choose(ctx context.Context, a Asked) (*Setup, error) {
	s := &Setup{}
	if err := s.choose(ctx, a); err != nil {
		s.Close()
		if len(s.passed) > 0 {
			err = fmt.Errorf("%w: %s", err, strings.Join(s.passed, "; "))
		}
		return nil, err
	}
	return s, nil
}

func (s *Setup) pass(why string) { s.passed = append(s.passed, why) }

// Close ends the metadata endpoint, and gives back what was held.
func (s *Setup) Close() {
	for _, c := range s.held {
		_ = c.Close()
	}
}

func (s *Setup) choose(ctx context.Context, a Asked) error {
	doc, err := s.given(a)
	if err != nil {
		return err
	}
	s.Task = doc.Task()
	s.Task.Agentless = s.Task.Agentless || a.Agentless
	s.Task.Service = cmp.Or(s.Task.Service, serviceName(a.Command))
	var id [8]byte
	_, _ = rand.Read(id[:]) // never fails, says its documentation
	s.Task.ID = hex.EncodeToString(id[:])
	if err := s.takeAddress(doc); err != nil {
		return err
	}
	if s.Task.Page == "" {
		if s.Task.Page, err = pagePlace(s.Task.Address, append(doc.Ports(s.Task.Agentless), s.Task.Port)); err != nil {
			return err
		}
	}
	if err := s.findServer(ctx, a); err != nil {
		return err
	}
	if s.Document, err = doc.Complete(s.Task); err != nil {
		return err
	}
	s.Dir = cmp.Or(a.Dir, filepath.Join(Home(a.Temp), s.Task.Service+"-"+s.Task.ID[:6]))
	return nil
}

// given is the configuration that there is, with the name and port that were asked for.
func (s *Setup) given(a Asked) (document, error) {
	doc, err := readDocument(a.Document)
	if err != nil {
		return doc, err
	}
	port := a.Port
	if a.Port != 0 {
		host := doc.AppAddress()
		var claim io.Closer
		if port, claim, err = appPort(host, a.Port); err != nil {
			return doc, err
		}
		s.held = append(s.held, claim)
		if port != a.Port {
			s.pass(fmt.Sprintf("port %d of %s is taken: the app gets PORT=%d and has to listen there", a.Port, host, port))
		}
	}
	doc.Set(a.Service, port)
	return doc, nil
}

// takeAddress takes the task's address, to which the metadata endpoint is bound.
func (s *Setup) takeAddress(doc document) error {
	var endpoint net.Listener
	if s.Task.Address != "" {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		endpoint = l
	} else {
		p, err := taskPlace(append(doc.Ports(s.Task.Agentless), pagePort), s.pass)
		if err != nil {
			return err
		}
		endpoint, s.Task.Address = p, p.Address
	}
	s.held = append(s.held, serve(endpoint, Metadata(s.Task)))
	s.Metadata = "http://" + endpoint.Addr().String() + "/v4/" + s.Task.ID
	return nil
}

// findServer: servers that the configuration names are somebody else's.
func (s *Setup) findServer(ctx context.Context, a Asked) error {
	if a.Server == "" && (s.Task.Server != "" || a.Joins) {
		return nil
	}
	if a.Server != "" && !s.Task.Agentless { // a server need not reach a task without an agent
		if err := reached(ctx, a.Server, s.Task.Address); err != nil {
			return err
		}
	}
	address, ours, err := findServer(ctx, a.Server, s.pass)
	if err != nil {
		return err
	}
	s.Task.Server = address
	if ours != nil {
		s.StartsServer = true
		s.held = append(s.held, ours)
	}
	ip := net.ParseIP(address)
	s.local = ip != nil && ip.IsLoopback()
	return nil
}

// server is an HTTP server that serves.
type server struct {
	*http.Server
	ended chan struct{}
}

func serve(l net.Listener, h http.Handler) *server {
	s := &server{httplimit.Server(h), make(chan struct{})}
	go func() { defer close(s.ended); _ = s.Serve(httplimit.Limit(l, httplimit.Connections())) }()
	return s
}

// Close ends the server, and waits for it.
func (s *server) Close() error {
	err := s.Server.Close()
	<-s.ended
	return err
}
