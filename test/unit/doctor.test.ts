import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import { createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { dockerCheck, pingCheck } from '../../src/doctor/docker-check.js'
import { doctor } from '../../src/doctor/doctor.js'
import { kernelSupport } from '../../src/doctor/kernel-support.js'
import { ovsChecks, ovsdbChecks, parseOvsWorld } from '../../src/doctor/ovsdb-checks.js'
import {
  hasCapability,
  isAtLeast,
  parseEffectiveCapabilities,
  parseOpenFileLimit,
  parseSysctlNumber,
  parseVersion,
} from '../../src/doctor/proc.js'
import { type Check, doctorReport } from '../../src/doctor/report.js'
import {
  bridgeFilterCheck,
  capabilityChecks,
  deviceFault,
  directoryFault,
  linuxCheck,
  neighbourCheck,
  nodeCheck,
  openFilesCheck,
  ovsModuleCheck,
  programFault,
  switchCheck,
  tapCheck,
} from '../../src/doctor/system-checks.js'
import { EcdockError } from '../../src/errors.js'
import type { Kernel } from '../../src/kernel/kernel.js'

const directory = mkdtempSync(join(tmpdir(), 'ecdock-doctor-'))
test.after(() => rmSync(directory, { recursive: true }))

/** Runs with a server on a unix socket, and closes it and its connections afterwards. */
async function serving<T>(server: Server, name: string, run: (path: string) => Promise<T>): Promise<T> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
  })
  const path = join(directory, name)
  await new Promise<void>((resolve) => server.listen(path, resolve))
  try {
    return await run(path)
  } finally {
    for (const socket of sockets) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
  }
}

function only(checks: Check[]): Check {
  assert.is(checks.length, 1)
  const [check] = checks
  if (check === undefined) throw new Error('no check')
  return check
}

test('capabilities are read from /proc/self/status', () => {
  const status =
    'Name:\tnode\nCapPrm:\t0000000000000000\nCapEff:\t0000000000001000\nCapBnd:\t000001ffffffffff\n'
  const effective = parseEffectiveCapabilities(status)
  assert.is(effective, 4096n)
  assert.ok(hasCapability(4096n, 'CAP_NET_ADMIN'))
  assert.not(hasCapability(4096n, 'CAP_SYS_ADMIN'))
  assert.ok(hasCapability(1n << 21n, 'CAP_SYS_ADMIN'))
  assert.ok(hasCapability(1n << 13n, 'CAP_NET_RAW'))
  assert.is(parseEffectiveCapabilities(''), undefined)
  assert.is(parseEffectiveCapabilities('CapEff:\tzz\n'), undefined)
})

test('a missing capability names what needs it, and how to get it', () => {
  const checks = capabilityChecks(1n << 12n)
  assert.equal(
    checks.map((check) => [check.name, check.status, check.optional]),
    [
      ['CAP_NET_ADMIN', 'ok', false],
      ['CAP_SYS_ADMIN', 'missing', false],
      ['CAP_NET_RAW', 'missing', true],
      ['CAP_SYS_PTRACE', 'missing', true],
    ],
  )
  assert.match(checks[1]?.hint ?? '', /--cap-add SYS_ADMIN/)
  assert.equal(new Set(capabilityChecks(undefined).map((check) => check.status)), new Set(['warning']))
})

test('the limit of open files is read from /proc/self/limits', () => {
  const header = 'Limit                     Soft Limit           Hard Limit           Units     \n'
  const line = (soft: string) =>
    `${header}Max open files            ${soft}              1048576              files     \n`
  assert.is(parseOpenFileLimit(line('1024')), 1024)
  assert.is(parseOpenFileLimit(line('unlimited')), Number.POSITIVE_INFINITY)
  assert.is(parseOpenFileLimit(header), undefined)
  assert.is(openFilesCheck(1024).status, 'warning')
  assert.is(openFilesCheck(1048576).status, 'ok')
  assert.match(openFilesCheck(Number.POSITIVE_INFINITY).detail, /any number of files/)
})

