// The service of deploy/single.json and the nightly job of deploy/job.json.
import { App, ArnFormat, aws_ec2 as ec2, aws_ecr as ecr, aws_ecs as ecs, aws_iam as iam, aws_logs as logs, aws_scheduler as scheduler, Stack } from 'aws-cdk-lib';
import { Mesh, MeshTask } from '../lib/mesh-task';
import { statement } from '../lib/policies';

const app = new App();
const stack = new Stack(app, 'shop', { env: { account: '123456789012', region: 'us-east-1' } });
const secret = (name: string): string => stack.formatArn({ service: 'secretsmanager', resource: 'secret', resourceName: name, arnFormat: ArnFormat.COLON_RESOURCE_NAME });

const subnets = ['subnet-0123456789abcdef0'];
const securityGroups = ['sg-0123456789abcdef0']; // ports: deploy/README.md
const vpc = ec2.Vpc.fromVpcAttributes(stack, 'Vpc', { vpcId: 'vpc-0123456789abcdef0', availabilityZones: ['us-east-1a'], privateSubnetIds: subnets });
const cluster = ecs.Cluster.fromClusterAttributes(stack, 'Cluster', { clusterName: 'shop', vpc });

const mesh: Mesh = {
  retryJoin: ['consul.shop.internal'],
  datacenter: 'dc1',
  caCertArn: secret('shop-ca-cert-AbCdEf'),
  gossipKeyArn: secret('shop-gossip-key-GhIjKl'),
  clientTokenArn: secret('shop-consul-client-token-StUvWx'),
  secretPrefix: 'shop',
  logGroup: logs.LogGroup.fromLogGroupName(stack, 'Logs', '/ecs/shop'),
};

const web = new MeshTask(stack, 'Web', {
  mesh,
  name: 'web',
  repository: ecr.Repository.fromRepositoryName(stack, 'WebImage', 'web'),
  tag: '1.4',
  command: ['/app/server', '--listen', '127.0.0.1:8080'],
  port: 8080,
  upstreams: [{ destinationName: 'api', localBindPort: 9191 }],
  config: {
    app: { ready: { http: 'http://127.0.0.1:8080/health' } },
    health: { app: { http: 'http://127.0.0.1:8080/health' } },
  },
});

// The tags are the definition's, and a task stops when its successor is up.
new ecs.FargateService(stack, 'WebService', {
  cluster,
  serviceName: 'web',
  taskDefinition: web.definition,
  desiredCount: 2,
  minHealthyPercent: 100,
  maxHealthyPercent: 200,
  propagateTags: ecs.PropagatedTagSource.TASK_DEFINITION,
  securityGroups: securityGroups.map((id) => ec2.SecurityGroup.fromSecurityGroupId(stack, id, id, { mutable: false })),
});

const migrate = new MeshTask(stack, 'Migrate', {
  mesh,
  name: 'migrate',
  repository: ecr.Repository.fromRepositoryName(stack, 'MigrateImage', 'migrate'),
  tag: '1.4',
  command: ['/app/migrate', 'up'],
  upstreams: [{ destinationName: 'db', localBindPort: 5432 }],
  job: true,
});

const family = stack.formatArn({ service: 'ecs', resource: 'task-definition', resourceName: 'migrate' });
const nightly = new iam.Role(stack, 'ScheduleRole', {
  roleName: 'migrate-schedule',
  assumedBy: new iam.ServicePrincipal('scheduler.amazonaws.com', { conditions: { StringEquals: { 'aws:SourceAccount': stack.account } } }),
  inlinePolicies: {
    'run-migrate': new iam.PolicyDocument({
      statements: [
        statement('scheduler-role', 'RunTheJob', [family, `${family}:*`], { ArnEquals: { 'ecs:cluster': cluster.clusterArn } }),
        statement('scheduler-role', 'GiveTheTaskItsTags', [stack.formatArn({ service: 'ecs', resource: 'task', resourceName: 'shop/*' })]),
        statement('scheduler-role', 'GiveTheTaskItsRoles', [migrate.taskRole.roleArn, migrate.executionRole.roleArn]),
      ],
    }),
  },
});

new scheduler.CfnSchedule(stack, 'Nightly', {
  name: 'migrate',
  scheduleExpression: 'cron(30 3 * * ? *)',
  scheduleExpressionTimezone: 'UTC',
  flexibleTimeWindow: { mode: 'OFF' },
  target: {
    arn: cluster.clusterArn,
    roleArn: nightly.roleArn,
    ecsParameters: {
      taskDefinitionArn: migrate.definition.taskDefinitionArn,
      launchType: 'FARGATE',
      propagateTags: 'TASK_DEFINITION',
      networkConfiguration: { awsvpcConfiguration: { subnets, securityGroups, assignPublicIp: 'DISABLED' } },
    },
    retryPolicy: { maximumEventAgeInSeconds: 3600, maximumRetryAttempts: 3 },
  },
});

app.synth();
