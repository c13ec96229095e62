package awsfake

import (
	"fmt"
	"strings"
	"sync"
	"time"
)

// Secrets plays Secrets Manager.
type Secrets struct {
	mu      sync.Mutex
	secrets map[string]*storedSecret // by name
	next    int
	writes  *Bucket
	lag     time.Duration
}

type storedSecret struct {
	name, arn string
	versions  map[string]string // content by ID
	current   string            // ID; empty: no value yet
	previous  string
	changed   time.Time
	deleted   bool // scheduled for deletion
}

// maxSecret is the longest content that Secrets Manager takes.
const maxSecret = 65536

func newSecrets() *Secrets {
	return &Secrets{secrets: map[string]*storedSecret{}, writes: NewBucket(50, 50)}
}

// Limit replaces the bucket of writes (50 a second); nil: no limit.
func (s *Secrets) Limit(b *Bucket) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes = b
}

// Lag makes reads show a write that much later.
func (s *Secrets) Lag(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lag = d
}

// Set creates a secret, or gives it a new version, as somebody by hand would,
// and gives its ARN. Without content it has no version.
func (s *Secrets) Set(name, content string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	sec := s.secrets[name]
	if sec == nil {
		sec = s.create(name)
	}
	if content != "" {
		s.next++
		sec.put(fmt.Sprintf("hand%028x", s.next), content)
	}
	return sec.arn
}

// SetARN is Set for a secret that has this ARN, with the six letters at its end.
func (s *Secrets) SetARN(arn, content string) {
	_, name, _ := strings.Cut(arn, ":secret:")
	name = name[:max(0, len(name)-len("-AbCdEf"))]
	s.Set(name, content)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.secrets[name].arn = arn
}

// Get is a secret's content; false: there is no such secret.
func (s *Secrets) Get(name string) (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sec := s.secrets[name]
	if sec == nil {
		return "", false
	}
	return sec.versions[sec.current], true
}

// Versions is how many versions a secret has had.
func (s *Secrets) Versions(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.secrets[name].versions)
}

// Remove deletes a secret at once, or schedules it for deletion.
func (s *Secrets) Remove(name string, scheduled bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if scheduled {
		s.secrets[name].deleted = true
		return
	}
	delete(s.secrets, name)
}

func (s *Secrets) create(name string) *storedSecret {
	s.next++
	sec := &storedSecret{name: name, arn: fmt.Sprintf("%s-%06d", secretARN(name), s.next%1000000), versions: map[string]string{}}
	s.secrets[name] = sec
	return sec
}

func (sec *storedSecret) put(version, content string) {
	sec.versions[version] = content
	sec.previous, sec.current, sec.changed = sec.current, version, time.Now()
}

func secretARN(name string) string {
	return fmt.Sprintf("arn:aws:secretsmanager:%s:%s:secret:%s", Region, Account, name)
}

// arn is the ARN that IAM sees for a secret given by name or ARN.
func (s *Secrets) arn(id string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if sec := s.find(id); sec != nil {
		return sec.arn
	}
	if strings.HasPrefix(id, "arn:") {
		return id
	}
	return secretARN(id) + "-??????"
}

func (s *Secrets) find(id string) *storedSecret {
	if sec := s.secrets[id]; sec != nil {
		return sec
	}
	for _, sec := range s.secrets {
		if sec.arn == id || secretARN(sec.name) == id {
			return sec
		}
	}
	return nil
}

type secretInput struct {
	SecretId, Name, SecretString, ClientRequestToken, VersionId, VersionStage, Description string
}

func (s *Secrets) serve(operation string, body []byte) reply {
	var in secretInput
	if a, fine := decode(body, &in); !fine {
		return a
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if operation == "CreateSecret" {
		return s.serveCreate(in)
	}
	sec := s.find(in.SecretId)
	switch {
	case sec == nil:
		return fail("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
	case sec.deleted && operation != "DescribeSecret":
		return fail("InvalidRequestException", "You can't perform this operation on the secret because it was marked for deletion.")
	}
	switch operation {
	case "GetSecretValue":
		return s.serveGet(sec, in)
	case "UpdateSecret", "PutSecretValue":
		return s.servePut(sec, in)
	case "DescribeSecret":
		stages := map[string][]string{}
		if sec.current != "" {
			stages[sec.current] = []string{"AWSCURRENT"}
		}
		return ok(map[string]any{"ARN": sec.arn, "Name": sec.name, "VersionIdsToStages": stages})
	}
	return fail("UnknownOperationException", "no operation %q", operation)
}

func (s *Secrets) serveGet(sec *storedSecret, in secretInput) reply {
	version := sec.current
	if s.lag > 0 && time.Since(sec.changed) < s.lag {
		version = sec.previous
	}
	stage := in.VersionStage
	if stage == "" {
		stage = "AWSCURRENT"
	}
	switch {
	case in.VersionId != "":
		version = in.VersionId
	case stage == "AWSPREVIOUS":
		version = sec.previous
	case stage != "AWSCURRENT":
		version = ""
	}
	content, found := sec.versions[version]
	if !found {
		return fail("ResourceNotFoundException", "Secrets Manager can't find the specified secret value for staging label: %s", stage)
	}
	return ok(map[string]any{"ARN": sec.arn, "Name": sec.name, "SecretString": content, "VersionId": version, "VersionStages": []string{stage}})
}

func (s *Secrets) servePut(sec *storedSecret, in secretInput) reply {
	token := in.ClientRequestToken
	switch {
	case len(in.SecretString) > maxSecret:
		return fail("ValidationException", "Value at 'secretString' failed to satisfy constraint: Member must have length less than or equal to %d", maxSecret)
	case len(token) < 32 || len(token) > 64:
		return fail("ValidationException", "Value at 'clientRequestToken' failed to satisfy constraint: length between 32 and 64")
	case !s.writes.take():
		return fail("ThrottlingException", "Rate exceeded")
	}
	if content, exists := sec.versions[token]; exists {
		if content != in.SecretString {
			return fail("ResourceExistsException", "You can't modify an existing version, you can only create new ones.")
		}
	} else {
		sec.put(token, in.SecretString)
	}
	return ok(map[string]any{"ARN": sec.arn, "Name": sec.name, "VersionId": token})
}

func (s *Secrets) serveCreate(in secretInput) reply {
	if sec := s.find(in.Name); sec != nil {
		if content, made := sec.versions[in.ClientRequestToken]; made && content == in.SecretString {
			return ok(map[string]any{"ARN": sec.arn, "Name": sec.name, "VersionId": in.ClientRequestToken}) // a repeated call
		}
		return fail("ResourceExistsException", "The operation failed because the secret %s already exists.", in.Name)
	}
	sec := s.create(in.Name)
	if in.SecretString != "" {
		sec.put(in.ClientRequestToken, in.SecretString)
	}
	return ok(map[string]any{"ARN": sec.arn, "Name": sec.name, "VersionId": in.ClientRequestToken})
}
