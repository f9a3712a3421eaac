import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Interruption } from '../../src/cli/io.js'
import { buildProgram } from '../../src/cli/program.js'
import { cli, FakeWorld } from '../support/cli.js'

const COMMANDS = [
  ['create-vswitch', 'delete-vswitch', 'ls', 'plug', 'unplug', 'inspect', 'batch'],
  ['start', 'attach', 'stop', 'restart', 'cleanup', 'doctor', 'demo'],
].flat()

test('alone it prints its help, and does not open anything', async () => {
  const result = await cli([])
  assert.is(result.status, 0)
  for (const command of COMMANDS) assert.match(result.stdout, new RegExp(`^ {2}${command}\\b`, 'm'))
  assert.is(result.stderr, '')
  assert.is(result.opened, undefined)
})

for (const command of COMMANDS) {
  test(`the help of ${command} shows an example`, async () => {
    for (const argv of [
      ['help', command],
      [command, '--help'],
    ]) {
      const result = await cli(argv)
      assert.is(result.status, 0)
      assert.match(result.stdout, new RegExp(`Examples?:\n {2}\\$ .*${command}`))
    }
  })
}

test('an unknown command is refused, with the one that was meant', async () => {
  const result = await cli(['plgu'])
  assert.is(result.status, 2)
  assert.is(result.stdout, '')
  assert.match(result.stderr, 'unknown command')
  assert.match(result.stderr, 'Did you mean plug?')
})

const WRONG: [argv: string[], message: RegExp][] = [
  [['plug'], /missing required argument/],
  [['plug', 'blue'], /is not a target/],
  [['plug', 'pid:1e3'], /not a process id/],
  [['plug', '--slot', '1x', 'pid:1'], /not a slot number/],
  [['plug', '--mtu', '9000000', 'pid:1'], /MTU/],
  [['plug', '--bogus', 'pid:1'], /unknown option/],
  [['plug', '--slot', '1', 'pid:1', 'pid:2'], /--slot is for one target/],
  [['unplug'], /which slot/],
  [['unplug', '8-1'], /neither a slot nor a range/],
  [['unplug', '--all', '1'], /--all/],
  [['inspect', '1', '--slot', '1'], /given twice/],
  [['inspect', '-1'], /not a slot number/],
  [['create-vswitch'], /CIDR/],
  [['create-vswitch', '10.0.0.254/24', '--kind', 'token-ring'], /Allowed choices are bridge, ovs/],
  [['delete-vswitch'], /which vswitch/],
  [['cleanup', '--vswitch', 'br0'], /no use for --vswitch/],
  [['--no-rm', 'start', 'alpine'], /unknown option '--no-rm'/],
  [['--bogus', '--no-rm', 'stop', '1'], /unknown option '--bogus'/],
  [['--name', 'start'], /unknown option '--name'/],
  [['restart', '1', '--json'], /options go before the slot/],
  [['restart', '--privileged', '1'], /--privileged needs an IMAGE/],
  [['attach', '--json', '1'], /has no --json/],
  [['demo', '--count', '0'], /count/],
  [['ls', 'extra'], /too many arguments/],
  [['--log-level', 'loud', 'ls'], /Allowed choices/],
  [['--quiet'], /which command/],
]

for (const [argv, message] of WRONG) {
  test(`refuses: ${argv.join(' ')}`, async () => {
    const { status, stdout, stderr, opened } = await cli(argv)
    assert.is(status, 2)
    assert.match(`${stdout}${stderr}`, message)
    assert.is(opened, undefined)
  })
}

test('under --json a wrong command line is one JSON document on stdout too', async () => {
  for (const argv of [
    ['--json', 'plgu'],
    ['plug', '--json'],
    ['--json', 'plug', '--slot', 'x', 'pid:1'],
    ['--json'],
  ]) {
    const { status, stdout, stderr } = await cli(argv)
    assert.is(status, 2)
    assert.is(stderr, '')
    const { error } = JSON.parse(stdout)
    assert.type(error.code, 'string')
    assert.type(error.op, 'string')
    assert.type(error.message, 'string')
    assert.type(error.hint, 'string')
  }
})

test('what is missing gives exit status 3 and leads to the doctor', async () => {
  const people = await cli(['ls'])
  assert.is(people.status, 3)
  assert.match(people.stderr, 'ecdock-fast doctor')
  const programs = await cli(['ls', '--json'])
  assert.is(programs.status, 3)
  assert.is(JSON.parse(programs.stdout).error.code, 'PERMISSION')
  assert.match(JSON.parse(programs.stdout).error.hint, 'ecdock-fast doctor')
})

