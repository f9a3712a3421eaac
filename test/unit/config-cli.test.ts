/** What a configuration does to the commands, and which of several that say something is followed. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { vswitchOptions } from '../../src/cli/commands/create-vswitch.js'
import { plugOptions } from '../../src/cli/commands/plug.js'
import { startRequest } from '../../src/cli/commands/start.js'
import { cli, FakeWorld } from '../support/cli.js'

const etc = mkdtempSync(join(tmpdir(), 'ecdock-config-'))
test.after.each(() => rmSync(etc, { recursive: true, force: true }))

function put(name: string, content: string): string {
  const path = join(etc, name)
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, content)
  return path
}

const asked = async (argv: string[], env: Record<string, string> = {}): Promise<string[]> => {
  const world = new FakeWorld('line', 'variable', 'named', 'usual', 'old')
  const { status, stderr } = await cli(argv, { world: world.asWorld(), env, etc })
  assert.is(status, 0, stderr)
  return world.calls
}

test('the command line counts before the environment, then files, and ecDock at last', async () => {
  const env = { ECDOCK_VSWITCH: 'variable' }
  put('default/ecDock', 'DEFAULT_VSWITCH=old\n')
  assert.equal(await asked(['plug', 'netns:a']), ['plug old any'])
  put('ecdock-fast.yaml', 'vswitch: usual\n')
  assert.equal(await asked(['plug', 'netns:a']), ['plug usual any'])
  const named = put('named.yaml', 'vswitch: named\n')
  assert.equal(await asked(['plug', 'netns:a'], { ECDOCK_FAST_CONFIG: named }), ['plug named any'])
  assert.equal(await asked(['--config', named, 'plug', 'netns:a']), ['plug named any'])
  assert.equal(await asked(['--config', named, 'plug', 'netns:a'], env), ['plug variable any'])
  assert.equal(await asked(['plug', 'netns:a', '--vswitch', 'line', '--config', named], env), [
    'plug line any',
  ])
})

test('a vswitch that is not there is told with what names it', async () => {
  const path = put('ecdock-fast.yaml', 'vswitch: gone\n')
  const world = new FakeWorld('br0').asWorld()
  const byFile = await cli(['plug', 'netns:a'], { world, etc })
  assert.is(byFile.status, 1)
  assert.match(byFile.stderr, `there is no vswitch gone; it is named by ${path}`)
  const byVariable = await cli(['plug', 'netns:a'], { world, etc, env: { ECDOCK_VSWITCH: 'lost' } })
  assert.match(byVariable.stderr, 'there is no vswitch lost; it is named by ECDOCK_VSWITCH')
  const byLine = await cli(['plug', 'netns:a', '--vswitch', 'none'], { world, etc })
  assert.not.match(byLine.stderr, 'named by')
})

test('the slot of the configuration is for one target, and for commands that take one slot', async () => {
  put('default/ecDock', 'DEFAULT_VSWITCH=old\nDEFAULT_SLOT=5\n')
  assert.equal(await asked(['plug', 'netns:a']), ['plug old 5'])
  assert.equal(await asked(['plug', 'netns:a', '--slot', '6']), ['plug old 6'])
  assert.equal(await asked(['plug', 'netns:a', 'netns:b']), ['plug old any,any'])
  assert.equal(await asked(['attach']), ['attach old 5'])
  assert.equal(await asked(['attach', '4']), ['attach old 4'])
  const [call = ''] = await asked(['start', 'alpine'])
  assert.is(JSON.parse(call.replace('start old ', '')).slot, 5)
})

test('restart knows a slot from an image, when the configuration has a slot, too', async () => {
  put('ecdock-fast.yaml', 'vswitch: usual\nslot: 5\n')
  const slots = async (...argv: string[]) => {
    const [call = ''] = await asked(['restart', ...argv])
    const [, , slot, options = ''] = call.split(' ')
    return [Number(slot), JSON.parse(options).image]
  }
  assert.equal(await slots(), [5, undefined])
  assert.equal(await slots('2'), [2, undefined])
  assert.equal(await slots('2', 'alpine'), [2, 'alpine'])
  assert.equal(await slots('alpine', 'sh'), [5, 'alpine'])
  assert.equal(await slots('--slot', '3', 'alpine'), [3, 'alpine'])
})

test('nothing is deleted nor left out because a file names a vswitch', async () => {
  put('ecdock-fast.yaml', 'vswitch: usual\nslot: 5\n')
  const world = new FakeWorld('usual', 'other')
  const deleted = await cli(['delete-vswitch'], { world: world.asWorld(), etc })
  assert.is(deleted.status, 2)
  assert.equal(world.calls, [])
  const { stdout } = await cli(['--json', 'ls'], { world: world.asWorld(), etc })
  assert.is(JSON.parse(stdout).vswitches.length, 2)
  assert.is((await cli(['cleanup'], { world: world.asWorld(), etc })).status, 0)
})

test('a new vswitch is what the files say, and what the command line says otherwise', () => {
  const subnet = '10.1.0.254/24'
  const made = (args: string[], flags: object, defaults: object, name?: string) => {
    const { kind, usermode = false, ipv6Prefix = '' } = vswitchOptions(args, flags, name, defaults)
    return [kind, usermode, ipv6Prefix]
  }
  assert.equal(made([subnet], {}, { kind: 'ovs' }), ['ovs', false, ''])
  assert.equal(made([subnet], {}, { kind: 'ovs', usermode: true }), ['ovs', true, ''])
  assert.equal(made([subnet], {}, { usermode: true, ipv6Prefix: 'fd00' }), ['ovs', true, 'fd00'])
  assert.equal(made([subnet], { kind: 'bridge' }, { kind: 'ovs', usermode: true }), ['bridge', false, ''])
  assert.equal(made([subnet], { usermode: false }, { kind: 'ovs', usermode: true }), ['ovs', false, ''])
  assert.equal(made([subnet], { usermode: false }, { usermode: true }), ['bridge', false, ''])
  assert.equal(made([subnet], { usermode: true }, { kind: 'bridge' }), ['ovs', true, ''])
  assert.equal(made([subnet, 'eth1'], {}, { kind: 'bridge' }), ['ovs', false, ''])
  assert.equal(made([subnet], { ipv6Prefix: 'fd01' }, { ipv6Prefix: 'fd00' }), ['bridge', false, 'fd01'])
  assert.is(vswitchOptions([], {}, 'lab', { subnet }).subnet, subnet)
  assert.is(vswitchOptions(['lab'], {}, undefined, { subnet }).name, 'lab')
  assert.is(vswitchOptions(['10.2.0.254/24'], {}, undefined, { subnet }).subnet, '10.2.0.254/24')
})

test('a target is plugged as the files say, and as the command line says otherwise', () => {
  const defaults = { mtu: 9000, defaultRoute: false }
  assert.equal(plugOptions({}, {}), {})
  assert.equal(plugOptions({}, defaults), { mtu: 9000, defaultRoute: false })
  assert.equal(plugOptions({ mtu: 1400, defaultRoute: true }, defaults), { mtu: 1400 })
})

test('--default-route, --tty, --no-privileged and --no-usermode take a default back', async () => {
  put(
    'ecdock-fast.yaml',
    'vswitch: usual\nkind: ovs\nusermode: true\nstart: {tty: false, privileged: true}\n',
  )
  const request = async (...argv: string[]) => {
    const [call = ''] = await asked([...argv, 'alpine'])
    const { tty, privileged = false } = JSON.parse(call.replace('start usual ', ''))
    return [tty, privileged]
  }
  assert.equal(await request('start'), [false, true])
  assert.equal(await request('start', '--tty', '--no-privileged'), [true, false])
  assert.equal(await asked(['create-vswitch', 'new0', '10.1.0.254/24']), ['create ovs new0 10.1.0.254/24'])
})

test('a container has the variables and volumes of the files, and those of the command line', () => {
  const defaults = {
    mtu: 1400,
    start: { tty: false, env: ['ROLE=none', 'LANG=C'], volumes: ['/a:/a'] },
  }
  assert.equal(startRequest(['alpine', 'sh'], { env: ['ROLE=db', 'X=1'], volume: ['/b:/b'] }, defaults), {
    image: 'alpine',
    args: ['sh'],
    tty: false,
    env: ['LANG=C', 'ROLE=db', 'X=1'],
    volumes: ['/a:/a', '/b:/b'],
    mtu: 1400,
  })
})

test('where Open vSwitch and Docker are comes from the files, when nobody else says it', async () => {
  put('ecdock-fast.yaml', 'ovsdb: unix:/a\ndocker: unix:///b\n')
  assert.equal((await cli(['ls'], { etc })).opened, { ovsdb: 'unix:/a', docker: 'unix:///b' })
  const env = { ECDOCK_OVSDB: 'unix:/c' }
  assert.equal((await cli(['ls', '--docker', '/d'], { etc, env })).opened, {
    ovsdb: 'unix:/c',
    docker: '/d',
  })
})

test('lines of a batch have the defaults, too, but for the slot', async () => {
  put('ecdock-fast.yaml', 'vswitch: usual\nslot: 5\nkind: ovs\n')
  const world = new FakeWorld('usual')
  const stdin = [
    '{"op":"plug","target":{"netns":"a"}}',
    '{"op":"create-vswitch","name":"new0","subnet":"10.1.0.254/24"}',
  ].join('\n')
  assert.is((await cli(['batch'], { world: world.asWorld(), etc, stdin })).status, 0)
  assert.equal(world.calls, ['plug usual any', 'create ovs new0 10.1.0.254/24'])
})

test('a faulty file stops every command before it begins, with exit status 2', async () => {
  const path = put('ecdock-fast.yaml', 'vswitch: usual\nbogus: 1\n')
  for (const argv of [['ls'], ['plug', 'netns:a'], ['cleanup'], ['demo']]) {
    const { status, stdout, stderr, opened } = await cli(argv, { etc })
    assert.is(status, 2)
    assert.is(stdout, '')
    assert.match(stderr, `error: ${path}, line 2: there is no key "bogus"`)
    assert.is(opened, undefined)
  }
  const { status, stdout } = await cli(['--json', 'ls'], { etc })
  assert.is(status, 2)
  assert.is(JSON.parse(stdout).error.op, 'configuration')
  assert.is((await cli(['--help'], { etc })).status, 0)
  assert.is((await cli(['--config', put('good.yaml', ''), 'ls'], { etc })).status, 3)
})

interface Report {
  ok: boolean
  checks: { name: string; status: string; detail: string; hint?: string }[]
}

/** What the doctor says about the files. */
async function diagnosed(...argv: string[]): Promise<Report> {
  const { stdout } = await cli(['--json', 'doctor', ...argv], { etc })
  const { ok, checks } = JSON.parse(stdout) as Report
  return { ok, checks: checks.filter(({ name }) => name === 'configuration') }
}