test('versions are compared number by number', () => {
  assert.equal(parseVersion('6.1.0-18-cloud-amd64'), { major: 6, minor: 1 })
  assert.equal(parseVersion('v20.17.0'), { major: 20, minor: 17 })
  assert.is(parseVersion('six'), undefined)
  assert.ok(isAtLeast({ major: 22, minor: 0 }, 20, 17))
  assert.ok(isAtLeast({ major: 20, minor: 17 }, 20, 17))
  assert.not(isAtLeast({ major: 20, minor: 9 }, 20, 17))
  assert.is(nodeCheck('v20.16.0').status, 'missing')
  assert.is(nodeCheck('v24.1.0').status, 'ok')
  assert.is(linuxCheck('linux', '6.1.0-18-amd64').status, 'ok')
  assert.is(linuxCheck('linux', '4.9.0').status, 'warning')
  assert.is(linuxCheck('darwin', '24.0.0').status, 'missing')
})

test('a sysctl that is no number counts as unknown', () => {
  assert.is(parseSysctlNumber('1024\n'), 1024)
  assert.is(parseSysctlNumber(''), undefined)
  assert.is(parseSysctlNumber('1 2'), undefined)
  assert.is(parseSysctlNumber(undefined), undefined)
})

test('a module is found where the kernel keeps it', () => {
  const veth = (evidence: object) => kernelSupport(evidence, 'veth', 'VETH')
  assert.is(veth({ loaded: 'veth 32768 0 - Live 0x0\n' }), 'loaded')
  assert.is(veth({ loaded: 'vethx 32768 1 veth, Live 0x0\n' }), 'unknown')
  assert.is(veth({ builtin: 'kernel/drivers/net/veth.ko\n' }), 'builtin')
  assert.is(veth({ config: 'CONFIG_VETH=y\n' }), 'builtin')
  assert.is(veth({ loadable: 'kernel/drivers/net/veth.ko: kernel/net/x.ko\n' }), 'loadable')
  assert.is(veth({ loadable: 'kernel/drivers/net/veth.ko.xz:\n' }), 'loadable')
  assert.is(veth({ loaded: '', config: 'CONFIG_VETH=m\n' }), 'loadable')
  assert.is(veth({ config: '# CONFIG_VETH is not set\n' }), 'absent')
  assert.is(
    veth({ builtin: 'kernel/x.ko\n', loadable: 'kernel/y.ko: kernel/drivers/net/myveth.ko\n' }),
    'absent',
  )
  assert.is(veth({ loaded: '' }), 'unknown')
  assert.is(veth({}), 'unknown')
})

test('what kind vde needs is looked for, and what to do is said', async () => {
  assert.is(tapCheck(undefined).status, 'ok')
  assert.equal([tapCheck('ENOENT').status, tapCheck('ENOENT').optional], ['missing', true])
  assert.match(tapCheck('ENOENT').hint ?? '', /modprobe tun/)
  assert.match(tapCheck('EACCES').hint ?? '', /as root/)
  assert.is(switchCheck(undefined).status, 'ok')
  assert.match(switchCheck('ENOENT').hint ?? '', /npm rebuild/)
  assert.is(await programFault(process.execPath), undefined)
  assert.is(await programFault('/no/such/program'), 'ENOENT')
  assert.is(await deviceFault('/dev/null'), undefined)
  assert.is(await deviceFault('/no/such/device'), 'ENOENT')
})

test('without the openvswitch module the userspace datapath is the hint', () => {
  assert.is(ovsModuleCheck('loadable').status, 'ok')
  assert.is(ovsModuleCheck('absent').status, 'missing')
  assert.match(ovsModuleCheck('absent').hint ?? '', /--usermode/)
  assert.is(ovsModuleCheck('unknown').status, 'warning')
})

test("br_netfilter is explained, whether or not the host's bridges are filtered", () => {
  assert.match(bridgeFilterCheck(1).detail, /namespace of its own/)
  assert.match(bridgeFilterCheck(0).detail, /do not pass/)
  assert.match(bridgeFilterCheck(undefined).detail, /do not pass/)
})

test('a small neighbour table is a warning with the command that enlarges it', () => {
  assert.is(neighbourCheck(1024).status, 'warning')
  assert.match(neighbourCheck(1024).hint ?? '', /gc_thresh3=65536/)
  assert.is(neighbourCheck(65536).status, 'ok')
  assert.is(neighbourCheck(undefined).status, 'ok')
})

test('a directory need not exist when it can be made', async () => {
  assert.is(await directoryFault(directory), undefined)
  assert.is(await directoryFault(join(directory, 'a', 'b')), undefined)
  writeFileSync(join(directory, 'file'), '')
  assert.match((await directoryFault(join(directory, 'file', 'b'))) ?? '', /not writable/)
})

