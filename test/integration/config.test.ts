/** Defaults from /etc/ecdock-fast.yaml and ecDock's /etc/default/ecDock, in an /etc of the test's own. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Port } from '../../src/vswitch/vswitch.js'
import { ECDOCK_FAST, ecdockFastJson } from '../support/cli-program.js'
import { type Ended, run, runToEnd } from '../support/process.js'
import { needs } from '../support/requirements.js'

const ready = needs('root', 'iproute2')
const withEtc = suite('configuration')
const test = ready ? withEtc : withEtc.skip

let etc: string

withEtc.before.each(async () => {
  etc = await mkdtemp(join(tmpdir(), 'ecdock-etc-'))
  await run('mount', ['--bind', etc, '/etc'])
})
withEtc.after.each(async () => {
  await run('umount', ['/etc'])
  await rm(etc, { recursive: true, force: true })
})

async function put(name: string, content: string): Promise<void> {
  await mkdir(dirname(join(etc, name)), { recursive: true })
  await writeFile(join(etc, name), content)
}

/** Runs `ecdock-fast` with nothing of the tester's environment that would count before the files. */
function ecdockFast(args: readonly string[], variables: NodeJS.ProcessEnv = {}): Promise<Ended> {
  const names = ['ECDOCK_VSWITCH', 'ECDOCK_OVSDB', 'ECDOCK_FAST_CONFIG']
  const others = Object.entries(process.env).filter(([name]) => !names.includes(name))
  const env = { ...Object.fromEntries(others), ...variables }
  return runToEnd(process.execPath, [ECDOCK_FAST, ...args], { env })
}

async function done<Document>(args: readonly string[]): Promise<Document> {
  const { status, output, stdout } = await ecdockFast(['--json', ...args])
  assert.is(status, 0, output)
  return JSON.parse(stdout) as Document
}

const CONFIG = `
vswitch: lab0
subnet: 10.9.0.254/24
ipv6Prefix: fd00:9
slot: 7
mtu: 1400
defaultRoute: false
`

interface Made {
  name: string
  subnet: string
  ipv6Prefix: string
}

interface Plugged {
  results: { port: Port }[]
}

test('/etc/ecdock-fast.yaml says what the command line leaves open', async () => {
  await put('ecdock-fast.yaml', CONFIG)
  const made = await done<Made>(['create-vswitch'])
  assert.equal([made.name, made.subnet, made.ipv6Prefix], ['lab0', '10.9.0.254/24', 'fd00:9'])
  await run('ip', ['netns', 'add', 'blue'])
  await run('ip', ['netns', 'add', 'red'])
  try {
    const { results } = await done<Plugged>(['plug', 'netns:blue'])
    const port = results[0]?.port
    assert.equal(
      [port?.slot, port?.ipv4, port?.ipv6, port?.mtu],
      [7, '10.9.0.7/24', 'fd00:9::a09:7/64', 1400],
    )
    assert.is(await run('ip', ['-n', 'blue', 'route', 'show', 'default']), '')
    assert.is((await done<Port>(['inspect'])).slot, 7)

    const other = await done<Plugged>(['plug', 'netns:red', '--slot=8', '--mtu=1300', '--default-route'])
    assert.equal([other.results[0]?.port.slot, other.results[0]?.port.mtu], [8, 1300])
    assert.match(await run('ip', ['-n', 'red', 'route', 'show', 'default']), 'via 10.9.0.254')
  } finally {
    await ecdockFastJson(['delete-vswitch', 'lab0'])
    await run('ip', ['netns', 'delete', 'blue'])
    await run('ip', ['netns', 'delete', 'red'])
  }
})

test('/etc/default/ecDock is followed where nothing else says otherwise', async () => {
  await put('default/ecDock', 'DEFAULT_VSWITCH=old0\nDEFAULT_SLOT=\nDEFAULT_IPV6_PREFIX=fd00:1\n')
  const made = await done<Made>(['create-vswitch', '10.8.0.254/24'])
  assert.equal([made.name, made.ipv6Prefix], ['old0', 'fd00:1'])
  await ecdockFastJson(['delete-vswitch', 'old0'])

  await put('ecdock-fast.yaml', 'vswitch: new0\n')
  const newer = await done<Made>(['create-vswitch', '10.8.0.254/24', '--ipv6-prefix', 'fd00:2'])
  assert.equal([newer.name, newer.ipv6Prefix], ['new0', 'fd00:2'])
  await ecdockFastJson(['delete-vswitch', 'new0'])
})

test('nothing of the files is executed', async () => {
  await put('default/ecDock', 'DEFAULT_VSWITCH="$(touch /etc/executed)"\n')
  const { status, stderr } = await ecdockFast(['ls'])
  assert.is(status, 2)
  assert.match(stderr, '/etc/default/ecDock, line 1: DEFAULT_VSWITCH:')
  await put('default/ecDock', 'OTHER=$(touch /etc/executed)\n')
  assert.is((await ecdockFast(['ls'])).status, 0)
  assert.not.match(await run('ls', ['/etc']), 'executed')
})

test('the configuration may come through a pipe', async () => {
  const script = 'echo "vswitch: piped" | "$@" --config /dev/stdin plug netns:none'
  const { status, stderr } = await runToEnd('sh', ['-c', script, 'sh', process.execPath, ECDOCK_FAST])
  assert.is(status, 1)
  assert.match(stderr, 'there is no vswitch piped; it is named by /dev/stdin')
})

test('a faulty file is exit status 2 with its line, and the doctor reports it', async () => {
  await put('ecdock-fast.yaml', 'vswitch: lab0\nipv6prefix: fd00\n')
  const refused = await ecdockFast(['ls'])
  assert.is(refused.status, 2)
  assert.match(refused.stderr, 'error: /etc/ecdock-fast.yaml, line 2: there is no key "ipv6prefix"')
  assert.match(refused.stderr, 'hint: Did you mean ipv6Prefix?')
  const doctor = await ecdockFast(['doctor'])
  assert.is(doctor.status, 3)
  assert.match(doctor.stdout, '/etc/ecdock-fast.yaml, line 2: there is no key "ipv6prefix"')

  const other = await ecdockFast(['ls'], { ECDOCK_FAST_CONFIG: '/etc/nowhere.yaml' })
  assert.is(other.status, 2)
  assert.match(other.stderr, 'the configuration "/etc/nowhere.yaml" cannot be read: there is no such file')
})

withEtc.run()
