package awsfake

import (
	"fmt"
	"strings"
	"sync"
)

// SSM plays the Parameter Store.
type SSM struct {
	mu         sync.Mutex
	parameters map[string]string // by name
	secure     map[string]bool
}

func newSSM() *SSM { return &SSM{parameters: map[string]string{}, secure: map[string]bool{}} }

// Set stores a SecureString and gives its ARN.
func (s *SSM) Set(name, value string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.parameters[name], s.secure[name] = value, true
	return s.arn(name)
}

// Remove deletes a parameter.
func (s *SSM) Remove(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.parameters, name)
}

// arn leaves out the slash that begins a path: the ARN has its own.
func (*SSM) arn(name string) string {
	if strings.HasPrefix(name, "arn:") {
		return name
	}
	return fmt.Sprintf("arn:aws:ssm:%s:%s:parameter/%s", Region, Account, strings.TrimPrefix(name, "/"))
}

func (s *SSM) serve(operation string, body []byte) reply {
	var in struct {
		Name           string
		WithDecryption bool
	}
	if a, fine := decode(body, &in); !fine {
		return a
	}
	if operation != "GetParameter" {
		return fail("UnknownOperationException", "no operation %q", operation)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, value := range s.parameters {
		if name != in.Name && s.arn(name) != in.Name {
			continue
		}
		if !in.WithDecryption {
			value = "AQICAHencrypted"
		}
		return ok(map[string]any{"Parameter": map[string]any{"Name": name, "ARN": s.arn(name), "Type": "SecureString", "Value": value, "Version": 1}})
	}
	return fail("ParameterNotFound", "")
}
