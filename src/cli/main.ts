#!/usr/bin/env node
import type { HostOptions } from '../host.js'
import { EXIT_DONE, EXIT_FAILED } from './exit-status.js'
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
// A full disk is one: what was done is done, but nobody was told.
let mute = false
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE' || mute) return
    mute = true
    process.exitCode = EXIT_FAILED
    if (stream === process.stdout)
      process.stderr.write(`error: the output cannot be written: ${error.message}\n`)
  })
}

// Loading the host brings in the addon and the protocols: only for commands that need it, not for `--help`.
async function open(options: HostOptions): Promise<World> {
  const { Host } = await import('../host.js')
  return Host.open(options)
}

const { stdin, stdout, stderr, env } = process
process.exitCode = EXIT_DONE
const status = await run(process.argv.slice(2), {
  stdin,
  stdout,
  stderr,
  env,
  etc: '/etc',
  signal: controller.signal,
  open,
})
process.exitCode = mute ? EXIT_FAILED : status
