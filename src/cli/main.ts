#!/usr/bin/env node
import type { HostOptions } from '../host.js'
import { EXIT_DONE } from './exit-status.js'
import { Interruption } from './io.js'
import { run } from './run.js'
import type { World } from './world.js'

const SIGNALS = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const

const controller = new AbortController()
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(name, () => {
    // The first one lets the operation in hand undo itself; who asks twice does not want to wait for that.
    if (controller.signal.aborted) process.exit(SIGNALS[name])
    controller.abort(new Interruption(name))
  })
}

// `ecdock-fast ls | head -1`: that nobody reads any more is no failure, and what was begun still comes to its end.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
  })
}

// Loading the host brings in the addon and the protocols: only for commands that need it, not for `--help`.
async function open(options: HostOptions): Promise<World> {
  const { Host } = await import('../host.js')
  return Host.open(options)
}

const { stdin, stdout, stderr, env } = process
process.exitCode = EXIT_DONE
process.exitCode = await run(process.argv.slice(2), {
  stdin,
  stdout,
  stderr,
  env,
  signal: controller.signal,
  open,
})
