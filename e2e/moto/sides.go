package main

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"meshtask/e2e/harness"
	"meshtask/internal/testbed/awsfake"
)

// fakes are our own.
type fakes struct {
	cloud *awsfake.Cloud
	t     harness.T
}

func (f *fakes) config() aws.Config { return f.cloud.Config() }

func (f *fakes) secret(name, content string) string { return f.cloud.Secrets.Set(name, content) }

func (f *fakes) schedule(secret string) { f.cloud.Secrets.Remove(secret, true) }

func (f *fakes) parameter(name, value string) string { return f.cloud.SSM.Set(name, value) }

func (f *fakes) cluster(name string) { f.cloud.ECS.AddCluster(name) }

func (f *fakes) task(cluster, family string, tags map[string]string) string {
	return f.cloud.ECS.Run(cluster, family, tags)
}

func (f *fakes) stop(_, task string) { f.cloud.ECS.Stop(task) }

func (f *fakes) role(name, path string, tags map[string]string) (string, aws.Credentials) {
	keys := aws.Credentials{AccessKeyID: "ASIAFAKE", SecretAccessKey: "fake", SessionToken: "session"}
	return awsfake.NewIAM(f.t.Cleanup, awsfake.Role{Name: name, Path: path, Tags: tags, Keys: keys}).URL, keys
}

// moto is the other one, told over the wire.
type moto struct {
	url     string
	t       harness.T
	defined bool
}

// anybody is who moto takes for the account's owner.
func anybody() aws.Credentials {
	return aws.Credentials{AccessKeyID: "AKIAANYBODY", SecretAccessKey: "any"}
}

func (m *moto) config() aws.Config { return m.as(anybody()) }

func (m *moto) as(keys aws.Credentials) aws.Config {
	return aws.Config{Region: awsfake.Region, BaseEndpoint: &m.url, HTTPClient: &http.Client{},
		Credentials: credentials.NewStaticCredentialsProvider(keys.AccessKeyID, keys.SecretAccessKey, keys.SessionToken)}
}

// do makes a call of a JSON API.
func (m *moto) do(service, target string, in any) (out map[string]any) {
	body, err := json.Marshal(in)
	if err != nil {
		m.t.Fatalf("%s: %v", target, err)
	}
	text, _ := send(m.t, m.url, service, anybody(), string(body), http.Header{"Content-Type": {"application/x-amz-json-1.1"}, "X-Amz-Target": {target}})
	if err := json.Unmarshal(text, &out); err != nil {
		m.t.Fatalf("%s: %v: %s", target, err, text)
	}
	return out
}

func (m *moto) ecs(operation string, in any) map[string]any {
	return m.do("ecs", "AmazonEC2ContainerServiceV20141113."+operation, in)
}

func (m *moto) secret(name, content string) string {
	in := map[string]any{"Name": name}
	if content != "" {
		in["SecretString"] = content
	}
	return m.do("secretsmanager", "secretsmanager.CreateSecret", in)["ARN"].(string)
}

func (m *moto) schedule(secret string) {
	m.do("secretsmanager", "secretsmanager.DeleteSecret", map[string]any{"SecretId": secret})
}

func (m *moto) parameter(name, value string) string {
	m.do("ssm", "AmazonSSM.PutParameter", map[string]any{"Name": name, "Value": value, "Type": "SecureString"})
	return "arn:aws:ssm:" + awsfake.Region + ":" + awsfake.Account + ":parameter/" + strings.TrimPrefix(name, "/")
}

func (m *moto) cluster(name string) {
	m.ecs("CreateCluster", map[string]any{"clusterName": name})
}

func (m *moto) task(cluster, family string, tags map[string]string) string {
	if !m.defined {
		m.ecs("RegisterTaskDefinition", map[string]any{"family": family, "containerDefinitions": []any{map[string]any{"name": "a", "image": "i", "memory": 8}}})
		m.defined = true
	}
	list := []map[string]string{}
	for k, v := range tags {
		list = append(list, map[string]string{"key": k, "value": v})
	}
	out := m.ecs("RunTask", map[string]any{"cluster": cluster, "taskDefinition": family, "launchType": "FARGATE", "tags": list})
	return out["tasks"].([]any)[0].(map[string]any)["taskArn"].(string)
}

func (m *moto) stop(cluster, task string) {
	m.ecs("StopTask", map[string]any{"cluster": cluster, "task": task})
}

// register registers a task definition, which must come back by its family.
func (m *moto) register(doc, name string) {
	var in map[string]any
	if err := json.Unmarshal([]byte(doc), &in); err != nil {
		m.t.Fatalf("%s: %v", name, err)
	}
	delete(in, "requiresCompatibilities") // for EC2 moto wants memory, where ECS takes memoryReservation as well
	got := m.ecs("RegisterTaskDefinition", in)["taskDefinition"].(map[string]any)
	containers := func(v map[string]any) (names []string) {
		list, _ := v["containerDefinitions"].([]any)
		for _, c := range list {
			names = append(names, c.(map[string]any)["name"].(string))
		}
		return names
	}
	if got["family"] != in["family"] || !slices.Equal(containers(got), containers(in)) {
		m.t.Fatalf("%s: moto made %v with %v of it", name, got["family"], containers(got))
	}
}

func (m *moto) role(name, path string, tags map[string]string) (string, aws.Credentials) {
	in := form("Action", "CreateRole", "Version", "2010-05-08", "RoleName", name, "Path", path, "AssumeRolePolicyDocument", "{}")
	for k, v := range tags {
		in.Set("Tags.member.1.Key", k)
		in.Set("Tags.member.1.Value", v)
	}
	var role struct {
		ARN string `xml:"CreateRoleResult>Role>Arn"`
	}
	post(m.t, m.url, "iam", anybody(), in, &role)
	var session struct {
		Key    string `xml:"AssumeRoleResult>Credentials>AccessKeyId"`
		Secret string `xml:"AssumeRoleResult>Credentials>SecretAccessKey"`
		Token  string `xml:"AssumeRoleResult>Credentials>SessionToken"`
	}
	post(m.t, m.url, "sts", anybody(), form("Action", "AssumeRole", "Version", "2011-06-15", "RoleArn", role.ARN, "RoleSessionName", "session"), &session)
	return m.url, aws.Credentials{AccessKeyID: session.Key, SecretAccessKey: session.Secret, SessionToken: session.Token}
}
