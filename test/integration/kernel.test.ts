import { readdirSync, readlinkSync, writeFileSync } from 'node:fs'
import { unlink } from 'node:fs/promises'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Link } from '../../src/kernel/kernel.js'
import { loadKernel } from '../../src/kernel/native.js'
import { inside, namedNamespace, targetProcess } from '../support/netns.js'
import { patience } from '../support/patience.js'
import { run, waitUntil } from '../support/process.js'
import { refusal } from '../support/refusal.js'
import { needs } from '../support/requirements.js'
import { answers } from '../support/traffic.js'
import { leavingNothing } from '../support/world.js'

const kernelTest = needs('root', 'iproute2', 'ping') ? test : test.skip
const kernel = loadKernel()

/** What `ip -json` tells of a link, as far as it is compared here. */
interface IpLink {
  ifindex: number
  ifname: string
  group: string
  ifalias?: string
  master?: string
  link_index?: number
  link?: string | null
  address?: string
  mtu: number
  flags: string[]
  linkinfo?: { info_kind?: string }
  stats64: Record<'rx' | 'tx', { bytes: number; packets: number; errors: number; dropped: number }>
}

kernelTest('a created namespace is one for `ip netns` too, with its loopback up and marked', () =>
  leavingNothing(async () => {
    const [blue, red] = await kernel.createNamespaces(['blue', 'red'], 'made by a test')
    assert.is(blue?.path, '/run/netns/blue')
    const shown = JSON.parse(await run('ip', ['-json', 'netns', 'list'])) as { name: string }[]
    assert.equal(shown.map(({ name }) => name).sort(), ['blue', 'red'])
    const [loopback] = await ipLinks('/run/netns/blue')
    assert.ok(loopback?.flags.includes('UP'))
    assert.is(loopback?.ifalias, 'made by a test')

    const listed = await kernel.namespaces()
    assert.equal(
      listed.sort((a, b) => a.name.localeCompare(b.name)),
      [blue, red],
    )
    const own = readlinkSync('/proc/self/ns/net')
    assert.is.not(`net:[${blue?.id}]`, own)
    assert.is(
      `net:[${blue?.id}]`,
      (await inside('/run/netns/blue', 'readlink', ['/proc/self/ns/net'])).trim(),
    )
    await kernel.deleteNamespaces(['blue', 'red'])
    assert.equal(await kernel.namespaces(), [])
  }),
)

kernelTest('a name that is taken is refused, and none of the others is created', () =>
  leavingNothing(async () => {
    const blue = await namedNamespace('blue')
    const error = await refusal(kernel.createNamespaces(['red', 'blue', 'green']), 'NETNS_EXISTS')
    assert.is(error.errno, 'EEXIST')
    assert.equal(
      (await kernel.namespaces()).map(({ name }) => name),
      ['blue'],
    )
    await blue.remove()
  }),
)

kernelTest('deleting goes on behind a name that does not exist, and tells of it', () =>
  leavingNothing(async () => {
    await kernel.createNamespaces(['blue', 'red'])
    await refusal(kernel.deleteNamespaces(['blue', 'nothing', 'red']), 'TARGET_NOT_FOUND')
    assert.equal(await kernel.namespaces(), [])
  }),
)

kernelTest('a file under /run/netns that is no namespace is not listed', () =>
  leavingNothing(async () => {
    const blue = await namedNamespace('blue')
    writeFileSync('/run/netns/leftover', '')
    assert.equal(
      (await kernel.namespaces()).map(({ name }) => name),
      ['blue'],
    )
    await unlink('/run/netns/leftover')
    await blue.remove()
  }),
)

kernelTest('what is no network namespace is told from what is not there', () =>
  leavingNothing(async () => {
    assert.is(`net:[${await kernel.namespaceId('')}]`, readlinkSync('/proc/self/ns/net'))
    for (const path of ['/etc/passwd', '/proc/self/ns/mnt', '/proc/self/ns', '/dev/zero']) {
      const error = await refusal(kernel.namespaceId(path), 'NOT_A_NETNS')
      assert.match(error.message, path)
      await refusal(kernel.links(path), 'NOT_A_NETNS')
    }
    await refusal(kernel.namespaceId('/run/netns/nothing'), 'TARGET_NOT_FOUND')
    await refusal(kernel.links('/proc/2147483647/ns/net'), 'TARGET_NOT_FOUND')
  }),
)

