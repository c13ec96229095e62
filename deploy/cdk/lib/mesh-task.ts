import { ArnFormat, aws_ecr as ecr, aws_ecs as ecs, aws_iam as iam, aws_logs as logs, aws_secretsmanager as sm, Duration, Stack, Tags } from 'aws-cdk-lib';
import { Construct } from 'constructs';
import { argv, ImageConfig, stopOn } from './image';
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

/** An image in ECR. */
export interface Image {
  readonly repository: ecr.IRepository;
  readonly tag: string;
}

/** A container of the app, as it would be without a mesh. */
export interface App {
  readonly name: string;
  readonly image: Image;
  readonly entryPoint?: string[];
  readonly command?: string[];
  /** What the image declares, where entryPoint and command do not say it: imageConfig(FILE) of docker inspect. */
  readonly imageConfig?: ImageConfig;
  readonly port?: number;
  readonly environment?: Record<string, string>;
  readonly secrets?: Record<string, sm.ISecret>;
  /** Siblings layout; in the single one it is config.health.app. */
  readonly healthCheck?: ecs.HealthCheck;
}

/** What may be said of the mesh container. */
export type MeshContainer = Pick<ecs.ContainerDefinitionOptions,
  'user' | 'readonlyRootFilesystem' | 'cpu' | 'memoryLimitMiB' | 'memoryReservationMiB' | 'ulimits' | 'linuxParameters' | 'environment'> & { readonly secrets?: Record<string, sm.ISecret> };

export interface MeshTaskProps {
  readonly mesh: Mesh;
  /** Family and service. */
  readonly name: string;
  readonly apps: App[];
  /** Image meshtask-mesh: the siblings layout. None: the one app's image holds meshtask, consul and envoy (docs/use-single-container.md). */
  readonly meshImage?: Image;
  /** More of the mesh container: user, readonlyRootFilesystem, limits, secrets. With a read-only root the state directory gets a volume. */
  readonly meshContainer?: MeshContainer;
  /** No Consul agent: the servers at mesh.retryJoin are asked themselves (docs/agentless.md), and what is the agents' in mesh says nothing. */
  readonly agentless?: {
    /** Name in the servers' certificates. */
    readonly tlsServerName: string;
  };
  /** ARN of the service's secret, where another task of the service has it: none is made. */
  readonly serviceTokenArn?: string;
  /** Leave the apps' images as they are: meshtask comes by a volume. Siblings layout only. */
  readonly inject?: boolean;
  /** Where the service listens; none: nothing is routed to it. */
  readonly port?: number;
  readonly upstreams?: { destinationName: string; localBindPort: number }[];
  /** More stanzas of the configuration (meshtask config docs). */
  readonly config?: Record<string, unknown>;
  /** A task that runs to completion. Single layout only. */
  readonly job?: boolean;
  readonly stopTimeout?: Duration;
  /** startPeriod of the task's health check, and of the apps' in the siblings layout: longer than joining and waiting for tokens usually take. */
  readonly startPeriod?: Duration;
  /** What all images are built for. */
  readonly architecture?: ecs.CpuArchitecture;
  readonly cpu?: number;
  readonly memoryLimitMiB?: number;
  /** ECS Exec: the task role gets what it needs. The service needs enableExecuteCommand as well. */
  readonly enableExecuteCommand?: boolean;
}

const binary = '/mesh/meshtask';
const directory = '/mesh';

/** A task definition with its roles and the service's secret: deploy/single.json, siblings.json, injected.json or job.json. */
export class MeshTask extends Construct {
  readonly definition: ecs.FargateTaskDefinition;
  readonly taskRole: iam.Role;
  readonly executionRole: iam.Role;
  private readonly stop: Duration;
  /** The CA of the servers, which ECS gives to the container that runs the mesh. */
  private readonly serverCA: Record<string, sm.ISecret>;