test('global options stand before the command or after it', async () => {
  for (const argv of [
    ['--json', '--vswitch', 'br1', '--slot=3', 'plug', 'netns:blue'],
    ['plug', 'netns:blue', '--slot', '3', '--vswitch=br1', '--json'],
    ['--vswitch', 'br1', 'plug', '--json', 'netns:blue', '--slot', '3'],
  ]) {
    const world = new FakeWorld('br0', 'br1')
    const { status, stdout } = await cli(argv, { world: world.asWorld() })
    assert.is(status, 0)
    assert.equal(world.calls, ['plug br1 3'])
    assert.is(JSON.parse(stdout).results[0].port.slot, 3)
    assert.ok(world.closed)
  }
})

test("a command's own options stand before its name, too, as ecDock wants them", async () => {
  const starts: string[][] = [
    ['--name', 'db', '-eA=1', '--slot=4', '--no-tty', 'start', 'alpine', '--no-tty'],
    ['-e', 'A=1', '--name=db', 'start', '--no-tty', '--slot', '4', 'alpine', '--no-tty'],
  ]
  for (const argv of starts) {
    const world = new FakeWorld('br0')
    assert.is((await cli(argv, { world: world.asWorld() })).status, 0)
    assert.equal(world.calls, [
      'start br0 {"image":"alpine","args":["--no-tty"],"tty":false,"name":"db","env":["A=1"],"slot":4}',
    ])
  }
  const world = new FakeWorld()
  const create = ['--vswitch=ovs1', '--usermode', 'create-vswitch', '10.0.1.254/24', 'eth1']
  assert.is((await cli(create, { world: world.asWorld() })).status, 0)
  assert.equal(world.calls, ['create ovs ovs1 10.0.1.254/24'])
})

test('an option that takes a value takes one in every command', async () => {
  const takes = new Map<string, boolean>()
  const program = await buildProgram({ stdout: process.stdout }, async () => {})
  for (const { options } of [program, ...program.commands]) {
    for (const { long, short, required, optional } of options) {
      for (const flag of [long, short]) {
        if (flag === undefined || flag === null) continue
        assert.is(takes.get(flag) ?? (required || optional), required || optional, flag)
        takes.set(flag, required || optional)
      }
    }
  }
  assert.ok(takes.get('--slot'))
})

test('where OVSDB and Docker are comes from the options, or else from the environment', async () => {
  const env = { ECDOCK_OVSDB: 'unix:/a', DOCKER_HOST: 'unix:///b' }
  assert.equal((await cli(['ls'])).opened, {})
  assert.equal((await cli(['ls'], { env })).opened, { ovsdb: 'unix:/a', docker: 'unix:///b' })
  const { opened } = await cli(['ls', '--ovsdb', 'tcp:127.0.0.1:6640', '--docker', '/c'], { env })
  assert.equal(opened, { ovsdb: 'tcp:127.0.0.1:6640', docker: '/c' })
})

test('the vswitch is the only one there is, and no guess is made between two', async () => {
  const one = new FakeWorld('lab')
  assert.is((await cli(['plug', 'netns:blue'], { world: one.asWorld() })).status, 0)
  assert.equal(one.calls, ['plug lab any'])

  const two = await cli(['plug', 'netns:blue'], { world: new FakeWorld('br0', 'br1').asWorld() })
  assert.is(two.status, 2)
  assert.match(two.stderr, 'br0, br1')
  const env = { ECDOCK_VSWITCH: 'br1' }
  assert.is(
    (await cli(['plug', 'netns:blue'], { world: new FakeWorld('br0', 'br1').asWorld(), env })).status,
    0,
  )

  const none = await cli(['plug', 'netns:blue', '--json'], { world: new FakeWorld().asWorld() })
  assert.is(none.status, 1)
  assert.is(JSON.parse(none.stdout).error.code, 'VSWITCH_NOT_FOUND')
})

test('delete-vswitch takes no name from the environment', async () => {
  const world = new FakeWorld('br0')
  const result = await cli(['delete-vswitch'], { world: world.asWorld(), env: { ECDOCK_VSWITCH: 'br0' } })
  assert.is(result.status, 2)
  assert.equal(world.calls, [])
})

test('of several targets, one that fails leaves the others alone', async () => {
  const world = new FakeWorld('br0')
  await cli(['plug', 'netns:a', '--slot', '2'], { world: world.asWorld() })
  const { status, stdout } = await cli(['--json', 'unplug', '1-3'], { world: world.asWorld() })
  assert.is(status, 1)
  const { results, error } = JSON.parse(stdout)
  assert.equal(
    results.map((result: { ok: boolean }) => result.ok),
    [false, true, false],
  )
  assert.is(results[0].error.code, 'SLOT_EMPTY')
  assert.is(error.code, 'SLOT_EMPTY')
})

