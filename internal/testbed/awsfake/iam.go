package awsfake

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// Account is the account of every fake.
const Account = "123456789012"

// Role is an IAM role with one set of credentials.
type Role struct {
	Name string
	Path string // begins and ends with a slash; "" is "/"
	Tags map[string]string
	Keys aws.Credentials // what its sessions sign with

	// Mismatch makes GetRole show another unique ID than GetCallerIdentity, as a
	// forged pair of requests would.
	Mismatch bool
}

// ARN is the role's own ARN, with its path.
func (r Role) ARN() string { return "arn:aws:iam::" + Account + ":role" + r.path() + r.Name }

func (r Role) path() string {
	if r.Path == "" {
		return "/"
	}
	return r.Path
}

// IAM plays STS and IAM on one address: GetCallerIdentity and GetRole, with
// signatures verified over exactly the headers that are signed.
type IAM struct {
	URL string

	mu    sync.Mutex
	roles map[string]Role // by access key ID
	calls map[string]int
	fail  int // answers still to be refused
}

// NewIAM starts one; it ends with done.
func NewIAM(done func(func()), roles ...Role) *IAM {
	f := &IAM{roles: map[string]Role{}, calls: map[string]int{}}
	for _, r := range roles {
		f.roles[r.Keys.AccessKeyID] = r
	}
	s := httptest.NewServer(f)
	done(s.Close)
	f.URL = s.URL
	return f
}

// Calls is how often an action was asked for, good or bad.
func (f *IAM) Calls(action string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[action]
}

// Refuse makes the next n calls fail with 403.
func (f *IAM) Refuse(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fail = n
}

func (f *IAM) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 64<<10))
	form, formErr := url.ParseQuery(string(body))
	if err != nil || formErr != nil || r.Method != http.MethodPost {
		queryError(w, http.StatusBadRequest, "MalformedQueryString", "want a POST with a form")
		return
	}
	action := form.Get("Action")
	f.mu.Lock()
	f.calls[action]++
	refused := f.fail > 0
	if refused {
		f.fail--
	}
	key := signed(r.Header.Get("Authorization"), "Credential=")
	role, known := f.roles[strings.SplitN(key, "/", 2)[0]]
	f.mu.Unlock()
	switch {
	case refused:
		queryError(w, http.StatusForbidden, "AccessDenied", "refused by the test")
	case !known:
		queryError(w, http.StatusForbidden, "InvalidClientTokenId", "the security token included in the request is invalid")
	case !verified(r, string(body), role.Keys):
		queryError(w, http.StatusForbidden, "SignatureDoesNotMatch", "the request signature we calculated does not match")
	case action == "GetCallerIdentity":
		answer(w, callerIdentity{ARN: "arn:aws:sts::" + Account + ":assumed-role/" + role.Name + "/session",
			UserID: uniqueID(role, false) + ":session", Account: Account})
	case action == "GetRole" && form.Get("RoleName") == role.Name:
		answer(w, roleAnswer(role))
	default:
		queryError(w, http.StatusForbidden, "AccessDenied", "not authorized to perform "+action)
	}
}

func uniqueID(r Role, other bool) string {
	id := "AROA" + strings.ToUpper(fmt.Sprintf("%x", r.Name))
	if other {
		id += "X"
	}
	return id
}

// verified signs again what the caller says that it has signed.
func verified(r *http.Request, body string, keys aws.Credentials) bool {
	auth := r.Header.Get("Authorization")
	scope := strings.Split(signed(auth, "Credential="), "/")
	at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	if err != nil || len(scope) != 5 {
		return false
	}
	again, err := http.NewRequest(r.Method, "http://"+r.Host+r.URL.RequestURI(), strings.NewReader(body))
	if err != nil {
		return false
	}
	for name := range strings.SplitSeq(signed(auth, "SignedHeaders="), ";") {
		if name != "host" && name != "content-length" {
			again.Header[http.CanonicalHeaderKey(name)] = r.Header.Values(name)
		}
	}
	if keys.SessionToken != r.Header.Get("X-Amz-Security-Token") {
		return false
	}
	if err := v4.NewSigner().SignHTTP(r.Context(), keys, again, v4Hash(body), scope[3], scope[2], at); err != nil {
		return false
	}
	return signed(again.Header.Get("Authorization"), "Signature=") == signed(auth, "Signature=")
}

func v4Hash(body string) string {
	sum := sha256.Sum256([]byte(body))
	return hex.EncodeToString(sum[:])
}

// signed is one part of an Authorization header.
func signed(auth, part string) string {
	_, rest, _ := strings.Cut(auth, part)
	value, _, _ := strings.Cut(rest, ",")
	return value
}

type callerIdentity struct {
	XMLName xml.Name `xml:"GetCallerIdentityResponse"`
	ARN     string   `xml:"GetCallerIdentityResult>Arn"`
	UserID  string   `xml:"GetCallerIdentityResult>UserId"`
	Account string   `xml:"GetCallerIdentityResult>Account"`
}

type getRole struct {
	XMLName xml.Name `xml:"GetRoleResponse"`
	Role    struct {
		ARN  string    `xml:"Arn"`
		Path string    `xml:"Path"`
		ID   string    `xml:"RoleId"`
		Name string    `xml:"RoleName"`
		Tags []roleTag `xml:"Tags>member"`
	} `xml:"GetRoleResult>Role"`
}

type roleTag struct{ Key, Value string }

func roleAnswer(r Role) getRole {
	var a getRole
	a.Role.ARN, a.Role.Path, a.Role.ID, a.Role.Name = r.ARN(), r.path(), uniqueID(r, r.Mismatch), r.Name
	for k, v := range r.Tags {
		a.Role.Tags = append(a.Role.Tags, roleTag{k, v})
	}
	return a
}

// answer writes what AWS writes: Consul wants the type to be exactly text/xml.
func answer(w http.ResponseWriter, v any) {
	text, err := xml.Marshal(v)
	if err != nil {
		queryError(w, http.StatusInternalServerError, "InternalFailure", err.Error())
		return
	}
	w.Header().Set("Content-Type", "text/xml")
	_, _ = w.Write(text) // the caller has gone
}

func queryError(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "text/xml")
	w.WriteHeader(status)
	fmt.Fprintf(w, "<ErrorResponse><Error><Code>%s</Code><Message>%s</Message></Error></ErrorResponse>", code, message)
}