kernelTest('links are listed as `ip -json -statistics link` lists them', () =>
  leavingNothing(async () => {
    const target = await targetProcess()
    const blue = await namedNamespace('blue')
    await cable(blue.path, target.netns)
    await answers(blue.path, '10.9.0.2')
    await inside(target.netns, 'ip', ['link', 'set', 'eth0', 'down'])
    for (const netns of [blue.path, target.netns]) {
      const expected = async () => (await ipLinks(netns)).map((link, _, all) => expectedLink(link, all))
      // The kernel sends something of its own now and then, which is counted.
      for (let before = await expected(), same = false; !same; ) {
        const listed = await kernel.links(netns)
        const after = await expected()
        same = JSON.stringify(before) === JSON.stringify(after)
        if (same) assert.equal(listed, after)
        before = after
      }
    }
    const [bridge, port] = await kernel.linksByName(blue.path, ['br0', 'port1'])
    assert.is(bridge?.kind, 'bridge')
    assert.is(port?.master, bridge?.ifindex)
    assert.is(port?.alias, 'a cable')
    assert.ok((port?.stats.rxPackets ?? 0) >= 2, 'a request for the MAC, and an echo')
    await blue.remove()
    await target.stop()
  }),
)

kernelTest('links are found by name, each in the place of its name', () =>
  leavingNothing(async () => {
    const found = await kernel.linksByName('', ['nothing', 'lo', 'eth0', 'lo'])
    assert.equal(
      found.map((link) => link?.name),
      [undefined, 'lo', undefined, 'lo'],
    )
  }),
)

kernelTest('addresses are listed with their link and prefix length', () =>
  leavingNothing(async () => {
    const blue = await namedNamespace('blue')
    await inside(blue.path, 'ip', ['link', 'set', 'lo', 'up'])
    await inside(blue.path, 'ip', ['address', 'add', '10.1.2.3/20', 'dev', 'lo'])
    await inside(blue.path, 'ip', ['address', 'add', '2001:db8::1/64', 'dev', 'lo'])
    const addresses = await kernel.addresses(blue.path)
    assert.equal(
      addresses.map(({ address, prefix }) => `${address}/${prefix}`).sort(),
      ['10.1.2.3/20', '127.0.0.1/8', '2001:db8::1/64', '::1/128'].sort(),
    )
    assert.ok(addresses.every(({ ifindex }) => ifindex === 1))
    await blue.remove()
  }),
)

for (const count of [1, 2, 50]) {
  kernelTest(`deleting ${count} leaves the others alone, also those of the same group`, () =>
    leavingNothing(async () => {
      const blue = await namedNamespace('blue')
      const lines = Array.from({ length: count }, (_, at) => `link add ours${at} group 77 type bridge`)
      lines.push('link add foreign0 group 77 type bridge', 'link add foreign1 type bridge')
      await inside(blue.path, 'ip', ['-batch', '-'], { input: `${lines.join('\n')}\n` })
      const links = await kernel.links(blue.path)
      const ours = links.filter(({ name }) => name.startsWith('ours')).map(({ ifindex }) => ifindex)
      assert.is(ours.length, count)

      await kernel.deleteLinks(blue.path, ours)
      const left = await kernel.links(blue.path)
      assert.equal(
        left.map(({ name, group }) => ({ name, group })),
        [
          { name: 'lo', group: 0 },
          { name: 'foreign0', group: 77 },
          { name: 'foreign1', group: 0 },
        ],
      )
      // They are gone already: no error.
      await kernel.deleteLinks(blue.path, ours)
      await kernel.deleteLinks(blue.path, [])
      await blue.remove()
    }),
  )
}

kernelTest('a probe tells of replies, of silence, and of what could not even be sent', () =>
  leavingNothing(async () => {
    const target = await targetProcess()
    const blue = await namedNamespace('blue')
    await cable(blue.path, target.netns)
    const [ipv4, ipv6, silent, unreachable, nonsense, nowhere] = await kernel.probe([
      { netns: blue.path, address: '10.9.0.2', timeoutMs: 5000 },
      { netns: target.netns, address: '2001:db8::1', timeoutMs: 5000 },
      { netns: blue.path, address: '10.9.0.77', timeoutMs: 200 },
      { netns: blue.path, address: '192.0.2.1', timeoutMs: 5000 },
      { netns: blue.path, address: 'example', timeoutMs: 5000 },
      { netns: '/run/netns/nothing', address: '10.9.0.2', timeoutMs: 5000 },
    ])
    for (const outcome of [ipv4, ipv6]) {
      assert.is(outcome?.reply, true)
      assert.ok((outcome?.rttUs ?? 0) > 0)
      assert.is(outcome?.error, undefined)
    }
    assert.equal(silent, { reply: false, rttUs: 0 })
    assert.is(unreachable?.reply, false)
    assert.match(unreachable?.error ?? '', 'Network is unreachable')
    assert.match(nonsense?.error ?? '', 'example is not an IP address')
    assert.match(nowhere?.error ?? '', 'No such file or directory')
    await blue.remove()
    await target.stop()
  }),
)

kernelTest('while a probe waits, the program goes on and links are made', () =>
  leavingNothing(async () => {
    const target = await targetProcess()
    const blue = await namedNamespace('blue')
    await cable(blue.path, target.netns)
    const ended: string[] = []
    const probe = kernel
      .probe([{ netns: blue.path, address: '10.9.0.77', timeoutMs: patience(1000) }])
      .then(() => ended.push('probe'))
    await new Promise((resolve) => setTimeout(resolve, 1))
    ended.push('timer')
    await kernel.execute([{ steps: [{ op: 'bridge', netns: blue.path, name: 'br1' }] }])
    ended.push('plan')
    await kernel.links(blue.path)
    ended.push('dump')
    await probe
    assert.equal(ended, ['timer', 'plan', 'dump', 'probe'])
    await blue.remove()
    await target.stop()
  }),
)

