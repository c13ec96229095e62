package awsapi

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/google/go-cmp/cmp"
)

const files = `
[default]
region = eu-west-3   # a comment
aws_access_key_id = FILE
aws_secret_access_key=file=secret
[profile local]
region=us-east-2
endpoint_url = http://127.0.0.1:1
services = nearby
use_fips_endpoint = true
retry_mode = adaptive
max_attempts = 7
s3 =
  endpoint_url = http://127.0.0.1:9
[services nearby]
ecs =
  endpoint_url = http://127.0.0.1:2
secrets_manager =
  endpoint_url = http://127.0.0.1:3
`

const keys = `
[local]
aws_access_key_id = LOCAL
aws_secret_access_key = local
aws_session_token = session
`

// shown is what a Config of the SDK says of the matters that we read.
func shown(t *testing.T, cfg aws.Config) map[string]any {
	t.Helper()
	out := map[string]any{"region": cfg.Region, "mode": cfg.RetryMode, "attempts": cfg.RetryMaxAttempts, "fips": fips(cfg), "dual": dual(cfg),
		"base": aws.ToString(cfg.BaseEndpoint)}
	for _, id := range []string{"ECS", "Secrets Manager"} {
		out[id] = Endpoint(cfg, id)
	}
	creds, err := cfg.Credentials.Retrieve(t.Context())
	out["key"], out["secret"], out["session"], out["refused"] = creds.AccessKeyID, creds.SecretAccessKey, creds.SessionToken, err != nil
	return out
}

// The SDK's own config package reads the same settings to the same effect.
func TestSettingsAreTheSDKs(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "config"), files)
	write(t, filepath.Join(dir, "credentials"), keys)
	for name, env := range map[string]string{
		"nothing":             "AWS_CONFIG_FILE=/nonexistent",
		"keys":                "AWS_ACCESS_KEY_ID=A AWS_SECRET_ACCESS_KEY=B AWS_REGION=us-west-2",
		"session":             "AWS_ACCESS_KEY_ID=A AWS_SECRET_ACCESS_KEY=B AWS_SESSION_TOKEN=C AWS_DEFAULT_REGION=us-west-2",
		"half a key":          "AWS_ACCESS_KEY_ID=A",
		"default profile":     "X=",
		"named profile":       "AWS_PROFILE=local",
		"unknown profile":     "AWS_PROFILE=none",
		"older variable":      "AWS_DEFAULT_PROFILE=local",
		"variable before all": "AWS_PROFILE=local AWS_ENDPOINT_URL=http://127.0.0.1:4 AWS_RETRY_MODE=standard AWS_MAX_ATTEMPTS=2 AWS_USE_FIPS_ENDPOINT=false",
		"one service":         "AWS_ENDPOINT_URL=http://127.0.0.1:4 AWS_ENDPOINT_URL_SECRETS_MANAGER=http://127.0.0.1:5",
		"ignored":             "AWS_PROFILE=local AWS_ENDPOINT_URL_ECS=http://127.0.0.1:5 AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=true",
		"dual stack":          "AWS_USE_DUALSTACK_ENDPOINT=true",
	} {
		t.Run(name, func(t *testing.T) {
			clean(t, dir)
			for kv := range strings.FieldsSeq(env) {
				key, value, _ := strings.Cut(kv, "=")
				t.Setenv(key, value)
			}
			ours, err := Load()
			theirs, refused := config.LoadDefaultConfig(t.Context())
			if (err != nil) != (refused != nil) {
				t.Fatalf("got %v, the SDK %v", err, refused)
			}
			if err != nil {
				return
			}
			got, want := shown(t, ours), shown(t, theirs)
			// The SDK's clients, not its Config, know that AWS_ENDPOINT_URL stands before a profile's services.
			if os.Getenv("AWS_ENDPOINT_URL") != "" && os.Getenv("AWS_ENDPOINT_URL_ECS") == "" {
				want["ECS"] = os.Getenv("AWS_ENDPOINT_URL")
				if os.Getenv("AWS_ENDPOINT_URL_SECRETS_MANAGER") == "" {
					want["Secrets Manager"] = os.Getenv("AWS_ENDPOINT_URL")
				}
			}
			if os.Getenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS") != "" { // nor that they are to be ignored
				want["ECS"], want["Secrets Manager"] = "", ""
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("the SDK's (-) and ours (+) differ:\n%s", diff)
			}
		})
	}
}

func clean(t *testing.T, dir string) {
	t.Helper()
	for _, kv := range os.Environ() {
		if name, _, _ := strings.Cut(kv, "="); strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, "") // restores it afterwards
			os.Unsetenv(name)
		}
	}
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(dir, "config"))
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(dir, "credentials"))
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// What is not read is refused, and says what to do instead.
func TestRefusedSettings(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "config"), "[profile sso]\nsso_session = x\n[profile role]\nrole_arn = arn:aws:iam::1:role/x\nsource_profile = default\n")
	for name, c := range map[string]struct{ env, says string }{
		"sso":          {"AWS_PROFILE=sso", "export-credentials"},
		"role":         {"AWS_PROFILE=role", "export-credentials"},
		"web identity": {"AWS_WEB_IDENTITY_TOKEN_FILE=/x", "AWS_ACCESS_KEY_ID"},
		"in the clear": {"AWS_CONTAINER_CREDENTIALS_FULL_URI=http://192.0.2.1/x", "https"},
		"no bundle":    {"AWS_CA_BUNDLE=/nonexistent", "AWS_CA_BUNDLE"},
		"empty bundle": {"AWS_CA_BUNDLE=" + filepath.Join(dir, "config"), "no PEM"},
		"mode":         {"AWS_RETRY_MODE=sometimes", "sometimes"},
		"attempts":     {"AWS_MAX_ATTEMPTS=0", "from 1"},
	} {
		key, value, _ := strings.Cut(c.env, "=")
		env := map[string]string{"AWS_CONFIG_FILE": filepath.Join(dir, "config"), key: value}
		if _, err := load(func(name string) string { return env[name] }); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %v, want an error that says %q", name, err, c.says)
		}
	}
}

// Of the task's role and the machine's only one endpoint is real in a test; a
// task's is asked with its token, read anew each time.
func TestContainerCredentials(t *testing.T) {
	token := filepath.Join(t.TempDir(), "token")
	write(t, token, "let me in")
	cloud := newFake(t, func(int) answer {
		return answer{body: `{"AccessKeyId":"K","SecretAccessKey":"S","Token":"T","Expiration":"2999-01-01T00:00:00Z"}`}
	})
	env := map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": cloud.url + "/creds", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": token}
	cfg, err := load(func(name string) string { return env[name] })
	if err != nil {
		t.Fatal(err)
	}
	creds, err := cfg.Credentials.Retrieve(context.Background())
	if err != nil || creds.AccessKeyID != "K" || creds.SessionToken != "T" {
		t.Errorf("got %s, %v", creds.AccessKeyID, err)
	}
	if got := cloud.asked(); len(got) != 1 || got[0].Header.Get("Authorization") != "let me in" {
		t.Errorf("asked %v", got)
	}
}
