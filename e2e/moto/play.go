package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"meshtask/e2e/harness"
	"meshtask/internal/awssdk"
)

// side is one of the two AWSs: how the world of a test is made in it. All the
// rest goes by the clients.
type side interface {
	config() aws.Config
	secret(name, content string) (arn string) // "": without a value
	schedule(secret string)                   // for deletion
	parameter(name, value string) (arn string)
	cluster(name string)
	task(cluster, family string, tags map[string]string) (arn string)
	stop(cluster, task string)
	role(name, path string, tags map[string]string) (url string, session aws.Credentials)
}

// player makes the calls and writes down what came back.
type player struct {
	t    harness.T
	side side
	out  []answer
}

func play(t harness.T, s side) []answer {
	p := &player{t: t, side: s}
	p.secrets()
	p.parameters()
	p.tasks()
	p.identity()
	return p.out
}

func (p *player) say(step, text string) { p.out = append(p.out, answer{step, text}) }

// failure is what meshtask looks at in an error: the code, and whether a missing
// secret is one without a value.
func failure(err error) string {
	refused, ok := awssdk.Refused(err)
	switch {
	case err == nil:
		return "fine"
	case !ok:
		return "no answer: " + err.Error()
	case refused.Code == "ResourceNotFoundException" && strings.Contains(refused.Message, "secret value"):
		return refused.Code + " of a value"
	}
	return refused.Code
}

func (p *player) secrets() {
	ctx, api := p.t.Context(), secretsmanager.NewFromConfig(p.side.config())
	get := func(step string, in secretsmanager.GetSecretValueInput) {
		out, err := api.GetSecretValue(ctx, &in)
		if err != nil {
			p.say(step, failure(err))
			return
		}
		p.say(step, fmt.Sprintf("%s, version %.4s", aws.ToString(out.SecretString), aws.ToString(out.VersionId)))
	}
	put := func(step, name, version, content string) {
		out, err := api.UpdateSecret(ctx, &secretsmanager.UpdateSecretInput{SecretId: &name, SecretString: &content, ClientRequestToken: &version})
		if err != nil {
			p.say(step, failure(err))
			return
		}
		p.say(step, fmt.Sprintf("version %.4s", aws.ToString(out.VersionId)))
	}
	v1, v2 := strings.Repeat("1", 36), strings.Repeat("2", 36)
	get("a secret that does not exist", secretsmanager.GetSecretValueInput{SecretId: aws.String("none")})
	put("write one that does not exist", "none", v1, "{}")
	arn := p.side.secret("shop-web", "")
	get("one without a value", secretsmanager.GetSecretValueInput{SecretId: aws.String("shop-web")})
	put("its first value", "shop-web", v1, "{}")
	put("the same write again", "shop-web", v1, "{}")
	put("other content for that version", "shop-web", v1, `{"a":1}`)
	get("read by name", secretsmanager.GetSecretValueInput{SecretId: aws.String("shop-web")})
	put("a second version", "shop-web", v2, `{"token":"t"}`)
	get("read by ARN", secretsmanager.GetSecretValueInput{SecretId: aws.String(arn)})
	get("read by ARN without its last six characters", secretsmanager.GetSecretValueInput{SecretId: aws.String(arn[:len(arn)-7])})
	get("the version before", secretsmanager.GetSecretValueInput{SecretId: aws.String("shop-web"), VersionStage: aws.String("AWSPREVIOUS")})
	get("the current version by its stage", secretsmanager.GetSecretValueInput{SecretId: aws.String("shop-web"), VersionStage: aws.String("AWSCURRENT")})
	get("a version by its ID", secretsmanager.GetSecretValueInput{SecretId: aws.String("shop-web"), VersionId: &v1})
	_, err := api.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: aws.String("shop-web"), VersionStage: aws.String("MINE")})
	p.say("a stage that nobody has", fmt.Sprint(awssdk.Is(err, "ResourceNotFoundException")))
	create := func(version string) error {
		_, err := api.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: aws.String("shop-new"), SecretString: aws.String("{}"),
			ClientRequestToken: &version, Description: aws.String("d")})
		return err
	}
	p.say("create one", failure(create(v1)))
	p.say("the same call again", failure(create(v1)))
	p.say("create another of that name", failure(create(v2)))
	get("what was created", secretsmanager.GetSecretValueInput{SecretId: aws.String("shop-new")})
	p.side.schedule("shop-new")
	get("one that is to be deleted", secretsmanager.GetSecretValueInput{SecretId: aws.String("shop-new")})
}

