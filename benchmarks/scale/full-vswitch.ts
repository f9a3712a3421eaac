import type { OvsdbClient } from '../../src/ovsdb/client.js'
import { select } from '../../src/ovsdb/operations.js'
import { decodeRows } from '../../src/ovsdb/result.js'
import type { Vswitch } from '../../src/vswitch/vswitch.js'
import { slots } from '../targets.js'
import { checked, timed } from '../timing.js'
import { untilAllAnswer } from './answers.js'
import { type Arena, NAME, onVswitch, requests } from './arena.js'

/**
 * From nothing to a full vswitch of which each slot answers, and then everything out again (or, in the last round, the
 * vswitch deleted as it is).
 */
export async function fillFromNothing(arena: Arena, count: number, last: boolean): Promise<void> {
  const { figures } = arena
  await onVswitch(arena, async (vswitch) => {
    figures.add('from-nothing', 'ecdock-fast', await timed(() => fill(arena, vswitch, count)), count)
    if (last) {
      figures.add('delete-vswitch', 'ecdock-fast', await timed(() => arena.host.deleteVswitch(NAME)))
    } else {
      await arena.looking(async (ovsdb) => {
        const out = async () => {
          checked(await vswitch.unplugAll(slots(count)))
          await untilVswitchdKnows(ovsdb)
        }
        figures.add('take-out', 'ecdock-fast', await timed(out), count)
      })
      await checkGone(arena)
    }
  })
}

/** The same on a vswitch that asks only those concerned for an address; how everything is taken out makes no difference. */
export async function fillSuppressing(arena: Arena, count: number): Promise<void> {
  const filling = async (vswitch: Vswitch) => {
    const ms = await timed(() => fill(arena, vswitch, count))
    arena.figures.add('from-nothing-suppressing', 'ecdock-fast', ms, count)
  }
  await onVswitch(arena, filling, { neighSuppress: true })
}

/** Until all slots answer. */
async function fill({ kernel }: Arena, vswitch: Vswitch, count: number): Promise<void> {
  checked(await vswitch.plugAll(requests(count)))
  await untilAllAnswer(kernel, count)
}

/** The same with slots that were made ready beforehand, whose ports stay. */
export async function fillReserved(arena: Arena, count: number): Promise<void> {
  const { host, kernel, figures } = arena
  const filling = async (vswitch: Vswitch) => {
    figures.add('reserve', 'ecdock-fast', await timed(() => vswitch.reserve(slots(count))), count)
    const plug = async () => checked(await vswitch.plugAll(requests(count)))
    figures.add('plug-reserved', 'ecdock-fast', await timed(plug), count)
    await untilAllAnswer(kernel, count)
    await arena.looking(async (ovsdb) => {
      const out = async () => {
        checked(await vswitch.unplugAll(slots(count)))
        await ovsdb.transactAndWait([])
      }
      figures.add('take-out-standing', 'ecdock-fast', await timed(out), count)
    })
    await checkGone(arena)
    await fill(arena, vswitch, count)
    figures.add('delete-vswitch-standing', 'ecdock-fast', await timed(() => host.deleteVswitch(NAME)))
  }
  await onVswitch(arena, filling, { neighSuppress: true })
}

/** One transaction of ovs-vsctl; the ports are there, and their interfaces are deleted afterwards, at no cost. */
export async function deleteByVsctl(arena: Arena, count: number): Promise<void> {
  const { floor, figures } = arena
  const deletions = slots(count).flatMap((slot) => [
    '--',
    'del-port',
    floor.bridge,
    `${floor.bridge}-s${slot}`,
  ])
  figures.add('take-out', 'ovs-vsctl', await timed(() => arena.vsctl(deletions)), count)
  await floor.unplugAll(count)
}

const ASK_AGAIN_MS = 20

/**
 * ovs-vswitchd has worked through its configuration since the devices went, and its rows say of each that it is gone:
 * then their ifindex is 0.
 */
async function untilVswitchdKnows(ovsdb: OvsdbClient): Promise<void> {
  await ovsdb.transactAndWait([])
  for (;;) {
    const [result] = await ovsdb.transact([select('Interface', [], ['name', 'ifindex'])])
    const rows = decodeRows('Interface', ['name', 'ifindex'], result)
    if (rows.every(({ name, ifindex }) => !isPort(name) || ifindex === 0)) return
    await new Promise((resolve) => setTimeout(resolve, ASK_AGAIN_MS))
  }
}

async function checkGone({ kernel }: Arena): Promise<void> {
  const left = (await kernel.links('')).find(({ name }) => isPort(name))
  if (left !== undefined) throw new Error(`${left.name} is still there`)
}

function isPort(name: string): boolean {
  return name.startsWith(`${NAME}-s`)
}
