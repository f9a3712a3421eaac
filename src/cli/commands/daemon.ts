import { once } from 'node:events'
import { isAbsolute } from 'node:path'
import { Option } from 'commander'
import { EcdockError } from '../../errors.js'
import { quoted } from '../../quoted.js'
import type { CommandSpec } from '../command.js'

export interface DaemonFlags {
  logFormat: string
  socketRoot: string
  pluginDir: string
  stateDir: string
  runDir: string
}

export const daemon: CommandSpec<DaemonFlags> = {
  name: 'daemon',
  summary: "serve Docker's network driver vde and IPAM driver vde-ipam",
  description:
    'Runs until SIGTERM or SIGINT. Switches and containers stay connected while it is away, and it takes up what it ' +
    'left when it comes back. Docker need not run. See docs/docker.md.',
  options: () => [
    new Option('--log-format <FORMAT>', 'json, or text for people').default('json'),
    new Option('--socket-root <DIR>', 'where the switches of networks are put').default(
      '/run/docker-vde-plugin',
    ),
    new Option('--plugin-dir <DIR>', 'where Docker looks for plugins').default('/run/docker/plugins'),
    new Option('--state-dir <DIR>', 'where networks and addresses are kept').default('/var/lib/ecdock-fast'),
    new Option('--run-dir <DIR>', 'where the control sockets of switches are put').default(
      '/run/ecdock-fast',
    ),
  ],
  takes: [],
  logsItself: true,
  examples: ['ecdock-fast daemon --log-level debug --log-format text'],
  run: async (invocation, args, flags) => {
    if (args.length > 0) {
      throw new EcdockError('USAGE', 'daemon', `daemon takes no arguments, and not ${quoted(args[0])}`)
    }
    for (const [name, path] of Object.entries(flags)) checkPath(name, path)
    invocation.stopIfAborted()
    const { openServiceLog, parseLogFormat } = await import('../../service/log.js')
    const { Daemon } = await import('../../service/daemon.js')
    const { VdeFabric } = await import('../../driver/vde-fabric.js')
    const { loadKernel } = await import('../../kernel/native.js')
    const { io, options, defaults, signal } = invocation
    const level = options.logLevel ?? defaults.logLevel ?? 'info'
    const log = openServiceLog(level, parseLogFormat(flags.logFormat), io.stderr)
    const kernel = loadKernel()
    const { pluginDir, socketRoot, stateDir, runDir } = flags
    const running = await Daemon.start({
      pluginDir,
      socketRoot,
      stateDir,
      log,
      fabric: (book) => VdeFabric.create({ kernel, runDir, log, book }),
    })
    if (!signal.aborted) await once(signal, 'abort')
    log.info({ reason: String(signal.reason?.message ?? 'stopped') }, 'ending')
    await running.close()
    return {}
  },
}

/** Switches tell their clients where their sockets are, so that a path has to mean the same everywhere. */
function checkPath(name: string, path: string): void {
  if (!/Dir$|Root$/.test(name)) return
  const option = `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
  const longest = 70
  if (isAbsolute(path) && Buffer.byteLength(path) <= longest) return
  throw new EcdockError(
    'USAGE',
    'daemon',
    `${option} ${quoted(path)} is no absolute path of at most ${longest} bytes`,
  )
}
