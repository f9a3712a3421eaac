export type { CleanupOptions, CleanupReport, FailedRemoval } from './cleanup/cleanup.js'
export type { Removal } from './cleanup/finding.js'
export type {
  RestartOptions,
  SlotContainer,
  StartedContainer,
  StartOptions,
  StopOptions,
} from './containers/slot-container.js'
export type { SlotContainers } from './containers/slot-containers.js'
export type { Console, ConsoleEnd } from './docker/console.js'
export { EcdockError, ERROR_CODES, type ErrorCode } from './errors.js'
export { Host, type HostOptions } from './host.js'
export type {
  InterfaceAddress,
  Kernel,
  Link,
  LinkStats,
  MarkedLink,
  NamedNamespace,
  Probe,
  ProbeOutcome,
  Removal as LinkRemoval,
  ScatteredLink,
} from './kernel/kernel.js'
export type { Plan, PlanDone, PlanFailed, PlanOutcome, Step } from './kernel/plan.js'
export type { TlsOptions } from './ovsdb/dial.js'
export type { Target } from './target/target.js'
export type { VdeSockets } from './vswitch/vde/vswitches.js'
export type {
  BulkOptions,
  Mirror,
  PlugOptions,
  PlugOutcome,
  PlugRequest,
  PlugRoute,
  Port,
  PortSettings,
  PortsOptions,
  UnplugOutcome,
  Vswitch,
  VswitchKind,
  VswitchOptions,
} from './vswitch/vswitch.js'