  constructor(scope: Construct, id: string, private readonly props: MeshTaskProps) {
    super(scope, id);
    refuse(props);
    const { mesh, name } = props;
    this.stop = props.stopTimeout ?? Duration.seconds(30);

    const ca = props.agentless && sm.Secret.fromSecretCompleteArn(this, 'ServersCA', mesh.caCertArn);
    this.serverCA = ca ? { CONSUL_HTTPS_CACERT_PEM: ca, CONSUL_GRPC_CACERT_PEM: ca } : {};

    // Without a value: the ACL controller writes the first one.
    const token = props.serviceTokenArn ?? new sm.CfnSecret(this, 'ServiceToken', {
      name: `${mesh.secretPrefix}-${name}`,
      description: `Consul ACL token of ${name}, kept by meshtask acl-controller`,
    }).ref;
    this.taskRole = this.role('TaskRole', `${name}-task`, [
      statement('task-role', 'ReadTheTasksSecrets', props.agentless ? [token] : [token, mesh.clientTokenArn, mesh.gossipKeyArn, mesh.caCertArn]),
      ...(props.enableExecuteCommand ? [statement('task-role-exec', 'LetOperatorsIn', ['*'])] : []),
    ]);
    this.executionRole = this.role('ExecutionRole', `${name}-execution`, this.given());
    this.definition = new ecs.FargateTaskDefinition(this, 'TaskDefinition', {
      family: name,
      cpu: props.cpu ?? 256,
      memoryLimitMiB: props.memoryLimitMiB ?? 512,
      runtimePlatform: { cpuArchitecture: props.architecture ?? ecs.CpuArchitecture.X86_64, operatingSystemFamily: ecs.OperatingSystemFamily.LINUX },
      taskRole: this.taskRole.withoutPolicyUpdates(),
      executionRole: this.executionRole.withoutPolicyUpdates(),
    });
    const config = Stack.of(this).toJsonString(this.config(token));
    const containers = props.apps.map((app) => this.app(app, config));
    if (props.meshImage) {
      this.meshContainer(props.meshImage, config);
    }
    if (props.meshImage && props.inject) {
      this.install(props.meshImage, containers);
    }
    // By its tags the ACL controller knows a task.
    Tags.of(this.definition).add('consul.hashicorp.com/mesh', 'true');
    Tags.of(this.definition).add('consul.hashicorp.com/service-name', name);
  }

  private config(serviceToken: string): Record<string, unknown> {
    const { mesh, name, port, upstreams, apps, meshImage, agentless } = this.props;
    const synced = meshImage ? apps.filter((app) => app.healthCheck).map((app) => app.name) : [];
    return {
      service: { name, ...(port ? { port } : {}) },
      proxy: { upstreams: upstreams ?? [] },
      ...(synced.length > 0 ? { healthSyncContainers: synced } : {}),
      ...(agentless
        ? { consulServers: { hosts: mesh.retryJoin, defaults: agentless }, acl: { serviceToken: `${serviceToken}:token` } }
        : {
            consulAgent: { retryJoin: mesh.retryJoin, datacenter: mesh.datacenter, caCert: mesh.caCertArn, gossipKey: mesh.gossipKeyArn },
            acl: { serviceToken: `${serviceToken}:token`, agentToken: `${mesh.clientTokenArn}:token` },
          }),
      ...this.props.config,
      shutdown: { stopTimeout: `${this.stop.toSeconds()}s` },
    };
  }

  /** meshtask before the app's command. */
  private app(app: App, config: string): ecs.ContainerDefinition {
    const { job, meshImage, inject } = this.props;
    const words = meshImage ? [inject ? binary : 'meshtask', 'app', '--'] : ['meshtask', 'run', ...(job ? ['--job'] : []), '--'];
    const { entry, command } = argv(app);
    return this.definition.addContainer(app.name, {
      image: ecs.ContainerImage.fromEcrRepository(app.image.repository, app.image.tag),
      entryPoint: [...words, ...entry],
      ...(command.length > 0 ? { command } : {}),
      environment: {
        ...app.environment,
        ...stopOn(app),
        ...(meshImage ? { MESHTASK_STOP_TIMEOUT: `${this.stop.toSeconds()}s` } : { MESHTASK_CONFIG_JSON: config }),
      },
      secrets: given({ ...app.secrets, ...(meshImage ? {} : this.serverCA) }),
      stopTimeout: this.stop,
      logging: this.logs(app.name),
      ...(app.port ? { portMappings: [{ containerPort: app.port, protocol: ecs.Protocol.TCP }] } : {}),
      // A job's end is its answer.
      ...(meshImage ? { healthCheck: app.healthCheck && this.patient(app.healthCheck) } : job ? {} : { healthCheck: this.healthCheck() }),
    });
  }

  private meshContainer(image: Image, config: string): void {
    const more = this.props.meshContainer ?? {};
    const container = this.definition.addContainer('meshtask', {
      ...more,
      image: ecs.ContainerImage.fromEcrRepository(image.repository, image.tag),
      entryPoint: ['meshtask', 'run'],
      environment: { ...more.environment, MESHTASK_CONFIG_JSON: config },
      secrets: given({ ...more.secrets, ...this.serverCA }),
      stopTimeout: this.stop,
      logging: this.logs(this.props.apps[0].name),
      healthCheck: this.healthCheck(),
    });
    if (more.readonlyRootFilesystem) {
      this.definition.addVolume({ name: 'meshtask_state' });
      container.addMountPoints({ sourceVolume: 'meshtask_state', containerPath: '/run/meshtask', readOnly: false });
    }
  }

