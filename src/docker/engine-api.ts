/** What is read of the Engine API's JSON (1.40 to 1.51). Everything that a version may leave out is optional. */

export interface PingVersion {
  readonly Version?: string;
  readonly Os?: string;
  readonly Arch?: string;
  readonly Components?: readonly { readonly Name: string; readonly Version?: string }[] | null;
}

export interface InfoJson {
  readonly ID?: string;
  readonly Name?: string;
  readonly ServerVersion?: string;
  readonly OperatingSystem?: string;
  readonly OSType?: string;
  readonly Architecture?: string;
  readonly KernelVersion?: string;
  readonly CgroupVersion?: string;
  readonly SecurityOptions?: readonly string[] | null;
  readonly Swarm?: { readonly LocalNodeState?: string };
}

export interface ExecJson {
  readonly Running: boolean;
  readonly ExitCode: number | null;
}

export interface MountJson {
  readonly Type?: string;
  readonly Name?: string;
  readonly Source?: string;
  readonly Destination: string;
  readonly Driver?: string;
  readonly RW?: boolean;
}

export interface HostMountJson {
  readonly Type?: string;
  readonly Target: string;
  readonly VolumeOptions?: { readonly Subpath?: string } | null;
}

export interface ContainerJson {
  readonly Id: string;
  readonly Name: string;
  readonly Created: string;
  readonly Image: string;
  readonly Path?: string;
  readonly Args?: readonly string[] | null;
  readonly State: {
    readonly Status: string;
    readonly Running: boolean;
    readonly Paused?: boolean;
    readonly ExitCode: number;
    readonly StartedAt: string;
    readonly FinishedAt: string;
    readonly Health?: { readonly Status: string } | null;
  };
  readonly Config: {
    readonly Image: string;
    readonly Env?: readonly string[] | null;
    readonly Labels?: Readonly<Record<string, string>> | null;
    readonly ExposedPorts?: Readonly<Record<string, unknown>> | null;
    readonly StopTimeout?: number | null;
    readonly Healthcheck?: { readonly Test?: readonly string[] | null } | null;
  };
  readonly HostConfig: {
    readonly NetworkMode?: string;
    readonly PidMode?: string;
    readonly IpcMode?: string;
    readonly Tmpfs?: Readonly<Record<string, string>> | null;
    readonly Mounts?: readonly HostMountJson[] | null;
    readonly RestartPolicy?: { readonly MaximumRetryCount?: number } | null;
  };
  readonly Mounts?: readonly MountJson[] | null;
  readonly NetworkSettings?: { readonly Networks?: Readonly<Record<string, unknown>> | null } | null;
}

export interface ContainerSummaryJson {
  readonly Id: string;
  readonly Names?: readonly string[] | null;
  readonly State: string;
  readonly Created: number;
  readonly Labels?: Readonly<Record<string, string>> | null;
  readonly Mounts?:
    | readonly {
        readonly Type?: string;
        readonly Name?: string;
        readonly Source?: string;
        readonly Destination: string;
        readonly RW?: boolean;
      }[]
    | null;
}

export interface ImageJson {
  readonly Id: string;
  readonly Size?: number;
  readonly RepoTags?: readonly string[] | null;
  readonly RepoDigests?: readonly string[] | null;
  readonly Config?: { readonly Env?: readonly string[] | null; readonly Labels?: Readonly<Record<string, string>> | null } | null;
}

export interface VolumeJson {
  readonly Name: string;
  readonly Driver: string;
  readonly Scope?: string;
  readonly Mountpoint: string;
  readonly Options?: Readonly<Record<string, string>> | null;
  readonly Labels?: Readonly<Record<string, string>> | null;
  readonly CreatedAt?: string;
  readonly UsageData?: { readonly Size?: number } | null;
}

export interface NetworkJson {
  readonly Id: string;
  readonly Name: string;
  readonly Driver: string;
  readonly Labels?: Readonly<Record<string, string>> | null;
}
