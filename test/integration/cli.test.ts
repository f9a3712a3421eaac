/** The command line as a person or a script uses it: a process for each command, and the real kernel. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { CleanupReport } from '../../src/cleanup/cleanup.js'
import type { Port } from '../../src/vswitch/vswitch.js'
import { ECDOCK_FAST, ecdockFast, ecdockFastJson } from '../support/cli-program.js'
import { assertNothingLeft, snapshot } from '../support/leaks.js'
import { inside, type NamedNamespace, namedNamespace, targetProcess } from '../support/netns.js'
import { runToEnd } from '../support/process.js'
import { needs } from '../support/requirements.js'
import { megabyteEachWay } from '../support/traffic.js'

const ready = needs('root', 'iproute2', 'strace', 'socat')
const commandLine = suite('the command line')

interface Results {
  results: { ok: boolean; port: Port; slot: number; error?: { code: string } }[]
  error?: { code: string }
}

interface Listing {
  vswitches: { name: string; kind: string; subnet: string; ports: Port[] }[]
}

let blue: NamedNamespace
let green: NamedNamespace

/** One test, with two namespaces to plug in, after which there is nothing on the host that was not there before. */
function test(name: string, body: () => Promise<void>): void {
  const add = ready ? commandLine : commandLine.skip
  add(name, async () => {
    const before = await snapshot()
    blue = await namedNamespace('blue')
    green = await namedNamespace('green')
    try {
      await body()
    } finally {
      await blue.remove()
      await green.remove()
    }
    await assertNothingLeft(before)
  })
}

/** Makes a vswitch for as long as `body` takes. */
async function withVswitch(args: readonly string[], body: (name: string) => Promise<void>): Promise<void> {
  const { name } = await ecdockFastJson<{ name: string }>(['create-vswitch', ...args])
  try {
    await body(name)
  } finally {
    await ecdockFastJson(['delete-vswitch', name])
  }
}

test('two namespaces are plugged in, exchange a megabyte each way, and are taken out again', async () => {
  const made = await ecdockFastJson<{ name: string }>(['create-vswitch', '10.0.0.254/24'])
  assert.equal(made, { name: 'br0', kind: 'bridge', subnet: '10.0.0.254/24', ipv6Prefix: '2001:db8' })

  const { results } = await ecdockFastJson<Results>(['plug', 'netns:blue', 'netns:green'])
  assert.equal(
    results.map(({ port }) => [port.slot, port.ifname, port.mac, port.ipv4]),
    [
      [1, 'eth0', '52:00:0a:00:00:01', '10.0.0.1/24'],
      [2, 'eth0', '52:00:0a:00:00:02', '10.0.0.2/24'],
    ],
  )
  await megabyteEachWay(blue.path, green.path, '10.0.0.2')
  await megabyteEachWay(blue.path, '', '10.0.0.254')

  const listed = await ecdockFastJson<Listing>(['ls'])
  assert.equal(
    listed.vswitches.map(({ name, ports }) => [name, ports.map(({ target, state }) => `${target} ${state}`)]),
    [['br0', ['netns:blue up', 'netns:green up']]],
  )
  const table = await ecdockFast(['ls'])
  assert.match(table.stdout, /^br0 {2}bridge {2}10\.0\.0\.254\/24 {2}2 ports$/m)
  assert.match(
    table.stdout,
    /^ +2 +netns:green +eth0 +52:00:0a:00:00:02 +10\.0\.0\.2\/24 .* up .* MiB +\S+ MiB$/m,
  )
  const port = await ecdockFast(['inspect', '1'])
  assert.match(port.stdout, /^ipv4: +10\.0\.0\.1\/24$/m)

  const again = await ecdockFastJson<Results>(['unplug', '1-2'])
  assert.equal(
    again.results.map(({ slot }) => slot),
    [1, 2],
  )
  assert.not.match(await inside(blue.path, 'ip', ['-brief', 'link']), 'eth0')
  assert.equal(await ecdockFastJson(['delete-vswitch', 'br0']), { deleted: 'br0' })
  assert.equal(await ecdockFastJson<Listing>(['ls']), { vswitches: [] })
})