test('all is well when only something optional is missing', () => {
  const check: Check = { name: 'x', status: 'ok', detail: '', neededFor: 'y', optional: false }
  assert.ok(doctorReport([check, { ...check, status: 'warning' }]).ok)
  assert.ok(doctorReport([{ ...check, status: 'missing', optional: true }]).ok)
  assert.not(doctorReport([check, { ...check, status: 'missing' }]).ok)
})

const ROOT = {
  ovs_version: '3.1.0',
  other_config: ['map', [['userspace-tso-enable', 'true']]],
  datapath_types: ['set', ['netdev', 'system']],
  cur_cfg: 5,
  next_cfg: 5,
}
const BRIDGES = {
  rows: [
    { name: 'ovs0', datapath_type: 'netdev' },
    { name: 'ovs1', datapath_type: '' },
  ],
}

test('the rows of Open vSwitch are read, whatever shape they have', () => {
  assert.equal(parseOvsWorld([{ rows: [ROOT] }, BRIDGES]), {
    version: '3.1.0',
    userspaceTso: true,
    userspaceBridges: ['ovs0'],
    served: true,
    behind: false,
  })
  const none = ['set', []]
  const fresh = {
    ovs_version: none,
    other_config: ['map', []],
    datapath_types: none,
    cur_cfg: 0,
    next_cfg: 1,
  }
  assert.equal(parseOvsWorld([{ rows: [fresh] }, { rows: [] }]), {
    version: '',
    userspaceTso: false,
    userspaceBridges: [],
    served: false,
    behind: true,
  })
  for (const result of [
    null,
    [],
    'x',
    [{ rows: [] }, { rows: [] }],
    [{ error: 'x' }, null],
    [{ rows: [ROOT] }],
  ]) {
    assert.is(parseOvsWorld(result), undefined)
  }
})

test('the userspace datapath gets the advice to turn TSO on', () => {
  const world = {
    version: '3.1.0',
    userspaceTso: false,
    userspaceBridges: ['ovs0'],
    served: true,
    behind: false,
  }
  const [answers, tso] = ovsChecks('unix:/x', world)
  assert.is(answers?.status, 'ok')
  assert.is(tso?.status, 'warning')
  assert.match(tso?.hint ?? '', /userspace-tso-enable=true/)
  assert.is(ovsChecks('unix:/x', { ...world, userspaceTso: true })[1]?.status, 'ok')
  assert.is(only(ovsChecks('unix:/x', { ...world, userspaceBridges: [] })).status, 'ok')
  assert.is(only(ovsChecks('unix:/x', { ...world, userspaceBridges: [], behind: true })).status, 'warning')
  assert.match(
    only(ovsChecks('unix:/x', { ...world, userspaceBridges: [], served: false })).detail,
    /never run/,
  )
  assert.is(only(ovsChecks('unix:/x', undefined)).status, 'warning')
})

function ovsdbServer(answer: (request: { id: number; method: string }) => string | undefined): Server {
  return createServer((socket) => {
    socket.on('data', (chunk) => {
      for (const text of chunk.toString().replace('}{', '}\n{').split('\n')) {
        const reply = answer(JSON.parse(text))
        if (reply !== undefined) socket.write(reply)
      }
    })
  })
}

test('an OVSDB server that answers is found, with its version', async () => {
  const server = ovsdbServer(({ id, method }) => {
    const result = method === 'list_dbs' ? ['Open_vSwitch', '_Server'] : [{ rows: [ROOT] }, BRIDGES]
    return JSON.stringify({ id, result, error: null })
  })
  const checks = await serving(server, 'good', (path) => ovsdbChecks(`unix:${path}`, 5000))
  assert.equal(
    checks.map((check) => [check.name, check.status]),
    [
      ['OVSDB', 'ok'],
      ['userspace TSO', 'ok'],
    ],
  )
  assert.match(checks[0]?.detail ?? '', /Open vSwitch 3\.1\.0/)
})

test('an OVSDB server of somebody else is told apart', async () => {
  const server = ovsdbServer(({ id, method }) =>
    method === 'list_dbs'
      ? JSON.stringify({ id, result: ['OVN_Northbound'], error: null })
      : JSON.stringify({ id, result: null, error: { error: 'unknown database' } }),
  )
  const checks = await serving(server, 'other', (path) => ovsdbChecks(`unix:${path}`, 5000))
  assert.match(only(checks).detail, /no database Open_vSwitch/)
})

