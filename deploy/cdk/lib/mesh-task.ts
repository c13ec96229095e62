import { ArnFormat, aws_ecr as ecr, aws_ecs as ecs, aws_iam as iam, aws_logs as logs, aws_secretsmanager as sm, Duration, Stack, Tags } from 'aws-cdk-lib';
import { Construct } from 'constructs';
import { statement } from './policies';

/** What all tasks of a mesh have in common. Secrets are whole ARNs. */
export interface Mesh {
  readonly retryJoin: string[];
  readonly datacenter: string;
  readonly caCertArn: string;
  readonly gossipKeyArn: string;
  /** The ACL controller's secret of the agents' token. */
  readonly clientTokenArn: string;
  /** The ACL controller's --secret-name-prefix. */
  readonly secretPrefix: string;
  readonly logGroup: logs.ILogGroup;
}

export interface MeshTaskProps {
  readonly mesh: Mesh;
  /** Family, container and service. */
  readonly name: string;
  /** An image with meshtask, consul and envoy beside the app (docs/use-single-container.md). */
  readonly repository: ecr.IRepository;
  readonly tag: string;
  readonly command: string[];
  /** Where the app listens; none: nothing is routed to it. */
  readonly port?: number;
  readonly upstreams?: { destinationName: string; localBindPort: number }[];
  /** More stanzas of the configuration (meshtask config docs). */
  readonly config?: Record<string, unknown>;
  /** A task that runs to completion. */
  readonly job?: boolean;
  readonly stopTimeout?: Duration;
}

/** A task in one container: deploy/single.json, or deploy/job.json. */
export class MeshTask extends Construct {
  readonly definition: ecs.FargateTaskDefinition;
  readonly taskRole: iam.Role;
  readonly executionRole: iam.Role;

  constructor(scope: Construct, id: string, props: MeshTaskProps) {
    super(scope, id);
    const { mesh, name } = props;
    const stop = props.stopTimeout ?? Duration.seconds(30);

    // Without a value: the ACL controller writes the first one.
    const token = new sm.CfnSecret(this, 'ServiceToken', {
      name: `${mesh.secretPrefix}-${name}`,
      description: `Consul ACL token of ${name}, kept by meshtask acl-controller`,
    });
    this.taskRole = this.role('TaskRole', `${name}-task`, [
      statement('task-role', 'ReadTheTasksSecrets', [token.ref, mesh.clientTokenArn, mesh.gossipKeyArn, mesh.caCertArn]),
    ]);
    const logGroupArn = Stack.of(this).formatArn({ service: 'logs', resource: 'log-group', resourceName: `${mesh.logGroup.logGroupName}:*`, arnFormat: ArnFormat.COLON_RESOURCE_NAME });
    this.executionRole = this.role('ExecutionRole', `${name}-execution`, [
      statement('execution-role', 'WriteLogs', [logGroupArn]),
      statement('execution-role', 'LogInToTheRegistry', ['*']),
      statement('execution-role', 'PullTheImage', [props.repository.repositoryArn]),
    ]);

    this.definition = new ecs.FargateTaskDefinition(this, 'TaskDefinition', {
      family: name,
      cpu: 256,
      memoryLimitMiB: 512,
      runtimePlatform: { cpuArchitecture: ecs.CpuArchitecture.X86_64, operatingSystemFamily: ecs.OperatingSystemFamily.LINUX },
      taskRole: this.taskRole.withoutPolicyUpdates(),
      executionRole: this.executionRole.withoutPolicyUpdates(),
    });
    const config = {
      service: { name, ...(props.port ? { port: props.port } : {}) },
      proxy: { upstreams: props.upstreams ?? [] },
      consulAgent: { retryJoin: mesh.retryJoin, datacenter: mesh.datacenter, caCert: mesh.caCertArn, gossipKey: mesh.gossipKeyArn },
      acl: { serviceToken: `${token.ref}:token`, agentToken: `${mesh.clientTokenArn}:token` },
      ...props.config,
      shutdown: { stopTimeout: `${stop.toSeconds()}s` },
    };
    this.definition.addContainer(name, {
      image: ecs.ContainerImage.fromEcrRepository(props.repository, props.tag),
      entryPoint: props.job ? ['meshtask', 'run', '--job', '--'] : ['meshtask', 'run', '--'],
      command: props.command,
      environment: { MESHTASK_CONFIG_JSON: Stack.of(this).toJsonString(config) },
      stopTimeout: stop,
      logging: ecs.LogDrivers.awsLogs({ logGroup: mesh.logGroup, streamPrefix: name }),
      ...(props.port ? { portMappings: [{ containerPort: props.port, protocol: ecs.Protocol.TCP }] } : {}),
      // A job's end is its answer.
      ...(props.job ? {} : {
        healthCheck: {
          command: ['CMD', 'meshtask', 'health'],
          interval: Duration.seconds(5),
          timeout: Duration.seconds(5),
          retries: 3,
          startPeriod: Duration.seconds(120),
        },
      }),
    });
    // By its tags the ACL controller knows a task.
    Tags.of(this.definition).add('consul.hashicorp.com/mesh', 'true');
    Tags.of(this.definition).add('consul.hashicorp.com/service-name', name);
  }

  private role(id: string, roleName: string, statements: iam.PolicyStatement[]): iam.Role {
    return new iam.Role(this, id, {
      roleName,
      assumedBy: new iam.ServicePrincipal('ecs-tasks.amazonaws.com'),
      inlinePolicies: { meshtask: new iam.PolicyDocument({ statements }) },
    });
  }
}
