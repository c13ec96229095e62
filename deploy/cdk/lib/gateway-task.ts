import { ArnFormat, aws_ecs as ecs, aws_iam as iam, aws_secretsmanager as sm, Duration, Stack, Tags } from 'aws-cdk-lib';
import { Construct } from 'constructs';
import { Image, Mesh } from './mesh-task';
import { statement } from './policies';

export type GatewayKind = 'mesh-gateway' | 'terminating-gateway' | 'api-gateway';

export interface GatewayTaskProps {
  readonly mesh: Mesh;
  /** Family, container, and the gateway's name in Consul: that of its config entry. */
  readonly name: string;
  readonly kind: GatewayKind;
  /** It holds meshtask, consul and envoy. */
  readonly meshImage: Image;
  /** Where it listens: an API gateway by its config entry, a mesh gateway by config.gateway.lanAddress. */
  readonly port?: number;
  /** For so long the balancer in front may still send after TERM: shutdown.drain.min, and the target group's delay. */
  readonly deregistrationDelay?: Duration;
  /** ARN of the gateway's secret, where another task of it has it: none is made. */
  readonly serviceTokenArn?: string;
  /** More stanzas of the configuration (meshtask config docs); gateway is added to. */
  readonly config?: Record<string, unknown>;
  readonly stopTimeout?: Duration;
  readonly architecture?: ecs.CpuArchitecture;
  /** ECS Exec: the task role gets what it needs. The service needs enableExecuteCommand as well. */
  readonly enableExecuteCommand?: boolean;
}

/** A task definition of a gateway with its roles and secret: deploy/gateway.json. */
export class GatewayTask extends Construct {
  readonly definition: ecs.FargateTaskDefinition;

  constructor(scope: Construct, id: string, props: GatewayTaskProps) {
    super(scope, id);
    const { mesh, name, kind, port = 8443 } = props;
    const stop = props.stopTimeout ?? Duration.seconds(30);
    if (props.deregistrationDelay && stop.toSeconds() < props.deregistrationDelay.toSeconds() + 15) {
      throw new Error(`${name}: stopTimeout must be 15 seconds more than deregistrationDelay at least: give ${props.deregistrationDelay.toSeconds() + 15}`);
    }
    // Without a value: the ACL controller writes the first one.
    const token = props.serviceTokenArn ?? new sm.CfnSecret(this, 'ServiceToken', {
      name: `${mesh.secretPrefix}-${name}`,
      description: `Consul ACL token of ${name}, kept by meshtask acl-controller`,
    }).ref;
    const logGroup = Stack.of(this).formatArn({ service: 'logs', resource: 'log-group', resourceName: `${mesh.logGroup.logGroupName}:*`, arnFormat: ArnFormat.COLON_RESOURCE_NAME });
    const taskRole = this.role('TaskRole', `${name}-task`, [
      statement('task-role', 'ReadTheTasksSecrets', [token, mesh.clientTokenArn, mesh.gossipKeyArn, mesh.caCertArn]),
      ...(props.enableExecuteCommand ? [statement('task-role-exec', 'LetOperatorsIn', ['*'])] : []),
    ]);
    const executionRole = this.role('ExecutionRole', `${name}-execution`, [
      statement('execution-role', 'WriteLogs', [logGroup]),
      statement('execution-role', 'LogInToTheRegistry', ['*']),
      statement('execution-role', 'PullTheImage', [props.meshImage.repository.repositoryArn]),
    ]);
    this.definition = new ecs.FargateTaskDefinition(this, 'TaskDefinition', {
      family: name,
      cpu: 256,
      memoryLimitMiB: 512,
      runtimePlatform: { cpuArchitecture: props.architecture ?? ecs.CpuArchitecture.X86_64, operatingSystemFamily: ecs.OperatingSystemFamily.LINUX },
      taskRole: taskRole.withoutPolicyUpdates(),
      executionRole: executionRole.withoutPolicyUpdates(),
    });
    const config = {
      consulAgent: { retryJoin: mesh.retryJoin, datacenter: mesh.datacenter, caCert: mesh.caCertArn, gossipKey: mesh.gossipKeyArn },
      acl: { serviceToken: `${token}:token`, agentToken: `${mesh.clientTokenArn}:token` },
      ...props.config,
      gateway: { ...(props.config?.['gateway'] as object | undefined), kind, name },
      shutdown: { stopTimeout: `${stop.toSeconds()}s`, ...(props.deregistrationDelay ? { drain: { min: `${props.deregistrationDelay.toSeconds()}s` } } : {}) },
    };
    this.definition.addContainer(name, {
      image: ecs.ContainerImage.fromEcrRepository(props.meshImage.repository, props.meshImage.tag),
      entryPoint: ['meshtask', 'run'],
      environment: { MESHTASK_CONFIG_JSON: Stack.of(this).toJsonString(config) },
      stopTimeout: stop,
      logging: ecs.LogDrivers.awsLogs({ logGroup: mesh.logGroup, streamPrefix: name }),
      portMappings: [{ containerPort: port, protocol: ecs.Protocol.TCP }],
      healthCheck: { command: ['CMD', 'meshtask', 'health'], interval: Duration.seconds(5), timeout: Duration.seconds(5), retries: 3, startPeriod: Duration.seconds(120) },
    });
    // By its tags the ACL controller knows a gateway, and what it may do.
    Tags.of(this.definition).add('consul.hashicorp.com/mesh', 'true');
    Tags.of(this.definition).add('consul.hashicorp.com/service-name', name);
    Tags.of(this.definition).add('consul.hashicorp.com/gateway-kind', kind);
  }

  private role(id: string, roleName: string, statements: iam.PolicyStatement[]): iam.Role {
    return new iam.Role(this, id, {
      roleName,
      assumedBy: new iam.ServicePrincipal('ecs-tasks.amazonaws.com'),
      inlinePolicies: { meshtask: new iam.PolicyDocument({ statements }) },
    });
  }
}