kernelTest('ten thousand looks into namespaces leave no descriptor open', () =>
  leavingNothing(async () => {
    const blue = await namedNamespace('blue')
    await kernel.namespaceId(blue.path)
    const before = readdirSync('/proc/self/fd').length
    // A thousand names for one namespace: to the kernel they are as different as those of a thousand containers.
    const paths = Array.from({ length: 1000 }, (_, at) => `/run/netns/${'./'.repeat(at)}blue`)
    for (let round = 0; round < 5; round++) {
      const plans = paths.map((netns) => ({ steps: [{ op: 'alive', netns }] as const }))
      const outcomes = await kernel.execute(plans.map(({ steps }) => ({ steps: [...steps] })))
      assert.ok(outcomes.every(({ ok }) => ok))
      await Promise.all(paths.map((path) => kernel.namespaceId(path)))
    }
    await Promise.all(paths.map(() => refusal(kernel.namespaceId('/proc/self/ns/mnt'), 'NOT_A_NETNS')))
    await Promise.all(paths.slice(0, 100).map((path) => kernel.links(path)))
    // A thread that has answered is about to close what it had open.
    await waitUntil('what was open is closed', () => readdirSync('/proc/self/fd').length <= before)
    await blue.remove()
  }),
)

kernelTest('arguments of the wrong kind are refused before anything is done', async () => {
  const wrong = kernel as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>
  const calls: [string, unknown[]][] = [
    ['execute', ['no list']],
    ['execute', [[{ steps: [{ op: 'nonsense' }] }]]],
    ['execute', [[{ steps: [{ op: 'veth', netns: '', name: 'a' }] }]]],
    ['execute', [[{ steps: [{ op: 'bridge', netns: '', name: 'a', mac: 'zz' }] }]]],
    ['links', [7]],
    ['linksByName', ['', [7]]],
    ['deleteLinks', ['', [-1]]],
    ['deleteLinks', ['', 'all']],
    ['createNamespaces', [undefined]],
    ['namespaceId', []],
    ['probe', [[{ netns: '' }]]],
  ]
  for (const [method, args] of calls) {
    const error = await refusal(wrong[method]?.(...args) ?? Promise.resolve(), 'INTERNAL')
    assert.ok(error.message.length > 0, method)
  }
})

test.run()

async function ipLinks(netns: string): Promise<IpLink[]> {
  return JSON.parse(
    await inside(netns, 'ip', ['-json', '-details', '-statistics', 'link', 'show']),
  ) as IpLink[]
}

function expectedLink(link: IpLink, all: readonly IpLink[]): Link {
  const { rx, tx } = link.stats64
  return {
    ifindex: link.ifindex,
    name: link.ifname,
    kind: link.linkinfo?.info_kind ?? '',
    group: link.group === 'default' ? 0 : Number(link.group),
    alias: link.ifalias ?? '',
    master: all.find(({ ifname }) => ifname === link.master)?.ifindex ?? 0,
    peer: link.link_index ?? 0,
    mac: link.address ?? '',
    mtu: link.mtu,
    up: link.flags.includes('UP'),
    carrier: link.flags.includes('LOWER_UP'),
    stats: {
      rxPackets: rx.packets,
      txPackets: tx.packets,
      rxBytes: rx.bytes,
      txBytes: tx.bytes,
      rxErrors: rx.errors,
      txErrors: tx.errors,
      rxDropped: rx.dropped,
      txDropped: tx.dropped,
    },
  }
}

/** A bridge with 10.9.0.1 and 2001:db8::1 in the first namespace, and eth0 with …2 in the second. */
async function cable(first: string, second: string): Promise<void> {
  const [outcome] = await kernel.execute([
    {
      steps: [
        { op: 'bridge', netns: first, name: 'br0', group: 5 },
        {
          op: 'veth',
          netns: first,
          name: 'port1',
          master: 'br0',
          group: 7,
          alias: 'a cable',
          peer: { netns: second, name: 'eth0', mac: '52:00:0a:09:00:02' },
        },
        { op: 'address', netns: first, name: 'br0', address: '10.9.0.1', prefix: 24 },
        { op: 'address', netns: first, name: 'br0', address: '2001:db8::1', prefix: 64 },
        { op: 'address', netns: second, name: 'eth0', address: '10.9.0.2', prefix: 24 },
        { op: 'address', netns: second, name: 'eth0', address: '2001:db8::2', prefix: 64 },
        { op: 'link', netns: second, name: 'eth0', up: true },
      ],
    },
  ])
  assert.is(outcome?.ok, true)
}