test('a server that is silent, closes, or talks nonsense is missing, and says so', async () => {
  const cases: [string, Server, RegExp][] = [
    ['silent', createServer(() => {}), /does not answer within 100 ms/],
    ['closes', createServer((socket) => socket.end()), /closed the connection/],
    [
      'nonsense',
      createServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n')),
      /does not speak OVSDB/,
    ],
  ]
  for (const [name, server, words] of cases) {
    const checks = await serving(server, name, (path) => ovsdbChecks(`unix:${path}`, 100))
    assert.is(only(checks).status, 'missing')
    assert.match(only(checks).detail, words)
  }
  const absent = only(await ovsdbChecks(`unix:${directory}/nobody`, 100))
  assert.is(absent.status, 'missing')
  assert.match(absent.detail, /cannot be reached/)
  assert.match(only(await ovsdbChecks('nowhere', 100)).detail, /is no OVSDB endpoint/)
})

test('Docker is found by its answer to a ping', async () => {
  const server = createHttpServer((request, response) => {
    response.writeHead(request.url === '/_ping' ? 200 : 404, { Server: 'Docker/20.10.24 (linux)' })
    response.end('OK')
  })
  const check = await serving(server, 'docker', (path) => dockerCheck(`unix://${path}`, 5000))
  assert.is(check.status, 'ok')
  assert.match(check.detail, /^Docker 20\.10\.24 at unix:/)
  assert.is(pingCheck('unix:///x', { status: 500, server: '' }).status, 'missing')
  assert.is(pingCheck('unix:///x', { status: 200, server: 'Libpod/4.3' }).detail, 'Docker at unix:///x')
})

test('a Docker that is not there, or does not answer, is missing', async () => {
  const absent = await dockerCheck(`unix://${directory}/nobody`, 100)
  assert.is(absent.status, 'missing')
  assert.match(absent.detail, /ENOENT/)
  const silent = await serving(
    createServer(() => {}),
    'mute',
    (path) => dockerCheck(`unix://${path}`, 100),
  )
  assert.is(silent.status, 'missing')
  assert.match(silent.detail, /does not answer within 100 ms/)
})

test('the doctor looks at everything, and each thing once', async () => {
  const report = await doctor({
    ovsdb: `unix:${directory}/nobody`,
    docker: `unix://${directory}/nobody`,
    runDir: join(directory, 'run'),
    kernel: kernelThat(async () => 4026531840),
  })
  const status = new Map(report.checks.map((check) => [check.name, check.status]))
  assert.is(status.size, report.checks.length)
  assert.is(status.get('Linux'), 'ok')
  assert.is(status.get('native addon'), 'ok')
  assert.is(status.get('OVSDB'), 'missing')
  assert.is(status.get('Docker'), 'missing')
  assert.is(status.get(join(directory, 'run')), 'ok')
  assert.equal(JSON.parse(JSON.stringify(report)), report)
})

test('nothing works without the addon', async () => {
  const fault = new EcdockError('ADDON_MISSING', 'load addon', 'invalid ELF header', { hint: 'Build it.' })
  const report = await doctor({
    ovsdb: `unix:${directory}/nobody`,
    docker: `unix://${directory}/nobody`,
    runDir: directory,
    kernelError: fault,
  })
  assert.equal(
    report.checks.find((check) => check.name === 'native addon'),
    {
      name: 'native addon',
      status: 'missing',
      detail: 'invalid ELF header',
      hint: 'Build it.',
      neededFor: 'everything',
      optional: false,
    },
  )
  assert.not(report.ok)
})

test('an addon that loads and does not work is missing too', async () => {
  const report = await doctor({
    ovsdb: `unix:${directory}/nobody`,
    docker: `unix://${directory}/nobody`,
    runDir: directory,
    kernel: kernelThat(() => Promise.reject(new Error('undefined symbol'))),
  })
  const addon = report.checks.find((check) => check.name === 'native addon')
  assert.is(addon?.status, 'missing')
  assert.is(addon?.detail, 'undefined symbol')
})

/** The doctor asks the kernel for nothing but the identity of its own namespace. */
function kernelThat(namespaceId: Kernel['namespaceId']): Kernel {
  const kernel: Partial<Kernel> = { namespaceId }
  return kernel as Kernel
}

test.run()