test('a process is plugged into the slot that was asked for, and a second target does not get it', async () => {
  const target = await targetProcess()
  try {
    await withVswitch(['lab', '192.168.7.1/28'], async () => {
      const [plugged] = (await ecdockFastJson<Results>(['--slot=3', 'plug', `pid:${target.pid}`])).results
      assert.is(plugged?.port.ipv4, '192.168.7.3/28')
      await megabyteEachWay(target.netns, '', '192.168.7.1')

      const refused = await ecdockFast(['plug', 'netns:blue', '--slot', '3', '--json'])
      assert.is(refused.status, 1)
      assert.is(JSON.parse(refused.stdout).error.code, 'SLOT_TAKEN')
      assert.match(JSON.parse(refused.stdout).error.message, `pid:${target.pid}`)
      for (const [slot, code] of [
        ['1', 'SLOT_RESERVED'],
        ['15', 'SLOT_OUT_OF_RANGE'],
      ] as const) {
        const { status, stdout } = await ecdockFast(['plug', 'netns:blue', '--slot', slot, '--json'])
        assert.is(status, 1)
        assert.is(JSON.parse(stdout).error.code, code)
      }
    })
  } finally {
    await target.stop()
  }
})

test('what is not there is one clear message and exit status 1', async () => {
  await withVswitch(['10.0.0.254/24'], async () => {
    for (const [target, code] of [
      ['netns:red', 'TARGET_NOT_FOUND'],
      ['pid:4194304', 'TARGET_NOT_FOUND'],
      ['netns:/etc/passwd', 'NOT_A_NETNS'],
    ] as const) {
      const { status, stdout, stderr } = await ecdockFast(['--json', 'plug', target])
      assert.is(status, 1, target)
      assert.is(stderr, '')
      assert.is(JSON.parse(stdout).error.code, code)
    }
    const people = await ecdockFast(['plug', 'netns:red'])
    assert.match(people.stderr, /^error: .*red/)
    assert.not.match(people.stderr, / {2}at /)
  })
  const nowhere = await ecdockFast(['--vswitch', 'br0', 'plug', 'netns:blue', '--json'])
  assert.is(JSON.parse(nowhere.stdout).error.code, 'VSWITCH_NOT_FOUND')
})

test('--explain changes nothing and prints commands', async () => {
  await withVswitch(['10.0.0.254/24'], async () => {
    const { status, stdout } = await ecdockFast(['plug', 'netns:blue', '--explain'])
    assert.is(status, 0)
    assert.match(stdout, /ip .*link add .*br0-s1 .*type veth/)
    assert.not.match(await inside(blue.path, 'ip', ['-brief', 'link']), 'eth0')
  })
})

test('batch does what its lines say, and a malformed one does not stop the others', async () => {
  const input = [
    '{"op":"create-vswitch","name":"br0","subnet":"10.0.0.254/24"}',
    '{"op":"plug","target":{"netns":"blue"},"slot":1,"id":"b"}',
    '{"op":"plug","target":{"netns":"red"},"id":"r"}',
    '{"op":"plug",',
    '{"op":"plug","target":{"netns":"green"},"slot":2,"id":"g"}',
    '{"op":"ls"}',
    '{"op":"unplug","slot":1}',
    '{"op":"unplug","slot":1}',
    '{"op":"delete-vswitch","name":"br0"}',
  ].join('\n')
  const { status, stdout, stderr } = await ecdockFast(['batch'], { input })
  assert.is(stderr, '')
  assert.is(status, 1)
  const lines = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  assert.equal(
    lines.map(({ ok, id, line, error }) => [ok, id, line, error?.code]),
    [
      [true, undefined, undefined, undefined],
      [true, 'b', undefined, undefined],
      [false, 'r', 3, 'TARGET_NOT_FOUND'],
      [false, undefined, 4, 'USAGE'],
      [true, 'g', undefined, undefined],
      [true, undefined, undefined, undefined],
      [true, undefined, undefined, undefined],
      [false, undefined, 8, 'SLOT_EMPTY'],
      [true, undefined, undefined, undefined],
    ],
  )
  assert.is(lines[5].result.vswitches[0].ports.length, 2)
})

test('cleanup has nothing to do on a tidy host, and --dry-run does nothing', async () => {
  await withVswitch(['10.0.0.254/24'], async () => {
    await ecdockFastJson(['plug', 'netns:blue'])
    for (const args of [['cleanup', '--dry-run'], ['cleanup']]) {
      const { dryRun, removed } = await ecdockFastJson<CleanupReport>(args)
      assert.equal([dryRun, removed], [args.length === 2, []])
    }
    assert.is((await ecdockFastJson<Listing>(['ls'])).vswitches[0]?.ports.length, 1)
  })
})