func (p *player) parameters() {
	ctx, api := p.t.Context(), ssm.NewFromConfig(p.side.config())
	get := func(step, name string, decrypt bool) {
		out, err := api.GetParameter(ctx, &ssm.GetParameterInput{Name: &name, WithDecryption: &decrypt})
		switch {
		case err != nil:
			p.say(step, failure(err))
		case decrypt:
			p.say(step, aws.ToString(out.Parameter.Value))
		default:
			p.say(step, fmt.Sprint("shown: ", aws.ToString(out.Parameter.Value) == "v"))
		}
	}
	get("a parameter that does not exist", "/none", true)
	arn := p.side.parameter("/shop/key", "v")
	get("a SecureString by name", "/shop/key", true)
	get("by ARN", arn, true)
	get("without decryption", "/shop/key", false)
}

func (p *player) tasks() {
	ctx, api := p.t.Context(), ecs.NewFromConfig(p.side.config())
	list := func(step, cluster string, show func([]string) string) {
		var all []string
		pages := ecs.NewListTasksPaginator(api, &ecs.ListTasksInput{Cluster: &cluster, DesiredStatus: types.DesiredStatusRunning, MaxResults: aws.Int32(100)})
		for pages.HasMorePages() {
			out, err := pages.NextPage(ctx)
			if err != nil {
				p.say(step, failure(err))
				return
			}
			all = append(all, out.TaskArns...)
		}
		p.say(step, show(all))
	}
	count := func(arns []string) string { return fmt.Sprintf("%d tasks", len(arns)) }
	list("tasks of a cluster that does not exist", "none", count)
	p.side.cluster("dev")
	list("of a cluster without tasks", "dev", count)
	var arns []string
	for i := range 120 {
		arns = append(arns, p.side.task("dev", "fam", map[string]string{"consul.hashicorp.com/mesh": "true", "n": fmt.Sprint(i)}))
	}
	list("more tasks than one page has", "dev", count)
	list("form of a task's ARN", "dev", func(all []string) string {
		return arns[0][:strings.LastIndexByte(arns[0], '/')+1] + fmt.Sprint(slices.Contains(all, arns[0]))
	})
	describe := func(step string, in ecs.DescribeTasksInput) {
		in.Cluster = aws.String("dev")
		out, err := api.DescribeTasks(ctx, &in)
		if err != nil {
			p.say(step, failure(err))
			return
		}
		var lines []string
		for _, t := range out.Tasks {
			arn, tags := aws.ToString(t.TaskArn), map[string]string{}
			for _, tag := range t.Tags {
				tags[aws.ToString(tag.Key)] = aws.ToString(tag.Value)
			}
			lines = append(lines, fmt.Sprint(arn == arns[0] || arn == arns[1], " ", aws.ToString(t.TaskDefinitionArn), " ", tags))
		}
		p.say(step, strings.Join(lines, "; "))
	}
	describe("two tasks with their tags", ecs.DescribeTasksInput{Tasks: arns[:2], Include: []types.TaskField{types.TaskFieldTags}})
	describe("without asking for tags", ecs.DescribeTasksInput{Tasks: arns[:1]})
	describe("none", ecs.DescribeTasksInput{Tasks: []string{}})
	describe("one that is not there", ecs.DescribeTasksInput{Tasks: []string{arns[0][:len(arns[0])-3] + "zzz"}})
	p.side.stop("dev", arns[0])
	list("after one was stopped", "dev", count)
}
