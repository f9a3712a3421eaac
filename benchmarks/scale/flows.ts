import { OpenFlowClient } from '../../src/openflow/client.js'
import { managementSocket } from '../../src/openflow/management-socket.js'
import { removeSlotFlows, setSlotFlows, slotFlows } from '../../src/openflow/slot-flows.js'
import { LineProgram } from '../peers/line-program.js'
import { createOvsBridge } from '../peers/ovs-bridge.js'
import { sourcePath } from '../program.js'
import { slots } from '../targets.js'
import { timed } from '../timing.js'
import type { Arena } from './arena.js'
import type { ScaleEffort } from './effort.js'

const BRIDGE = 'flows'

/** Flows of slots, set all behind one barrier, or by a call of ovs-ofctl for each: a few calls stand for all. */
export async function flows({ figures, runDir, env }: Arena, effort: ScaleEffort['flows']): Promise<void> {
  createOvsBridge(BRIDGE, env)
  const ofctl = new LineProgram('bash', [sourcePath('benchmarks/peers/ovs-ofctl.sh'), BRIDGE, ''], env)
  const client = await OpenFlowClient.connect(managementSocket(BRIDGE, { runDir }))
  const wanted = slots(effort.count).map((slot) => ({ mac: mac(slot), slot }))
  for (let round = 0; round < effort.rounds; round++) {
    const ms = await timed(async () => {
      const errors = await setSlotFlows(client, wanted)
      for (const error of errors) if (error !== undefined) throw error
    })
    figures.add('flows', 'ecdock-fast', ms, effort.count)
    const there = (await slotFlows(client)).length
    if (there !== effort.count) throw new Error(`${there} flows are set instead of ${effort.count}`)
    await removeSlotFlows(client, 'all')
    for (const slot of slots(effort.calls)) {
      figures.add('flows', 'ovs-ofctl', await ofctl.ask(`plug ${slot} 1`))
    }
    await ofctl.ask(`unplug 1 ${effort.calls}`)
  }
  await client.close()
  await ofctl.close()
}

function mac(slot: number): string {
  const hex = (byte: number) => byte.toString(16).padStart(2, '0')
  return `52:00:0a:00:${hex(slot >> 8)}:${hex(slot & 255)}`
}
