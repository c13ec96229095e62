package awsapi

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
)

// profile is what the shared files say of one profile.
type profile struct {
	name     string
	keys     map[string]string
	services map[string]string // of its services section, such as ecs.endpoint_url
}

// readProfile reads the profile of the environment, or "default". A missing
// file is an empty one; a profile that was asked for must be in one of them.
func readProfile(env func(string) string) (profile, error) {
	asked := first(env("AWS_PROFILE"), env("AWS_DEFAULT_PROFILE"))
	p := profile{name: first(asked, "default"), keys: map[string]string{}}
	home := env("HOME")
	config, err := readShared(first(env("AWS_CONFIG_FILE"), filepath.Join(home, ".aws", "config")))
	if err != nil {
		return p, err
	}
	credentials, err := readShared(first(env("AWS_SHARED_CREDENTIALS_FILE"), filepath.Join(home, ".aws", "credentials")))
	if err != nil {
		return p, err
	}
	sections := []map[string]string{config["profile "+p.name], credentials[p.name]} // the later one wins
	if p.name == "default" {
		sections = append([]map[string]string{config[p.name]}, sections...)
	}
	found := false
	for _, s := range sections {
		found = found || s != nil
		maps.Copy(p.keys, s)
	}
	if asked != "" && !found {
		return p, fmt.Errorf("AWS_PROFILE: there is no profile %q in the shared config and credentials files", asked)
	}
	if name := p.keys["services"]; name != "" {
		p.services = config["services "+name]
	}
	return p, nil
}

// readShared reads one shared file: sections of keys. A key in an indented
// block below another key is named "outer.inner".
func readShared(path string) (map[string]map[string]string, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("AWS settings: %w", err)
	}
	all := map[string]map[string]string{}
	var section map[string]string
	outer := ""
	for line := range strings.Lines(string(text)) {
		indented := strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t")
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line[0] == '#' || line[0] == ';':
			continue
		case line[0] == '[' && !indented:
			name, _, _ := strings.Cut(line[1:], "]")
			name = strings.Join(strings.Fields(name), " ")
			if section = all[name]; section == nil {
				section = map[string]string{}
				all[name] = section
			}
			outer = ""
			continue
		}
		key, value, _ := strings.Cut(line, "=")
		key, value = strings.ToLower(strings.TrimSpace(key)), uncomment(strings.TrimSpace(value))
		switch {
		case section == nil: // before the first section
		case indented && outer != "":
			section[outer+"."+key] = value
		default:
			outer, section[key] = key, value
		}
	}
	return all, nil
}

// uncomment cuts a comment off, which stands after a space.
func uncomment(value string) string {
	for _, mark := range []string{" #", " ;", "\t#", "\t;"} {
		value, _, _ = strings.Cut(value, mark)
	}
	return strings.TrimSpace(value)
}
