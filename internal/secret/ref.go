package secret

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Ref is a parsed reference; the zero value is none.
type Ref struct {
	Kind    Kind
	ARN     string // of the secret or parameter, without the extra parts
	Region  string // of the ARN
	Name    string // of the variable, the secret or the parameter
	Path    string // of the file
	Key     string // JSON key within the secret; empty: the whole value
	Stage   string // version stage; empty: the current one
	Version string // version ID; empty: by stage
}

// Kind is where a reference points.
type Kind int

// The kinds.
const (
	None Kind = iota
	Env
	File
	SecretsManager
	SSM
)

// Forms are the forms of a reference, for error messages.
const Forms = "arn:…:secretsmanager:…:secret:NAME[:json-key[:version-stage[:version-id]]], arn:…:ssm:…:parameter/NAME, env:NAME or file:PATH"

var errForm = errors.New("must be a reference: " + Forms + " (a secret itself is never taken)")

// Is says whether s claims to be a reference, well formed or not.
func Is(s string) bool {
	if strings.HasPrefix(s, "env:") || strings.HasPrefix(s, "file:") {
		return true
	}
	f := strings.SplitN(s, ":", 4)
	return len(f) == 4 && f[0] == "arn" && (f[2] == "secretsmanager" || f[2] == "ssm")
}

// Parse parses a reference. Its errors never quote text that does not look
// like a reference, since that may be the secret itself.
func Parse(s string) (Ref, error) {
	if !Is(s) {
		return Ref{}, errForm
	}
	kind, rest, _ := strings.Cut(s, ":")
	switch kind {
	case "env":
		if !made(rest, upper+lower+digits+"_") || strings.Contains(digits, rest[:1]) {
			return Ref{}, fmt.Errorf("bad variable name in a reference: want env:NAME with letters, digits and _")
		}
		return Ref{Kind: Env, Name: rest}, nil
	case "file":
		if rest == "" || strings.ContainsRune(rest, 0) {
			return Ref{}, fmt.Errorf("no path in a reference: want file:PATH")
		}
		return Ref{Kind: File, Path: rest}, nil
	}
	return parseARN(s)
}

// parseARN parses arn:partition:service:region:account:resource….
func parseARN(s string) (Ref, error) {
	if !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) {
		return Ref{}, fmt.Errorf("a character in ARN %q that no ARN has", s)
	}
	f := strings.SplitN(s, ":", 6)
	if len(f) < 6 {
		return Ref{}, fmt.Errorf("incomplete ARN %q: want %s", s, Forms)
	}
	switch {
	case !strings.HasPrefix(f[1], "aws") || !made(f[1], lower+"-"):
		return Ref{}, fmt.Errorf("bad partition in ARN %q", s)
	case !made(f[3], lower+digits+"-"):
		return Ref{}, fmt.Errorf("bad or missing region in ARN %q", s)
	case len(f[4]) != 12 || !made(f[4], digits):
		return Ref{}, fmt.Errorf("bad account in ARN %q: want 12 digits", s)
	}
	head, res := strings.Join(f[:5], ":"), f[5]
	if f[2] == "ssm" {
		name, ok := strings.CutPrefix(res, "parameter/")
		if !ok || name == "" || strings.Contains(name, ":") {
			return Ref{}, fmt.Errorf("bad resource in ARN %q: want parameter/NAME", s)
		}
		return Ref{Kind: SSM, ARN: s, Region: f[3], Name: name}, nil
	}
	p := strings.Split(res, ":")
	if p[0] != "secret" || len(p) < 2 || p[1] == "" || len(p) > 5 {
		return Ref{}, fmt.Errorf("bad resource in ARN %q: want secret:NAME[:json-key[:version-stage[:version-id]]]", s)
	}
	r := Ref{Kind: SecretsManager, ARN: head + ":secret:" + p[1], Region: f[3], Name: p[1]}
	p = append(p, "", "", "")
	r.Key, r.Stage, r.Version = p[2], p[3], p[4]
	return r, nil
}

const (
	digits = "0123456789"
	lower  = "abcdefghijklmnopqrstuvwxyz"
	upper  = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
)

// made says whether s is not empty and has only bytes of set.
func made(s, set string) bool { return s != "" && strings.Trim(s, set) == "" }

// IsZero says whether there is no reference.
func (r Ref) IsZero() bool { return r.Kind == None }

// Fixed says whether what the reference names cannot change while we run: a variable, a
// version of a secret, or nothing.
func (r Ref) Fixed() bool { return r.Kind == None || r.Kind == Env || r.Version != "" }

// String is the reference in the form that Parse takes, with trailing empty
// parts left out. It holds no secret.
func (r Ref) String() string {
	switch r.Kind {
	case Env:
		return "env:" + r.Name
	case File:
		return "file:" + r.Path
	case SSM:
		return r.ARN
	case SecretsManager:
		return strings.TrimRight(r.ARN+":"+r.Key+":"+r.Stage+":"+r.Version, ":")
	}
	return ""
}

// MarshalText is String.
func (r Ref) MarshalText() ([]byte, error) { return []byte(r.String()), nil }
