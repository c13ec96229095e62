package consulagent

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
)

// prepare makes the data directory, without the services and checks of an earlier life,
// and writes the configuration. What a restart finds is of this life and stays: the agent
// takes it up at once, and its first sync finds nothing to remove.
func (a *Agent) prepare(cfg AgentConfig) error {
	doc, err := cfg.Document()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(cfg.DataDir, 0o700); err != nil {
		return fmt.Errorf("make the data directory: %w", err)
	}
	if !a.wiped {
		for _, name := range []string{"services", "checks"} {
			if err := os.RemoveAll(filepath.Join(cfg.DataDir, name)); err != nil {
				return fmt.Errorf("remove what an earlier life has registered: %w", err)
			}
		}
		a.wiped = true
	}
	if cfg.CAFile != "" && cfg.CACert != "" {
		if err := a.c.Write(filepath.Base(cfg.CAFile), []byte(cfg.CACert)); err != nil {
			return fmt.Errorf("write the servers' CA: %w", err)
		}
	}
	if err := a.c.Write(filepath.Base(a.c.File), doc); err != nil {
		return fmt.Errorf("write the agent's configuration: %w", err)
	}
	return nil
}

// http is where we reach the agent's API.
func (c AgentConfig) http() string {
	host, port := c.ClientAddress, c.Ports.HTTP
	if ip := net.ParseIP(host); ip == nil || ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	if port == 0 {
		port = 8500
	}
	return net.JoinHostPort(host, strconv.Itoa(port))
}
