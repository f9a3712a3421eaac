import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { assertNothingLeft, snapshot } from '../support/leaks.js'
import { inside, namedNamespace, targetProcess } from '../support/netns.js'
import { run, runToEnd, waitUntil } from '../support/process.js'
import { needs } from '../support/requirements.js'
import { answers, megabyteEachWay, pings } from '../support/traffic.js'

const withNamespaces = needs('root', 'iproute2', 'ping', 'socat') ? test : test.skip

withNamespaces('a target process has a namespace of its own, which goes with it', async () => {
  const before = await snapshot()
  const target = await targetProcess()
  const links = JSON.parse(await inside(target.netns, 'ip', ['-json', 'link'])) as { ifname: string }[]
  assert.equal(
    links.map(({ ifname }) => ifname),
    ['lo'],
  )
  await target.stop()
  await assertNothingLeft(before)
})

withNamespaces('what a program says when it fails is in the error', async () => {
  const blue = await namedNamespace('blue')
  try {
    await rejects(inside(blue.path, 'ip', ['link', 'set', 'nothing', 'up']), /Cannot find device "nothing"/)
  } finally {
    await blue.remove()
  }
})

withNamespaces(
  'traffic passes between two namespaces that a cable joins, and not after it is cut',
  async () => {
    const before = await snapshot()
    const blue = await namedNamespace('blue')
    const red = await targetProcess()
    try {
      await cable(blue.path, red.netns)
      await answers(blue.path, '10.9.0.2')
      await answers(red.netns, '2001:db8::1')
      await megabyteEachWay(blue.path, red.netns, '10.9.0.2')
      await megabyteEachWay(red.netns, blue.path, '2001:db8::1')

      await inside(red.netns, 'ip', ['link', 'set', 'eth0', 'down'])
      assert.not.ok(await pings(blue.path, '10.9.0.2'))
      const refused = megabyteEachWay(blue.path, red.netns, '10.9.0.2', { timeoutMs: 1500 })
      await rejects(refused, /a megabyte each way, \/run\/netns\/blue to 10\.9\.0\.2 .*it took too long/)
    } finally {
      await Promise.all([blue.remove(), red.stop()])
    }
    await assertNothingLeft(before)
  },
)

withNamespaces('an answer is waited for, also after the kernel has given the neighbour up', async () => {
  const blue = await namedNamespace('blue')
  const red = await namedNamespace('red')
  const arp = (state: 'on' | 'off') => inside(red.path, 'ip', ['link', 'set', 'eth0', 'arp', state])
  try {
    await cable(blue.path, red.path)
    // It is over lo that the kernel says that a neighbour is not there.
    await inside(blue.path, 'ip', ['link', 'set', 'lo', 'up'])
    await arp('off')
    let answered = false
    const waiting = answers(blue.path, '10.9.0.2').then(() => {
      answered = true
    })
    waiting.catch(() => {}) // It is awaited below.
    await waitUntil('the neighbour is given up', async () =>
      (await inside(blue.path, 'ip', ['neigh', 'show', '10.9.0.2', 'dev', 'eth0'])).includes('FAILED'),
    )
    assert.not.ok(answered)
    await arp('on')
    await waiting
  } finally {
    await Promise.all([blue.remove(), red.remove()])
  }
})

withNamespaces('an address that is not there is told from traffic that does not pass', async () => {
  const blue = await namedNamespace('blue')
  try {
    // Without any address at all the kernel lets a program listen on whatever it likes.
    await inside(blue.path, 'ip', ['link', 'set', 'lo', 'up'])
    await rejects(
      megabyteEachWay('', blue.path, '10.9.0.2'),
      /the server ended early\n.*Cannot assign requested address/,
    )
  } finally {
    await blue.remove()
  }
})

