export type { CleanupReport, FailedRemoval, Removal } from './cleanup.js'
export { EcdockError, ERROR_CODES, type ErrorCode } from './errors.js'
export { Host, type HostOptions } from './host.js'
export type {
  InterfaceAddress,
  Kernel,
  Link,
  LinkStats,
  NamedNamespace,
  Probe,
  ProbeOutcome,
} from './kernel/kernel.js'
export type { Target } from './target/target.js'
export type {
  BulkOptions,
  PlugOptions,
  PlugOutcome,
  PlugRequest,
  Port,
  UnplugOutcome,
  Vswitch,
  VswitchKind,
  VswitchOptions,
} from './vswitch/vswitch.js'
