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
		if err := write(cfg.CAFile, []byte(cfg.CACert)); err != nil {
			return err
		}
	}
	return write(a.c.File, doc)
}

// write replaces a file as a whole; only we can read it.
func write(path string, content []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name()) // gone already when all went well
	_, err = tmp.Write(content)
	if cerr := tmp.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
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
