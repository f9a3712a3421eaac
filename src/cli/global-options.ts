import { Option } from 'commander'
import type { Settings } from '../config/settings.js'
import type { HostOptions } from '../host.js'
import { parseSlot } from './values.js'

/** The options that every command takes, before its name or after it. */
export interface GlobalOptions {
  json?: boolean
  quiet?: boolean
  vswitch?: string
  slot?: number
  ovsdb?: string
  docker?: string
  config?: string
  logLevel?: string
}

export const LOG_LEVELS = ['error', 'warn', 'info', 'debug', 'trace']

/** New ones at each call, because a commander Option belongs to one command. */
export function globalOptions(): Option[] {
  return [
    new Option('--json', 'print one JSON document on stdout and nothing else'),
    new Option('-q, --quiet', 'print nothing but errors'),
    new Option('--vswitch <NAME>', 'the vswitch; default: $ECDOCK_VSWITCH, else the only one there is'),
    new Option('--slot <N>', 'the slot; default for plug and start: the lowest free one').argParser(
      parseSlot,
    ),
    new Option(
      '--ovsdb <ENDPOINT>',
      'Open vSwitch: unix:/PATH, tcp:HOST:PORT or ssl:HOST:PORT; default: $ECDOCK_OVSDB',
    ),
    new Option('--docker <SOCKET>', "Docker's socket: unix:///PATH; default: $DOCKER_HOST"),
    new Option(
      '--config <FILE>',
      'defaults of options, in YAML; default: $ECDOCK_FAST_CONFIG, else /etc/ecdock-fast.yaml',
    ),
    new Option('--log-level <LEVEL>', 'write a log to stderr, as JSON lines').choices(LOG_LEVELS),
  ]
}

/** Where the world is, as the options, the environment and the configuration say; the rest is left to Host. */
export function hostOptions(
  options: GlobalOptions,
  env: Readonly<Record<string, string | undefined>>,
  settings: Settings,
): HostOptions {
  const ovsdb = options.ovsdb ?? (env.ECDOCK_OVSDB || settings.ovsdb)
  const docker = options.docker ?? (env.DOCKER_HOST || settings.docker)
  const { leaderOnly } = settings
  return {
    ...(ovsdb !== undefined && { ovsdb }),
    ...(docker !== undefined && { docker }),
    ...(leaderOnly !== undefined && { leaderOnly }),
  }
}
