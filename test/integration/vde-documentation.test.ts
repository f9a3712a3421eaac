/** The examples of docs/vde.md and docs/docker.md, run as they are written, but for the names of programs and images. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Host } from '../../src/host.js'
import { ECDOCK_FAST } from '../support/cli-program.js'
import { startDaemon } from '../support/daemon.js'
import { startDocker } from '../support/docker.js'
import { nextFrame, plugIn } from '../support/ecdock-switch.js'
import { namedNamespace } from '../support/netns.js'
import { run, waitUntil } from '../support/process.js'
import { needs } from '../support/requirements.js'
import { megabyteEachWay } from '../support/traffic.js'
import { BROADCAST, frameOf } from '../support/vde.js'
import { leavingNothing } from '../support/world.js'

const documentedTest = needs('root', 'docker', 'busybox', 'iptables', 'iproute2', 'socat') ? test : test.skip
const CHECKOUT = new URL('../../../', import.meta.url)
const ECDOCK = `'${process.execPath}' '${ECDOCK_FAST}'`
const SOCKETS = '/run/ecdock-fast/vde/lab0/sock'
const SENDER = '52:00:0a:00:00:09'

documentedTest('docs/vde.md: a vswitch, what QEMU needs, a node, and the console', () =>
  leavingNothing(async () => {
    const [first = '', qemu = ''] = blocks('docs/vde.md', '').map((block) => commands(block).join('\n'))
    const [node = '', console = ''] = blocks('docs/vde.md', 'js')
    const namespaces = [await namedNamespace('blue'), await namedNamespace('red')]
    const host = await Host.open()
    try {
      await run('sh', ['-e', '-c', first.replaceAll('ecdock-fast', ECDOCK)])
      await megabyteEachWay('/run/netns/blue', '/run/netns/red', '10.0.0.2')
      const [, printing = ''] = qemu.split('\n')
      const printed = await run('sh', ['-e', '-c', printing.replaceAll('ecdock-fast', ECDOCK)])
      assert.ok(
        blocks('docs/vde.md', '').some((block) => block.endsWith(`\n${printed}`)),
        printed,
      )
      await nodeAnswers(node)
      await consoleTells(console)
    } finally {
      await host.deleteVswitch('lab0')
      await host.close()
      for (const namespace of namespaces) await namespace.remove()
    }
  }),
)

documentedTest('docs/docker.md: containers of a network find each other by name', async () => {
  const docker = await startDocker()
  const daemon = await startDaemon()
  try {
    const [block = ''] = blocks('docs/docker.md', '')
    const [daemonLine, ...lines] = block.trimEnd().split('\n')
    assert.is(daemonLine, 'sudo ecdock-fast daemon &')
    const script = lines.join('\n').replaceAll('alpine', docker.image)
    const env = { ...process.env, DOCKER_HOST: docker.docker }
    assert.match(await run('sh', ['-e', '-c', script], { env, timeoutMs: 60_000 }), '3 packets received')
    await docker.cli('rm', '--force', 'one')
    await docker.cli('network', 'rm', 'lab')
  } finally {
    await daemon.stop()
    await docker.stop()
  }
})

/** Frames that somebody else sends to the node come back, as its `answerTo` has it. */
async function nodeAnswers(code: string): Promise<void> {
  const program = await started(code.replace('answerTo(frame)', 'frame'))
  const other = await plugIn(SOCKETS, { port: 41 })
  try {
    const frame = frameOf(BROADCAST, SENDER, 'an echo'.padEnd(46))
    await program.until(async () => readdirSync(SOCKETS).some((name) => name.startsWith('040.')))
    other.send(frame)
    await program.until(async () => (await nextFrame(other)).equals(frame))
  } finally {
    await other.close()
    await program.stop()
  }
}

async function consoleTells(code: string): Promise<void> {
  const program = await started(code)
  try {
    await program.until(async () => {
      const guest = await plugIn(SOCKETS, { port: 3 })
      await guest.close()
      return /type: 'port-added', port: 3\b/.test(program.printed())
    })
    assert.match(program.printed(), /^1 \[/m)
  } finally {
    await program.stop()
  }
}

interface Program {
  printed(): string
  /** Throws when it has ended, or when `condition` does not come to hold. */
  until(condition: () => Promise<boolean>): Promise<void>
  stop(): Promise<void>
}

/** A program of somebody's who has installed the package: in the checkout, it finds it by its name. */
async function started(code: string): Promise<Program> {
  const child = spawn(process.execPath, ['--input-type=module', '--eval', code], {
    cwd: fileURLToPath(CHECKOUT),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const gone = once(child, 'close')
  let said = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      said += text
    })
  }
  return {
    printed: () => said,
    until: (condition) =>
      waitUntil(`the program of the page goes on:\n${code}`, () => {
        if (child.exitCode !== null) throw new Error(`it has ended: ${said}`)
        return condition()
      }),
    async stop() {
      child.kill('SIGKILL')
      await gone
    },
  }
}

/** Code blocks of a page in this language; '' are those of the shell. */
function blocks(page: string, language: string): string[] {
  const text = readFileSync(new URL(page, CHECKOUT), 'utf8')
  return [...text.matchAll(/^```(\w*)\n(.*?)^```$/gms)].flatMap(([, of, code]) =>
    of === language ? (code ?? []) : [],
  )
}

/** What is typed there, without sudo. */
function commands(block: string): string[] {
  return block
    .split('\n')
    .filter((line) => line.startsWith('$ '))
    .map((line) => line.slice(2).replaceAll('sudo ', ''))
}

test.run()
