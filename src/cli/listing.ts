import { type ListedVswitch, vswitchDocument } from './render/vswitch.js'
import type { World } from './world.js'

/** The vswitches with their ports: all, or the one of this name. */
export async function listVswitches(world: World, name: string | undefined): Promise<ListedVswitch[]> {
  const vswitches = name === undefined ? await world.vswitches() : [await world.vswitch(name)]
  return Promise.all(
    vswitches.map(async (vswitch) => ({
      ...vswitchDocument(vswitch),
      ports: await vswitch.ports({ stranded: true }),
    })),
  )
}
