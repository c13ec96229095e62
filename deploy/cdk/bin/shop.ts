// The services of deploy/single.json, siblings.json and injected.json, the nightly job of deploy/job.json,
// and the API gateway of deploy/gateway.json behind a load balancer.
import { App, ArnFormat, aws_cloudwatch as cloudwatch, aws_ec2 as ec2, aws_ecr as ecr, aws_ecs as ecs, aws_elasticloadbalancingv2 as elb, aws_iam as iam, aws_logs as logs, aws_scheduler as scheduler, Duration, Stack } from 'aws-cdk-lib';
import { join } from 'node:path';
import { GatewayTask } from '../lib/gateway-task';
import { imageConfig } from '../lib/image';
import { Image, Mesh, MeshTask } from '../lib/mesh-task';
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

const image = (name: string, tag: string): Image => ({ repository: ecr.Repository.fromRepositoryName(stack, `Image-${name}`, name), tag });
const meshImage = image('meshtask-mesh', '1.0');

const web = new MeshTask(stack, 'Web', {
  mesh,
  name: 'web',
  port: 8080,
  upstreams: [{ destinationName: 'api', localBindPort: 9191 }],
  apps: [{ name: 'web', image: image('web', '1.4'), command: ['/app/server', '--listen', '127.0.0.1:8080'], port: 8080 }],
  config: {
    app: { ready: { http: 'http://127.0.0.1:8080/health' } },
    health: { app: { http: 'http://127.0.0.1:8080/health' } },
  },
});

const shop = new MeshTask(stack, 'Shop', {
  mesh,
  name: 'shop',
  port: 8080,
  meshImage,
  upstreams: [{ destinationName: 'api', localBindPort: 9191 }],
  cpu: 512,
  memoryLimitMiB: 1024,
  stopTimeout: Duration.seconds(57),
  apps: [
    { name: 'web', image: image('shop-web', '1.4'), entryPoint: ['/web'], command: ['--listen', '127.0.0.1:8080'], port: 8080, healthCheck: { command: ['CMD', '/web', 'check'], interval: Duration.seconds(5) } },
    { name: 'images', image: image('shop-images', '2.0'), entryPoint: ['/images'], command: ['--listen', '127.0.0.1:8081'], healthCheck: { command: ['CMD', '/images', 'check'], interval: Duration.seconds(5) } },
  ],
});

// Its image stays as it is: meshtask comes by a volume, and the command is the image's.
const api = new MeshTask(stack, 'Api', {
  mesh,
  name: 'api',
  port: 8080,
  meshImage,
  inject: true,
  upstreams: [{ destinationName: 'db', localBindPort: 5432 }],
  cpu: 512,
  memoryLimitMiB: 1024,
  stopTimeout: Duration.seconds(57),
  apps: [{ name: 'api', image: image('api', '2.1'), imageConfig: imageConfig(join(__dirname, '..', '..', '..', 'api-image.json')), port: 8080 }],
});

for (const [name, task] of Object.entries({ web, shop, api })) {
  // As in observability/alarms.yaml: a stop has cut requests. It needs log.emf in the configuration.
  const cut = new cloudwatch.Alarm(stack, `DrainCut-${name}`, {
    alarmName: `shop-${name}-deployment-drain-cut`,
    metric: new cloudwatch.Metric({ namespace: 'meshtask', metricName: 'DrainCut', dimensionsMap: { Cluster: 'shop', Service: name }, statistic: 'Sum', period: Duration.minutes(1) }),
    evaluationPeriods: 1,
    threshold: 1,
    comparisonOperator: cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
    treatMissingData: cloudwatch.TreatMissingData.NOT_BREACHING,
  });
  // The tags are the definition's, and a task stops when its successor is up. A deployment whose
  // tasks do not become healthy, or lose requests, ends with the revision before it.
  new ecs.FargateService(stack, `Service-${name}`, {
    cluster,
    serviceName: name,
    taskDefinition: task.definition,
    desiredCount: 2,
    minHealthyPercent: 100,
    maxHealthyPercent: 200,
    circuitBreaker: { rollback: true },
    deploymentAlarms: { alarmNames: [cut.alarmName], behavior: ecs.AlarmBehavior.ROLLBACK_ON_ALARM },
    propagateTags: ecs.PropagatedTagSource.TASK_DEFINITION,
    securityGroups: securityGroups.map((id) => ec2.SecurityGroup.fromSecurityGroupId(stack, `${id}-${name}`, id, { mutable: false })),
  });
}

// The way in from outside. The balancer's delay is that for which the gateway goes on after TERM.
const delay = Duration.seconds(15);
const edge = new GatewayTask(stack, 'Edge', { mesh, name: 'edge', kind: 'api-gateway', meshImage, deregistrationDelay: delay });
const gateway = new ec2.SecurityGroup(stack, 'Gateway', { vpc, description: 'API gateway, beside the group of the mesh' });
const gateways = new ecs.FargateService(stack, 'Service-edge', {
  cluster,
  serviceName: 'edge',
  taskDefinition: edge.definition,
  desiredCount: 2,
  minHealthyPercent: 100,
  maxHealthyPercent: 200,
  circuitBreaker: { rollback: true },
  propagateTags: ecs.PropagatedTagSource.TASK_DEFINITION,
  healthCheckGracePeriod: Duration.seconds(270), // consulAgent.joinTimeout and acl.wait, and some
  securityGroups: [gateway, ...securityGroups.map((id) => ec2.SecurityGroup.fromSecurityGroupId(stack, `${id}-edge`, id, { mutable: false }))],
});
const balancer = new elb.ApplicationLoadBalancer(stack, 'Balancer', {
  vpc,
  internetFacing: true,
  vpcSubnets: { subnets: ['subnet-0fedcba9876543210', 'subnet-0fedcba9876543211'].map((id) => ec2.Subnet.fromSubnetId(stack, id, id)) },
});
const targets = new elb.ApplicationTargetGroup(stack, 'Gateways', {
  vpc,
  port: 8443,
  protocol: elb.ApplicationProtocol.HTTP,
  targetType: elb.TargetType.IP,
  deregistrationDelay: delay,
  healthCheck: { path: '/', healthyHttpCodes: '200-499', interval: Duration.seconds(10) }, // that Envoy answers is enough
});
balancer.addListener('Listener', {
  port: 443,
  certificates: [elb.ListenerCertificate.fromArn('arn:aws:acm:us-east-1:123456789012:certificate/1')],
  defaultTargetGroups: [targets],
});
gateways.attachToApplicationTargetGroup(targets);

const migrate = new MeshTask(stack, 'Migrate', {
  mesh,
  name: 'migrate',
  apps: [{ name: 'migrate', image: image('migrate', '1.4'), command: ['/app/migrate', 'up'] }],
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
