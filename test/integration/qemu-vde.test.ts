/** A machine in QEMU that plugs itself into a VDE switch, with those that are plugged in natively. */
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { VdeConsole } from '../../src/vde/console.js'
import { ecdockFast, ecdockFastJson } from '../support/cli-program.js'
import { startDaemon } from '../support/daemon.js'
import { startDocker } from '../support/docker.js'
import { onVswitch } from '../support/on-vswitch.js'
import { waitUntil } from '../support/process.js'
import { bootTinyMachine, KERNEL, qemuHasVde } from '../support/qemu.js'
import { needs } from '../support/requirements.js'
import { answers } from '../support/traffic.js'
import { leavingNothing } from '../support/world.js'

const ready =
  needs('root', 'qemu', 'kmod', 'docker', 'busybox', 'iptables', 'iproute2', 'ping') && (await canBoot())
const machineTest = ready ? test : test.skip
const MEBIBYTE = 1024 * 1024

machineTest('a machine joins by what qemu-args prints, with the slot’s address, and is reached', () =>
  onVswitch({ targets: 1, create: { name: 'vde0', kind: 'vde' } }, async ({ host, vswitch, targets }) => {
    const [target = ''] = targets
    await vswitch.plug({ netns: target }, { slot: 1 })
    const told = await ecdockFastJson<{ args: string[]; ipv4: string; mac: string }>(['qemu-args', '2'])
    assert.is((await ecdockFast(['qemu-args', '2'])).stdout, `${told.args.join(' ')}\n`)
    assert.equal([told.ipv4, told.mac], ['10.0.0.2/24', '52:00:0a:00:00:02'])

    const machine = await booted({ network: told.args, address: told.ipv4, ping: '10.0.0.1' })
    const { socketDir, own } = await host.vdeSockets('vde0')
    const opened = await VdeConsole.open(join(socketDir, '..', 'mgmt'))
    try {
      assert.ok(own)
      await answers(target, '10.0.0.2')
      await megabyteThere('10.0.0.2')
      const port = (await opened.ports()).find((each) => each.port === 2)
      assert.match(port?.endpoints[0]?.description ?? '', /QEMU/)
      assert.ok((await opened.hash()).some(({ mac, port: at }) => mac === told.mac && at === 2))
      const taken = await ecdockFast(['plug', `netns:${target}`, '--slot', '2'])
      assert.match(taken.stderr, /slot 2 of vde0 is taken by .*QEMU/)
    } finally {
      await machine.stop()
    }
    await waitUntil('its port is free again', async () =>
      (await opened.ports()).every((each) => each.port !== 2 || each.endpoints.length === 0),
    )
    await opened.close()
    assert.is((await vswitch.plug({ netns: target }, { slot: 2 })).slot, 2)
  }),
)

machineTest('a machine joins a Docker network of the driver vde, and pings a container', async () => {
  const docker = await startDocker()
  const daemon = await startDaemon()
  const home = mkdtempSync(join(tmpdir(), 'vde-'))
  try {
    const sock = join(home, 'lan')
    await docker.cli(
      ...['network', 'create', '--driver', 'vde', '--subnet', '10.3.0.0/24', '--internal'],
      ...['-o', `socket_dir=${sock}`, '-o', 'create_sockets=true', 'lan'],
    )
    const run = ['run', '--detach', '--network', 'lan', '--ip', '10.3.0.2', docker.image, 'sleep', '1000']
    const id = (await docker.cli(...run)).trim()
    const card = ['-netdev', `vde,id=lan,sock=${sock}`, '-device', 'virtio-net-pci,netdev=lan']
    const machine = await booted({ network: card, address: '10.3.0.9/24', ping: '10.3.0.2' })
    try {
      assert.match(await docker.exec(id, ['ping', '-c', '1', '-W', '5', '10.3.0.9']), '1 packets received')
    } finally {
      await machine.stop()
    }
    await docker.cli('rm', '--force', id)
    await docker.cli('network', 'rm', 'lan')
  } finally {
    await daemon.stop()
    await docker.stop()
    rmSync(home, { recursive: true, force: true })
  }
})

machineTest('QEMU ends with its reason where there is no switch', () =>
  leavingNothing(async () => {
    const nowhere = join(tmpdir(), 'nowhere')
    const card = ['-netdev', `vde,id=a,sock=${nowhere}`, '-device', 'virtio-net-pci,netdev=a']
    let error: unknown
    try {
      await (await booted({ network: card, address: '10.3.0.9/24', ping: '10.3.0.2' })).stop()
    } catch (thrown) {
      error = thrown
    }
    assert.match(String(error), /it has ended: .*vde/s)
  }),
)

/** Whether there is what else it takes; says so when there is not. */
async function canBoot(): Promise<boolean> {
  const missing = KERNEL === undefined ? 'there is no kernel to boot' : 'this QEMU is built without vde'
  if (KERNEL !== undefined && (await qemuHasVde())) return true
  console.error(`skipped: ${missing}`)
  return false
}

function booted(options: Parameters<typeof bootTinyMachine>[1]): ReturnType<typeof bootTinyMachine> {
  if (KERNEL === undefined) throw new Error('there is no kernel to boot')
  return bootTinyMachine(KERNEL, options)
}

/** Sends a mebibyte to the machine's echo service, and throws unless the same comes back. */
async function megabyteThere(address: string): Promise<void> {
  const sent = Buffer.alloc(MEBIBYTE)
  for (let at = 0; at < sent.length; at += 4) sent.writeUInt32LE(Math.imul(at, 0x9e3779b1) >>> 0, at)
  const socket = connect({ host: address, port: 7, timeout: 30_000 })
  socket.on('timeout', () => socket.destroy(new Error('the machine is silent')))
  socket.end(sent)
  const chunks: Buffer[] = []
  for await (const chunk of socket) chunks.push(chunk as Buffer)
  assert.ok(Buffer.concat(chunks).equals(sent), 'what came back is what was sent')
}

test.run()