test('the demo plugs eight namespaces, pings across, and leaves nothing', async () => {
  const { ports, medianMs, pings } = await ecdockFastJson<{
    ports: number[]
    medianMs: number
    pings: { sent: number; received: number }
  }>(['demo'])
  assert.is(ports.length, 8)
  assert.ok(medianMs > 0)
  assert.equal(pings, { sent: 16, received: 16 })
  const people = await ecdockFast(['demo', '--count', '2'])
  assert.is(people.status, 0)
  // It shows what it has measured, and no time that somebody else's machine took.
  const [, summary = ''] = people.stdout.split('pings came back')
  assert.equal(summary.match(/[\d.]+ m?s\b/g)?.length, 1, summary)
  assert.match(summary, /`npm run bench` measures .* the same steps by `ip`/s)
  assert.match(people.stdout, /^ {2}slot 2 +netns:ecdock-demo-\S+ +eth0 +10\.213\.0\.2\/24 .* ms$/m)
  assert.match(people.stdout, 'All 4 pings came back')
  assert.match(people.stdout, 'npm run bench')
})

test('the demo does not take a subnet that is in use', async () => {
  await withVswitch(['10.213.0.254/24'], async () => {
    const { subnet } = await ecdockFastJson<{ subnet: string }>(['demo', '--count', '2'])
    assert.is(subnet, '10.213.1.254/24')
  })
})

for (const [signal, status] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const) {
  test(`the demo that is stopped half-way by ${signal} removes what it has made`, async () => {
    const demo = spawn(process.execPath, [ECDOCK_FAST, 'demo', '--count', '250'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const exited = once(demo, 'exit')
    let said = ''
    demo.stdout.setEncoding('utf8').on('data', (text: string) => {
      if (!said.includes('slot 1 ') && `${said}${text}`.includes('slot 1 ')) demo.kill(signal)
      said += text
    })
    assert.equal(await exited, [status, null])
    assert.not.match(said, 'slot 250 ')
  })
}

test('without the capabilities it says plainly what it needs', async () => {
  const powerless = ['--bounding-set', '-all', '--inh-caps', '-all', process.execPath, ECDOCK_FAST]
  const demo = await runToEnd('setpriv', [...powerless, 'demo'])
  assert.is(demo.status, 3)
  assert.match(demo.stderr, 'needs to be root')
  assert.match(demo.stderr, 'ecdock-fast doctor')
  const create = await runToEnd('setpriv', [...powerless, '--json', 'create-vswitch', '10.0.0.254/24'])
  assert.is(create.status, 3)
  assert.is(JSON.parse(create.stdout).error.code, 'PERMISSION')
  const doctor = await runToEnd('setpriv', [...powerless, '--json', 'doctor'])
  assert.is(doctor.status, 3)
  assert.is(JSON.parse(doctor.stdout).ok, false)
})

test('the doctor finds this host well enough for a bridge', async () => {
  const { ok, checks } = await ecdockFastJson<{ ok: boolean; checks: { name: string; status: string }[] }>([
    'doctor',
  ])
  assert.ok(ok)
  assert.is(checks.find(({ name }) => name === 'native addon')?.status, 'ok')
})

test('a reader that has had enough is no failure', async () => {
  const piped = await runToEnd('bash', [
    '-c',
    `"$0" "$1" --help | true; echo "\${PIPESTATUS[0]}"`,
    process.execPath,
    ECDOCK_FAST,
  ])
  assert.is(piped.stdout.trim(), '0')
  assert.is(piped.stderr, '')
})

test('its help loads none of the libraries that only some commands need', async () => {
  const traced = await runToEnd('strace', [
    '-f',
    '-e',
    'trace=openat',
    process.execPath,
    ECDOCK_FAST,
    '--help',
  ])
  assert.is(traced.status, 0)
  assert.match(traced.output, 'node_modules/commander/')
  for (const library of ['dockerode', 'pino', 'cli-table3', 'zod', 'log-update', 'ipaddr.js']) {
    assert.not.match(traced.output, `node_modules/${library}/`)
  }
  assert.not.match(traced.output, 'ecdock_fast.node')
})

test('a plug and an unplug start no program', async () => {
  await withVswitch(['10.0.0.254/24'], async () => {
    for (const args of [['plug', 'netns:blue'], ['unplug', '1'], ['ls']]) {
      const traced = await runToEnd('strace', [
        '-f',
        '-e',
        'trace=execve',
        process.execPath,
        ECDOCK_FAST,
        ...args,
      ])
      assert.is(traced.status, 0)
      const started = traced.stderr.match(/execve\(/g) ?? []
      assert.is(started.length, 1, `only node itself:\n${traced.stderr}`)
    }
  })
})

commandLine.run()
