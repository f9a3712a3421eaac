/** A Host, the command line and doctor with an OVSDB that is reached by TLS, and with a list of servers. */
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import tls from 'node:tls'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { TlsOptions } from '../../src/ovsdb/dial.js'
import { ecdockFast } from '../support/cli-program.js'
import { USERMODE } from '../support/datapath.js'
import { onVswitch } from '../support/on-vswitch.js'
import { type PrivateOvs, startOvs } from '../support/ovs.js'
import { Authority } from '../support/ovsdb-servers.js'
import { refusal } from '../support/refusal.js'
import { needs } from '../support/requirements.js'
import { megabyteEachWay } from '../support/traffic.js'
import { withHost } from '../support/world.js'

const ovsTest = needs('root', 'openvswitch', 'socat') ? test : test.skip
const ENDPOINT = 'ssl:127.0.0.1:6641'
const KIND = { name: 'ovs0', kind: 'ovs', usermode: USERMODE } as const

let directory: string
let ovs: PrivateOvs
let door: tls.Server
let trusted: TlsOptions
let files: { ca: string; key: string; cert: string }

/** The network namespace is the test's own, and so is every port. */
test.before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'ecdock-host-tls-'))
  ovs = await startOvs()
  const authority = await Authority.create(directory, 'ours')
  const own = await authority.issue('client')
  files = { ca: authority.certificate, ...own }
  trusted = await contents(files)
  const server = await contents({ ca: authority.certificate, ...(await authority.issue('ovs.example')) })
  door = tls.createServer({ ...server, requestCert: true }, (socket) => {
    const inside = net.connect(join(ovs.directory, 'db.sock'))
    for (const [from, to] of [
      [socket, inside],
      [inside, socket],
    ] as const) {
      from.on('error', () => to.destroy()).on('close', () => to.destroy())
      from.pipe(to)
    }
  })
  door.listen(6641, '127.0.0.1')
  await once(door, 'listening')
  // Where ovs-vswitchd has its other sockets, a remote database cannot tell.
  process.env.OVS_RUNDIR = ovs.directory
})

test.after(async () => {
  door.close()
  await ovs.stop()
  await rm(directory, { recursive: true })
})

ovsTest('a host speaks TLS with OVSDB', () =>
  onVswitch(
    { ovsdb: ENDPOINT, tls: trusted, leaderOnly: true, create: KIND },
    async ({ vswitch, targets }) => {
      const [first = '', second = ''] = targets
      await vswitch.plugAll([{ target: { netns: first } }, { target: { netns: second }, internal: true }])
      await megabyteEachWay(first, second, '10.0.0.2')
    },
  ),
)

ovsTest('without a certificate that is missing is said', () =>
  withHost(
    async (host) => {
      await refusal(host.createVswitch({ ...KIND, subnet: '10.0.0.254/24' }), 'USAGE')
    },
    { ovsdb: ENDPOINT },
  ),
)

ovsTest('of a list of servers, one that answers is taken', () =>
  onVswitch(
    { ovsdb: `${ovs.ovsdb},unix:${directory}/nobody`, create: KIND },
    async ({ vswitch, targets }) => {
      await vswitch.plug({ netns: targets[0] ?? '' })
      assert.is((await vswitch.ports()).length, 1)
    },
  ),
)

ovsTest('the command line takes the files from its configuration, and doctor looks that way', async () => {
  const config = join(directory, 'config.yaml')
  const write = (ovsdb: string, ca: string) =>
    writeFile(config, `ovsdb: ${ovsdb}\ntls: { ca: ${ca}, key: ${files.key}, cert: ${files.cert} }\n`)
  await write(`unix:${directory}/nobody,${ENDPOINT}`, files.ca)
  const words = ['--config', config, '--json']
  const made = await ecdockFast([...words, '--usermode', 'create-vswitch', 'ovs0', '10.0.0.254/24'])
  assert.is(made.status, 0, made.output)
  const { stdout } = await ecdockFast([...words, 'doctor'])
  const { checks } = JSON.parse(stdout) as { checks: { name: string; status: string; detail: string }[] }
  assert.is(checks.find(({ name }) => name === 'OVSDB')?.status, 'ok', stdout)
  assert.match(checks.find(({ name }) => name === 'OVSDB cluster')?.detail ?? '', /^1 of 2: .*nobody/)
  assert.is((await ecdockFast([...words, 'delete-vswitch', 'ovs0'])).status, 0)

  await write(ENDPOINT, '/nowhere.pem')
  const { status, output } = await ecdockFast([...words, 'ls'])
  assert.is(status, 2)
  assert.match(output, 'nowhere.pem')
})

async function contents({ ca, key, cert }: { ca: string; key: string; cert: string }): Promise<{
  ca: Buffer
  key: Buffer
  cert: Buffer
}> {
  return { ca: await readFile(ca), key: await readFile(key), cert: await readFile(cert) }
}

test.run()