test('the doctor says which files were looked for, and what they say', async () => {
  const usual = join(etc, 'ecdock-fast.yaml')
  const older = join(etc, 'default/ecDock')
  assert.equal(
    (await diagnosed()).checks.map(({ status, detail }) => [status, detail]),
    [
      ['ok', `no ${usual}; it need not be there`],
      ['ok', `no ${older}; it need not be there`],
    ],
  )
  put('ecdock-fast.yaml', 'kind: ovs\nusermode: true\n')
  put('default/ecDock', 'DEFAULT_SLOT=1\nPATH=/bin\n')
  assert.equal(
    (await diagnosed()).checks.map(({ status, detail }) => [status, detail]),
    [
      ['ok', `${usual} is read: kind, usermode`],
      ['warning', `${older} is read: slot; unknown, and passed over: PATH`],
    ],
  )
  const [first] = (await diagnosed('--config', usual)).checks
  assert.is(first?.detail, `${usual} (--config) is read: kind, usermode`)
})

test('the doctor reports a faulty file, and looks at all the rest', async () => {
  const path = put('ecdock-fast.yaml', 'slot: 0\n')
  const { ok, checks } = await diagnosed()
  assert.is(ok, false)
  assert.is(checks[0]?.status, 'missing')
  assert.match(String(checks[0]?.detail), `${path}, line 1: slot: it is a whole number`)
  const { status, stdout } = await cli(['doctor'], { etc })
  assert.is(status, 3)
  assert.match(stdout, 'line 1: slot: it is a whole number')
  assert.match(stdout, 'native addon')
})

test.run()