/** Each makes a thing that a check must find; the result takes it away again. */
const LEFTOVERS: Record<string, () => Promise<() => Promise<unknown>>> = {
  'link left0': async () => {
    await run('ip', ['link', 'add', 'left0', 'type', 'bridge'])
    return () => run('ip', ['link', 'delete', 'left0'])
  },
  'address 10.9.9.9/32 of lo': async () => {
    await run('ip', ['address', 'add', '10.9.9.9/32', 'dev', 'lo'])
    return () => run('ip', ['address', 'delete', '10.9.9.9/32', 'dev', 'lo'])
  },
  'namespace left': async () => {
    const left = await namedNamespace('left')
    return () => left.remove()
  },
  'namespace net:[': async () => {
    const target = await targetProcess()
    return () => target.stop()
  },
  'process ': async () => {
    const target = await targetProcess()
    return () => target.stop()
  },
  'file /run/ecdock-fast/left': async () => {
    writeFileSync('/run/ecdock-fast/left', '')
    return async () => rmSync('/run/ecdock-fast/left')
  },
  'descriptor socket': async () => {
    const { createServer } = await import('node:net')
    const server = createServer().listen(0, '127.0.0.1')
    return () => new Promise((resolve) => server.close(resolve))
  },
  'mount ': async () => {
    const directory = mkdtempSync(join(tmpdir(), 'mount-'))
    await run('mount', ['-t', 'tmpfs', 'tmpfs', directory])
    return async () => {
      await run('umount', [directory])
      rmSync(directory, { recursive: true })
    }
  },
}

for (const [thing, make] of Object.entries(LEFTOVERS)) {
  withNamespaces(`the check after a test finds what was left behind: ${thing}`, async () => {
    const before = await snapshot()
    const takeAway = await make()
    await rejects(
      assertNothingLeft(before, { settleMs: 200 }),
      new RegExp(`left behind:[^]*\n  ${thing.replace('[', '\\[')}`),
    )
    await takeAway()
    await assertNothingLeft(before)
  })
}

test('a row that was left in a database is found', async () => {
  const tables: Record<string, string[]> = { Bridge: ['ovs0'], Port: ['ovs0'], Interface: ['ovs0'] }
  const rows = (names: string[]) => JSON.stringify({ headings: ['name'], data: names.map((name) => [name]) })
  const ovs = {
    vsctl: async (...args: string[]) =>
      args.flatMap((arg) => (arg in tables ? rows(tables[arg] ?? []) : [])).join('\n'),
  }
  const before = await snapshot({ ovs })
  await assertNothingLeft(before)
  tables.Port = ['ovs0', 'ovs0-s1']
  await rejects(assertNothingLeft(before, { settleMs: 200 }), /left behind:\n {2}OVSDB Port ovs0-s1$/)
})

test('a program that takes too long is killed, and that is said', async () => {
  const ended = await runToEnd('sh', ['-c', 'echo begun; sleep 302'], { timeoutMs: 300 })
  assert.ok(ended.timedOut)
  assert.is(ended.stdout, 'begun\n')
  await rejects(run('sleep', ['302'], { timeoutMs: 100 }), /sleep 302: took longer than 0.1 s and was killed/)
})

test.run()

async function rejects(promise: Promise<unknown>, pattern: RegExp): Promise<void> {
  try {
    await promise
  } catch (error) {
    assert.match(error instanceof Error ? error.message : String(error), pattern)
    return
  }
  assert.unreachable(`nothing was thrown, and not ${pattern}`)
}

/** Joins two namespaces: 10.9.0.1 and 2001:db8::1 in the first, 10.9.0.2 and 2001:db8::2 in the second. */
async function cable(first: string, second: string): Promise<void> {
  const peer = ['type', 'veth', 'peer', 'name', 'cable2']
  await run('ip', ['link', 'add', 'cable1', ...peer])
  for (const [end, netns, number] of [
    ['cable1', first, 1],
    ['cable2', second, 2],
  ] as const) {
    // `ip link set netns` takes a pid or a name; the descriptor that nsenter opens would do as little.
    const pid = /^\/proc\/(\d+)\//.exec(netns)?.[1]
    await run('ip', ['link', 'set', end, 'netns', pid ?? netns.replace('/run/netns/', '')])
    await inside(netns, 'ip', ['link', 'set', end, 'name', 'eth0'])
    await inside(netns, 'ip', ['address', 'add', `10.9.0.${number}/24`, 'dev', 'eth0'])
    await inside(netns, 'ip', ['address', 'add', `2001:db8::${number}/64`, 'dev', 'eth0', 'nodad'])
    await inside(netns, 'ip', ['link', 'set', 'eth0', 'up'])
  }
}