test('everything behind IMAGE belongs to the container', async () => {
  const world = new FakeWorld('br0')
  const argv = [
    '--slot=1',
    'start',
    '-e',
    'A=1',
    '--env',
    'B=2',
    'alpine',
    'ls',
    '--json',
    '--slot',
    '9',
    '-v',
    'x',
  ]
  assert.is((await cli(argv, { world: world.asWorld() })).status, 0)
  const request = { slot: 1, image: 'alpine', args: ['ls', '--json', '--slot', '9', '-v', 'x'], tty: true }
  const [call = ''] = world.calls
  const asked = JSON.parse(call.replace('start br0 ', ''))
  for (const [key, value] of Object.entries({ ...request, env: ['A=1', 'B=2'] }))
    assert.equal(asked[key], value)
})

test('restart takes its slot as an argument or by --slot', async () => {
  const world = new FakeWorld('br0')
  await cli(['restart', '2'], { world: world.asWorld() })
  await cli(['restart', '2', 'alpine', 'sh', '-c', 'true'], { world: world.asWorld() })
  await cli(['--slot=2', 'restart', 'alpine', 'sh'], { world: world.asWorld() })
  assert.equal(world.calls, [
    'restart br0 2 {}',
    'restart br0 2 {"image":"alpine","args":["sh","-c","true"],"tty":true}',
    'restart br0 2 {"image":"alpine","args":["sh"],"tty":true}',
  ])
})

test('restart says what the new container is like, and waits as long as it is told for the old one', async () => {
  const world = new FakeWorld('br0')
  const argv = ['restart', '-t', '0', '--name', 'db', '-e', 'A=1', '--privileged', '2', 'alpine', '-e', 'x']
  assert.is((await cli(argv, { world: world.asWorld() })).status, 0)
  const [call = ''] = world.calls
  assert.equal(JSON.parse(call.replace('restart br0 2 ', '')), {
    image: 'alpine',
    args: ['-e', 'x'],
    tty: true,
    name: 'db',
    privileged: true,
    env: ['A=1'],
    timeoutSeconds: 0,
  })
})

test('ls is friendly when there is nothing', async () => {
  const { status, stdout } = await cli(['ls'], { world: new FakeWorld().asWorld() })
  assert.is(status, 0)
  assert.match(stdout, 'ecdock-fast create-vswitch 10.0.0.254/24')
  const { stdout: json } = await cli(['ls', '--json'], { world: new FakeWorld().asWorld() })
  assert.equal(JSON.parse(json), { vswitches: [] })
})

test('ls shows a line for each port, and --quiet nothing', async () => {
  const world = new FakeWorld('br0')
  await cli(['plug', 'netns:blue', 'pid:1'], { world: world.asWorld() })
  const { stdout } = await cli(['ls'], { world: world.asWorld() })
  assert.match(stdout, /^br0 {2}bridge {2}10\.0\.0\.254\/24 {2}2 ports\n/)
  assert.match(stdout, /^ +1 +netns:blue +eth0 .* 10\.0\.0\.1\/24 .* up /m)
  assert.match(stdout, /^ +2 +pid:1 /m)
  assert.is((await cli(['ls', '--quiet'], { world: world.asWorld() })).stdout, '')
})

test('inspect of an empty slot says so', async () => {
  const { status, stderr } = await cli(['inspect', '7'], { world: new FakeWorld('br0').asWorld() })
  assert.is(status, 1)
  assert.match(stderr, 'slot 7 of br0 is empty')
})

test('a log goes to stderr as JSON lines, and stdout stays one document', async () => {
  const world = new FakeWorld('br0')
  const { stdout, stderr } = await cli(['--json', 'ls', '--log-level', 'debug'], { world: world.asWorld() })
  assert.is(JSON.parse(stdout).vswitches.length, 1)
  const lines = stderr.trim().split('\n')
  assert.is(lines.length, 2)
  for (const line of lines) assert.is(JSON.parse(line).name, 'ecdock-fast')
})

test('what was asked to stop before it began does not begin', async () => {
  const world = new FakeWorld('br0')
  const signal = AbortSignal.abort(new Interruption('SIGTERM'))
  const { status, stdout } = await cli(['plug', 'netns:blue', '--json'], { world: world.asWorld(), signal })
  assert.is(status, 143)
  assert.is(JSON.parse(stdout).error.code, 'CANCELLED')
  assert.equal(world.calls, [])
})

test('a vswitch that was made while a signal came is deleted again', async () => {
  const world = new FakeWorld()
  const controller = new AbortController()
  const real = world.asWorld()
  const interrupted = {
    ...real,
    createVswitch: (options: Parameters<typeof real.createVswitch>[0]) => {
      controller.abort(new Interruption('SIGINT'))
      return real.createVswitch(options)
    },
  }
  const result = await cli(['create-vswitch', '10.0.0.254/24'], {
    world: interrupted,
    signal: controller.signal,
  })
  assert.is(result.status, 130)
  assert.equal(world.calls, ['create bridge br0 10.0.0.254/24', 'delete br0'])
})

test.run()