  /** The container that puts meshtask into the apps' volume and ends; as user 0, as ECS makes the volume root's. */
  private install(image: Image, apps: ecs.ContainerDefinition[]): void {
    this.definition.addVolume({ name: 'meshtask_bin' });
    const install = this.definition.addContainer('meshtask-install', {
      image: ecs.ContainerImage.fromEcrRepository(image.repository, image.tag),
      essential: false,
      entryPoint: ['meshtask'],
      command: ['install', directory],
      user: '0',
      logging: this.logs(this.props.apps[0].name),
    });
    install.addMountPoints({ sourceVolume: 'meshtask_bin', containerPath: directory, readOnly: false });
    for (const app of apps) {
      app.addMountPoints({ sourceVolume: 'meshtask_bin', containerPath: directory, readOnly: true });
      app.addContainerDependencies({ container: install, condition: ecs.ContainerDependencyCondition.SUCCESS });
    }
  }

  private healthCheck(): ecs.HealthCheck {
    return {
      command: ['CMD', 'meshtask', 'health'],
      interval: Duration.seconds(5),
      timeout: Duration.seconds(5),
      retries: 3,
      startPeriod: this.props.startPeriod ?? Duration.seconds(120),
    };
  }

  /** The app starts when the mesh is up: until then its check fails. */
  private patient(check: ecs.HealthCheck): ecs.HealthCheck {
    if (check.command[0] === 'NONE') return check;
    const seconds = (this.props.startPeriod ?? Duration.seconds(120)).toSeconds() + (check.startPeriod?.toSeconds() ?? 0);
    return { ...check, startPeriod: Duration.seconds(Math.min(seconds, 300)) };
  }

  private logs(streamPrefix: string): ecs.LogDriver {
    return ecs.LogDrivers.awsLogs({ logGroup: this.props.mesh.logGroup, streamPrefix });
  }

  /** What ECS itself needs to start the task. */
  private given(): iam.PolicyStatement[] {
    const { mesh, apps, meshImage, meshContainer } = this.props;
    const logGroup = Stack.of(this).formatArn({ service: 'logs', resource: 'log-group', resourceName: `${mesh.logGroup.logGroupName}:*`, arnFormat: ArnFormat.COLON_RESOURCE_NAME });
    const repositories = [...apps.map((app) => app.image), ...(meshImage ? [meshImage] : [])].map((image) => image.repository.repositoryArn);
    const secrets = [...apps, meshContainer ?? {}, { secrets: this.serverCA }].flatMap((c) => Object.values(c.secrets ?? {})).map((s) => s.secretArn);
    return [
      statement('execution-role', 'WriteLogs', [logGroup]),
      statement('execution-role', 'LogInToTheRegistry', ['*']),
      statement('execution-role', 'PullTheImage', [...new Set(repositories)]),
      ...(secrets.length > 0 ? [statement('execution-role', 'GiveTheContainersTheirSecrets', [...new Set(secrets)])] : []),
    ];
  }

  private role(id: string, roleName: string, statements: iam.PolicyStatement[]): iam.Role {
    return new iam.Role(this, id, {
      roleName,
      assumedBy: new iam.ServicePrincipal('ecs-tasks.amazonaws.com'),
      inlinePolicies: { meshtask: new iam.PolicyDocument({ statements }) },
    });
  }
}

/** Secrets as ECS gives them to a container. */
function given(secrets: Record<string, sm.ISecret> = {}): Record<string, ecs.Secret> {
  return Object.fromEntries(Object.entries(secrets).map(([name, secret]) => [name, ecs.Secret.fromSecretsManager(secret)]));
}

/** Nothing that is said is passed over: what cannot be meant is refused. */
function refuse(props: MeshTaskProps): void {
  const { name, apps, meshImage, inject, job } = props;
  const names = apps.map((app) => app.name);
  if (!meshImage && apps.length !== 1) {
    throw new Error(`${name}: one container has one app, not ${apps.length}: give meshImage for the siblings layout`);
  }
  if (inject && !meshImage) {
    throw new Error(`${name}: inject needs meshImage, which meshtask is taken from`);
  }
  if (props.meshContainer && !meshImage) {
    throw new Error(`${name}: meshContainer is for the siblings layout: give meshImage`);
  }
  if (job && meshImage) {
    throw new Error(`${name}: a job has the single layout: leave meshImage`);
  }
  for (const taken of ['meshtask', 'meshtask-install'].filter((n) => meshImage && names.includes(n))) {
    throw new Error(`${name}: a container of yours is called ${taken}, as one of the mesh is: rename it`);
  }
  for (const app of apps.filter((a) => a.healthCheck && !meshImage)) {
    throw new Error(`${name}: container ${app.name} has a healthCheck, and meshtask's takes its place: give config.health.app`);
  }
}
